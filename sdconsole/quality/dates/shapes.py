"""The families of written dates that the reader tells apart and that a profile counts."""

from __future__ import annotations

from enum import StrEnum

from sdconsole.quality.dates.grammar import Clock, Day, DayForm


class DateShape(StrEnum):
    """How a cell of a date column is written. The last three hold no moment."""

    ISO = "iso"
    """2025-07-15 08:42:00, the form of the clean file; also with blanks around it or 8:42:00."""
    ISO_MINUTES = "iso-minutes"
    ISO_DATE = "iso-date"
    ISO_T = "iso-t"
    """2025-07-15T08:42[:00]."""
    ISO_FRACTION = "iso-fraction"
    ISO_ZONE = "iso-zone"
    """ISO text that ends in Z or an offset."""
    YEAR_FIRST = "year-first"
    """2025/07/15, 2025.7.15 and unpadded 2025-7-5, with or without a time."""
    SLASH_DATE = "slash-date"
    """15/07/2025."""
    SLASH_TIME = "slash-time"
    """15/07/2025 8:42."""
    SLASH_SECONDS = "slash-seconds"
    SLASH_AMPM = "slash-ampm"
    """15/07/2025 8:42[:37] PM."""
    DASH = "dash"
    """15-07-2025, with or without a time."""
    DOT = "dot"
    """15.07.2025, with or without a time."""
    SHORT_YEAR = "short-year"
    """15/07/25 with any separator, read as 2025."""
    MONTH_NAME = "month-name"
    """15 Jul 2025, 15-Jul-25, July 15, 2025, with or without a time."""
    EXCEL_SERIAL = "excel-serial"
    EPOCH_SECONDS = "epoch-seconds"
    EPOCH_MILLISECONDS = "epoch-milliseconds"
    MISSING = "missing"
    """NULL, '' or only blanks."""
    TOKEN = "token"  # noqa: S105
    """A word that stands for a missing value, such as 'nan'."""
    CORRUPT = "corrupt"

    @property
    def has_moment(self) -> bool:
        return self not in _WITHOUT_MOMENT


_WITHOUT_MOMENT = frozenset({DateShape.MISSING, DateShape.TOKEN, DateShape.CORRUPT})
NUMERIC_SHAPES = frozenset({DateShape.EXCEL_SERIAL, DateShape.EPOCH_SECONDS, DateShape.EPOCH_MILLISECONDS})


def shape_of(day: Day, clock: Clock | None, *, joined_by_t: bool = False) -> DateShape:
    """The shape of a day and its clock time."""
    if day.short_year and day.form is not DayForm.MONTH_NAME:
        return DateShape.SHORT_YEAR
    if clock is None:
        return SHAPES[day.form][0]
    if day.form is DayForm.YEAR_DASH:
        if clock.zone_minutes is not None:
            return DateShape.ISO_ZONE
        if clock.fraction:
            return DateShape.ISO_FRACTION
        if joined_by_t:
            return DateShape.ISO_T
    return SHAPES[day.form][clock.kind]


SHAPES = {
    DayForm.YEAR_DASH: (DateShape.ISO_DATE, DateShape.ISO_MINUTES, DateShape.ISO, DateShape.ISO_MINUTES),
    DayForm.YEAR_OTHER: (DateShape.YEAR_FIRST,) * 4,
    DayForm.SLASH: (DateShape.SLASH_DATE, DateShape.SLASH_TIME, DateShape.SLASH_SECONDS, DateShape.SLASH_AMPM),
    DayForm.DASH: (DateShape.DASH,) * 4,
    DayForm.DOT: (DateShape.DOT,) * 4,
    DayForm.MONTH_NAME: (DateShape.MONTH_NAME,) * 4,
}
"""By the kind of clock: none, minutes, seconds, AM or PM."""
