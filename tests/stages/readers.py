"""Eight connections that read the live views all the time while versions come and go, and what they met.

All rows of a version carry the same mark, so one look at what a reader got tells whether it saw two versions at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from queue import LifoQueue
from statistics import median

import psycopg
from psycopg import IsolationLevel
from psycopg.rows import TupleRow

from sdconsole.target.connect import Connection
from sdconsole.target.ledger.record import live_deployment
from sdconsole.target.live.live_views import publish
from sdconsole.target.live.switch import LOCK_TIMEOUT_MS, Cutover, cut_over
from tests.stages.live_world import World

Reader = psycopg.Connection[TupleRow]
Read = Callable[[Reader], set[int]]

JOIN = (
    "SELECT t.mark, c.mark, r.mark FROM servicedesk.tickets t CROSS JOIN servicedesk.roster r"
    ' JOIN servicedesk.comments c ON c.comment_id = t."TKT-Ticket ID"'
)
_SAMPLE_SECONDS = 0.005


@dataclass(slots=True)
class Readings:
    """What the readers of one kind met. `longest_seconds` is one read, waiting included."""

    reads: int = 0
    mixed: list[set[int]] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    longest_seconds: float = 0.0
    seen: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, marks: set[int], seconds: float) -> None:
        with self._lock:
            self.reads += 1
            self.seen |= marks
            self.longest_seconds = max(self.longest_seconds, seconds)
            if len(marks) != 1:
                self.mixed.append(marks)


def join(reader: Reader) -> set[int]:
    return {mark for row in reader.execute(JOIN).fetchall() for mark in row}


def prepared_join(reader: Reader) -> set[int]:
    return {mark for row in reader.execute(JOIN, prepare=True).fetchall() for mark in row}


def two_statements(reader: Reader) -> set[int]:
    with reader.transaction():
        first = reader.execute("SELECT mark FROM servicedesk.tickets").fetchall()
        time.sleep(0.005)
        second = reader.execute("SELECT mark FROM servicedesk.comments").fetchall()
    return {row[0] for row in first + second}


def two_repeatable(reader: Reader) -> set[int]:
    reader.isolation_level = IsolationLevel.REPEATABLE_READ
    return two_statements(reader)


def two_prepared(reader: Reader) -> set[int]:
    with reader.transaction():
        first = reader.execute("SELECT mark FROM servicedesk.roster", prepare=True).fetchall()
        second = reader.execute("SELECT mark FROM servicedesk.tickets", prepare=True).fetchall()
    return {row[0] for row in first + second}


@contextmanager
def reading(world: World, *readers: Read) -> Iterator[Readings]:
    """Readers that read all the time, each on a connection of its own, counted together."""
    found = Readings()
    with _running({f"reader {number}": (found, _alone(world, read)) for number, read in enumerate(readers)}):
        yield found


Loop = Callable[[threading.Event, Readings], None]


def _alone(world: World, read: Read) -> Loop:
    def loop(stop: threading.Event, found: Readings) -> None:
        with world.reader() as reader:
            while not stop.is_set():
                _once(lambda: read(reader), found)

    return loop


def _once(read: Callable[[], set[int]], found: Readings) -> None:
    started = time.monotonic()
    marks = read()
    found.add(marks, time.monotonic() - started)
    time.sleep(0.002)


def _pooled(pool: LifoQueue[Reader], reads: Sequence[Read]) -> Loop:
    """Takes a connection of the pool for each read and gives it back, as an application server does."""

    def loop(stop: threading.Event, found: Readings) -> None:
        turn = 0
        while not stop.is_set():
            reader = pool.get()
            try:
                turn += 1
                _once(lambda: reads[turn % len(reads)](reader), found)  # noqa: B023 (called at once)
            finally:
                pool.put(reader)

    return loop


def _one_long_query(world: World, seconds: float) -> Loop:
    """A report: one statement that takes so long, and reads its last table at the end."""
    slept = f"WITH z AS MATERIALIZED (SELECT pg_sleep({seconds:g}))"
    query = f"{slept} {JOIN.replace(' FROM ', ' FROM z CROSS JOIN ', 1)}"

    def loop(stop: threading.Event, found: Readings) -> None:
        with world.reader() as reader:
            marks = {mark for row in reader.execute(query.encode()).fetchall() for mark in row}
            found.add(marks, 0.0)
            while not stop.is_set():
                _once(lambda: join(reader), found)

    return loop


@contextmanager
def _running(loops: Mapping[str, tuple[Readings, Loop]]) -> Iterator[None]:
    stop = threading.Event()

    def run(found: Readings, loop: Loop) -> None:
        try:
            loop(stop, found)
        except psycopg.Error as error:
            found.errors.append(error)

    threads = [threading.Thread(target=run, args=given, name=name) for name, given in loops.items()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=60)


@dataclass(slots=True)
class Proof:
    """`readings` by kind of reader. `longest_lock_wait` in seconds, as the server saw the readers wait for a lock."""

    readings: Mapping[str, Readings]
    cutovers: list[Cutover] = field(default_factory=list)
    rollbacks: list[Cutover] = field(default_factory=list)
    longest_lock_wait: float = 0.0

    @property
    def errors(self) -> list[BaseException]:
        return [error for one in self.readings.values() for error in one.errors]

    @property
    def mixed(self) -> list[set[int]]:
        return [marks for one in self.readings.values() for marks in one.mixed]

    @property
    def longest_seconds(self) -> float:
        return max(one.longest_seconds for one in self.readings.values())

    def lines(self) -> Iterator[str]:
        yield f"{'reader':<34} {'reads':>7} {'errors':>7} {'mixed':>6} {'longest':>9}"
        for name, one in self.readings.items():
            yield (
                f"{name:<34} {one.reads:>7,} {len(one.errors):>7} {len(one.mixed):>6}"
                f" {one.longest_seconds * 1000:>6.0f} ms"
            )
        done = [*self.cutovers, *self.rollbacks]
        seconds = sorted(switch.duration_seconds for switch in done)
        yield (
            f"{len(self.cutovers)} cutovers and {len(self.rollbacks)} rollbacks, {sum(one.attempts for one in done)}"
            f" attempts: median {median(seconds) * 1000:.0f} ms, longest {seconds[-1]:.1f} s (waiting for the report)"
        )
        yield (
            f"longest wait of a reader for a lock {self.longest_lock_wait * 1000:.0f} ms; an attempt asks for locks for"
            f" at most {LOCK_TIMEOUT_MS} ms, and whoever comes meanwhile waits behind it"
        )


def prove(world: World, *, switches: int, long_seconds: float) -> Proof:
    """Eight connections read while live goes from version to version so many times. Checks nothing."""
    kinds: dict[str, Read] = {
        "join of three tables": join,
        "prepared join of three tables": prepared_join,
        "two statements, read committed": two_statements,
        "two statements, repeatable read": two_repeatable,
        "two prepared statements": two_prepared,
    }
    report, pooled = f"one query of {long_seconds:g} s, then joins", "pool of two, three threads"
    proof = Proof({name: Readings() for name in (*kinds, pooled, report)})
    with ExitStack() as stack:
        connection = stack.enter_context(world.connect())
        versions = [world.deploy(connection) for _ in range(3)]
        pool: LifoQueue[Reader] = LifoQueue()
        for _ in range(2):
            pool.put(stack.enter_context(world.reader()))
        loops = {name: (proof.readings[name], _alone(world, read)) for name, read in kinds.items()}
        loops |= {
            f"{pooled} {n}": (proof.readings[pooled], _pooled(pool, (join, two_statements, prepared_join)))
            for n in range(3)
        }
        loops[report] = (proof.readings[report], _one_long_query(world, long_seconds))
        stack.enter_context(_lock_waits(world, proof))
        stack.enter_context(_running(loops))
        for turn in range(switches):
            time.sleep(1.2 if turn == 1 else 0.03)  # by then the long query is old, and has to be waited for
            done = proof.rollbacks if turn % 2 else proof.cutovers
            done.append(switch(world, connection, versions[turn % 3], kind="rollback" if turn % 2 else "cutover"))
        time.sleep(0.1)
    return proof


@contextmanager
def _lock_waits(world: World, proof: Proof) -> Iterator[None]:
    """Looks on the server how long the readers wait for locks; before PostgreSQL 14 it does not say."""
    stop = threading.Event()

    def sample() -> None:
        with world.connect(application="sampler") as connection:
            if connection.info.server_version < 140_000:
                return
            while not stop.wait(_SAMPLE_SECONDS):
                row = connection.execute(
                    "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart)), 0)::float8"
                    " FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.usename = %s",
                    [world.target.reader_role],
                ).fetchone()
                assert row is not None
                proof.longest_lock_wait = max(proof.longest_lock_wait, row[0])

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=10)


def switch(world: World, connection: Connection, version: str, **options: object) -> Cutover:
    live = live_deployment(connection, world.live_schema)
    return cut_over(
        connection,
        world.target,
        version,
        previous=live.version if live else None,
        actor=world.actor,
        **options,  # type: ignore[arg-type]
    )


def torn_switch(world: World, connection: Connection, version: str) -> None:
    """What must never happen: one view after the other, each in a transaction of its own."""
    live = live_deployment(connection, world.live_schema)
    assert live is not None
    for shape in live.tables:
        connection.execute(publish(world.live_schema, version, shape.name, shape.column_names))
        time.sleep(0.02)
