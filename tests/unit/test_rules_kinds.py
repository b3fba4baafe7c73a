"""Each kind of check on data made for it: what it counts, what it shows, and SQL that finds the same rows again."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdconsole.contract.model import Dimension, Rule, Severity
from sdconsole.errors import Interrupted, UsageError
from sdconsole.quality.score.model import RuleResult
from sdconsole.quality.score.rules import ticking
from tests.unit.quality_exports import CONTRACT, Cleaned, Rows, clean, perfect, select, write


def evaluate(folder: Path, rows: Rows, rule: Rule, phase: str = "after", **options: Any) -> tuple[RuleResult, Cleaned]:
    """Cleans the rows and evaluates this one rule; every scored dimension needs a rule, so it is worth all points."""
    contract = replace(CONTRACT, rules=(rule,))
    source = write(folder / f"export{len(list(folder.iterdir()))}.db", rows, **options)
    cleaned = clean(source, contract=contract)
    score = cleaned.score("before" if phase == "before" else "after")
    return score.result(rule.id), cleaned


def rule(check: str, table: str = "tickets", columns: tuple[str, ...] = (), **options: Any) -> Rule:
    fields: dict[str, Any] = {"tolerance_percent": 0.0, "points": 10.0, "sql": ""}
    fields |= {name: options.pop(name) for name in list(options) if name in fields}
    return Rule(
        "X1", "a rule", check, Dimension.VALIDITY, Severity.ERROR, "because", table=table, columns=columns,
        options=options, **fields,
    )  # fmt: skip


def found_again(result: RuleResult, path: Path) -> list[tuple[Any, ...]]:
    """What the printed SQL selects, on a connection that knows no function of ours."""
    return select(path, result.sql)


def broken(**cells: Sequence[Any]) -> Rows:
    """A perfect export whose first rows hold these cells, given as table__column."""
    rows = perfect()
    for place, values in cells.items():
        table, _, column = place.partition("__")
        for row, value in zip(rows[table], values, strict=False):
            row[column] = value
    return rows


ODD_WORDS: dict[str, Sequence[Any]] = {
    "tickets__TKT-Status": ["Open", "Ajar"],
    "tickets__TKT-SLA Met": ["no", "yes", "perhaps", None],
}
CASES: dict[str, tuple[Rule, Rows, int, int]] = {
    "filled": (
        rule("filled", "comments", ("user_name",)),
        broken(comments__user_name=[None, "", "  ", "nan", "N/A", "?", "mtanaka"]),
        40,
        5,
    ),
    "filled and unusable": (rule("filled", "timesheets", ("TS-Hours",)), broken(timesheets__x=[]), 40, 0),
    "whole_number": (
        rule("whole_number", "timesheets", ("TS-Crm ID",)),
        broken(**{"timesheets__TS-Crm ID": ["ABC", 7.5, "3664092.0", 7.0, None, b"x"]}),
        39,
        3,
    ),
    "date": (
        rule("date", "timesheets", ("TS-Date",)),
        broken(**{"timesheets__TS-Date": ["31/02/2025", "25/07/2025", "5/07/2025", "", "tbc"]}),
        39,
        2,
    ),
    "date_range": (
        rule("date_range", "timesheets", ("TS-Date",)),
        broken(**{"timesheets__TS-Date": ["2019-12-31", "2020-01-01", "2025-12-21", "2025-12-22", "tbc"]}),
        39,
        2,
    ),
    "number_range": (
        rule("number_range", "timesheets", ("TS-Hours",)),
        broken(**{"timesheets__TS-Hours": [0, -1.5, 24, "24,5", "7,6", "two", None]}),
        39,
        4,
    ),
    "decodable": (
        rule("decodable", "comments", ("comment_text",)),
        broken(comments__comment_text=[b"\xff", None]),
        39,
        1,
    ),
    "text_length": (
        rule("text_length", "comments", ("comment_text",), minimum=1, maximum=100_000),
        broken(comments__comment_text=["x" * 100_000, "x" * 100_001, "é" * 100_000, "x", b"x", ""]),
        39,
        2,
    ),
    "ordered": (
        rule("ordered", "tickets", ("TKT-Created Time", "TKT-Actual Response Date")),
        broken(**{"tickets__TKT-Actual Response Date": ["2025-07-01", "2025-07-10 15:00:00", None, "31/02/2025"]}),
        19,
        2,
    ),
    "known_values": (
        rule("known_values", "tickets", ("TKT-Status", "TKT-SLA Met"), **{"TKT-Status": "Closed|Open"}),
        broken(**ODD_WORDS),
        20,
        2,
    ),
    "expression": (
        rule(
            "expression",
            "comments",
            ("comment_text", "user_name"),
            sql='length("comment_text") < 10',
            where='"user_name" NOT IN (:automation_accounts)',
        ),
        broken(comments__comment_text=["short", "short", None], comments__user_name=["flowbot"]),
        38,
        1,
    ),
    "slipped": (
        rule("slipped", "comments", ("user_id", "created_time", "visible_to_customer"), held="counts"),
        broken(
            comments__created_time=["Cloud - Acacia", "31/02/2025", "we will call the customer back"],
            comments__visible_to_customer=["2025-07-10 08:00:00"],
        ),
        40,
        2,
    ),
    "orphans": (
        rule("orphans", "comments", ("ticket_id",)),
        broken(comments__ticket_id=[99, "3664001.0", "ABC", None, "  "]),
        38,
        2,
    ),
    "orphans but admin time": (rule("orphans", "timesheets", ("TS-Crm ID",)), perfect(), 34, 32),
    "unique": (
        rule("unique", "timesheets", ("TS-User Username", "TS-Time From")),
        broken(**{"timesheets__TS-User Username": ["a", "a", "a", None, None]}),
        38,
        32,
    ),
    "usable_values": (
        rule("usable_values", "cloud_team_roster"),
        perfect() | {"cloud_team_roster": [{"username": "a", "name": b"x"}, {"username": "b", "name": "B"}]},
        4,
        1,
    ),
    "sql": (
        rule("sql", "tickets", sql='SELECT rowid, "TKT-Title" FROM tickets WHERE "TKT-Title" LIKE \'%1%\';'),
        perfect(),
        20,
        11,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_check_counts_and_finds_the_failing_rows(name: str, tmp_path: Path) -> None:
    checked, rows, evaluated, failed = CASES[name]
    result, cleaned = evaluate(tmp_path, rows, checked)
    assert (result.evaluated, result.failed) == (evaluated, failed)
    assert result.share == failed / evaluated
    assert result.lost == pytest.approx(100 * failed / evaluated, abs=0.011)
    assert result.passed == (failed == 0)
    assert len(result.samples) == min(failed, 20)
    if failed:
        assert len(found_again(result, cleaned.output)) == failed


@pytest.mark.parametrize("name", [name for name in CASES if name != "sql"])
def test_the_export_before_cleaning_is_measured_alike(name: str, tmp_path: Path) -> None:
    checked, rows, evaluated, failed = CASES[name]
    result, cleaned = evaluate(tmp_path, rows, checked, phase="before")
    assert (result.evaluated, result.failed) == (evaluated, failed)
    if failed:
        assert len(found_again(result, cleaned.source)) == min(failed, 20)


@pytest.mark.parametrize("check", ["no_nul", "newline_run"])
def test_what_cleaning_repairs_fails_before_and_passes_after(check: str, tmp_path: Path) -> None:
    text = "a\0b" if check == "no_nul" else "a" + "\n" * 100 + "b"
    checked = rule(check, "comments", ("comment_text",), newlines=100)
    rows = broken(comments__comment_text=[text, "a" + "\n" * 99 + "b"])
    before, cleaned = evaluate(tmp_path, rows, checked, phase="before")
    assert (before.evaluated, before.failed, before.passed) == (40, 1, False)
    assert len(found_again(before, cleaned.source)) == 1
    after, _ = evaluate(tmp_path, rows, checked)
    assert (after.evaluated, after.failed, after.passed) == (40, 0, True)


def test_an_unusable_cell_is_charged_once(tmp_path: Path) -> None:
    rows = broken(**{"timesheets__TS-Hours": ["two", None]})
    here, _ = evaluate(tmp_path, rows, rule("filled", "timesheets", ("TS-Hours",)))
    assert here.failed == 2
    elsewhere, _ = evaluate(tmp_path, rows, rule("filled", "timesheets", ("TS-Hours",), unusable="elsewhere"))
    assert elsewhere.failed == 1


def test_rows_in_quarantine_cost_points_and_fail_a_rule_only_where_it_says_so(tmp_path: Path) -> None:
    rows = broken(comments__created_time=["31/02/2025"] * 4)
    checked = rule("date", "comments", ("created_time",))
    result, _ = evaluate(tmp_path, rows, checked)
    assert (result.failed, result.held, result.lost, result.passed) == (4, 4, 10.0, True)
    strict, _ = evaluate(tmp_path, rows, replace(checked, options={"held": "counts"}))
    assert (strict.failed, strict.held, strict.lost, strict.passed) == (4, 4, 10.0, False)


def test_words_that_stay_in_the_data_count_as_missing(tmp_path: Path) -> None:
    rows = broken(**{"tickets__TKT-Root Cause Category": ["--None--"] + ["Software"] * 19})
    result, cleaned = evaluate(tmp_path, rows, rule("filled", "tickets", ("TKT-Root Cause Category",)))
    assert (result.evaluated, result.failed) == (20, 1)
    assert cleaned.column("tickets", "TKT-Root Cause Category")[0] == "--None--"


@pytest.mark.parametrize(
    ("admin", "lost", "passed"), [(4, 0.0, True), (12, 0.0, True), (3, 50.0, False), (13, 50.0, False)]
)
def test_a_share_outside_its_band_costs_half(tmp_path: Path, admin: int, lost: float, passed: bool) -> None:
    rows = broken(**{"timesheets__TS-Crm ID": [0] * admin + [7] * (40 - admin)})
    checked = rule("share_band", "timesheets", ("TS-Crm ID",), value=0, low=10, high=30)
    result, cleaned = evaluate(tmp_path, rows, checked)
    assert (result.lost, result.passed, result.evaluated) == (lost, passed, 40)
    if not passed:
        assert len(found_again(result, cleaned.output)) == (13 if admin == 13 else 37)


@pytest.mark.parametrize(("percent", "lost"), [(0, 0.0), (5, 0.0), (15, 50.0), (25, 100.0), (100, 100.0)])
def test_a_ramp_costs_nothing_up_to_its_start_and_all_from_its_end(tmp_path: Path, percent: int, lost: float) -> None:
    rows = broken(comments__ticket_id=[99] * (40 * percent // 100))
    checked = rule("orphans", "comments", ("ticket_id",), full_percent=5, zero_percent=25, tolerance_percent=5)
    result, _ = evaluate(tmp_path, rows, checked)
    assert (result.lost, result.passed) == (lost, percent <= 5)


@pytest.mark.parametrize(("missing", "passed"), [(3, True), (5, False)])
def test_a_rule_passes_up_to_its_tolerance(tmp_path: Path, missing: int, passed: bool) -> None:
    rows = broken(comments__user_name=[None] * missing)
    result, _ = evaluate(tmp_path, rows, rule("filled", "comments", ("user_name",), tolerance_percent=10.0))
    assert (result.failed, result.passed) == (missing, passed)


def test_required_columns_must_be_there_and_hold_something(tmp_path: Path) -> None:
    checked = rule("columns_present", "comments")
    whole, _ = evaluate(tmp_path, perfect(), checked)
    assert (whole.passed, whole.evaluated) == (True, 6)
    lacking, _ = evaluate(tmp_path, perfect(), checked, without=["user_name"])
    empty, _ = evaluate(tmp_path, broken(comments__user_name=[""] * 40), checked)
    for result in (lacking, empty):
        assert (result.passed, result.failed, result.samples) == (False, 1, ("user_name",))


def test_columns_with_values_are_counted(tmp_path: Path) -> None:
    few, _ = evaluate(tmp_path, perfect(), rule("column_count", "timesheets", minimum=10))
    assert few.passed
    more, _ = evaluate(tmp_path, perfect(), rule("column_count", "timesheets", minimum=12))
    assert (more.passed, more.note) == (False, "11 columns hold values, 12 are wanted")


def test_a_table_must_have_rows_that_can_be_deployed(tmp_path: Path) -> None:
    assert evaluate(tmp_path, perfect(), rule("has_rows"))[0].passed
    empty = perfect() | {"tickets": []}
    held_back = broken(**{"tickets__TKT-Ticket ID": ["x"] * 20})
    absent = {name: rows for name, rows in perfect().items() if name != "tickets"}
    for rows in (empty, held_back, absent):
        result, _ = evaluate(tmp_path, rows, rule("has_rows"))
        assert (result.passed, result.failed) == (False, 1)


def test_a_low_mean_is_noticed(tmp_path: Path) -> None:
    checked = rule("mean", "comments", ("comment_text",), sql='length("comment_text")', minimum=100)
    assert evaluate(tmp_path, perfect(), checked)[0].passed
    result, cleaned = evaluate(tmp_path, broken(comments__comment_text=["short"] * 30), checked)
    assert (result.passed, result.evaluated, result.failed) == (False, 40, 30)
    assert len(found_again(result, cleaned.output)) == 30


@pytest.mark.parametrize(("same", "passed"), [(36, True), (37, False)])
def test_one_combination_nearly_everywhere_is_noticed(tmp_path: Path, same: int, passed: bool) -> None:
    rows = broken(comments__user_id=[3] * same, comments__owner_type=["agent"] * same)
    for number, row in enumerate(rows["comments"][same:]):
        row["user_id"] = 100 + number
    checked = rule("varied", "comments", ("user_id", "owner_type"), minimum=20, tolerance_percent=90.0)
    result, cleaned = evaluate(tmp_path, rows, checked)
    assert (result.passed, result.failed) == (passed, 0 if passed else same)
    if not passed:
        assert len(found_again(result, cleaned.output)) == same


def test_rules_about_rules_count_those_that_pass_and_skip_those_left_out(tmp_path: Path) -> None:
    members = [
        replace(rule("filled", "comments", ("user_name",)), id="A1", points=0.0),
        replace(rule("filled", "comments", ("comment_text",)), id="A2", points=1.0),
        replace(rule("filled", "tickets", ("TKT-Platform",)), id="A3", points=0.0),
    ]
    whole = replace(rule("aggregate", ""), points=0.0, options={"rules": "A1-A3"}, tolerance_percent=40.0)
    contract = replace(CONTRACT, rules=(whole, *members))
    source = write(tmp_path / "export.db", broken(comments__user_name=[None]))
    result = clean(source, contract=contract).score("after").result("X1")
    assert (result.evaluated, result.failed, result.note, result.passed) == (2, 1, "A1", False)


def test_samples_show_the_key_and_what_stood_there_escaped_and_shortened(tmp_path: Path) -> None:
    rows = broken(**{"timesheets__TS-Hours": ["\x1b[31m" + "two" * 100]})
    result, _ = evaluate(tmp_path, rows, rule("filled", "timesheets", ("TS-Hours",)))
    [sample] = result.samples
    assert "TS-User Username=user0" in sample
    assert "TS-Hours=\\x1b[31mtwotwo" in sample
    assert sample.isprintable()
    assert len(sample) < 260


def test_at_most_twenty_rows_are_shown(tmp_path: Path) -> None:
    rows = broken(comments__user_name=[None] * 33, comments__team=[None])
    result, cleaned = evaluate(tmp_path, rows, rule("filled", "comments", ("user_name",)))
    assert (result.failed, len(result.samples)) == (33, 20)
    assert len(found_again(result, cleaned.output)) == 33


@pytest.mark.parametrize(
    "bad",
    [
        rule("guess"),
        rule("filled", "tickets"),
        rule("text_length", "comments", ("comment_text",)),
        rule("known_values", "tickets", ("TKT-Title",)),
        rule("number_range", "tickets", ("TKT-Account Id",)),
        rule("orphans", "comments", ("user_id",)),
        rule("expression", "tickets", ("TKT-Title",)),
        rule("expression", "tickets", ("TKT-Title",), sql="no such thing ("),
        rule("expression", "tickets", ("TKT-Title",), sql='"TKT-Team" = 1'),
        rule("sql", sql="DELETE FROM tickets"),
        rule("sql", sql="SELECT nothing FROM nowhere"),
        rule("sql", sql='SELECT * FROM tickets WHERE "TKT-Tittle" = 1'),
        rule("share_band", "timesheets", ("TS-Crm ID",), value="none", low=1, high=2),
        rule("aggregate", "", rules="Z1"),
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_an_error_and_never_skipped(bad: Rule, tmp_path: Path) -> None:
    rows = broken(**{"tickets__TKT-Account Id": [5] * 20})
    with pytest.raises(UsageError) as refused:
        evaluate(tmp_path, rows, bad)
    assert refused.value.slug == "rule-invalid"
    assert "X1" in refused.value.message


def test_names_with_quotes_and_braces_are_safe_in_every_check(tmp_path: Path) -> None:
    odd = "a\" = 1; -- {0} ' "
    rows: Rows = {'t "1"': [{odd: 1, "b": 2}, {odd: 1, "b": "x"}, {odd: 2, "b": 3}] * 10}
    cleaned = clean(write(tmp_path / "odd.db", rows))
    for phase in ("before", "after"):
        score = cleaned.score("before" if phase == "before" else "after")
        assert score.ledger


def test_a_long_statement_is_stopped_in_the_middle() -> None:
    calls = []

    def tick() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Interrupted()

    count = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000000) SELECT sum(x) FROM n"
    with closing(sqlite3.connect(":memory:")) as connection:
        with pytest.raises(Interrupted), ticking(connection, tick):
            connection.execute(count).fetchone()
        assert len(calls) == 3
        assert connection.execute("SELECT 1").fetchone() == (1,)
