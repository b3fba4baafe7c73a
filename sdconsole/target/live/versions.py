"""The versions of one live schema that are kept: list them, choose the one to go back to, drop those of no more use.

Only versions of the ledger are ever dropped, never the live one, and never by CASCADE: PostgreSQL itself refuses when
anything outside the version still reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import psycopg

from sdconsole.errors import CheckFailed, OperationFailed
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.lock import holder
from sdconsole.target.ledger.record import Actor, move
from sdconsole.target.ledger.rows import Deployment, VersionState, deployment_of, deployments, live_deployment
from sdconsole.target.live.dependents import dependents_outside, refused
from sdconsole.target.load.ddl import drop_version as drop_schema
from sdconsole.target.schema_shape import schema_exists

KEEP: Final = 3
_LOCK_TIMEOUT: Final = "2s"


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One kept version. `rows` are those of the export's tables; `size_bytes` counts tables, indexes and TOAST, None
    when the schema is gone."""

    version: str
    state: VersionState
    run_id: str
    mode: str
    canary: bool
    rows: int
    quarantine_entries: int
    score: float | None
    size_bytes: int | None
    created_at: datetime
    live_at: datetime | None
    is_rollback_target: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `prune` did. `skipped` says why a version that was of no more use is still there."""

    dropped: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)


def versions(connection: Connection, live_schema: str, *, canaries: bool = False) -> tuple[VersionRow, ...]:
    """Every version that was not dropped, newest first."""
    rows = deployments(connection, live_schema, canaries=canaries)
    back = _default_target(rows)
    sizes = _sizes(connection, [row.version for row in rows])
    return tuple(
        VersionRow(
            row.version,
            row.state,
            row.run_id,
            row.mode,
            row.canary,
            row.rows_total,
            row.quarantine_entries,
            row.score,
            sizes.get(row.version),
            row.created_at,
            row.live_at,
            back is not None and row.id == back.id,
            row.reason,
        )
        for row in rows
    )


def rollback_target(connection: Connection, live_schema: str, to: str | None = None) -> Deployment:
    """The version a rollback goes to: `to`, or the one that the live version replaced.

    After a rollback the next one goes further back; forward again is `to` by name. Raises CheckFailed "no-previous"
    when there is none, and "not-kept" when `to` cannot be gone back to.
    """
    rows = deployments(connection, live_schema)
    kept = [row.version for row in rows if row.state is VersionState.PREVIOUS]
    names = f"kept: {', '.join(kept)}" if kept else "no version is kept"
    if to is None:
        found = _default_target(rows)
        if found is None:
            live = live_deployment(connection, live_schema)
            raise CheckFailed(
                "no-previous",
                f"{live_schema} has no earlier version to go back to",
                cause=f"{live.version} is live, nothing before it is kept; {names}" if live else "nothing is live",
                next_step="sdconsole rollback --to VERSION, or sdconsole restore BACKUP",
            )
    else:
        chosen = [row for row in rows if row.version == to and row.state in (VersionState.PREVIOUS, VersionState.LIVE)]
        if not chosen:
            raise CheckFailed(
                "not-kept",
                f"{live_schema} cannot go back to {to}",
                cause=names,
                next_step="sdconsole versions list",
            )
        found = chosen[0]
    if not schema_exists(connection, found.version):
        raise CheckFailed(
            "not-kept",
            f"{live_schema} cannot go back to {found.version}",
            cause="the ledger lists it, but the schema does not exist any more",
            next_step="sdconsole rollback --to another version, or sdconsole restore BACKUP",
        )
    return found


def prunable(
    connection: Connection, live_schema: str, keep: int = KEEP, *, now: datetime, minimum_age: timedelta = timedelta(0)
) -> tuple[Deployment, ...]:
    """What `prune` with the same arguments would drop, oldest first. Raises psycopg.Error."""
    rows = deployments(connection, live_schema, canaries=True)
    if not rows:
        return ()
    wanted = _kept(rows, keep)
    holding = holder(connection, live_schema)
    return tuple(
        row
        for row in reversed(rows)
        if row.id not in wanted
        and (holding is None or row.run_id != holding.run_id or row.state is VersionState.PREVIOUS)
        and now - row.created_at >= minimum_age
    )


def prune(
    connection: Connection,
    live_schema: str,
    keep: int = KEEP,
    *,
    now: datetime,
    actor: Actor,
    minimum_age: timedelta = timedelta(0),
) -> Pruned:
    """Drops what is of no more use: failed and dead loads, canaries left over, and usable versions beyond `keep`.

    Never the live version, the one a rollback would go to, one that is ready and newer than the live one, anything of
    the run that holds the lock, or anything younger than `minimum_age` at `now`. A version that others still read is
    skipped. Raises psycopg.Error.
    """
    dropped: list[str] = []
    skipped: dict[str, str] = {}
    for row in prunable(connection, live_schema, keep, now=now, minimum_age=minimum_age):
        try:
            drop_version(connection, row.version, actor=actor, reason="pruned")
            dropped.append(row.version)
        except (CheckFailed, OperationFailed) as refusal:
            skipped[row.version] = refusal.cause or refusal.message
        except psycopg.errors.LockNotAvailable:
            skipped[row.version] = "another session still reads it"
    return Pruned(tuple(dropped), skipped)


def drop_version(
    connection: Connection,
    version: str,
    *,
    actor: Actor,
    run_id: str | None = None,
    reason: str = "",
    including_previous: bool = False,
) -> None:
    """Drops one version schema and says so in the ledger, in one transaction. No schema, no harm: then only the latter.

    run_id: refuse unless this run made it. including_previous: also the one a rollback would go to. Raises CheckFailed
    (slugs version-unknown, version-in-use, not-yours, dependents), OperationFailed "in-use" and psycopg.Error, among
    them LockNotAvailable after two seconds when somebody reads the version.
    """
    with connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
        row = deployment_of(connection, version)
        _refuse_in_use(connection, row, run_id, including_previous=including_previous)
        outside = dependents_outside(connection, version)
        if outside:
            raise refused(outside, f"{version} cannot be dropped", next_step="drop what depends on it first")
        drop_schema(connection, version)
        if row.state is VersionState.LOADING:
            move(connection, version, VersionState.FAILED, actor=actor, reason=reason or "its load never finished")
        move(connection, version, VersionState.DROPPED, actor=actor, reason=reason)


def _refuse_in_use(connection: Connection, row: Deployment, run_id: str | None, *, including_previous: bool) -> None:
    if run_id is not None and row.run_id != run_id:
        raise CheckFailed(
            "not-yours",
            f"{row.version} was made by another run",
            next_step="let the run that made it, or its operator, drop it",
            cause=f"run {row.run_id} made it",
        )
    back = _default_target(deployments(connection, row.live_schema))
    needed = back is not None and back.id == row.id and not including_previous
    if row.state is VersionState.LIVE or needed:
        raise CheckFailed(
            "version-in-use",
            f"{row.version} is needed",
            cause="it is live" if row.state is VersionState.LIVE else "a rollback would go there",
            next_step="sdconsole versions list",
        )


def _default_target(rows: tuple[Deployment, ...]) -> Deployment | None:
    """The version that the live one replaced; where that is gone, the newest kept one made before the live one."""
    live = next((row for row in rows if row.state is VersionState.LIVE), None)
    kept = [row for row in rows if row.state is VersionState.PREVIOUS]
    if live is None:
        return None
    exact = next((row for row in kept if row.version == live.previous), None)
    return exact or next((row for row in kept if row.created_at < live.created_at), None)


def _kept(rows: tuple[Deployment, ...], keep: int) -> set[int]:
    live = next((row for row in rows if row.state is VersionState.LIVE), None)
    back = _default_target(rows)
    kept = {row.id for row in (live, back) if row is not None}
    for row in rows:
        waiting = row.state is VersionState.READY and (live is None or row.created_at > live.created_at)
        usable = row.state in (VersionState.READY, VersionState.PREVIOUS) and len(kept) < keep
        if not row.canary and (waiting or usable):
            kept.add(row.id)
    return kept


def _sizes(connection: Connection, schemas: list[str]) -> Mapping[str, int]:
    rows = connection.execute(
        "SELECT n.nspname::text, coalesce(sum(pg_catalog.pg_total_relation_size(c.oid)), 0)::bigint"
        " FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_class c"
        " ON c.relnamespace = n.oid AND c.relkind IN ('r', 'm') WHERE n.nspname = ANY(%s) GROUP BY 1",
        [schemas],
    ).fetchall()
    return dict(rows)
