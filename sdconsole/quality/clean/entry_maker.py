"""Words a rejected row or value of one table as an entry of the quarantine. Counts nothing and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sdconsole.contract.model import Table
from sdconsole.quality.clean.quarantine import Entry, cleaned_record, record_of, storable
from sdconsole.quality.outcome import Fault


@dataclass(frozen=True, slots=True)
class EntryMaker:
    """`names` are the columns as the snapshot spells them, None where it lacks one."""

    table: Table
    names: Sequence[str | None]

    def row(
        self,
        row_id: int,
        raw: Sequence[object],
        cleaned: Sequence[object],
        faults: Mapping[int, object],
        reason: str,
        fault: Fault,
    ) -> Entry:
        """A whole row. `faults` are the original values without a canonical form, by position."""
        spelled = [name or column.name for name, column in zip(self.names, self.table.columns, strict=True)]
        return Entry(
            table_name=self.table.name,
            row_id=row_id,
            row_key=self.key_text(row_id, raw, cleaned),
            column_name=None,
            original_value=None,
            record_json=record_of(spelled, raw),
            reason=reason,
            rule=fault,
            severity="warn" if fault is Fault.DUPLICATE else "error",
            cleaned_json=cleaned_record(cleaned, faults),
        )

    def value(self, row_id: int, key: str, at: int, raw: object, fault: Fault) -> Entry:
        """One value, in the column at position `at`, of a row that is carried over."""
        return Entry(
            table_name=self.table.name,
            row_id=row_id,
            row_key=key,
            column_name=self.table.columns[at].name,
            original_value=storable(raw),
            record_json=None,
            reason=fault.sentence,
            rule=fault,
            severity="error",
        )

    def key_text(self, row_id: int, raw: Sequence[object], cleaned: Sequence[object]) -> str:
        """The key of a row in words, as cleaned where that was possible; 'row 17' for a table without a key."""
        if not self.table.row_key:
            return f"row {row_id}"
        parts = []
        for name in self.table.row_key:
            at = next((place for place, column in enumerate(self.table.columns) if column.name == name), None)
            value = None if at is None else cleaned[at] if cleaned[at] is not None else raw[at]
            parts.append("" if value is None else storable(value) or "")
        return " | ".join(parts)
