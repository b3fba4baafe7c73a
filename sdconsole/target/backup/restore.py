"""Brings a dumped version back as a new version schema, in one transaction and without touching any other schema.

The archive can only make the schema it was made of. Where that name is taken, the schema that has it steps aside for
the time of the transaction: nobody else ever sees it under another name, because a rename is seen by others only at
COMMIT, and by then every schema has its own name again. What was restored gets a new version's name. All of it is
there afterwards, counted against the backup's manifest, or nothing is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from sdconsole.errors import CheckFailed
from sdconsole.target.backup.archive import Statement, open_archive
from sdconsole.target.backup.manifest import Backup
from sdconsole.target.catalog import extension_schema
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.record import record_step
from sdconsole.target.names import check_schema_name
from sdconsole.target.schema_shape import TABLE_KINDS, schema_exists, shapes

Progress = Callable[[int, int | None], None]
_CHUNK_BYTES: Final = 262_144
_CHUNK_ROWS: Final = 10_000
_NO_EXTENSION: Final = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.UndefinedFile,
    psycopg.errors.InvalidSchemaName,
)


@dataclass(frozen=True, slots=True)
class Restored:
    """What the new schema holds: rows by table and materialised view, partitions among them. `skipped` says which
    index is missing and why."""

    schema: str
    rows: Mapping[str, int]
    skipped: tuple[str, ...]


def restore_version(
    connection: Connection,
    backup: Backup,
    version: str,
    *,
    deployment_id: int,
    reader_role: str = "",
    progress: Progress,
    programs: Path | None = None,
) -> Restored:
    """Restores a dump as the schema `version` and writes a step of that deployment for each table; all or nothing.

    connection: in autocommit and used for nothing else afterwards, since the archive sets parameters of the session.
    progress: called with rows done and rows in all, every 10,000 rows; it may raise. Raises CheckFailed
    "backup-damaged", "restore-unknown", "restore-differs", BackupToolMissing and psycopg.Error.
    """
    with connection.transaction():
        restored, tables = _restore(connection, backup, version, progress, programs)
        for role in ("PUBLIC", reader_role):
            _close(connection, version, role)
        for table in tables:
            record_step(connection, deployment_id, table, restored.rows[table])
    return restored


def rehearse_restore(
    connection: Connection, backup: Backup, *, progress: Progress, programs: Path | None = None
) -> Restored:
    """Restores the dump for real, counts it, and takes it all back: the last proof that it is good for something.

    Raises what `restore_version` raises.
    """
    with connection.transaction(force_rollback=True):
        return _restore(connection, backup, f"sdconsole_rehearsal_{secrets.token_hex(4)}", progress, programs)[0]


def _restore(
    connection: Connection, backup: Backup, version: str, progress: Progress, programs: Path | None
) -> tuple[Restored, tuple[str, ...]]:
    """The result and the names of its tables, inside the caller's transaction."""
    manifest = backup.manifest
    dumped = check_schema_name(manifest.subject)
    aside = f"sdconsole_aside_{secrets.token_hex(4)}" if schema_exists(connection, dumped) else None
    if aside is not None:
        _rename(connection, dumped, aside)
    skipped: list[str] = []
    count = _Count(sum(manifest.rows.values()), progress)
    major = int(manifest.tools["pg_dump"].split(".")[0])
    with open_archive(backup.path, major, programs=programs) as statements:
        for statement in statements:
            count.look()
            reason = _run(connection, statement, count)
            if reason:
                skipped.append(reason)
    _rename(connection, dumped, version)
    if aside is not None:
        _rename(connection, aside, dumped)
    rows = {name: _counted(connection, version, name, count) for name in _counted_relations(connection, version)}
    _compare(backup, rows)
    published = {shape.name: shape.kind for shape in shapes(connection, version)}
    for name in (name for name, kind in published.items() if kind == "p"):
        rows[name] = _counted(connection, version, name, count, only=False)
    tables = tuple(name for name, kind in published.items() if kind in TABLE_KINDS)
    return Restored(version, rows, tuple(skipped)), tables


@dataclass(slots=True)
class _Count:
    """Rows done so far, told to the caller."""

    total: int
    progress: Progress
    done: int = 0

    def add(self, rows: int) -> None:
        self.done += rows
        self.look()

    def look(self) -> None:
        self.progress(self.done, max(self.total, self.done))


def _run(connection: Connection, statement: Statement, count: _Count) -> str:
    """Runs one statement; "" or why an index was left out."""
    text = statement.text
    if statement.rows is not None:
        _copy(connection, statement, count)
        return ""
    if not text.startswith((b"CREATE INDEX ", b"CREATE UNIQUE INDEX ")):
        connection.execute(text)
        return ""
    _offer_trigrams(connection, text)
    try:
        with connection.transaction():
            connection.execute(text)
    except (psycopg.errors.UndefinedObject, psycopg.errors.InvalidSchemaName) as error:
        # An operator class of an extension that is not here, or lives in another schema here.
        return f"{text.partition(b' ON ')[0].decode(errors='replace')}: {error.diag.message_primary}"
    return ""


def _copy(connection: Connection, statement: Statement, count: _Count) -> None:
    assert statement.rows is not None
    with connection.cursor() as cursor, cursor.copy(statement.text) as copy:
        chunk: list[bytes] = []
        size = 0
        for row in statement.rows:
            chunk.append(row)
            size += len(row)
            if size >= _CHUNK_BYTES or len(chunk) >= _CHUNK_ROWS:
                copy.write(b"".join(chunk))
                count.add(len(chunk))
                chunk, size = [], 0
        copy.write(b"".join(chunk))
        count.add(len(chunk))


def _offer_trigrams(connection: Connection, index: bytes) -> None:
    """Makes the extension that the search indexes need, where this user may; a database made anew does not have it."""
    if b"_trgm_ops" in index and extension_schema(connection, "pg_trgm") is None:
        with suppress(*_NO_EXTENSION), connection.transaction():
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public")


def _rename(connection: Connection, old: str, new: str) -> None:
    connection.execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)))


def _counted_relations(connection: Connection, schema: str) -> tuple[str, ...]:
    """What a backup counts: tables with rows of their own and materialised views."""
    found = connection.execute(
        "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relkind IN ('r', 'm') ORDER BY c.relname",
        [schema],
    )
    return tuple(name for (name,) in found.fetchall())


def _counted(connection: Connection, schema: str, name: str, count: _Count, *, only: bool = True) -> int:
    """The rows of one relation, counted, with fresh statistics for the planner."""
    relation = sql.Identifier(schema, name)
    count.look()
    connection.execute(sql.SQL("ANALYZE {}").format(relation))
    query = sql.SQL("SELECT pg_catalog.count(*) FROM ONLY {}" if only else "SELECT pg_catalog.count(*) FROM {}")
    row = connection.execute(query.format(relation)).fetchone()
    assert row is not None
    return int(row[0])


def _compare(backup: Backup, rows: Mapping[str, int]) -> None:
    recorded = backup.manifest.rows
    wrong = [
        f"{name}: {rows.get(name, 'missing')} rows, {recorded.get(name, 'none')} were dumped"
        for name in sorted({*recorded, *rows})
        if rows.get(name) != recorded.get(name)
    ]
    if wrong:
        raise CheckFailed(
            "restore-differs",
            f"{backup.path.name} does not give back what was dumped",
            cause="; ".join(wrong[:10]),
            next_step="use another backup",
        )


def _close(connection: Connection, schema: str, role: str) -> None:
    """Takes every right in the schema that default privileges of the database may have given this role."""
    known = role == "PUBLIC" or connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    if not role or not known:
        return
    grantee = sql.SQL("PUBLIC") if role == "PUBLIC" else sql.Identifier(role)
    for what in ("ALL ON SCHEMA {}", "ALL ON ALL TABLES IN SCHEMA {}", "ALL ON ALL SEQUENCES IN SCHEMA {}"):
        objects = sql.SQL(what).format(sql.Identifier(schema))
        connection.execute(sql.SQL("REVOKE {} FROM {}").format(objects, grantee))
