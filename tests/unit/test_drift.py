"""Drift between two profiles of real files: what moves is told, noise is not, what went to zero stands apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Column, Contract, Reference, Table
from sdconsole.quality.drift.compare import movements
from sdconsole.quality.drift.model import (
    Baseline,
    DriftReport,
    Moved,
    Movement,
    Shape,
    Thresholds,
    drift_from_dict,
)
from sdconsole.quality.drift.schema_drift import against_contract, against_previous
from sdconsole.quality.drift.seen import seen
from tests.unit.small_databases import Rows, profile_of, write_export, write_table

COLUMNS = ["id INTEGER", "note TEXT", "status TEXT", "hours REAL", "made TIMESTAMP", "ticket INTEGER"]
CONTRACT = Contract(
    name="small",
    version="1",
    tables=(
        Table("tickets", (Column("id", "bigint"),), key=("id",)),
        Table(
            "notes",
            (
                Column("id", "bigint"),
                Column("note", "text"),
                Column("status", "text"),
                Column("hours", "double precision"),
                Column("made", "timestamp"),
                Column("ticket", "bigint"),
            ),
            key=("id",),
            references=(Reference("ticket", "tickets", "id"),),
        ),
    ),
)
Row = tuple[object, ...]
Change = Callable[[int, Row], Row | None]


def row(number: int) -> Row:
    month, day = number % 9 + 1, number % 28 + 1
    note, status = f"a note of usual length {number % 40:02}", ("open", "closed", "waiting")[number % 3]
    return (number + 1, note, status, 0.25 + number % 32 / 4, f"2025-{month:02}-{day:02} 08:00:00", number % 50 + 1)


def write(path: Path, rows: Rows) -> Path:
    write_table(path, "tickets", ["id INTEGER"], [(number,) for number in range(1, 51)])
    return write_table(path, "notes", COLUMNS, rows)


def with_column(position: int, value: Callable[[int, object], object]) -> Change:
    return lambda number, cells: (*cells[:position], value(number, cells[position]), *cells[position + 1 :])


@pytest.fixture
def drift_of(tmp_path: Path) -> Callable[..., dict[tuple[Moved, str], Movement]]:
    """What moved between 1,000 usual rows and the same rows changed, by kind and place."""

    times = count()

    def compare(
        change: Change, *, rows: int = 1_000, before: int = 1_000, limits: Thresholds | None = None
    ) -> dict[tuple[Moved, str], Movement]:
        folder = tmp_path / str(next(times))
        folder.mkdir()
        old = write(folder / "old.db", [row(number) for number in range(before)])
        changed = (change(number, row(number)) for number in range(rows))
        new = write(folder / "new.db", [cells for cells in changed if cells is not None])
        first, second = (seen(profile_of(path, contract=CONTRACT).to_dict()) for path in (old, new))
        found = movements(first, second, limits or Thresholds())
        return {(movement.kind, movement.place): movement for movement in found}

    return compare


def unchanged(_: int, cells: Row) -> Row:
    return cells


def test_the_same_rows_again_and_a_little_more_of_them_do_not_move(
    drift_of: Callable[..., dict[tuple[Moved, str], Movement]],
) -> None:
    assert drift_of(unchanged, rows=1_250) == {}


@pytest.mark.parametrize(
    ("before", "rows", "moved"),
    [(1_000, 1_300, False), (1_000, 1_301, True), (1_000, 700, False), (1_000, 699, True), (30, 49, False)],
)
def test_rows_move_above_30_percent_and_at_least_20_rows(
    drift_of: Callable[..., dict[tuple[Moved, str], Movement]], before: int, rows: int, moved: bool
) -> None:
    found = drift_of(unchanged, before=before, rows=rows)
    assert ((Moved.ROWS, "notes") in found) is moved
    assert {kind for kind, _ in found} <= {Moved.ROWS}


@pytest.mark.parametrize(
    ("change", "kind", "column", "words"),
    [
        (with_column(2, lambda n, v: None if n % 10 == 0 else v), Moved.MISSING, "status", "+10.0 points"),
        (with_column(2, lambda n, v: "" if n % 10 == 0 else v), Moved.MISSING, "status", "+10.0 points"),
        (with_column(1, lambda n, v: f"{v} {n}"), Moved.DISTINCT, "note", "different values, 40 before"),
        (with_column(3, lambda n, v: 99.0 if n == 7 else v), Moved.MAXIMUM, "hours", "99.0"),
        (with_column(3, lambda n, v: -50.0 if n == 7 else v), Moved.MINIMUM, "hours", "-50.0"),
        (with_column(4, lambda n, v: str(v).replace("2025", "2024")), Moved.OLDER, "made", "365.0 days older"),
        (with_column(4, lambda n, v: "2099-01-01 00:00:00" if n == 7 else v), Moved.MAXIMUM, "made", "2099"),
        (with_column(1, lambda n, v: str(v)[:9]), Moved.TEXT_LENGTH, "note", "characters on average"),
        (with_column(3, lambda n, v: "n. a." if n % 5 == 0 else v), Moved.CLASSES, "hours", "20.0% of the values"),
        (with_column(5, lambda n, v: 900 + n if n % 20 == 0 else v), Moved.ORPHANS, "ticket", "5.0% name no row"),
    ],
)  # fmt: skip
def test_what_moves_is_told_with_both_sides(
    drift_of: Callable[..., dict[tuple[Moved, str], Movement]], change: Change, kind: Moved, column: str, words: str
) -> None:
    found = drift_of(change)
    movement = found[kind, f"notes.{column}"]
    assert words in movement.change
    assert movement.limit
    assert movement.before != movement.after


@pytest.mark.parametrize(
    "change",
    [
        with_column(2, lambda n, v: None if n % 25 == 0 else v),
        with_column(3, lambda n, v: 12.0 if n == 7 else v),
        with_column(4, lambda n, v: str(v).replace("2025-09", "2025-10")),
        with_column(5, lambda n, v: 60 if n % 40 == 0 else v),
        with_column(1, lambda n, v: f"{v}!"),
    ],
    ids=["missing 4 points", "hours a little more", "a month later", "orphans 2.5 points", "one more character"],
)
def test_noise_below_the_thresholds_is_silent(
    drift_of: Callable[..., dict[tuple[Moved, str], Movement]], change: Change
) -> None:
    assert drift_of(change) == {}


def test_what_went_to_zero_comes_first_and_says_nothing_else_of_that_column(
    drift_of: Callable[..., dict[tuple[Moved, str], Movement]],
) -> None:
    found = drift_of(with_column(2, lambda n, v: None), rows=600)
    assert next(iter(found)) == (Moved.WENT_TO_ZERO, "notes.status")
    assert [kind for kind, place in found if place == "notes.status"] == [Moved.WENT_TO_ZERO]
    assert list(drift_of(lambda _n, _c: None)) == [(Moved.WENT_TO_ZERO, "notes")]


def test_ids_that_grow_are_no_news(drift_of: Callable[..., dict[tuple[Moved, str], Movement]]) -> None:
    assert drift_of(with_column(0, lambda n, v: n + 5_000_000)) == {}


def test_few_cells_say_nothing_about_shares(drift_of: Callable[..., dict[tuple[Moved, str], Movement]]) -> None:
    assert drift_of(with_column(2, lambda n, v: None if n % 2 else v), before=19, rows=19) == {}


def statuses(*cells: tuple[str, int]) -> Change:
    """The status column filled with so many cells in 1,000 of each value."""
    values = [status for status, count in cells for _ in range(count)]
    return with_column(2, lambda n, _v: values[n])


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ((("open", 40), ("closed", 960)), (("open", 100), ("closed", 900)), {"open"}),
        ((("open", 40), ("closed", 960)), (("open", 90), ("closed", 910)), set()),
        ((("open", 600), ("closed", 400)), (("open", 660), ("closed", 340)), set()),
        ((("open", 600), ("closed", 400)), (("open", 760), ("closed", 240)), {"open", "closed"}),
        ((("open", 1_000),), (("open", 940), ("new", 60)), {"new"}),
    ],
    ids=["6 points of 4", "5 points", "a tenth of 60", "a quarter of 60 and more", "one that was not there"],
)
def test_a_share_of_a_value_moves_by_points_and_by_its_own_size(
    tmp_path: Path, before: tuple[tuple[str, int], ...], after: tuple[tuple[str, int], ...], moved: set[str]
) -> None:
    profiles = []
    for name, cells in (("old", before), ("new", after)):
        rows = [statuses(*cells)(number, row(number)) for number in range(1_000)]
        path = write(tmp_path / f"{name}.db", [one for one in rows if one is not None])
        profiles.append(seen(profile_of(path, contract=CONTRACT).to_dict()))
    found = [one for one in movements(profiles[0], profiles[1], Thresholds()) if one.kind is Moved.CATEGORY]
    assert {one.change.split("'")[1] for one in found} == moved
    assert all(one.place == "notes.status" for one in found)


def test_the_profile_counts_each_value_of_a_column_with_few_of_them(tmp_path: Path) -> None:
    values = ["b", "b", " b", "a\x1b[31m", None, "", "nan", 7, 7.0, *("b" for _ in range(3))]
    path = write_table(tmp_path / "t.db", "t", ["c", "many", "made TIMESTAMP"], [
        (value, str(number), "2025-07-15 08:42:00") for number, value in enumerate(values * 10)
    ])  # fmt: skip
    profile = profile_of(path)
    assert profile.column("t", "c").top == {"b": 50, " b": 10, "7": 10, "7.0": 10, "a\\x1b[31m": 10}
    assert profile.column("t", "many").top == {}
    assert profile.column("t", "made").top == {}


def test_shares_of_single_values_are_compared_where_a_profile_has_them() -> None:
    def profile(top: dict[str, int]) -> dict[str, object]:
        cells = sum(top.values())
        column = {
            "name": "status", "rows": cells, "non_missing": cells, "distinct": len(top), "minimum": "a",
            "maximum": "z", "mean_text_length": 4.0, "classes": {"text": cells}, "top": top,
        }  # fmt: skip
        table = {"name": "t", "rows": cells, "columns": [column]}
        return {"source": "x.db", "as_of": "2025-11-01", "schema": 1, "tables": [table]}

    before, now = seen(profile({"open": 50, "closed": 50})), seen(profile({"open": 90, "waiting": 10}))
    found = movements(before, now, Thresholds())
    assert [(one.kind, one.before, one.after) for one in found] == [
        (Moved.WENT_TO_ZERO, 0.5, 0.0),
        (Moved.CATEGORY, 0.5, 0.9),
    ]
    few, other = seen(profile({"open": 20, "closed": 10})), seen(profile({"open": 10, "closed": 20}))
    assert movements(few, other, Thresholds()) == ()
    quarter, next_quarter = seen(profile({"2025-07": 99})), seen(profile({"2025-10": 99}))
    assert movements(quarter, next_quarter, Thresholds()) == ()


# -- thresholds are data ---------------------------------------------------------------------------------------------


def test_the_thresholds_are_those_of_the_contracts_drift_rule() -> None:
    contract = load_contract()
    limits = Thresholds.of(contract)
    assert (limits.rows, limits.missing, limits.orphans) == (30, 5, 3)
    rules = tuple(
        replace(rule, options={"rows": 1, "text_length": 2}) for rule in contract.rules if rule.check == "drift"
    )
    changed = Thresholds.of(replace(contract, rules=rules))
    assert (changed.rows, changed.text_length, changed.missing) == (1, 2, 5)
    assert Thresholds.of(replace(contract, rules=())) == Thresholds()


def test_another_threshold_gives_another_verdict(drift_of: Callable[..., dict[tuple[Moved, str], Movement]]) -> None:
    assert (Moved.ROWS, "notes") in drift_of(unchanged, rows=1_100, limits=Thresholds(rows=5))


# -- the shape -------------------------------------------------------------------------------------------------------


def test_new_missing_and_retyped_columns_and_tables_are_told_with_their_effect() -> None:
    def table(name: str, **types: str) -> Table:
        return Table(name, tuple(Column(column, kind) for column, kind in types.items()))

    before: Sequence[Table] = (table("a", id="bigint", old="text", n="bigint"), table("gone", id="bigint"))
    now: Sequence[Table] = (table("a", id="bigint", n="text", new="timestamp"), table("b", id="bigint"))
    found = {(change.kind, change.place): change for change in against_previous(before, now)}
    assert set(found) == {
        (Shape.NEW_TABLE, "b"),
        (Shape.MISSING_TABLE, "gone"),
        (Shape.NEW_COLUMN, "a.new"),
        (Shape.MISSING_COLUMN, "a.old"),
        (Shape.RETYPED, "a.n"),
    }
    assert found[Shape.RETYPED, "a.n"].change == "text, bigint before"
    assert "refused while" in found[Shape.MISSING_COLUMN, "a.old"].effect
    assert against_previous(now, now) == ()


def test_the_contract_is_compared_too_but_not_for_another_kind_of_database(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export.db", without=("comment_sentiment",))
    write_table(export, "extra", ["x TEXT"], [("y",)])
    found = {(change.kind, change.place) for change in against_contract(profile_of(export))}
    assert found == {(Shape.NEW_TABLE, "extra"), (Shape.MISSING_TABLE, "comment_sentiment")}
    assert all(change.effect for change in against_contract(profile_of(export)))
    other = write_table(tmp_path / "other.db", "extra", ["x TEXT"], [("y",)])
    assert against_contract(profile_of(other)) == ()


def test_a_report_survives_json(drift_of: Callable[..., dict[tuple[Moved, str], Movement]]) -> None:
    found = tuple(drift_of(unchanged, rows=500).values())
    report = DriftReport(Baseline("r-1", "v1", "2025", "x.db"), Thresholds(), movements=found, rows={"notes": (1, 2)})
    assert found
    assert drift_from_dict(report.to_dict()) == report
    with pytest.raises(ValueError, match="schema"):
        drift_from_dict(report.to_dict() | {"schema": 9})
