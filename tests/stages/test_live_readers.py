"""Readers during a switch: no error, no mixture, no stall; and sessions in the way of a switch."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import psycopg
import pytest
from psycopg import sql

from sdconsole.errors import DeadlineExceeded, Interrupted
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.record import VersionState, deployment_of
from sdconsole.target.live.blockers import Blockers, Lookout, cancel_blocker, end_blocker
from sdconsole.target.live.cutover import LockOrder, run_within_budget
from sdconsole.target.live.switch import drift, live_version
from tests.patience import within
from tests.stages.live_world import World
from tests.stages.readers import (
    Reader,
    join,
    prepared_join,
    prove,
    reading,
    switch,
    torn_switch,
    two_prepared,
    two_statements,
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


def test_eight_readers_never_meet_an_error_or_a_mixture_while_versions_come_and_go(world: World) -> None:
    proof = prove(world, switches=8, long_seconds=2.0)
    print(*proof.lines(), sep="\n")
    assert proof.errors == []
    assert proof.mixed == []
    assert (len(proof.cutovers), len(proof.rollbacks)) == (4, 4)
    for name, found in proof.readings.items():
        assert found.reads > 10, f"{name} hardly read"
        assert found.seen == {1, 2, 3}, f"{name} did not see every version"
    assert proof.longest_lock_wait < within(0.5)
    with world.connect() as connection:
        assert drift(connection, "servicedesk") is None


def test_a_torn_switch_would_be_noticed_by_every_kind_of_reader(world: World) -> None:
    with world.connect() as connection:
        versions = [world.deploy(connection) for _ in range(2)]
        for read in (join, prepared_join, two_statements, two_prepared):
            with reading(world, read, read) as found:
                for turn in range(60):
                    torn_switch(world, connection, versions[turn % 2])
                    if found.mixed:
                        break
            assert found.mixed, f"{read.__name__} saw nothing in {found.reads} reads"
            assert found.errors == []


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
        assert stalls[0] < within(0.25)
        assert 1.5 < done.duration_seconds < within(4)
        (blocker,) = waits[0].holders
        assert blocker.pid == pid
        assert (blocker.application, blocker.relation) == ("grafana", "servicedesk.tickets")
        assert blocker.age_seconds > 1
        assert blocker.query == "SELECT mark FROM servicedesk.tickets"
        said = waits[0].lines()[0]
        assert said.startswith(f"pid {pid} ({world.target.reader_role}, ")
        assert said.endswith("s in transaction) holds AccessShareLock on servicedesk.tickets")
        assert found.errors == []
        assert found.mixed == []
        assert found.longest_seconds < within(0.5)
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
        assert done.lock_seconds is not None
        assert 0 < done.lock_seconds < done.duration_seconds
        assert waits[0].holders[0].pid == pid
        assert found.errors == []
        assert found.mixed == []
        assert found.longest_seconds < within(0.4)
        assert world.marks() == {2}


def test_all_views_together_are_waited_for_no_longer_than_one_limit(world: World) -> None:
    with world.connect() as connection, ExitStack() as stack:
        version = world.deploy(connection)
        first = stack.enter_context(holding(world, "SELECT FROM servicedesk.comments"))
        stack.enter_context(holding(world, "SELECT FROM servicedesk.roster"))
        made = [
            (
                name,
                sql.SQL("CREATE OR REPLACE VIEW {} AS SELECT * FROM {}").format(
                    sql.Identifier("servicedesk", name), sql.Identifier(version, name)
                ),
            )
            for name in ("comments", "roster", "tickets")
        ]
        order = LockOrder()
        release = threading.Timer(0.3, first.rollback)
        connection.execute("BEGIN")
        release.start()
        started = time.monotonic()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            run_within_budget(connection, made, 400, order)
        assert order.first == ["roster"], "that is where it got stuck, so that is asked for first the next time"
        assert 0.35 < time.monotonic() - started < within(0.6)
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
            assert 0.8 <= time.monotonic() - started < within(3)
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
            assert time.monotonic() - started < within(1)

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
        assert 0.3 <= found.age_seconds < within(0.8)
        connection.execute("COMMIT")
        connection.execute("BEGIN")
        connection.execute("SELECT FROM servicedesk.tickets")
        assert lookout.look(onlooker, older_than_seconds=0.3) == ()
