"""The lock of a target: one holder, who is known to everybody else, and no longer than it lives."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sdconsole.errors import CheckFailed, TargetLocked, TargetUnreachable
from sdconsole.target.connect import Connection, Target, connect
from sdconsole.target.ledger import lock as lock_module
from sdconsole.target.ledger.ghosts import end_ghosts, ghosts
from sdconsole.target.ledger.lock import RunLock, acquire, holder, pooler_evidence
from sdconsole.target.ledger.record import events
from tests.patience import within
from tests.stages.live_world import World

RUN = "r-20260101-000000-{:04x}"


def take(world: World, number: int = 1, *, stage: str = "preflight", target: Target | None = None) -> RunLock:
    run_id = RUN.format(number)
    target = target or world.target
    connection = connect(target, application=f"sdconsole:{run_id}")
    return acquire(connection, target, run_id, operator=f"op-{number}", host="ops-1", stage=stage)


def test_the_loser_is_told_who_holds_the_lock_where_since_when_and_how_far(world: World) -> None:
    with take(world) as lock:
        lock.update_stage("load")
        lock.check()
        with pytest.raises(TargetLocked) as refused:
            take(world, 2)
        cause = refused.value.cause
        for fact in (RUN.format(1), "op-1", "ops-1", f"pid {os.getpid()}", "stage load", time.strftime("%Y-%m-%d")):
            assert fact in cause
        with world.connect() as connection:
            found = holder(connection, "servicedesk")
            assert found is not None
            assert (found.run_id, found.stage, found.operator) == (RUN.format(1), "load", "op-1")
            assert found.stage_since > found.since
            left = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [f"sdconsole:{RUN.format(2)}"]
            ).fetchone()
            assert left == (0,)
    with take(world, 3) as lock:
        assert lock.recovered is None
    with world.connect() as connection:
        assert holder(connection, "servicedesk") is None
        assert connection.execute("SELECT FROM sdconsole.run_lock").fetchall() == []


def test_every_live_schema_has_a_lock_of_its_own(world: World) -> None:
    with take(world), take(world, 2, target=replace(world.target, live_schema="helpdesk")) as other:
        other.check()


def test_of_many_runs_started_at_once_exactly_one_wins(world: World) -> None:
    barrier = threading.Barrier(6)
    won: list[RunLock] = []
    lost: list[TargetLocked] = []
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            barrier.wait(timeout=20)
            won.append(take(world, number))
        except TargetLocked as refused:
            lost.append(refused)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=run, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert failures == []
    (winner,) = won
    with winner:
        assert len(lost) == 5
        assert all(winner.actor.run_id in refused.cause for refused in lost), [refused.cause for refused in lost]


HOLD = """
import sys, time
from sdconsole.target.ledger import lock as lock_module
from sdconsole.target.connect import Connection, Target, connect
from sdconsole.target.ledger.lock import acquire
target = Target("test", sys.argv[1], "servicedesk", "")
lock = acquire(connect(target, application="sdconsole:" + sys.argv[2]), target, sys.argv[2], operator="bob", host="h2")
lock.update_stage("validate")
print("held", flush=True)
time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_free_at_once_and_its_holder_is_remembered(world: World) -> None:
    command = [sys.executable, "-c", HOLD, world.target.conninfo, RUN.format(7)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(TargetLocked) as refused:
            take(world)
        assert f"pid {process.pid}" in refused.value.cause
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
    killed_at = time.monotonic()
    while True:
        try:
            lock = take(world)
            break
        except TargetLocked:
            assert time.monotonic() - killed_at < within(2)
    assert time.monotonic() - killed_at < within(2)
    with lock, world.connect() as connection:
        assert lock.recovered is not None
        assert (lock.recovered.run_id, lock.recovered.stage) == (RUN.format(7), "validate")
        (event,) = [event for event in events(connection, "servicedesk") if event.kind == "lock-recovered"]
        assert RUN.format(7) in event.detail["left_by"]


def test_a_holder_that_lost_its_connection_finds_out_before_it_changes_anything(world: World) -> None:
    with take(world) as lock, world.connect() as admin:
        lock.check()
        found = holder(admin, "servicedesk")
        assert found is not None
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [found.backend_pid])
        with take(world, 2) as next_lock:
            for use in (lock.check, lambda: lock.update_stage("cutover")):
                with pytest.raises(TargetUnreachable) as lost:
                    use()
                assert lost.value.slug == "lock-lost"
            lock.release()
            next_lock.check()
            now = holder(admin, "servicedesk")
            assert now is not None
            assert now.run_id == RUN.format(2)


def test_a_lock_given_back_on_the_server_is_noticed_though_the_connection_lives(world: World) -> None:
    connection = world.connect()
    with acquire(connection, world.target, RUN.format(1), operator="anna", host="ops-1") as lock:
        connection.execute("SELECT pg_advisory_unlock_all()")
        with pytest.raises(TargetUnreachable, match="was lost"):
            lock.check()


@pytest.mark.parametrize(
    ("reported", "observed", "refused"),
    [(7, (7, 7, 7), False), (7, (7, 8, 7), True), (7, (8, 8, 8), True), (0, (8, 8), True)],
)
def test_backends_that_change_or_do_not_fit_the_greeting_are_a_pooler(
    reported: int, observed: tuple[int, ...], refused: bool
) -> None:
    assert bool(pooler_evidence(reported, observed)) is refused


@contextmanager
def other_greeting(dsn: str) -> Iterator[str]:
    """A relay that, like a pooler, greets clients with a process number of its own invention."""
    place = conninfo_to_dict(dsn)
    listener = socket.create_server(("127.0.0.1", 0))
    sockets: list[socket.socket] = [listener]

    def pump(source: socket.socket, sink: socket.socket, *, greeting: bool) -> None:
        try:
            while data := source.recv(65536):
                place = data.find(b"K\x00\x00\x00\x0c")
                if greeting and place >= 0:
                    data = data[: place + 5] + b"\x00\x00\x00\x07" + data[place + 9 :]
                    greeting = False
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def serve() -> None:
        try:
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((str(place["host"]), int(str(place["port"]))))
                sockets.extend((client, server))
                threading.Thread(target=pump, args=(client, server), kwargs={"greeting": False}, daemon=True).start()
                threading.Thread(target=pump, args=(server, client), kwargs={"greeting": True}, daemon=True).start()
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield make_conninfo(dsn, host="127.0.0.1", port=listener.getsockname()[1], sslmode="disable")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        for one in sockets:
            one.close()
        thread.join(timeout=5)


def test_a_pooler_is_refused_and_leaves_no_lock_behind(world: World) -> None:
    with other_greeting(world.target.conninfo) as dsn:
        with pytest.raises(CheckFailed) as refused:
            take(world, target=replace(world.target, conninfo=dsn))
        assert refused.value.slug == "pooler"
    with take(world):
        pass


def test_a_pooler_that_shares_backends_between_sessions_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shares(connection: Connection, target: Target, *, application: str) -> bool:
        return True

    monkeypatch.setattr(lock_module, "behind_transaction_pooler", shares)
    with pytest.raises(CheckFailed) as refused:
        take(world)
    assert refused.value.slug == "pooler"
    monkeypatch.undo()
    with take(world):
        pass


def test_sessions_of_dead_runs_are_found_by_name_and_ended_and_others_are_not(world: World) -> None:
    dead, alive = world.connect(f"sdconsole:{RUN.format(1)}"), world.connect(f"sdconsole:{RUN.format(2)}")
    longer = world.connect(f"sdconsole:{RUN.format(1)}0")
    with closing(dead), alive, longer, world.connect(f"sdconsole:{RUN.format(1)}") as own:
        dead.execute("BEGIN")
        dead.execute("SELECT pg_advisory_xact_lock(42)")
        (found,) = ghosts(own, [RUN.format(1)])
        assert (found.pid, found.run_id, found.state) == (
            dead.info.backend_pid,
            RUN.format(1),
            "idle in transaction",
        )
        assert end_ghosts(own, [replace(found, started="earlier")]) == ()
        assert end_ghosts(own, [found]) == (found,)
        assert own.execute("SELECT pg_try_advisory_lock(42)").fetchone() == (True,)
        assert ghosts(own, [RUN.format(1)]) == ()
        assert alive.execute("SELECT 1").fetchone() == longer.execute("SELECT 1").fetchone() == (1,)
