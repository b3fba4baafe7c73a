"""Missing rights are named with the statement that gives them, and that statement is enough."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole.target.connect import Target, connect
from sdconsole.target.load.ddl import create_version
from sdconsole.target.rights.privileges import MissingRight, privileges
from tests.conftest import Database
from tests.stages.target_clean_file import TABLES, VERSION


@dataclass(frozen=True, slots=True)
class Setting:
    admin: psycopg.Connection
    target: Target
    user: str

    def missing(self) -> tuple[MissingRight, ...]:
        with closing(connect(self.target, application="test")) as connection:
            return privileges(connection, self.target)

    def give(self, rights: tuple[MissingRight, ...]) -> None:
        for right in rights:
            self.admin.execute(right.statement.encode())


@pytest.fixture
def setting(pg: Database) -> Iterator[Setting]:
    user, reader = (f"{name}_{secrets.token_hex(4)}" for name in ('dep"loyer', "reader"))
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(user)))
        admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(reader)))
        conninfo = make_conninfo(pg.dsn, user=user, password="x")
        yield Setting(admin, Target("test", conninfo, "servicedesk", reader), user)
        for role in (user, reader):
            admin.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(sql.Identifier(role)))
            admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_a_superuser_lacks_nothing(pg: Database) -> None:
    target = Target("test", pg.dsn, "servicedesk", "no_such_role")
    with closing(connect(target, application="test")) as connection:
        assert privileges(connection, target) == ()


def test_a_bare_login_is_told_every_grant_and_with_those_it_can_work(setting: Setting) -> None:
    found = setting.missing()
    assert len(found) == 2
    assert "may not create schemas" in found[0].reason
    assert found[0].statement.startswith("GRANT CREATE ON DATABASE ")
    assert "not a member" in found[1].reason
    setting.give(found)
    assert setting.missing() == ()
    with closing(connect(setting.target, application="test")) as connection:
        create_version(connection, VERSION, TABLES, comment="", reader_role=setting.target.reader_role)
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(setting.target.reader_role)))


def test_a_live_schema_of_another_owner_is_named_object_by_object(setting: Setting) -> None:
    setting.give(setting.missing())
    setting.admin.execute("CREATE SCHEMA servicedesk")
    setting.admin.execute("CREATE VIEW servicedesk.tickets AS SELECT 1 AS id")
    setting.admin.execute('CREATE TABLE servicedesk."odd ""one""" ()')
    setting.admin.execute("CREATE SCHEMA sdconsole")
    found = setting.missing()
    assert [right.reason.split(" belongs")[0] for right in found] == [
        "the schema servicedesk",
        'the table servicedesk.odd "one"',
        "the view servicedesk.tickets",
        "the schema sdconsole",
    ]
    with closing(connect(setting.target, application="test")) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE OR REPLACE VIEW servicedesk.tickets AS SELECT 2 AS id")
        setting.give(found)
        assert privileges(connection, setting.target) == ()
        connection.execute("CREATE OR REPLACE VIEW servicedesk.tickets AS SELECT 2 AS id")
