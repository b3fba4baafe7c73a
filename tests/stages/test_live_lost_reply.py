"""The connection breaks while live is switched: what is reported is what happened."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sdconsole.errors import ChangedNotUndone, TargetUnreachable
from sdconsole.target.connect import Connection, connect
from sdconsole.target.ledger.record import VersionState, deployment_of, events, live_deployment
from sdconsole.target.live import attempt
from sdconsole.target.live.lost_reply import OpenTransaction, committed
from sdconsole.target.live.switch import Cutover, cut_over, drift, live_version
from tests.stages.live_world import World

COMMIT = b"COMMIT\x00"
"""The statement itself; READ COMMITTED does not end there."""

How = Literal["reply lost", "request lost", "server hears nothing more"]


@dataclass(slots=True)
class Relay:
    """A TCP relay that breaks a connection at the message that holds `at`; `fired` proves that it did.

    reply lost: the message arrives, its answer does not. request lost: it does not arrive, both sides are cut.
    server hears nothing more: it does not arrive, and the server's side stays open as behind a dead firewall.
    """

    upstream: tuple[str, int]
    at: bytes
    how: How
    fired: int = 0
    armed: bool = False
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    sockets: list[socket.socket] = field(default_factory=list)

    def serve(self) -> None:
        try:
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.upstream)
                self.sockets += [client, server]
                cut = threading.Event()
                for pump in (self.requests, self.replies):
                    threading.Thread(target=pump, args=(client, server, cut), daemon=True).start()
        except OSError:
            return

    def requests(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        try:
            while data := client.recv(65536):
                if self.armed and self.at in data:
                    self.armed = False
                    self.fired += 1
                    cut.set()
                    if self.how != "reply lost":
                        client.shutdown(socket.SHUT_RDWR)
                        if self.how == "request lost":
                            server.shutdown(socket.SHUT_RDWR)
                        return
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def replies(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        try:
            while data := server.recv(65536):
                if cut.is_set():
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


@contextmanager
def relay(world: World, at: bytes, how: How) -> Iterator[tuple[Relay, Connection]]:
    """A relay and the product's connection through it."""
    place = conninfo_to_dict(world.target.conninfo)
    made = Relay((str(place["host"]), int(str(place["port"]))), at, how)
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    port = made.listener.getsockname()[1]
    dsn = make_conninfo(world.target.conninfo, host="127.0.0.1", port=port, sslmode="disable")
    try:
        connection = connect(replace(world.target, conninfo=dsn), application=f"sdconsole:{world.actor.run_id}")
        try:
            yield made, connection
        finally:
            connection.close()
    finally:
        made.listener.shutdown(socket.SHUT_RDWR)
        made.listener.close()
        for one in made.sockets:
            one.close()
        thread.join(timeout=5)


def switch(
    world: World, through: Connection, version: str, previous: str, reconnect: Callable[[], Connection] | None = None
) -> Cutover:
    return cut_over(
        through,
        world.target,
        version,
        previous=previous,
        actor=world.actor,
        kind="cutover",
        reconnect=reconnect or world.connect,
    )


def assert_truth(world: World, direct: Connection, version: str, other: str) -> None:
    """Views, ledger, readers and event record agree that `version` is live."""
    assert live_version(direct, "servicedesk") == version
    live = live_deployment(direct, "servicedesk")
    assert live is not None
    assert live.version == version
    assert deployment_of(direct, other).state is not VersionState.LIVE
    assert drift(direct, "servicedesk") is None
    assert len(world.marks()) == 1


def assert_gone(direct: Connection, pid: int) -> None:
    """The backend is ended, or ends this moment."""
    until = time.monotonic() + 1
    while direct.execute("SELECT FROM pg_locks WHERE pid = %s", [pid]).fetchall():
        assert time.monotonic() < until, "the lost session keeps its locks"
        time.sleep(0.02)


def test_a_lost_reply_to_commit_is_a_success_when_the_server_committed(world: World) -> None:
    with world.connect() as direct:
        first = world.deploy(direct)
        second = world.ready(direct)
        live, other = first, second
        for trial in range(4):
            with relay(world, COMMIT, "reply lost") as (cutter, through):
                cutter.armed = True
                done = switch(world, through, other, live)
                assert cutter.fired == 1
                assert through.closed
            assert done.reply_lost
            assert (done.from_version, done.to_version, done.attempts) == (live, other, 1)
            assert_truth(world, direct, other, live)
            switches = [event for event in events(direct, "servicedesk") if event.kind == "cutover"]
            assert len(switches) == trial + 2, "it must not be run twice"
            live, other = other, live


@pytest.mark.parametrize("how", ["request lost", "server hears nothing more"])
def test_a_commit_that_never_arrived_is_reported_as_nothing_changed_and_its_locks_are_freed(
    world: World, how: How
) -> None:
    with world.connect() as direct:
        first = world.deploy(direct)
        second = world.ready(direct)
        for _ in range(2):
            with relay(world, COMMIT, how) as (cutter, through):
                cutter.armed = True
                pid = through.info.backend_pid
                started = time.monotonic()
                with pytest.raises(TargetUnreachable) as lost:
                    switch(world, through, second, first)
                assert time.monotonic() - started < 4, "sooner than the server's own limit for idle transactions"
                assert cutter.fired == 1
                assert_gone(direct, pid)
                assert_truth(world, direct, first, second)
            assert lost.value.slug == "connection-lost"
            assert "while servicedesk was switched, and the server rolled back" in lost.value.message
            assert lost.value.state == f"nothing was changed; {second} is as it was"
        assert deployment_of(direct, second).state is VersionState.READY
        assert switch(world, direct, second, first).to_version == second


@pytest.mark.parametrize("how", ["request lost", "reply lost", "server hears nothing more"])
def test_a_connection_lost_before_commit_changes_nothing_and_blocks_nobody(world: World, how: How) -> None:
    with world.connect() as direct:
        first = world.deploy(direct)
        second = world.ready(direct)
        with relay(world, b"CREATE OR REPLACE VIEW", how) as (cutter, through):
            cutter.armed = True
            pid = through.info.backend_pid
            with pytest.raises(TargetUnreachable) as lost:
                switch(world, through, second, first)
            assert cutter.fired == 1
            assert_gone(direct, pid)
            assert "before servicedesk was switched" in lost.value.message
            assert_truth(world, direct, first, second)


def test_an_outcome_that_cannot_be_found_out_is_reported_as_unknown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "_RESOLVE_SECONDS", 0.5)

    def unreachable() -> Connection:
        raise TargetUnreachable("connection-refused", "nothing answers")

    with world.connect() as direct:
        first = world.deploy(direct)
        second = world.ready(direct)
        with relay(world, COMMIT, "reply lost") as (cutter, through):
            cutter.armed = True
            with pytest.raises(ChangedNotUndone) as unknown:
                switch(world, through, second, first, unreachable)
            assert cutter.fired == 1
        assert unknown.value.slug == "cutover-unknown"
        assert first in unknown.value.state
        assert second in unknown.value.state
        assert_truth(world, direct, second, first)


def test_a_backend_ended_by_the_administrator_in_the_middle_changes_nothing(world: World) -> None:
    with world.connect() as direct, world.connect() as victim:
        first = world.deploy(direct)
        second = world.ready(direct)
        pid = victim.info.backend_pid

        def end_it() -> None:
            direct.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

        with pytest.raises(TargetUnreachable):
            cut_over(victim, world.target, second, previous=first, actor=world.actor, check=end_it)
        assert_truth(world, direct, first, second)


def test_a_transaction_the_server_never_heard_of_was_not_committed(world: World) -> None:
    with world.connect() as direct:
        version = world.deploy(direct)
    for xid in ("3", str(2**40)):
        unheard = OpenTransaction(version, "no such token", xid, backend_pid=1, backend_started="")
        assert committed(unheard, world.connect, within_seconds=5) is False
