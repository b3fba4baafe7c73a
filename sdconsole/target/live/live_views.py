"""The live views: what has to change for them to show another version, and the statements that do it.

Every table and view of a version is published as a simple view with its columns listed. A view is owned by the
deployer and reads the version's tables with its owner's rights, so readers need rights on the live schema only.
Columns keep the places they have in the live view as long as they exist, because then `CREATE OR REPLACE VIEW` is
enough and whatever depends on the view stays. Plans only; `cutover.py` runs the statements.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from sdconsole.errors import CheckFailed
from sdconsole.target.connect import Connection
from sdconsole.target.live.dependents import dependents, refused
from sdconsole.target.schema_shape import Shape, ShapeColumn, shapes

Action = Literal["create", "replace", "rebuild", "drop"]


@dataclass(frozen=True, slots=True)
class ViewChange:
    """What happens to one live view. `columns` are its columns afterwards; () when it is dropped.

    create: it is new; replace: same columns, or more at the end; rebuild: a column goes or changes its type, so the
    view is dropped and made again in the same transaction; drop: the version has no such table.
    """

    name: str
    action: Action
    columns: tuple[str, ...]


def view_changes(
    connection: Connection, live_schema: str, version: Sequence[Shape], own: Collection[str]
) -> tuple[ViewChange, ...]:
    """What a cutover to a version of this shape would do to the live views, by name.

    `own` are the names of live views that earlier cutovers made. Raises CheckFailed "live-occupied" when a name is
    taken by something else.
    """
    there = {shape.name: shape for shape in shapes(connection, live_schema)}
    return plan_changes(live_schema, there, version, own)


def plan_changes(
    live_schema: str, there: Mapping[str, Shape], version: Sequence[Shape], own: Collection[str]
) -> tuple[ViewChange, ...]:
    """`view_changes` without a database."""
    taken = [shape for shape in version if shape.name in there and not _is_own(there[shape.name], own)]
    if taken:
        occupied = ", ".join(f"{live_schema}.{shape.name}" for shape in taken)
        raise CheckFailed(
            "live-occupied",
            f"{live_schema} holds tables or views that sdconsole did not make",
            cause=f"{occupied} would have to be replaced",
            next_step="adopt the existing schema first (runbook first-adoption), or deploy to another live schema",
        )
    changes = [_change(there.get(shape.name), shape) for shape in version]
    names = {shape.name for shape in version}
    gone = [ViewChange(name, "drop", ()) for name in own if name in there and name not in names]
    return tuple(sorted([*changes, *gone], key=lambda change: change.name))


def _is_own(shape: Shape, own: Collection[str]) -> bool:
    return shape.kind == "v" and shape.name in own


def _change(live: Shape | None, new: Shape) -> ViewChange:
    if live is None:
        return ViewChange(new.name, "create", new.column_names)
    offered: dict[str, ShapeColumn] = {column.name: column for column in new.columns}
    if any(offered.get(column.name) != column for column in live.columns):
        return ViewChange(new.name, "rebuild", new.column_names)
    appended = [name for name in new.column_names if name not in set(live.column_names)]
    return ViewChange(new.name, "replace", (*live.column_names, *appended))


def refuse_dependents(connection: Connection, live_schema: str, version: str, changes: Sequence[ViewChange]) -> None:
    """Raises CheckFailed "dependents" when something hangs on a view that must be dropped or rebuilt."""
    names = [change.name for change in changes if change.action in ("rebuild", "drop")]
    oids = _oids(connection, live_schema, names)
    found = [one for one in dependents(connection, oids) if not (one.is_relation and one.relation in oids)]
    if found:
        raise refused(
            found,
            f"{live_schema} cannot be switched to {version}: columns or tables were removed or changed their type",
            next_step="drop what depends on these views, run it again, then make it anew",
        )


def statements(
    connection: Connection,
    live_schema: str,
    version: str,
    changes: Sequence[ViewChange],
    *,
    reader_role: str,
) -> tuple[tuple[str, sql.Composed], ...]:
    """The statements that carry the changes out, in the order of the changes, each with the view that it locks.

    A view that is rebuilt gets back the privileges and comments it has now. `reader_role` "" grants nothing.
    """
    made: list[tuple[str, sql.Composed]] = []
    for change in changes:
        if change.action in ("rebuild", "drop"):
            made.append((change.name, sql.SQL("DROP VIEW {}").format(sql.Identifier(live_schema, change.name))))
        if change.action != "drop":
            made.append((change.name, publish(live_schema, version, change.name, change.columns)))
    rebuilt = {change.name: change.columns for change in changes if change.action == "rebuild"}
    if rebuilt:
        made += [("", one) for one in _privileges(connection, live_schema, rebuilt)]
        made += [("", one) for one in _comments(connection, live_schema, rebuilt)]
    published = [change.name for change in changes if change.action != "drop"]
    if reader_role and published:
        names = sql.SQL(", ").join(sql.Identifier(live_schema, name) for name in published)
        made.append(("", sql.SQL("GRANT SELECT ON TABLE {} TO {}").format(names, sql.Identifier(reader_role))))
    return tuple(made)


def publish(live_schema: str, version: str, name: str, columns: Sequence[str]) -> sql.Composed:
    """The statement that makes one live view, or points it to this version."""
    return sql.SQL("CREATE OR REPLACE VIEW {} AS SELECT {} FROM {}").format(
        sql.Identifier(live_schema, name),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(version, name),
    )


def _privileges(connection: Connection, live_schema: str, rebuilt: Mapping[str, Collection[str]]) -> list[sql.Composed]:
    """GRANTs that give rebuilt views, and those of their columns that stay, the rights they have now."""
    rows = connection.execute(
        """
        SELECT c.relname::text, NULL::text, x.privilege_type, x.is_grantable, r.rolname::text
        FROM pg_catalog.pg_class c
        CROSS JOIN LATERAL aclexplode(c.relacl) x
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
        WHERE c.oid = ANY(%(views)s::oid[]) AND x.grantee <> c.relowner
        UNION ALL
        SELECT c.relname::text, a.attname::text, x.privilege_type, x.is_grantable, r.rolname::text
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        CROSS JOIN LATERAL aclexplode(a.attacl) x
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
        WHERE c.oid = ANY(%(views)s::oid[])
        """,
        {"views": list(_oids(connection, live_schema, rebuilt))},
    ).fetchall()
    return [
        sql.SQL("GRANT {} ON TABLE {} TO {}{}").format(
            sql.SQL(privilege)
            if column is None
            else sql.SQL("{} ({})").format(sql.SQL(privilege), sql.Identifier(column)),
            sql.Identifier(live_schema, view),
            sql.SQL("PUBLIC") if role is None else sql.Identifier(role),
            sql.SQL(" WITH GRANT OPTION" if grantable else ""),
        )
        for view, column, privilege, grantable, role in rows
        if column is None or column in rebuilt[view]
    ]


def _comments(connection: Connection, live_schema: str, rebuilt: Mapping[str, Collection[str]]) -> list[sql.Composed]:
    rows = connection.execute(
        """
        SELECT c.relname::text, a.attname::text, d.description
        FROM pg_catalog.pg_description d
        JOIN pg_catalog.pg_class c ON d.classoid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objoid
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
        WHERE c.oid = ANY(%s::oid[])
        """,
        [list(_oids(connection, live_schema, rebuilt))],
    ).fetchall()
    return [
        sql.SQL("COMMENT ON {} IS {}").format(
            sql.SQL("VIEW {}").format(sql.Identifier(live_schema, view))
            if column is None
            else sql.SQL("COLUMN {}").format(sql.Identifier(live_schema, view, column)),
            sql.Literal(text),
        )
        for view, column, text in rows
        if column is None or column in rebuilt[view]
    ]


def _oids(connection: Connection, schema: str, names: Collection[str]) -> frozenset[int]:
    rows = connection.execute(
        "SELECT c.oid::bigint FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = ANY(%s)",
        [schema, list(names)],
    ).fetchall()
    return frozenset(row[0] for row in rows)
