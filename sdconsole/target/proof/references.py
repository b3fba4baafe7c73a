"""Counts orphans: rows that name a parent which is not there. On both sides, by each database engine itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from sdconsole.contract.model import Reference, Table
from sdconsole.source.catalog import quote
from sdconsole.target.connect import Connection
from sdconsole.target.names import target_column_names, target_table_name


@dataclass(frozen=True, slots=True)
class Orphans:
    """`checked` are the rows that name a parent at all; the reference's ignored value counts as naming none."""

    checked: int
    orphans: int

    @property
    def percent(self) -> float:
        return 100.0 * self.orphans / self.checked if self.checked else 0.0

    def within(self, reference: Reference) -> bool:
        """Whether the share is at most what the contract expects; a share of exactly that much is within."""
        limit = reference.max_orphan_percent
        return limit is None or self.orphans * 100 <= limit * self.checked


def references_between(tables: Sequence[Table]) -> Iterator[tuple[Table, Reference, Table]]:
    """Every reference whose child column and parent column are both there: child, reference, parent."""
    by_name = {table.name: table for table in tables}
    for table in tables:
        for reference in table.references:
            parent = by_name.get(reference.table)
            if parent and parent.column(reference.parent_column) and table.column(reference.column):
                yield table, reference, parent


def source_orphans(connection: sqlite3.Connection, table: Table, reference: Reference) -> Orphans:
    """Counted in the clean file. Raises sqlite3.Error."""
    child, parent = quote(reference.column), quote(reference.parent_column)
    condition = f"{child} IS NOT NULL" + (f" AND {child} <> ?" if reference.ignore_value is not None else "")
    orphan = f"{child} NOT IN (SELECT {parent} FROM {quote(reference.table)} WHERE {parent} IS NOT NULL)"  # noqa: S608
    query = f"SELECT count(*), coalesce(sum({orphan}), 0) FROM {quote(table.name)} WHERE {condition}"  # noqa: S608
    parameters = () if reference.ignore_value is None else (reference.ignore_value,)
    checked, orphans = connection.execute(query, parameters).fetchone()
    return Orphans(int(checked), int(orphans))


def target_orphans(connection: Connection, schema: str, table: Table, reference: Reference, parent: Table) -> Orphans:
    """Counted in the version schema. Raises psycopg.Error."""
    child = sql.SQL("child.{}").format(_identifier(table, reference.column))
    value = sql.SQL("parent.{}").format(_identifier(parent, reference.parent_column))
    ignored: sql.Composable = sql.SQL("")
    if reference.ignore_value is not None:
        ignored = sql.SQL(" AND {} <> {}").format(child, sql.Literal(reference.ignore_value))
    one, other = table.column(reference.column), parent.column(reference.parent_column)
    same = sql.SQL("{} = {}") if one and other and one.kind is other.kind else sql.SQL("{}::text = {}::text")
    row = connection.execute(
        sql.SQL(
            "SELECT (SELECT count(*) FROM {table} AS child WHERE {child} IS NOT NULL{ignored}),"
            " (SELECT count(*) FROM {table} AS child WHERE {child} IS NOT NULL{ignored}"
            " AND NOT EXISTS (SELECT 1 FROM {parents} AS parent WHERE {same}))"
        ).format(
            table=sql.Identifier(schema, target_table_name(table.name)),
            parents=sql.Identifier(schema, target_table_name(parent.name)),
            child=child,
            ignored=ignored,
            same=same.format(value, child),
        )
    ).fetchone()
    assert row is not None
    return Orphans(int(row[0]), int(row[1]))


def _identifier(table: Table, column: str) -> sql.Identifier:
    return sql.Identifier(target_column_names(item.name for item in table.columns)[column])
