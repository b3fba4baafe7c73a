"""Kept versions: what is listed, what a rollback may use, and what is dropped and never dropped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql

from sdconsole.errors import CheckFailed, OperationFailed
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.lock import acquire
from sdconsole.target.ledger.record import Actor, VersionState, deployment_of, deployments, events, move
from sdconsole.target.live.switch import drift
from sdconsole.target.live.versions import Pruned, drop_version, prune, rollback_target, versions
from sdconsole.target.schema_shape import schema_exists
from tests.stages.live_world import World

OTHER = Actor("r-20260202-000000-0002", "ben", "ops-2")


@pytest.fixture
def connection(world: World) -> Iterator[Connection]:
    with world.connect() as connection:
        yield connection


def pruned(world: World, connection: Connection, keep: int = 3, *, later: float = 0, minimum: float = 0) -> Pruned:
    now = datetime.now(UTC) + timedelta(seconds=later)
    return prune(connection, world.live_schema, keep, now=now, actor=OTHER, minimum_age=timedelta(seconds=minimum))


def kept(world: World, connection: Connection) -> set[str]:
    return {row.version for row in deployments(connection, world.live_schema, canaries=True)}


def test_the_list_says_state_rows_score_size_and_which_one_a_rollback_would_take(
    world: World, connection: Connection
) -> None:
    first, second = world.deploy(connection), world.deploy(connection)
    third, failed = world.ready(connection), world.loading(connection)
    move(connection, failed, VersionState.FAILED, actor=world.actor, reason="disk full")
    canary = world.ready(connection, canary=True)

    listed = versions(connection, "servicedesk")
    assert [row.version for row in listed] == [failed, third, second, first]
    assert [row.state.value for row in listed] == ["failed", "ready", "live", "previous"]
    assert [row.is_rollback_target for row in listed] == [False, False, False, True]
    assert [row.rows for row in listed] == [0, 9, 9, 9]
    assert [row.score for row in listed] == [None, 91.5, 91.5, 91.5]
    assert listed[0].reason == "disk full"
    actual = connection.execute(
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = %s::regnamespace",
        [first],
    ).fetchone()
    assert actual is not None
    assert listed[3].size_bytes == actual[0] > 0
    assert versions(connection, "servicedesk", canaries=True)[0].version == canary
    assert versions(connection, "helpdesk") == ()


def test_pruning_keeps_the_newest_the_live_one_and_the_one_before_it(world: World, connection: Connection) -> None:
    made = [world.deploy(connection) for _ in range(5)]
    assert pruned(world, connection).dropped == (made[0], made[1])
    assert kept(world, connection) == set(made[2:])
    assert not schema_exists(connection, made[0])
    assert deployment_of(connection, made[0]).state is VersionState.DROPPED
    last = events(connection, "servicedesk")[-1]
    assert (last.kind, last.version, last.operator) == ("dropped", made[1], "ben")

    world.roll_back(connection)
    world.roll_back(connection)
    assert world.marks() == {3}
    with pytest.raises(CheckFailed, match="no earlier version"):
        rollback_target(connection, "servicedesk")
    assert pruned(world, connection, 1).dropped == (made[3], made[4])
    assert kept(world, connection) == {made[2]}
    assert world.marks() == {3}
    assert drift(connection, "servicedesk") is None
    assert pruned(world, connection, 1) == Pruned()


def test_the_live_version_and_the_way_back_survive_even_keeping_nothing(world: World, connection: Connection) -> None:
    first, second, third = (world.deploy(connection) for _ in range(3))
    assert pruned(world, connection, 0).dropped == (first,)
    for version in (second, third):
        with pytest.raises(CheckFailed) as refused:
            drop_version(connection, version, actor=OTHER)
        assert refused.value.slug == "version-in-use"
    assert kept(world, connection) == {second, third}
    drop_version(connection, second, actor=OTHER, including_previous=True)
    assert kept(world, connection) == {third}
    assert world.marks() == {3}


def test_what_failed_or_died_goes_and_what_waits_works_or_is_young_stays(world: World, connection: Connection) -> None:
    live = world.deploy(connection)
    failed, dead, dead_canary = (
        world.loading(connection),
        world.loading(connection),
        world.loading(connection, canary=True),
    )
    move(connection, failed, VersionState.FAILED, actor=world.actor)
    waiting = world.ready(connection)
    worker = World(world.target, world.reader_password, OTHER)
    working = worker.loading(connection)
    everything = {live, failed, dead, dead_canary, waiting, working}
    lock = acquire(world.connect(), world.target, OTHER.run_id, operator=OTHER.operator, host=OTHER.host, stage="load")
    with lock:
        assert pruned(world, connection, minimum=3600) == Pruned()
        assert kept(world, connection) == everything
        assert set(pruned(world, connection, 1).dropped) == {failed, dead, dead_canary}
        assert kept(world, connection) == {live, waiting, working}
    assert deployment_of(connection, dead).reason == "pruned"
    assert pruned(world, connection, later=7200, minimum=3600).dropped == (working,)
    connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(waiting)))
    drop_version(connection, waiting, actor=OTHER)
    assert kept(world, connection) == {live}


def test_a_version_that_others_read_is_skipped_and_named_and_nothing_of_it_is_lost(
    world: World, connection: Connection
) -> None:
    first, second, _, _ = (world.deploy(connection) for _ in range(4))
    connection.execute("CREATE SCHEMA reports")
    connection.execute(
        sql.SQL("CREATE VIEW reports.old AS SELECT mark FROM {}").format(sql.Identifier(first, "tickets"))
    )
    with world.connect() as session, session.transaction():
        session.execute(sql.SQL("SELECT FROM {}").format(sql.Identifier(second, "roster")))
        outcome = pruned(world, connection, 1)
    assert outcome.dropped == ()
    assert outcome.skipped == {
        first: f"view reports.old depends on {first}.tickets",
        second: "another session still reads it",
    }
    assert connection.execute("SELECT DISTINCT mark FROM reports.old").fetchall() == [(1,)]
    assert deployment_of(connection, first).state is VersionState.PREVIOUS


def test_live_views_pointed_by_hand_to_an_old_version_protect_it(world: World, connection: Connection) -> None:
    first, *_ = (world.deploy(connection) for _ in range(4))
    connection.execute(
        sql.SQL("CREATE OR REPLACE VIEW servicedesk.roster AS SELECT name, mark FROM {}").format(
            sql.Identifier(first, "roster")
        )
    )
    assert first in pruned(world, connection, 1).skipped
    assert world.marks("roster") == {1}


def test_only_schemas_of_the_ledger_and_of_the_named_run_are_dropped(world: World, connection: Connection) -> None:
    canary = world.loading(connection, canary=True)
    connection.execute("CREATE SCHEMA servicedesk_v20200101_000000; CREATE SCHEMA servicedesk_canary_theirs")
    with pytest.raises(CheckFailed) as refused:
        drop_version(connection, canary, actor=OTHER, run_id=OTHER.run_id)
    assert refused.value.slug == "not-yours"
    for stranger in ("servicedesk_v20200101_000000", "servicedesk_canary_theirs"):
        with pytest.raises(CheckFailed) as refused:
            drop_version(connection, stranger, actor=OTHER)
        assert refused.value.slug == "version-unknown"
    drop_version(connection, canary, actor=world.actor, run_id=world.actor.run_id)
    assert not schema_exists(connection, canary)
    pruned(world, connection, 0)
    assert schema_exists(connection, "servicedesk_v20200101_000000")
    assert schema_exists(connection, "servicedesk_canary_theirs")


def test_a_rollback_needs_a_kept_version_whose_schema_is_still_there(world: World, connection: Connection) -> None:
    first, second, third = (world.deploy(connection) for _ in range(3))
    assert rollback_target(connection, "servicedesk").version == second
    assert rollback_target(connection, "servicedesk", first).version == first
    world.roll_back(connection, to=first)
    fourth = world.deploy(connection)
    assert rollback_target(connection, "servicedesk").version == first, "what it replaced, not what is newer"
    world.roll_back(connection, to=third)
    drop_version(connection, fourth, actor=OTHER)
    ready = world.ready(connection)
    for unusable in (ready, "servicedesk_v20260101_000000"):
        with pytest.raises(CheckFailed) as refused:
            rollback_target(connection, "servicedesk", unusable)
        assert refused.value.slug == "not-kept"
        assert f"{second}, {first}" in refused.value.cause
    drop_version(connection, second, actor=OTHER, including_previous=True)
    assert rollback_target(connection, "servicedesk").version == first
    connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(first)))
    with pytest.raises(CheckFailed, match="cannot go back"):
        rollback_target(connection, "servicedesk")
    assert deployment_of(connection, third).state is VersionState.LIVE


def test_something_strange_inside_a_version_is_never_dropped_with_it(world: World, connection: Connection) -> None:
    first, _, _ = (world.deploy(connection) for _ in range(3))
    connection.execute(
        sql.SQL("CREATE FUNCTION {}() RETURNS int LANGUAGE sql AS 'SELECT 1'").format(sql.Identifier(first, "theirs"))
    )
    with pytest.raises(OperationFailed):
        drop_version(connection, first, actor=OTHER)
    assert world.roll_back(connection, to=first).to_version == first
    assert world.marks() == {1}
    with pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT FROM servicedesk.missing")
