"""Runs independent queries on several sessions at once, each session one query at a time. Knows no query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar

import psycopg

from sdconsole.target.connect import Connection

T = TypeVar("T")
_CANCEL_SECONDS = 3.0
_AGAIN_SECONDS = 0.1


def side_by_side(
    connections: Sequence[Connection],
    jobs: Sequence[Callable[[Connection], T]],
    check: Callable[[], None] | None = None,
) -> list[T]:
    """The jobs' results in their order. Every connection is idle, and idle again afterwards.

    `check` is called by this thread before the first job and after each, and may raise. What it or a job raises is
    raised here, once the queries that still ran are cancelled and ended; no further job is begun then.
    """
    look = check or (lambda: None)
    look()
    if len(connections) == 1:
        return list(_one_by_one(connections[0], jobs, look))
    free: SimpleQueue[Connection] = SimpleQueue()
    for connection in connections:
        free.put(connection)

    def run(job: Callable[[Connection], T]) -> T:
        connection = free.get()
        try:
            return job(connection)
        finally:
            free.put(connection)

    waiting, begun, running = iter(jobs), list[Future[T]](), set[Future[T]]()
    with ThreadPoolExecutor(len(connections), thread_name_prefix="query") as pool:
        try:
            while True:
                for _, job in zip(range(len(connections) - len(running)), waiting, strict=False):
                    begun.append(pool.submit(run, job))
                    running.add(begun[-1])
                if not running:
                    return [future.result() for future in begun]
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    look()  # first: a query that was cancelled for us says nothing by itself
                    future.result()
        except BaseException:
            _end(connections, begun)
            raise


def _end(connections: Sequence[Connection], begun: Sequence[Future[T]]) -> None:
    """Cancels until nothing runs: a session that is between two statements does not hear the first word."""
    while running := {future for future in begun if not future.done()}:
        for connection in connections:
            with suppress(psycopg.Error):  # who is out of reach ends by the time limit of its link
                connection.cancel_safe(timeout=_CANCEL_SECONDS)
        wait(running, timeout=_AGAIN_SECONDS)


def _one_by_one(
    connection: Connection, jobs: Sequence[Callable[[Connection], T]], look: Callable[[], None]
) -> Iterator[T]:
    for job in jobs:
        result = job(connection)
        look()
        yield result
