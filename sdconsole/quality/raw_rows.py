"""Reads a table of the snapshot in chunks of columns, damaged text included, in bounded memory.

A value that is not UTF-8 stops the driver, so from the first such chunk on the table is read with its bytes kept as
lone surrogates, which no later step can mistake for text. Knows SQLite and neither contract nor cleaning.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sdconsole.source.catalog import SourceTable, quote
from sdconsole.source.refusal import reading

CHUNK_ROWS = 5_000
_CHUNK_CHARACTERS = 4_000_000
_SMALLEST_CHUNK = 50
_MEASURED_ROWS = 25
_GREATEST_ROW_ID = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows, column by column. `row_ids` are SQLite's row numbers, or count from 1 where a table has none.

    A chunk stands for all `rows_passed` rows numbered `first` to `last`; a condition may have left out some or all.
    """

    row_ids: Sequence[int]
    columns: tuple[Sequence[object], ...]
    first: int
    last: int
    rows_passed: int

    @property
    def rows(self) -> int:
        return len(self.row_ids)


def read_chunks(connection: sqlite3.Connection, table: SourceTable, names: Sequence[str | None]) -> Iterator[Chunk]:
    """The named columns of all rows in their stored order; None stands for a column of NULLs.

    Raises SourceRefused when the table cannot be read.
    """
    rowid = table.rowid_name
    wanted = [rowid or "NULL", *(quote(name) if name is not None else "NULL" for name in names)]
    # NOT INDEXED: an index that covers the columns would give the rows in its own order.
    query = f"SELECT {', '.join(wanted)} FROM {quote(table.name)} NOT INDEXED LIMIT -1 OFFSET ?"  # noqa: S608
    factory = connection.text_factory
    done = 0
    try:
        with reading(connection):
            lenient = False
            while True:
                try:
                    for rows in _fetch(connection, query, done):
                        yield _chunk(rows, done, numbered=rowid is not None)
                        done += len(rows)
                except sqlite3.OperationalError as error:
                    if lenient or not str(error).startswith("Could not decode to UTF-8"):
                        raise
                    lenient = True
                    connection.text_factory = _keep_bytes
                else:
                    return
    finally:
        connection.text_factory = factory


def _keep_bytes(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _fetch(connection: sqlite3.Connection, query: str, skip: int) -> Iterator[list[tuple[Any, ...]]]:
    return _batches(connection.execute(query, (skip,)))


def _batches(cursor: sqlite3.Cursor) -> Iterator[list[tuple[Any, ...]]]:
    """The rows, as many at once as keeps their text within bounds."""
    size = _SMALLEST_CHUNK
    while rows := cursor.fetchmany(size):
        yield rows
        step = max(1, len(rows) // _MEASURED_ROWS)
        measured = rows[::step]
        characters = sum(len(value) for row in measured for value in row if isinstance(value, str | bytes))
        size = max(_SMALLEST_CHUNK, min(CHUNK_ROWS, _CHUNK_CHARACTERS * len(measured) // (characters + 1)))


def _chunk(rows: list[tuple[Any, ...]], done: int, *, numbered: bool) -> Chunk:
    row_ids, *columns = zip(*rows, strict=True)
    ids = row_ids if numbered else range(done + 1, done + len(rows) + 1)
    return Chunk(ids, tuple(columns), ids[0], ids[-1], len(ids))


def read_sieved(
    connection: sqlite3.Connection,
    table: SourceTable,
    names: Sequence[str | None],
    condition: Callable[[], tuple[str, Sequence[object]]],
) -> Iterator[Chunk]:
    """The named columns of the rows that fulfil a condition, of a table with row numbers, in their order.

    Together the chunks stand for every row; none for more than 5,000. `condition` is asked every so many rows for SQL
    and the values of its parameters. Raises SourceRefused when the table cannot be read, or holds bytes that are not
    UTF-8 where a value is asked for.
    """
    rowid = table.rowid_name
    place = f"FROM {quote(table.name)} NOT INDEXED WHERE {rowid}"
    numbers = f"SELECT {rowid} AS number {place} >= ? ORDER BY {rowid} LIMIT {CHUNK_ROWS}"
    wanted = ", ".join([str(rowid), *(quote(name) if name is not None else "NULL" for name in names)])
    first: int | None = -(1 << 63)
    with reading(connection):
        while first is not None:
            ends = f"SELECT min(number), max(number), count(*) FROM ({numbers})"  # noqa: S608
            first, last, rows = connection.execute(ends, (first,)).fetchone()
            if first is None:
                return
            where, values = condition()
            query = f"SELECT {wanted} {place} BETWEEN ? AND ? AND ({where}) ORDER BY {rowid}"
            waiting: Chunk | None = None
            for found in _batches(connection.execute(query, (first, last, *values))):
                if waiting is not None:
                    yield waiting
                row_ids, *columns = zip(*found, strict=True)
                waiting = Chunk(row_ids, tuple(columns), first, row_ids[-1], 0)
                first = row_ids[-1] + 1
            waiting = waiting or Chunk((), ((),) * len(names), first, last, 0)
            yield replace(waiting, last=last, rows_passed=rows)
            first = last + 1 if last < _GREATEST_ROW_ID else None


def read_row(
    connection: sqlite3.Connection, table: SourceTable, names: Sequence[str | None], row_id: int
) -> tuple[object, ...] | None:
    """One row by its row number, as it stands in the file; None for a table without row numbers."""
    if table.rowid_name is None:
        return None
    wanted = [quote(name) if name is not None else "NULL" for name in names]
    factory = connection.text_factory
    connection.text_factory = _keep_bytes
    try:
        with reading(connection):
            row: tuple[object, ...] | None = connection.execute(
                f"SELECT {', '.join(wanted)} FROM {quote(table.name)} WHERE {table.rowid_name} = ?",  # noqa: S608
                (row_id,),
            ).fetchone()
    finally:
        connection.text_factory = factory
    return row
