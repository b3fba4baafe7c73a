"""Every defect put into an export, counted and written down one by one as it happens.

The record is what tests and rehearsals compare the pipeline with: kind, place, what was stored, and what a correct
pipeline makes of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO

from sdconsole.source.generate.cells import Batch, Cell
from sdconsole.source.generate.declared import POSITION, ROW_KEY, declared_type

_LONGEST_VALUE = 2_000
"""Characters of a value that are written down; longer ones are cut and their length is given."""


class Expect(StrEnum):
    """What cleaning makes of a defect."""

    CONVERTED = "converted"
    NULL = "null"
    """A word or a blank that stands for a missing value."""
    VALUE_QUARANTINED = "value-quarantined"
    """The cell becomes NULL and its content is kept aside with a reason."""
    ROW_QUARANTINED = "row-quarantined"
    KEPT = "kept"


KINDS: Mapping[str, str] = {
    "D1": "D/MM/YYYY H:MM among ISO dates",
    "D2": "'' where a date is missing",
    "D3": "blanks or a word for a missing value: nan, NaN, None, NULL, N/A",
    "D4": "root cause '--None--'",
    "D5": "assignee ' PendingAssignment' with a leading blank",
    "D6": "NUL in a text",
    "D7": "CRLF, long runs of newlines, padding",
    "D8": "ids written as text or with a fraction",
    "D9": "ids that are none: ABC-12, -5, ''",
    "D10": "D/M/YYYY with seconds or AM/PM",
    "D11": "date only, dashes, slashes after the year, month names, T, Z, offset, fraction",
    "D12": "Excel serial numbers",
    "D13": "D/MM/YYYY whose both parts could be a month",
    "D14": "M/D/YYYY in a column that has D/M/YYYY",
    "D15": "dates that no calendar has, and one leap day that it has",
    "D16": "two-digit years, Unicode blanks, unpadded months",
    "D17": "timesheets more than 30 days after the day that the manifest names (as_of)",
    "D18": "hours of 0, below 0, above 24, with a comma, in words",
    "D19": "a key that occurs twice",
    "D20": "comments of tickets that are not in the export",
    "D21": "resolution before creation",
    "D22": "analyses that contradict themselves or failed",
    "D23": "placeholder titles, emoji, '%', quotes, 100,000 characters",
    "D24": "comments shifted by one column or cut off",
    "D25": "corrupt dates or whole columns of the wrong type",
}


@dataclass(slots=True)
class DefectLog:
    """Counts by kind, table and column, and one JSON line for each defect, in the order of the tables' rows."""

    stream: IO[str]
    text_ids: bool = False
    """Whether the ids of comments are declared TEXT."""
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    expected: Counter[tuple[str, Expect]] = field(default_factory=Counter)
    pending: list[tuple[int, int, str, str, Cell, Expect, Cell]] = field(default_factory=list)

    def add(
        self, batch: Batch, place: int, column: str, kind: str, value: Cell, expect: Expect, clean: Cell = None
    ) -> None:
        """Notes that row `place` of the batch holds `value`, which cleaning turns into `clean`."""
        position = POSITION[batch.table][column]
        value = self._stored(batch.table, column, value)
        batch.touched.add((place, position))
        self.counts[kind, batch.table, column] += 1
        self.expected[kind, expect] += 1
        self.pending.append((place, position, kind, column, value, expect, clean))

    def flush(self, batch: Batch) -> None:
        """Writes the batch's defects, once its rows are as they will be stored."""
        key_columns = [(name, POSITION[batch.table][name]) for name in ROW_KEY[batch.table]]
        self.pending.sort(key=lambda entry: entry[:2])
        for place, _, kind, column, value, expect, clean in self.pending:
            row = batch.rows[place]
            entry: dict[str, object] = {
                "kind": kind,
                "table": batch.table,
                "column": column,
                "rowid": batch.start + place + 1,
                "key": [self._stored(batch.table, name, row[position]) for name, position in key_columns],
                **_shortened("value", value),
                "expect": expect.value,
                **_shortened("clean", clean),
            }
            self.stream.write(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n")
        self.pending.clear()

    def _stored(self, table: str, column: str, value: Cell) -> Cell:
        """As SQLite keeps it: a TEXT column makes text of a number."""
        if isinstance(value, int | float) and declared_type(table, column, text_ids=self.text_ids) == "TEXT":
            return str(value)
        return value

    def by_kind(self) -> dict[str, dict[str, dict[str, int]]]:
        """{kind: {table: {column: count}}}, in the order of the kinds."""
        found: dict[str, dict[str, dict[str, int]]] = {}
        for kind, table, column in sorted(self.counts, key=lambda key: (int(key[0][1:]), key[1], key[2])):
            found.setdefault(kind, {}).setdefault(table, {})[column] = self.counts[kind, table, column]
        return found

    def by_expectation(self) -> dict[str, dict[str, int]]:
        """{kind: {expectation: count}}."""
        found: dict[str, dict[str, int]] = {}
        for kind, expect in sorted(self.expected, key=lambda key: (int(key[0][1:]), key[1])):
            found.setdefault(kind, {})[expect.value] = self.expected[kind, expect]
        return found


def _shortened(name: str, value: Cell) -> dict[str, object]:
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        return {name: value[:_LONGEST_VALUE], f"{name}_length": len(value)}
    return {name: value}
