"""Opens connections to the target PostgreSQL, always in the same known state, and says what server answers there.

Every session has a time limit for locks, ISO dates, UTC, UTF-8 and an empty search path, whatever the server's or the
role's defaults are. libpq's own sources of settings (PG* variables, service and password files) work. Off this machine
TLS with a verified certificate is the default (`conninfo.py`). Never shows a password; knows nothing about deployments.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import psycopg
from psycopg import pq
from psycopg.rows import TupleRow

from sdconsole.errors import TargetUnreachable
from sdconsole.target.conninfo import effective_settings, place_of, safe_conninfo, without_secrets
from sdconsole.target.failures import classify, refusal_passes, refused_connection

__all__ = [
    "Connection",
    "ServerFacts",
    "Target",
    "behind_transaction_pooler",
    "classify",
    "connect",
    "safe_conninfo",
    "server_facts",
]

Connection = psycopg.Connection[TupleRow]

DEFAULT_LOCK_TIMEOUT_SECONDS: Final = 5.0
_PAUSES_SECONDS: Final = (0.25, 0.5, 1.0, 2.0)
"""Waits between attempts when the server has no free connection or is just starting: 3.75 s in all."""

_SESSION: Final = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO, YMD",
    "TimeZone": "UTC",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "search_path": "",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "300000",
    "tcp_user_timeout": "20000",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "jit": "off",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a deployment goes. `conninfo` is libpq's; empty = PG* variables and files decide. It may hold a password
    and is therefore left out of `repr`. `reader_role` is the dashboards' role; empty = none."""

    name: str
    conninfo: str = field(repr=False)
    live_schema: str
    reader_role: str
    production: bool = False


def connect(
    target: Target,
    *,
    application: str,
    autocommit: bool = True,
    lock_timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS,
    pause: Callable[[float], None] = time.sleep,
) -> Connection:
    """A new session named `application` (at most 63 bytes).

    Waits a few seconds, through `pause(seconds)`, while the server has no free connection or is starting. Raises
    TargetUnreachable (slugs: connection-refused, connection-timeout, host-unknown, authentication,
    too-many-connections, server-starting, database-missing, connect-privilege, tls-required, tls-unavailable,
    tls-failed, target-service, connection-failed) and UsageError "conninfo" when the connection string is not one.
    """
    if len(application.encode()) > 63:
        raise ValueError(f"an application name has at most 63 bytes: {application!r}")
    settings = effective_settings(target.conninfo)
    settings["application_name"] = application
    for wait in (*_PAUSES_SECONDS, None):
        try:
            return _open(settings, autocommit, lock_timeout_seconds)
        except TargetUnreachable as refused:
            if wait is None or not refusal_passes(refused):
                raise
            pause(wait)
    raise AssertionError("the last attempt returns or raises")


def _open(settings: Mapping[str, str], autocommit: bool, lock_timeout_seconds: float) -> Connection:
    try:
        connection = psycopg.connect("", autocommit=True, prepare_threshold=None, **settings)  # type: ignore[arg-type]
    except psycopg.Error as error:
        failure = refused_connection(without_secrets(str(error), settings), place_of(settings))
        raise failure from None  # libpq's own text may quote the connection string
    session = {**_SESSION, "lock_timeout": f"{max(1, round(lock_timeout_seconds * 1000))}"}
    calls = ", ".join(["pg_catalog.set_config(%s, %s, false)"] * len(session))
    try:
        connection.execute(f"SELECT {calls}".encode(), [part for pair in session.items() for part in pair])
        connection.autocommit = autocommit
    except BaseException as error:
        connection.close()
        if isinstance(error, psycopg.Error):
            raise classify(error) from error
        raise
    return connection


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What answers at the other end. `host` is a socket directory for a local socket."""

    version_num: int
    version: str
    major: int
    encoding: str
    date_style: str
    timezone: str
    in_recovery: bool
    user: str
    database: str
    is_superuser: bool
    host: str
    port: int


def server_facts(connection: Connection) -> ServerFacts:
    """Asks the server. `date_style` and `timezone` are the server's own defaults, not this session's.

    Raises psycopg.Error when the connection fails.
    """
    row = connection.execute(
        """
        SELECT current_setting('server_version_num')::int, current_setting('server_version'),
               (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()),
               (SELECT reset_val FROM pg_settings WHERE name = 'DateStyle'),
               (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'),
               pg_is_in_recovery(), current_user::text, current_database()::text,
               (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
        """
    ).fetchone()
    assert row is not None
    number = int(row[0])
    return ServerFacts(
        version_num=number,
        version=row[1],
        major=number // 10000,
        encoding=row[2],
        date_style=row[3],
        timezone=row[4],
        in_recovery=row[5],
        user=row[6],
        database=row[7],
        is_superuser=row[8],
        host=connection.info.host,
        port=connection.info.port,
    )


def behind_transaction_pooler(connection: Connection, target: Target, *, application: str) -> bool:
    """Whether statements of one session land on different backends, so that a session's locks mean nothing.

    A session lock is taken on `connection` (in autocommit, idle), then a second session is opened: behind a pooler in
    transaction mode that one is given the backend that holds the lock and gets it too, or the first session wanders
    from backend to backend. Raises TargetUnreachable when the second session cannot be opened.
    """
    key = int.from_bytes(os.urandom(7))
    assert connection.autocommit
    assert connection.info.transaction_status is pq.TransactionStatus.IDLE
    first = _pid(connection, "SELECT pg_backend_pid() FROM pg_advisory_lock(%s)", key)
    try:
        with connect(target, application=application) as second, second.transaction():
            row = second.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
            assert row is not None
            if row[0]:
                second.execute("SELECT pg_advisory_unlock(%s)", (key,))
                return True
            if _moved(connection, first):
                return True
        return _moved(connection, first)
    finally:
        connection.execute(
            "SELECT pg_advisory_unlock(%(key)s) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
            " AND (classid::bigint << 32 | objid::bigint) = %(key)s",
            {"key": key},
        )


def _moved(connection: Connection, backend: int) -> bool:
    return any(_pid(connection, "SELECT pg_backend_pid()") != backend for _ in range(3))


def _pid(connection: Connection, query: str, *parameters: int) -> int:
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return int(row[0])
