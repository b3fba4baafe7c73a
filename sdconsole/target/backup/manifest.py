"""The manifest beside each backup: what the backup is, what it must look like, and what made it.

A file is a backup of ours only together with its manifest, which appears last; files without one are never listed,
verified or removed. The manifest carries a checksum of itself. Knows neither SQLite nor PostgreSQL.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from sdconsole import __version__
from sdconsole.errors import CheckFailed
from sdconsole.source.output import new_file

SCHEMA = 1
ENDING = ".manifest.json"

Kind = Literal["sqlite", "postgresql"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is recorded. `subject` is the export's name or the dumped schema; `source_path_sha256` tells two sources
    apart without naming them (the export's real path, or host, port, database and schema); `rows` by table;
    `tools` are program names with their versions; `created` is UTC, ISO 8601 to the second, ending in Z."""

    schema: int
    kind: Kind
    file: str
    subject: str
    sha256: str
    size_bytes: int
    source_path_sha256: str
    rows: Mapping[str, int]
    tools: Mapping[str, str]
    run_id: str
    created: str


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup: the file and its manifest."""

    path: Path
    manifest: Manifest

    @property
    def manifest_path(self) -> Path:
        return manifest_path(self.path)

    @property
    def kind(self) -> Kind:
        return self.manifest.kind

    @property
    def rows(self) -> Mapping[str, int]:
        return self.manifest.rows

    @property
    def size_bytes(self) -> int:
        return self.manifest.size_bytes

    @property
    def created(self) -> datetime:
        """Aware, in UTC."""
        return datetime.fromisoformat(self.manifest.created)


_ADAPTER = TypeAdapter(Manifest)


def manifest_path(backup: Path) -> Path:
    """Where the manifest of this backup file is."""
    return backup.with_name(backup.name + ENDING)


def utc_text(moment: datetime) -> str:
    """`2026-11-21T03:15:00Z`. Raises ValueError for a naive time."""
    if moment.tzinfo is None:
        raise ValueError("a backup needs an aware time")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def free_path(folder: Path, stem: str, run_id: str, created: datetime, suffix: str) -> Path:
    """`<stem>.<YYYYMMDDTHHMMSSZ>-<run id><suffix>`, with `-2`, `-3` ... where such a backup exists already."""
    safe = "".join(character if character.isprintable() and character not in "/\\" else "_" for character in stem)
    base = f"{safe.lstrip('.-')[:80] or 'export'}.{created.astimezone(UTC):%Y%m%dT%H%M%SZ}-{run_id}"
    path, number = folder / f"{base}{suffix}", 1
    while path.exists() or path.is_symlink():
        number += 1
        path = folder / f"{base}-{number}{suffix}"
    return path


def record(
    path: Path,
    *,
    kind: Kind,
    subject: str,
    origin: str,
    sha256: str,
    rows: Mapping[str, int],
    tools: Mapping[str, str],
    run_id: str,
    created: datetime,
) -> Backup:
    """Writes the manifest of a finished file beside it (0600); `origin` is kept as a digest only.

    Without its manifest a file would never be found again, so it is removed when that cannot be written. Raises what
    `new_file` raises.
    """
    manifest = Manifest(
        schema=SCHEMA,
        kind=kind,
        file=path.name,
        subject=subject,
        sha256=sha256,
        size_bytes=path.stat().st_size,
        source_path_sha256=hashlib.sha256(os.fsencode(origin)).hexdigest(),
        rows=dict(rows),
        tools={**tools, "sdconsole": __version__},
        run_id=run_id,
        created=utc_text(created),
    )
    try:
        with new_file(manifest_path(path)) as temporary:
            temporary.write_bytes(_encode(manifest))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Backup(path, manifest)


def _encode(manifest: Manifest) -> bytes:
    document = asdict(manifest)
    plain = json.dumps(document, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    document["checksum"] = hashlib.sha256(plain.encode()).hexdigest()
    return json.dumps(document, ensure_ascii=True, indent=1).encode() + b"\n"


def read_manifest(backup: Path) -> Manifest:
    """Raises CheckFailed "backup-manifest-missing" or "backup-manifest-damaged"."""
    path = manifest_path(backup)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CheckFailed(
            "backup-manifest-missing",
            f"{backup.name} has no manifest that can be read",
            cause=str(error),
            next_step="use a backup that sdconsole made, or copy its .manifest.json to where the backup is",
        ) from error
    try:
        document = json.loads(raw)
        known = {name: document[name] for name in (field.name for field in fields(Manifest))}
        manifest = _ADAPTER.validate_json(json.dumps(known), strict=True)
        intact = raw == _encode(manifest) and manifest.schema == SCHEMA and manifest.file == backup.name
        cause = "it is not what was written" if not intact else ""
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        cause = f"{type(error).__name__} while reading it"
    if cause:
        raise CheckFailed(
            "backup-manifest-damaged",
            f"the manifest of {backup.name} is damaged",
            cause=f"{path.name}: {cause}; the backup cannot be proved with it",
            next_step="use another backup",
        )
    return manifest


def list_backups(folder: Path) -> tuple[Backup, ...]:
    """All own backups in the folder, oldest first: files with an intact manifest and the size it says.

    Their content is not read; `verify_backup` does that. An absent folder holds none.
    """
    found = []
    for path in folder.glob(f"*{ENDING}"):
        backup = path.with_name(path.name.removesuffix(ENDING))
        try:
            manifest = read_manifest(backup)
        except CheckFailed:
            continue
        if backup.is_file() and not backup.is_symlink() and backup.stat().st_size == manifest.size_bytes:
            found.append(Backup(backup, manifest))
    return tuple(sorted(found, key=lambda backup: (backup.created, backup.path.name)))


def expired_backups(
    backups: Iterable[Backup], *, now: datetime, keep: timedelta, in_use: Collection[str] = ()
) -> tuple[Backup, ...]:
    """The backups that may be removed: older than `keep`, not the newest of their subject, of no run in `in_use`.

    `in_use` holds the run ids of the versions that still exist.
    """
    every = tuple(backups)
    newest: dict[tuple[Kind, str], Backup] = {}
    for backup in sorted(every, key=lambda one: (one.created, one.path.name)):
        newest[backup.kind, backup.manifest.source_path_sha256] = backup
    return tuple(
        backup
        for backup in every
        if now - backup.created > keep and backup not in newest.values() and backup.manifest.run_id not in in_use
    )


def remove_backup(backup: Backup) -> None:
    """Removes the manifest first, so that what is left is never taken for a backup. Raises OSError."""
    backup.manifest_path.unlink(missing_ok=True)
    backup.path.unlink(missing_ok=True)
