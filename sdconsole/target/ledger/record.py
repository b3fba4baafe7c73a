"""The ledger of deployments: which version was made by which run, in what state it is, and who did what.

Every change of state goes through `move`, which alone knows what may follow what. The rows live in the target database
beside the data they speak of, so a load and its record, or a cutover and its record, commit together or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import astuple, dataclass
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from sdconsole.errors import CheckFailed, OperationFailed
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.rows import (
    Deployment,
    LedgerEvent,
    VersionState,
    deployment_of,
    deployments,
    events,
    find_deployment,
    live_deployment,
    locked_deployment,
    steps,
    taken_names,
)
from sdconsole.target.ledger.schema import ensure_ledger
from sdconsole.target.schema_shape import PUBLISHED_KINDS, TABLE_KINDS, shapes

__all__ = [
    "ALLOWED_MOVES",
    "Actor",
    "Deployment",
    "LedgerEvent",
    "VersionState",
    "begin",
    "deployment_of",
    "deployments",
    "ensure_ledger",
    "events",
    "find_deployment",
    "live_deployment",
    "mark_ready",
    "move",
    "record_event",
    "record_step",
    "steps",
    "taken_names",
]

ALLOWED_MOVES: Final[Mapping[VersionState, frozenset[VersionState]]] = {
    VersionState.LOADING: frozenset({VersionState.READY, VersionState.FAILED}),
    VersionState.READY: frozenset({VersionState.LIVE, VersionState.FAILED, VersionState.DROPPED}),
    VersionState.LIVE: frozenset({VersionState.PREVIOUS}),
    VersionState.PREVIOUS: frozenset({VersionState.LIVE, VersionState.DROPPED}),
    VersionState.FAILED: frozenset({VersionState.DROPPED}),
    VersionState.DROPPED: frozenset(),
}
"""A version leaves live only because another one takes its place, and a dropped one never comes back."""

_MOMENT: Final = {
    VersionState.READY: "ready_at",
    VersionState.LIVE: "live_at",
    VersionState.PREVIOUS: "replaced_at",
    VersionState.FAILED: "ended_at",
    VersionState.DROPPED: "ended_at",
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: the run, the person who started it, and from which machine."""

    run_id: str
    operator: str
    host: str


def begin(
    connection: Connection,
    *,
    live_schema: str,
    version: str,
    mode: str,
    actor: Actor,
    source: str = "",
    source_digest: str = "",
    clean_digest: str = "",
    canary: bool = False,
) -> Deployment:
    """A new row in state loading. Call it before the schema is made, so that no schema is ever without an owner.

    Raises OperationFailed "version-taken" when the ledger already has a version of that name.
    """
    try:
        with connection.transaction():
            connection.execute(
                "INSERT INTO sdconsole.deployment (live_schema, version, mode, canary, source, source_digest,"
                " clean_digest, run_id, operator, host) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [live_schema, version, mode, canary, source, source_digest, clean_digest, *astuple(actor)],
            )
            record_event(connection, "began", live_schema=live_schema, version=version, actor=actor)
    except psycopg.errors.UniqueViolation as error:
        raise OperationFailed(
            "version-taken",
            f"the ledger already has a version {version}",
            cause="another run made it in the same second, or it was made by hand",
            next_step="sdconsole versions list",
        ) from error
    return deployment_of(connection, version)


def record_step(connection: Connection, deployment_id: int, table: str, rows: int) -> None:
    """Says that a table of this version holds `rows` rows. Call it in the transaction that loads them.

    Raises OperationFailed "not-loading" when the version is not being loaded any more, so that a process left over
    from an earlier attempt cannot add to it.
    """
    loading = connection.execute(
        "SELECT state FROM sdconsole.deployment WHERE id = %s AND state = 'loading' FOR SHARE", [deployment_id]
    ).fetchone()
    if loading is None:
        raise OperationFailed(
            "not-loading",
            f"rows of {table} belong to a version that is not being loaded any more",
            cause=f"deployment {deployment_id} of the ledger was finished or given up meanwhile",
            next_step="sdconsole versions list",
        )
    connection.execute(
        "INSERT INTO sdconsole.step (deployment_id, table_name, rows) VALUES (%s, %s, %s)", [deployment_id, table, rows]
    )


def mark_ready(
    connection: Connection,
    version: str,
    *,
    actor: Actor,
    score: float | None = None,
    kinds: Collection[str] = PUBLISHED_KINDS,
) -> Deployment:
    """Loading becomes ready: the relations of these kinds that the schema holds now are what a cutover will publish.

    Raises CheckFailed "load-incomplete" when a table of the schema has no committed load step, or there is no table.
    """
    with connection.transaction():
        row = locked_deployment(connection, version)
        held = [shape for shape in shapes(connection, version) if shape.kind in kinds]
        loaded = steps(connection, row.id)
        tables = [shape.name for shape in held if shape.kind in TABLE_KINDS]
        unproved = [name for name in tables if name not in loaded]
        gone = [name for name in loaded if name not in tables]
        if unproved or gone or not tables:
            found = [f"no finished load of {name}" for name in unproved] + [f"{name} is gone" for name in gone]
            raise CheckFailed(
                "load-incomplete",
                f"{version} is not completely loaded",
                cause=", ".join(found) or "the schema holds no table",
                next_step="run the load again: it starts a new version",
            )
        connection.execute(
            "UPDATE sdconsole.deployment SET rows = %s, tables = %s, score = coalesce(%s, score) WHERE id = %s",
            [Jsonb(loaded), Jsonb([shape.to_dict() for shape in held]), score, row.id],
        )
        return move(connection, version, VersionState.READY, actor=actor)


def move(
    connection: Connection, version: str, to: VersionState, *, actor: Actor, reason: str = "", event: bool = True
) -> Deployment:
    """Gives a version its next state, stamps the time and writes an event of that name.

    Raises OperationFailed "ledger-move" for a move that `ALLOWED_MOVES` does not have, and CheckFailed
    "version-unknown". The row stays locked until the caller's transaction ends.
    """
    with connection.transaction():
        row = locked_deployment(connection, version)
        if to not in ALLOWED_MOVES[row.state] or (row.canary and to is VersionState.LIVE):
            what = "a canary" if row.canary else f"a version that is {row.state}"
            raise OperationFailed(
                "ledger-move",
                f"{version} cannot become {to}",
                cause=f"{what} never becomes {to}",
                next_step="sdconsole versions list",
            )
        statement = sql.SQL(
            "UPDATE sdconsole.deployment SET state = %(to)s, {moment} = clock_timestamp(),"
            " reason = CASE WHEN %(reason)s = '' THEN reason ELSE %(reason)s END WHERE id = %(id)s"
        ).format(moment=sql.Identifier(_MOMENT[to]))
        connection.execute(statement, {"to": to.value, "reason": reason, "id": row.id})
        if event:
            detail = {"reason": reason} if reason else {}
            record_event(connection, to.value, live_schema=row.live_schema, version=version, actor=actor, detail=detail)
        return deployment_of(connection, version)


def record_event(
    connection: Connection,
    kind: str,
    *,
    live_schema: str,
    actor: Actor,
    version: str | None = None,
    typed: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Adds a line to the append-only record. `typed` is what the operator typed to confirm."""
    connection.execute(
        "INSERT INTO sdconsole.event (run_id, live_schema, version, kind, operator, host, typed, detail)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        [actor.run_id, live_schema, version, kind, actor.operator, actor.host, typed, Jsonb(dict(detail or {}))],
    )


def seal_switch(
    connection: Connection,
    deployment_id: int,
    *,
    replaces: str | None,
    views_digest: str,
    views_major: int,
    switched_back_seconds: float | None,
) -> None:
    """Keeps with the row that becomes live what the live views look like now, and how long switching back took.

    `replaces` is the version to go back to from here; None leaves what the row has (a rollback keeps its own past).
    `switched_back_seconds` is the switch alone, not the RTO; None = it was no rollback.
    """
    connection.execute(
        "UPDATE sdconsole.deployment SET previous = coalesce(%s, previous), views_digest = %s, views_major = %s,"
        " switched_back_seconds = coalesce(%s, switched_back_seconds) WHERE id = %s",
        [replaces, views_digest, views_major, switched_back_seconds, deployment_id],
    )


def switch_committed(connection: Connection, version: str, token: str) -> bool:
    """Whether the transaction that wrote an event with this token in its detail has committed."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM sdconsole.event WHERE version = %s AND detail ->> 'token' = %s)", [version, token]
    ).fetchone()
    return row == (True,)
