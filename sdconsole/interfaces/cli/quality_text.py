"""A profile and a cleaning in words, for a terminal. Everything from the data is made safe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sdconsole.interfaces.safe_text import safe_text
from sdconsole.quality.clean.report import CleanReport, ColumnReport
from sdconsole.quality.profile.model import Issue, IssueKind, Profile

_MOST_ISSUES = 25
_MOST_COLUMNS = 25
_CELL = 40


def profile_lines(profile: Profile) -> Iterator[str]:
    """The tables, then what is wrong with them, the gravest first."""
    yield from _columns(
        ["table", "rows", "columns", "key", "unique"],
        [
            [
                table.name,
                f"{table.rows:,}",
                str(len(table.columns)),
                ", ".join(table.key) or "-",
                ("yes" if table.key_is_unique else f"no, {table.duplicate_rows:,} repeat") if table.key else "-",
            ]
            for table in profile.tables
        ],
    )
    for skipped in profile.skipped[:10]:
        yield f"not read  {safe_text(skipped, limit=100)}"
    is_export = any(table.known for table in profile.tables)
    issues = [issue for issue in profile.issues if is_export or issue.kind is not IssueKind.MISSING_TABLE]
    for issue in issues[:_MOST_ISSUES]:
        yield from _issue_lines(issue)
    if len(issues) > _MOST_ISSUES:
        yield f"and {len(issues) - _MOST_ISSUES} more issues: profile.json in the run's folder"


def _issue_lines(issue: Issue) -> Iterator[str]:
    place = f"{issue.table}.{issue.column}" if issue.column else issue.table
    counted = f"{issue.rows:,} ({issue.share:.2%})" if issue.rows else ""
    yield f"{issue.severity:<8}{issue.kind:<26}{safe_text(place, limit=60)}  {counted}".rstrip()
    yield f"        {safe_text(issue.impact, limit=160)}; {safe_text(issue.recommendation, limit=160)}"


def clean_lines(report: CleanReport, *, refused: bool = False) -> Iterator[str]:
    """Where the file is, rows accounted for by table, then the columns that changed most, each with a sample."""
    if report.dry_run:
        yield "dry run: nothing was written"
    else:
        yield "no clean file: it did not pass its gates" if refused else f"clean    {report.output}"
    yield from _columns(
        ["table", "in", "out", "quarantined", "values quarantined", "cells changed"],
        [
            [
                table.name,
                *(
                    f"{number:,}"
                    for number in (
                        table.rows_in,
                        table.rows_out,
                        table.rows_quarantined,
                        table.values_quarantined,
                        table.changed,
                    )
                ),
            ]
            for table in report.tables
        ],
    )
    touched = [
        (table.name, column)
        for table in report.tables
        for column in table.columns
        if column.changed or column.quarantined
    ]
    touched.sort(key=lambda pair: -(pair[1].changed + pair[1].values_quarantined))
    for name, column in touched[:_MOST_COLUMNS]:
        yield f"{safe_text(f'{name}.{column.name}', limit=60)}: {_done(column)}"
    if len(touched) > _MOST_COLUMNS:
        yield f"and {len(touched) - _MOST_COLUMNS} more columns: clean.json in the run's folder"


def _done(column: ColumnReport) -> str:
    parts = [f"{operation} {cells:,}" for operation, cells in column.operations.items()]
    parts += [f"quarantined as {fault} {cells:,}" for fault, cells in column.quarantined.items()]
    sample = next(iter(column.samples), None)
    if sample is not None:
        before, after = (safe_text(repr(value), limit=_CELL) for value in (sample.before, sample.after))
        parts.append(f"e.g. {before} -> {after}")
    return ", ".join(safe_text(part) for part in parts)


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    cells = [list(header), *([safe_text(cell, limit=60) for cell in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(header))]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
