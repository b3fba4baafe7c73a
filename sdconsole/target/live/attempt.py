"""The frame around a transaction that changes what readers see: begin, work, commit, and the truth about how it ended.

An error before COMMIT means that nothing was changed. A connection that breaks at COMMIT means nothing yet: the outcome
is read back through a new connection, and reported as it is. Never runs anything twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import psycopg

from sdconsole.errors import ChangedNotUndone, CheckFailed, TargetUnreachable
from sdconsole.target.connect import Connection, classify
from sdconsole.target.live.cutover import Switch, commit, open_switch
from sdconsole.target.live.lost_reply import OpenTransaction, committed, end_backend

_RESOLVE_SECONDS: Final = 60.0

PASSING: Final = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.QueryCanceled,
)
"""Errors of an attempt that got in somebody's way: the next attempt may succeed."""


def attempt(
    connection: Connection,
    switch: Switch,
    work: Callable[[OpenTransaction], None],
    reconnect: Callable[[], Connection],
) -> bool:
    """Runs `work` in one transaction and commits it. True when it was committed but the reply was lost.

    Raises a `PASSING` error when another attempt can help, TargetUnreachable when the connection was lost and nothing
    was changed, ChangedNotUndone "cutover-unknown", CheckFailed "dependents" and "privilege", and what `work` raises.
    Whatever is raised but cutover-unknown: nothing was changed.
    """
    transaction: OpenTransaction | None = None
    committing = False
    try:
        transaction = open_switch(connection, switch)
        work(transaction)
        committing = True
        commit(connection)
    except psycopg.Error as error:
        if not connection.closed:
            _roll_back(connection)
        if connection.closed:
            return _after_loss(error, switch, transaction, reconnect, committing=committing)
        if isinstance(error, PASSING):
            raise
        raise _translated(error, switch, connection) from error
    except BaseException:
        if not connection.closed:
            _roll_back(connection)
        raise
    return False


def _roll_back(connection: Connection) -> None:
    try:
        connection.execute("ROLLBACK")
    except psycopg.Error:
        connection.close()  # the server rolls back what was not committed


def _after_loss(
    error: psycopg.Error,
    switch: Switch,
    transaction: OpenTransaction | None,
    reconnect: Callable[[], Connection],
    *,
    committing: bool,
) -> bool:
    """True when the lost transaction was committed. Raises TargetUnreachable when it was not, else cutover-unknown."""
    live_schema = switch.target.live_schema
    nothing = f"nothing was changed; {switch.version} is as it was"
    if not committing or transaction is None:
        if transaction is not None:
            end_backend(transaction, reconnect)
        raise _lost(error, f"before {live_schema} was switched", nothing) from error
    outcome = committed(transaction, reconnect, within_seconds=_RESOLVE_SECONDS)
    if outcome is None:
        raise ChangedNotUndone(
            "cutover-unknown",
            f"the connection was lost while {live_schema} was switched to {switch.version}",
            cause=f"the reply to COMMIT was lost and the server could not be asked for {_RESOLVE_SECONDS:.0f} s",
            state=f"unknown: {live_schema} shows {switch.expected or 'nothing'} or {switch.version}, never a mixture",
            next_step="sdconsole status as soon as the server answers: it says which version is live",
        ) from error
    if not outcome:
        raise _lost(error, f"while {live_schema} was switched, and the server rolled back", nothing) from error
    return True


def _lost(error: psycopg.Error, when: str, state: str) -> TargetUnreachable:
    cause = " ".join(str(error).split())
    return TargetUnreachable(
        "connection-lost",
        f"the connection to PostgreSQL was lost {when}",
        cause=cause,
        state=state,
        next_step="run the same command again when the server answers",
    )


def _translated(error: psycopg.Error, switch: Switch, connection: Connection) -> Exception:
    said = error.diag.message_primary or str(error)
    if isinstance(error, psycopg.errors.InternalError_) and "concurrently updated" in said:
        return psycopg.errors.LockNotAvailable(said)  # somebody granted or revoked at the same moment
    if isinstance(error, psycopg.errors.DependentObjectsStillExist):
        return CheckFailed(
            "dependents",
            "something depends on a live view",
            next_step="drop or change what is named here, or keep the columns as they are",
            cause=error.diag.message_detail or said,
        )
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return CheckFailed(
            "privilege",
            f"{connection.info.user} may not switch {switch.target.live_schema}",
            cause=said,
            state=f"nothing was changed; {switch.version} is as it was",
            next_step="sdconsole preflight names the missing GRANT",
        )
    return classify(error)
