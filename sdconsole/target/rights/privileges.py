"""What the target's user may not do yet but will have to, each with the statement that allows it.

Only reads the catalogue. A superuser lacks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql

from sdconsole.target.connect import Connection, Target
from sdconsole.target.names import CONTROL_SCHEMA


@dataclass(frozen=True, slots=True)
class MissingRight:
    """`statement` is what an administrator runs to give the right."""

    reason: str
    statement: str


def privileges(connection: Connection, target: Target) -> tuple[MissingRight, ...]:
    """The rights this user lacks to make, publish, verify and drop versions; () = none. Raises psycopg.Error.

    Checked are CREATE on the database, ownership of the live schema and of what is in it, the same of the control
    schema or the rights of the deployer who keeps it, and membership in the reader role (to see what it sees) where
    that role exists.
    """
    return tuple(_missing(connection, target))


def _missing(connection: Connection, target: Target) -> Iterator[MissingRight]:
    found = connection.execute(
        "SELECT current_user::text, current_database()::text, has_database_privilege(current_database(), 'CREATE')"
    ).fetchone()
    assert found is not None
    user, database, may_create = found
    if not may_create:
        yield _right(
            connection,
            f"the user {user} may not create schemas in the database {database}",
            sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(database), sql.Identifier(user)),
        )
    for schema in (target.live_schema, CONTROL_SCHEMA):
        yield from _foreign_objects(connection, schema, user)
    if target.reader_role:
        row = connection.execute(
            "SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = %s", (target.reader_role,)
        ).fetchone()
        if row is not None and not row[0]:
            yield _right(
                connection,
                f"the user {user} is not a member of {target.reader_role} and cannot verify what dashboards see",
                sql.SQL("GRANT {} TO {}").format(sql.Identifier(target.reader_role), sql.Identifier(user)),
            )


def _foreign_objects(connection: Connection, schema: str, user: str) -> Iterator[MissingRight]:
    """The schema and everything in it that belongs to a role whose rights this user does not have.

    A ledger that another deployer keeps is shared and stays with its owner; a live schema has one deployer.
    """
    rows = connection.execute(
        """
        WITH foreign_object(kind, name, owner) AS (
            SELECT 'SCHEMA', NULL, nspowner FROM pg_namespace WHERE nspname = %(schema)s
            UNION ALL
            SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
                   c.relname::text, c.relowner
              FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm')
        )
        SELECT kind, name, r.rolname::text, r.rolsuper FROM foreign_object JOIN pg_roles r ON r.oid = owner
         WHERE NOT pg_has_role(owner, 'USAGE') ORDER BY 1, 2
        """,
        {"schema": schema},
    ).fetchall()
    shared = {owner for _, _, owner, is_superuser in rows if schema == CONTROL_SCHEMA and not is_superuser}
    for owner in sorted(shared):
        yield _right(
            connection,
            f"the ledger in {schema} is kept by {owner}, whose rights {user} does not have",
            sql.SQL("GRANT {} TO {}").format(sql.Identifier(owner), sql.Identifier(user)),
        )
    for kind, name, owner, _ in rows:
        if owner in shared:
            continue
        identifier = sql.Identifier(schema) if name is None else sql.Identifier(schema, name)
        yield _right(
            connection,
            f"the {kind.lower()} {schema if name is None else f'{schema}.{name}'} belongs to {owner}, not to {user}",
            sql.SQL("ALTER {} {} OWNER TO {}").format(sql.SQL(kind), identifier, sql.Identifier(user)),
        )


def _right(connection: Connection, reason: str, statement: sql.Composed) -> MissingRight:
    return MissingRight(reason, statement.as_string(connection))
