"""The switch itself: views, grants and ledger together, forward and back, for every kind of change of columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole.contract.model import Column, Table
from sdconsole.errors import CheckFailed, Interrupted
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.record import (
    VersionState,
    deployment_of,
    events,
    live_deployment,
    mark_ready,
)
from sdconsole.target.live.live_views import view_changes
from sdconsole.target.live.switch import cut_over, drift, live_version
from sdconsole.target.live.versions import prune, rollback_target
from sdconsole.target.schema_shape import shapes
from tests.patience import within
from tests.stages.live_world import TABLES, World


@pytest.fixture
def connection(world: World) -> Iterator[Connection]:
    with world.connect() as connection:
        yield connection


def names_in(connection: Connection, schema: str) -> dict[str, str]:
    """Relations of a schema: name to kind."""
    return {shape.name: shape.kind for shape in shapes(connection, schema)}


def columns_of(connection: Connection, schema: str, name: str) -> tuple[str, ...]:
    return next(shape.column_names for shape in shapes(connection, schema) if shape.name == name)


def everything(connection: Connection, world: World) -> tuple[object, ...]:
    """All that a failed switch must leave alone."""
    views = connection.execute(
        "SELECT c.relname, pg_get_viewdef(c.oid), c.relacl::text FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'v' ORDER BY 1",
        [world.live_schema],
    ).fetchall()
    rows = connection.execute("SELECT d::text FROM sdconsole.deployment d ORDER BY id").fetchall()
    written = connection.execute("SELECT e::text FROM sdconsole.event e ORDER BY id").fetchall()
    return views, rows, written


def test_the_first_cutover_makes_the_live_schema_and_lets_the_reader_see_it_and_nothing_else(
    world: World, connection: Connection
) -> None:
    version = world.ready(connection)
    assert live_version(connection, "servicedesk") is None
    done = cut_over(connection, world.target, version, previous=None, actor=world.actor)

    assert (done.from_version, done.to_version, done.attempts) == (None, version, 1)
    assert live_version(connection, "servicedesk") == version
    assert drift(connection, "servicedesk") is None
    assert names_in(connection, "servicedesk") == dict.fromkeys(TABLES, "v")
    for table in TABLES:
        assert columns_of(connection, "servicedesk", table) == columns_of(connection, version, table)
    with world.reader() as reader:
        assert (
            reader.execute('SELECT "TKT-Job#/Ref#", "share %", mark FROM servicedesk.tickets').fetchall()
            == [(None, None, 1)] * 3
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(sql.SQL("SELECT FROM {}").format(sql.Identifier(version, "tickets")))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("DELETE FROM servicedesk.tickets")
    connection.execute("CREATE TABLE servicedesk.later ()")
    with world.reader() as reader:
        assert reader.execute("SELECT FROM servicedesk.later").fetchall() == []

    row = deployment_of(connection, version)
    assert (row.state, row.previous, row.score) == (VersionState.LIVE, None, 91.5)
    last = events(connection, "servicedesk")[-1]
    assert (last.kind, last.version, last.operator) == ("cutover", version, "anna")
    assert last.detail["from"] is None


def test_rollback_restores_the_previous_version_in_one_transaction_and_the_next_goes_further_back(
    world: World, connection: Connection
) -> None:
    first, second, third = (world.deploy(connection) for _ in range(3))
    assert world.marks() == {3}
    assert deployment_of(connection, third).previous == second

    back = world.roll_back(connection)
    assert (back.from_version, back.to_version) == (third, second)
    assert world.marks() == world.marks("comments") == world.marks("roster") == {2}
    row = deployment_of(connection, second)
    assert row.state is VersionState.LIVE
    assert row.switched_back_seconds is not None
    assert 0 < row.switched_back_seconds <= back.duration_seconds < within(1)
    left = deployment_of(connection, third)
    assert (left.state, left.reason) == (VersionState.PREVIOUS, f"rolled back to {second}")

    assert world.roll_back(connection).to_version == first
    assert world.marks() == {1}
    with pytest.raises(CheckFailed, match="no earlier version"):
        rollback_target(connection, "servicedesk")
    assert world.roll_back(connection, to=third).to_version == third
    assert world.marks() == {3}
    assert drift(connection, "servicedesk") is None
    kinds = [event.kind for event in events(connection, "servicedesk")]
    assert kinds[-3:] == ["rollback"] * 3


def test_columns_that_are_added_or_reordered_keep_the_view_and_what_depends_on_it(
    world: World, connection: Connection
) -> None:
    world.deploy(connection, {"tickets": "id bigint, mark int"})
    connection.execute("CREATE SCHEMA reports")
    connection.execute("CREATE VIEW reports.marks AS SELECT DISTINCT mark FROM servicedesk.tickets")
    world.deploy(connection, {"tickets": "added text, mark int, id bigint"})

    assert columns_of(connection, "servicedesk", "tickets") == ("id", "mark", "added")
    assert connection.execute("SELECT * FROM reports.marks").fetchall() == [(2,)]
    assert drift(connection, "servicedesk") is None
    before = everything(connection, world)
    with pytest.raises(CheckFailed) as refused:
        world.roll_back(connection)
    assert refused.value.slug == "dependents"
    assert refused.value.cause == "view reports.marks depends on servicedesk.tickets"
    assert everything(connection, world) == before

    connection.execute("DROP VIEW reports.marks")
    world.roll_back(connection)
    assert columns_of(connection, "servicedesk", "tickets") == ("id", "mark")
    assert world.marks() == {1}


def test_a_view_with_other_columns_is_made_again_with_its_rights_and_comments(
    world: World, connection: Connection, login: tuple[str, str]
) -> None:
    world.deploy(connection, {"tickets": "id bigint, mark int, gone text, changed text"})
    other = sql.Identifier(login[0])
    connection.execute(sql.SQL("GRANT SELECT, REFERENCES ON servicedesk.tickets TO {} WITH GRANT OPTION").format(other))
    connection.execute("GRANT SELECT (id), UPDATE (changed), UPDATE (gone) ON servicedesk.tickets TO PUBLIC")
    connection.execute("COMMENT ON VIEW servicedesk.tickets IS '50 % of ''all'''")
    connection.execute("COMMENT ON COLUMN servicedesk.tickets.id IS 'the id'")
    connection.execute("COMMENT ON COLUMN servicedesk.tickets.gone IS 'gone'")
    world.deploy(connection, {"tickets": "id bigint, mark int, changed timestamp"})

    assert columns_of(connection, "servicedesk", "tickets") == ("id", "mark", "changed")
    assert world.marks() == {2}
    rights = connection.execute(
        "SELECT x.privilege_type, x.is_grantable FROM pg_class c, aclexplode(c.relacl) x"
        " WHERE c.oid = 'servicedesk.tickets'::regclass AND x.grantee = %s::regrole ORDER BY 1",
        [login[0]],
    ).fetchall()
    assert rights == [("REFERENCES", True), ("SELECT", True)]
    columns = connection.execute(
        "SELECT attname, attacl::text FROM pg_attribute WHERE attrelid = 'servicedesk.tickets'::regclass"
        " AND attacl IS NOT NULL ORDER BY 1"
    ).fetchall()
    assert [(name, acl.split("/")[0]) for name, acl in columns] == [("changed", "{=w"), ("id", "{=r")]
    comments = connection.execute(
        "SELECT objsubid, description FROM pg_description WHERE objoid = 'servicedesk.tickets'::regclass ORDER BY 1"
    ).fetchall()
    assert comments == [(0, "50 % of 'all'"), (1, "the id")]


DEPENDENTS = {
    "materialized view reports.m": (
        "CREATE MATERIALIZED VIEW reports.m AS SELECT id FROM servicedesk.tickets",
        "DROP MATERIALIZED VIEW reports.m",
    ),
    "function reports.f()": (
        "CREATE FUNCTION reports.f() RETURNS bigint BEGIN ATOMIC SELECT max(id) FROM servicedesk.tickets; END",
        "DROP FUNCTION reports.f()",
    ),
    "function reports.g(servicedesk.tickets)": (
        "CREATE FUNCTION reports.g(servicedesk.tickets) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION reports.g",
    ),
    "column x of table reports.t": ("CREATE TABLE reports.t (x servicedesk.tickets)", "DROP TABLE reports.t"),
    "column y of table reports.u": ("CREATE TABLE reports.u (y servicedesk.tickets[])", "DROP TABLE reports.u"),
    "trigger guard on view servicedesk.tickets": (
        "CREATE TRIGGER guard INSTEAD OF DELETE ON servicedesk.tickets FOR EACH ROW EXECUTE FUNCTION reports.keep()",
        "DROP TRIGGER guard ON servicedesk.tickets",
    ),
    "view servicedesk.mine": (
        "CREATE VIEW servicedesk.mine AS SELECT id FROM servicedesk.tickets",
        "DROP VIEW servicedesk.mine",
    ),
}
"""What may hang on a view: how it is made and taken away."""


def test_whatever_depends_on_a_view_is_named_before_its_columns_or_the_view_go(
    world: World, connection: Connection
) -> None:
    world.deploy(connection, {"tickets": "id bigint, mark int", "roster": "mark int"})
    retyped = world.ready(connection, {"tickets": "id text, mark int", "roster": "mark int"})
    without = world.ready(connection, {"roster": "mark int"})
    connection.execute("CREATE SCHEMA reports")
    connection.execute("CREATE FUNCTION reports.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'")
    for name, (statement, undo) in DEPENDENTS.items():
        connection.execute(statement.encode())
        before = everything(connection, world)
        for version in (retyped, without):
            with pytest.raises(CheckFailed) as refused:
                world.switch(connection, version)
            assert refused.value.slug == "dependents"
            assert refused.value.cause == f"{name} depends on servicedesk.tickets"
        assert everything(connection, world) == before
        connection.execute(undo.encode())
    world.switch(connection, without)
    assert names_in(connection, "servicedesk") == {"roster": "v"}
    world.roll_back(connection)
    assert world.marks() == {1}


def test_tables_that_others_made_in_the_live_schema_are_neither_replaced_nor_dropped(
    world: World, connection: Connection
) -> None:
    connection.execute("CREATE SCHEMA servicedesk")
    connection.execute("CREATE TABLE servicedesk.roster (theirs int)")
    connection.execute("CREATE VIEW servicedesk.notes AS SELECT 1 AS theirs")
    connection.execute("CREATE VIEW servicedesk.comments AS SELECT 1 AS theirs")
    version = world.ready(connection)
    with pytest.raises(CheckFailed) as refused:
        world.switch(connection, version)
    assert refused.value.slug == "live-occupied"
    assert refused.value.cause.startswith("servicedesk.comments, servicedesk.roster ")
    assert names_in(connection, "servicedesk") == {"roster": "r", "notes": "v", "comments": "v"}
    assert deployment_of(connection, version).state is VersionState.READY

    connection.execute("ALTER TABLE servicedesk.roster RENAME TO their_roster")
    connection.execute("DROP VIEW servicedesk.comments")
    world.switch(connection, version)
    world.deploy(connection, {"tickets": "mark int"})
    assert names_in(connection, "servicedesk") == {"their_roster": "r", "notes": "v", "tickets": "v"}


def test_only_the_right_version_in_the_right_state_becomes_live(world: World, connection: Connection) -> None:
    live = world.deploy(connection)
    loading = world.loading(connection)
    canary = world.ready(connection, canary=True)
    good = world.ready(connection)
    other = World(
        type(world.target)("other", world.target.conninfo, "helpdesk", world.target.reader_role), world.reader_password
    )
    foreign = other.ready(connection)
    changed = world.ready(connection)
    connection.execute(
        sql.SQL("ALTER TABLE {} ALTER COLUMN mark TYPE bigint").format(sql.Identifier(changed, "roster"))
    )
    before = everything(connection, world)

    def slug(version: str, previous: str | None = live, *, table: str = "", digest: str = "") -> str:
        tables = [Table(table, (Column("mark", "integer"),))] if table else None
        with pytest.raises(CheckFailed) as refused:
            cut_over(
                connection, world.target, version, tables, previous=previous, actor=world.actor, clean_digest=digest
            )
        assert everything(connection, world) == before
        return refused.value.slug

    assert slug(loading) == slug(canary) == slug(foreign) == slug(live) == "version-state"
    assert slug("servicedesk_v20260101_000000") == "version-unknown"
    assert slug(good, previous=None) == slug(good, previous=loading) == "live-changed"
    assert slug(good, table="timesheets") == "version-incomplete"
    assert slug(good, digest="another file") == "digest-changed"
    assert slug(changed) == "version-changed"
    connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(changed)))
    assert slug(changed) == "version-changed"
    good_digest = deployment_of(connection, good).clean_digest
    cut_over(connection, world.target, good, previous=live, actor=world.actor, clean_digest=good_digest)
    assert live_version(connection, "servicedesk") == good


def test_two_live_schemas_of_one_database_do_not_touch_each_other(world: World, connection: Connection) -> None:
    other = World(
        type(world.target)("other", world.target.conninfo, "helpdesk", world.target.reader_role), world.reader_password
    )
    first = world.deploy(connection)
    theirs = other.deploy(connection)
    second = world.deploy(connection)
    assert live_version(connection, "servicedesk") == second
    assert live_version(connection, "helpdesk") == theirs
    assert world.roll_back(connection).to_version == first
    assert other.marks() == {1}
    assert drift(connection, "helpdesk") is None


def test_views_changed_by_hand_are_found_and_repaired(world: World, connection: Connection) -> None:
    first, second = world.deploy(connection), world.deploy(connection)
    old = sql.Identifier(first, "roster")
    new = sql.Identifier(second, "roster")
    view = "CREATE OR REPLACE VIEW servicedesk.roster AS SELECT name, mark FROM {}"
    by_hand = {
        f"view roster reads {first}, not {second}": sql.SQL(view).format(old),
        "view roster is missing": sql.SQL("DROP VIEW servicedesk.roster").format(),
        "a view's definition was changed by hand": sql.SQL(view + " WHERE mark > 0").format(new),
    }
    for found, statement in by_hand.items():
        connection.execute(statement)
        said = drift(connection, "servicedesk")
        assert said is not None
        assert found in said
        assert f"sdconsole rollback --to {second}" in said
        assert world.roll_back(connection, to=second).to_version == second
        assert drift(connection, "servicedesk") is None
        assert world.marks("roster") == {2}

    connection.execute(sql.SQL(view).format(old))
    with pytest.raises(CheckFailed, match="several versions"):
        live_version(connection, "servicedesk")
    live = live_deployment(connection, "servicedesk")
    assert live is not None
    assert live.previous == first
    assert [event.kind for event in events(connection, "servicedesk")].count("repair") == 3
    connection.execute("TRUNCATE sdconsole.deployment CASCADE")
    said = drift(connection, "servicedesk")
    assert said is not None
    assert "the ledger has no live version" in said


def test_a_stop_request_leaves_everything_as_it_was(world: World, connection: Connection) -> None:
    world.deploy(connection)
    version = world.ready(connection)
    before = everything(connection, world)

    def stop() -> None:
        raise Interrupted(cause="SIGTERM")

    live = live_version(connection, "servicedesk")
    with pytest.raises(Interrupted):
        cut_over(connection, world.target, version, previous=live, actor=world.actor, check=stop)
    assert everything(connection, world) == before
    assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
    world.switch(connection, version)
    assert world.marks() == {2}


def test_views_of_a_role_that_cannot_read_the_new_version_stop_the_switch(
    world: World, connection: Connection, login: tuple[str, str]
) -> None:
    world.deploy(connection)
    version = world.ready(connection)
    connection.execute(sql.SQL("ALTER VIEW servicedesk.roster OWNER TO {}").format(sql.Identifier(login[0])))
    before = everything(connection, world)
    with pytest.raises(CheckFailed) as refused:
        world.switch(connection, version)
    assert refused.value.slug == "view-owner"
    assert refused.value.cause == f"servicedesk.roster belongs to {login[0]}"
    assert everything(connection, world) == before


def test_the_plan_of_a_switch_says_what_happens_to_each_view(world: World, connection: Connection) -> None:
    world.deploy(connection, {"same": "a int", "more": "a int", "less": "a int, b int", "gone": "a int"})
    version = world.ready(connection, {"same": "a int", "more": "b int, a int", "less": "a int", "new": "a int"})
    wanted = deployment_of(connection, version).tables
    planned = view_changes(connection, "servicedesk", wanted, {"same", "more", "less", "gone"})
    assert [(change.name, change.action, change.columns) for change in planned] == [
        ("gone", "drop", ()),
        ("less", "rebuild", ("a",)),
        ("more", "replace", ("a", "b")),
        ("new", "create", ("a",)),
        ("same", "replace", ("a",)),
    ]
    world.switch(connection, version)
    assert {name: columns_of(connection, "servicedesk", name) for name in names_in(connection, "servicedesk")} == {
        change.name: change.columns for change in planned if change.action != "drop"
    }


def test_views_of_a_version_are_published_too(world: World, connection: Connection) -> None:
    version = world.loading(connection)
    connection.execute(
        sql.SQL("CREATE VIEW {} AS SELECT count(*) AS tickets FROM {}").format(
            sql.Identifier(version, "v_totals"), sql.Identifier(version, "tickets")
        )
    )
    mark_ready(connection, version, actor=world.actor)
    world.switch(connection, version)
    with world.reader() as reader:
        assert reader.execute("SELECT tickets FROM servicedesk.v_totals").fetchall() == [(3,)]
    world.deploy(connection)
    assert "v_totals" not in names_in(connection, "servicedesk")


def test_a_deployer_needs_no_more_than_create_on_the_database(
    world: World, connection: Connection, login: tuple[str, str]
) -> None:
    role, password = login
    grant = sql.SQL("GRANT CREATE ON DATABASE {} TO {}")
    connection.execute(grant.format(sql.Identifier(connection.info.dbname), sql.Identifier(role)))
    dsn = make_conninfo(world.target.conninfo, user=role, password=password)
    poor = World(replace(world.target, conninfo=dsn, reader_role="postgres"), password)
    with poor.connect() as deployer:
        for _ in range(4):
            poor.deploy(deployer)
        poor.roll_back(deployer)
        assert drift(deployer, "servicedesk") is None
        assert len(prune(deployer, "servicedesk", 2, now=datetime.now(UTC), actor=poor.actor).dropped) == 2
        assert deployer.execute("SELECT DISTINCT mark FROM servicedesk.tickets").fetchall() == [(3,)]
