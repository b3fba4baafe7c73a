"""The ways a date arrives in an export, and what each of them means: functions from a moment to a cell.

Each returns the cell and the moment that it still says (a shape without seconds says the full minute). Shapes that
need it are only asked for days above 12, so that no other reading is possible. `number` counts the uses of a shape
and makes it go through its variants in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from sdconsole.source.generate.cells import Cell

Shape = Callable[[datetime, int], tuple[Cell, datetime]]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_OFFSETS = (8, -5, 10)
_EXCEL_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001  naive business time, as everywhere in an export
_SERIAL_STEP = timedelta(minutes=9)
"""Nine minutes are 0.00625 of a day: serial numbers on this grid need five decimals and lose nothing."""

IMPOSSIBLE = ("31/02/2025 10:15", "29/02/2023 8:00", "25/07/2025 25:99", "00/13/2025 9:30")
IMPOSSIBLE_DAYS = ("31/02/2025", "29/02/2023", "31/09/2025", "00/13/2025")
CORRUPT = ("31/02/2025 10:15", "2025-02-30 10:00:00", "29/02/2023 8:00", "2025-07-15 25:99:00")
LEAP_DAY = ("29/02/2024 9:15", datetime(2024, 2, 29, 9, 15))  # noqa: DTZ001


def minute_of(moment: datetime) -> datetime:
    return moment.replace(second=0)


def slash_minutes(moment: datetime, _number: int) -> tuple[Cell, datetime]:
    """20/05/2025 8:42"""
    return f"{moment.day}/{moment.month:02}/{moment.year} {moment.hour}:{moment.minute:02}", minute_of(moment)


def slash_precise(moment: datetime, number: int) -> tuple[Cell, datetime]:
    """20/5/2025 8:42:37 and 20/05/2025 8:42 PM in turn."""
    if number % 2 == 0:
        clock = f"{moment.hour}:{moment.minute:02}:{moment.second:02}"
        return f"{moment.day}/{moment.month}/{moment.year} {clock}", moment
    return f"{moment.day}/{moment.month:02}/{moment.year} {_half_day(moment)}", minute_of(moment)


def slash_either(moment: datetime, number: int) -> tuple[Cell, datetime]:
    """5/07/2025 8:42 and 5/07/2025 8:42 PM in turn."""
    if number % 2 == 0:
        return slash_minutes(moment, number)
    return f"{moment.day}/{moment.month:02}/{moment.year} {_half_day(moment)}", minute_of(moment)


def month_first(moment: datetime, _number: int) -> tuple[Cell, datetime]:
    """5/20/2025 8:42"""
    return f"{moment.month}/{moment.day}/{moment.year} {moment.hour}:{moment.minute:02}", minute_of(moment)


def short_or_odd(moment: datetime, number: int) -> tuple[Cell, datetime]:
    """20/05/25, ISO text between a no-break and an em space, 20/5/2025 8:42 in turn."""
    if number % 3 == 0:
        return f"{moment.day}/{moment.month:02}/{moment.year % 100}", midnight_of(moment)
    if number % 3 == 1:
        return f"\u00a0{moment.isoformat(' ')}\u2003", moment
    return f"{moment.day}/{moment.month}/{moment.year} {moment.hour}:{moment.minute:02}", minute_of(moment)


def iso_shape(timezone_name: str) -> Shape:
    """T, Z, an offset and a fraction in turn; Z and offsets name the same moment in the business zone."""
    zone = ZoneInfo(timezone_name)

    def shape(moment: datetime, number: int) -> tuple[Cell, datetime]:
        variant = number % 4
        if variant == 3:
            return f"{moment.isoformat(' ')}.250", moment
        there = moment.replace(tzinfo=zone)
        instant = there.astimezone(UTC)
        if variant == 0 or instant.astimezone(zone).replace(tzinfo=None) != moment:
            return moment.isoformat("T"), moment
        if variant == 1:
            return instant.replace(tzinfo=None).isoformat("T") + "Z", moment
        offset = timezone(timedelta(hours=_OFFSETS[number // 4 % len(_OFFSETS)]))
        return instant.astimezone(offset).isoformat("T"), moment

    return shape


def any_shape(timezone_name: str) -> Shape:
    """The shapes of `iso_shape` and, in turn with them, four without a time.

    2025-05-20, 20-05-2025, 20 May 2025, 2025/05/20.
    """
    iso = iso_shape(timezone_name)

    def shape(moment: datetime, number: int) -> tuple[Cell, datetime]:
        if number % 2 == 0:
            return iso(moment, number // 2)
        day, month, year = moment.day, moment.month, moment.year
        variant = number // 2 % 4
        if variant == 0:
            text = f"{year}-{month:02}-{day:02}"
        elif variant == 1 and day > 12:
            text = f"{day}-{month:02}-{year}"
        elif variant == 2:
            text = f"{day} {_MONTHS[month - 1]} {year}"
        else:
            text = f"{year}/{month:02}/{day:02}"
        return text, midnight_of(moment)

    return shape


def serial_before(moment: datetime, _number: int) -> tuple[Cell, datetime]:
    """45797.3625 for 2025-05-20 08:42; the last nine-minute mark before the moment."""
    marked = moment - (moment - _EXCEL_EPOCH) % _SERIAL_STEP
    return _serial(marked), marked


def serial_after(moment: datetime, _number: int) -> tuple[Cell, datetime]:
    """As `serial_before`, the first mark after the moment."""
    marked = moment + (_EXCEL_EPOCH - moment) % _SERIAL_STEP
    return _serial(marked), marked


def midnight_of(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0)


def _serial(moment: datetime) -> int | float:
    days = round((moment - _EXCEL_EPOCH) / timedelta(days=1), 5)
    return int(days) if days == int(days) else days


def _half_day(moment: datetime) -> str:
    return f"{(moment.hour - 1) % 12 + 1}:{moment.minute:02} {'PM' if moment.hour >= 12 else 'AM'}"
