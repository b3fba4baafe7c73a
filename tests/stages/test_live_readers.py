"""Readers during a switch: no error, no mixture, no stall; and sessions in the way of a switch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import psycopg
import pytest
from psycopg import IsolationLevel, sql
from psycopg.rows import TupleRow

from sdconsole.errors import DeadlineExceeded, Interrupted
from sdconsole.target.blockers import Blockers, Lookout, cancel_blocker, end_blocker
from sdconsole.target.connect import Connection
from sdconsole.target.cutover import run_within_budget
from sdconsole.target.ledger import VersionState, deployment_of, live_deployment
from sdconsole.target.live import Cutover, cut_over, drift, live_version
from tests.stages.live_world import World

Reader = psycopg.Connection[TupleRow]

JOIN = (
    "SELECT t.mark, c.mark, r.mark FROM servicedesk.tickets t CROSS JOIN servicedesk.roster r"
    ' JOIN servicedesk.comments c ON c.comment_id = t."TKT-Ticket ID"'
)


@dataclass(slots=True)
class Readings:
    """What the readers of one test met. `longest_seconds` is one read, waiting included."""

    reads: int = 0
    mixed: list[object] = field(default_factory=list)
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


@contextmanager
def reading(world: World, *readers: Callable[[Reader], set[int]]) -> Iterator[Readings]:
    """Readers that read all the time, each on a connection of its own."""
    found, stop = Readings(), threading.Event()

    def run(read: Callable[[Reader], set[int]]) -> None:
        try:
            with world.reader() as reader:
                while not stop.is_set():
                    started = time.monotonic()
                    marks = read(reader)
                    found.add(marks, time.monotonic() - started)
                    time.sleep(0.002)
        except psycopg.Error as error:
            found.errors.append(error)

    threads = [threading.Thread(target=run, args=(read,)) for read in readers]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=20)


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


@contextmanager
def holding(world: World, query: str = "SELECT mark FROM servicedesk.tickets") -> Iterator[Reader]:
    """A reader that has read and keeps its transaction open."""
    with world.reader(autocommit=False) as session:
        session.execute("SET application_name = 'grafana'")
        session.execute(query.encode())
        yield session
        if not session.closed:
            session.rollback()


def test_readers_never_meet_an_error_a_mixture_or_a_stall_while_versions_come_and_go(world: World) -> None:
    with world.connect() as connection:
        versions = [world.deploy(connection) for _ in range(3)]
        durations = []
        with reading(world, join, prepared_join, two_statements, two_repeatable) as found:
            for turn in range(10):
                time.sleep(0.05)
                wanted = versions[turn % 3]
                kind = "rollback" if turn % 2 else "cutover"
                durations.append(switch(world, connection, wanted, kind=kind).duration_seconds)
                assert live_version(connection, "servicedesk") == wanted
            time.sleep(0.05)
        assert found.errors == []
        assert found.mixed == []
        assert found.seen == {1, 2, 3}
        assert found.reads > 50
        assert found.longest_seconds < 0.5, (found.longest_seconds, durations)
        assert drift(connection, "servicedesk") is None
        print(f"reads {found.reads}, longest {found.longest_seconds:.3f} s, switches {max(durations):.3f} s")


def test_a_switch_waits_for_a_long_reader_without_queueing_in_front_of_the_others_and_names_it(world: World) -> None:
    with world.connect() as connection:
        world.deploy(connection)
        version = world.ready(connection)
        waits: list[Blockers] = []
        with holding(world) as holder, reading(world, join, prepared_join) as found:
            pid = holder.info.backend_pid
            time.sleep(1.1)
            stalls: list[float] = []

            def leave() -> None:
                stalls.append(found.longest_seconds)
                holder.rollback()

            release = threading.Timer(2.0, leave)
            release.start()
            done = switch(world, connection, version, on_wait=waits.append)
            release.join()
        while_held = [wait for wait in waits if pid in {one.pid for one in wait.holders}]
        assert len(while_held) > 3
        assert {wait.attempts for wait in while_held} == {0}, "no attempt while somebody old is in the way"
        assert stalls[0] < 0.25
        assert 1.5 < done.duration_seconds < 4
        (blocker,) = waits[0].holders
        assert blocker.pid == pid
        assert (blocker.application, blocker.relation) == ("grafana", "servicedesk.tickets")
        assert blocker.age_seconds > 1
        assert blocker.query == "SELECT mark FROM servicedesk.tickets"
        said = waits[0].lines()[0]
        assert said.startswith(f"pid {pid} ({world.target.reader_role}, ")
        assert said.endswith("s in transaction) holds AccessShareLock on servicedesk.tickets")
        assert found.errors == found.mixed == []
        assert found.longest_seconds < 0.5
        assert world.marks() == {2}


def test_a_young_reader_delays_the_others_by_no_more_than_the_lock_limit(world: World) -> None:
    with world.connect() as connection:
        world.deploy(connection)
        version = world.ready(connection)
        waits: list[Blockers] = []
        with reading(world, join) as found, holding(world) as holder:
            pid = holder.info.backend_pid
            release = threading.Timer(0.6, holder.rollback)
            release.start()
            done = switch(world, connection, version, on_wait=waits.append)
            release.join()
        assert done.attempts > 1
        assert waits[0].holders[0].pid == pid
        assert found.errors == found.mixed == []
        assert found.longest_seconds < 0.4
        assert world.marks() == {2}


def test_all_views_together_are_waited_for_no_longer_than_one_limit(world: World) -> None:
    with world.connect() as connection, ExitStack() as stack:
        version = world.deploy(connection)
        first = stack.enter_context(holding(world, "SELECT FROM servicedesk.comments"))
        stack.enter_context(holding(world, "SELECT FROM servicedesk.roster"))
        made = [
            sql.SQL("CREATE OR REPLACE VIEW {} AS SELECT * FROM {}").format(
                sql.Identifier("servicedesk", name), sql.Identifier(version, name)
            )
            for name in ("comments", "roster", "tickets")
        ]
        release = threading.Timer(0.3, first.rollback)
        connection.execute("BEGIN")
        release.start()
        started = time.monotonic()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            run_within_budget(connection, made, 400)
        assert 0.35 < time.monotonic() - started < 0.6
        release.join()
        connection.execute("ROLLBACK")


def test_a_switch_gives_up_at_its_deadline_with_nothing_changed(world: World) -> None:
    with world.connect() as connection:
        live = world.deploy(connection)
        version = world.ready(connection)
        with holding(world) as holder:
            pid = holder.info.backend_pid
            started = time.monotonic()
            with pytest.raises(DeadlineExceeded) as late:
                switch(world, connection, version, deadline_seconds=0.8)
            assert 0.8 <= time.monotonic() - started < 3
        error = late.value
        assert (error.slug, error.message) == ("cutover-lock", "could not switch servicedesk within 0.8 s")
        assert error.cause.startswith(f"pid {pid} ({world.target.reader_role}, ")
        assert "holds AccessShareLock on servicedesk.tickets" in error.cause
        assert error.state == f"nothing was changed; {version} is ready"
        more = f"sdconsole resume {world.actor.run_id} --deadline 10m"
        assert error.next_step == f"sdconsole blockers --cancel {pid}, then: {more}"
        assert live_version(connection, "servicedesk") == live
        assert deployment_of(connection, version).state is VersionState.READY
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def test_the_operator_can_end_an_idle_blocker_and_cancel_a_running_one(world: World) -> None:
    with world.connect() as connection:
        world.deploy(connection)
        version, another = world.ready(connection), world.ready(connection)
        ended: list[bool] = []

        def end(blockers: Blockers) -> None:
            ended.append(end_blocker(connection, blockers.holders[0]))

        with holding(world) as idle:
            time.sleep(0.4)
            switch(world, connection, version, on_wait=end, old_seconds=0.3)
            assert ended == [True]
            with pytest.raises(psycopg.OperationalError):
                idle.execute("SELECT 1")
            idle.close()

        cancelled: list[type[BaseException]] = []

        def run_long(session: Reader) -> None:
            try:
                session.execute("SELECT pg_sleep(30) FROM servicedesk.tickets")
            except psycopg.errors.QueryCanceled as error:
                cancelled.append(type(error))

        with world.reader() as session:
            thread = threading.Thread(target=run_long, args=(session,))
            thread.start()
            time.sleep(0.5)
            cancel = partial(cancel_and_check, connection)
            switch(world, connection, another, on_wait=cancel, old_seconds=0.3)
            thread.join(timeout=10)
            assert cancelled == [psycopg.errors.QueryCanceled]
            assert session.execute("SELECT DISTINCT mark FROM servicedesk.tickets").fetchall() == [(3,)]


def cancel_and_check(connection: Connection, found: Blockers) -> None:
    assert found.holders[0].state == "active"
    assert cancel_blocker(connection, found.holders[0])


def test_a_stop_request_ends_the_waiting_with_nothing_changed(world: World) -> None:
    with world.connect() as connection:
        live = world.deploy(connection)
        version = world.ready(connection)
        waits: list[Blockers] = []

        def stop_once_waiting() -> None:
            if waits:
                raise Interrupted

        with holding(world):
            time.sleep(0.4)
            started = time.monotonic()
            with pytest.raises(Interrupted):
                switch(world, connection, version, on_wait=waits.append, check=stop_once_waiting, old_seconds=0.3)
            assert time.monotonic() - started < 1

        def cancelled(blockers: Blockers) -> None:
            waits.append(blockers)
            connection.execute("DO $$ BEGIN RAISE query_canceled; END $$")

        waits.clear()
        with holding(world), pytest.raises(Interrupted):
            switch(world, connection, version, on_wait=cancelled, check=stop_once_waiting, old_seconds=0.0)
        assert live_version(connection, "servicedesk") == live


def test_the_age_of_a_session_that_may_not_be_seen_is_the_time_it_was_watched(world: World) -> None:
    with world.connect() as connection, world.reader() as onlooker:
        world.deploy(connection)
        connection.execute("BEGIN")
        connection.execute("SELECT FROM servicedesk.tickets")
        time.sleep(0.4)
        lookout = Lookout("servicedesk", ("tickets", "comments"))
        assert lookout.look(onlooker, older_than_seconds=0.3) == ()
        time.sleep(0.4)
        (found,) = lookout.look(onlooker, older_than_seconds=0.3)
        assert found.pid == connection.info.backend_pid
        assert 0.3 <= found.age_seconds < 0.8
        connection.execute("COMMIT")
        connection.execute("BEGIN")
        connection.execute("SELECT FROM servicedesk.tickets")
        assert lookout.look(onlooker, older_than_seconds=0.3) == ()
