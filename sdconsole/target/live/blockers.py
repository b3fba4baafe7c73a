"""Looks who holds the live views, before a cutover would queue behind them and stall every reader behind itself.

A waiting exclusive lock request blocks all later readers, so a cutover first looks and waits without asking. Only
transactions older than a moment count: short statements are gone by the time the views are asked for.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final, LiteralString

from sdconsole.target.connect import Connection

QUERY_CHARACTERS: Final = 120
CANCELLED: Final = "blocker-cancelled"
"""The kind of the ledger's event when somebody cancels what a session in the way is running."""
ENDED: Final = "blocker-ended"


@dataclass(frozen=True, slots=True)
class Blocker:
    """One session, or one prepared transaction (`pid` None), that holds a lock on a live view.

    `age_seconds` is its transaction's age; where the server does not let us see that, the time we have watched it.
    """

    pid: int | None
    user: str
    application: str
    relation: str
    mode: str
    age_seconds: float
    state: str
    query: str
    started: str = ""
    """When the backend was started, as text: tells it from a later one with the same pid."""

    @property
    def key(self) -> tuple[int | None, str, str]:
        """Tells this session from every other one."""
        return self.pid, self.started, self.application if self.pid is None else ""

    def describe(self) -> str:
        who = f"pid {self.pid}" if self.pid is not None else f"prepared transaction {self.application}"
        since = f"{_age(self.age_seconds)} in transaction"
        return f"{who} ({self.user or 'unknown user'}, {since}) holds {self.mode} on {self.relation}"

    def story(self) -> str:
        """`describe`, and which program it is and what it runs, as far as the server lets us see that."""
        doing = ": ".join(part for part in (self.application if self.pid is not None else "", self.query) if part)
        return f"{self.describe()} [{doing}]" if doing else self.describe()


@dataclass(frozen=True, slots=True)
class Blockers:
    """What a waiting cutover tells the operator. `holders` is empty when nobody was seen but the lock was not given."""

    holders: tuple[Blocker, ...]
    waited_seconds: float
    deadline_seconds: float
    attempts: int

    def lines(self) -> tuple[str, ...]:
        """One line for each session in the way."""
        return tuple(holder.describe() for holder in self.holders)

    def describe(self) -> str:
        return "; ".join(self.lines()) or "another session took the lock in between"


_QUERY: Final = """
SELECT l.pid, coalesce(a.usename::text, p.owner::text, ''), coalesce(a.application_name, p.gid, ''),
       pg_catalog.format('%%s.%%s', n.nspname, c.relname), l.mode,
       extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8,
       coalesce(a.state, ''), coalesce(a.query, ''), coalesce(a.backend_start::text, ''), l.virtualtransaction
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_class c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_catalog.pg_prepared_xacts p ON l.pid IS NULL AND l.virtualtransaction = '-1/' || p.transaction::text
WHERE l.locktype = 'relation' AND l.granted AND n.nspname = %s AND c.relname = ANY(%s)
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
ORDER BY 6 DESC NULLS LAST, 1, 4
"""


@dataclass(slots=True)
class Lookout:
    """Watches views of one live schema by name. Remembers whom it has seen, for sessions whose age we may not see."""

    live_schema: str
    views: tuple[str, ...]
    _first_seen: dict[str, float] = field(default_factory=dict)

    def look(self, connection: Connection, *, older_than_seconds: float = 0.0) -> tuple[Blocker, ...]:
        """One entry for each session that holds a lock on a live view for longer than this, oldest first."""
        now = time.monotonic()
        found: dict[str, Blocker] = {}
        seen: dict[str, float] = {}
        for row in connection.execute(_QUERY, [self.live_schema, list(self.views)]).fetchall():
            pid, user, application, relation, mode, age, state, query, started, transaction = row
            seen[transaction] = self._first_seen.get(transaction, now)
            known_age = now - seen[transaction] if age is None else float(age)
            if transaction not in found and known_age >= older_than_seconds:
                shown = " ".join(query.split())[:QUERY_CHARACTERS]
                found[transaction] = Blocker(pid, user, application, relation, mode, known_age, state, shown, started)
        self._first_seen = seen
        return tuple(found.values())


def cancel_blocker(connection: Connection, blocker: Blocker) -> bool:
    """Cancels the statement that a session is running. An idle transaction has none: end that session instead.

    False when the session is gone, or its pid belongs to another one by now. Raises psycopg.Error where the user
    may not (pg_signal_backend).
    """
    return _signal(connection, "SELECT pg_catalog.pg_cancel_backend(pid)", blocker)


def end_blocker(connection: Connection, blocker: Blocker) -> bool:
    """Ends a session; its transaction is rolled back. False and errors as for `cancel_blocker`."""
    return _signal(connection, "SELECT pg_catalog.pg_terminate_backend(pid)", blocker)


def _signal(connection: Connection, call: LiteralString, blocker: Blocker) -> bool:
    found = connection.execute(
        call + " FROM pg_catalog.pg_stat_activity WHERE pid = %s AND coalesce(backend_start::text, '') = %s",
        [blocker.pid, blocker.started],
    )
    return found.fetchone() == (True,)


def _age(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"
