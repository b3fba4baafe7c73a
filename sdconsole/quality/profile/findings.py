"""Turns measured tables into issues: what is wrong where, what it costs, and what to do about it.

Pure functions of the profile and the contract. An issue never hides another one, and nothing is judged worth a
deployment or not here: that is the breaker's and the score's part.
"""

from __future__ import annotations

from collections.abc import Iterator

from sdconsole.contract.model import Contract, Kind, Table
from sdconsole.quality.profile.date_findings import find_date_issues, note, share_of
from sdconsole.quality.profile.model import (
    ColumnProfile,
    Issue,
    IssueKind,
    IssueSeverity,
    Recommendation,
    ReferenceProfile,
    TableProfile,
    ValueClass,
)
from sdconsole.quality.profile.verdicts import is_believed
from sdconsole.quality.shares import percent

_TYPED_CLASSES = frozenset({ValueClass.INTEGER, ValueClass.REAL, ValueClass.DATE, ValueClass.TIMESTAMP})


def find_issues(
    contract: Contract, tables: tuple[TableProfile, ...], missing_tables: tuple[str, ...], *, corrupt_percent: int
) -> tuple[Issue, ...]:
    """All issues, the gravest first, otherwise in the order of the tables."""
    is_export = any(table.known for table in tables)
    issues = [*_missing_tables(contract, missing_tables, is_export=is_export)]
    for table in tables:
        issues += _table_issues(contract, table, is_export=is_export)
        issues += (issue for column in table.columns for issue in _column_issues(table, column, corrupt_percent))
    gravity = list(IssueSeverity)
    return tuple(sorted(issues, key=lambda issue: gravity.index(issue.severity)))


def _missing_tables(contract: Contract, names: tuple[str, ...], *, is_export: bool) -> Iterator[Issue]:
    for name in names:
        table = contract.table(name)
        required = table is not None and not table.optional and is_export
        yield Issue(
            IssueKind.MISSING_TABLE,
            IssueSeverity.BLOCKER if required else IssueSeverity.INFO,
            name,
            "",
            0,
            0.0,
            "the export lacks this table" if required else "not in the file",
            "ask for a complete export"
            if required
            else ("an empty table is created" if is_export else "nothing to do: the file is not such an export"),
            fixable=not required,
        )


def _table_issues(contract: Contract, table: TableProfile, *, is_export: bool) -> Iterator[Issue]:
    described = contract.table(table.name) if table.known else None
    for name in table.missing_columns:
        column = described.column(name) if described else None
        required = column is not None and column.required
        yield Issue(
            IssueKind.MISSING_COLUMN,
            IssueSeverity.BLOCKER if required else IssueSeverity.WARN,
            table.name,
            name,
            table.rows,
            1.0 if table.rows else 0.0,
            "a required column is missing" if required else "the column is missing and stays empty",
            "ask for a complete export" if required else "the column is created and holds NULL",
            fixable=not required,
        )
    if not table.known and is_export:
        yield note(
            table,
            "",
            IssueKind.UNKNOWN_TABLE,
            table.rows,
            f"the contract does not know this table of {len(table.columns)} columns",
            "it is deployed with the types that its values prove; describe it in the contract to check it",
        )
    for name in table.unknown_columns:
        yield note(
            table,
            name,
            IssueKind.UNKNOWN_COLUMN,
            table.rows,
            "the contract does not know this column",
            "it is deployed with the type that its values prove; describe it in the contract to check it",
        )
    if table.big and not table.rows:
        yield Issue(
            IssueKind.NO_ROWS,
            IssueSeverity.ERROR,
            table.name,
            "",
            0,
            0.0,
            "the table is empty",
            "ask for a complete export: dashboards would show nothing",
            fixable=False,
        )
    if described is not None:
        yield from _key_issues(table, described)
    for reference in table.references:
        yield from _orphans(table, reference)


def _key_issues(table: TableProfile, described: Table) -> Iterator[Issue]:
    key = ", ".join(table.key)
    if table.duplicate_rows:
        examples = f", for example {table.key_samples[0]}" if table.key_samples else ""
        yield Issue(
            IssueKind.DUPLICATE_KEY,
            IssueSeverity.WARN,
            table.name,
            key,
            table.duplicate_rows,
            share_of(table.duplicate_rows, table.rows),
            f"rows repeat the key of another row{examples}",
            "the newest row is kept, the others go into quarantine",
            fixable=True,
        )
    if described.key and table.key_missing:
        yield Issue(
            IssueKind.MISSING_KEY,
            IssueSeverity.ERROR,
            table.name,
            key,
            table.key_missing,
            share_of(table.key_missing, table.rows),
            "rows without a usable key cannot be loaded",
            "they go into quarantine; mend them in the source",
            fixable=False,
        )


def _orphans(table: TableProfile, reference: ReferenceProfile) -> Iterator[Issue]:
    if not reference.orphans:
        return
    percent = reference.orphan_share * 100
    limit = reference.max_orphan_percent
    above = limit is not None and percent > limit
    expected = "" if limit is None else f"; up to {limit:g} % is normal"
    yield Issue(
        IssueKind.ORPHANS,
        IssueSeverity.WARN if above else IssueSeverity.INFO,
        table.name,
        reference.column,
        reference.orphans,
        reference.orphan_share,
        f"{percent:.1f} % of the rows with a value name no row of {reference.table}{expected}",
        f"compare the period and the filter of the export of {reference.table}" if above else "kept and counted",
        fixable=False,
    )


def _column_issues(table: TableProfile, column: ColumnProfile, corrupt_percent: int) -> Iterator[Issue]:
    if column.mismatch:
        yield Issue(
            IssueKind.TYPE_MISMATCH,
            IssueSeverity.ERROR,
            table.name,
            column.name,
            column.non_missing - column.convertible,
            share_of(column.non_missing - column.convertible, column.non_missing),
            f"the column is for {_meant(column)}, its values are {column.detected}",
            "look whether the columns are shifted, or the wrong column was exported",
            fixable=False,
        )
    elif column.recommendation is Recommendation.MANUAL_REVIEW:
        yield _low_confidence(table, column)
    if _is_typed(column) and (emptied := column.empty + column.blank):
        impact = "'' or blanks stand for a missing value"
        yield note(table, column.name, IssueKind.EMPTY_STRINGS, emptied, impact, "cleaning makes them NULL")
    if column.tokens:
        words = ", ".join(f"{token!r} {count:,}" for token, count in list(column.token_counts.items())[:5])
        yield note(
            table, column.name, IssueKind.NULL_MARKER, column.tokens, f"words stand for a missing value: {words}",
            "they count as missing; cleaning makes them NULL unless the contract keeps them",
        )  # fmt: skip
    if column.control_characters:
        yield Issue(
            IssueKind.CONTROL_CHARS,
            IssueSeverity.WARN,
            table.name,
            column.name,
            column.control_characters,
            share_of(column.control_characters, column.rows),
            f"control characters, {column.nul_characters:,} of them NUL, which PostgreSQL cannot store",
            "cleaning removes NUL",
            fixable=True,
        )
    if column.bad_utf8:
        yield Issue(
            IssueKind.BAD_UTF8,
            IssueSeverity.ERROR,
            table.name,
            column.name,
            column.bad_utf8,
            share_of(column.bad_utf8, column.rows),
            "the bytes are not valid UTF-8; nobody can tell which characters were meant",
            "the values go into quarantine; export again with the right encoding",
            fixable=False,
        )
    if binary := column.classes.get(ValueClass.BLOB, 0):
        yield Issue(
            IssueKind.BINARY,
            IssueSeverity.WARN,
            table.name,
            column.name,
            binary,
            share_of(binary, column.rows),
            "binary values, which no column type of the deployment holds",
            "they go into quarantine; leave the column out of the export, or write it as text",
            fixable=False,
        )
    if column.dates is not None:
        yield from find_date_issues(table, column, column.dates, corrupt_percent)


def _low_confidence(table: TableProfile, column: ColumnProfile) -> Issue:
    """The values are of no one type, or clearly of one that the column is not for."""
    share = percent(column.confidence or 0.0)
    if is_believed(column.matching, column.non_missing, column.believed_percent):
        differing = column.non_missing - column.convertible
        impact = f"{share} of the values are {column.detected}, and the column is for {_meant(column)}"
    else:
        differing = column.non_missing - column.matching
        impact = f"only {share} of the values are {column.detected}"
    return Issue(
        IssueKind.LOW_CONFIDENCE,
        IssueSeverity.WARN,
        table.name,
        column.name,
        differing,
        share_of(differing, column.non_missing),
        impact,
        "look at the values that differ",
        fixable=False,
    )


def _is_typed(column: ColumnProfile) -> bool:
    if column.intended is not None:
        return column.intended is not Kind.TEXT
    return column.detected in _TYPED_CLASSES and column.recommendation is not Recommendation.MANUAL_REVIEW


def _meant(column: ColumnProfile) -> str:
    return column.intended.value if column.intended else column.declared_type
