"""The circuit breaker: whether the data are worth deploying at all. It is never overridden; the source is mended.

All comparisons are in whole numbers and strict: exactly the limit proceeds, one more halts. It judges a profile and
knows no file; the score has a limit of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sdconsole.contract.model import Kind
from sdconsole.quality.profile.model import ColumnProfile, Profile, TableProfile

_EXAMPLES = 5
_WARN_FROM_VALUES = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """Percentages that may be reached and not passed."""

    mismatch_percent: int = 10
    corrupt_percent: int = 20


class ReasonKind(StrEnum):
    MISMATCHING_COLUMNS = "mismatching-columns"
    CORRUPT_REQUIRED_DATE = "corrupt-required-date"
    ROWS_WITH_CORRUPT_DATE = "rows-with-corrupt-date"
    CORRUPT_DATE = "corrupt-date"


@dataclass(frozen=True, slots=True)
class Reason:
    """One measured ratio above its limit: numerator x 100 > limit_percent x denominator."""

    kind: ReasonKind
    table: str
    column: str
    numerator: int
    denominator: int
    limit_percent: int
    examples: tuple[str, ...]

    @property
    def percent(self) -> float:
        return self.numerator * 100 / self.denominator

    def __str__(self) -> str:
        what = {
            ReasonKind.MISMATCHING_COLUMNS: "columns hold something else than they are for",
            ReasonKind.CORRUPT_REQUIRED_DATE: f"values of {self.table}.{self.column} are no dates that exist",
            ReasonKind.ROWS_WITH_CORRUPT_DATE: f"rows of {self.table} hold a corrupt date",
            ReasonKind.CORRUPT_DATE: f"values of {self.table}.{self.column} are no dates that exist",
        }[self.kind]
        examples = f", for example {', '.join(self.examples)}" if self.examples else ""
        return (
            f"{self.numerator:,} of {self.denominator:,} {what}: {self.percent:.2f} %, "
            f"the limit is {self.limit_percent} %{examples}"
        )


@dataclass(frozen=True, slots=True)
class BreakerVerdict:
    """`warnings` are ratios above the limit in columns that do not halt a deployment."""

    should_halt: bool
    recommendation: str
    """FIX_SOURCE or PROCEED."""
    reasons: tuple[Reason, ...]
    warnings: tuple[Reason, ...] = ()


def judge(profile: Profile, limits: Limits | None = None) -> BreakerVerdict:
    """Halts when too many columns are mistyped, or too many dates of a table that dashboards live on are corrupt.

    The dates are judged by column and by table: one ratio over the whole file would let a column pass that is corrupt
    from top to bottom.
    """
    bounds = limits or Limits()
    reasons = (*_mismatches(profile, bounds), *_corrupt_dates(profile, bounds))
    return BreakerVerdict(
        bool(reasons), "FIX_SOURCE" if reasons else "PROCEED", reasons, tuple(_warnings(profile, bounds))
    )


def _exceeds(numerator: int, denominator: int, limit_percent: int) -> bool:
    return numerator * 100 > limit_percent * denominator


def _mismatches(profile: Profile, limits: Limits) -> Iterator[Reason]:
    """Of the columns that have values; an empty column cannot hold the wrong ones."""
    filled = [column for column in profile.columns() if column.non_missing]
    wrong = [column for column in filled if column.mismatch]
    if _exceeds(len(wrong), len(filled), limits.mismatch_percent):
        examples = tuple(
            f"{column.table}.{column.name} = {column.samples[0]!r}"
            if column.samples
            else f"{column.table}.{column.name}"
            for column in wrong[:_EXAMPLES]
        )
        yield Reason(ReasonKind.MISMATCHING_COLUMNS, "", "", len(wrong), len(filled), limits.mismatch_percent, examples)


def _corrupt_dates(profile: Profile, limits: Limits) -> Iterator[Reason]:
    for table in profile.tables:
        if not table.big:
            continue
        for column in table.columns:
            if column.required and _is_corrupt(column, limits):
                yield _column_reason(ReasonKind.CORRUPT_REQUIRED_DATE, column, limits)
        if _exceeds(table.rows_with_corrupt_date, table.rows, limits.corrupt_percent):
            yield Reason(
                ReasonKind.ROWS_WITH_CORRUPT_DATE,
                table.name,
                "",
                table.rows_with_corrupt_date,
                table.rows,
                limits.corrupt_percent,
                _examples(table),
            )


def _warnings(profile: Profile, limits: Limits) -> Iterator[Reason]:
    for table in profile.tables:
        for column in table.columns:
            halting = table.big and column.required
            if not halting and column.non_missing >= _WARN_FROM_VALUES and _is_corrupt(column, limits):
                yield _column_reason(ReasonKind.CORRUPT_DATE, column, limits)


def _is_corrupt(column: ColumnProfile, limits: Limits) -> bool:
    if column.intended is not Kind.TIMESTAMP or column.dates is None:
        return False
    return _exceeds(column.dates.corrupt, column.non_missing, limits.corrupt_percent)


def _column_reason(kind: ReasonKind, column: ColumnProfile, limits: Limits) -> Reason:
    dates = column.dates
    return Reason(
        kind,
        column.table,
        column.name,
        dates.corrupt if dates else 0,
        column.non_missing,
        limits.corrupt_percent,
        tuple(map(repr, dates.corrupt_samples[:_EXAMPLES])) if dates else (),
    )


def _examples(table: TableProfile) -> tuple[str, ...]:
    """One corrupt value of each of the worst columns."""
    corrupt = sorted(
        (column for column in table.columns if column.dates and column.dates.corrupt_samples),
        key=lambda column: -column.dates.corrupt if column.dates else 0,
    )
    return tuple(
        f"{column.name} = {column.dates.corrupt_samples[0]!r}" for column in corrupt[:_EXAMPLES] if column.dates
    )
