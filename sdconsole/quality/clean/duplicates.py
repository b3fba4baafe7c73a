"""Finds the rows that repeat a key, before anything is written: the newest of them is kept, the others are named.

Works on cleaned values, so '3664092.0' repeats 3664092. A key with a missing part repeats nothing. Only rows that may
share a key are compared: those that the profile lists, or else those whose keys share a 64-bit code. Knows neither the
quarantine nor the order in which rows are written.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sdconsole.contract.model import Kind, Table
from sdconsole.quality.clean.aside import required_columns
from sdconsole.quality.clean.columns import ColumnCleaner
from sdconsole.quality.clean.stored_forms import column_type
from sdconsole.quality.raw_rows import read_chunks, read_row
from sdconsole.source.catalog import SourceTable

_AT_ONCE = 250_000

Numbered = tuple[int, Sequence[object]]
"""The number of a row and its values as they stand in the snapshot."""


class KeyCodes:
    """Sixteen bytes for each row: its number and the code of its key."""

    def __init__(self) -> None:
        self._row_ids = array("q")
        self._codes = array("q")

    def take(self, row_ids: Sequence[int], parts: Sequence[Sequence[object]]) -> None:
        """Adds rows: their numbers, and their keys part by part, None where one is missing."""
        for row_id, key in zip(row_ids, zip(*parts, strict=True), strict=True):
            if None not in key:
                self._row_ids.append(row_id)
                self._codes.append(hash(key))

    def shared(self) -> list[int]:
        """The numbers of the rows whose code another row has too. Works in parts, in bounded memory."""
        parts = 1 + len(self._codes) // _AT_ONCE
        twice: set[int] = set()
        for part in range(parts):
            mine = self._codes if parts == 1 else [code for code in self._codes if code % parts == part]
            different = set(mine)
            if len(different) != len(mine):
                for code in mine:
                    if code in different:
                        different.remove(code)
                    else:
                        twice.add(code)
        return (
            [row_id for row_id, code in zip(self._row_ids, self._codes, strict=True) if code in twice] if twice else []
        )


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Looks for them in one table. `trial` cleans its columns and counts for nobody."""

    source: sqlite3.Connection
    scratch: sqlite3.Connection
    """Where suspects are compared, in a temporary table."""
    table: Table
    stored: SourceTable
    names: Sequence[str | None]
    trial: Sequence[ColumnCleaner]

    def suspects(self, look: Callable[[], None]) -> list[int]:
        """The numbers of all rows that may share a key. `look` is called often while they are read, and may raise."""
        codes = KeyCodes()
        places = self._places(self.table.row_key)
        for chunk in read_chunks(self.source, self.stored, [self.names[at] for at in places]):
            parts = [self.trial[at].clean(cells)[0] for at, cells in zip(places, chunk.columns, strict=True)]
            codes.take(chunk.row_ids, parts)
            look()
        return codes.shared()

    def among(self, suspects: Sequence[int]) -> list[Numbered]:
        """All but the newest row of each key among the suspects, by number.

        Newest = greatest `newest_by` (a missing one is the oldest), then the last in the file.
        """
        if not suspects:
            return []
        places = self._compared()
        columns = ", ".join(f"c{at} {column_type(self.table.columns[at])}" for at in places)
        self.scratch.execute(f"CREATE TEMP TABLE suspects (row_id INTEGER PRIMARY KEY, {columns})")
        self.scratch.executemany(
            f"INSERT INTO temp.suspects VALUES ({', '.join('?' * (1 + len(places)))})",  # noqa: S608
            self._comparable(suspects, places),
        )
        keys = ", ".join(f"c{at}" for at in self._places(self.table.row_key))
        rows = self.scratch.execute(
            "SELECT row_id FROM (SELECT row_id, row_number() OVER"  # noqa: S608
            f" (PARTITION BY {keys} ORDER BY {self._newest_first()}row_id DESC) AS place FROM temp.suspects)"
            " WHERE place > 1 ORDER BY row_id"
        ).fetchall()
        self.scratch.execute("DROP TABLE temp.suspects")
        return list(self._rows([row_id for (row_id,) in rows]))

    def _comparable(self, suspects: Sequence[int], places: Sequence[int]) -> Iterator[list[object]]:
        """Those of the suspects that are carried over unless their key repeats, as cleaned."""
        needed = {*self._places(self.table.row_key), *(at for at, _, _ in required_columns(self.table))}
        for row_id, raw in self._rows(suspects):
            cleaned = {at: self.trial[at].read(raw[at]).value for at in {*needed, *places}}
            if all(cleaned[at] is not None for at in needed):
                yield [row_id, *(cleaned[at] for at in places)]

    def _rows(self, wanted: Sequence[int]) -> Iterator[Numbered]:
        if self.stored.rowid_name is not None:
            for row_id in wanted:
                found = read_row(self.source, self.stored, self.names, row_id)
                if found is not None:
                    yield row_id, found
            return
        missing = set(wanted)
        for chunk in read_chunks(self.source, self.stored, self.names) if missing else ():
            for row, row_id in enumerate(chunk.row_ids):
                if row_id in missing:
                    yield row_id, [column[row] for column in chunk.columns]

    def _places(self, names: Iterable[str]) -> list[int]:
        place_of = {column.name: at for at, column in enumerate(self.table.columns)}
        return [place_of[name] for name in names]

    def _compared(self) -> list[int]:
        newest = self._newest()
        keys = self._places(self.table.row_key)
        return keys if newest is None or newest in keys else [*keys, newest]

    def _newest(self) -> int | None:
        name = self.table.newest_by
        return self._places([name])[0] if name and self.table.column(name) is not None else None

    def _newest_first(self) -> str:
        newest = self._newest()
        if newest is None:
            return ""
        exact = self.table.columns[newest].kind is Kind.DECIMAL
        return f"{f'CAST(c{newest} AS REAL)' if exact else f'c{newest}'} DESC NULLS LAST, "
