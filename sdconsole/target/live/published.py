"""What readers of a live schema see right now, read from the views themselves, and whether the ledger agrees."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sdconsole.errors import CheckFailed
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.rows import Deployment, deployments, live_deployment
from sdconsole.target.names import is_version_of
from sdconsole.target.schema_shape import missing_parts, schema_exists, shapes


def view_sources(connection: Connection, live_schema: str) -> Mapping[str, frozenset[str]]:
    """The schemas that each view of the live schema reads directly, by view. From pg_depend: no text is parsed."""
    rows = connection.execute(
        """
        SELECT v.relname::text, array_agg(DISTINCT n.nspname::text)
        FROM pg_catalog.pg_class v
        JOIN pg_catalog.pg_rewrite w ON w.ev_class = v.oid AND w.rulename = '_RETURN'
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
             AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> v.oid
        JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
        JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
        WHERE v.relkind = 'v' AND v.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = %s)
        GROUP BY v.relname
        """,
        [live_schema],
    ).fetchall()
    return {view: frozenset(schemas) for view, schemas in rows}


def live_version(connection: Connection, live_schema: str) -> str | None:
    """The version schema that the live views read; None when no view reads one. Needs no ledger.

    Raises CheckFailed "live-mixed" when they read several: only a change by hand can do that.
    """
    read = {
        schema
        for schemas in view_sources(connection, live_schema).values()
        for schema in schemas
        if is_version_of(schema, live_schema)
    }
    if len(read) > 1:
        raise CheckFailed(
            "live-mixed",
            f"the views of {live_schema} read several versions: {', '.join(sorted(read))}",
            cause="they were changed by hand",
            next_step="sdconsole rollback --to VERSION points all of them to one",
        )
    return next(iter(read), None)


def drift(connection: Connection, live_schema: str) -> str | None:
    """What differs between the live views and the ledger, with the way to repair it; None when they agree.

    Looks at each view's source, columns and, on the server version it was made with, its whole definition.
    """
    with connection.transaction():
        connection.execute("SELECT set_config('search_path', '', true)")
        row = live_deployment(connection, live_schema)
        sources = view_sources(connection, live_schema)
        if row is not None:
            found = _differences(connection, row, sources)
            repair = f"sdconsole rollback --to {row.version} makes these views again"
            return f"{live_schema} is not what the ledger says: {'; '.join(found)}. {repair}" if found else None
        read = sorted({one for schemas in sources.values() for one in schemas if is_version_of(one, live_schema)})
        if not read:
            return None
        kept = [deployment.version for deployment in deployments(connection, live_schema)]
        known = "" if set(read) & set(kept) else ", and knows none of them"
        return (
            f"{live_schema} reads {', '.join(read)}, but the ledger has no live version{known}. "
            "Restore the schema sdconsole from the backup that belongs to these versions, or drop the views and deploy"
        )


def _differences(connection: Connection, row: Deployment, sources: Mapping[str, frozenset[str]]) -> list[str]:
    if not schema_exists(connection, row.version):
        return [f"the version {row.version} does not exist any more"]
    names = [shape.name for shape in row.tables]
    found = [f"view {name} is missing" for name in names if name not in sources]
    found += [
        f"view {name} reads {', '.join(sorted(schemas))}, not {row.version}"
        for name, schemas in sorted(sources.items())
        if schemas != {row.version} and (name in names or any(is_version_of(one, row.live_schema) for one in schemas))
    ]
    if not found:
        found += missing_parts(row.tables, shapes(connection, row.live_schema))
    same_server = row.views_major == server_major(connection)
    if not found and same_server and views_digest(connection, row.live_schema, names) != row.views_digest:
        found.append("a view's definition was changed by hand")
    return found


def views_digest(connection: Connection, live_schema: str, names: Collection[str]) -> str:
    """SHA-256 over the definitions of these live views, as this server version spells them; needs an empty search
    path."""
    row = connection.execute(
        """
        SELECT encode(sha256(convert_to(coalesce(string_agg(
                   c.relname || chr(31) || c.relkind::text || pg_get_viewdef(c.oid), chr(30) ORDER BY c.relname), ''),
               'UTF8')), 'hex')
        FROM pg_catalog.pg_class c
        WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = %s) AND c.relname = ANY(%s)
        """,
        [live_schema, list(names)],
    ).fetchone()
    assert row is not None
    digest: str = row[0]
    return digest


def server_major(connection: Connection) -> int:
    return connection.info.server_version // 10000
