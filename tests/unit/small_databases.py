"""Small SQLite files for tests: tables from plain dicts, and exports with the contract's tables and sound values."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Column, Contract, DateOrder, Kind, Table
from sdconsole.quality.profile.database import profile_database
from sdconsole.quality.profile.model import Profile
from sdconsole.source.catalog import quote

CONTRACT = load_contract(None)
NOW = datetime(2025, 11, 1, 12, 0, tzinfo=UTC)

Rows = Sequence[Sequence[object]]

_SOUND: dict[Kind, object] = {
    Kind.DECIMAL: 1.5,
    Kind.REAL: 0.5,
    Kind.TEXT: "some text",
    Kind.TIMESTAMP: "2025-07-15 08:42:00",
    Kind.JSON: '["a"]',
}


def write_table(path: Path, name: str, columns: Sequence[str], rows: Rows, *, constraints: str = "") -> Path:
    """Adds a table; each column is 'name TYPE' with the type after the last blank, or a name alone."""
    parts = [column.rpartition(" ") for column in columns]
    declared = [f"{quote(left)} {right}" if left else quote(right) for left, _, right in parts]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE {quote(name)} ({', '.join(declared)}{constraints})")
        connection.executemany(f"INSERT INTO {quote(name)} VALUES ({', '.join('?' * len(columns))})", rows)
    return path


def write_column(path: Path, values: Sequence[object], declared: str = "TEXT") -> Path:
    """A file with one unknown table `t` of one column `c`."""
    return write_table(path, "t", [f"c {declared}"], [(value,) for value in values])


def sound_cell(column: Column, row: int) -> object:
    """A value that the column is for; whole numbers count from 1."""
    if column.flag:
        return column.flag[0]
    if column.checked and column.values:
        return column.values[0]
    if column.kind is Kind.INTEGER:
        return row % 5 + 1 if column.checked else row + 1
    return _SOUND[column.kind]


def write_export(
    path: Path,
    rows: Mapping[str, int] | None = None,
    *,
    cells: Mapping[tuple[str, str], Sequence[object]] | None = None,
    without: Sequence[str] = (),
    declared: str = "",
) -> Path:
    """An export with sound values in every cell; `cells` replaces the first cells of some columns.

    `rows` is by table (default 3 each). `declared` is the declared type of all columns.
    """
    for table in CONTRACT.tables:
        if table.name in without:
            continue
        count = (rows or {}).get(table.name, 3)
        columns = [_cells(table, column, count, cells or {}) for column in table.columns]
        types = [declared or _declared(column) for column in table.columns]
        names = [f"{column.name} {kind}" for column, kind in zip(table.columns, types, strict=True)]
        write_table(path, table.name, names, list(zip(*columns, strict=True)))
    return path


def _declared(column: Column) -> str:
    return {Kind.INTEGER: "INTEGER", Kind.TIMESTAMP: "TIMESTAMP", Kind.DECIMAL: "REAL"}.get(column.kind, "TEXT")


def _cells(table: Table, column: Column, count: int, cells: Mapping[tuple[str, str], Sequence[object]]) -> list[object]:
    given = list(cells.get((table.name, column.name), ()))
    names_row = column.kind is Kind.TEXT and column.name in table.key
    sound = (f"key {row}" if names_row else sound_cell(column, row) for row in range(len(given), count))
    return [*given, *sound]


def profile_of(
    path: Path, *, contract: Contract = CONTRACT, answers: Mapping[tuple[str, str], DateOrder] | None = None
) -> Profile:
    return profile_database(path, contract, answers=answers, progress=lambda _done, _total: None, now=NOW)
