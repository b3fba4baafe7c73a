"""Fixtures for tests against a real PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole.target.connect import Target
from tests.stages.live_world import Login, World, emptied


@pytest.fixture(scope="session")
def shared_database(pg_server: str) -> Iterator[Login]:
    """One database for all tests that begin with an empty one, and a role of its own that may do nothing in it."""
    name, role, password = f"t_{secrets.token_hex(5)}", f"reader_{secrets.token_hex(4)}", secrets.token_hex(8)
    database, reader = sql.Identifier(name), sql.Identifier(role)
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(database))
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(reader, sql.Literal(password)))
    yield Login(make_conninfo(pg_server, dbname=name), role, password)
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))
        admin.execute(sql.SQL("DROP ROLE {}").format(reader))


@pytest.fixture
def login(shared_database: Login) -> tuple[str, str]:
    """Name and password of the role without any right."""
    return shared_database.role, shared_database.password


@pytest.fixture
def world(shared_database: Login) -> World:
    emptied(shared_database)
    return World(Target("test", shared_database.dsn, "servicedesk", shared_database.role), shared_database.password)
