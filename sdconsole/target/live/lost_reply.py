"""Finds out what became of a transaction whose connection was lost.

The server may have committed although the client saw an error, or may still hold the transaction open with its locks.
So a new connection ends the old backend, waits until the transaction's status says that it is over, and looks for the
mark that it left in the ledger. The mark decides, not the number: after a crash the server may give a number again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psycopg

from sdconsole.errors import TargetUnreachable
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.record import switch_committed

_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """What is needed to find a transaction again. `backend_started` tells its backend from a later one."""

    version: str
    token: str
    xid: str
    backend_pid: int
    backend_started: str


def committed(
    transaction: OpenTransaction, reconnect: Callable[[], Connection], *, within_seconds: float = 60.0
) -> bool | None:
    """True when it was committed, False when it was rolled back, None when the server could not be asked in time."""
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            with reconnect() as connection:
                while time.monotonic() < deadline:
                    answer = _ask(connection, transaction)
                    if answer is not None:
                        return answer
                    time.sleep(_PAUSE_SECONDS)
        except (TargetUnreachable, psycopg.OperationalError, psycopg.InterfaceError):
            if time.monotonic() >= deadline:
                return None
            time.sleep(_PAUSE_SECONDS)
        if time.monotonic() >= deadline:
            return None


def end_backend(transaction: OpenTransaction, reconnect: Callable[[], Connection]) -> bool:
    """Ends the backend of a lost connection, so that its locks are free. False when the server cannot be reached."""
    try:
        with reconnect() as connection:
            _end(connection, transaction)
    except (TargetUnreachable, psycopg.OperationalError, psycopg.InterfaceError):
        return False
    return True


def _ask(connection: Connection, transaction: OpenTransaction) -> bool | None:
    """None while the transaction is still running."""
    _end(connection, transaction)
    try:
        row = connection.execute("SELECT pg_catalog.pg_xact_status(%s::xid8)", [transaction.xid]).fetchone()
    except psycopg.errors.InvalidParameterValue:
        row = (None,)  # a server that never gave out this number: it crashed before the number reached its disk
    if row == ("in progress",):
        return None
    return switch_committed(connection, transaction.version, transaction.token)


def _end(connection: Connection, transaction: OpenTransaction) -> None:
    connection.execute(
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
        " WHERE pid = %s AND backend_start::text = %s AND pid <> pg_catalog.pg_backend_pid()",
        [transaction.backend_pid, transaction.backend_started],
    )
