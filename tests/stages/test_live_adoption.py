"""A live schema that was there before: taken over without a change for its readers, or refused by name."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from sdconsole.errors import CheckFailed
from sdconsole.target.connect import Connection, connect
from sdconsole.target.ledger.record import VersionState, deployment_of, ensure_ledger, events
from sdconsole.target.live.adoption import adopt, survey
from sdconsole.target.live.switch import drift, live_version
from sdconsole.target.live.versions import versions
from sdconsole.target.schema_shape import shapes
from tests.stages.live_world import World
from tests.stages.test_live import names_in

ADOPTED = "servicedesk_v20260101_120000"


@pytest.fixture
def connection(world: World) -> Iterator[Connection]:
    with world.connect() as connection:
        ensure_ledger(connection)
        connection.execute("CREATE SCHEMA servicedesk")
        connection.execute('CREATE TABLE servicedesk.tickets ("TKT-Ticket ID" text PRIMARY KEY, mark int)')
        connection.execute("INSERT INTO servicedesk.tickets VALUES ('1', 77), ('2', 77)")
        connection.execute("CREATE TABLE servicedesk.notes (id serial PRIMARY KEY, mark int DEFAULT 77)")
        connection.execute("CREATE INDEX ON servicedesk.notes (mark)")
        yield connection


def nothing() -> None:
    """The test does not stop the adoption."""


def take_over(world: World, connection: Connection) -> None:
    adopt(connection, world.target, ADOPTED, actor=world.actor, check=nothing)


def test_adoption_keeps_rows_names_rights_and_views_and_the_next_cutover_and_rollback_work(
    world: World, connection: Connection, login: tuple[str, str]
) -> None:
    reader = sql.Identifier(login[0])
    connection.execute("CREATE VIEW servicedesk.b_first AS SELECT DISTINCT mark FROM servicedesk.tickets")
    connection.execute("CREATE VIEW servicedesk.a_second AS SELECT mark + 0 AS mark FROM servicedesk.b_first")
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA servicedesk TO {}").format(reader))
    connection.execute(sql.SQL("GRANT SELECT ON servicedesk.a_second TO {}").format(reader))
    connection.execute(sql.SQL("GRANT INSERT (mark) ON servicedesk.notes TO {}").format(reader))
    connection.execute(sql.SQL("GRANT USAGE ON SEQUENCE servicedesk.notes_id_seq TO {}").format(reader))
    connection.execute(
        sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA servicedesk GRANT INSERT ON TABLES TO {}").format(reader)
    )
    found = survey(connection, "servicedesk")
    assert found.needed
    assert found.in_the_way == ()
    assert [shape.name for shape in found.tables] == ["notes", "tickets"]
    with world.reader() as old_session:
        old_session.execute("SELECT mark FROM servicedesk.a_second", prepare=True)
        row = adopt(connection, world.target, ADOPTED, actor=world.actor, check=nothing)
        assert old_session.execute("SELECT mark FROM servicedesk.a_second", prepare=True).fetchall() == [(77,)]

    assert (row.state, row.mode, row.rows) == (VersionState.LIVE, "adopted", {"notes": 0, "tickets": 2})
    assert live_version(connection, "servicedesk") == ADOPTED
    assert drift(connection, "servicedesk") is None
    assert set(names_in(connection, "servicedesk").values()) == {"v"}
    assert [event.kind for event in events(connection, "servicedesk")][-1] == "adopted"
    assert world.marks() == world.marks("a_second") == {77}
    with world.reader() as session:
        session.execute("INSERT INTO servicedesk.notes (mark) VALUES (5)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("DELETE FROM servicedesk.tickets")
    defaults = connection.execute(
        "SELECT DISTINCT x.privilege_type FROM pg_default_acl d, aclexplode(d.defaclacl) x"
        " WHERE d.defaclnamespace = 'servicedesk'::regnamespace AND x.grantee = %s::regrole ORDER BY 1",
        [login[0]],
    ).fetchall()
    assert defaults == [("INSERT",), ("SELECT",)]

    same = {"tickets": '"TKT-Ticket ID" text, mark int, more text', "notes": "id int, mark int"}
    world.made = 7
    world.deploy(connection, same)
    assert world.marks("a_second") == {8}, "the schema's own views follow live"
    connection.execute("DROP VIEW servicedesk.a_second, servicedesk.b_first")
    world.roll_back(connection)
    assert world.marks() == {77}
    world.deploy(connection)
    assert world.marks() == {9}
    assert names_in(connection, "servicedesk") == dict.fromkeys(("comments", "roster", "tickets"), "v")
    assert world.roll_back(connection).to_version == ADOPTED
    assert [row.version for row in versions(connection, "servicedesk")][-1] == ADOPTED


OBSTACLES = {
    "function servicedesk.f() is in the schema": "CREATE FUNCTION servicedesk.f() RETURNS int"
    " LANGUAGE sql AS 'SELECT 1'",
    "type servicedesk.level is in the schema": "CREATE TYPE servicedesk.level AS ENUM ('low')",
    "sequence servicedesk.numbers is in the schema": "CREATE SEQUENCE servicedesk.numbers",
    "materialized view servicedesk.m is in the schema": "CREATE MATERIALIZED VIEW servicedesk.m AS SELECT 1 AS one",
    "table servicedesk.tickets has row security, which a view would bypass": "ALTER TABLE servicedesk.tickets"
    " ENABLE ROW LEVEL SECURITY",
    "view servicedesk.v has options: security_barrier=true": "CREATE VIEW servicedesk.v WITH (security_barrier)"
    " AS SELECT mark FROM servicedesk.tickets",
    "view reports.v depends on servicedesk.tickets": "CREATE VIEW reports.v AS SELECT mark FROM servicedesk.tickets",
    "constraint t_x_fkey on table reports.t depends on servicedesk.tickets": "CREATE TABLE reports.t"
    " (x text REFERENCES servicedesk.tickets)",
    "function reports.g(servicedesk.notes) depends on servicedesk.notes": "CREATE FUNCTION reports.g(servicedesk.notes)"
    " RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "publication of table servicedesk.notes in publication p depends on servicedesk.notes": "CREATE PUBLICATION p"
    " FOR TABLE servicedesk.notes",
}


def test_everything_that_an_adoption_would_tear_is_named_and_nothing_is_changed(
    world: World, connection: Connection
) -> None:
    connection.execute("CREATE SCHEMA reports")
    for statement in OBSTACLES.values():
        connection.execute(statement.encode())
    before = names_in(connection, "servicedesk")
    with pytest.raises(CheckFailed) as refused:
        take_over(world, connection)
    assert refused.value.slug == "adoption-refused"
    assert set(refused.value.cause.split("; ")) == set(OBSTACLES)
    assert names_in(connection, "servicedesk") == before
    assert shapes(connection, ADOPTED) == ()
    assert connection.execute("SELECT FROM sdconsole.deployment").fetchall() == []


def test_tables_of_a_role_whose_rights_the_deployer_lacks_are_in_the_way(
    world: World, connection: Connection, login: tuple[str, str]
) -> None:
    role, password = login
    grant = sql.SQL("GRANT CREATE ON DATABASE {} TO {}")
    connection.execute(grant.format(sql.Identifier(connection.info.dbname), sql.Identifier(role)))
    dsn = psycopg.conninfo.make_conninfo(world.target.conninfo, user=role, password=password)
    with connect(replace(world.target, conninfo=dsn), application="sdconsole:poor") as poor:
        found = survey(poor, "servicedesk")
    assert f"relation servicedesk.tickets belongs to postgres, whose rights {role} does not have" in found.in_the_way


def test_there_is_nothing_to_adopt_in_an_absent_an_empty_or_an_adopted_schema(
    world: World, connection: Connection
) -> None:
    assert not survey(connection, f"absent_{secrets.token_hex(2)}").needed
    take_over(world, connection)
    assert not survey(connection, "servicedesk").needed
    with pytest.raises(CheckFailed) as refused:
        adopt(connection, world.target, "servicedesk_v20260101_120001", actor=world.actor, check=nothing)
    assert refused.value.slug == "adoption-needless"
    assert deployment_of(connection, ADOPTED).state is VersionState.LIVE


def test_a_cutover_onto_an_existing_schema_says_that_it_must_be_adopted(world: World, connection: Connection) -> None:
    version = world.ready(connection)
    with pytest.raises(CheckFailed) as refused:
        world.switch(connection, version)
    assert refused.value.slug == "live-occupied"
    assert "first-adoption" in refused.value.next_step
