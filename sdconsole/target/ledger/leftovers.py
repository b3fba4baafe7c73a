"""What dead runs left on the target, dealt with by the run that has just taken the lock.

Whoever holds the lock of a live schema knows that every other run of it is dead, also one whose process still lives
but lost the lock with its connection. Their sessions are ended, because they may hold locks; their unfinished versions
are only named, because dropping them is an operator's decision.
"""

from __future__ import annotations

import psycopg

from sdconsole.core.events import LogLine
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.ghosts import Ghost, end_ghosts, ghosts
from sdconsole.target.ledger.lock import Holder, holder
from sdconsole.target.ledger.rows import VersionState, deployments
from sdconsole.target.schema_shape import schema_exists

_WELL = (VersionState.READY, VersionState.LIVE, VersionState.PREVIOUS)


def clear_leftovers(
    connection: Connection, live_schema: str, run_id: str, *, recovered: Holder | None = None
) -> tuple[LogLine, ...]:
    """Ends the sessions of dead runs and says so; names what is prunable. Call it with the lock held, right after.

    connection: any but the lock's own. run_id: this run, of which an earlier attempt may have left sessions too.
    recovered: who left the lock behind. Raises OperationFailed "ghosts-remain" and psycopg.Error.
    """
    said = [LogLine("warning", f"the lock was left behind: {recovered.describe()}")] if recovered else []
    for ghost in _ghosts(connection, live_schema, run_id, recovered):
        try:
            end_ghosts(connection, [ghost])
        except psycopg.errors.InsufficientPrivilege:
            said.append(LogLine("warning", f"{_describe(ghost)} could not be ended: it belongs to another user"))
        else:
            said.append(LogLine("warning", f"{_describe(ghost)} was ended"))
    return (*said, *_unfinished(connection, live_schema, run_id))


def _ghosts(connection: Connection, live_schema: str, run_id: str, recovered: Holder | None) -> tuple[Ghost, ...]:
    """Sessions of every run that ever worked on this live schema, the lock's own session left out."""
    known = connection.execute(
        "SELECT run_id FROM sdconsole.deployment WHERE live_schema = %(live)s"
        " UNION SELECT run_id FROM sdconsole.event WHERE live_schema = %(live)s",
        {"live": live_schema},
    ).fetchall()
    runs = {run for (run,) in known} | {run_id} | ({recovered.run_id} if recovered else set())
    ours = holder(connection, live_schema)
    return tuple(ghost for ghost in ghosts(connection, runs) if ours is None or ghost.pid != ours.backend_pid)


def _describe(ghost: Ghost) -> str:
    doing = f", {ghost.state}: {ghost.query}" if ghost.query else ""
    return f"session {ghost.pid} of the dead run {ghost.run_id} ({ghost.age_seconds:.0f} s old{doing})"


def _unfinished(connection: Connection, live_schema: str, run_id: str) -> tuple[LogLine, ...]:
    found = []
    for row in deployments(connection, live_schema, canaries=True):
        if (
            row.run_id == run_id
            or (row.state in _WELL and not row.canary)
            or not schema_exists(connection, row.version)
        ):
            continue
        what = "a canary" if row.canary else f"a version that is {row.state}"
        found.append(
            LogLine("info", f"{row.version} of run {row.run_id} is {what} and of no more use: sdconsole versions prune")
        )
    return tuple(found)
