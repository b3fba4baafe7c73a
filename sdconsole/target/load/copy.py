"""Loads one table of the clean file into its place in a version schema, by binary COPY with typed values.

One ordered SELECT feeds one COPY, in bounded memory, inside the caller's transaction: either all rows are there after
its commit or none. A cell that PostgreSQL would refuse or change is named by table, column and row.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.abc import Buffer
from psycopg.copy import LibpqWriter

from sdconsole.contract.model import Table
from sdconsole.errors import OperationFailed
from sdconsole.source.catalog import quote, read_catalog
from sdconsole.target.connect import Connection
from sdconsole.target.load.blueprint import PlannedTable, column_list, plan_table
from sdconsole.target.load.clean_file import open_clean, select_columns
from sdconsole.target.load.encode import REFUSALS, refusal_of, register

Progress = Callable[[int, int], None]
"""Called with the rows and the bytes that were sent so far."""
Pace = Callable[[int], None]

ROWS_PER_REPORT: Final = 10_000
_ROWS_PER_FETCH: Final = 500
_COPY_LINE: Final = re.compile(r"^COPY .*, \S+ (\d+)(?:, \S+ ([^:]+?))?(?::|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Selection:
    """The rows to copy, in the order they are sent in: the query and its parameters."""

    query: str
    parameters: tuple[int, ...]


def load_table(
    connection: Connection,
    clean_path: Path,
    table: Table,
    schema: str,
    *,
    numbers: tuple[int, int] | None = None,
    progress: Progress | None = None,
    pace: Pace | None = None,
) -> int:
    """Copies the rows of `table` in the order of its key and returns how many there were.

    `numbers` are the first and the last of the clean file's row numbers to copy; None = all rows. `progress(rows,
    bytes)` is called at least every 10,000 rows. `pace(rows)`, when given, is called before every few hundred rows, and
    progress with it. Both may raise: then nothing is loaded. Raises OperationFailed "value" or "constraint" that names
    column and row, OperationFailed "clean-file", and psycopg.Error for everything else that PostgreSQL refuses, the
    loss of the connection included.
    """
    plan = plan_table(table)
    with open_clean(clean_path, [table]) as clean:
        chosen = _selection(clean, table, numbers)
        try:
            return _copy(connection, clean, plan, schema, chosen, progress or _nobody_looks, pace)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise _refused_by_server(error, clean, table, chosen) from error


def _nobody_looks(_rows: int, _bytes: int) -> None:
    """Nobody wants to see the progress."""


def _selection(clean: sqlite3.Connection, table: Table, numbers: tuple[int, int] | None) -> _Selection:
    """The rows in the order of the key. Keys and row numbers are sorted, not whole rows: those may not fit in memory.

    LIMIT -1 keeps SQLite from dropping the order of the inner query, CROSS JOIN from reading the other side first.
    """
    held = read_catalog(clean).table(table.name)
    number = held.rowid_name if held is not None else None
    if number is None:
        assert numbers is None
        return _Selection(select_columns(table, ordered=True), ())
    name = quote(table.name)
    within = f" WHERE {number} BETWEEN ? AND ?" if numbers is not None else ""
    if not table.key:
        query = f"{select_columns(table, ordered=False)}{within} ORDER BY {number}"
        return _Selection(query, numbers or ())
    columns = ", ".join(f"held.{quote(column.name)}" for column in table.columns)
    order = ", ".join(quote(column) for column in table.key)
    query = (
        f"SELECT {columns} FROM (SELECT {number} AS number FROM {name}{within} ORDER BY {order} LIMIT -1) AS wanted"  # noqa: S608
        f" CROSS JOIN {name} AS held ON held.{number} = wanted.number"
    )
    return _Selection(query, numbers or ())


def _copy(
    connection: Connection,
    clean: sqlite3.Connection,
    plan: PlannedTable,
    schema: str,
    chosen: _Selection,
    progress: Progress,
    pace: Pace | None,
) -> int:
    table = plan.source
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(schema, plan.name), column_list([name for name, _ in plan.columns])
    )
    rows = clean.execute(chosen.query, chosen.parameters)
    done = 0
    progress(done, 0)
    with connection.cursor() as cursor, cursor.copy(statement, writer=(sent := _Sent(cursor))) as copy:
        copy.set_types(register(cursor.adapters, table.columns))
        while cells := rows.fetchmany(_ROWS_PER_FETCH):
            if pace is not None:
                pace(len(cells))
            try:
                _send(copy, cells)
            except (*REFUSALS, psycopg.DataError) as error:
                refused = _refused_cell(table, cells)
                if refused is None:
                    raise
                raise refused from error
            done += len(cells)
            if done % ROWS_PER_REPORT == 0 or pace is not None:
                progress(done, sent.size_bytes)
    progress(done, sent.size_bytes)
    return done


class _Sent(LibpqWriter):
    """Sends what the COPY writes, and counts its bytes."""

    def __init__(self, cursor: psycopg.Cursor[tuple[Any, ...]]) -> None:
        super().__init__(cursor)
        self.size_bytes = 0

    def write(self, data: Buffer) -> None:
        self.size_bytes += len(data)
        super().write(data)


def _send(copy: psycopg.Copy, rows: list[tuple[Any, ...]]) -> None:
    write_row = copy.write_row
    for row in rows:
        write_row(row)


def _refused_cell(table: Table, rows: list[tuple[Any, ...]]) -> OperationFailed | None:
    """The error for the first cell of these rows that its column cannot hold; None when every one fits."""
    for row in rows:
        for column, cell in zip(table.columns, row, strict=True):
            reason = refusal_of(column, cell)
            if reason:
                return OperationFailed(
                    "value",
                    f"{table.name}.{column.name} holds a value that PostgreSQL cannot store as {column.type}",
                    cause=f"{_key_text(table, row)}: {reason}",
                    next_step="the clean stage should have set it aside: run it again, or correct the contract's type",
                )
    return None


def _key_text(table: Table, row: Sequence[object]) -> str:
    """How to find the row: its key, else the columns that come nearest to one, else nothing but the fact."""
    names = [column.name for column in table.columns]
    key = table.row_key
    if not key:
        return "a row without a key"
    return ", ".join(f"{name} = {str(row[names.index(name)])[:60]!r}" for name in key)


def _refused_by_server(
    error: psycopg.DataError | psycopg.IntegrityError, clean: sqlite3.Connection, table: Table, chosen: _Selection
) -> OperationFailed:
    """Names the row by the line of the COPY that PostgreSQL reports: it is the row's place in the ordered SELECT."""
    found = _COPY_LINE.search(error.diag.context or "")
    column = error.diag.column_name or (found[2] if found else None)
    row = None
    if found:
        row = clean.execute(f"{chosen.query} LIMIT 1 OFFSET ?", (*chosen.parameters, int(found[1]) - 1)).fetchone()
        refused = _refused_cell(table, [row]) if row else None
        if refused is not None:
            return refused
    kind = "constraint" if isinstance(error, psycopg.IntegrityError) else "value"
    return OperationFailed(
        kind,
        f"{table.name}{f'.{column}' if column else ''} holds a value that PostgreSQL refuses",
        cause=f"{_key_text(table, row) if row else 'unknown row'}: {error.diag.message_primary or 'not accepted'}",
        next_step="the clean stage should have set it aside: run it again, or correct the contract",
    )
