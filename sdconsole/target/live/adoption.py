"""Takes over a live schema that was there before: its tables become a version, views take their names.

One transaction renames the schema to a version, makes the live schema again with a view for every table, makes the
views that stood in it again over those, and gives everybody the rights they had. Readers see the same rows under the
same names before and after. Refuses, and names what stands in the way, when something would be torn: functions, types
and the like in the schema, dependents outside of it that would follow the renamed tables, row security.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

import psycopg
from psycopg import sql

from sdconsole.errors import CheckFailed
from sdconsole.target.connect import Connection, Target, classify, connect
from sdconsole.target.ledger.record import (
    Actor,
    Deployment,
    VersionState,
    begin,
    deployment_of,
    live_deployment,
    mark_ready,
    move,
    record_event,
    record_step,
    seal_switch,
)
from sdconsole.target.live.attempt import attempt
from sdconsole.target.live.cutover import Switch, ensure_live_schema, lock_key, prove
from sdconsole.target.live.dependents import dependents_outside
from sdconsole.target.live.live_views import publish
from sdconsole.target.live.lost_reply import OpenTransaction
from sdconsole.target.live.published import live_version, server_major, views_digest
from sdconsole.target.schema_shape import TABLE_KINDS, Shape, shapes

MODE = "adopted"


@dataclass(frozen=True, slots=True)
class Survey:
    """What an existing live schema holds. `in_the_way` names what forbids its adoption; () = it can be adopted."""

    tables: tuple[Shape, ...]
    views: tuple[Shape, ...]
    in_the_way: tuple[str, ...]

    @property
    def needed(self) -> bool:
        """Whether there is anything to adopt."""
        return bool(self.tables)


def survey(connection: Connection, live_schema: str) -> Survey:
    """Looks only. Nothing is needed where the schema is absent, holds no table, or its views read a version already."""
    held = shapes(connection, live_schema)
    tables = tuple(shape for shape in held if shape.kind in TABLE_KINDS)
    views = tuple(shape for shape in held if shape.kind == "v")
    if not tables or live_version(connection, live_schema) is not None:
        return Survey((), views, ())
    obstacles = [row[0] for row in connection.execute(_OBSTACLES, {"schema": live_schema}).fetchall()]
    outside = [f"{one.name} depends on {one.on}" for one in dependents_outside(connection, live_schema)]
    return Survey(tables, views, (*obstacles, *outside))


def adopt(
    connection: Connection,
    target: Target,
    version: str,
    *,
    actor: Actor,
    check: Callable[[], None],
    reconnect: Callable[[], Connection] | None = None,
) -> Deployment:
    """Makes the existing live schema the version `version` and returns its row: it is live now, with mode "adopted".

    Tables are counted first, one after the other, with `check` called between them. Raises CheckFailed (slugs
    adoption-refused, adoption-needless, view-owner, privilege), TargetUnreachable, ChangedNotUndone as for a cutover.
    """
    assert connection.autocommit
    switch = Switch(target, version, None, actor)
    reconnect = reconnect or (lambda: connect(target, application=f"sdconsole:{actor.run_id}"))
    try:
        found = _survey_or_refuse(connection, target.live_schema)
        rows: dict[str, int] = {}
        for shape in found.tables:
            check()
            rows[shape.name] = _count(connection, target.live_schema, shape.name)
        check()
        lost = attempt(connection, switch, lambda opened: _work(connection, switch, opened, rows), reconnect)
        if not lost:
            return deployment_of(connection, version)
        with reconnect() as again:
            return deployment_of(again, version)
    except psycopg.Error as error:
        raise classify(error) from error


def _survey_or_refuse(connection: Connection, live_schema: str) -> Survey:
    found = survey(connection, live_schema)
    live = live_deployment(connection, live_schema)
    if live is not None or not found.needed:
        raise CheckFailed(
            "adoption-needless",
            f"there is nothing to adopt in {live_schema}",
            cause=f"{live.version} is live already" if live else "the schema holds no table of its own",
            next_step="sdconsole deploy",
        )
    if found.in_the_way:
        raise CheckFailed(
            "adoption-refused",
            f"{live_schema} cannot be adopted as it is",
            cause="; ".join(found.in_the_way),
            state="nothing was changed",
            next_step="move or drop these (runbook first-adoption), or deploy to another live schema",
        )
    return found


def _work(connection: Connection, switch: Switch, opened: OpenTransaction, rows: Mapping[str, int]) -> None:
    live_schema, version = switch.target.live_schema, switch.version
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key("cutover", live_schema)])
    found = _survey_or_refuse(connection, live_schema)
    rights = _rights(connection, live_schema)
    remade = _definitions(connection, live_schema)
    old, new = sql.Identifier(live_schema), sql.Identifier(version)
    connection.execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(old, new))
    reader = ensure_live_schema(connection, switch.target)
    for shape in found.tables:
        connection.execute(publish(live_schema, version, shape.name, shape.column_names))
    for name, definition in remade:
        connection.execute(
            sql.SQL("CREATE VIEW {} AS {}").format(sql.Identifier(live_schema, name), sql.SQL(definition))
        )
    for grant in rights:
        connection.execute(grant)
    if reader:
        names = sql.SQL(", ").join(sql.Identifier(live_schema, shape.name) for shape in found.tables)
        connection.execute(sql.SQL("GRANT SELECT ON TABLE {} TO {}").format(names, sql.Identifier(reader)))
    row = _record(connection, switch, opened, rows, remade)
    prove(connection, live_schema, row, (), reader)
    seal_switch(
        connection,
        row.id,
        replaces=None,
        views_digest=views_digest(connection, live_schema, [shape.name for shape in row.tables]),
        views_major=server_major(connection),
        switched_back_seconds=None,
    )


def _record(
    connection: Connection,
    switch: Switch,
    opened: OpenTransaction,
    rows: Mapping[str, int],
    remade: Sequence[tuple[str, str]],
) -> Deployment:
    live_schema, version, actor = switch.target.live_schema, switch.version, switch.actor
    row = begin(connection, live_schema=live_schema, version=version, mode=MODE, actor=actor)
    for table, count in rows.items():
        record_step(connection, row.id, table, count)
    mark_ready(connection, version, actor=actor, kinds=TABLE_KINDS)
    row = move(connection, version, VersionState.LIVE, actor=actor, event=False)
    detail = {
        "tables": dict(rows),
        "views": [name for name, _ in remade],
        "token": opened.token,
        "xid": opened.xid,
    }
    record_event(connection, "adopted", live_schema=live_schema, version=version, actor=actor, detail=detail)
    return row


def _count(connection: Connection, schema: str, table: str) -> int:
    found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))).fetchone()
    assert found is not None
    return int(found[0])


_OBSTACLES = """
WITH schema AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = %(schema)s),
relation AS (SELECT c.* FROM pg_catalog.pg_class c JOIN schema s ON c.relnamespace = s.oid)
SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) || ' is in the schema'
FROM pg_catalog.pg_depend d JOIN schema s ON d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = s.oid
WHERE d.classid NOT IN ('pg_catalog.pg_default_acl'::regclass, 'pg_catalog.pg_statistic_ext'::regclass)
  AND NOT (d.classid = 'pg_catalog.pg_class'::regclass AND EXISTS (
      SELECT FROM relation r WHERE r.oid = d.objid AND (r.relkind IN ('r', 'p', 'v', 'i', 'I') OR (
          r.relkind = 'S' AND EXISTS (
              SELECT FROM pg_catalog.pg_depend o JOIN relation t ON t.oid = o.refobjid
              WHERE o.classid = 'pg_catalog.pg_class'::regclass AND o.objid = r.oid
                AND o.refclassid = 'pg_catalog.pg_class'::regclass AND o.deptype IN ('a', 'i'))))))
UNION ALL
SELECT 'table ' || r.oid::regclass::text || ' has row security, which a view would bypass'
FROM relation r WHERE r.relrowsecurity
UNION ALL
SELECT 'relation ' || r.oid::regclass::text || ' belongs to ' || pg_catalog.pg_get_userbyid(r.relowner)
       || ', whose rights ' || current_user || ' does not have'
FROM relation r WHERE r.relkind IN ('r', 'p', 'f', 'v') AND NOT pg_catalog.pg_has_role(r.relowner, 'USAGE')
UNION ALL
SELECT 'view ' || r.oid::regclass::text || ' has options: ' || pg_catalog.array_to_string(r.reloptions, ', ')
FROM relation r WHERE r.relkind = 'v' AND r.reloptions IS NOT NULL
UNION ALL
SELECT 'view ' || r.oid::regclass::text || ' has triggers or rules of its own'
FROM relation r WHERE r.relkind = 'v' AND (
    EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = r.oid AND NOT g.tgisinternal)
    OR EXISTS (SELECT FROM pg_catalog.pg_rewrite w WHERE w.ev_class = r.oid AND w.rulename <> '_RETURN'))
ORDER BY 1
"""


def _definitions(connection: Connection, live_schema: str) -> tuple[tuple[str, str], ...]:
    """The schema's own views with their text, in an order in which they can be made; needs an empty search path."""
    texts: dict[str, str] = dict(
        connection.execute(
            "SELECT c.relname::text, rtrim(pg_get_viewdef(c.oid), ';') FROM pg_catalog.pg_class c"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'v'",
            [live_schema],
        ).fetchall()
    )
    edges = connection.execute(
        """
        SELECT DISTINCT v.relname::text, t.relname::text
        FROM pg_catalog.pg_class v
        JOIN pg_catalog.pg_rewrite w ON w.ev_class = v.oid
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
             AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> v.oid
        JOIN pg_catalog.pg_class t ON t.oid = d.refobjid AND t.relnamespace = v.relnamespace AND t.relkind = 'v'
        JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
        WHERE n.nspname = %s AND v.relkind = 'v'
        """,
        [live_schema],
    ).fetchall()
    order: TopologicalSorter[str] = TopologicalSorter({name: set() for name in sorted(texts)})
    for view, read in edges:
        order.add(view, read)
    return tuple((name, texts[name]) for name in order.static_order())


def _rights(connection: Connection, live_schema: str) -> tuple[sql.Composed, ...]:
    """GRANTs that give the new live schema and its views the rights that the old ones have now."""
    rows = connection.execute(
        """
        WITH schema AS (SELECT * FROM pg_catalog.pg_namespace WHERE nspname = %s)
        SELECT 'schema', NULL::text, NULL::text, x.privilege_type, x.is_grantable, r.rolname::text, NULL::text
        FROM schema s CROSS JOIN LATERAL aclexplode(s.nspacl) x LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
        WHERE x.grantee <> s.nspowner
        UNION ALL
        SELECT 'relation', c.relname::text, NULL, x.privilege_type, x.is_grantable, r.rolname::text, NULL
        FROM schema s JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid AND c.relkind IN ('r', 'p', 'f', 'v')
        CROSS JOIN LATERAL aclexplode(c.relacl) x LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
        WHERE x.grantee <> c.relowner AND NOT c.relispartition
        UNION ALL
        SELECT 'relation', c.relname::text, a.attname::text, x.privilege_type, x.is_grantable, r.rolname::text, NULL
        FROM schema s JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid AND c.relkind IN ('r', 'p', 'f', 'v')
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        CROSS JOIN LATERAL aclexplode(a.attacl) x LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
        WHERE NOT c.relispartition
        UNION ALL
        SELECT 'default', NULL, NULL, x.privilege_type, x.is_grantable, r.rolname::text, o.rolname::text
        FROM schema s JOIN pg_catalog.pg_default_acl d ON d.defaclnamespace = s.oid AND d.defaclobjtype = 'r'
        JOIN pg_catalog.pg_roles o ON o.oid = d.defaclrole
        CROSS JOIN LATERAL aclexplode(d.defaclacl) x LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
        WHERE x.grantee <> d.defaclrole
        """,
        [live_schema],
    ).fetchall()
    schema = sql.Identifier(live_schema)
    grants: list[sql.Composed] = []
    for kind, relation, column, privilege, grantable, role, owner in rows:
        what: sql.Composable = sql.SQL(privilege)
        if column is not None:
            what = sql.SQL("{} ({})").format(what, sql.Identifier(column))
        start: sql.Composable = sql.SQL("")
        if kind == "schema":
            on: sql.Composable = sql.SQL("SCHEMA {}").format(schema)
        elif kind == "relation":
            on = sql.SQL("TABLE {}").format(sql.Identifier(live_schema, relation))
        else:
            on = sql.SQL("TABLES")
            start = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} ").format(sql.Identifier(owner), schema)
        to: sql.Composable = sql.SQL("PUBLIC") if role is None else sql.Identifier(role)
        option = sql.SQL(" WITH GRANT OPTION" if grantable else "")
        grants.append(sql.SQL("{}GRANT {} ON {} TO {}{}").format(start, what, on, to, option))
    return tuple(grants)
