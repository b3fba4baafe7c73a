"""Sessions that dead runs left on the server: found by their application name, and ended.

After a broken link the server may not notice for minutes that nobody listens any more, and such a session keeps its
locks. Who is dead is the caller's knowledge; this module only knows names and processes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sdconsole.errors import OperationFailed
from sdconsole.target.connect import Connection

_NAME: Final = re.compile(r"sdconsole:(?P<run>r-\d{8}-\d{6}-[0-9a-f]{4})(?![0-9a-f])")
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Ghost:
    """A session of a dead run. `started` tells it from a later session with the same pid."""

    pid: int
    run_id: str
    started: str
    state: str
    query: str
    age_seconds: float


def ghosts(connection: Connection, run_ids: Collection[str]) -> tuple[Ghost, ...]:
    """The sessions in this database that carry the name of one of these runs, this one left out, oldest first."""
    rows = connection.execute(
        "SELECT pid, application_name, coalesce(backend_start::text, ''), coalesce(state, ''), coalesce(query, ''),"
        " coalesce(extract(epoch FROM clock_timestamp() - backend_start), 0)::float8"
        " FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database()"
        " AND pid <> pg_catalog.pg_backend_pid() AND application_name LIKE 'sdconsole:%' ORDER BY backend_start, pid"
    ).fetchall()
    found: list[Ghost] = []
    for pid, application, started, state, query, age in rows:
        name = _NAME.match(application)
        if name is not None and name["run"] in run_ids:
            found.append(Ghost(pid, name["run"], started, state, " ".join(query.split())[:120], age))
    return tuple(found)


def end_ghosts(connection: Connection, found: Collection[Ghost], *, within_seconds: float = 5.0) -> tuple[Ghost, ...]:
    """Ends these sessions and waits until they are gone, so that their locks are free. Returns those that were there.

    Raises OperationFailed "ghosts-remain" when one is still there in the end, and psycopg.Error where the user may not.
    """
    ended = [ghost for ghost in found if _there(connection, ghost, end=True)]
    deadline = time.monotonic() + within_seconds
    while left := [ghost for ghost in ended if _there(connection, ghost, end=False)]:
        if time.monotonic() >= deadline:
            raise OperationFailed(
                "ghosts-remain",
                "sessions of a dead run are still on the server",
                cause=", ".join(f"pid {ghost.pid} of run {ghost.run_id}" for ghost in left),
                next_step="end them on the server (pg_terminate_backend), then run the same command again",
            )
        time.sleep(_POLL_SECONDS)
    return tuple(ended)


def _there(connection: Connection, ghost: Ghost, *, end: bool) -> bool:
    row = connection.execute(
        "SELECT CASE WHEN %s THEN pg_catalog.pg_terminate_backend(pid) ELSE true END"
        " FROM pg_catalog.pg_stat_activity WHERE pid = %s AND coalesce(backend_start::text, '') = %s",
        [end, ghost.pid, ghost.started],
    ).fetchone()
    return row is not None
