"""One run per target: a session lock on a connection of its own, held for the whole run, and who holds it.

The lock belongs to the connection, so PostgreSQL frees it the moment its holder dies. The row beside it only says who
that is; it never decides anything. Refuses connections through a pooler, on which session locks mean nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Final

import psycopg
from psycopg import sql

from sdconsole.errors import CheckFailed, TargetLocked, TargetUnreachable
from sdconsole.target.connect import Connection, Target, behind_transaction_pooler, classify
from sdconsole.target.ledger.record import Actor, ensure_ledger, record_event
from sdconsole.target.live.cutover import lock_key

_TRIES: Final = 5
_PAUSE_SECONDS: Final = 0.1
_OBSERVATIONS: Final = 3


_THIS_LOCK: Final = sql.SQL(
    "locktype = 'advisory' AND granted AND objsubid = 1 AND classid::bigint = %s AND objid::bigint = %s"
    " AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"
)
_OURS: Final = sql.SQL("SELECT pid FROM pg_catalog.pg_locks WHERE {} AND pid = pg_catalog.pg_backend_pid()").format(
    _THIS_LOCK
)
_HOLDER: Final = sql.SQL(
    """
    SELECT coalesce(r.run_id, nullif(regexp_replace(a.application_name, '^sdconsole:', ''), ''), 'unknown'),
           coalesce(r.operator, a.usename::text, 'unknown'),
           coalesce(r.host, host(a.client_addr), 'unknown'), coalesce(r.pid, 0), l.pid, coalesce(r.stage, ''),
           coalesce(r.since, a.backend_start, clock_timestamp()),
           coalesce(r.stage_since, a.backend_start, clock_timestamp())
    FROM (SELECT pid FROM pg_catalog.pg_locks WHERE {}) l
    LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
    LEFT JOIN sdconsole.run_lock r ON r.live_schema = %s AND r.backend_pid = l.pid
    """
).format(_THIS_LOCK)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock. `pid` is the process on `host`; `backend_pid` its session on the server; times are UTC."""

    run_id: str
    operator: str
    host: str
    pid: int
    backend_pid: int
    stage: str
    since: datetime
    stage_since: datetime

    def describe(self) -> str:
        at = f"since {self.since:%Y-%m-%d %H:%M:%S} UTC"
        stage = f", stage {self.stage} since {self.stage_since:%H:%M:%S}" if self.stage else ""
        return f"run {self.run_id} by {self.operator} on {self.host} (pid {self.pid}) holds it {at}{stage}"


class RunLock:
    """A held lock. Made by `acquire`; leaving the `with` block frees it and closes its connection."""

    def __init__(self, connection: Connection, live_schema: str, actor: Actor, recovered: Holder | None) -> None:
        self._connection = connection
        self._live_schema = live_schema
        self._backend_pid = connection.info.backend_pid
        self.actor = actor
        self.recovered = recovered
        """Who held it before and died without giving it back; None as a rule."""

    def check(self) -> None:
        """Raises TargetUnreachable "lock-lost" when the lock is not ours any more: nothing may be changed then."""
        try:
            held = self._connection.execute(_OURS, _lock_parameters(self._live_schema)).fetchone()
        except psycopg.Error as error:
            raise _lock_lost(self._live_schema, " ".join(str(error).split())) from error
        if held != (self._backend_pid,):
            raise _lock_lost(self._live_schema, "the server does not list it for our session any more")

    def update_stage(self, stage: str) -> None:
        """Tells whoever finds the lock taken how far we are. Raises TargetUnreachable "lock-lost"."""
        try:
            self._connection.execute(
                "UPDATE sdconsole.run_lock SET stage = %s, stage_since = clock_timestamp()"
                " WHERE live_schema = %s AND backend_pid = %s",
                [stage, self._live_schema, self._backend_pid],
            )
        except psycopg.Error as error:
            raise _lock_lost(self._live_schema, " ".join(str(error).split())) from error

    def fileno(self) -> int:
        """The file descriptor of the lock's connection. Raises TargetUnreachable "lock-lost" when that is closed."""
        try:
            return self._connection.fileno()
        except psycopg.Error as error:
            raise _lock_lost(self._live_schema, " ".join(str(error).split())) from error

    def release(self) -> None:
        """Frees the lock and closes its connection. Never raises: a lost connection has freed it already."""
        with closing(self._connection), suppress(psycopg.Error):  # the next holder replaces a row that stays
            self._connection.execute(
                "DELETE FROM sdconsole.run_lock WHERE live_schema = %s AND backend_pid = %s",
                [self._live_schema, self._backend_pid],
            )

    def __enter__(self) -> RunLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def acquire(
    connection: Connection, target: Target, run_id: str, *, operator: str, host: str, stage: str = "", pid: int = 0
) -> RunLock:
    """Takes the lock of (database, live schema) for this run, at once or not at all.

    connection: a direct one, in autocommit, used for nothing else; the lock owns it from now on and closes it, also
    when this call fails. pid: this process when 0. Raises TargetLocked with the holder's facts in `cause`, CheckFailed
    "pooler", errors of `ensure_ledger`, TargetUnreachable, and OperationFailed for any other refusal of the server.
    """
    assert connection.autocommit
    actor = Actor(run_id, operator, host)
    try:
        _refuse_pooler(connection, target, run_id)
        ensure_ledger(connection, reader_role=target.reader_role)
        _take(connection, target)
        recovered = _announce(connection, target.live_schema, actor, pid or os.getpid(), stage)
    except BaseException as error:
        connection.close()
        if isinstance(error, psycopg.Error):
            raise classify(error) from error
        raise
    return RunLock(connection, target.live_schema, actor, recovered)


def holder(connection: Connection, live_schema: str) -> Holder | None:
    """Who holds the lock right now; None when it is free. Needs the ledger."""
    row = connection.execute(_HOLDER, [*_lock_parameters(live_schema), live_schema]).fetchone()
    return None if row is None else Holder(*row)


def _take(connection: Connection, target: Target) -> None:
    for _ in range(_TRIES):
        row = connection.execute(
            "SELECT pg_catalog.pg_try_advisory_lock(%s)", [lock_key("run", target.live_schema)]
        ).fetchone()
        if row == (True,):
            return
        found = holder(connection, target.live_schema)
        if found is not None and found.pid:
            raise TargetLocked(
                "target-locked",
                f"another run works on {target.live_schema}",
                cause=found.describe(),
                state="nothing was changed by this run",
                next_step="wait for it, or stop it there: sdconsole status",
            )
        time.sleep(_PAUSE_SECONDS)  # it was given back this moment, or its holder has not said yet who it is
    raise TargetLocked(
        "target-locked",
        f"another run works on {target.live_schema}",
        cause=found.describe() if found else "it was taken and given back while we looked",
        state="nothing was changed by this run",
        next_step="run the same command again",
    )


def _announce(connection: Connection, live_schema: str, actor: Actor, pid: int, stage: str) -> Holder | None:
    """Writes the row of the holder; returns the one a dead holder left."""
    with connection.transaction():
        left = connection.execute(
            "SELECT run_id, operator, host, pid, backend_pid, stage, since, stage_since FROM sdconsole.run_lock"
            " WHERE live_schema = %s",
            [live_schema],
        ).fetchone()
        connection.execute(
            "INSERT INTO sdconsole.run_lock AS held (live_schema, run_id, operator, host, pid, backend_pid, stage)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (live_schema) DO UPDATE SET run_id = excluded.run_id,"
            " operator = excluded.operator, host = excluded.host, pid = excluded.pid, stage = excluded.stage,"
            " backend_pid = excluded.backend_pid, since = excluded.since, stage_since = excluded.stage_since",
            [live_schema, actor.run_id, actor.operator, actor.host, pid, connection.info.backend_pid, stage],
        )
        if left is None:
            return None
        found = Holder(*left)
        record_event(
            connection, "lock-recovered", live_schema=live_schema, actor=actor, detail={"left_by": found.describe()}
        )
        return found


def pooler_evidence(reported: int, observed: Collection[int]) -> str:
    """Why the backends seen on one connection cannot be one session of its own; "" when they can.

    reported: the pid in the server's greeting; observed: what pg_backend_pid() said in separate transactions.
    """
    if len(set(observed)) > 1:
        return f"statements of one connection ran on {len(set(observed))} different server processes"
    if set(observed) != {reported}:
        return "the server process that greeted us is not the one that answers"
    return ""


def _refuse_pooler(connection: Connection, target: Target, run_id: str) -> None:
    observed: list[int] = []
    for _ in range(_OBSERVATIONS):
        row = connection.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
        assert row is not None
        observed.append(row[0])
    evidence = pooler_evidence(connection.info.backend_pid, observed)
    if not evidence and behind_transaction_pooler(connection, target, application=f"sdconsole:{run_id}"):
        evidence = "a second connection was given the server process of the first"
    if evidence:
        raise CheckFailed(
            "pooler",
            f"{connection.info.host}, port {connection.info.port} is a connection pooler",
            cause=f"{evidence}; the lock that keeps two runs apart would mean nothing",
            next_step="connect to PostgreSQL itself (often port 5432), not through the pooler",
        )


def _lock_parameters(live_schema: str) -> list[int]:
    key = lock_key("run", live_schema) % 2**64
    return [key >> 32, key & 0xFFFFFFFF]


def _lock_lost(live_schema: str, cause: str) -> TargetUnreachable:
    return TargetUnreachable(
        "lock-lost",
        f"the lock of {live_schema} was lost; another run may work on it now",
        cause=cause,
        next_step="sdconsole resume takes the lock again and goes on from what is proved",
    )
