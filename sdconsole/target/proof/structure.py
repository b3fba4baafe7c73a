"""Compares a version schema's structure with its blueprint: tables, columns, keys, indexes, checks, comments, rights.

Pure: works on what `catalog.py` read. Indexes are recognised by what they index, not by their names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sdconsole.core.model import CheckStatus
from sdconsole.target.catalog import SchemaShape, TargetColumn, TargetIndex, TargetTable
from sdconsole.target.load.blueprint import PlannedIndex, PlannedTable, catalog_type, column_comment
from sdconsole.target.load.views import View
from sdconsole.target.proof.finding import Finding, failed, passed


def structure_findings(
    shape: SchemaShape, plans: Sequence[PlannedTable], views: Sequence[View], extensions: Collection[str]
) -> tuple[Finding, ...]:
    """Everything about the schema that is not its rows. `extensions` are the installed ones of those indexes need."""
    return tuple(_findings(shape, plans, views, extensions))


def comparable(shape: SchemaShape, plan: PlannedTable) -> bool:
    """Whether the table is there with every column in its type, so that its rows can be compared."""
    table = shape.table(plan.name)
    if table is None:
        return False
    types = {column.name: column.type for column in table.columns}
    return all(types.get(name) == catalog_type(column) for name, column in plan.columns)


def _findings(
    shape: SchemaShape, plans: Sequence[PlannedTable], views: Sequence[View], extensions: Collection[str]
) -> Iterator[Finding]:
    for plan in plans:
        table = shape.table(plan.name)
        if table is None:
            yield failed("tables", "the table", table=plan.source.name, measured="missing", expected="there")
            continue
        yield from _or_pass("columns", plan, f"{len(plan.columns)} columns as described", _columns(plan, table))
        yield from _or_pass("primary_key", plan, "the primary key is there", _key(plan, table))
        yield from _or_pass(
            "indexes", plan, f"{len(plan.indexes)} indexes are there and valid", _indexes(plan, table, extensions)
        )
        yield from _or_pass("checks", plan, "values are checked as described", _checks(plan, table))
        yield from _comments(plan, table)
    yield from _relations(shape, plans, views)
    if shape.grantees:
        yield failed(
            "grants",
            f"rights in {shape.name} held by others than its owner",
            measured=", ".join(shape.grantees),
            expected="none: rights live on the live views",
        )
    else:
        yield passed("grants", f"nobody but the owner holds rights in {shape.name}")


def _comments(plan: PlannedTable, table: TargetTable) -> Iterator[Finding]:
    name = plan.source.name
    if not table.comment:
        yield failed("comments", "the comment", table=name, measured="missing", expected="there")
    for column_name, column in plan.columns:
        found, expected = table.column(column_name), column_comment(column_name, column)
        if found is not None and found.comment != expected:
            yield failed(
                "comments",
                "the comment",
                table=name,
                column=column.name,
                measured=found.comment or "missing",
                expected=expected or "none",
            )


def _or_pass(check: str, plan: PlannedTable, about: str, found: Iterator[Finding]) -> Iterator[Finding]:
    findings = list(found)
    yield from findings
    if all(finding.status is not CheckStatus.FAIL for finding in findings):
        yield passed(check, about, table=plan.source.name)


def _columns(plan: PlannedTable, table: TargetTable) -> Iterator[Finding]:
    name = plan.source.name
    for column_name, column in plan.columns:
        found = table.column(column_name)
        if found is None:
            yield failed("columns", "the column", table=name, column=column.name, measured="missing", expected="there")
            continue
        if found.type != catalog_type(column):
            yield failed(
                "columns",
                "the type",
                table=name,
                column=column.name,
                measured=found.type,
                expected=catalog_type(column),
            )
        if found.not_null != plan.not_null(column):
            yield failed(
                "columns",
                "the column",
                table=name,
                column=column.name,
                measured=_nullable(found.not_null),
                expected=_nullable(plan.not_null(column)),
            )
        if bool(found.default) != bool(column.default):
            yield failed(
                "columns",
                "the default",
                table=name,
                column=column.name,
                measured=found.default or "none",
                expected=column.default or "none",
            )
    yield from _order(plan, table.columns)


def _order(plan: PlannedTable, columns: Sequence[TargetColumn]) -> Iterator[Finding]:
    expected = [column_name for column_name, _ in plan.columns] + ([plan.identity] if plan.identity else [])
    measured = [column.name for column in columns]
    extra = [column_name for column_name in measured if column_name not in expected]
    for column_name in extra:
        yield failed(
            "columns", "the column", table=plan.source.name, column=column_name, measured="there", expected="not there"
        )
    if not extra and set(measured) == set(expected) and measured != expected:
        yield failed(
            "columns",
            "the order of the columns",
            table=plan.source.name,
            measured=", ".join(measured),
            expected=", ".join(expected),
        )


def _nullable(not_null: bool) -> str:
    return "NOT NULL" if not_null else "nullable"


def _key(plan: PlannedTable, table: TargetTable) -> Iterator[Finding]:
    valid = any(index.primary and index.valid for index in table.indexes)
    if table.primary_key != plan.key or (plan.key and not valid):
        measured = ", ".join(table.primary_key) or "none"
        yield failed(
            "primary_key",
            "the primary key",
            table=plan.source.name,
            measured=measured if valid or not table.primary_key else f"invalid ({measured})",
            expected=", ".join(plan.key) or "none",
        )


def _indexes(plan: PlannedTable, table: TargetTable, extensions: Collection[str]) -> Iterator[Finding]:
    for index in plan.indexes:
        valid = [found.valid for found in table.indexes if not found.primary and _same(found, index)]
        if any(valid):
            continue
        columns = ", ".join(index.columns)
        if index.needs_extension and index.needs_extension not in extensions:
            yield Finding(
                "indexes",
                plan.source.name,
                "",
                CheckStatus.INFO,
                f"the extension {index.needs_extension} is not installed",
                "",
                f"no {index.method} index on {columns}",
            )
            continue
        yield failed(
            "indexes",
            f"the {index.method} index on {columns}",
            table=plan.source.name,
            measured="invalid" if valid else "missing",
            expected="there and valid",
        )


def _same(found: TargetIndex, planned: PlannedIndex) -> bool:
    return (
        found.columns == planned.columns
        and found.method == planned.method
        and bool(found.predicate) == (planned.condition is not None)
    )


def _checks(plan: PlannedTable, table: TargetTable) -> Iterator[Finding]:
    for column_name, column in plan.columns:
        limited = bool(column.values) or column.minimum is not None or column.maximum is not None or column.positive
        if column.checked and limited and column_name not in table.checks:
            yield failed(
                "checks",
                "the check of its values",
                table=plan.source.name,
                column=column.name,
                measured="missing",
                expected="there",
            )


def _relations(shape: SchemaShape, plans: Sequence[PlannedTable], views: Sequence[View]) -> Iterator[Finding]:
    expected = {plan.name for plan in plans} | {view.name for view in views}
    there = [table.name for table in shape.tables] + [view.name for view in shape.views]
    for name in there:
        if name not in expected:
            yield failed("relations", f"{shape.name}.{name}", measured="there", expected="not there")
    for view in views:
        found = shape.view(view.name)
        if found is None or found.columns != view.columns:
            yield failed(
                "views",
                f"the view {view.name}",
                measured="missing" if found is None else f"({', '.join(found.columns)})",
                expected=f"({', '.join(view.columns)})",
            )
