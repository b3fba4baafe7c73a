"""A small world for tests of the live schema: versions with marked rows, a reader role, connections of each kind."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from sdconsole.target.connect import Connection, Target, connect
from sdconsole.target.ledger.record import (
    Actor,
    begin,
    ensure_ledger,
    live_deployment,
    mark_ready,
    record_step,
    taken_names,
)
from sdconsole.target.live.switch import Cutover, cut_over
from sdconsole.target.live.versions import rollback_target
from sdconsole.target.names import new_version_name

TABLES: Mapping[str, str] = {
    "tickets": '"TKT-Ticket ID" bigint PRIMARY KEY, mark int, "TKT-Job#/Ref#" text, "share %" numeric(8,3)',
    "comments": 'comment_id bigint PRIMARY KEY, mark int, "say ""hi""" text',
    "roster": "name text, mark int",
}
"""Column definitions by table. Every table has a column `mark`, the same number in all rows of a version."""


@dataclass(slots=True)
class World:
    """`target.reader_role` logs in with `reader_password` and has rights through the live schema only."""

    target: Target
    reader_password: str
    actor: Actor = field(default_factory=lambda: Actor("r-20260101-000000-0001", "anna", "ops-1"))
    made: int = 0

    @property
    def live_schema(self) -> str:
        return self.target.live_schema

    def connect(self, application: str = "sdconsole:r-20260101-000000-0001") -> Connection:
        return connect(self.target, application=application)

    @contextmanager
    def reader(self, *, autocommit: bool = True) -> Iterator[psycopg.Connection[TupleRow]]:
        dsn = make_conninfo(self.target.conninfo, user=self.target.reader_role, password=self.reader_password)
        with psycopg.connect(dsn, autocommit=autocommit) as connection:
            yield connection

    def loading(self, connection: Connection, tables: Mapping[str, str] | None = None, *, canary: bool = False) -> str:
        """A version schema with rows and steps, still in state loading. All rows of the n-th version have mark n."""
        ensure_ledger(connection)
        self.made += 1
        name = new_version_name(self.live_schema, datetime.now(UTC), taken_names(connection))
        row = begin(
            connection,
            live_schema=self.live_schema,
            version=name,
            mode="complete",
            actor=self.actor,
            clean_digest=f"digest-{self.made}",
            canary=canary,
        )
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        for table, columns in (TABLES if tables is None else tables).items():
            relation = sql.Identifier(name, table)
            with connection.transaction():
                connection.execute(sql.SQL("CREATE TABLE {} ({})").format(relation, sql.SQL(columns)))
                self._fill(connection, relation, columns)
                record_step(connection, row.id, table, 3)
        return name

    def _fill(self, connection: Connection, relation: sql.Identifier, columns: str) -> None:
        names = [column[0] for column in connection.execute(sql.SQL("TABLE {}").format(relation)).description or ()]
        for number in range(3):
            values: dict[str, int] = {names[0]: number}
            if "mark" in names:
                values["mark"] = self.made
            connection.execute(
                sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                    relation,
                    sql.SQL(", ").join(map(sql.Identifier, values)),
                    sql.SQL(", ").join(map(sql.Literal, values.values())),
                )
            )

    def ready(self, connection: Connection, tables: Mapping[str, str] | None = None, *, canary: bool = False) -> str:
        version = self.loading(connection, tables, canary=canary)
        mark_ready(connection, version, actor=self.actor, score=91.5)
        return version

    def switch(self, connection: Connection, version: str) -> Cutover:
        live = live_deployment(connection, self.live_schema)
        return cut_over(connection, self.target, version, previous=live.version if live else None, actor=self.actor)

    def deploy(self, connection: Connection, tables: Mapping[str, str] | None = None) -> str:
        """A new version, live."""
        version = self.ready(connection, tables)
        self.switch(connection, version)
        return version

    def roll_back(self, connection: Connection, to: str | None = None) -> Cutover:
        live = live_deployment(connection, self.live_schema)
        wanted = rollback_target(connection, self.live_schema, to)
        return cut_over(
            connection,
            self.target,
            wanted.version,
            previous=live.version if live else None,
            actor=self.actor,
            kind="rollback",
        )

    def marks(self, table: str = "tickets") -> set[int]:
        """What the reader role sees in `mark` of a live view."""
        with self.reader() as connection:
            query = sql.SQL("SELECT DISTINCT mark FROM {}").format(sql.Identifier(self.live_schema, table))
            return {row[0] for row in connection.execute(query)}


@contextmanager
def fresh_world(server: str) -> Iterator[World]:
    """A world in a database of its own on a server, by a superuser's conninfo; gone afterwards."""
    name, role, password = f"t_{secrets.token_hex(5)}", f"reader_{secrets.token_hex(4)}", secrets.token_hex(8)
    database, reader = sql.Identifier(name), sql.Identifier(role)
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(database))
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(reader, sql.Literal(password)))
    try:
        yield World(Target("test", make_conninfo(server, dbname=name), "servicedesk", role), password)
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))
            admin.execute(sql.SQL("DROP ROLE {}").format(reader))


@dataclass(frozen=True, slots=True)
class Login:
    """A database, by a superuser's conninfo, and a role that can log in to it and do nothing else."""

    dsn: str
    role: str
    password: str


def emptied(database: Login) -> None:
    """Makes the database as it was when it was new, whoever still works in it."""
    with psycopg.connect(database.dsn, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for (publication,) in admin.execute("SELECT pubname FROM pg_publication").fetchall():
            admin.execute(sql.SQL("DROP PUBLICATION {}").format(sql.Identifier(publication)))
        schemas = admin.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN"
            " ('public', 'information_schema')"
        ).fetchall()
        for (schema,) in schemas:
            admin.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
        admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(database.role)))
