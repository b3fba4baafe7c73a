"""Dumps one schema with pg_dump and proves that the archive can be read to its end.

The rows are counted in the snapshot that pg_dump reads. Whatever ends the dump, no half file stays behind, and no
password is ever part of a command line.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole.errors import CheckFailed, OperationFailed, UsageError
from sdconsole.source.open import file_sha256, new_file
from sdconsole.target.backup.archive import refuse_unknown
from sdconsole.target.backup.manifest import Backup, free_path, record
from sdconsole.target.clients import Ended, find_client, run_client
from sdconsole.target.connect import Connection, Target, connect, server_facts
from sdconsole.target.failures import classify

Check = Callable[[], None]


def _go_on() -> None:
    """The check of a caller that never stops."""


def dump_version(
    target: Target,
    schema: str,
    folder: Path,
    *,
    run_id: str,
    created: datetime,
    check: Check = _go_on,
    programs: Path | None = None,
    deadline_seconds: float | None = None,
) -> Backup:
    """A pg_dump archive (custom format) of one schema in `folder`, named `<schema>.<UTC>-<run id>.dump`.

    The rows in the manifest were counted in the very snapshot that was dumped. `check` is called ten times a second
    and may raise; pg_dump is ended then. Whatever ends the dump, no file is left. Raises BackupToolMissing, CheckFailed
    "backup-schema-missing" or "backup-unrestorable", OperationFailed "dump-failed" or "disk-full", DeadlineExceeded,
    and what `connect` raises.
    """
    with closing(connect(target, application=f"sdconsole:{run_id}", autocommit=False)) as connection:
        try:
            facts = server_facts(connection)
            connection.rollback()
            pg_dump, version = find_client("pg_dump", facts.major, programs=programs)
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            rows = _count_schema(connection, schema, check)
            exported = _one_text(connection, "SELECT pg_catalog.pg_export_snapshot()")
        except psycopg.Error as error:
            raise classify(error) from error
        path = free_path(folder, schema, run_id, created, ".dump")
        conninfo, password = _client_login(connection, run_id)
        command: list[str | Path] = [
            pg_dump,
            "--format=custom",
            f"--schema={_pattern(schema)}",
            f"--snapshot={exported}",
            "--lock-wait-timeout=5000",
            "--no-password",
            f"--dbname={conninfo}",
        ]
        with new_file(path) as temporary:
            ended = run_client(
                [*command, f"--file={temporary}"], check=check, password=password, deadline_seconds=deadline_seconds
            )
            if ended.returncode:
                raise _dump_failed(schema, folder, ended, password)
            read_whole_archive(temporary, path.name, facts.major, programs, check)
            refuse_unknown(temporary, f"the dump of {schema}", facts.major, programs=programs)
            sha256 = file_sha256(temporary, check=check)
    return record(
        path,
        kind="postgresql",
        subject=schema,
        origin=f"{facts.host}:{facts.port}/{facts.database}/{schema}",
        sha256=sha256,
        rows=rows,
        tools={"pg_dump": version, "server": facts.version},
        run_id=run_id,
        created=created,
    )


def read_whole_archive(archive: Path, name: str, major: int, programs: Path | None, check: Check) -> str:
    """Lets pg_restore read and unpack every byte; listing the contents accepts damaged files. Returns its version."""
    pg_restore, version = find_client("pg_restore", major, programs=programs)
    ended = run_client([pg_restore, "--file=/dev/null", archive], check=check)
    if ended.returncode:
        raise CheckFailed(
            "backup-damaged",
            f"the dump {name} cannot be read to its end",
            cause=ended.message.splitlines()[0] if ended.message else f"pg_restore ended with {ended.returncode}",
            next_step="use another backup",
        )
    return version


def _count_schema(connection: Connection, schema: str, check: Check) -> dict[str, int]:
    """Rows of every table and materialized view of the schema, by name."""
    exists = connection.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", [schema]).fetchone()
    if exists is None:
        raise CheckFailed(
            "backup-schema-missing",
            f"there is no schema {schema} to dump",
            cause="it was dropped or never existed in this database",
            next_step="sdconsole versions list",
        )
    names = connection.execute(
        "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relkind IN ('r', 'm') ORDER BY c.relname",
        [schema],
    ).fetchall()
    rows: dict[str, int] = {}
    for (name,) in names:
        check()
        counted = connection.execute(
            sql.SQL("SELECT pg_catalog.count(*) FROM ONLY {}").format(sql.Identifier(schema, name))
        ).fetchone()
        assert counted is not None
        rows[name] = counted[0]
    return rows


def _one_text(connection: Connection, query: str) -> str:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return str(row[0])


def _client_login(connection: Connection, run_id: str) -> tuple[str, str]:
    """A connection string without any secret for the very server this connection reached, and the password.

    Services, PG* variables and password files were resolved by libpq already. Raises UsageError for a client key that
    is itself locked with a password: no program but this one can be given that without writing it down.
    """
    info = connection.info
    settings = info.get_parameters()
    if settings.pop("sslpassword", ""):
        raise UsageError(
            "backup-sslpassword",
            "pg_dump cannot be given the password of the client key",
            cause="the target's settings hold sslpassword, which libpq takes from the connection string only",
            next_step="use a client key without a password, readable by this user alone",
        )
    by_address = "hostaddr" in settings
    if settings.get("sslcertmode") == "allow":  # libpq fills in this default; clients before 16 do not know the word
        settings.pop("sslcertmode")
    for name in ("service", "servicefile", "target_session_attrs", "load_balance_hosts", "hostaddr", "passfile"):
        settings.pop(name, None)
    if by_address:
        settings["hostaddr"] = info.hostaddr
    settings |= {"host": info.host, "port": str(info.port), "application_name": f"sdconsole:{run_id}"}
    return make_conninfo("", **{name: value for name, value in settings.items() if value}), info.password


def _pattern(schema: str) -> str:
    """The name as a pattern that pg_dump takes literally."""
    return '"' + schema.replace('"', '""') + '"'


def _dump_failed(schema: str, folder: Path, ended: Ended, password: str) -> OperationFailed:
    said = ended.message.replace(password, "***") if password else ended.message
    full = "No space left on device" in said or "Disk quota exceeded" in said
    cause = said.splitlines()[0] if said else f"pg_dump ended with {ended.returncode}"
    if ended.returncode < 0:
        cause = f"pg_dump was ended by signal {-ended.returncode}"
    return OperationFailed(
        "disk-full" if full else "dump-failed",
        f"no space left for the dump of {schema}" if full else f"{schema} could not be dumped",
        cause=cause,
        state="the unfinished dump was removed, the schema was only read",
        next_step=f"free space on the file system of {folder}, or use another backup folder, then try again"
        if full
        else "see the cause; try again when it is gone",
    )
