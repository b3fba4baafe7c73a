"""First and last moments, and the cells of one written day: what a column's dates add up to before its order is known.

Knows no column; `votes.py` puts the days together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time

from sdconsole.quality.dates.grammar import ClockKind, Day, read_clock, read_day
from sdconsole.quality.dates.reading import DateReader
from sdconsole.quality.dates.shapes import SHAPES, DateShape


@dataclass(slots=True)
class Span:
    """The first and the last of some moments, and how many lie outside the plausible range."""

    first: datetime | None = None
    last: datetime | None = None
    implausible: int = 0

    def add(self, moment: datetime, count: int, reader: DateReader) -> None:
        if self.first is None or moment < self.first:
            self.first = moment
        if self.last is None or moment > self.last:
            self.last = moment
        if not reader.earliest <= moment <= reader.latest:
            self.implausible += count

    def merged(self, other: Span) -> Span:
        firsts = [moment for moment in (self.first, other.first) if moment is not None]
        lasts = [moment for moment in (self.last, other.last) if moment is not None]
        return Span(
            min(firsts) if firsts else None,
            max(lasts) if lasts else None,
            self.implausible + other.implausible,
        )


@dataclass(frozen=True, slots=True)
class DayTally:
    """The cells that name one day: cells by the text of their clock time ('' = none)."""

    day: Day
    clocks: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str) -> DayTally | None:
        """None for what is no day of the calendar, and for a short year, which has flags of its own."""
        day = read_day(text)
        return None if day is None or not day.possible or day.short_year else cls(day)

    @property
    def cells(self) -> int:
        return sum(self.clocks.values())

    def shapes(self, clocks: Mapping[str, PlainClock]) -> dict[DateShape, int]:
        """Cells by shape; `clocks` is what the texts read as."""
        by_kind = [0] * len(ClockKind)
        for text, count in self.clocks.items():
            by_kind[clocks[text][1]] += count
        found: dict[DateShape, int] = {}
        for shape, count in zip(SHAPES[self.day.form], by_kind, strict=True):
            found[shape] = found.get(shape, 0) + count
        return found

    def widen(self, span: Span, day: date | None, clocks: Mapping[str, PlainClock], reader: DateReader) -> None:
        """Adds the cells to `span`, read as `day`."""
        if day is None:
            return
        times = [clocks[text][0] for text in self.clocks]
        first, last = datetime.combine(day, min(times)), datetime.combine(day, max(times))
        span.add(first, 0, reader)
        span.add(last, 0, reader)
        if reader.plausible(first) and reader.plausible(last):
            return
        if last < reader.earliest or first > reader.latest:
            span.implausible += self.cells
            return
        for text, count in self.clocks.items():
            if not reader.plausible(datetime.combine(day, clocks[text][0])):
                span.implausible += count


PlainClock = tuple[time, ClockKind]


def plain_clock(text: str) -> PlainClock | None:
    """The time and kind of a clock time that exists and has neither fraction nor zone; '' is midnight."""
    if not text:
        return time(), ClockKind.NONE
    clock = read_clock(text)
    return None if clock is None or not clock.plain or clock.time is None else (clock.time, clock.kind)
