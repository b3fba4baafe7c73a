"""What a schema offers to readers: its relations and their columns in order, as PostgreSQL's catalogue has them.

The ledger keeps these shapes, so that the views of a version can be made again long after its export is gone. Knows
neither versions nor contracts; reads by the transaction's snapshot and locks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdconsole.target.connect import Connection

TABLE_KINDS = frozenset({"r", "p", "f"})
"""Relations that hold rows of their own: ordinary, partitioned and foreign tables."""

PUBLISHED_KINDS = TABLE_KINDS | {"v", "m"}
"""What a version shows to readers: its tables, views and materialised views."""


@dataclass(frozen=True, slots=True)
class ShapeColumn:
    """`type` is spelled like `numeric(10,2)`, with the collation where it is not the type's own."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Shape:
    """One relation. `kind` is pg_class.relkind: r, p, f (tables), v (view) or m (materialised view)."""

    name: str
    kind: str
    columns: tuple[ShapeColumn, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "columns": [{"name": column.name, "type": column.type} for column in self.columns],
        }


def shape_from_dict(data: Mapping[str, Any]) -> Shape:
    """Raises KeyError for anything that `Shape.to_dict` did not make."""
    columns = tuple(ShapeColumn(column["name"], column["type"]) for column in data["columns"])
    return Shape(data["name"], data["kind"], columns)


def shapes(connection: Connection, schema: str) -> tuple[Shape, ...]:
    """Every table, view and materialised view of a schema by name, partitions left out; () without such a schema."""
    rows = connection.execute(
        """
        SELECT c.relname::text, c.relkind::text, a.attname::text,
               format_type(a.atttypid, a.atttypmod)
                   || CASE WHEN a.attcollation <> t.typcollation
                           THEN ' COLLATE ' || a.attcollation::regcollation::text ELSE '' END
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND NOT c.relispartition
        ORDER BY c.relname, a.attnum
        """,
        [schema],
    ).fetchall()
    kinds: dict[str, str] = {}
    columns: dict[str, list[ShapeColumn]] = {}
    for relation, kind, column, type_name in rows:
        kinds[relation] = kind
        held = columns.setdefault(relation, [])
        if column is not None:
            held.append(ShapeColumn(column, type_name))
    return tuple(Shape(name, kind, tuple(columns[name])) for name, kind in kinds.items())


def schema_exists(connection: Connection, schema: str) -> bool:
    found = connection.execute("SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s)", [schema])
    return found.fetchone() == (True,)


def missing_parts(expected: tuple[Shape, ...], found: tuple[Shape, ...]) -> tuple[str, ...]:
    """What of `expected` is not in `found`, in words; () when every column is there with its type."""
    there = {shape.name: shape for shape in found}
    gaps: list[str] = []
    for shape in expected:
        if shape.name not in there:
            gaps.append(f"{shape.name} is missing")
            continue
        types = {column.name: column.type for column in there[shape.name].columns}
        for column in shape.columns:
            if column.name not in types:
                gaps.append(f"{shape.name}.{column.name} is missing")
            elif types[column.name] != column.type:
                gaps.append(f"{shape.name}.{column.name} is {types[column.name]}, not {column.type}")
    return tuple(gaps)
