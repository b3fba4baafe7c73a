"""What the profile says about single columns and tables of small files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from sdconsole.contract.model import Kind
from sdconsole.errors import Interrupted, UsageError
from sdconsole.quality.profile import column_pass, distinct
from sdconsole.quality.profile.database import profile_database
from sdconsole.quality.profile.model import (
    ColumnProfile,
    IssueKind,
    IssueSeverity,
    Recommendation,
    ValueClass,
    profile_from_dict,
)
from sdconsole.source.open import open_source, source_digest
from tests.unit.small_databases import CONTRACT, profile_of, write_column, write_export, write_table


def column_of(path: Path, values: list[object], declared: str = "TEXT") -> ColumnProfile:
    return profile_of(write_column(path / "one.db", values, declared)).column("t", "c")


def test_every_kind_of_missing_cell_is_counted_apart(tmp_path: Path) -> None:
    column = column_of(tmp_path, [None, None, "", "  ", "\u00a0", "nan", " NaN ", "N/A", "x", "z", "z"])
    assert (column.rows, column.nulls, column.empty, column.blank, column.tokens) == (11, 2, 1, 2, 3)
    assert column.token_counts == {"N/A": 1, "NaN": 1, "nan": 1}
    assert (column.non_missing, column.missing) == (3, 8)
    assert (column.detected, column.confidence) == (ValueClass.TEXT, 1.0)


def test_storage_classes_are_those_of_sqlite(tmp_path: Path) -> None:
    values: list[object] = [1, 2, 2.5, 1.0, "a", "", b"\x00\x01", None]
    column = column_of(tmp_path, values, "BLOB")
    assert column.storage == {"null": 1, "integer": 2, "real": 2, "text": 2, "blob": 1}
    with closing(sqlite3.connect(tmp_path / "one.db")) as connection:
        assert column.storage == dict(connection.execute("SELECT typeof(c), count(*) FROM t GROUP BY 1"))
    assert column.distinct == 7, "1 and 1.0 are two values; NULL is none"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3], ValueClass.INTEGER),
        ([1, 2.5, 3], ValueClass.REAL),
        (["1", "22", "-3"], ValueClass.INTEGER),
        (["1.5", "22.25"], ValueClass.REAL),
        (["007", "008"], ValueClass.TEXT),
        (["1.10", "1.20"], ValueClass.TEXT),
        (["99999999999999999999"], ValueClass.TEXT),
        (["yes", "No", "TRUE"], ValueClass.BOOLEAN),
        (["2025-07-15", "15/07/2025"], ValueClass.DATE),
        (["2025-07-15 08:42:00", "2025-07-15"], ValueClass.TIMESTAMP),
        (["15 Jul 2025 8:42", "July 5, 2025 8:42"], ValueClass.TIMESTAMP),
        (["08:42", "23:59:59"], ValueClass.TIME),
        (['{"a": 1}', "[1, 2]", "[]"], ValueClass.JSON),
        (["{not json}", "[x]"], ValueClass.TEXT),
        (["1.2.25", "2.3.25"], ValueClass.TEXT),
        ([b"\x00", b"\x01"], ValueClass.BLOB),
        ([None, "", "nan"], ValueClass.UNKNOWN),
        ([], ValueClass.UNKNOWN),
    ],
)
def test_the_type_is_detected_from_the_values(tmp_path: Path, values: list[object], expected: ValueClass) -> None:
    column = column_of(tmp_path, values, "BLOB")
    assert column.detected is expected
    assert column.confidence == (None if expected is ValueClass.UNKNOWN else 1.0)


def test_confidence_ignores_missing_cells(tmp_path: Path) -> None:
    column = column_of(tmp_path, [*[None] * 990, *["2025-07-15 08:42:00"] * 10], "TIMESTAMP")
    assert (column.confidence, column.recommendation) == (1.0, Recommendation.USE_DETECTED)
    assert column.constant is False
    assert column.dates is not None
    assert column.dates.canonical == 10


@pytest.mark.parametrize(
    ("values", "declared", "expected"),
    [
        ([1] * 20, "INTEGER", Recommendation.USE_DETECTED),
        (["a"] * 20, "TEXT", Recommendation.USE_DETECTED),
        (["1"] * 20, "TEXT", Recommendation.OVERRIDE_SCHEMA),
        (["2025-07-15"] * 20, "TEXT", Recommendation.OVERRIDE_SCHEMA),
        (["2025-07-15"] * 20, "TIMESTAMP", Recommendation.USE_DETECTED),
        ([*[1] * 19, "a"], "INTEGER", Recommendation.USE_DETECTED),
        ([*[1] * 18, "a", "b"], "INTEGER", Recommendation.MANUAL_REVIEW),
        ([None, ""], "INTEGER", Recommendation.EMPTY_COLUMN),
    ],
)
def test_the_recommendation_follows_from_type_and_confidence(
    tmp_path: Path, values: list[object], declared: str, expected: Recommendation
) -> None:
    assert column_of(tmp_path, values, declared).recommendation is expected


def test_garbage_in_the_last_of_many_rows_is_found(tmp_path: Path) -> None:
    column = column_of(tmp_path, [*["2025-07-15 08:42:00"] * 20_000, "garbage"], "TIMESTAMP")
    assert column.dates is not None
    assert (column.dates.corrupt, column.dates.corrupt_samples) == (1, ("garbage",))


def test_numbers_and_texts_are_summed_up(tmp_path: Path) -> None:
    numbers = column_of(tmp_path, [5, -2, 4, None], "INTEGER")
    assert (numbers.minimum, numbers.maximum, numbers.mean) == (-2, 5, 7 / 3)
    (tmp_path / "one.db").unlink()
    texts = column_of(tmp_path, ["ab", "", "abcd", "nan", None])
    assert (texts.minimum, texts.maximum, texts.mean) == ("ab", "abcd", None)
    assert (texts.mean_text_length, texts.longest_text) == ((2 + 0 + 4 + 3) / 4, 4)
    (tmp_path / "one.db").unlink()
    infinite = column_of(tmp_path, [1.5, float("inf")], "REAL")
    assert (infinite.minimum, infinite.maximum, infinite.mean) == (1.5, "inf", None)


def test_distinct_is_exact_and_said_to_be_up_to_the_bound_and_close_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(column_pass, "MAX_HELD_VALUES", 5_000)
    monkeypatch.setattr(column_pass, "DistinctCounter", lambda most: distinct.DistinctCounter(most, exact_up_to=20_000))
    exact = column_of(tmp_path, [f"v{row % 15_000}" for row in range(40_000)])
    assert (exact.distinct, exact.distinct_exact) == (15_000, True)
    (tmp_path / "one.db").unlink()
    estimated = column_of(tmp_path, [f"v{row % 60_000}" for row in range(80_000)])
    assert not estimated.distinct_exact
    assert abs(estimated.distinct - 60_000) < 60_000 * 0.03
    assert not estimated.unique
    (tmp_path / "one.db").unlink()
    mixed = column_of(tmp_path, [row if row % 2 else f"v{row}" for row in range(16_000)], "BLOB")
    assert (mixed.distinct, mixed.distinct_exact, mixed.storage) == (16_000, True, {"integer": 8_000, "text": 8_000})


def test_an_estimate_is_the_same_in_every_run() -> None:
    counters = [distinct.DistinctCounter(exact_up_to=10) for _ in range(2)]
    for counter in counters:
        counter.add([f"v{number}" for number in range(30_000)])
    assert counters[0].count == counters[1].count == 29_977


def test_what_is_held_in_batches_adds_up_to_the_same_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values: list[object] = [f"{day}/07/2025 {hour}:05" for day in range(1, 29) for hour in range(24)]
    values += ["31/02/2025", "x\x00y", "", " ", "nan", 45797.5, 45798, None, "2025-07-15 08:42:00"] * 3
    whole = column_of(tmp_path, values, "TIMESTAMP")
    (tmp_path / "one.db").unlink()
    monkeypatch.setattr(column_pass, "MAX_HELD_VALUES", 7)
    in_parts = column_of(tmp_path, values, "TIMESTAMP")
    assert in_parts == whole


def test_control_characters_and_broken_utf8_are_counted_and_shown_safely(tmp_path: Path) -> None:
    path = write_column(tmp_path / "one.db", ["a\x00b", "tab\tand\r\nline", "\x1b[31mred", "c1 \x9b", "plain", "é"])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO t VALUES (CAST(x'61ff62' AS TEXT)), (CAST(x'c328' AS TEXT))")
    column = profile_of(path).column("t", "c")
    assert (column.control_characters, column.nul_characters, column.bad_utf8) == (3, 1, 2)
    assert column.samples[0] == "a\\x00b"
    kinds = {issue.kind: issue for issue in profile_of(path).issues}
    assert kinds[IssueKind.CONTROL_CHARS].rows == 3
    assert (kinds[IssueKind.BAD_UTF8].rows, kinds[IssueKind.BAD_UTF8].fixable) == (2, False)
    json.dumps(profile_of(path).to_dict(), ensure_ascii=False, allow_nan=False).encode()


def test_a_table_with_broken_utf8_is_counted_once_and_progress_starts_it_again(tmp_path: Path) -> None:
    path = write_column(tmp_path / "one.db", [f"v{row}" for row in range(9_000)])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO t VALUES (CAST(x'ff' AS TEXT))")
    seen: list[tuple[int, int | None]] = []
    profile = profile_database(path, CONTRACT, progress=lambda done, total: seen.append((done, total)))
    assert profile.rows == profile.column("t", "c").rows == 9_001
    assert seen[-1] == (9_001, 9_001)
    assert max(done for done, _ in seen) == 9_001


def test_samples_can_be_left_out(tmp_path: Path) -> None:
    path = write_export(tmp_path / "export.db", cells={("comments", "created_time"): ["hidden value"]})
    silent = profile_database(path, CONTRACT, progress=lambda _done, _total: None, sample_count=0)
    assert silent.column("comments", "created_time").samples == ()
    assert not any(column.top for column in silent.columns())
    assert "hidden value" not in json.dumps(silent.to_dict())


def test_hostile_names_are_quoted(tmp_path: Path) -> None:
    path = tmp_path / "odd.db"
    write_table(path, 'my "odd" t-1', ['a" = 1; -- TEXT', "select INTEGER", "B/L #1 TEXT"], [("x", 1, "y")])
    write_table(path, "order", ["group"], [(1,)])
    profile = profile_of(path)
    assert [table.name for table in profile.tables] == ['my "odd" t-1', "order"]
    assert profile.column('my "odd" t-1', 'a" = 1; --').samples == ("x",)


def test_internal_objects_are_listed_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "objects.db"
    write_table(path, "data_quarantine", ["value TEXT"], [("left over",)])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT)")
        connection.execute("INSERT INTO t (x) VALUES ('a')")
        connection.execute("CREATE VIEW v AS SELECT * FROM t")
    profile = profile_of(path)
    assert [table.name for table in profile.tables] == ["t"]
    assert profile.rows == 1
    assert [line.split(":")[0] for line in profile.skipped] == ["sqlite_sequence", "v", "data_quarantine"]


def test_progress_is_told_often_and_may_stop_the_profile(tmp_path: Path) -> None:
    path = write_column(tmp_path / "one.db", list(range(30_000)), "INTEGER")
    seen: list[int] = []

    def stop_late(done: int, total: int | None) -> None:
        assert total == 30_000
        seen.append(done)
        if done > 20_000:
            raise Interrupted

    with pytest.raises(Interrupted):
        profile_database(path, CONTRACT, progress=stop_late)
    assert max(later - earlier for earlier, later in zip([0, *seen], seen, strict=False)) <= 10_000


def test_the_source_is_not_touched_and_a_missing_one_not_created(tmp_path: Path) -> None:
    path = write_export(tmp_path / "export.db")
    before = source_digest(path), sorted(tmp_path.iterdir())
    profile_of(path)
    assert (source_digest(path), sorted(tmp_path.iterdir())) == before
    with pytest.raises(UsageError):
        profile_of(tmp_path / "absent.db")
    assert not (tmp_path / "absent.db").exists()


def test_every_row_is_read_by_one_select_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_export(tmp_path / "export.db")
    statements: list[str] = []

    def traced(source: Path) -> sqlite3.Connection:
        connection = open_source(source)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr("sdconsole.quality.profile.database.open_source", traced)
    profile_of(path)
    scans = [sql for sql in statements if 'FROM "tickets"' in sql and "count(*)" not in sql]
    assert len(scans) == 1
    assert {sql.split()[0] for sql in statements if not sql.startswith("--")} == {"BEGIN", "SELECT"}


def test_the_profile_survives_its_json_form(tmp_path: Path) -> None:
    path = write_export(
        tmp_path / "export.db", cells={("tickets", "TKT-Closure Date"): ["5/07/2025", "x", "15/07/2025"]}
    )
    profile = profile_of(path)
    document = json.loads(json.dumps(profile.to_dict(), allow_nan=False))
    assert document["schema"] == 1
    assert document["status"] == "issues"
    columns = {column["name"]: column for table in document["tables"] for column in table["columns"]}
    assert (columns["TKT-Ticket ID"]["unique"], columns["TKT-Ticket ID"]["constant"]) == (True, False)
    assert (columns["TKT-Status"]["unique"], columns["TKT-Status"]["constant"]) == (False, True)
    assert profile_from_dict(document) == profile
    with pytest.raises(ValueError, match="schema 2"):
        profile_from_dict(document | {"schema": 2})


def test_an_export_without_faults_has_no_issues(tmp_path: Path) -> None:
    profile = profile_of(write_export(tmp_path / "export.db"))
    assert profile.issues == ()
    assert profile.status == "ok"
    assert all(column.recommendation is not Recommendation.MANUAL_REVIEW for column in profile.columns())
    assert sum(1 for _ in profile.columns()) == 133


def test_missing_and_unknown_tables_and_columns_are_said(tmp_path: Path) -> None:
    path = write_export(tmp_path / "export.db", without=("comments", "comment_sentiment"))
    write_table(path, "comments", ["comment_id INTEGER", "surprise TEXT"], [(1, "x")])
    write_table(path, "extra", ["a INTEGER"], [(1,)])
    profile = profile_of(path)
    said = {(issue.kind, issue.table, issue.column): issue for issue in profile.issues}
    assert said[IssueKind.MISSING_COLUMN, "comments", "created_time"].severity is IssueSeverity.BLOCKER
    assert said[IssueKind.MISSING_COLUMN, "comments", "team"].severity is IssueSeverity.WARN
    assert said[IssueKind.MISSING_TABLE, "comment_sentiment", ""].severity is IssueSeverity.INFO
    assert (IssueKind.UNKNOWN_COLUMN, "comments", "surprise") in said
    assert (IssueKind.UNKNOWN_TABLE, "extra", "") in said
    assert profile.missing_tables == ("comment_sentiment",)
    assert profile.unknown_tables == ("extra",)
    assert profile.status == "blocked"


def test_a_missing_required_table_is_a_blocker_only_in_an_export(tmp_path: Path) -> None:
    export = profile_of(write_export(tmp_path / "export.db", without=("tickets",)))
    assert [issue.table for issue in export.issues if issue.severity is IssueSeverity.BLOCKER] == ["tickets"]
    other = profile_of(write_table(tmp_path / "other.db", "films", ["title TEXT"], [("Stalker",)]))
    assert other.status == "ok"
    assert {issue.severity for issue in other.issues} == {IssueSeverity.INFO}


def test_an_empty_big_table_is_an_error(tmp_path: Path) -> None:
    profile = profile_of(write_export(tmp_path / "export.db", {"tickets": 0}))
    assert [(issue.kind, issue.table) for issue in profile.issues if issue.severity is IssueSeverity.ERROR] == [
        (IssueKind.NO_ROWS, "tickets")
    ]


def test_names_in_another_case_are_the_contract_s(tmp_path: Path) -> None:
    path = tmp_path / "export.db"
    write_table(path, "COMMENTS", ["Comment_ID INTEGER", "CREATED_TIME TEXT"], [(1, "15/07/2025")])
    profile = profile_of(path)
    assert profile.column("comments", "created_time").intended is Kind.TIMESTAMP
    assert "comment_id" not in (profile.table("comments") or profile.tables[0]).missing_columns


def test_empty_strings_are_reported_in_typed_columns_only(tmp_path: Path) -> None:
    cells = {
        ("tickets", "TKT-Closure Date"): ["", " "],
        ("tickets", "TKT-SLA Met"): [""],
        ("tickets", "TKT-Solution"): ["", ""],
        ("timesheets", "TS-Hours"): ["", "nan"],
    }
    profile = profile_of(write_export(tmp_path / "export.db", cells=cells))
    said = {(issue.kind, issue.column): issue.rows for issue in profile.issues}
    assert said == {
        (IssueKind.EMPTY_STRINGS, "TKT-Closure Date"): 2,
        (IssueKind.EMPTY_STRINGS, "TKT-SLA Met"): 1,
        (IssueKind.EMPTY_STRINGS, "TS-Hours"): 1,
        (IssueKind.NULL_MARKER, "TS-Hours"): 1,
    }
    assert all(issue.fixable for issue in profile.issues)


def test_a_kept_token_counts_as_missing(tmp_path: Path) -> None:
    cells = {("tickets", "TKT-Root Cause Category"): ["--None--", "Security"]}
    column = profile_of(write_export(tmp_path / "export.db", cells=cells)).column("tickets", "TKT-Root Cause Category")
    assert (column.tokens, column.token_counts) == (1, {"--None--": 1})


def test_numbers_in_disguise_convert_and_nonsense_does_not(tmp_path: Path) -> None:
    ids: list[object] = ["3664092.0", " 3664092 ", 3664092.0, "\u00a07\u00a0", "ABC-12", 7.5, "1,234", "1e3", b"7"]
    hours: list[object] = ["7,6", 7.6, "7.6", "1,250", "seven"]
    flags: list[object] = ["yes", "N", "TRUE", 1, 0.0, "maybe", 2]
    cells: dict[tuple[str, str], Sequence[object]] = {
        ("tickets", "TKT-Account Id"): ids,
        ("timesheets", "TS-Hours"): hours,
        ("tickets", "TKT-SLA Met"): flags,
        ("comment_quality", "content_tags"): ['["a"]', "{}", "nonsense", "NaN"],
    }
    rows = {"tickets": 9, "timesheets": 5, "comment_quality": 4}
    profile = profile_of(write_export(tmp_path / "export.db", rows, cells=cells, declared="BLOB"))
    assert profile.column("tickets", "TKT-Account Id").convertible == 4
    assert profile.column("timesheets", "TS-Hours").convertible == 3
    assert profile.column("tickets", "TKT-SLA Met").convertible == 5 + 2
    quality = profile.column("comment_quality", "content_tags")
    assert (quality.convertible, quality.tokens) == (2, 1)


def test_a_column_mismatches_only_when_its_values_are_something_else(tmp_path: Path) -> None:
    def mismatches(kind: str, values: Sequence[object]) -> bool:
        path = tmp_path / "export.db"
        path.unlink(missing_ok=True)
        place = {"number": ("tickets", "TKT-Account Id"), "date": ("tickets", "TKT-Closure Date")}[kind]
        export = write_export(path, {"tickets": len(values)}, cells={place: values}, declared="TEXT")
        return profile_of(export).column(*place).mismatch

    assert not mismatches("number", ["1"] * 95 + ["x"] * 5)
    assert mismatches("number", ["1"] * 94 + ["x"] * 6)
    assert not mismatches("number", ["", None, "nan"])
    assert not mismatches("date", ["tbc", "2025-07-15"])
    assert mismatches("date", ["tbc", "n.a.", "2025-07-15"])
    assert not mismatches("date", ["31/02/2025"] * 3), "corrupt, but written as dates"
    assert not mismatches("date", [None, ""])
    assert mismatches("date", ["3664092", "3664093"])


def test_unknown_columns_are_judged_by_their_declared_type(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    write_table(
        path,
        "t",
        ["n INTEGER", "d DATETIME", "e DATETIME", "f DATE", "x"],
        [("a", "2025-07-15", 1_234_567_890, "never", "y"), ("b", "2025-07-16", 1_234_567_891, "ever", 5)],
    )
    profile = profile_of(path)
    assert [column.mismatch for column in profile.columns()] == [True, False, False, True, False]
    assert profile.column("t", "e").detected is ValueClass.INTEGER
    assert profile.column("t", "e").dates is None
