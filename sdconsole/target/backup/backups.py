"""Makes and verifies backups: a consistent copy of the export, and a dump of one version schema.

Each is a file that appears whole, with a manifest beside it; a backup is verified against its own manifest, never
against what the source or the server holds today. Knows nothing about stages.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sdconsole.errors import CheckFailed, SourceRefused
from sdconsole.source.catalog import count_rows, read_catalog
from sdconsole.source.open import file_sha256, open_source, quick_check, snapshot
from sdconsole.target.backup.dump import dump_version, read_whole_archive
from sdconsole.target.backup.manifest import (
    Backup,
    Manifest,
    expired_backups,
    free_path,
    list_backups,
    manifest_path,
    read_manifest,
    record,
    remove_backup,
)
from sdconsole.target.clients import BackupToolMissing, find_client

__all__ = [
    "Backup",
    "BackupToolMissing",
    "Manifest",
    "Verified",
    "backup_source",
    "dump_version",
    "expired_backups",
    "find_client",
    "list_backups",
    "manifest_path",
    "remove_backup",
    "verify_backup",
]

Check = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """A backup that is what its manifest says. `proofs` says in words what was compared."""

    backup: Backup
    proofs: tuple[str, ...]


def _go_on() -> None:
    """The check of a caller that never stops."""


def backup_source(
    source: Path,
    folder: Path,
    *,
    run_id: str,
    created: datetime,
    progress: Callable[[int, int | None], None],
    scratch: Path | None = None,
) -> Backup:
    """A consistent, checked and counted copy of the export in `folder`, named `<stem>.<UTC>-<run id>.db`.

    `created` must be aware. `progress` counts pages and may raise. Raises what `snapshot` raises; then no file is left.
    """
    path = free_path(folder, source.stem, run_id, created, ".db")
    facts = snapshot(source, path, progress=progress, scratch=scratch, thorough=True)
    return record(
        path,
        kind="sqlite",
        subject=source.name,
        origin=os.path.realpath(source),
        sha256=facts.sha256,
        rows=facts.rows,
        tools={"sqlite": sqlite3.sqlite_version},
        run_id=run_id,
        created=created,
    )


def verify_backup(path: Path, *, check: Check = _go_on, programs: Path | None = None) -> Verified:
    """Proves that the file is what its own manifest says, to the last bit, and that it can be read to its end.

    Raises CheckFailed "backup-missing", "backup-manifest-missing", "backup-manifest-damaged" or "backup-damaged", and
    BackupToolMissing where there is no pg_restore to read a dump with.
    """
    if not path.is_file():
        raise CheckFailed(
            "backup-missing",
            f"there is no backup file {path}",
            cause="it was removed, renamed or is no plain file",
            next_step="give the path of another backup",
        )
    manifest = read_manifest(path)
    size_bytes = path.stat().st_size
    if size_bytes != manifest.size_bytes:
        raise _damaged(path, f"it has {size_bytes:,} bytes, its manifest says {manifest.size_bytes:,}")
    if file_sha256(path, check=check) != manifest.sha256:
        raise _damaged(path, "its SHA-256 is not the one in its manifest")
    proofs = [f"{size_bytes:,} bytes with the recorded SHA-256"]
    if manifest.kind == "sqlite":
        proofs.append(_verify_copy(path, manifest, check))
    else:
        major = int(manifest.tools["pg_dump"].split(".")[0])
        version = read_whole_archive(path, path.name, major, programs, check)
        proofs.append(f"the whole archive read by pg_restore {version}")
    return Verified(Backup(path, manifest), tuple(proofs))


def _verify_copy(path: Path, manifest: Manifest, check: Check) -> str:
    try:
        with closing(open_source(path, check=check)) as connection:
            findings = quick_check(connection, thorough=True, check=check)
            if findings:
                raise _damaged(path, "; ".join(findings[:3]))
            with connection.checking(check):
                rows = {table.name: count_rows(connection, table.name) for table in read_catalog(connection).tables}
    except SourceRefused as error:
        raise _damaged(path, f"{error.message} ({error.cause})") from error
    if rows != dict(manifest.rows):
        raise _damaged(path, "its tables do not hold the rows that were recorded")
    return f"integrity check passed, {sum(rows.values()):,} rows in {len(rows)} tables as recorded"


def _damaged(path: Path, cause: str) -> CheckFailed:
    return CheckFailed("backup-damaged", f"{path.name} is damaged", cause=cause, next_step="use another backup")
