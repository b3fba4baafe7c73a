"""Reads the ledger of deployments: which versions there are, in what state, made by which run, and what happened.

Only reads; every write is in `ledger.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, LiteralString

from psycopg.rows import dict_row

from sdconsole.errors import CheckFailed
from sdconsole.quality.clean.quarantine import QUARANTINE
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.schema import ledger_exists
from sdconsole.target.schema_shape import Shape, shape_from_dict


class VersionState(StrEnum):
    LOADING = "loading"
    READY = "ready"
    LIVE = "live"
    PREVIOUS = "previous"
    """Was live and is kept: a rollback can go there."""
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One row of the ledger: one version schema and its story. Times are aware UTC."""

    id: int
    live_schema: str
    version: str
    run_id: str
    mode: str
    canary: bool
    state: VersionState
    source: str
    source_digest: str
    clean_digest: str
    rows: Mapping[str, int]
    """Rows loaded, by table; empty until the version is ready."""
    tables: tuple[Shape, ...]
    """What the version publishes; empty until it is ready."""
    score: float | None
    operator: str
    host: str
    previous: str | None
    """The version it replaced when it was cut over; where a rollback from it goes."""
    reason: str
    created_at: datetime
    ready_at: datetime | None
    live_at: datetime | None
    replaced_at: datetime | None
    ended_at: datetime | None
    switched_back_seconds: float | None
    """How long the last rollback to this version took."""
    views_digest: str | None
    views_major: int | None

    @property
    def rows_total(self) -> int:
        """Rows of the export's tables; what was set aside is counted apart."""
        return sum(self.rows.values()) - self.quarantine_entries

    @property
    def quarantine_entries(self) -> int:
        return self.rows.get(QUARANTINE, 0)


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    id: int
    at: datetime
    run_id: str
    live_schema: str
    version: str | None
    kind: str
    operator: str
    host: str
    typed: str
    detail: Mapping[str, Any]


_SELECT: Final = """
    SELECT id, live_schema, version, run_id, mode, canary, state, source, source_digest, clean_digest, rows, tables,
           score, operator, host, previous, reason, created_at, ready_at, live_at, replaced_at, ended_at,
           switched_back_seconds, views_digest, views_major
    FROM sdconsole.deployment
"""


def events(connection: Connection, live_schema: str, *, limit: int = 100) -> tuple[LedgerEvent, ...]:
    """The newest events of one live schema, oldest of them first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT id, at, run_id, live_schema, version, kind, operator, host, typed, detail FROM sdconsole.event"
            " WHERE live_schema = %s ORDER BY id DESC LIMIT %s",
            [live_schema, limit],
        )
        return tuple(LedgerEvent(**row) for row in reversed(cursor.fetchall()))


def find_deployment(connection: Connection, version: str) -> Deployment | None:
    """The row of a version; of several with one name (dropped, then made again) the newest."""
    found = _some(connection, "WHERE version = %s ORDER BY id DESC LIMIT 1", version)
    return found[0] if found else None


def deployment_of(connection: Connection, version: str) -> Deployment:
    """Raises CheckFailed "version-unknown" when the ledger has no such version."""
    found = find_deployment(connection, version)
    if found is None:
        raise CheckFailed(
            "version-unknown",
            f"the ledger knows no version {version}",
            cause="it was never made here, or it was dropped",
            next_step="sdconsole versions list",
        )
    return found


def live_deployment(connection: Connection, live_schema: str) -> Deployment | None:
    """The row that the ledger holds to be live; None before the first cutover."""
    found = _some(connection, "WHERE live_schema = %s AND state = 'live'", live_schema)
    return found[0] if found else None


def deployments(
    connection: Connection, live_schema: str, *, states: Collection[VersionState] = (), canaries: bool = False
) -> tuple[Deployment, ...]:
    """The rows of one live schema, newest first. `states` empty = every state but dropped."""
    wanted = list(states) or [state for state in VersionState if state is not VersionState.DROPPED]
    return _some(
        connection,
        "WHERE live_schema = %s AND state = ANY(%s) AND (%s OR NOT canary) ORDER BY created_at DESC, id DESC",
        live_schema,
        [state.value for state in wanted],
        canaries,
    )


def taken_names(connection: Connection) -> frozenset[str]:
    """Every name that a new version must not have: schemas that exist, and versions the ledger remembers."""
    found = connection.execute(
        "SELECT nspname::text FROM pg_catalog.pg_namespace UNION SELECT version FROM sdconsole.deployment"
    )
    return frozenset(row[0] for row in found.fetchall())


def locked_deployment(connection: Connection, version: str) -> Deployment:
    """The row of a version, locked until the transaction ends. Raises CheckFailed "version-unknown"."""
    found = _some(connection, "WHERE version = %s ORDER BY id DESC LIMIT 1 FOR UPDATE", version)
    return found[0] if found else deployment_of(connection, version)


def steps(connection: Connection, deployment_id: int) -> Mapping[str, int]:
    """Rows by table, for the tables whose load was committed."""
    found = connection.execute(
        "SELECT table_name, rows FROM sdconsole.step WHERE deployment_id = %s ORDER BY table_name", [deployment_id]
    )
    return dict(found.fetchall())


def _some(connection: Connection, condition: LiteralString, *parameters: object) -> tuple[Deployment, ...]:
    """Where there is no ledger yet there was no deployment."""
    if not ledger_exists(connection):
        return ()
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_SELECT + condition, parameters)
        return tuple(_deployment(row) for row in cursor.fetchall())


def _deployment(row: dict[str, Any]) -> Deployment:
    tables = tuple(shape_from_dict(shape) for shape in row.pop("tables"))
    return Deployment(**{**row, "state": VersionState(row["state"]), "tables": tables})
