"""The score: a ledger that adds up, blockers, what is missing, and what cleaning may and may not change."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Contract, Dimension
from sdconsole.core.model import StageName
from sdconsole.errors import GateFailed, Interrupted
from sdconsole.quality.clean.report import CleanReport
from sdconsole.quality.drift.shape import deployed_tables
from sdconsole.quality.score.model import Score, grade_of, score_from_dict
from sdconsole.quality.score.scoring import score_connection, score_file, split_points
from tests.unit.quality_exports import AS_OF, CONTRACT, MINIMUM, Rows, clean, clean_rows, perfect, select, silent, write


def both(folder: Path, rows: Rows, **options: Any) -> tuple[Score, Score]:
    cleaned = clean_rows(folder, rows, **options)
    return cleaned.score("before"), cleaned.score("after")


def adds_up(score: Score) -> bool:
    """In hundredths, since that is what is printed."""
    lost = sum(round(100 * result.lost) for result in score.ledger)
    possible = sum(round(100 * result.possible) for result in score.ledger)
    parts = sum(round(100 * dimension.points) for dimension in score.dimensions)
    return possible == 10_000 and round(100 * score.total) == 10_000 - lost == parts


def lost_by_dimension(score: Score) -> dict[str, float]:
    return {
        each.name: round(each.possible - each.points, 2) for each in score.dimensions if each.possible > each.points
    }


def test_perfect_data_score_a_hundred_before_and_after(tmp_path: Path) -> None:
    for score in both(tmp_path, perfect()):
        assert (score.total, score.grade, score.blockers, score.missing_columns) == (100.0, "EXCELLENT", (), ())
        assert [(each.name, each.points, each.possible) for each in score.dimensions] == [
            ("completeness", 40.0, 40.0),
            ("validity", 30.0, 30.0),
            ("consistency", 20.0, 20.0),
            ("uniqueness", 5.0, 5.0),
            ("integrity", 5.0, 5.0),
        ]
        assert (score.passes(), score.passes(100.0)) == (True, True)
        assert [result.id for result in score.ledger if not result.passed] == []
        assert adds_up(score)


@pytest.mark.parametrize(
    ("total", "grade"),
    [(100, "EXCELLENT"), (90, "EXCELLENT"), (89.99, "GOOD"), (80, "GOOD"), (79.99, "ACCEPTABLE"), (70, "ACCEPTABLE"),
     (69.99, "POOR"), (60, "POOR"), (59.99, "FAILED"), (0, "FAILED")],
)  # fmt: skip
def test_grades(total: float, grade: str) -> None:
    assert grade_of(total, load_contract().grades) == grade
    assert grade_of(total, (100, 100, 100, 0)) == ("EXCELLENT" if total == 100 else "POOR")


@pytest.mark.parametrize(
    ("table", "column", "value", "dimension"),
    [
        ("comments", "comment_text", "", "completeness"),
        ("comments", "user_name", "nan", "completeness"),
        ("tickets", "TKT-Title", None, "completeness"),
        ("tickets", "TKT-Status", "  ", "completeness"),
        ("tickets", "TKT-Created Time", "", "completeness"),
        ("timesheets", "TS-Hours", "two", "completeness"),
        ("timesheets", "TS-Date", "N/A", "completeness"),
        ("tickets", "TKT-Ticket ID", None, "completeness"),
        ("comments", "created_time", "31/02/2025", "validity"),
        ("tickets", "TKT-Created Time", "tbc", "validity"),
        ("timesheets", "TS-Date", "2031-01-01", "validity"),
        ("comments", "comment_text", "x" * 100_001, "validity"),
        ("comments", "comment_text", b"\xff", "validity"),
        ("comments", "comment_id", "ABC-12", "consistency"),
        ("timesheets", "TS-Crm ID", 7.5, "consistency"),
        ("tickets", "TKT-Actual Resolution Date", "2025-07-01 08:00:00", "consistency"),
        ("tickets", "TKT-Closure Date", "2025-07-01 08:00:00", "consistency"),
        ("tickets", "TKT-Modified Time", "31/02/2025", "consistency"),
    ],
)
def test_each_defect_lowers_exactly_its_own_dimension(
    table: str, column: str, value: object, dimension: str, tmp_path: Path
) -> None:
    rows = perfect()
    rows[table][3][column] = value
    for score in both(tmp_path, rows):
        assert list(lost_by_dimension(score)) == [dimension]
        assert adds_up(score)


def test_a_repeated_key_costs_uniqueness_until_cleaning_resolves_it(tmp_path: Path) -> None:
    rows = perfect()
    rows["tickets"].append(rows["tickets"][2])
    rows["comments"].append(rows["comments"][2])
    before, after = both(tmp_path, rows)
    assert list(lost_by_dimension(before)) == ["uniqueness"]
    assert {result.id for result in before.blockers} == {"R41", "R42"}
    assert (after.total, after.blockers) == (100.0, ())


@pytest.mark.parametrize(("orphans", "lost"), [(0, 0.0), (2, 0.0), (6, 1.0), (10, 2.0), (40, 2.0)])
def test_comment_orphans_cost_from_5_to_25_percent(orphans: int, lost: float, tmp_path: Path) -> None:
    rows = perfect()
    for row in rows["comments"][:orphans]:
        row["ticket_id"] = 99
    for score in both(tmp_path, rows):
        assert score.result("R35").lost == lost
        assert score.result("R35").passed == (orphans <= 2)


@pytest.mark.parametrize(
    ("orphans", "lost", "passed"),
    [(0, 0.0, True), (50, 0.0, True), (90, 0.0, True), (95, 0.0, True), (96, 0.4, False), (100, 2.0, False)],
)
def test_a_low_rate_of_timesheet_orphans_costs_nothing(orphans: int, lost: float, passed: bool, tmp_path: Path) -> None:
    rows = perfect(60)
    foreign = 0
    for number, row in enumerate(rows["timesheets"]):
        row["TS-Crm ID"] = 0 if number < 20 else 3_664_001
        if number >= 20 and foreign < orphans:
            row["TS-Crm ID"] = 9_000_000 + number
            foreign += 1
    score = clean_rows(tmp_path, rows).score("after")
    result = score.result("R36")
    assert (result.evaluated, result.failed, result.lost, result.passed) == (100, orphans, lost, passed)
    assert ("usual" in result.note) == (orphans < 85)


def test_visible_to_customer_may_be_sparse_but_not_empty(tmp_path: Path) -> None:
    rows = perfect()
    for row in rows["comments"][1:]:
        row["visible_to_customer"] = None
    assert clean_rows(tmp_path, rows).score("after").result("R16").lost == 0.0
    rows["comments"][0]["visible_to_customer"] = ""
    score = clean_rows(tmp_path, rows).score("after")
    assert score.result("R16").lost == 1.0
    assert score.missing_columns == ("comments.visible_to_customer",)
    assert [result.id for result in score.blockers] == ["R1"]


@pytest.mark.parametrize("emptied", [False, True])
def test_a_missing_required_column_scores_nothing_in_all_its_rules_and_is_named(emptied: bool, tmp_path: Path) -> None:
    rows = perfect()
    if emptied:
        for row in rows["timesheets"]:
            row["TS-Date"] = "nan"
        scores = both(tmp_path, rows)
    else:
        scores = both(tmp_path, rows, without=["TS-Date"])
    for score in scores:
        assert score.missing_columns == ("timesheets.TS-Date",)
        for rule in ("S6", "R24", "R29", "R43"):
            result = score.result(rule)
            assert result.lost == result.possible > 0, rule
            assert "TS-Date is missing" in result.note
        assert [result.id for result in score.blockers] == ["R3"]
        assert not score.passes(0.0)
        assert adds_up(score)


def test_a_missing_optional_column_is_left_out_its_dimension_keeps_its_weight_and_that_is_said(tmp_path: Path) -> None:
    for score in both(tmp_path, perfect(), without=["TKT-Modified Time", "TS-Title"]):
        assert (score.total, score.missing_columns) == (100.0, ())
        assert (score.result("R44d").possible, score.result("S8").possible) == (0.0, 0.0)
        assert sum(score.result(rule).possible for rule in ("R44a", "R44b", "R44c")) > 8.5
        assert [each.possible for each in score.dimensions] == [40.0, 30.0, 20.0, 5.0, 5.0]
        assert any("R44d" in note and "TKT-Modified Time" in note for note in score.notes)
        assert any("shared among the other rules" in note for note in score.notes)


@pytest.mark.parametrize("table", ["tickets", "comments", "timesheets"])
def test_a_missing_table_scores_nothing_and_stops(table: str, tmp_path: Path) -> None:
    rows = {name: stored for name, stored in perfect().items() if name != table}
    for score in both(tmp_path, rows):
        assert all(result.lost == result.possible for result in score.ledger if result.table == table)
        assert not score.passes(0.0)
        assert score.total < 76.0
        assert adds_up(score)


def test_a_blocker_stops_whatever_the_total(tmp_path: Path) -> None:
    rows = perfect()
    for row in rows["timesheets"][:1]:
        row["TS-Crm ID"] = "see notes"
    _, after = both(tmp_path, rows)
    assert after.total > 99.0
    assert [result.id for result in after.blockers] == ["R21"]
    assert not after.passes(50.0)
    assert after.to_event(StageName.SCORE).blockers == (after.result("R21").sentence,)


def test_ticket_ids_that_are_all_missing_stop_the_deployment(tmp_path: Path) -> None:
    rows = perfect()
    for row in rows["tickets"]:
        row["TKT-Ticket ID"] = None
    for score in both(tmp_path, rows):
        assert "R17" in {result.id for result in score.blockers}
        assert not score.passes(0.0)


def test_a_minimum_of_80_refuses_79_99(tmp_path: Path) -> None:
    score = clean_rows(tmp_path, perfect()).score("after")
    assert replace(score, total=80.0).passes()
    assert not replace(score, total=79.99).passes()
    assert replace(score, total=79.99).passes(70.0)


def test_garbage_under_the_right_headers_cannot_pass(tmp_path: Path) -> None:
    rows = perfect()
    for table in ("tickets", "comments", "timesheets"):
        for number, row in enumerate(rows[table]):
            row.update(dict.fromkeys(row, f"lorem ipsum dolor {number}"))
    for score in both(tmp_path, rows):
        assert score.total < 60.0
        assert score.blockers


def test_cells_that_cleaning_emptied_or_set_aside_stay_charged(tmp_path: Path) -> None:
    rows = perfect()
    for table, column, value in (
        ("timesheets", "TS-Date", "31/02/2025"),
        ("timesheets", "TS-Crm ID", "ABC"),
        ("timesheets", "TS-Hours", "1,250"),
        ("tickets", "TKT-Title", "nan"),
        ("tickets", "TKT-Closure Date", "tbc"),
        ("tickets", "TKT-Created Time", "31/02/2025"),
        ("comments", "comment_id", "-5"),
    ):
        next(row for row in rows[table] if row[column] not in ("nan", None))[column] = value
    before, after = both(tmp_path, rows)
    assert after.total == before.total < 100.0
    charged = {result.id: result.lost for result in before.ledger if result.lost}
    assert charged == {result.id: result.lost for result in after.ledger if result.lost}
    assert set(charged) >= {"R24", "R21", "R18", "S1", "R44c", "R23", "R19"}


def test_both_phases_count_the_same_rows(tmp_path: Path) -> None:
    rows = perfect()
    rows["tickets"] += [{"TKT-Ticket ID": "x"}, rows["tickets"][1]]
    before, after = both(tmp_path, rows)
    assert before.rows["tickets"] == after.rows["tickets"] == 22
    scored = [result for result in before.ledger if result.possible and result.dimension is not Dimension.UNIQUENESS]
    assert {result.id: result.evaluated for result in scored} == {
        result.id: after.result(result.id).evaluated for result in scored
    }


def test_every_lost_point_can_be_opened_with_plain_sql_on_the_clean_file(tmp_path: Path) -> None:
    rows = perfect()
    for number, (table, column, value) in enumerate(
        [
            ("tickets", "TKT-Created Time", "31/02/2025"),
            ("tickets", "TKT-Title", ""),
            ("tickets", "TKT-Actual Response Date", "2025-07-01"),
            ("comments", "comment_id", "ABC"),
            ("comments", "ticket_id", 99),
            ("comments", "comment_text", None),
            ("timesheets", "TS-Date", "2031-01-01"),
            ("timesheets", "TS-Crm ID", "x"),
        ]
        * 3
    ):
        rows[table][number][column] = value
    cleaned = clean_rows(tmp_path, rows)
    after = cleaned.score("after")
    lossy = [result for result in after.ledger if result.lost]
    assert len(lossy) >= 8
    for result in lossy:
        assert len(select(cleaned.output, result.sql)) == result.failed > 0, result.id
        assert result.samples
    for result in cleaned.score("before").ledger:
        if result.lost:
            assert select(cleaned.source, result.sql), result.id


def test_the_score_survives_json_and_the_event_carries_the_losses(tmp_path: Path) -> None:
    rows = perfect()
    rows["tickets"][1]["TKT-Title"] = None
    rows["comments"][1]["ticket_id"] = 99
    score = clean_rows(tmp_path, rows).score("after")
    assert score_from_dict(json.loads(json.dumps(score.to_dict()))) == score
    with pytest.raises(ValueError, match="schema 99"):
        score_from_dict(score.to_dict() | {"schema": 99})
    event = score.to_event(StageName.SCORE)
    assert (event.total, event.phase, event.minimum, event.grade) == (score.total, "after", MINIMUM, "EXCELLENT")
    assert [line.rule for line in event.losses] == ["S1"]
    assert event.total + sum(line.lost for line in event.losses) == 100.0
    assert (event.losses[0].failed, event.losses[0].evaluated) == (1, 20)
    assert event.losses[0].samples[0].startswith("TKT-Ticket ID=3664001")


def test_the_weakest_dimension_is_known(tmp_path: Path) -> None:
    rows = perfect()
    for row in rows["comments"]:
        row["ticket_id"] = 99
    weakest = clean_rows(tmp_path, rows).score("after").weakest
    assert weakest is not None
    assert (weakest.name, weakest.points, weakest.possible) == ("integrity", 3.0, 5.0)


def test_an_open_clean_file_scores_like_a_finished_one(tmp_path: Path) -> None:
    rows = perfect()
    rows["tickets"][1]["TKT-Title"] = None
    source = write(tmp_path / "export.db", rows)
    seen: list[Score] = []
    tables = deployed_tables(CONTRACT, clean(source, tmp_path / "first.db").profile)

    def gate(connection: sqlite3.Connection, report: CleanReport) -> None:
        seen.append(score_connection(connection, CONTRACT, tables, minimum=MINIMUM, progress=silent, as_of=AS_OF))
        if not seen[-1].passes(99.99):
            raise GateFailed("score", "too low")

    with pytest.raises(GateFailed):
        clean(source, tmp_path / "second.db", inspect=gate)
    assert not (tmp_path / "second.db").exists()
    assert seen == [clean(source, tmp_path / "third.db").score("after")]


def test_scoring_can_be_stopped_and_shows_progress(tmp_path: Path) -> None:
    cleaned = clean_rows(tmp_path, perfect(700))
    tables = deployed_tables(CONTRACT, cleaned.profile)
    for phase, path in (("before", cleaned.source), ("after", cleaned.output)):
        calls: list[tuple[int, int | None]] = []

        def score(progress: Any, path: Path = path, phase: Any = phase) -> Score:
            return score_file(
                path, CONTRACT, tables, phase=phase, orders=cleaned.profile.orders, minimum=0.0, progress=progress
            )

        def stop(done: int, total: int | None) -> None:
            raise Interrupted()

        score(lambda done, total, calls=calls: calls.append((done, total)))
        assert calls[-1] == (3501, 3501)
        assert len(calls) >= (5 if phase == "before" else 2)
        with pytest.raises(Interrupted):
            score(stop)


def test_no_rule_is_skipped_for_an_export_with_other_spellings(tmp_path: Path) -> None:
    """D/M/Y and ISO versions of the same data, in another row and column order, score the same."""
    rows = perfect()
    rows["tickets"][2]["TKT-Title"] = None
    rows["tickets"][3]["TKT-Closure Date"] = "2025-07-01 00:00:00"
    iso = clean_rows(tmp_path, rows)
    for row in rows["tickets"]:
        for column in [name for name in row if name.endswith(("Time", "Date"))]:
            year, month, day = str(row[column])[:10].split("-")
            row[column] = f"{int(day)}/{month}/{year} {str(row[column])[11:]}"
        row["TKT-Ticket ID"] = f" {row['TKT-Ticket ID']}.0"
    rows["tickets"] = [dict(reversed(list(row.items()))) for row in reversed(rows["tickets"])]
    slashed = clean_rows(tmp_path, rows)
    for one, other in ((iso.score("before"), slashed.score("before")), (iso.score("after"), slashed.score("after"))):
        assert one.total == other.total < 100.0
        assert [(each.id, each.lost, each.evaluated, each.failed) for each in one.ledger] == [
            (each.id, each.lost, each.evaluated, each.failed) for each in other.ledger
        ]


def test_an_unknown_database_is_scored_on_what_applies_and_that_is_said(tmp_path: Path) -> None:
    rows: Rows = {"stock": [{"sku": number, "price": 1.5} for number in range(40)]}
    rows["stock"][3]["price"] = "ask"
    cleaned = clean_rows(tmp_path, rows)
    for score in (cleaned.score("before"), cleaned.score("after")):
        assert score.total == 98.75
        assert [each.name for each in score.dimensions if each.possible] == ["validity"]
        assert score.notes[0].startswith("no rule of contract servicedesk scores these tables")
        assert adds_up(score)
        assert (score.passes(), score.missing_columns) == (True, ())
    assert select(cleaned.output, cleaned.score("after").ledger[0].sql) == [(4, 0, "price", "ask", "not a number")]


def test_an_unknown_database_with_a_key_is_scored_on_it_too(tmp_path: Path) -> None:
    source = tmp_path / "stock.db"
    with closing(sqlite3.connect(source)) as connection, connection:
        connection.execute("CREATE TABLE stock (sku TEXT PRIMARY KEY, price)")
        connection.executemany("INSERT INTO stock VALUES (?, 1.5)", [(f"S{number}",) for number in range(30)])
    score = clean(source).score("after")
    assert (score.total, [each.name for each in score.dimensions if each.possible]) == (
        100.0,
        ["completeness", "validity", "uniqueness"],
    )


def test_a_file_without_values_scores_nothing(tmp_path: Path) -> None:
    score = clean_rows(tmp_path, {"empty": [{"a": None}]}).score("after")
    assert (score.total, score.grade) == (0.0, "FAILED")
    assert "nothing in this file can be scored" in score.notes


def test_a_contract_without_rules_is_scored_on_keys_and_types(tmp_path: Path) -> None:
    bare: Contract = replace(CONTRACT, rules=())
    source = write(tmp_path / "export.db", perfect())
    score = clean(source, contract=bare).score("after")
    assert score.total == 100.0
    assert {result.check for result in score.ledger} == {"usable_values", "filled", "unique"}


def test_drift_has_no_baseline_the_first_time_and_names_what_moved_the_next(tmp_path: Path) -> None:
    first = clean_rows(tmp_path, perfect()).score("after")
    assert first.result("R49").left_out.startswith("no baseline")
    rows = perfect(30)
    for row in rows["comments"][:6]:
        row["user_name"] = None
    moved = clean_rows(tmp_path, rows).score("after", previous=json.loads(json.dumps(first.to_dict())))
    drift = moved.result("R49")
    assert not drift.passed
    assert {sample.split(":")[0] for sample in drift.samples} == {
        "tickets", "comments", "timesheets", "R15 user_name of comments is filled"
    }  # fmt: skip
    same = clean_rows(tmp_path, perfect()).score("after", previous=first.to_dict())
    assert same.result("R49").passed
    assert same.result("R49").evaluated > 10


def test_points_are_split_to_the_hundredth() -> None:
    assert split_points({"a": 1.0, "b": 1.0, "c": 1.0}, 1000) == {"a": 334, "b": 333, "c": 333}
    assert sum(split_points({str(number): 1.0 / number for number in range(1, 99)}, 10_000).values()) == 10_000
    assert split_points({}, 10_000) == {}
