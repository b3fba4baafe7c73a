"""Versions are thinned out by name, the target tells what it shows, and dead runs leave no sessions behind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from sdconsole import service
from sdconsole.contract.load import load_contract
from sdconsole.core.events import LogLine
from sdconsole.core.model import Mode
from sdconsole.errors import TargetUnreachable, Verdict
from sdconsole.service import upkeep
from sdconsole.source.generate import generate
from sdconsole.target.connect import Target, connect
from sdconsole.target.ledger.record import Actor, begin, ensure_ledger, record_event
from tests.cli.conftest import Cli
from tests.cli.library_runs import LIVE, deployed, schemas, settings_of, states
from tests.cli.test_refusals import refused
from tests.conftest import Database
from tests.stages.live_world import World

DEAD = "r-20260101-000000-dead"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "export.db"
    generate(path, rows=1_000, seed=4, contract=load_contract())
    return path


@pytest.fixture
def world(pg: Database) -> World:
    return World(Target("test", pg.dsn, LIVE, ""), "")


def test_versions_go_only_after_their_schemas_name_was_typed_and_live_and_previous_never(
    cli: Cli, world: World, pg: Database
) -> None:
    with world.connect() as connection:
        made = [world.deploy(connection) for _ in range(4)]
    dry = cli("versions", "prune", "--keep", "1", "--dry-run", "--dsn", pg.dsn, "--json")
    assert dry.json["dropped"] == made[:2]
    for wrong, slug in ((["--yes"], "confirmation-missing"), (["--confirm", "servicedesk_old"], "confirmation-wrong")):
        refused(cli("versions", "prune", "--keep", "1", "--dsn", pg.dsn, "--json", *wrong), 6, slug)
    assert schemas(pg) == set(made)
    pruned = cli("versions", "prune", "--keep", "1", "--dsn", pg.dsn, "--confirm", LIVE, "--json")
    assert pruned.code == 0, pruned.err
    assert pruned.json["dropped"] == made[:2]
    assert schemas(pg) == set(made[2:])
    assert [states(pg)[version] for version in made] == ["dropped", "dropped", "previous", "live"]
    assert upkeep.prunable_versions(settings_of(cli.folder, pg.dsn), keep=1, minimum_age=timedelta(0)) == ()
    with psycopg.connect(pg.dsn) as connection:
        who = connection.execute("SELECT DISTINCT run_id FROM sdconsole.event WHERE kind = 'dropped'").fetchall()
    assert who == [("versions-prune",)]


def test_young_versions_stay_when_an_age_is_asked_for(cli: Cli, world: World, pg: Database) -> None:
    with world.connect() as connection:
        made = [world.deploy(connection) for _ in range(3)]
    settings = settings_of(cli.folder, pg.dsn)
    assert upkeep.prune_versions(settings, keep=1, minimum_age=timedelta(hours=48)).dropped == ()
    assert upkeep.prune_versions(settings, keep=1, minimum_age=timedelta(0)).dropped == (made[0],)


def test_status_asks_a_server_only_when_told_and_names_the_drift(cli: Cli, world: World, pg: Database) -> None:
    settings = settings_of(cli.folder, pg.dsn)
    empty = upkeep.look_at_target(settings)
    assert (empty.version, empty.drift, empty.holder) == (None, None, None)
    with world.connect() as connection:
        _, live = world.deploy(connection), world.deploy(connection)
    assert "target" not in cli("status", "--json").json
    seen = cli("status", "--dsn", pg.dsn, "--json").json["target"]
    assert (seen["version"], seen["drift"], seen["rows"]) == (live, None, 9)
    with psycopg.connect(pg.dsn) as connection:
        changed = f"CREATE OR REPLACE VIEW servicedesk.roster AS SELECT * FROM {live}.roster WHERE mark < 9"
        connection.execute(changed.encode())
    lines = cli("status", "--dsn", pg.dsn).out
    assert f"sdconsole rollback --to {live} makes these views again" in lines
    assert f"live     {live}" in lines
    with service.prepare_rollback(settings) as run:
        assert [note.level for note in run.notes if f"--to {live} makes these views again" in note.message] == [
            "warning"
        ]


def test_looking_starts_no_embedded_server(cli: Cli, tmp_path: Path) -> None:
    settings = settings_of(cli.folder, "", embedded_root=tmp_path / "none")
    with pytest.raises(TargetUnreachable) as caught:
        upkeep.look_at_target(settings)
    assert (caught.value.slug, caught.value.next_step) == ("server-stopped", "sdconsole db start")
    assert not (tmp_path / "none").exists()


@pytest.fixture
def dead_run(pg: Database) -> Iterator[psycopg.Connection]:
    """A session of a run that nobody executes any more, in the middle of a transaction, with a half-loaded version."""
    target = Target("test", pg.dsn, LIVE, "")
    with connect(target, application="setup") as setup:
        ensure_ledger(setup)
        begin(
            setup, live_schema=LIVE, version="servicedesk_v20260101_000000", mode="simple",
            actor=Actor(DEAD, "bob", "ops-2"),
        )  # fmt: skip
        setup.execute("CREATE SCHEMA servicedesk_v20260101_000000")
    ghost = psycopg.connect(make_conninfo(pg.dsn, application_name=f"sdconsole:{DEAD}"))
    ghost.execute("CREATE TABLE servicedesk_v20260101_000000.tickets (a int)")
    yield ghost
    ghost.close()


def test_sessions_of_dead_runs_are_ended_and_their_versions_named_when_a_run_starts(
    cli: Cli, source: Path, pg: Database, dead_run: psycopg.Connection
) -> None:
    other_tenant = "r-20260101-000000-0bad"
    with connect(Target("test", pg.dsn, "archive", ""), application="setup") as setup:
        record_event(setup, "began", live_schema="archive", actor=Actor(other_tenant, "eve", "ops-3"))
    alive = psycopg.connect(make_conninfo(pg.dsn, application_name=f"sdconsole:{other_tenant}"))
    state = deployed(cli.folder, source, pg.dsn, mode=Mode.SIMPLE)
    assert state.verdict is Verdict.OK, state.finished
    said = {line.message: line.level for line in state.log if isinstance(line, LogLine)}
    [ended] = [message for message in said if DEAD in message and message.endswith("was ended")]
    assert said[ended] == "warning"
    assert "idle in transaction" in ended
    [prunable] = [message for message in said if message.startswith("servicedesk_v20260101_000000 ")]
    assert said[prunable] == "info"
    assert "sdconsole versions prune" in prunable
    with pytest.raises(psycopg.OperationalError):
        dead_run.execute("SELECT 1")
    assert alive.execute("SELECT 1").fetchone() == (1,), "another live schema's runs are none of ours"
    alive.close()
    assert states(pg)["servicedesk_v20260101_000000"] == "loading", "naming it drops nothing"


def test_an_earlier_attempts_session_is_ended_when_the_run_is_resumed(cli: Cli, source: Path, pg: Database) -> None:
    held = deployed(cli.folder, source, pg.dsn, mode=Mode.CANARY, confirm=None)
    ghost = psycopg.connect(make_conninfo(pg.dsn, application_name=f"sdconsole:{held.run_id}"), autocommit=True)
    with service.prepare_resume(settings_of(cli.folder, pg.dsn), held.run_id) as run:
        assert [note.message.endswith("was ended") for note in run.notes] == [True]
    with pytest.raises(psycopg.OperationalError):
        ghost.execute("SELECT 1")
    ghost.close()
