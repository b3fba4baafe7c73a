"""The control schema `sdconsole` itself: its tables and the numbered steps that make and change them.

A step is never edited once released; a change is a new one at the end. Knows nothing of what the rows mean.
"""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from sdconsole.errors import CheckFailed
from sdconsole.target.connect import Connection
from sdconsole.target.names import CONTROL_SCHEMA

_SETUP_KEY: Final = 6_075_271_834_201_001
"""Advisory lock of whoever sets the schema up; the number only has to be this product's own."""

_FIRST: Final = """
CREATE TABLE sdconsole.deployment (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    live_schema text NOT NULL,
    version text NOT NULL,
    run_id text NOT NULL,
    mode text NOT NULL,
    canary boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'loading'
        CHECK (state IN ('loading', 'ready', 'live', 'previous', 'failed', 'dropped')),
    source text NOT NULL DEFAULT '',
    source_digest text NOT NULL DEFAULT '',
    clean_digest text NOT NULL DEFAULT '',
    rows jsonb NOT NULL DEFAULT '{}',
    tables jsonb NOT NULL DEFAULT '[]',
    score double precision,
    operator text NOT NULL,
    host text NOT NULL,
    previous text,
    reason text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ready_at timestamptz,
    live_at timestamptz,
    replaced_at timestamptz,
    ended_at timestamptz,
    switched_back_seconds double precision,
    views_digest text,
    views_major integer,
    CHECK (NOT (canary AND state IN ('live', 'previous')))
);
CREATE UNIQUE INDEX deployment_one_live ON sdconsole.deployment (live_schema) WHERE state = 'live';
CREATE UNIQUE INDEX deployment_version ON sdconsole.deployment (version) WHERE state <> 'dropped';
CREATE INDEX deployment_run ON sdconsole.deployment (run_id);

CREATE TABLE sdconsole.step (
    deployment_id bigint NOT NULL REFERENCES sdconsole.deployment,
    table_name text NOT NULL,
    rows bigint NOT NULL CHECK (rows >= 0),
    loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (deployment_id, table_name)
);

CREATE TABLE sdconsole.event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    run_id text NOT NULL,
    live_schema text NOT NULL,
    version text,
    kind text NOT NULL,
    operator text NOT NULL,
    host text NOT NULL,
    typed text NOT NULL DEFAULT '',
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX event_live_schema ON sdconsole.event (live_schema, id);
CREATE FUNCTION sdconsole.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $body$
BEGIN
    RAISE EXCEPTION 'sdconsole.event is append only' USING ERRCODE = 'restrict_violation';
END
$body$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON sdconsole.event
    FOR EACH ROW EXECUTE FUNCTION sdconsole.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON sdconsole.event
    FOR EACH STATEMENT EXECUTE FUNCTION sdconsole.refuse_change();

CREATE TABLE sdconsole.run_lock (
    live_schema text PRIMARY KEY,
    run_id text NOT NULL,
    operator text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    backend_pid integer NOT NULL,
    stage text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    stage_since timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE VIEW sdconsole.live AS
    SELECT live_schema, version, run_id, mode, score, rows, live_at, previous
    FROM sdconsole.deployment WHERE state = 'live';
"""

MIGRATIONS: Final = (_FIRST,)


def ensure_ledger(connection: Connection, *, reader_role: str = "") -> None:
    """Makes the control schema or brings it up to date; safe when several sessions do it at once.

    With `reader_role` that role, where it exists, may read `sdconsole.live`, which tells dashboards the version they
    show. Raises CheckFailed "ledger-newer", "ledger-foreign" or "ledger-privilege", and psycopg.Error.
    """
    try:
        if _number(connection) != len(MIGRATIONS):
            outermost = connection.info.transaction_status is TransactionStatus.IDLE
            with connection.transaction():
                if outermost:  # a role's default of REPEATABLE READ would hide what others committed meanwhile
                    connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                _migrate(connection)
        if reader_role:
            _let_read(connection, reader_role)
    except (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateFunction) as error:
        raise CheckFailed(
            "ledger-foreign",
            f"the schema {CONTROL_SCHEMA} holds tables that sdconsole did not make",
            cause=error.diag.message_primary or "",
            next_step=f"rename that schema, or deploy into a database without a schema called {CONTROL_SCHEMA}",
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise CheckFailed(
            "ledger-privilege",
            f"{connection.info.user} may not keep the ledger in {connection.info.dbname}",
            cause=error.diag.message_primary or "",
            next_step=_missing_grant(connection),
        ) from error


def _missing_grant(connection: Connection) -> str:
    """The statement that lets this user keep the ledger: with its owner, where another one keeps it already."""
    owner = None
    if connection.info.transaction_status is TransactionStatus.IDLE:
        owner = connection.execute(
            "SELECT r.rolname::text, r.rolsuper FROM pg_catalog.pg_namespace n"
            " JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner WHERE n.nspname = 'sdconsole'"
        ).fetchone()
    user, database = sql.Identifier(connection.info.user), sql.Identifier(connection.info.dbname)
    if owner is None:
        statement = sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, user)
    elif owner[1]:
        statement = sql.SQL("ALTER SCHEMA sdconsole OWNER TO {}, and every table in it").format(user)
    else:
        statement = sql.SQL("GRANT {} TO {}").format(sql.Identifier(owner[0]), user)
    return statement.as_string(connection)


def _migrate(connection: Connection) -> None:
    connection.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", [_SETUP_KEY])
    number = _number(connection)
    if number > len(MIGRATIONS):
        raise CheckFailed(
            "ledger-newer",
            f"the ledger in {connection.info.dbname} was written by a newer sdconsole",
            cause=f"its schema has number {number}, this program knows {len(MIGRATIONS)}",
            next_step="use the newer sdconsole",
        )
    if number == 0:
        connection.execute("CREATE SCHEMA IF NOT EXISTS sdconsole")
        connection.execute(
            "CREATE TABLE sdconsole.migration (number integer PRIMARY KEY,"
            " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
    for next_number, statements in enumerate(MIGRATIONS[number:], start=number + 1):
        connection.execute(statements)
        connection.execute("INSERT INTO sdconsole.migration (number) VALUES (%s)", [next_number])


def ledger_exists(connection: Connection) -> bool:
    # A scan, not to_regclass(): that may answer from a cache filled before another session made the table.
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'sdconsole' AND c.relname = 'migration')"
    ).fetchone()
    return row == (True,)


def _number(connection: Connection) -> int:
    """The newest migration that was applied; 0 without a ledger."""
    if not ledger_exists(connection):
        return 0
    row = connection.execute("SELECT coalesce(max(number), 0) FROM sdconsole.migration").fetchone()
    assert row is not None
    return int(row[0])


def _let_read(connection: Connection, role: str) -> None:
    if _may_read(connection, role) is not False:
        return
    with connection.transaction():
        connection.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", [_SETUP_KEY])
        if _may_read(connection, role) is False:
            grants = "GRANT USAGE ON SCHEMA sdconsole TO {role}; GRANT SELECT ON sdconsole.live TO {role}"
            connection.execute(sql.SQL(grants).format(role=sql.Identifier(role)))


def _may_read(connection: Connection, role: str) -> bool | None:
    """None where there is no such role."""
    row = connection.execute(
        "SELECT has_schema_privilege(r.oid, c.relnamespace, 'USAGE') AND has_table_privilege(r.oid, c.oid, 'SELECT')"
        " FROM pg_catalog.pg_roles r, pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE r.rolname = %s AND n.nspname = 'sdconsole' AND c.relname = 'live'",
        [role],
    ).fetchone()
    return None if row is None else bool(row[0])
