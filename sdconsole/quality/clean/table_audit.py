"""Tells the audit trail what cleaning does to one table. Decides nothing; used only where a trail is asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import is_not

from sdconsole.quality.clean.audit import AuditTrail, Change
from sdconsole.quality.clean.columns import ColumnCleaner
from sdconsole.quality.clean.entry_maker import EntryMaker
from sdconsole.quality.clean.quarantine import Entry
from sdconsole.quality.raw_rows import Chunk


@dataclass(frozen=True, slots=True)
class TableAudit:
    """`looked_at` are the positions of the columns that chunks bring; those of the row key are among them."""

    trail: AuditTrail
    entries: EntryMaker
    cleaners: Sequence[ColumnCleaner]
    looked_at: Sequence[int]

    def cells(self, chunk: Chunk, columns: Sequence[Sequence[object]], held: Collection[int]) -> None:
        """The changed cells of the rows that are carried over."""
        for place, at in enumerate(self.looked_at):
            raw, cleaned, cleaner = chunk.columns[place], columns[place], self.cleaners[at]
            for row in compress(range(chunk.rows), map(is_not, raw, cleaned)):
                outcome = cleaner.read(raw[row])
                rule = ", ".join(outcome.operations) or outcome.fault
                if rule and row not in held:
                    row_id, key = chunk.row_ids[row], self._key(chunk, columns, row)
                    name = self.entries.table.name
                    self.trail.write(Change(name, row_id, key, cleaner.column.name, raw[row], cleaned[row], rule))

    def rows(self, entries: Iterable[Entry]) -> None:
        """The rows that are not carried over, as they stood in the export."""
        for entry in entries:
            if entry.column_name is None:
                self.trail.write(
                    Change(entry.table_name, entry.row_id, entry.row_key, None, entry.record_json, None, entry.rule)
                )

    def _key(self, chunk: Chunk, columns: Sequence[Sequence[object]], row: int) -> str:
        raw: list[object] = [None] * len(self.cleaners)
        cleaned = list(raw)
        for place, at in enumerate(self.looked_at):
            raw[at], cleaned[at] = chunk.columns[place][row], columns[place][row]
        return self.entries.key_text(chunk.row_ids[row], raw, cleaned)
