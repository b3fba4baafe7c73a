"""Drift: how far this export moved from the one that was deployed before, judged by thresholds that are data.

A share moves in points, a count in percent, and both only above an absolute floor. What went to zero stands
apart: no floor excuses it. Knows no file, no run and no target.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from sdconsole.quality.drift.model import Moved, Movement, Thresholds
from sdconsole.quality.drift.seen import Seen, SeenColumn, SeenTable, column_pairs, pairs
from sdconsole.quality.shares import percent

_MOSTLY_DIFFERENT = 0.5
_DAY_SECONDS = 86_400.0
_PERIOD = re.compile(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?").fullmatch
"""Months and days: a new quarter has others."""


def movements(before: Seen, now: Seen, limits: Thresholds) -> tuple[Movement, ...]:
    """Everything that moved further than its threshold; what went to zero comes first."""
    found = [movement for old, new in pairs(before, now) for movement in _table(old, new, limits)]
    return tuple(sorted(found, key=lambda movement: movement.kind is not Moved.WENT_TO_ZERO))


def _table(old: SeenTable, new: SeenTable, limits: Thresholds) -> Iterator[Movement]:
    if old.rows and not new.rows:
        yield Movement(
            Moved.WENT_TO_ZERO, new.name, "", old.rows, 0, f"no rows, {old.rows:,} before", "none of it may go"
        )
        return
    change = new.rows - old.rows
    if old.rows and abs(change) * 100 > limits.rows * old.rows and abs(change) >= limits.rows_floor:
        yield Movement(
            Moved.ROWS,
            new.name,
            "",
            old.rows,
            new.rows,
            f"{new.rows:,} rows, {old.rows:,} before ({100 * change / old.rows:+.1f} %)",
            f"{limits.rows:g} % and {limits.rows_floor:g} rows",
        )
    growth = new.rows / old.rows if old.rows else 1.0
    for old_column, new_column in column_pairs(old, new):
        yield from _column(new.name, old_column, new_column, growth, limits)
    yield from _orphans(old, new, limits)


def _column(table: str, old: SeenColumn, new: SeenColumn, growth: float, limits: Thresholds) -> Iterator[Movement]:
    floor = limits.cells_floor
    if old.non_missing >= floor and not new.non_missing and new.rows:
        yield Movement(
            Moved.WENT_TO_ZERO,
            table,
            new.name,
            old.non_missing,
            0,
            f"no values in {new.rows:,} rows, {old.non_missing:,} before",
            "none of it may go",
        )
        return
    points = 100 * (new.missing_share - old.missing_share)
    affected = abs(points) * min(old.rows, new.rows) / 100
    if abs(points) > limits.missing and affected >= floor:
        yield Movement(
            Moved.MISSING,
            table,
            new.name,
            round(old.missing_share, 4),
            round(new.missing_share, 4),
            f"{percent(new.missing_share)} missing, {percent(old.missing_share)} before ({points:+.1f} points)",
            f"{limits.missing:g} points",
        )
    if old.non_missing >= floor and new.non_missing >= floor:
        yield from _distinct(table, old, new, growth, limits)
        yield from _extremes(table, old, new, limits)
        yield from _text_length(table, old, new, limits)
        yield from _shares(Moved.CLASSES, table, new.name, old.classes, new.classes, limits)
        if old.top and new.top and not all(map(_PERIOD, (*old.top, *new.top))):
            yield from _shares(Moved.CATEGORY, table, new.name, old.top, new.top, limits)


def _distinct(table: str, old: SeenColumn, new: SeenColumn, growth: float, limits: Thresholds) -> Iterator[Movement]:
    """By share where most values differ, else by number; a number that only follows the rows did not move."""
    if abs(new.distinct - old.distinct) < limits.distinct_floor:
        return
    if old.distinct_share > _MOSTLY_DIFFERENT:
        ratio = new.distinct_share / old.distinct_share
        words = f"{new.distinct_share:.1%} of the values differ, {old.distinct_share:.1%} before"
    else:
        ratio = new.distinct / old.distinct if old.distinct else 1.0
        if min(1.0, growth) <= ratio <= max(1.0, growth):
            return
        words = f"{new.distinct:,} different values, {old.distinct:,} before"
    if abs(ratio - 1) * 100 > limits.distinct:
        yield Movement(
            Moved.DISTINCT,
            table,
            new.name,
            old.distinct,
            new.distinct,
            f"{words} ({100 * (ratio - 1):+.1f} %)",
            f"{limits.distinct:g} % and {limits.distinct_floor:g} values",
        )


def _extremes(table: str, old: SeenColumn, new: SeenColumn, limits: Thresholds) -> Iterator[Movement]:
    """Numbers and dates; the first and last of texts say nothing, and ids only ever grow."""
    span, now = _span(old), _span(new)
    if span is None or now is None:
        return
    dates = old.dates is not None and new.dates is not None
    unit = " days" if dates else ""
    back = span[1] - now[1]
    if dates and back > limits.days_back:
        yield Movement(
            Moved.OLDER,
            table,
            new.name,
            old.maximum,
            new.maximum,
            f"the newest is {new.maximum}, {back:,.1f} days older than before ({old.maximum})",
            f"{limits.days_back:g} days",
        )
    if not dates and new.distinct == new.non_missing:
        return
    room = max(limits.spread / 100 * (span[1] - span[0]), limits.spread_floor)
    for kind, left, was, here in (
        (Moved.MINIMUM, span[0] - now[0], old.minimum, new.minimum),
        (Moved.MAXIMUM, now[1] - span[1], old.maximum, new.maximum),
    ):
        if left > room:
            yield Movement(
                kind,
                table,
                new.name,
                was,
                here,
                f"the {'smallest' if kind is Moved.MINIMUM else 'greatest'} is {here}, {was} before",
                f"{room:,.6g}{unit} outside the former range",
            )


def _span(column: SeenColumn) -> tuple[float, float] | None:
    """The range as numbers, in days for dates; None where the column has none."""
    if column.dates is not None:
        if column.dates.first is None or column.dates.last is None:
            return None
        return _days(column.dates.first), _days(column.dates.last)
    low, high = column.minimum, column.maximum
    if isinstance(low, int | float) and isinstance(high, int | float):
        return float(low), float(high)
    return None


def _days(moment: str) -> float:
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001  a profile's moments are naive business time
    return (datetime.fromisoformat(moment) - epoch).total_seconds() / _DAY_SECONDS


def _text_length(table: str, old: SeenColumn, new: SeenColumn, limits: Thresholds) -> Iterator[Movement]:
    was, here = old.mean_text_length, new.mean_text_length
    if not was or here is None or old.dates is not None:
        return
    change = here - was
    if abs(change) >= limits.text_length_floor and abs(change) * 100 > limits.text_length * was:
        yield Movement(
            Moved.TEXT_LENGTH,
            table,
            new.name,
            round(was, 2),
            round(here, 2),
            f"{here:,.1f} characters on average, {was:,.1f} before ({100 * change / was:+.1f} %)",
            f"{limits.text_length:g} % and {limits.text_length_floor:g} characters",
        )


def _shares(
    kind: Moved, table: str, column: str, old: Mapping[str, int], new: Mapping[str, int], limits: Thresholds
) -> Iterator[Movement]:
    """Each value's (or class's) share of the counted cells. A common one that is gone went to zero."""
    was_all, now_all = sum(old.values()), sum(new.values())
    if was_all < limits.cells_floor or now_all < limits.cells_floor:
        return
    for name in dict.fromkeys((*old, *new)):
        was, here = old.get(name, 0) / was_all, new.get(name, 0) / now_all
        points = 100 * (here - was)
        if abs(points) <= limits.category or abs(here - was) * 100 <= limits.category_share * was:
            continue
        if abs(points) * min(was_all, now_all) < 100 * limits.cells_floor:
            continue
        gone = not here and kind is Moved.CATEGORY
        yield Movement(
            Moved.WENT_TO_ZERO if gone else kind,
            table,
            column,
            round(was, 4),
            round(here, 4),
            f"{percent(here)} of the values are {name if kind is Moved.CLASSES else repr(name)}, {percent(was)} before",
            f"{limits.category:g} points and {limits.category_share:g} % of the share",
        )


def _orphans(old: SeenTable, new: SeenTable, limits: Thresholds) -> Iterator[Movement]:
    earlier = {(reference.column, reference.table): reference for reference in old.references}
    for reference in new.references:
        was = earlier.get((reference.column, reference.table))
        if was is None or min(was.values, reference.values) < limits.cells_floor:
            continue
        share, former = reference.orphans / reference.values, was.orphans / was.values
        points = 100 * (share - former)
        if abs(points) > limits.orphans:
            yield Movement(
                Moved.ORPHANS,
                new.name,
                reference.column,
                round(former, 4),
                round(share, 4),
                f"{percent(share)} name no row of {reference.table}, {percent(former)} before ({points:+.1f} points)",
                f"{limits.orphans:g} points",
            )
