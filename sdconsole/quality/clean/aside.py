"""Keeps account of what one table does not carry over: whole rows, and values that became NULL.

Every such row and value becomes an entry of the quarantine, and a line of the audit trail where one is asked for.
Decides nothing but which reason a row without a required value is given. Knows no way of reading or writing rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sdconsole.contract.model import Column, Table
from sdconsole.quality.clean.audit import AuditTrail, Change
from sdconsole.quality.clean.columns import ColumnCleaner
from sdconsole.quality.clean.entry_maker import EntryMaker
from sdconsole.quality.clean.quarantine import Entry
from sdconsole.quality.outcome import Fault, Outcome
from sdconsole.quality.values import shown

Row = Sequence[object]
Required = tuple[int, Column, Fault]


def required_columns(table: Table) -> list[Required]:
    """Position, column and reason of what may not be NULL, the parts of the key first."""
    numbered = list(enumerate(table.columns))
    keys = [(at, column, Fault.KEY_MISSING) for at, column in numbered if column.name in table.key]
    return keys + [
        (at, column, Fault.REQUIRED_MISSING)
        for at, column in numbered
        if column.not_null and column.name not in table.key
    ]


@dataclass(slots=True)
class Aside:
    """`add` takes entries in their order; `held` counts the rows that are not carried over, by fault."""

    table: Table
    cleaners: Sequence[ColumnCleaner]
    entries: EntryMaker
    add: Callable[[Sequence[Entry]], None]
    trail: AuditTrail | None = None
    held: Counter[str] = field(default_factory=Counter)

    def incomplete(self, row_id: int, raw: Row) -> None:
        """A row that lacks a required value."""
        outcomes = self._read(raw)
        for at, column, missing in required_columns(self.table):
            outcome = outcomes[at]
            if outcome.value is None:
                said = f"{column.name}: " + (f"{shown(raw[at])!r} is " if outcome.fault else "")
                fault = outcome.fault or missing
                self._hold(row_id, raw, outcomes, said + fault.sentence, fault)
                return
        raise AssertionError(f"row {row_id} lacks nothing")

    def repeated(self, row_id: int, raw: Row) -> None:
        """A row whose key a newer row has too."""
        reason = f"{', '.join(self.table.row_key)}: {Fault.DUPLICATE.sentence}"
        self._hold(row_id, raw, self._read(raw), reason, Fault.DUPLICATE)

    def values(self, row_id: int, raw: Row, faults: Mapping[int, Outcome]) -> None:
        """Values, by the position of their column, of a row that is carried over without them."""
        key = self.entries.key_text(row_id, raw, [outcome.value for outcome in self._read(raw)])
        made = []
        for at, outcome in sorted(faults.items()):
            assert outcome.fault is not None
            self.cleaners[at].tally.faults[outcome.fault] += 1
            made.append(self.entries.value(row_id, key, at, raw[at], outcome.fault))
        self.add(made)

    def changed(self, row_id: int, raw: Row) -> None:
        """Tells the trail what changed in a row that is carried over."""
        if self.trail is None:
            return
        outcomes = self._read(raw)
        key = self.entries.key_text(row_id, raw, [outcome.value for outcome in outcomes])
        for cleaner, value, outcome in zip(self.cleaners, raw, outcomes, strict=True):
            rule = ", ".join(outcome.operations) or outcome.fault
            if rule:
                self.trail.write(Change(self.table.name, row_id, key, cleaner.column.name, value, outcome.value, rule))

    def _read(self, raw: Row) -> list[Outcome]:
        return [cleaner.read(value) for cleaner, value in zip(self.cleaners, raw, strict=True)]

    def _hold(self, row_id: int, raw: Row, outcomes: Sequence[Outcome], reason: str, fault: Fault) -> None:
        self.held[fault] += 1
        originals = {at: raw[at] for at, outcome in enumerate(outcomes) if outcome.fault is not None}
        cleaned = [outcome.value for outcome in outcomes]
        entry = self.entries.row(row_id, raw, cleaned, originals, reason, fault)
        self.add([entry])
        if self.trail is not None:
            self.trail.write(Change(self.table.name, row_id, entry.row_key, None, entry.record_json, None, fault))
