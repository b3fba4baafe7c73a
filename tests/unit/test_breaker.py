"""The circuit breaker at, just below and just above its limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sdconsole.contract.load import load_contract
from sdconsole.quality.profile.breaker import BreakerVerdict, Limits, ReasonKind, judge
from sdconsole.quality.profile.database import profile_database
from tests.unit.small_databases import profile_of, write_column, write_export, write_table

CREATED = ("comments", "created_time")


def judged(
    path: Path, rows: dict[str, int], cells: dict[tuple[str, str], Sequence[object]], limits: Limits | None = None
) -> BreakerVerdict:
    path.unlink(missing_ok=True)
    return judge(profile_of(write_export(path, rows, cells=cells, declared="TEXT")), limits)


@pytest.mark.parametrize(
    ("corrupt", "rows", "halts"),
    [(1_999, 10_000, False), (2_000, 10_000, False), (2_001, 10_000, True), (1, 5, False), (1, 4, True), (1, 1, True)],
)
def test_a_required_date_halts_strictly_above_the_limit(tmp_path: Path, corrupt: int, rows: int, halts: bool) -> None:
    verdict = judged(tmp_path / "e.db", {"comments": rows}, {CREATED: ["31/02/2025"] * corrupt})
    assert verdict.should_halt is halts
    assert verdict.recommendation == ("FIX_SOURCE" if halts else "PROCEED")
    if halts:
        column = next(reason for reason in verdict.reasons if reason.kind is ReasonKind.CORRUPT_REQUIRED_DATE)
        assert (column.numerator, column.denominator, column.limit_percent) == (corrupt, rows, 20)
        assert (column.table, column.column) == CREATED
        assert column.examples == ("'31/02/2025'",)


def test_the_share_of_a_column_is_of_its_values_not_of_its_rows(tmp_path: Path) -> None:
    missing: list[object] = [None, "", "nan"] * 30
    verdict = judged(tmp_path / "e.db", {"comments": 100}, {CREATED: [*missing, "x", "x", "x"]})
    assert [reason.kind for reason in verdict.reasons] == [ReasonKind.CORRUPT_REQUIRED_DATE]
    assert (verdict.reasons[0].numerator, verdict.reasons[0].denominator) == (3, 10)


@pytest.mark.parametrize(("corrupt", "halts"), [(20, False), (21, True)])
def test_rows_with_any_corrupt_date_halt_strictly_above_the_limit(tmp_path: Path, corrupt: int, halts: bool) -> None:
    half = corrupt // 2
    cells: dict[tuple[str, str], Sequence[object]] = {
        ("tickets", "TKT-Closure Date"): ["2025-02-30"] * half,
        ("tickets", "TKT-Modified Time"): [*["2025-07-15"] * half, *["2025-02-30"] * (corrupt - half)],
        ("tickets", "TKT-SLA Closure Date"): ["2025-02-30"] * half,
    }
    verdict = judged(tmp_path / "e.db", {"tickets": 100}, cells)
    assert verdict.should_halt is halts
    if halts:
        (reason,) = verdict.reasons
        assert (reason.kind, reason.numerator, reason.denominator) == (ReasonKind.ROWS_WITH_CORRUPT_DATE, 21, 100)
        assert "TKT-Modified Time = '2025-02-30'" in reason.examples


def test_a_fully_corrupt_creation_time_is_not_hidden_by_other_dates(tmp_path: Path) -> None:
    verdict = judged(
        tmp_path / "e.db", {"tickets": 50, "comments": 500}, {("tickets", "TKT-Created Time"): ["31/02/2025"] * 50}
    )
    kinds = [reason.kind for reason in verdict.reasons]
    assert kinds == [ReasonKind.CORRUPT_REQUIRED_DATE, ReasonKind.ROWS_WITH_CORRUPT_DATE]


def test_a_date_that_is_not_required_only_warns(tmp_path: Path) -> None:
    values = ["never"] * 21
    verdict = judged(tmp_path / "e.db", {"comment_quality": 100}, {("comment_quality", "analysis_timestamp"): values})
    assert not verdict.should_halt
    (warning,) = verdict.warnings
    assert (warning.kind, warning.numerator, warning.denominator) == (ReasonKind.CORRUPT_DATE, 21, 100)
    assert "21.00 %" in str(warning)


def test_dates_that_can_all_be_mended_proceed(tmp_path: Path) -> None:
    values = [f"{day}/07/2025 8:42" for day in range(1, 31)]
    cells: dict[tuple[str, str], Sequence[object]] = {CREATED: values, ("tickets", "TKT-Created Time"): values}
    assert not judged(tmp_path / "e.db", {"comments": 30, "tickets": 30}, cells).should_halt


def test_sound_dates_in_columns_of_any_declared_type_proceed(tmp_path: Path) -> None:
    for declared in ("TIMESTAMP", "TEXT", "BLOB"):
        path = tmp_path / f"{declared}.db"
        profile = profile_of(write_export(path, declared=declared))
        assert sum(column.mismatch for column in profile.columns()) == 0
        assert not judge(profile).should_halt


def test_nothing_at_all_proceeds(tmp_path: Path) -> None:
    verdict = judged(tmp_path / "e.db", {"tickets": 0, "comments": 0, "timesheets": 0}, {})
    assert not verdict.should_halt
    empty = judge(profile_of(write_table(tmp_path / "none.db", "t", ["a INTEGER"], [])))
    assert (empty.should_halt, empty.reasons) == (False, ())


def test_columns_without_values_are_neither_counted_nor_mismatches(tmp_path: Path) -> None:
    names = [f"c{number} INTEGER" for number in range(20)]
    path = write_table(tmp_path / "t.db", "t", names, [[None] * 19 + [1]])
    assert not judge(profile_of(path)).should_halt
    path = write_table(tmp_path / "u.db", "t", names, [[None] * 19 + ["x"]])
    (reason,) = judge(profile_of(path)).reasons
    assert (reason.kind, reason.numerator, reason.denominator) == (ReasonKind.MISMATCHING_COLUMNS, 1, 1)


@pytest.mark.parametrize(
    ("wrong", "columns", "halts"), [(1, 10, False), (2, 20, False), (2, 19, True), (101, 1_000, True)]
)
def test_mistyped_columns_halt_strictly_above_the_limit(tmp_path: Path, wrong: int, columns: int, halts: bool) -> None:
    cells = ["x"] * wrong + [1] * (columns - wrong)
    path = write_table(tmp_path / "t.db", "t", [f"c{number} INTEGER" for number in range(columns)], [cells])
    verdict = judge(profile_of(path))
    assert verdict.should_halt is halts
    if halts:
        assert (verdict.reasons[0].numerator, verdict.reasons[0].denominator) == (wrong, columns)
        assert len(verdict.reasons[0].examples) == min(wrong, 5)
        assert verdict.reasons[0].examples[0] == "t.c0 = 'x'"


@pytest.mark.parametrize(("wrong", "halts"), [(999, False), (1_000, False), (1_001, True)])
def test_mistyped_columns_halt_a_hundredth_of_a_percent_above_the_limit(
    tmp_path: Path, wrong: int, halts: bool
) -> None:
    """9.99, 10 and 10.01 percent of 10,000 columns, which no single table of SQLite can have."""
    profile = profile_of(write_table(tmp_path / "t.db", "t", ["sound INTEGER", "wrong INTEGER"], [(1, "x")]))
    (table,) = profile.tables
    sound, mistyped = table.columns
    columns = (mistyped,) * wrong + (sound,) * (10_000 - wrong)
    verdict = judge(replace(profile, tables=(replace(table, columns=columns),)))
    assert verdict.should_halt is halts
    assert [(reason.numerator, reason.denominator) for reason in verdict.reasons] == [(wrong, 10_000)] * halts


@pytest.mark.parametrize(("rows", "halts"), [(1_999, False), (2_000, False), (2_001, True)])
def test_rows_with_corrupt_dates_halt_a_hundredth_of_a_percent_above_the_limit(
    tmp_path: Path, rows: int, halts: bool
) -> None:
    profile = profile_of(write_export(tmp_path / "e.db"))
    tables = tuple(
        replace(table, rows=10_000, rows_with_corrupt_date=rows) if table.name == "tickets" else table
        for table in profile.tables
    )
    verdict = judge(replace(profile, tables=tables))
    assert verdict.should_halt is halts
    assert [reason.kind for reason in verdict.reasons] == [ReasonKind.ROWS_WITH_CORRUPT_DATE] * halts


def test_an_export_with_shifted_columns_halts(tmp_path: Path) -> None:
    texts = ["the customer called again"] * 3
    shifted = [
        ("comments", "comment_id"), ("comments", "ticket_id"), ("comments", "user_id"), CREATED,
        ("timesheets", "TS-Hours"), ("timesheets", "TS-Crm ID"), ("timesheets", "TS-Date"),
        ("timesheets", "TS-Costcentre ID"), ("tickets", "TKT-Ticket ID"), ("tickets", "TKT-Parent ID"),
        ("tickets", "TKT-Account Id"), ("tickets", "TKT-Modified Time"), ("tickets", "TKT-Closure Date"),
        ("tickets", "TKT-Created Time"),
    ]  # fmt: skip
    cells: dict[tuple[str, str], Sequence[object]] = dict.fromkeys(shifted, texts)
    verdict = judged(tmp_path / "e.db", {}, cells)
    mistyped = verdict.reasons[0]
    assert (mistyped.kind, mistyped.numerator, mistyped.denominator) == (ReasonKind.MISMATCHING_COLUMNS, 14, 133)
    assert verdict.should_halt
    cells.pop(("tickets", "TKT-Created Time"))
    still = judged(tmp_path / "e.db", {}, cells)
    assert ReasonKind.MISMATCHING_COLUMNS not in {reason.kind for reason in still.reasons}, "13 of 133 is 9.8 %"
    assert still.should_halt


def test_the_limits_are_settings(tmp_path: Path) -> None:
    cells: dict[tuple[str, str], Sequence[object]] = {CREATED: ["x"] * 30}
    assert judged(tmp_path / "e.db", {"comments": 100}, cells).should_halt
    assert not judged(tmp_path / "e.db", {"comments": 100}, cells, Limits(corrupt_percent=30)).should_halt
    assert judged(tmp_path / "e.db", {"comments": 100}, cells, Limits(corrupt_percent=29)).should_halt
    mistyped = profile_of(write_column(tmp_path / "one.db", ["x"], "INTEGER"))
    assert not judge(mistyped, Limits(mismatch_percent=100)).should_halt


def test_what_is_believed_and_what_is_strange_is_set_by_the_contract(tmp_path: Path) -> None:
    contract, path = load_contract(), tmp_path / "e.db"
    cells: dict[tuple[str, str], Sequence[object]] = {
        ("timesheets", "TS-Hours"): ["x"] * 8,
        ("tickets", "TKT-Closure Date"): ["x"] * 40,
    }
    write_export(path, {"timesheets": 100, "tickets": 100}, cells=cells, declared="TEXT")

    def mistyped(**given: int) -> set[str]:
        profile = profile_database(path, replace(contract, **given), progress=lambda _done, _total: None)  # type: ignore[arg-type]
        return {column.name for column in profile.columns() if column.mismatch}

    assert mistyped() == {"TS-Hours"}
    assert mistyped(believed_percent=92) == set()
    assert mistyped(believed_percent=93) == {"TS-Hours"}
    assert mistyped(strange_dates_percent=40) == {"TS-Hours"}
    assert mistyped(strange_dates_percent=39) == {"TS-Hours", "TKT-Closure Date"}


def test_a_reason_says_its_numbers(tmp_path: Path) -> None:
    verdict = judged(tmp_path / "e.db", {"comments": 1_000}, {CREATED: ["tbc"] * 210})
    assert str(verdict.reasons[0]) == (
        "210 of 1,000 values of comments.created_time are no dates that exist: 21.00 %, the limit is 20 %, "
        "for example 'tbc'"
    )
