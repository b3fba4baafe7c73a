"""The library beside the runs: backups to look at and thin out, versions to drop, a target to look at, roles to make.

Nothing here changes what readers see. What removes something can say beforehand what would go, and why the rest stays.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from sdconsole.config import EMBEDDED, Settings
from sdconsole.core import runs
from sdconsole.errors import CheckFailed, OperationFailed, TargetUnreachable, Verdict, from_os_error
from sdconsole.service import current_operator, embedded_server, resolve_target
from sdconsole.stages.deployment import now
from sdconsole.stages.place import target_place
from sdconsole.target.backup.backups import (
    Backup,
    BackupToolMissing,
    Verified,
    list_backups,
    remove_backup,
    verify_backup,
)
from sdconsole.target.backup.restore import rehearse_restore
from sdconsole.target.backup.retention import Judged, judge_backups
from sdconsole.target.connect import Connection, Target, connect, server_facts
from sdconsole.target.conninfo import effective_settings
from sdconsole.target.embedded.logins import DATABASE
from sdconsole.target.failures import classify
from sdconsole.target.ledger.lock import holder
from sdconsole.target.ledger.record import Actor
from sdconsole.target.ledger.rows import Deployment, deployments, live_deployment
from sdconsole.target.ledger.schema import ledger_exists
from sdconsole.target.live.published import drift, view_sources
from sdconsole.target.live.versions import Pruned, prunable, prune
from sdconsole.target.names import is_version_of
from sdconsole.target.rights.setup_role import setup_role_sql
from sdconsole.target.schema_shape import schema_exists


def backups_folder(settings: Settings) -> Path:
    return settings.state_dir / "backups"


def backups(settings: Settings) -> tuple[Backup, ...]:
    """The backups in the state folder, oldest first: files with an intact manifest. Their content is not read."""
    return list_backups(backups_folder(settings))


def backup_path(settings: Settings, given: Path) -> Path:
    """The path itself, or for a plain name that is not a file here, the backup of that name in the state folder."""
    kept = backups_folder(settings) / given.name
    return kept if not given.exists() and given == Path(given.name) and kept.is_file() else given


def verify(settings: Settings, path: Path, *, rehearse: bool = False) -> Verified:
    """Proves a backup against its manifest; with `rehearse` a dump is also restored on the target and taken back.

    Raises what `verify_backup` and `rehearse_restore` raise.
    """
    verified = verify_backup(path)
    if not rehearse or verified.backup.kind == "sqlite":
        return verified
    with _asking(settings) as (target, connection):
        restored = rehearse_restore(connection, verified.backup, progress=lambda _done, _total: None)
        rows = f"{sum(restored.rows.values()):,} rows in {len(restored.rows)} tables as recorded"
    return replace(verified, proofs=(*verified.proofs, f"restored on {target.name}, {rows}, and taken back"))


def prune_backups(
    settings: Settings, *, keep_days: int = 7, keep: int = 3, dry_run: bool = False
) -> tuple[Judged, ...]:
    """Removes the backups of this target that nothing needs any more; returns all of them with what was decided.

    A backup goes when it is older than `keep_days`, not one of the newest `keep` of its kind, not the newest intact
    one, and not of a run that waits, is alive, or made a version that still exists. Raises what asking the target
    raises: without its ledger nothing is removed. Files without an intact manifest are nobody's business here.
    """
    every = backups(settings)
    with _asking(settings) as (target, connection):
        needed = _runs_with_versions(connection, target.live_schema) | _waiting_runs(settings)
    places = {backup.path: _other_place(settings, backup) for backup in every}
    ours = judge_backups(
        (backup for backup in every if not places[backup.path]),
        now=now(),
        keep_age=timedelta(days=keep_days),
        keep_count=keep,
        needed_by=needed,
        is_intact=_is_intact,
    )
    if not dry_run:
        for judged in ours:
            if judged.may_go:
                _remove(judged.backup)
    others = tuple(Judged(backup, places[backup.path]) for backup in every if places[backup.path])
    return tuple(sorted((*ours, *others), key=lambda one: (one.backup.created, one.backup.path.name)))


def _runs_with_versions(connection: Connection, live_schema: str) -> set[str]:
    rows = deployments(connection, live_schema, canaries=True)
    return {row.run_id for row in rows if schema_exists(connection, row.version)}


def _waiting_runs(settings: Settings) -> set[str]:
    found = runs.list_runs(settings.state_dir)
    return {run.run_id for run in found if run.alive or run.verdict is Verdict.HELD}


def _other_place(settings: Settings, backup: Backup) -> str:
    """Why the backup is of no concern to this target; "" when it is its own, or its run is not on record any more."""
    here = target_place(settings.model_dump(mode="json"))
    folder = runs.runs_folder(settings.state_dir) / backup.manifest.run_id
    try:
        there = target_place(runs.read_request(folder).settings)
    except OperationFailed:
        foreign = backup.kind == "postgresql" and not is_version_of(backup.manifest.subject, here[1])
        return f"not a version of {here[1]}" if foreign else ""
    return "" if there == here else f"made for {there[1]} at {there[0]}"


def _is_intact(backup: Backup) -> bool:
    try:
        verify_backup(backup.path)
    except BackupToolMissing:
        raise
    except CheckFailed:
        return False
    return True


def _remove(backup: Backup) -> None:
    try:
        remove_backup(backup)
    except OSError as error:
        raise from_os_error(error, f"{backup.path} cannot be removed") from error


def prunable_versions(settings: Settings, *, keep: int, minimum_age: timedelta) -> tuple[Deployment, ...]:
    """What `prune_versions` would drop, oldest first."""
    with _asking(settings) as (target, connection):
        if not ledger_exists(connection):
            return ()
        return prunable(connection, target.live_schema, keep, now=now(), minimum_age=minimum_age)


def prune_versions(settings: Settings, *, keep: int, minimum_age: timedelta) -> Pruned:
    """Drops versions that are of no more use; never the live one nor the one that a rollback would go to."""
    with _asking(settings) as (target, connection):
        if not ledger_exists(connection):
            return Pruned()
        actor = Actor("versions-prune", current_operator(), socket.gethostname())
        return prune(connection, target.live_schema, keep, now=now(), actor=actor, minimum_age=minimum_age)


@dataclass(frozen=True, slots=True)
class TargetLook:
    """What a target shows its readers. `version` is what the views read, whatever the ledger says; `drift` says where
    the two differ and how to repair it; `holder` is the run that works on it now. Times are aware UTC."""

    target: str
    server: str
    live_schema: str
    version: str | None
    rows: int
    score: float | None
    since: datetime | None
    run_id: str | None
    drift: str | None
    holder: str | None


def look_at_target(settings: Settings) -> TargetLook:
    """Asks the server. Looking starts none: raises TargetUnreachable ("server-stopped") for an embedded one at rest."""
    if settings.target == EMBEDDED and not settings.dsn and not embedded_server(settings).status().ready:
        raise TargetUnreachable(
            "server-stopped",
            "the embedded server does not run now",
            cause=f"nothing answers for {settings.embedded_root}",
            next_step="sdconsole db start",
        )
    with _asking(settings) as (target, connection):
        facts = server_facts(connection)
        sources = view_sources(connection, target.live_schema).values()
        read = sorted({one for schemas in sources for one in schemas if is_version_of(one, target.live_schema)})
        row = live_deployment(connection, target.live_schema)
        holding = holder(connection, target.live_schema) if ledger_exists(connection) else None
        return TargetLook(
            target=target.name,
            server=f"PostgreSQL {facts.version} at {facts.host}:{facts.port}/{facts.database}",
            live_schema=target.live_schema,
            version=", ".join(read) or None,
            rows=row.rows_total if row else 0,
            score=row.score if row else None,
            since=row.live_at if row else None,
            run_id=row.run_id if row else None,
            drift=drift(connection, target.live_schema),
            holder=holding.describe() if holding else None,
        )


def roles_script(settings: Settings, *, deployer: str, reader: str | None = None, database: str | None = None) -> str:
    """The SQL that makes a deployer and a reader for the target, with the target's own names where none are given."""
    target = settings.target_settings()
    own = effective_settings(target.dsn).get("dbname") if target.dsn else None
    return setup_role_sql(
        deployer=deployer,
        reader=reader or target.reader_role,
        database=database or own or DATABASE,
        live_schema=target.live_schema,
    )


@contextmanager
def _asking(settings: Settings) -> Iterator[tuple[Target, Connection]]:
    """A session on the target; its errors come out in the operator's form."""
    target = resolve_target(settings)
    with closing(connect(target, application="sdconsole:upkeep")) as connection:
        try:
            yield target, connection
        except psycopg.Error as error:
            raise classify(error) from error
