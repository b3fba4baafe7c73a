"""Writes the cleaned rows of one table into the new file, in the order of their row numbers.

Where SQLite can read the snapshot beside the new file, it copies the rows itself and Python hands it only the rows
in which something changes; both ways store the same bytes. A value that SQLite stores in its canonical form by itself,
such as 7.0 in a whole-number column, counts as unchanged here. Knows no rules of cleaning.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import compress
from operator import is_not
from pathlib import Path
from typing import Protocol
from urllib.parse import quote as percent_quote

from sdconsole.contract.model import Column, Kind, Table
from sdconsole.quality.raw_rows import Chunk
from sdconsole.source.catalog import SourceTable, quote
from sdconsole.source.output import companion, write_failure
from sdconsole.source.refusal import refusal

ATTACHED = "snapshot"
"""The name of the snapshot on the connection of the new file."""
_WAL_VERSIONS = slice(18, 20)
_PATCHES = "temp.patches"
_REMEMBERED = 20_000
_MOST_COLUMNS = 1_500
"""SQLite's tables have 2,000 at most, and patches have two more than the table."""

Write = Callable[[], None]


class TableWriter(Protocol):
    """Prepares the writing of one chunk; calling what it returns, on any thread, writes it."""

    def prepare(self, chunk: Chunk, columns: Sequence[Sequence[object]], held: Collection[int]) -> Write: ...

    def close(self) -> None: ...


def attach_snapshot(connection: sqlite3.Connection, snapshot: Path, source: sqlite3.Connection) -> bool:
    """Lets the connection of the new file read the snapshot, read-only; False where only the source's reader can.

    That is a file in WAL mode, or one whose text is not stored as UTF-8. `connection` must accept URIs.
    """
    with snapshot.open("rb") as file:
        header = file.read(100)
    if 2 in header[_WAL_VERSIONS] or companion(snapshot, "-wal").exists():
        return False
    if source.execute("PRAGMA encoding").fetchone()[0] != "UTF-8":
        return False
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute(f"ATTACH ? AS {ATTACHED}", (f"file:{percent_quote(str(snapshot.absolute()))}?mode=ro",))
    return True


def can_copy(stored: SourceTable) -> bool:
    """Whether SQLite may copy the rows itself: they have numbers, not too many columns, and none is computed."""
    computed = any(column.generated for column in stored.columns)
    return stored.rowid_name is not None and not computed and len(stored.columns) <= _MOST_COLUMNS


class RowWriter:
    """Every value of every row passes through Python."""

    def __init__(self, output: sqlite3.Connection, table: Table, rowid: str) -> None:
        self._output = output
        names = [rowid, *(quote(column.name) for column in table.columns)]
        self._insert = (
            f"INSERT INTO main.{quote(table.name)} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
        )

    def prepare(self, chunk: Chunk, columns: Sequence[Sequence[object]], held: Collection[int]) -> Write:
        row_ids: Sequence[int] = chunk.row_ids
        if held:
            kept = [row for row in range(chunk.rows) if row not in held]
            row_ids = [row_ids[row] for row in kept]
            columns = [[column[row] for row in kept] for column in columns]
        rows = zip(row_ids, *columns, strict=True)

        def write() -> None:
            self._output.executemany(self._insert, rows)

        return write

    def close(self) -> None:
        """Nothing is kept open."""


class CopyWriter:
    """SQLite copies the rows of the snapshot; `looked_at` are the positions of the columns that chunks bring."""

    def __init__(
        self,
        output: sqlite3.Connection,
        table: Table,
        stored: SourceTable,
        names: Sequence[str | None],
        rowid: str,
        looked_at: Sequence[int],
        snapshot: Path,
        alike: StoredAlike,
    ) -> None:
        self._output, self._snapshot = output, snapshot
        self._kinds = [table.columns[at].kind for at in looked_at]
        self._like = alike
        cells = [_stored_form(column, name) for column, name in zip(table.columns, names, strict=True)]
        patched = list(cells)
        for place, at in enumerate(looked_at):
            patched[at] = f"CASE WHEN p.row_id IS NULL THEN {cells[at]} ELSE p.c{place} END"
        into = ", ".join([rowid, *(quote(column.name) for column in table.columns)])
        source = f"{ATTACHED}.{quote(stored.name)} AS s NOT INDEXED"
        number = f"s.{stored.rowid_name}"
        insert = f"INSERT INTO main.{quote(table.name)} ({into}) SELECT {number}"
        within = f"{number} BETWEEN ? AND ?"
        self._copy = f"{insert}, {', '.join(cells)} FROM {source} WHERE {within}"
        self._copy_patched = (
            f"{insert}, {', '.join(patched)} FROM {source} LEFT JOIN {_PATCHES} AS p ON p.row_id = {number}"
            f" WHERE {within} AND p.held IS NOT 1"
        )
        places = [f"c{place}" for place in range(len(looked_at))]
        output.execute(f"CREATE TEMP TABLE patches ({', '.join(['row_id INTEGER PRIMARY KEY', 'held', *places])})")
        self._patch = f"INSERT INTO {_PATCHES} VALUES ({', '.join('?' * (2 + len(places)))})"  # noqa: S608

    def prepare(self, chunk: Chunk, columns: Sequence[Sequence[object]], held: Collection[int]) -> Write:
        differing = set(held)
        for kind, raw, cleaned in zip(self._kinds, chunk.columns, columns, strict=True):
            if cleaned is not raw:
                differing.update(self._like.differing(kind, raw, cleaned))
        patches = [(chunk.row_ids[row], row in held, *(column[row] for column in columns)) for row in sorted(differing)]
        bounds = (chunk.first, chunk.last)

        def write() -> None:
            with _blaming(self._snapshot):
                if not patches:
                    self._output.execute(self._copy, bounds)
                    return
                self._output.executemany(self._patch, patches)
                self._output.execute(self._copy_patched, bounds)
                self._output.execute(f"DELETE FROM {_PATCHES}")  # noqa: S608

        return write

    def close(self) -> None:
        self._output.execute("DROP TABLE temp.patches")


def _stored_form(column: Column, name: str | None) -> str:
    """SQL for what is stored when no patch says otherwise."""
    if name is None:
        return "NULL"
    cell = f"s.{quote(name)}"
    return _decimal_form(cell) if column.kind is Kind.DECIMAL else cell


def _decimal_form(cell: str) -> str:
    """A REAL as text with neither '.0' nor, up to 15 digits, an inexact tail."""
    return (
        f"CASE WHEN typeof({cell}) <> 'real' THEN {cell} WHEN {cell} = CAST({cell} AS INTEGER)"
        f" THEN CAST(CAST({cell} AS INTEGER) AS TEXT) ELSE CAST({cell} AS TEXT) END"
    )


class StoredAlike:
    """Which cleaned values SQLite makes of the raw ones by itself, by the type of their column. Close it when done."""

    def __init__(self) -> None:
        self._probe = sqlite3.connect(":memory:")
        self._decimals: dict[float, object] = {}

    def differing(self, kind: Kind, raw: Sequence[object], cleaned: Sequence[object]) -> Iterator[int]:
        """The positions of the cells that SQLite would not store as cleaned."""
        for row in compress(range(len(raw)), map(is_not, raw, cleaned)):
            if not self.is_alike(kind, raw[row], cleaned[row]):
                yield row

    def is_alike(self, kind: Kind, raw: object, cleaned: object) -> bool:
        """Whether a copy of `raw` is stored as `cleaned`."""
        if cleaned is None or isinstance(raw, str):
            return type(raw) is type(cleaned) and raw == cleaned
        if kind is Kind.INTEGER or kind is Kind.REAL:
            return isinstance(raw, int | float) and raw == cleaned
        if isinstance(raw, int):
            return cleaned == str(raw)
        return isinstance(raw, float) and kind is Kind.DECIMAL and self._decimal(raw) == cleaned

    def _decimal(self, raw: float) -> object:
        """What SQLite itself says; nobody else knows how it prints a floating-point number."""
        if raw not in self._decimals:
            if len(self._decimals) > _REMEMBERED:
                self._decimals.clear()
            self._decimals[raw] = self._probe.execute(f"SELECT {_decimal_form('?1')}", (raw,)).fetchone()[0]
        return self._decimals[raw]

    def close(self) -> None:
        self._probe.close()


@contextmanager
def _blaming(snapshot: Path) -> Iterator[None]:
    """Both files are open on one connection: what is not about writing the new one is about reading the snapshot."""
    try:
        yield
    except sqlite3.Error as error:
        if write_failure(snapshot, error) is not None:
            raise
        raise refusal(error, str(snapshot)) from error
