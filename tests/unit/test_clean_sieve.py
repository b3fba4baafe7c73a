"""What never reaches Python is exactly what cleaning would leave alone: both ways of cleaning give the same file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Column, Contract, Table
from sdconsole.quality.clean.columns import SAMPLES
from sdconsole.quality.clean.quarantine import QUARANTINE
from sdconsole.source.catalog import quote
from sdconsole.source.generate import generate
from tests.unit.quality_exports import Cleaned, clean, content
from tests.unit.test_clean_columns import COLUMNS, VALUES

CONTRACT = load_contract(None)
DATES = [
    "2025-02-31 08:00:00",
    "2024-02-29 23:59:59",
    "2025-07-15 24:00:00",
    "2025-07-15 08:42:60",
    "0000-01-01 00:00:00",
    "0001-01-01 00:00:00",
    "9999-12-31 23:59:59",
    "2025-07-15 08:42:00 ",
    "2025-07-15T08:42:00",
    "now",
    "12:00:00",
    45797,
]
NUMBERS = [0.29, 0.57, 1.0005, 0.0001, 0.001, 99999.999, 99999.9996, 1e300, -0.29, -0.0, 0.1 + 0.2, 2**53 + 2.0, 7.5]
TEXTS = ["~", "~x", "x~", "!", "nAn", "N/A", "na\u212a", "é", "xé", "éx", "x\u2003", "\u200bx", "x\t", "a\rb", "a\0b "]
ODD = [value for value in [*VALUES, *DATES, *NUMBERS, *TEXTS] if value != "caf\udce9"]
SHAPE = Contract(
    "every",
    "1",
    (
        Table(
            "every",
            (
                Column("key", "bigint", positive=True),
                *(column for column in COLUMNS if column.name != "id"),
                Column("born", "timestamp", not_null=True),
            ),
            key=("key",),
        ),
    ),
    missing_tokens=("nan", "n/a", "none", "-", "--none--", "?"),
)


def everything(cleaned: Cleaned) -> tuple[Any, ...]:
    """The whole file and the whole report.

    Numbers of quarantine entries, and which cell is the sample, follow the order of the chunks.
    """
    entries = sorted(row[2:] for row in content(cleaned.output)[QUARANTINE])
    report = cleaned.report.to_dict() | {"output": "", "duration_seconds": 0}
    for table in report["tables"]:
        for column in table["columns"]:
            operations = sorted(sample["operation"] for sample in column["samples"])
            column["samples"] = operations if len(operations) < SAMPLES else len(operations)
    return content(cleaned.output, without=[QUARANTINE]), entries, report


def fill(path: Path, rows: list[list[object]], declared: str) -> Path:
    names = [column.name for column in SHAPE.tables[0].columns]
    with closing(sqlite3.connect(path)) as connection, connection:
        columns = ", ".join(f"{quote(name)} {declared}" for name in names)
        connection.execute(f"CREATE TABLE every ({columns})")
        connection.executemany(f"INSERT INTO every VALUES ({', '.join('?' * len(names))})", rows)
    return path


def both_ways(source: Path, contract: Contract) -> list[tuple[Any, ...]]:
    """Copied within SQLite, as the profile of the same bytes allows; and row by row, as without such a profile."""
    proven = clean(source, source.with_name("proven.db"), contract=contract)
    plain = clean(source, source.with_name("plain.db"), contract=contract, digest="")
    return [everything(each) for each in (proven, plain)]


@pytest.mark.parametrize("declared", ["", "TEXT", "NUMERIC", "REAL COLLATE NOCASE"])
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_whatever_the_cells_both_ways_of_cleaning_agree(
    tmp_path_factory: pytest.TempPathFactory, declared: str, data: st.DataObject
) -> None:
    columns = len(SHAPE.tables[0].columns)
    few = data.draw(st.lists(st.sampled_from(ODD), min_size=1, max_size=6))
    cells = st.sampled_from(few) | st.sampled_from(ODD)
    row = st.tuples(st.integers(1, 12), st.lists(cells, min_size=columns - 2, max_size=columns - 2))
    rows = data.draw(st.lists(row, min_size=1, max_size=12))
    born = "2025-07-15 08:00:00"
    folder = tmp_path_factory.mktemp("ways")
    source = fill(folder / "every.db", [[key, *cells, born] for key, cells in rows], declared)
    proven, plain = both_ways(source, SHAPE)
    assert proven == plain


@pytest.mark.parametrize(
    ("value", "declared"), [*((value, "") for value in ODD), *((value, "NUMERIC") for value in DATES)], ids=repr
)
def test_a_single_odd_cell_among_tidy_ones_is_found(tmp_path: Path, value: object, declared: str) -> None:
    columns = len(SHAPE.tables[0].columns) - 2
    tidy = [3, 5, "1", 1.0, "text", "padded", "root", "mixed", "2025-07-15 08:42:00", "yes", "[1]"]
    rows = [[key, *tidy[:columns], "2025-07-15 08:00:00"] for key in range(1, 41)]
    for at in range(columns):
        rows[at][1 + at] = value
    source = fill(tmp_path / "every.db", rows, declared)
    proven, plain = both_ways(source, SHAPE)
    assert proven == plain


@pytest.mark.parametrize("dirt", ["baseline", "heavy", "hostile"])
def test_generated_exports_are_cleaned_alike_in_both_ways(tmp_path: Path, dirt: str) -> None:
    source = tmp_path / "export.db"
    generate(source, contract=CONTRACT, rows=5_500, dirt=dirt)
    proven, plain = both_ways(source, CONTRACT)
    assert proven == plain
