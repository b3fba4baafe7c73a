"""The ledger: its schema, the state machine, load steps that commit with their rows, and events nobody can change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole.errors import CheckFailed, OperationFailed
from sdconsole.target.connect import Connection, Target, connect
from sdconsole.target.ledger.record import (
    ALLOWED_MOVES,
    VersionState,
    begin,
    deployment_of,
    deployments,
    ensure_ledger,
    events,
    find_deployment,
    live_deployment,
    mark_ready,
    move,
    record_event,
    record_step,
    steps,
    taken_names,
)
from sdconsole.target.live.switch import drift
from sdconsole.target.live.versions import Pruned, prune, versions
from tests.stages.live_world import World


@pytest.fixture
def connection(world: World) -> Iterator[Connection]:
    with world.connect() as connection:
        ensure_ledger(connection)
        yield connection


def test_many_sessions_may_set_up_the_ledger_at_once(world: World) -> None:
    barrier = threading.Barrier(6)
    failures: list[BaseException] = []

    def set_up() -> None:
        try:
            with world.connect() as connection:
                barrier.wait(timeout=20)
                ensure_ledger(connection, reader_role=world.target.reader_role)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=set_up) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert failures == []
    with world.connect() as connection:
        assert connection.execute("SELECT number FROM sdconsole.migration").fetchall() == [(1,)]


def test_without_a_ledger_there_is_no_version_and_no_drift(world: World) -> None:
    with world.connect() as connection:
        assert find_deployment(connection, "servicedesk_v20260101_000000") is None
        assert live_deployment(connection, "servicedesk") is None
        assert versions(connection, "servicedesk") == ()
        assert drift(connection, "servicedesk") is None
        assert prune(connection, "servicedesk", now=datetime.now(UTC), actor=world.actor) == Pruned()
        assert connection.execute("SELECT FROM pg_namespace WHERE nspname = 'sdconsole'").fetchall() == []


def test_a_ledger_of_a_newer_program_and_a_foreign_schema_are_left_alone(world: World, connection: Connection) -> None:
    connection.execute("INSERT INTO sdconsole.migration (number) VALUES (99)")
    with pytest.raises(CheckFailed) as refused:
        ensure_ledger(connection)
    assert refused.value.slug == "ledger-newer"
    assert "99" in refused.value.cause

    connection.execute("DROP SCHEMA sdconsole CASCADE; CREATE SCHEMA sdconsole; CREATE TABLE sdconsole.deployment ()")
    with pytest.raises(CheckFailed) as refused:
        ensure_ledger(connection)
    assert refused.value.slug == "ledger-foreign"
    found = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'sdconsole'::regnamespace").fetchall()
    assert found == [("deployment",)]


def test_a_role_that_may_not_keep_a_ledger_is_told_the_grant_and_the_grant_is_enough(world: World) -> None:
    role, password = world.target.reader_role, world.reader_password
    dsn = make_conninfo(world.target.conninfo, user=role, password=password)
    with connect(Target("test", dsn, "servicedesk", ""), application="sdconsole:test") as poor:
        with pytest.raises(CheckFailed) as refused:
            ensure_ledger(poor)
        assert refused.value.slug == "ledger-privilege"
        grant = refused.value.next_step.split(";")[0]
        with world.connect() as admin:
            admin.execute(grant.encode())
        ensure_ledger(poor)
        assert live_deployment(poor, "servicedesk") is None


def test_the_reader_role_sees_which_version_is_live_and_nothing_else_of_the_ledger(world: World) -> None:
    with world.connect() as connection:
        ensure_ledger(connection, reader_role=world.target.reader_role)
        version = world.deploy(connection)
    with world.reader() as reader:
        assert reader.execute("SELECT live_schema, version, score FROM sdconsole.live").fetchall() == [
            ("servicedesk", version, 91.5)
        ]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("SELECT FROM sdconsole.event")


def test_a_version_moves_only_along_the_allowed_ways(world: World, connection: Connection) -> None:
    ways = {
        VersionState.LOADING: (),
        VersionState.READY: (VersionState.READY,),
        VersionState.LIVE: (VersionState.READY, VersionState.LIVE),
        VersionState.PREVIOUS: (VersionState.READY, VersionState.LIVE, VersionState.PREVIOUS),
        VersionState.FAILED: (VersionState.FAILED,),
        VersionState.DROPPED: (VersionState.FAILED, VersionState.DROPPED),
    }
    allowed = 0
    for number, (state, to) in enumerate(product(VersionState, VersionState)):
        schema = f"tenant_{number}"
        begin(connection, live_schema=schema, version=f"{schema}_v1", mode="complete", actor=world.actor)
        for step in ways[state]:
            move(connection, f"{schema}_v1", step, actor=world.actor)
        if to in ALLOWED_MOVES[state]:
            allowed += 1
            assert move(connection, f"{schema}_v1", to, actor=world.actor, reason="why").state is to
            assert events(connection, schema)[-1].kind == to.value
            assert deployment_of(connection, f"{schema}_v1").reason == "why"
        else:
            with pytest.raises(OperationFailed) as refused:
                move(connection, f"{schema}_v1", to, actor=world.actor)
            assert refused.value.slug == "ledger-move"
            assert deployment_of(connection, f"{schema}_v1").state is state
    assert allowed == 9
    assert deployment_of(connection, "tenant_15_v1").live_at is not None


def test_one_live_schema_has_one_live_row_whatever_anybody_writes(world: World, connection: Connection) -> None:
    first = world.deploy(connection)
    second = world.ready(connection)
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("UPDATE sdconsole.deployment SET state = 'live' WHERE version = %s", [second])
    with pytest.raises(psycopg.errors.UniqueViolation):
        move(connection, second, VersionState.LIVE, actor=world.actor)
    live = live_deployment(connection, "servicedesk")
    assert live is not None
    assert live.version == first
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("UPDATE sdconsole.deployment SET state = 'lively' WHERE version = %s", [second])


def test_a_canary_never_becomes_live_and_its_name_is_free_again_once_dropped(
    world: World, connection: Connection
) -> None:
    def make(version: str) -> int:
        row = begin(
            connection, live_schema="servicedesk", version=version, mode="canary", actor=world.actor, canary=True
        )
        return row.id

    first = make("servicedesk_canary_1")
    move(connection, "servicedesk_canary_1", VersionState.READY, actor=world.actor)
    with pytest.raises(OperationFailed, match="cannot become live"):
        move(connection, "servicedesk_canary_1", VersionState.LIVE, actor=world.actor)
    with pytest.raises(OperationFailed) as refused:
        make("servicedesk_canary_1")
    assert refused.value.slug == "version-taken"
    assert "servicedesk_canary_1" in taken_names(connection)
    move(connection, "servicedesk_canary_1", VersionState.DROPPED, actor=world.actor)
    assert make("servicedesk_canary_1") != first
    assert deployments(connection, "servicedesk") == ()
    assert [row.state for row in deployments(connection, "servicedesk", canaries=True)] == [VersionState.LOADING]


def test_a_load_step_stands_or_falls_with_the_rows_it_speaks_of(world: World, connection: Connection) -> None:
    version = world.loading(connection)
    row = deployment_of(connection, version)
    extra = sql.Identifier(version, "extra")
    connection.execute(sql.SQL("CREATE TABLE {} (mark int)").format(extra))
    with connection.transaction() as load:
        connection.execute(sql.SQL("INSERT INTO {} VALUES (1)").format(extra))
        record_step(connection, row.id, "extra", 1)
        raise psycopg.Rollback(load)
    assert steps(connection, row.id) == {"comments": 3, "roster": 3, "tickets": 3}

    with pytest.raises(CheckFailed) as refused:
        mark_ready(connection, version, actor=world.actor)
    assert (refused.value.slug, refused.value.cause) == ("load-incomplete", "no finished load of extra")
    connection.execute(sql.SQL("DROP TABLE {}").format(extra))
    connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(version, "roster")))
    with pytest.raises(CheckFailed, match="not completely loaded"):
        mark_ready(connection, version, actor=world.actor)
    assert deployment_of(connection, version).state is VersionState.LOADING


def test_a_finished_version_takes_no_more_rows_and_knows_what_it_holds(world: World, connection: Connection) -> None:
    version = world.ready(connection)
    row = deployment_of(connection, version)
    assert row.rows == {"tickets": 3, "comments": 3, "roster": 3}
    assert row.rows_total == 9
    assert row.clean_digest == "digest-1"
    shown = {shape.name: shape for shape in row.tables}
    assert shown["tickets"].column_names == ("TKT-Ticket ID", "mark", "TKT-Job#/Ref#", "share %")
    assert shown["tickets"].columns[3].type == "numeric(8,3)"
    with pytest.raises(OperationFailed) as refused:
        record_step(connection, row.id, "late", 1)
    assert refused.value.slug == "not-loading"


def test_events_say_who_confirmed_what_and_cannot_be_changed(world: World, connection: Connection) -> None:
    record_event(
        connection,
        "confirmed",
        live_schema="servicedesk",
        actor=world.actor,
        typed="servicedesk",
        detail={"question": "cutover"},
    )
    for statement in (
        "UPDATE sdconsole.event SET operator = 'somebody else'",
        "DELETE FROM sdconsole.event",
        "TRUNCATE sdconsole.event",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation, match="append only"):
            connection.execute(statement.encode())
    (event,) = events(connection, "servicedesk")
    assert (event.operator, event.host, event.run_id) == ("anna", "ops-1", world.actor.run_id)
    assert (event.kind, event.typed, event.detail) == ("confirmed", "servicedesk", {"question": "cutover"})
    assert event.at.utcoffset() is not None
