"""Who stands in the way of a switch, and what an operator may do about it: cancel what a session runs, or end it.

Only sessions that hold live views of the target right now can be touched, and each time who did it is written into the
ledger first; a run that waits for them takes that into its journal.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from sdconsole.config import Settings, load_settings
from sdconsole.core import runs
from sdconsole.errors import CheckFailed, OperationFailed
from sdconsole.service.targets import current_operator, resolve_target
from sdconsole.target.connect import Connection, Target, connect, safe_conninfo
from sdconsole.target.failures import classify
from sdconsole.target.ledger.lock import Holder, holder
from sdconsole.target.ledger.record import Actor, record_event
from sdconsole.target.ledger.rows import live_deployment
from sdconsole.target.ledger.schema import ledger_exists
from sdconsole.target.live import blockers as sessions
from sdconsole.target.live.blockers import CANCELLED, ENDED, Blocker, Lookout
from sdconsole.target.schema_shape import shapes

_GONE_WITHIN_SECONDS: Final = 3.0
_LOOK_SECONDS: Final = 0.1
_NO_RUN: Final = "blockers"


@dataclass(frozen=True, slots=True)
class InTheWay:
    """`run_id` is the run that works on the target now, None = none. `holders`: oldest transaction first."""

    target: str
    live_schema: str
    run_id: str | None
    holders: tuple[Blocker, ...]


def settings_of_run(settings: Settings, run_id: str) -> Settings:
    """What the run was started with, and the password where it is known here. Raises UsageError "run-unknown"."""
    folder = runs.run_folder(settings.state_dir, run_id)
    kept: dict[str, Any] = runs.read_request(folder).settings | {"state_dir": settings.state_dir}
    if settings.dsn and safe_conninfo(settings.dsn) == kept["dsn"]:
        kept["dsn"] = settings.dsn
    return load_settings(**kept)


def running_run(settings: Settings) -> str | None:
    """The newest run of this state folder that a process executes now."""
    return next((run.run_id for run in runs.list_runs(settings.state_dir) if run.alive), None)


def blockers(settings: Settings, run_id: str | None = None) -> InTheWay:
    """The sessions that hold live views now; on the target of this run, or of the settings."""
    with _asking(settings, run_id) as (target, connection):
        return _in_the_way(target, connection)


def end_blocker(settings: Settings, pid: int, *, end: bool = False, run_id: str | None = None) -> Blocker:
    """Cancels what this session is running, or with `end` ends the session; its transaction is rolled back then.

    Returns the session as it was, when it holds no live view any more. Raises CheckFailed "not-a-blocker" and
    "blocker-rights", and OperationFailed "blocker-stays" when it still holds what it held.
    """
    with _asking(settings, run_id) as (target, connection):
        seen = _in_the_way(target, connection)
        found = next((one for one in seen.holders if one.pid == pid), None)
        if found is None:
            named = ", ".join(f"pid {one.pid}" for one in seen.holders if one.pid is not None)
            raise CheckFailed(
                "not-a-blocker",
                f"pid {pid} holds nothing of {target.live_schema}",
                cause=f"in the way: {named}" if named else "nobody holds a live view now",
                next_step="sdconsole blockers",
            )
        _signal(connection, target, seen, found, end=end)
        deadline = time.monotonic() + _GONE_WITHIN_SECONDS
        while any(one.key == found.key for one in _in_the_way(target, connection).holders):
            if time.monotonic() >= deadline:
                raise _stays(found, end=end)
            time.sleep(_LOOK_SECONDS)
        return found


def _signal(connection: Connection, target: Target, seen: InTheWay, found: Blocker, *, end: bool) -> None:
    """In one transaction with its record: what may not be done is not on record either."""
    actor = Actor(seen.run_id or _NO_RUN, current_operator(), socket.gethostname())
    detail = {
        "pid": found.pid,
        "user": found.user,
        "application": found.application,
        "relation": found.relation,
        "age_seconds": round(found.age_seconds, 1),
        "query": found.query,
    }
    try:
        with connection.transaction():
            record_event(
                connection,
                ENDED if end else CANCELLED,
                live_schema=target.live_schema,
                actor=actor,
                typed=str(found.pid),
                detail=detail,
            )
            (sessions.end_blocker if end else sessions.cancel_blocker)(connection, found)
    except psycopg.errors.InsufficientPrivilege as error:
        raise CheckFailed(
            "blocker-rights",
            f"{connection.info.user} may not {'end' if end else 'cancel'} the session of {found.user}",
            cause=error.diag.message_primary or str(error),
            next_step=f'GRANT pg_signal_backend TO "{connection.info.user}"     or ask {found.user} to end it',
        ) from error


def _stays(found: Blocker, *, end: bool) -> OperationFailed:
    idle = found.state.startswith("idle in transaction")
    return OperationFailed(
        "blocker-stays",
        f"pid {found.pid} still holds {found.relation}",
        cause="it runs nothing that could be cancelled: its transaction is open and idle"
        if idle and not end
        else "it was told to stop and has not yet",
        state="nothing was changed; the session is as it was" if idle and not end else "the request was sent",
        next_step="sdconsole blockers, in a moment" if end else f"sdconsole blockers --end {found.pid}",
    )


def _in_the_way(target: Target, connection: Connection) -> InTheWay:
    live_schema = target.live_schema
    live = live_deployment(connection, live_schema)
    names = tuple(shape.name for shape in (live.tables if live else shapes(connection, live_schema)))
    working: Holder | None = holder(connection, live_schema) if ledger_exists(connection) else None
    own = f"sdconsole:{working.run_id}" if working else ""
    found = Lookout(live_schema, names).look(connection)
    others = tuple(one for one in found if not own or not one.application.startswith(own))
    return InTheWay(target.name, live_schema, working.run_id if working else None, others)


@contextmanager
def _asking(settings: Settings, run_id: str | None) -> Iterator[tuple[Target, Connection]]:
    target = resolve_target(settings if run_id is None else settings_of_run(settings, run_id))
    with closing(connect(target, application="sdconsole:blockers")) as connection:
        try:
            yield target, connection
        except psycopg.Error as error:
            raise classify(error) from error
