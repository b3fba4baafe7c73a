"""The SQL that gives a deployer and a reader the rights they need, and no others. Text only: nobody runs it here.

The deployer may make schemas in one database and owns what it makes; the reader sees live schemas and nothing else,
because the deployer grants it the live views at each cutover.
"""

from __future__ import annotations

from psycopg import sql

from sdconsole.errors import UsageError
from sdconsole.target.names import CONTROL_SCHEMA, MAX_NAME_BYTES, check_live_schema

DEPLOYER = "servicedesk_deployer"


def setup_role_sql(*, deployer: str, reader: str, database: str, live_schema: str) -> str:
    """A commented script for an administrator's psql; it ends in a newline.

    Raises UsageError "role-name" for a name that PostgreSQL cannot hold, and "schema-name".
    """
    for name in (deployer, reader, database):
        _check(name)
    if deployer == reader:
        raise UsageError(
            "role-name",
            f"deployer and reader are both {deployer!r}",
            cause="a reader that may deploy is no reader",
            next_step="give two names: --deployer NAME --reader NAME",
        )
    names = {
        "deployer": _quoted(deployer),
        "reader": _quoted(reader),
        "database": _quoted(database),
        "live": _quoted(check_live_schema(live_schema)),
        "control": _quoted(CONTROL_SCHEMA),
        "deployer_text": sql.Literal(deployer).as_string(None),
        "reader_text": sql.Literal(reader).as_string(None),
        "tag": _tag(deployer, reader),
    }
    return _SCRIPT.format(**names)


def _check(name: str) -> None:
    if not name or not name.isprintable() or len(name.encode()) > MAX_NAME_BYTES:
        raise UsageError(
            "role-name",
            f"{name[:80]!r} cannot be a name in PostgreSQL",
            cause=f"a name has 1 to {MAX_NAME_BYTES} bytes, all of them printable",
            next_step="choose another name",
        )


def _tag(*names: str) -> str:
    """A dollar quote that ends nowhere inside these names."""
    tag = "$roles$"
    while any(tag in name for name in names):
        tag = f"{tag[:-1]}_$"
    return tag


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)


_SCRIPT = """\
-- Roles for sdconsole in the database {database}.
-- Read it, then run it as an administrator, connected to that database: psql -v ON_ERROR_STOP=1 -d ... -f this.sql
-- A role that exists already is left as it is: several deployers may share one reader.

BEGIN;

DO {tag}
BEGIN
  -- Deploys: makes version schemas, loads them, switches the live views. No superuser, no roles, no databases.
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {deployer_text}) THEN
    CREATE ROLE {deployer} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
  END IF;
  -- Reads what is live: the role that dashboards log in with.
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {reader_text}) THEN
    CREATE ROLE {reader} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
    ALTER ROLE {reader} SET default_transaction_read_only = on;
  END IF;
END
{tag};

GRANT CONNECT ON DATABASE {database} TO {deployer}, {reader};
-- The one right a deployment cannot do without: {live}, its versions and {control} are schemas that it makes itself.
GRANT CREATE ON DATABASE {database} TO {deployer};
-- The verify stage runs the dashboards' queries as the reader, so it must be able to become the reader.
GRANT {reader} TO {deployer};

COMMIT;

-- Nothing else is needed. The first cutover makes {live} and grants the reader USAGE on it and SELECT on its views;
-- version schemas stay closed to everybody but the deployer.
--
-- Give both a way to log in (a password here, or a certificate; never in a script):
--   \\password {deployer}
--   \\password {reader}
--
-- If these schemas exist already and belong to another role, hand them over, with everything in them:
--   ALTER SCHEMA {live} OWNER TO {deployer};
--   ALTER SCHEMA {control} OWNER TO {deployer};
--   sdconsole preflight SOURCE names each view and table that is still missing.
--
-- If another deployer keeps its ledger in {control} of this database already, share it and leave it to its owner:
--   GRANT that_deployer TO {deployer};
--
-- Optional, where you agree:
--   CREATE EXTENSION IF NOT EXISTS pg_trgm;             -- search indexes; without it they are left out
--   GRANT pg_read_all_stats TO {deployer};              -- shows what a session that blocks a cutover is running
--   GRANT pg_signal_backend TO {deployer};              -- lets the operator cancel such a session
--   REVOKE CREATE ON SCHEMA public FROM PUBLIC;         -- PostgreSQL 14 and older let everybody make tables there
"""
