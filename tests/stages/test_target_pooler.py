"""A pooler in transaction mode is recognised, because a session's locks mean nothing behind it.

The pooler here is a small one of our own that does what they all do in that mode: after every transaction the
backend goes back to the pool, and whoever comes next gets it.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from psycopg import pq

from sdconsole.target.connect import Target, behind_transaction_pooler, connect
from tests.conftest import Database


class Pool:
    """Backends of the real server, logged in already, given out last in, first out, or in turn."""

    def __init__(self, dsn: str, size: int, *, session_mode: bool, in_turn: bool) -> None:
        self._logins = [pq.PGconn.connect(dsn.encode()) for _ in range(size)]
        assert all(login.status == pq.ConnStatus.OK for login in self._logins)
        self._free = [socket.socket(fileno=os.dup(login.socket)) for login in self._logins]
        for backend in self._free:
            backend.setblocking(True)
        self._changed = threading.Condition()
        self.session_mode = session_mode
        self._in_turn = in_turn

    def take(self) -> socket.socket:
        with self._changed:
            assert self._changed.wait_for(lambda: self._free, timeout=10), "no backend became free"
            return self._free.pop(0 if self._in_turn else -1)

    def give(self, backend: socket.socket) -> None:
        with self._changed:
            self._free.append(backend)
            self._changed.notify()

    def close(self) -> None:
        for backend in self._free:
            backend.close()
        for login in self._logins:
            login.finish()


def _exactly(source: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = source.recv(size - len(received))
        if not part:
            raise EOFError
        received += part
    return received


def _message(source: socket.socket) -> bytes:
    head = _exactly(source, 5)
    return head + _exactly(source, struct.unpack("!i", head[1:])[0] - 4)


def _packed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _greet(client: socket.socket) -> None:
    """Lets anybody in, as a pooler does for its own users, with a cancel key that is not the backend's."""
    size = struct.unpack("!i", _exactly(client, 4))[0]
    _exactly(client, size - 4)
    settings = {"server_version": "16.0", "client_encoding": "UTF8", "DateStyle": "ISO, MDY", "integer_datetimes": "on"}
    answer = _packed(b"R", struct.pack("!i", 0))
    answer += b"".join(_packed(b"S", f"{name}\0{value}\0".encode()) for name, value in settings.items())
    client.sendall(answer + _packed(b"K", os.urandom(8)) + _packed(b"Z", b"I"))


def _serve(client: socket.socket, pool: Pool) -> None:
    backend: socket.socket | None = None
    try:
        with client:
            _greet(client)
            while True:
                message = _message(client)
                if message[:1] == b"X":
                    return
                backend = backend or pool.take()
                backend.sendall(message)
                if message[:1] not in (b"Q", b"S"):
                    continue
                while True:
                    answer = _message(backend)
                    client.sendall(answer)
                    if answer[:1] == b"Z":
                        break
                if answer[5:] == b"I" and not pool.session_mode:
                    pool.give(backend)
                    backend = None
    except (EOFError, OSError):
        return
    finally:
        if backend is not None:
            pool.give(backend)


@contextmanager
def pooler(dsn: str, *, size: int, session_mode: bool, in_turn: bool = False) -> Iterator[str]:
    """A conninfo that leads through a pool of `size` backends."""
    pool = Pool(dsn, size, session_mode=session_mode, in_turn=in_turn)
    stop = threading.Event()
    clients: list[threading.Thread] = []

    def accept() -> None:
        while not stop.is_set():
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            client.setblocking(True)
            clients.append(threading.Thread(target=_serve, args=(client, pool)))
            clients[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            port = listener.getsockname()[1]
            yield f"host=127.0.0.1 port={port} user=anybody dbname=pooled sslmode=disable gssencmode=disable"
        finally:
            stop.set()
            for thread in (accepting, *clients):
                thread.join()
            pool.close()


def _behind(conninfo: str) -> bool:
    target = Target("test", conninfo, "servicedesk", "")
    with closing(connect(target, application="test")) as connection:
        return behind_transaction_pooler(connection, target, application="test")


def test_a_direct_connection_is_no_pooler_and_keeps_no_lock_behind(pg: Database) -> None:
    target = Target("test", pg.dsn, "servicedesk", "")
    with closing(connect(target, application="test")) as connection:
        assert not behind_transaction_pooler(connection, target, application="test")
        held = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
        assert held == (0,)


@pytest.mark.parametrize("in_turn", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_pooler_in_transaction_mode_is_recognised(pg: Database, size: int, in_turn: bool) -> None:
    with pooler(pg.dsn, size=size, session_mode=False, in_turn=in_turn) as conninfo:
        assert _behind(conninfo)


def test_a_pooler_in_session_mode_is_accepted(pg: Database) -> None:
    with pooler(pg.dsn, size=2, session_mode=True) as conninfo:
        assert not _behind(conninfo)
