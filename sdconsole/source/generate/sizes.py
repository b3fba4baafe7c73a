"""How many rows each table gets, and over which days they are spread.

Counts are those of two real exports: a quarter of 10,939 tickets ("baseline") and a longer one of 188,452 ("large").
Any other size keeps the proportions of one of the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sdconsole.errors import UsageError
from sdconsole.source.generate.clock import day_number
from sdconsole.source.generate.counts import apportion
from sdconsole.source.generate.declared import (
    BIG_TABLES,
    COMMENTS,
    METADATA,
    QUALITY,
    ROSTER,
    SENTIMENT,
    TICKETS,
    TIMESHEETS,
)

BASELINE_ROWS: Mapping[str, int] = {
    TICKETS: 10_939,
    COMMENTS: 108_129,
    TIMESHEETS: 141_062,
    QUALITY: 6_319,
    SENTIMENT: 109,
    ROSTER: 48,
    METADATA: 16,
}
_LARGE_ROWS: Mapping[str, int] = {**BASELINE_ROWS, TICKETS: 188_452, COMMENTS: 317_601, TIMESHEETS: 850_727}
_X2_ROWS = 520_000
SIZES = ("baseline", "x2", "large")
FEWEST_ROWS = 100
"""Below this a table would be left without a row."""


@dataclass(frozen=True, slots=True)
class Scale:
    """`rows` of all seven tables. Days are counted from `clock.EPOCH`, both ends inclusive."""

    name: str
    rows: Mapping[str, int]
    first_day: int
    last_day: int
    booked_first_day: int
    booked_last_day: int
    large: bool = False

    def factor(self, table: str) -> float:
        """The table's rows as a multiple of the baseline's."""
        return self.rows[table] / BASELINE_ROWS[table]

    @property
    def export_day(self) -> int:
        """When the export was taken: four weeks later, so that the last tickets are closed and analysed."""
        return self.last_day + 28

    @property
    def total(self) -> int:
        return sum(self.rows.values())


def scale_of(size: str, rows: int | None) -> Scale:
    """`rows` counts the three big tables and keeps the proportions of `size`. Raises UsageError "generate-size"."""
    if size not in SIZES:
        raise UsageError(
            "generate-size",
            f"there is no size {size!r}",
            cause="the sizes with a name are baseline, x2 and large",
            next_step=f"use one of {', '.join(SIZES)}, or give the number of rows",
        )
    if rows is not None and rows < FEWEST_ROWS:
        raise UsageError(
            "generate-size",
            f"{rows} rows are too few",
            cause="the sizes with a name are baseline, x2 and large",
            next_step=f"ask for {FEWEST_ROWS} rows or more",
        )
    large = size == "large"
    model = _LARGE_ROWS if large else BASELINE_ROWS
    wanted = _X2_ROWS if rows is None and size == "x2" else rows
    return Scale(
        name=size,
        rows=model if wanted is None else _scaled(model, wanted),
        first_day=day_number("2025-07-01" if large else "2025-07-03"),
        last_day=day_number("2026-01-08" if large else "2025-10-13"),
        booked_first_day=day_number("2024-07-15" if large else "2025-07-01"),
        booked_last_day=day_number("2026-01-08" if large else "2025-10-13"),
        large=large,
    )


def _scaled(model: Mapping[str, int], wanted: int) -> Mapping[str, int]:
    big = sum(model[table] for table in BIG_TABLES)
    counts = dict(model)
    counts.update(zip(BIG_TABLES, apportion([model[table] for table in BIG_TABLES], wanted), strict=True))
    for table in (QUALITY, SENTIMENT):
        counts[table] = max(1, round(model[table] * wanted / big))
    return counts
