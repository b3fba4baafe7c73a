"""Cleans the odd cells of one table, called by SQLite for each of them while it copies the rows.

Equal texts are cleaned once. What is found in a chunk of rows is kept until somebody takes it. Knows no SQL.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from sdconsole.quality.clean.columns import ColumnCleaner
from sdconsole.quality.outcome import Outcome

_REMEMBERED_TEXTS = 20_000
_REMEMBERED_CHARACTERS = 64
"""Longer texts seldom repeat, and keeping them would cost memory."""


@dataclass(slots=True)
class OddRows:
    """What the rows of one chunk brought, by row number."""

    lacking: set[int] = field(default_factory=set)
    """Rows that lack a required value, and are not copied."""
    faults: dict[int, dict[int, Outcome]] = field(default_factory=dict)
    """The values that became NULL in rows that are copied, by the position of their column."""
    changed: set[int] = field(default_factory=set)
    """The rows that are copied with another value in some cell; filled only where somebody wants to know."""


@dataclass(slots=True)
class _Seen:
    outcome: Outcome
    cells: int = 0


class OddCells:
    """`value` and `lacks` are what SQLite calls. What they raise it only names, so `error` keeps it."""

    def __init__(self, cleaners: Sequence[ColumnCleaner], *, name_changed: bool = False) -> None:
        self.error: BaseException | None = None
        self._cleaners = cleaners
        self._name_changed = name_changed
        self._known: list[dict[object, _Seen]] = [{} for _ in cleaners]
        self._counted: list[tuple[int, _Seen]] = []
        self._sampled: set[tuple[int, tuple[str, ...]]] = set()
        self._rows = OddRows()

    def value(self, at: int, row_id: int, raw: object) -> str | int | float | None:
        """The clean value of a cell of a row that is copied."""
        done = False
        try:
            known = self._known[at]
            seen = known.get(raw) if type(raw) is str else None
            if seen is None:
                seen = _Seen(self._cleaners[at].read(raw))
                if type(raw) is str and len(raw) <= _REMEMBERED_CHARACTERS:
                    if len(known) >= _REMEMBERED_TEXTS:
                        known.clear()
                    known[raw] = seen
                if seen.outcome.operations and (at, seen.outcome.operations) not in self._sampled:
                    self._sampled.add((at, seen.outcome.operations))
                    self._cleaners[at].tally.sample(raw, seen.outcome)
            outcome = seen.outcome
            if not seen.cells:
                self._counted.append((at, seen))
            seen.cells += 1
            if outcome.fault is not None:
                self._rows.faults.setdefault(row_id, {})[at] = outcome
            if self._name_changed and (outcome.operations or outcome.fault is not None):
                self._rows.changed.add(row_id)
            done = True
            return cast("str | int | float | None", outcome.value)
        finally:
            if not done:
                self.error = sys.exc_info()[1]

    def lacks(self, at: int, row_id: int, raw: object) -> bool:
        """Whether the row has no value in this required column."""
        done = False
        try:
            missing = self._cleaners[at].read(raw).value is None
            if missing:
                self._rows.lacking.add(row_id)
            done = True
            return missing
        finally:
            if not done:
                self.error = sys.exc_info()[1]

    def take(self) -> OddRows:
        """What was found since the last time, counted in the tallies of the columns."""
        for at, seen in self._counted:
            self._cleaners[at].tally.count(seen.outcome, seen.cells)
            seen.cells = 0
        self._counted.clear()
        rows, self._rows = self._rows, OddRows()
        return rows
