"""Which tables and columns are deployed, and with which types."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdconsole.contract.model import DateOrder, Table
from sdconsole.quality.drift.shape import deployed_tables
from tests.unit.small_databases import CONTRACT, profile_of, write_column, write_export, write_table

MANY = 40


def shape_of(path: Path) -> dict[str, Table]:
    return {table.name: table for table in deployed_tables(CONTRACT, profile_of(path))}


def types_of(table: Table) -> dict[str, str]:
    return {column.name: column.type for column in table.columns}


def test_a_whole_export_is_deployed_as_the_contract_says(tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.db", declared="BLOB")
    assert deployed_tables(CONTRACT, profile_of(path)) == CONTRACT.tables


def test_absent_tables_and_columns_are_created_empty(tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.db", without=("comment_sentiment", "comments"))
    write_table(path, "comments", ["comment_id INTEGER"], [(1,)])
    assert deployed_tables(CONTRACT, profile_of(path)) == CONTRACT.tables


def test_unknown_columns_and_tables_are_added_at_the_end(tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.db", without=("comments",))
    write_table(path, "comments", ["Likes TEXT", "comment_id INTEGER", "note"], [("3", 1, "x")])
    write_table(path, "Extra Table", ["When TEXT", "How much REAL"], [("15/07/2025", 1.5)])
    shape = shape_of(path)
    assert list(shape) == [*(table.name for table in CONTRACT.tables), "Extra Table"]
    known = CONTRACT.table("comments")
    assert known is not None
    assert shape["comments"].columns[: len(known.columns)] == known.columns
    assert list(types_of(shape["comments"]).items())[-2:] == [("Likes", "bigint"), ("note", "text")]
    assert types_of(shape["Extra Table"]) == {"When": "timestamp", "How much": "double precision"}
    assert replace(shape["comments"], columns=known.columns) == known


def test_a_surrogate_key_gives_way_to_a_column_of_the_export(tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.db", without=("timesheets",))
    write_table(path, "timesheets", ["TS-Date TEXT", "ROW_ID INTEGER"], [("2025-07-15", 1)])
    timesheets = shape_of(path)["timesheets"]
    assert timesheets.surrogate_key == "row_id_"
    assert types_of(timesheets)["ROW_ID"] == "bigint"


def test_a_file_without_any_table_of_the_contract_is_deployed_alone(tmp_path: Path) -> None:
    path = write_table(tmp_path / "o.db", "films", ["title TEXT"], [("Stalker",)])
    assert list(shape_of(path)) == ["films"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2**62], "bigint"),
        (["1", "-22"], "bigint"),
        (["007"], "text"),
        (["+5"], "text"),
        (["12345678901234567890"], "text"),
        ([1.5, 2], "double precision"),
        (["1.5", "2"], "double precision"),
        (["1.50"], "text"),
        ([1.5, 2**53 + 1], "text"),
        ([1e300, 2], "text"),
        (["2025-07-15 08:42:00", "2025-07-15"], "timestamp"),
        (["15/07/2025", "5/07/2025"], "timestamp"),
        (["5/07/2025"], "text"),
        (["15/07/2025", "7/15/2025"], "text"),
        (["2025-07-15 08:42:00.5"], "text"),
        (["2025-07-15 08:42:00.0"], "timestamp"),
        (["yes", "no"], "text"),
        (['{"a": 1}'], "text"),
        (["08:42"], "text"),
        ([b"\x00"], "text"),
        ([None, "", "nan"], "text"),
        ([1, None, "", "nan"], "bigint"),
    ],
)
def test_a_type_is_proven_only_when_nothing_is_lost(tmp_path: Path, values: list[object], expected: str) -> None:
    path = write_column(tmp_path / "o.db", values, "BLOB")
    assert types_of(shape_of(path)["t"]) == {"c": expected}


@pytest.mark.parametrize(("strangers", "expected"), [(2, "bigint"), (3, "text")])
def test_95_percent_of_the_values_prove_a_type(tmp_path: Path, strangers: int, expected: str) -> None:
    values: list[object] = [*range(MANY - strangers), *["x"] * strangers, *[None] * 500]
    assert types_of(shape_of(write_column(tmp_path / "o.db", values, "BLOB"))["t"]) == {"c": expected}


def test_an_answer_makes_an_ambiguous_column_a_timestamp(tmp_path: Path) -> None:
    path = write_column(tmp_path / "o.db", ["5/07/2025", "6/07/2025"])
    profile = profile_of(path, answers={("t", "c"): DateOrder.DMY})
    (table,) = deployed_tables(CONTRACT, profile)
    assert types_of(table) == {"c": "timestamp"}


def test_a_declared_key_is_kept_when_every_row_has_its_own(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    write_table(path, "a", ["x TEXT", "y INTEGER"], [("p", 1), ("p", 2)], constraints=", PRIMARY KEY (y, x)")
    write_table(path, "b", ["x TEXT"], [], constraints=", PRIMARY KEY (x)")
    write_table(path, "c", ["x TEXT", "y TEXT"], [("p", "1"), (None, "2")], constraints=", PRIMARY KEY (x)")
    write_table(path, "d", ["x TEXT", "y TEXT"], [("p", "1"), (" p", "2")], constraints=", PRIMARY KEY (x)")
    write_table(path, "e", ["x BLOB", "y TEXT"], [(b"1", "1"), (b"2", "2")], constraints=", PRIMARY KEY (x)")
    write_table(path, "f", ["x INTEGER", "y TEXT"], [(1, "1"), (2, "2")])
    shape = shape_of(path)
    assert {name: table.key for name, table in shape.items()} == {
        "a": ("y", "x"),
        "b": ("x",),
        "c": (),
        "d": (),
        "e": (),
        "f": (),
    }


def test_a_key_never_loses_a_value_to_its_type(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    rows: list[tuple[object, str]] = [*((number, "v") for number in range(MANY)), ("x", "v")]
    write_table(path, "mixed", ["k", "v TEXT"], rows, constraints=", PRIMARY KEY (k)")
    write_table(
        path, "dated", ["k TEXT", "v TEXT"], [("2025-07-15", "a"), ("15/07/2025", "b")], constraints=", PRIMARY KEY (k)"
    )
    shape = shape_of(path)
    assert (shape["mixed"].key, types_of(shape["mixed"])["k"]) == (("k",), "text")
    assert (shape["dated"].key, types_of(shape["dated"])["k"]) == (("k",), "text")
