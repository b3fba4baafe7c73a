"""What one schema of the target holds, read from PostgreSQL's own catalogue: tables, views, keys, indexes, checks.

Knows no contract and changes nothing. Works with an empty search path, so every name it returns is a plain name and
every definition it returns is fully qualified.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sdconsole.target.connect import Connection


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """`type` as format_type spells it, e.g. "timestamp without time zone", "numeric(8,3)"."""

    name: str
    type: str
    not_null: bool
    identity: bool
    default: str
    comment: str


@dataclass(frozen=True, slots=True)
class TargetIndex:
    """`columns` are the plain columns it covers, in order; `predicate` is "" for a whole index."""

    name: str
    columns: tuple[str, ...]
    method: str
    unique: bool
    primary: bool
    valid: bool
    predicate: str


@dataclass(frozen=True, slots=True)
class TargetTable:
    name: str
    columns: tuple[TargetColumn, ...]
    indexes: tuple[TargetIndex, ...]
    checks: tuple[str, ...]
    """The columns of each check constraint, joined by ", "."""
    comment: str
    size_bytes: int

    @property
    def primary_key(self) -> tuple[str, ...]:
        return next((index.columns for index in self.indexes if index.primary), ())

    def column(self, name: str) -> TargetColumn | None:
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class TargetView:
    name: str
    columns: tuple[str, ...]
    definition: str


@dataclass(frozen=True, slots=True)
class SchemaShape:
    """One schema. `grantees` are the roles, other than the owners, that hold any right on it or on anything in it."""

    name: str
    owner: str
    comment: str
    tables: tuple[TargetTable, ...]
    views: tuple[TargetView, ...]
    grantees: tuple[str, ...]

    def table(self, name: str) -> TargetTable | None:
        return next((table for table in self.tables if table.name == name), None)

    def view(self, name: str) -> TargetView | None:
        return next((view for view in self.views if view.name == name), None)

    @property
    def relation_names(self) -> frozenset[str]:
        """Every name taken by a table, a view or an index."""
        indexes = (index.name for table in self.tables for index in table.indexes)
        return frozenset([table.name for table in self.tables] + [view.name for view in self.views] + list(indexes))


def schema_names(connection: Connection) -> frozenset[str]:
    """Every schema of the database."""
    return frozenset(name for (name,) in connection.execute("SELECT nspname::text FROM pg_namespace"))


def extension_schema(connection: Connection, extension: str) -> str | None:
    """The schema an installed extension's objects live in; None where it is not installed."""
    row = connection.execute(
        "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = %s",
        (extension,),
    ).fetchone()
    return None if row is None else str(row[0])


def read_schema(connection: Connection, schema: str) -> SchemaShape | None:
    """The schema as it is now; None when there is none of that name. Raises psycopg.Error."""
    found = connection.execute(
        "SELECT oid, pg_get_userbyid(nspowner)::text, coalesce(obj_description(oid, 'pg_namespace'), '')"
        " FROM pg_namespace WHERE nspname = %s",
        (schema,),
    ).fetchone()
    if found is None:
        return None
    oid, owner, comment = found
    columns = _columns(connection, oid)
    indexes = _indexes(connection, oid)
    checks = _checks(connection, oid)
    tables: list[TargetTable] = []
    views: list[TargetView] = []
    for relation, name, kind, relation_comment, size_bytes, definition in connection.execute(_RELATIONS, (oid,)):
        own = tuple(columns[relation])
        if kind in ("v", "m"):
            views.append(TargetView(name, tuple(column.name for column in own), definition))
        else:
            described = tuple(indexes[relation]), tuple(checks[relation]), relation_comment, int(size_bytes)
            tables.append(TargetTable(name, own, *described))
    grantees = connection.execute(_GRANTEES, {"oid": oid}).fetchall()
    return SchemaShape(schema, owner, comment, tuple(tables), tuple(views), tuple(name for (name,) in grantees))


_RELATIONS = """
    SELECT oid, relname::text, relkind::text, coalesce(obj_description(oid, 'pg_class'), ''),
           pg_total_relation_size(oid), CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) ELSE '' END
      FROM pg_class
     WHERE relnamespace = %s AND relkind IN ('r', 'p', 'f', 'v', 'm')
     ORDER BY oid
"""

_GRANTEES = """
    SELECT DISTINCT CASE held.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(held.grantee)::text END
      FROM (SELECT nspowner AS owner, nspacl AS acl FROM pg_namespace WHERE oid = %(oid)s
            UNION ALL
            SELECT relowner, relacl FROM pg_class WHERE relnamespace = %(oid)s) AS object,
           aclexplode(object.acl) AS held
     WHERE held.grantee <> object.owner
     ORDER BY 1
"""


def _columns(connection: Connection, schema_oid: int) -> Mapping[int, list[TargetColumn]]:
    rows = connection.execute(
        """
        SELECT a.attrelid, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity <> '',
               coalesce(pg_get_expr(d.adbin, d.adrelid), ''), coalesce(col_description(a.attrelid, a.attnum), '')
          FROM pg_attribute a
          JOIN pg_class c ON c.oid = a.attrelid
          LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE c.relnamespace = %s AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
         ORDER BY a.attrelid, a.attnum
        """,
        (schema_oid,),
    )
    return _grouped((relation, TargetColumn(*rest)) for relation, *rest in rows)


def _indexes(connection: Connection, schema_oid: int) -> Mapping[int, list[TargetIndex]]:
    rows = connection.execute(
        """
        SELECT i.indrelid, x.relname::text,
               ARRAY(SELECT a.attname::text
                       FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, position)
                       JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                      ORDER BY k.position),
               m.amname::text, i.indisunique, i.indisprimary, i.indisvalid AND i.indisready AND i.indislive,
               coalesce(pg_get_expr(i.indpred, i.indrelid), '')
          FROM pg_index i
          JOIN pg_class x ON x.oid = i.indexrelid
          JOIN pg_am m ON m.oid = x.relam
         WHERE x.relnamespace = %s
         ORDER BY i.indrelid, x.relname
        """,
        (schema_oid,),
    )
    return _grouped((relation, TargetIndex(name, tuple(covered), *rest)) for relation, name, covered, *rest in rows)


def _checks(connection: Connection, schema_oid: int) -> Mapping[int, list[str]]:
    rows = connection.execute(
        """
        SELECT r.conrelid,
               (SELECT string_agg(a.attname::text, ', ' ORDER BY a.attnum)
                  FROM pg_attribute a WHERE a.attrelid = r.conrelid AND a.attnum = ANY (r.conkey))
          FROM pg_constraint r
         WHERE r.connamespace = %s AND r.contype = 'c' AND r.convalidated
         ORDER BY r.conrelid, r.conname
        """,
        (schema_oid,),
    )
    return _grouped((relation, covered or "") for relation, covered in rows)


def _grouped(pairs: Iterable[tuple[int, Any]]) -> Mapping[int, list[Any]]:
    groups: dict[int, list[Any]] = defaultdict(list)
    for relation, item in pairs:
        groups[relation].append(item)
    return groups
