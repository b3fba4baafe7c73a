"""Cleans a table row by row through Python: for whatever SQLite cannot copy by itself.

Such as a file in WAL mode or in UTF-16, a table without row numbers, text that is not UTF-8, or a file that nobody has
profiled. Stores the same bytes as the copy does. Knows one table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from sdconsole.contract.model import Table
from sdconsole.quality.clean.aside import Aside, required_columns
from sdconsole.quality.clean.columns import ColumnCleaner
from sdconsole.quality.outcome import Outcome
from sdconsole.quality.raw_rows import Chunk, read_chunks
from sdconsole.source.catalog import SourceTable, quote


@dataclass(slots=True)
class RowWay:
    """`trial` cleans what decides about a row and counts for nobody; rows numbered in `left_out` are not written."""

    source: sqlite3.Connection
    output: sqlite3.Connection
    table: Table
    stored: SourceTable
    names: Sequence[str | None]
    cleaners: Sequence[ColumnCleaner]
    trial: Sequence[ColumnCleaner]
    aside: Aside
    rowid: str
    left_out: Collection[int]

    def chunks(self) -> Iterator[int]:
        """Writes chunk by chunk: how many rows the snapshot has there."""
        names = [self.rowid, *(quote(column.name) for column in self.table.columns)]
        insert = (
            f"INSERT INTO main.{quote(self.table.name)} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
        )
        for chunk in read_chunks(self.source, self.stored, self.names):
            kept = self._kept(chunk)
            columns, faults = self._clean(kept)
            for row, found in sorted(faults.items()):
                self.aside.values(kept.row_ids[row], [column[row] for column in kept.columns], found)
            if self.aside.trail is not None:
                for row, row_id in enumerate(kept.row_ids):
                    self.aside.changed(row_id, [column[row] for column in kept.columns])
            self.output.executemany(insert, zip(kept.row_ids, *columns, strict=True))
            yield chunk.rows

    def _kept(self, chunk: Chunk) -> Chunk:
        """The rows that are carried over."""
        lacking: set[int] = set()
        for at, _, _ in required_columns(self.table):
            values, _faults = self.trial[at].clean(chunk.columns[at])
            lacking.update(row for row, value in enumerate(values) if value is None)
        repeated = {row for row, row_id in enumerate(chunk.row_ids) if row_id in self.left_out}
        for row in sorted(lacking - repeated):
            self.aside.incomplete(chunk.row_ids[row], [column[row] for column in chunk.columns])
        if not (lacking or repeated):
            return chunk
        rows = [row for row in range(chunk.rows) if row not in lacking and row not in repeated]
        return replace(
            chunk,
            row_ids=[chunk.row_ids[row] for row in rows],
            columns=tuple([column[row] for row in rows] for column in chunk.columns),
        )

    def _clean(self, chunk: Chunk) -> tuple[list[Sequence[object]], dict[int, dict[int, Outcome]]]:
        columns: list[Sequence[object]] = []
        faults: dict[int, dict[int, Outcome]] = {}
        for at, raw in enumerate(chunk.columns):
            values, bad = self.cleaners[at].clean(raw)
            columns.append(values)
            for row, outcome in bad.items():
                faults.setdefault(row, {})[at] = outcome
        return columns, faults
