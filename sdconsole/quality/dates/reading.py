"""One vocabulary of dates: what a cell of a date column means, or that it means nothing.

Everything that can arrive in an export is read here and nowhere else: D/M/YYYY in all its spellings, ISO text,
month names, Excel serials and Unix epochs. A value counts only when all of it is understood and it names a moment
that exists. A day whose both parts could be a month is never guessed: the caller says which part comes first. Knows
no table and no file; how a whole column votes is in `votes.py`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sdconsole.contract.model import Contract, DateOrder
from sdconsole.quality.dates.grammar import Clock, Day, read_moment
from sdconsole.quality.dates.shapes import DateShape as DateShape
from sdconsole.quality.dates.shapes import shape_of

DATE_FORMAT = "%Y-%m-%d %H:%M:%S"
"""How the clean file writes a moment; `Parsed.text` writes it."""


PADDED = "padded"
UNICODE_BLANK = "unicode-blank"
TWO_DIGIT_YEAR = "two-digit-year"
FRACTION_CUT = "fraction-cut"
ZONE_CONVERTED = "zone-converted"
INFERRED = "inferred"
"""Both parts could be a month; the column's order decided."""
OTHER_ORDER = "other-order"
"""Can only be read against the column's order, and was."""
IMPOSSIBLE = "impossible"
"""Written as a date that no calendar or clock has, such as 31/02/2025."""
NOT_A_DATE = "not-a-date"


class Parsed(NamedTuple):
    """What a cell says. `moment` is naive business time in whole seconds, or None: see `shape` and `flags`."""

    moment: datetime | None
    shape: DateShape
    ambiguous: bool = False
    """Both parts could be a month, whether or not the order was known."""
    flags: tuple[str, ...] = ()
    evidence: DateOrder = DateOrder.NONE
    """DMY or MDY where the value can be read in one of these orders only."""

    @property
    def text(self) -> str | None:
        """The moment as the clean file writes it."""
        return None if self.moment is None else self.moment.isoformat(" ")

    @property
    def date_like(self) -> bool:
        """Written as a date, be it a possible one or not."""
        return self.shape.has_moment or IMPOSSIBLE in self.flags


_MISSING = Parsed(None, DateShape.MISSING)
_TOKEN = Parsed(None, DateShape.TOKEN)
_IMPOSSIBLE = Parsed(None, DateShape.CORRUPT, False, (IMPOSSIBLE,))
_NOT_A_DATE = Parsed(None, DateShape.CORRUPT, False, (NOT_A_DATE,))
_CANONICAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}").fullmatch
_ANSWERS = frozenset({DateOrder.DMY, DateOrder.MDY})
_NUMBER = re.compile(r"[0-9]{1,14}(?:\.[0-9]{1,15})?").fullmatch
_TIDY = re.compile(r"[!-~]+(?: [!-~]+)*").fullmatch
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
_LONGEST_TEXT = 60
_FIRST_EXCEL_DAY = datetime(1899, 12, 30)  # noqa: DTZ001  Excel counts naive days, and a 29 February 1900
_DAY_SECONDS = 86_400
_SLACK = timedelta(days=2)
"""More than any zone differs from UTC; the exact bounds are compared after the conversion."""


@dataclass(frozen=True, slots=True)
class DateReader:
    """Reads cells of date columns.

    `timezone` is the business zone that values with an offset and epochs are converted to. A number is a date only
    between `earliest` and `latest` (naive, inclusive); text dates are read whatever their year.
    """

    timezone: str = "UTC"
    earliest: datetime = datetime(2020, 1, 1)  # noqa: DTZ001
    latest: datetime = datetime(2099, 12, 31, 23, 59, 59)  # noqa: DTZ001
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_zone", ZoneInfo(self.timezone))

    def read(self, value: object, order: DateOrder, tokens: Collection[str] = ()) -> Parsed:
        """`tokens` are the column's words for a missing value, in lower case."""
        if type(value) is str:
            if _CANONICAL(value):
                try:
                    return _new(Parsed, (_from_iso(value), _ISO, False, (), _NONE))
                except ValueError:
                    return _IMPOSSIBLE
            return self._read_text(value, order, tokens)
        if value is None:
            return _MISSING
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._read_number(value, ())
        return _NOT_A_DATE

    def plausible(self, moment: datetime) -> bool:
        """Whether the moment lies in the contract's range of dates."""
        return self.earliest <= moment <= self.latest

    def _read_text(self, value: str, order: DateOrder, tokens: Collection[str]) -> Parsed:
        text = value
        flags: tuple[str, ...] = ()
        if not _TIDY(value):
            text, flags = _tidy(value)
        if not text:
            return _MISSING
        if len(text) > _LONGEST_TEXT:
            return _NOT_A_DATE
        if tokens and text.lower() in tokens:
            return _TOKEN
        if "/" not in text and _NUMBER(text):
            return self._read_number(float(text) if "." in text else int(text), flags)
        found = read_moment(text)
        if found is None:
            return _NOT_A_DATE
        day, clock = found
        if not day.possible or (clock is not None and clock.time is None):
            return _IMPOSSIBLE
        return self._resolve(day, clock, order, flags, joined_by_t=text[10:11] in ("T", "t"))

    def _resolve(
        self, day: Day, clock: Clock | None, order: DateOrder, flags: tuple[str, ...], *, joined_by_t: bool
    ) -> Parsed:
        shape = shape_of(day, clock, joined_by_t=joined_by_t)
        if day.short_year:
            flags += (TWO_DIGIT_YEAR,)
        chosen, evidence = choose(day, order)
        ambiguous = evidence is _AMBIGUOUS
        if chosen is None:
            return Parsed(None, shape, True, flags) if ambiguous else _IMPOSSIBLE
        if ambiguous:
            flags, evidence = (*flags, INFERRED), _NONE
        elif evidence is not _NONE and order in _ANSWERS and order is not evidence:
            flags += (OTHER_ORDER,)
        if clock is None or clock.time is None:
            moment = datetime(chosen.year, chosen.month, chosen.day)  # noqa: DTZ001
            return Parsed(moment, shape, ambiguous, flags, evidence)
        moment = datetime.combine(chosen, clock.time)
        if clock.fraction_lost:
            flags += (FRACTION_CUT,)
        if clock.zone_minutes is not None:
            try:
                there = (moment - timedelta(minutes=clock.zone_minutes)).replace(tzinfo=UTC)
                moment = there.astimezone(self._zone).replace(tzinfo=None)
            except OverflowError:
                return _IMPOSSIBLE
            flags += (ZONE_CONVERTED,)
        return Parsed(moment, shape, ambiguous, flags, evidence)

    def _read_number(self, number: float, flags: tuple[str, ...]) -> Parsed:
        first, last = self.earliest - _SLACK, self.latest + _SLACK
        days = (first - _FIRST_EXCEL_DAY).days
        if days <= number <= (last - _FIRST_EXCEL_DAY).days:
            moment = _FIRST_EXCEL_DAY + timedelta(seconds=round(number * _DAY_SECONDS))
            if self.plausible(moment):
                return Parsed(moment, DateShape.EXCEL_SERIAL, False, flags)
        for shape, unit in ((DateShape.EPOCH_SECONDS, 1), (DateShape.EPOCH_MILLISECONDS, 1000)):
            seconds = number / unit
            if _epoch(first) <= seconds <= _epoch(last):
                moment = datetime.fromtimestamp(int(seconds), self._zone).replace(tzinfo=None)
                if self.plausible(moment):
                    cut = (FRACTION_CUT,) if seconds != int(seconds) else ()
                    return Parsed(moment, shape, False, flags + cut)
        return _NOT_A_DATE


_new = tuple.__new__
_from_iso = datetime.fromisoformat
_ISO = DateShape.ISO
_NONE = DateOrder.NONE
_AMBIGUOUS = DateOrder.AMBIGUOUS


def date_reader(contract: Contract, as_of: datetime) -> DateReader:
    """The reader of a contract: its zone and, seen from `as_of` (UTC), its range of plausible dates."""
    return DateReader(
        timezone=contract.timezone,
        earliest=datetime.fromisoformat(contract.earliest),
        latest=as_of.replace(tzinfo=None, microsecond=0) + timedelta(days=contract.latest_days_ahead),
    )


def read_date(value: object, order: DateOrder, *, timezone: str, tokens: Collection[str] = ()) -> Parsed:
    """Reads one cell with the default range for numbers; `date_reader(contract, as_of)` reads by the contract's."""
    return _reader_of_zone(timezone).read(value, order, tokens)


def canonical_texts(values: Iterable[str]) -> list[str]:
    """The values that are already what the clean file holds: 'YYYY-MM-DD HH:MM:SS' and a moment that exists."""
    outlined = list(filter(_CANONICAL, values))
    try:
        deque(map(_from_iso, outlined), maxlen=0)
    except ValueError:
        return list(filter(_exists, outlined))
    return outlined


def _exists(outlined: str) -> bool:
    try:
        _from_iso(outlined)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=8)
def _reader_of_zone(timezone: str) -> DateReader:
    return DateReader(timezone)


def _tidy(value: str) -> tuple[str, tuple[str, ...]]:
    """The text with single plain blanks and none around it, and what that took."""
    flags: tuple[str, ...] = ()
    text = value
    if not value.isascii():
        text = _INVISIBLE.sub("", value)
        if text != value or any(sign.isspace() and sign > "\x7f" for sign in text):
            flags = (UNICODE_BLANK,)
    text = " ".join(text.split())
    return text, flags if flags or text == value else (PADDED,)


def _epoch(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()


def choose(day: Day, order: DateOrder) -> tuple[date | None, DateOrder]:
    """The day meant, and what it proves: DMY, MDY, AMBIGUOUS (both hold, `order` decides or nothing does) or NONE."""
    if day.short_year and order is DateOrder.YMD and day.year_first is not None:
        return day.year_first, DateOrder.NONE
    if day.evidence is not DateOrder.AMBIGUOUS:
        return day.certain, day.evidence
    if order is DateOrder.DMY:
        return day.day_first, DateOrder.AMBIGUOUS
    return (day.month_first if order is DateOrder.MDY else None), DateOrder.AMBIGUOUS
