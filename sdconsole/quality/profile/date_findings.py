"""The issues of one date column: forms that differ, orders nobody knows, dates that do not exist or cannot be right."""

from __future__ import annotations

from collections.abc import Iterator

from sdconsole.contract.model import DateOrder, Kind
from sdconsole.quality.profile.model import ColumnProfile, DateFacts, Issue, IssueKind, IssueSeverity, TableProfile

_ORDER_WORDS = {DateOrder.DMY: "day first", DateOrder.MDY: "month first", DateOrder.YMD: "year first"}


def find_date_issues(
    table: TableProfile, column: ColumnProfile, dates: DateFacts, corrupt_percent: int
) -> Iterator[Issue]:
    if dates.fixable:
        forms = len(dates.shapes)
        yield note(
            table,
            column.name,
            IssueKind.INCONSISTENT_DATE_FORMAT,
            dates.fixable,
            f"dates in {forms} other or mixed forms" if forms > 1 else f"all dates are written as {_form(dates)}",
            "cleaning rewrites them as YYYY-MM-DD HH:MM:SS",
            of=column.non_missing,
        )
    if dates.ambiguous:
        yield _ambiguous(table, column, dates)
    if dates.inferred is DateOrder.CONFLICT or dates.against_answer:
        rows = dates.against_answer or min(dates.day_first, dates.month_first)
        yield Issue(
            IssueKind.CONFLICTING_DATE_ORDER,
            IssueSeverity.WARN,
            table.name,
            column.name,
            rows,
            share_of(rows, column.non_missing),
            f"{dates.day_first:,} values can only be day first, {dates.month_first:,} only month first",
            "find out which system writes which order; the values that can be read one way only are converted",
            fixable=not dates.unresolved,
        )
    if dates.corrupt:
        example = f", for example {dates.corrupt_samples[0]!r}" if dates.corrupt_samples else ""
        strangers = dates.corrupt - dates.impossible
        many = column.non_missing >= 100 and dates.corrupt * 100 > corrupt_percent * column.non_missing
        yield Issue(
            IssueKind.CORRUPT_DATE,
            IssueSeverity.ERROR if many else IssueSeverity.WARN,
            table.name,
            column.name,
            dates.corrupt,
            share_of(dates.corrupt, column.non_missing),
            f"{dates.impossible:,} dates that do not exist, {strangers:,} values that are none{example}",
            "they become NULL and go into quarantine with their row; mend them in the source",
            fixable=False,
        )
    if dates.out_of_range and column.intended is Kind.TIMESTAMP:
        yield Issue(
            IssueKind.OUT_OF_RANGE_DATE,
            IssueSeverity.WARN,
            table.name,
            column.name,
            dates.out_of_range,
            share_of(dates.out_of_range, column.non_missing),
            f"dates outside the plausible range; the column spans {dates.first} to {dates.last}",
            "kept as they are; look whether they are typing errors",
            fixable=False,
        )


def _ambiguous(table: TableProfile, column: ColumnProfile, dates: DateFacts) -> Issue:
    if dates.unresolved:
        example = f", for example {dates.ambiguous_samples[0]!r}" if dates.ambiguous_samples else ""
        left = "the column stays text" if column.intended is None else "they go into quarantine"
        return Issue(
            IssueKind.AMBIGUOUS_DATE,
            IssueSeverity.ERROR,
            table.name,
            column.name,
            dates.unresolved,
            share_of(dates.unresolved, column.non_missing),
            f"day and month cannot be told apart{example}",
            f"name the order: --date-format '{table.name}.{column.name}=DMY' (or MDY); until then {left}",
            fixable=False,
        )
    evidence = (
        "as answered" if dates.answer else f"by {dates.day_first or dates.month_first:,} values that leave no doubt"
    )
    return Issue(
        IssueKind.AMBIGUOUS_DATE,
        IssueSeverity.INFO,
        table.name,
        column.name,
        dates.ambiguous,
        share_of(dates.ambiguous, column.non_missing),
        f"both parts could be a month; read {_ORDER_WORDS[dates.order]} {evidence}",
        "nothing to do, or name another order with --date-format",
        fixable=True,
    )


def _form(dates: DateFacts) -> str:
    return next(iter(dates.shapes)).value


def note(
    table: TableProfile, column: str, kind: IssueKind, rows: int, impact: str, remedy: str, *, of: int | None = None
) -> Issue:
    share = share_of(rows, table.rows if of is None else of)
    return Issue(kind, IssueSeverity.INFO, table.name, column, rows, share, impact, remedy, fixable=True)


def share_of(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
