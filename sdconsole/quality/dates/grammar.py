"""The written forms of a day and of a clock time, each read once and remembered.

A day such as 5/07/2025 is kept as its possible calendar readings; which of them holds is not decided here. Knows no
column, no order and no time zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time
from enum import Enum, IntEnum
from functools import lru_cache

from sdconsole.contract.model import DateOrder

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "january"),
            ("feb", "february"),
            ("mar", "march"),
            ("apr", "april"),
            ("may",),
            ("jun", "june"),
            ("jul", "july"),
            ("aug", "august"),
            ("sep", "sept", "september"),
            ("oct", "october"),
            ("nov", "november"),
            ("dec", "december"),
        ),
        start=1,
    )
    for name in names
}
_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})")
_DAY_MONTH_NAME = re.compile(r"([0-9]{1,2})([-/. ])([A-Za-z]{3,9})\.?\2([0-9]{4}|[0-9]{2})")
_MONTH_NAME_DAY = re.compile(r"([A-Za-z]{3,9})\.? ([0-9]{1,2}),? ([0-9]{4})")
_CLOCK = re.compile(
    r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r"(?: ?([AaPp])\.?[Mm]\.?)?"
    r"(?: ?(?:([Zz])|([+-])([0-9]{2})(?::?([0-9]{2}))?))?"
)
_FARTHEST_ZONE_MINUTES = 15 * 60
_CACHE_SIZE = 32_768


class DayForm(Enum):
    """How a day is written; the separator tells the D/M forms apart."""

    YEAR_DASH = "YYYY-MM-DD"
    YEAR_OTHER = "YYYY/MM/DD"
    SLASH = "/"
    DASH = "-"
    DOT = "."
    MONTH_NAME = "D Mon YYYY"


_FORM_OF_SEPARATOR = {"/": DayForm.SLASH, "-": DayForm.DASH, ".": DayForm.DOT}


@dataclass(frozen=True, slots=True)
class Day:
    """A written day and its calendar readings."""

    form: DayForm
    certain: date | None = None
    """The day, where there is only one way to read it."""
    evidence: DateOrder = DateOrder.NONE
    """DMY or MDY where the certain day proves the order of its writer, AMBIGUOUS where two readings hold."""
    day_first: date | None = None
    month_first: date | None = None
    """Both are set where both are days of the calendar, and nothing tells which was meant."""
    year_first: date | None = None
    """The reading as YY/MM/DD, only for three two-digit numbers; it holds only where the order YMD is known."""
    short_year: bool = False

    @property
    def possible(self) -> bool:
        """Whether any reading is a day of the calendar."""
        return self.certain is not None or self.day_first is not None or self.year_first is not None


class ClockKind(IntEnum):
    """How a clock time is written; NONE stands for a day without one."""

    NONE = 0
    MINUTES = 1
    SECONDS = 2
    HALF_DAY = 3


@dataclass(frozen=True, slots=True)
class Clock:
    """A written clock time; `time` is None for one that no clock shows, such as 25:99."""

    time: time | None
    kind: ClockKind = ClockKind.MINUTES
    fraction: bool = False
    fraction_lost: bool = False
    zone_minutes: int | None = None

    @property
    def plain(self) -> bool:
        """A time that exists, and nothing after it."""
        return self.time is not None and not self.fraction and self.zone_minutes is None


@lru_cache(maxsize=_CACHE_SIZE)
def read_day(text: str) -> Day | None:
    """The day written in `text` (no blanks around it), or None when it is not written as one."""
    if found := _YEAR_FIRST.fullmatch(text):
        year, separator, month, day = found.groups()
        padded = separator == "-" and len(text) == 10
        return Day(DayForm.YEAR_DASH if padded else DayForm.YEAR_OTHER, _day_of(year, month, day))
    if found := _YEAR_LAST.fullmatch(text):
        return _year_last(*found.groups())
    if found := _DAY_MONTH_NAME.fullmatch(text):
        day, _, name, year = found.groups()
    elif found := _MONTH_NAME_DAY.fullmatch(text):
        name, day, year = found.groups()
    else:
        return None
    if (number := _MONTHS.get(name.lower())) is None:
        return None
    return Day(DayForm.MONTH_NAME, _day_of(_full_year(year), str(number), day), short_year=len(year) == 2)


@lru_cache(maxsize=_CACHE_SIZE)
def read_clock(text: str) -> Clock | None:
    """The clock time written in `text`, or None when it is not written as one."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds, fraction, half, zulu, sign, zone_hours, zone_minutes = found.groups()
    hour = int(hours)
    zone: int | None = 0 if zulu else None
    impossible = False
    if half:
        impossible = not 1 <= hour <= 12
        hour = hour % 12 + (12 if half in "Pp" else 0)
    if sign:
        zone = int(zone_hours) * 60 + int(zone_minutes or 0)
        impossible |= int(zone_minutes or 0) > 59 or zone > _FARTHEST_ZONE_MINUTES
        zone = -zone if sign == "-" else zone
    impossible |= hour > 23 or int(minutes) > 59 or int(seconds or 0) > 59
    return Clock(
        None if impossible else time(hour, int(minutes), int(seconds or 0)),
        ClockKind.HALF_DAY if half else ClockKind.SECONDS if seconds else ClockKind.MINUTES,
        fraction=fraction is not None,
        fraction_lost=bool(fraction and fraction.strip("0")),
        zone_minutes=zone,
    )


def read_moment(text: str) -> tuple[Day, Clock | None] | None:
    """The day and the clock time written in `text` (single blanks, none around it), or None when it is no date."""
    head, _, tail = text.partition(" ")
    day = read_day(head)
    if day is None:
        if text[10:11] in ("T", "t"):
            day, tail = read_day(text[:10]), text[11:]
            if day is None or day.form is not DayForm.YEAR_DASH or not tail:
                return None
        else:
            words = text.split(" ", 3)
            day, tail = read_day(" ".join(words[:3])), "".join(words[3:])
            if day is None:
                return None
    if not tail:
        return day, None
    clock = read_clock(tail)
    return None if clock is None else (day, clock)


def _year_last(first: str, separator: str, second: str, year: str) -> Day:
    form, short = _FORM_OF_SEPARATOR[separator], len(year) == 2
    day_first = _day_of(_full_year(year), second, first)
    month_first = _day_of(_full_year(year), first, second)
    year_first = _day_of(_full_year(first), second, year) if short and len(first) == 2 else None
    if day_first is not None and month_first is not None:
        return Day(form, None, DateOrder.AMBIGUOUS, day_first, month_first, year_first, short)
    if day_first is not None:
        return Day(form, day_first, DateOrder.DMY, year_first=year_first, short_year=short)
    evidence = DateOrder.NONE if month_first is None else DateOrder.MDY
    return Day(form, month_first, evidence, year_first=year_first, short_year=short)


def _full_year(year: str) -> str:
    return year if len(year) == 4 else "20" + year


def _day_of(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
