"""Cleans a column in chunks, as fast as each chunk allows, and counts what it changed.

A chunk whose values are canonical is passed through after a few tests that run in C; of any other chunk only the
different values are read. Knows one column and neither rows nor files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import filterfalse
from types import NoneType
from typing import Any, cast

from sdconsole.contract.model import Column, Contract, DateOrder, Kind, Table
from sdconsole.quality.clean.cells import compile_reader
from sdconsole.quality.clean.numbers import INTEGER_BITS
from sdconsole.quality.dates.reading import DateReader
from sdconsole.quality.outcome import Outcome
from sdconsole.quality.texts import untidy_texts, words_of
from sdconsole.quality.values import shown

SAMPLES = 5
_REMEMBERED_VALUES = 20_000
_REMEMBERED_CHARACTERS = 64
"""Longer texts seldom repeat, and keeping them would cost memory."""
_NO_FAULTS: Mapping[int, Outcome] = {}
_FEW = 200
_CANONICAL_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}").fullmatch
_SMALLEST_STORED = -(1 << 63)
"""SQLite itself holds no smaller integer, and none greater than a bigint."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One changed value, before and after, made safe to print and shortened."""

    operation: str
    before: str
    after: str | None


@dataclass(slots=True)
class Tally:
    """What happened to one column. `operations` may add up to more than `changed`: a cell can need several."""

    changed: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)

    def count(self, outcome: Outcome, cells: int) -> None:
        """Counts cells that were all changed in the same way. Faults are counted elsewhere, where they are kept."""
        for flag in outcome.flags:
            self.flags[flag] += cells
        for operation in outcome.operations:
            self.operations[operation] += cells
        self.changed += cells if outcome.operations else 0

    def sample(self, raw: object, outcome: Outcome) -> None:
        """Keeps one example of each way of changing a cell."""
        if len(self.samples) < SAMPLES and outcome.operations:
            operation = ", ".join(outcome.operations)
            if all(sample.operation != operation for sample in self.samples):
                after = None if outcome.value is None else shown(outcome.value)
                self.samples.append(Sample(operation, shown(raw), after))


class ColumnCleaner:
    """Cleans one column of one table. `tally` holds the counts so far."""

    def __init__(
        self, column: Column, contract: Contract, *, dates: DateReader, order: DateOrder, is_key: bool = False
    ) -> None:
        self.column = column
        self.is_key = is_key
        self.tally = Tally()
        self.read = compile_reader(column, contract, dates=dates, order=order, is_key=is_key)
        self._kind = column.kind
        self._checked = column.checked
        self._smallest: int | None = None
        self._same: set[object] = {None}
        self._known: dict[object, Outcome] = {}
        self._known_type: type = NoneType
        if self._kind is Kind.INTEGER:
            self._largest = (1 << INTEGER_BITS[column.type]) - 1
            self._smallest = 1 if is_key and column.positive else -self._largest - 1
        self._words = words_of(column, contract).missing | {""}
        self._longest_word = max(map(len, self._words))

    def clean(self, values: Sequence[object]) -> tuple[Sequence[object], Mapping[int, Outcome]]:
        """The canonical values, and by position the outcomes of the faulty ones, which are None among the values."""
        types = set(map(type, values))
        types.discard(NoneType)
        if not types:
            return values, _NO_FAULTS
        if len(types) > 1:
            return self._clean_mixed(values)
        kind = types.pop()
        suspects = self._suspects(values, kind)
        return self._replace(values, kind, suspects) if suspects else (values, _NO_FAULTS)

    def _suspects(self, values: Sequence[object], kind: type) -> Collection[object]:
        """The different values that have to be read; the others are known to be canonical. All are of type `kind`."""
        if self._checked:
            return set(values)
        if kind is int and self._smallest is not None:
            if self._smallest == _SMALLEST_STORED:
                return ()
            numbers: Any = _without_none(values)
            within = self._smallest <= min(numbers) and max(numbers) <= self._largest
            return () if within else set(values)
        if kind is str and self._kind is Kind.TEXT:
            return self._untidy(cast("Sequence[str]", _without_none(values)))
        if kind is str and self._kind is Kind.TIMESTAMP:
            return _not_iso(cast("Sequence[str]", _without_none(values)))
        return set(values)

    def _untidy(self, texts: Sequence[str]) -> Collection[str]:
        """The texts that may be missing, padded, hold what text does not keep, or are no text at all."""
        # Where texts repeat, each is looked at once.
        looked_at = list(set(texts))
        suspects = untidy_texts(looked_at, keep_padding=self.column.keep_padding)
        longest = self._longest_word
        if self.column.keep_padding:
            suspects.update(text for text in looked_at if len(text.strip()) <= longest)
        suspects.update(text for text in looked_at if len(text) <= longest and text.strip().lower() in self._words)
        return suspects

    def _replace(
        self, values: Sequence[object], kind: type, suspects: Collection[object]
    ) -> tuple[Sequence[object], Mapping[int, Outcome]]:
        """All values but NULL are of type `kind`, so that equal values are the same value."""
        self._forget(kind)
        changed: dict[object, Outcome] = {}
        known, same = self._known, self._same
        for raw in suspects if len(suspects) < _FEW else set(suspects).difference(same):
            if raw in same:
                continue
            outcome = known.get(raw)
            if outcome is None:
                outcome = self.read(raw)
                short = not isinstance(raw, str) or len(raw) <= _REMEMBERED_CHARACTERS
                if outcome.value is not None and outcome.value == raw and type(outcome.value) is kind:
                    if short:
                        same.add(raw)
                    continue
                if short:
                    known[raw] = outcome
            changed[raw] = outcome
        if not changed:
            return values, _NO_FAULTS
        self._count(values, changed)
        replaced = {raw: outcome.value for raw, outcome in changed.items()}
        faulty = {raw: outcome for raw, outcome in changed.items() if outcome.fault is not None}
        faults = {at: faulty[raw] for at, raw in enumerate(values) if raw in faulty} if faulty else _NO_FAULTS
        return list(map(replaced.get, values, values)), faults

    def _forget(self, kind: type) -> None:
        """Starts the memory anew for another type (1 == 1.0, yet they are not cleaned alike) or when it is full."""
        if kind is not self._known_type or len(self._same) + len(self._known) > _REMEMBERED_VALUES:
            self._same = {None}
            self._known = {}
            self._known_type = kind

    def _count(self, values: Sequence[object], changed: Mapping[object, Outcome]) -> None:
        ways = {raw: (outcome.operations, outcome.flags) for raw, outcome in changed.items()}
        nothing: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        if set(ways.values()) <= {nothing}:
            return
        seen = Counter(map(ways.get, values))
        for way, cells in seen.items():
            if way is not None:
                self.tally.count(Outcome(None, way[0], None, way[1]), cells)
        if len(self.tally.samples) < SAMPLES:
            sampled = {sample.operation for sample in self.tally.samples}
            fresh = {way for way in seen if way is not None and way[0] and ", ".join(way[0]) not in sampled}
            for raw in values if fresh else ():
                if ways.get(raw) in fresh:
                    self.tally.sample(raw, changed[raw])

    def _clean_mixed(self, values: Sequence[object]) -> tuple[Sequence[object], Mapping[int, Outcome]]:
        """Cleans the values of each type by themselves, texts first, and puts them together."""
        kinds = Counter(map(type, values))
        del kinds[NoneType]
        common = max(kinds, key=lambda kind: (kinds[kind], kind.__name__))
        cleaned: list[object] = []
        faults: dict[int, Outcome] = {}
        found = []
        for kind in sorted(kinds, key=lambda kind: (kind is not str, kind.__name__)):
            if kind is common:
                # As a column with gaps, which saves the putting together.
                some, bad = self.clean([value if type(value) is kind else None for value in values])
                cleaned = list(some)
                faults.update(bad)
            else:
                places = [at for at, value in enumerate(values) if type(value) is kind]
                some, bad = self.clean([values[at] for at in places])
                found.append((places, some))
                faults.update((places[place], outcome) for place, outcome in bad.items())
        for places, some in found:
            for at, value in zip(places, some, strict=True):
                cleaned[at] = value
        return cleaned, faults


def _without_none(values: Sequence[object]) -> Sequence[object]:
    return values if None not in values else [value for value in values if value is not None]


def _not_iso(texts: Sequence[str]) -> Collection[str]:
    """The texts that are not 'YYYY-MM-DD HH:MM:SS' or name no real moment."""
    odd = set(filterfalse(_CANONICAL_DATE, texts))
    written = texts if not odd else [text for text in texts if text not in odd]
    try:
        for _ in map(datetime.fromisoformat, written):
            pass
    except ValueError:
        return set(texts)
    return odd


def column_cleaners(
    table: Table, contract: Contract, orders: Mapping[tuple[str, str], DateOrder], dates: DateReader
) -> tuple[ColumnCleaner, ...]:
    """One cleaner for each column. A date column that nobody gave an order reads only what needs none."""
    return tuple(
        ColumnCleaner(
            column,
            contract,
            dates=dates,
            order=orders.get((table.name, column.name), column.date_order or DateOrder.NONE),
            is_key=column.name in table.key,
        )
        for column in table.columns
    )
