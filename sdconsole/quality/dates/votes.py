"""How a whole date column votes on its order: day first, month first, both, or nothing known.

One value whose first part is above 12 proves D/M/Y, one whose second part is above 12 proves M/D/Y. Values that no
calendar has prove nothing. Nothing is guessed: without evidence the order is AMBIGUOUS, with both kinds CONFLICT.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime

from sdconsole.contract.model import DateOrder
from sdconsole.quality.dates.reading import IMPOSSIBLE, DateReader, DateShape, Parsed, canonical_texts
from sdconsole.quality.profile.date_spans import DayTally, PlainClock, Span, plain_clock

_AMBIGUOUS_TEXTS = 20
_CANONICAL_OUTLINE = re.compile(".{4}-..-.. ..:..:..", re.DOTALL).fullmatch


class Votes:
    """Accumulates the values of one column. All counts are cells, not distinct values.

    `answer` is the order that the contract or the operator names; it decides, and the evidence is counted all the same.
    """

    def __init__(
        self, reader: DateReader | None = None, *, answer: DateOrder | None = None, tokens: Collection[str] = ()
    ) -> None:
        self.answer = answer
        self.day_first = 0
        self.month_first = 0
        self.ambiguous = 0
        self.corrupt = 0
        self.impossible = 0
        """The corrupt values that are written as dates, such as 31/02/2025."""
        self.canonical = 0
        """Cells that are already what the clean file holds."""
        self.mimics = 0
        """Cells that have the outline of those, such as 2025-02-31 08:00:00, and are none."""
        self.missing = 0
        self.tokens = 0
        self.ambiguous_texts: list[str] = []
        """Some of the ambiguous values."""
        self.shapes: Counter[DateShape] = Counter()
        self.flags: Counter[str] = Counter()
        self._reader = reader or DateReader()
        self._words = tokens
        self._read_as = DateOrder.YMD if answer is DateOrder.YMD else DateOrder.NONE
        self._certain = Span()
        self._as_day_first = Span()
        self._as_month_first = Span()

    def add(self, value: object, count: int = 1) -> Parsed:
        """Counts `count` cells that hold `value`; returns how it reads while no order is known."""
        parsed = self._reader.read(value, self._read_as, self._words)
        moment, shape, ambiguous, flags, evidence = parsed
        self.shapes[shape] += count
        if moment is not None:
            if shape is DateShape.ISO and parsed.text == value:
                self.canonical += count
            else:
                self._look_at_outline(value, count)
            self._certain.add(moment, count, self._reader)
            if evidence is DateOrder.DMY:
                self.day_first += count
            elif evidence is DateOrder.MDY:
                self.month_first += count
        elif ambiguous:
            self.ambiguous += count
            if len(self.ambiguous_texts) < _AMBIGUOUS_TEXTS:
                self.ambiguous_texts.append(str(value))
            for order, span in ((DateOrder.DMY, self._as_day_first), (DateOrder.MDY, self._as_month_first)):
                reading = self._reader.read(value, order, self._words).moment
                if reading is not None:
                    span.add(reading, count, self._reader)
        elif shape is DateShape.CORRUPT:
            self._look_at_outline(value, count)
            self.corrupt += count
            self.impossible += count if IMPOSSIBLE in flags else 0
        elif shape is DateShape.TOKEN:
            self.tokens += count
        else:
            self.missing += count
        for flag in flags:
            self.flags[flag] += count
        return parsed

    def _look_at_outline(self, value: object, count: int) -> None:
        if isinstance(value, str) and _CANONICAL_OUTLINE(value):
            self.mimics += count

    def take_canonical(self, tally: dict[str, int]) -> int:
        """Moves the values that are already canonical out of `tally` (value -> cells); returns their cells.

        The same as `add` for each of them, in a third of the time: most columns hold little else.
        """
        found = canonical_texts(tally)
        if not found:
            return 0
        others: dict[str, int] = {}
        if len(found) < len(tally):
            known = frozenset(found)
            others = {text: count for text, count in tally.items() if text not in known}
        cells = sum(tally.values()) - sum(others.values())
        self.shapes[DateShape.ISO] += cells
        self.canonical += cells
        first, last = min(found), max(found)
        for text in (first, last):
            self._certain.add(datetime.fromisoformat(text), 0, self._reader)
        earliest, latest = self._reader.earliest.isoformat(" "), self._reader.latest.isoformat(" ")
        if first < earliest or last > latest:
            self._certain.implausible += sum(tally[text] for text in found if not earliest <= text <= latest)
        tally.clear()
        tally.update(others)
        return cells

    def take_written(self, tally: dict[str, int]) -> tuple[int, int]:
        """Moves the values that are a day, or a day and a plain clock time, out of `tally` (value -> cells).

        Returns the cells with and those without a clock time.

        The same as `add` for each of them, in a fifth of the time: there are few different days, and each is read and
        weighed once.
        """
        days: dict[str, DayTally | None] = {}
        clocks: dict[str, PlainClock] = {}
        taken = []
        for text, count in tally.items():
            head, blank, tail = text.partition(" ")
            try:
                found = days[head]
            except KeyError:
                found = days[head] = DayTally.of(head)
            if found is None or (blank and not tail):
                continue
            if tail not in clocks:
                clock = plain_clock(tail)
                if clock is None:
                    continue
                clocks[tail] = clock
            found.clocks[tail] = count
            taken.append(text)
            self._look_at_outline(text, count)
        if len(taken) == len(tally):
            tally.clear()
        for text in taken if tally else ():
            tally.pop(text)
        timed = clockless = 0
        for head, found in days.items():
            if found is not None and found.clocks:
                cells = self._add_day(head, found, clocks)
                clockless += found.clocks.get("", 0)
                timed += cells - found.clocks.get("", 0)
        return timed, clockless

    def _add_day(self, written: str, found: DayTally, clocks: Mapping[str, PlainClock]) -> int:
        cells, day = found.cells, found.day
        self.shapes.update(found.shapes(clocks))
        if day.evidence is DateOrder.AMBIGUOUS:
            self.ambiguous += cells
            if len(self.ambiguous_texts) < _AMBIGUOUS_TEXTS:
                self.ambiguous_texts.append(f"{written} {next(iter(found.clocks))}".rstrip())
            found.widen(self._as_day_first, day.day_first, clocks, self._reader)
            found.widen(self._as_month_first, day.month_first, clocks, self._reader)
            return cells
        found.widen(self._certain, day.certain, clocks, self._reader)
        if day.evidence is DateOrder.DMY:
            self.day_first += cells
        elif day.evidence is DateOrder.MDY:
            self.month_first += cells
        return cells

    @property
    def inferred(self) -> DateOrder:
        """What the evidence says, whatever the answer. NONE = no value needs an order."""
        if self.day_first and self.month_first:
            return DateOrder.CONFLICT
        if self.day_first:
            return DateOrder.DMY
        if self.month_first:
            return DateOrder.MDY
        return DateOrder.AMBIGUOUS if self.ambiguous else DateOrder.NONE

    @property
    def order(self) -> DateOrder:
        """The order the column is read in: the answer, else the evidence."""
        return self.answer or self.inferred

    @property
    def against_answer(self) -> int:
        """Cells that can only be read against the answer."""
        if self.answer is DateOrder.DMY:
            return self.month_first
        return self.day_first if self.answer is DateOrder.MDY else 0

    @property
    def dated(self) -> int:
        """Cells written as a date that exists, the ambiguous ones included."""
        return self.shapes.total() - self.corrupt - self.missing - self.tokens

    @property
    def unresolved(self) -> int:
        """Ambiguous cells that are not converted because nobody knows the order."""
        return 0 if self.order in (DateOrder.DMY, DateOrder.MDY) else self.ambiguous

    @property
    def fixable(self) -> int:
        """Cells that convert and are not yet in the canonical form."""
        return self.dated - self.unresolved - self.canonical

    @property
    def span(self) -> Span:
        """First and last moment and implausible cells, read in the column's order; unresolved cells left out."""
        if self.order is DateOrder.DMY:
            return self._certain.merged(self._as_day_first)
        if self.order is DateOrder.MDY:
            return self._certain.merged(self._as_month_first)
        return self._certain
