"""Moments of the generated export: whole seconds since 2024-01-01 00:00, business time, and how they are written.

Plain integers, because millions of them are compared and written; no clock of the machine is ever read.
"""

from __future__ import annotations

from datetime import date, timedelta

EPOCH = date(2024, 1, 1)
"""A Monday, so that `day % 7` is the day of the week."""
DAY_SECONDS = 86_400
_LAST = date(2027, 12, 31)
DAYS = tuple((EPOCH + timedelta(days=day)).isoformat() for day in range((_LAST - EPOCH).days + 1))
MINUTES = tuple(f"{minute // 60:02}:{minute % 60:02}" for minute in range(24 * 60))
_SECONDS = tuple(f":{second:02}" for second in range(60))


def day_number(day: str) -> int:
    """Days since EPOCH of an ISO day."""
    return (date.fromisoformat(day) - EPOCH).days


def is_workday(day: int) -> bool:
    return day % 7 < 5


def written(moment: int) -> str:
    """'YYYY-MM-DD HH:MM:SS', the form of the cleaned file."""
    day, second = divmod(moment, DAY_SECONDS)
    minute, second = divmod(second, 60)
    return f"{DAYS[day]} {MINUTES[minute]}{_SECONDS[second]}"


def month(moment: int) -> str:
    """'YYYY-MM'."""
    return DAYS[moment // DAY_SECONDS][:7]
