"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole.target.embedded.server import EmbeddedServer


def pytest_configure() -> None:
    """Who started the tests may ignore signals, as a job in the background does; the programs under test do not."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class Database:
    """A fresh database on the test server; `dsn` connects as a superuser."""

    dsn: str
    name: str


@pytest.fixture(scope="session")
def pg_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A conninfo of a running PostgreSQL server with a superuser: SDCONSOLE_TEST_DSN, else one of our own."""
    given = os.environ.get("SDCONSOLE_TEST_DSN")
    if given:
        yield given
        return
    server = EmbeddedServer(tmp_path_factory.mktemp("postgresql"), durable=False)
    try:
        server.start()
        yield server.dsn("postgres", superuser=True)
    finally:
        server.remove()


@pytest.fixture
def pg(pg_server: str) -> Iterator[Database]:
    name = f"t_{secrets.token_hex(5)}"
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield Database(make_conninfo(pg_server, dbname=name), name)
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
