"""Builds the keys and indexes of tables that are loaded, side by side and while other tables are still being loaded.

Each table's are built on a connection of its own, in a thread that only waits for the server.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import psycopg

from sdconsole.contract.model import Table
from sdconsole.errors import Interrupted
from sdconsole.stages.deployment import Context
from sdconsole.target.connect import Connection, connect
from sdconsole.target.load.blueprint import plan_tables
from sdconsole.target.load.ddl import create_indexes

_LOOK_SECONDS: Final = 0.1


class Indexing:
    """`add` a table when its rows are committed, `advance` now and then, `finish` at the end.

    Leaving the `with` block on an error cancels what is being built and waits until it has stopped.
    """

    def __init__(self, ctx: Context, version: str, tables: Sequence[Table], *, task: str) -> None:
        self._ctx = ctx
        self._version = version
        self._task = task
        self._alone = _names_meet(tables)
        self._waiting: deque[Table] = deque()
        self._running: dict[Future[tuple[str, ...]], Table] = {}
        self._total = sum(len(table.indexes) + bool(table.key or table.surrogate_key) + 1 for table in tables)
        self._done: dict[str, int] = {}
        self._skipped: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()
        self._building: set[Connection] = set()
        self._idle: list[Connection] = []
        self._stopped = False
        self._threads = ThreadPoolExecutor(max(1, len(tables)), thread_name_prefix="indexes")

    def add(self, table: Table) -> None:
        self._waiting.append(table)

    def advance(self, lanes: int) -> None:
        """Starts what may be built beside what is running, at most `lanes` tables at once, and raises what failed."""
        for future in [future for future in self._running if future.done()]:
            self._skipped[self._running.pop(future).name] = future.result()
        while self._waiting and len(self._running) < (min(lanes, 1) if self._alone else lanes):
            table = self._waiting.popleft()
            self._running[self._threads.submit(self._build, table)] = table
        if self._done:
            self._ctx.progress(self._task, sum(self._done.values()), self._total, "checks")

    def finish(self, lanes: int) -> tuple[str, ...]:
        """Builds the rest and returns what was left out, and why, in the order of the tables' names."""
        self.advance(lanes)
        while self._running:
            wait(self._running, timeout=_LOOK_SECONDS, return_when="FIRST_COMPLETED")
            self._ctx.checkpoint()
            self.advance(lanes)
        return tuple(reason for _, reasons in sorted(self._skipped.items()) for reason in reasons)

    def _build(self, table: Table) -> tuple[str, ...]:
        def count(done: int, _total: int | None) -> None:
            self._done[table.name] = done

        connection = self._connection()
        try:
            with self._lock:
                if self._stopped:
                    raise Interrupted
                self._building.add(connection)
            built = create_indexes(connection, self._version, table, count)
        except BaseException:
            with self._lock:
                self._building.discard(connection)
            connection.close()
            raise
        with self._lock:
            self._building.discard(connection)
            self._idle.append(connection)
        return built.skipped

    def _connection(self) -> Connection:
        """One that has built indexes before, or a new one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        deployment = self._ctx.deployment
        return connect(deployment.needed_target(), application=deployment.application)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._stopped = True
        while wait(self._running, timeout=0).not_done:
            with self._lock:
                building = tuple(self._building)
            for connection in building:
                with suppress(psycopg.Error):  # what stopped the load is the error to report, not this
                    connection.cancel_safe(timeout=3)
            wait(self._running, timeout=_LOOK_SECONDS)
        self._threads.shutdown()
        for connection in self._idle:
            connection.close()


def _names_meet(tables: Sequence[Table]) -> bool:
    """Whether two tables would give an index the same name: the second one to be built then takes another."""
    plans = plan_tables(tables)
    names = [name for plan in plans for name in (plan.key_name, *(index.name for index in plan.indexes))]
    relations = [plan.name for plan in plans]
    return len({*names, *relations}) < len(names) + len(relations)
