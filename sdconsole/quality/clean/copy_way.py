"""Copies a table of the snapshot within SQLite; Python is called for the odd cells only, and sees no other.

Each row is read once: whether a cell is odd, what it becomes and whether its row is carried over are parts of one
statement. Used where the profile of the same bytes has told which conditions find the odd cells (`sieve.py`).
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote as percent_quote

from sdconsole.contract.model import Table
from sdconsole.quality.clean.odd_cells import OddCells, OddRows
from sdconsole.quality.clean.sieve import Sieve
from sdconsole.quality.clean.stored_forms import stored_form
from sdconsole.source.catalog import SourceTable, quote
from sdconsole.source.output import companion, write_failure
from sdconsole.source.refusal import refusal

ATTACHED = "snapshot"
"""The name of the snapshot on the connection of the new file."""
_WAL_VERSIONS = slice(18, 20)
_MOST_COLUMNS = 1_500
"""SQLite's tables have 2,000 at most, and the statement needs some more."""
_CHUNK_ROWS = 5_000
_CACHE_KIB = 8_000
"""Room for the pages of a chunk, which is counted before it is copied."""
_GREATEST_ROW_ID = (1 << 63) - 1
_VALUE, _LACKS = "sdconsole_value", "sdconsole_lacks"


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
    connection.execute(f"PRAGMA {ATTACHED}.cache_size = -{_CACHE_KIB}")
    return True


def can_copy(stored: SourceTable) -> bool:
    """Whether SQLite may copy the rows itself: they have numbers, not too many columns, and none is computed."""
    computed = any(column.generated for column in stored.columns)
    return stored.rowid_name is not None and not computed and len(stored.columns) <= _MOST_COLUMNS


class CopyWay:
    """`names` are the columns as the snapshot spells them; rows whose numbers are in `left_out` are not copied."""

    def __init__(
        self,
        output: sqlite3.Connection,
        table: Table,
        stored: SourceTable,
        names: Sequence[str | None],
        *,
        sieve: Sieve,
        cells: OddCells,
        rowid: str,
        left_out: Sequence[int],
        snapshot: Path,
    ) -> None:
        self._output, self._snapshot, self._cells = output, snapshot, cells
        self._left_out = sorted(left_out)
        number, place = stored.rowid_name, f"{ATTACHED}.{quote(stored.name)} NOT INDEXED"
        odd = {one.at: one for one in sieve.conditions}
        wanted, self._values = [str(number)], list[object]()
        for at, (column, name) in enumerate(zip(table.columns, names, strict=True)):
            cell = stored_form(column, name)
            if name is not None and (condition := odd.get(at)) is not None:
                cell = f"CASE WHEN {condition.sql} THEN {_VALUE}({at}, {number}, {quote(name)}) ELSE {cell} END"
                self._values += condition.values
            wanted.append(cell)
        complete = []
        self._required_values: list[object] = []
        for one in sieve.required:
            name = quote(str(names[one.at]))
            complete.append(f"CASE WHEN {one.sql} THEN NOT {_LACKS}({one.at}, {number}, {name}) ELSE 1 END")
            self._required_values += one.values
        into = ", ".join([rowid, *(quote(column.name) for column in table.columns)])
        rows = " AND ".join([f"{number} BETWEEN ? AND ?", *complete])
        self._copy = (
            f"INSERT INTO main.{quote(table.name)} ({into}) SELECT {', '.join(wanted)} FROM {place} WHERE {rows}"  # noqa: S608
        )
        self._without = f" AND {number} NOT IN "
        self._ends = (
            f"SELECT min(number), max(number), count(*) FROM (SELECT {number} AS number"  # noqa: S608
            f" FROM {place} WHERE {number} >= ? ORDER BY {number} LIMIT {_CHUNK_ROWS})"
        )

    def chunks(self) -> Iterator[tuple[int, OddRows]]:
        """Copies chunk by chunk: how many rows the snapshot has there, and what was found in them."""
        self._output.create_function(_VALUE, 3, self._cells.value)
        self._output.create_function(_LACKS, 3, self._cells.lacks)
        first: int | None = -(1 << 63)
        while first is not None:
            with self._blaming():
                first, last, rows = self._output.execute(self._ends, (first,)).fetchone()
                if first is None:
                    return
                without = self._left_out[bisect_left(self._left_out, first) : bisect_left(self._left_out, last + 1)]
                listed = f"{self._without}({', '.join('?' * len(without))})" if without else ""
                bounds = (*self._values, first, last, *self._required_values, *without)
                self._output.execute(self._copy + listed, bounds)
            yield rows, self._cells.take()
            first = last + 1 if last < _GREATEST_ROW_ID else None

    @contextmanager
    def _blaming(self) -> Iterator[None]:
        """Both files are open on one connection: what is not about writing the new one is about the snapshot."""
        try:
            yield
        except sqlite3.Error as error:
            if self._cells.error is not None:
                raise self._cells.error from None
            if write_failure(self._snapshot, error) is not None:
                raise
            raise refusal(error, str(self._snapshot)) from error
