"""After a failed verification a run that was told to switches readers back by itself, and says what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

import sdconsole
from sdconsole.core.events import LiveChanged, Progress, Record
from sdconsole.core.journal import read_journal
from sdconsole.core.model import CheckStatus, Mode, StageName
from sdconsole.core.projection import RunState
from sdconsole.errors import Verdict
from sdconsole.target.connect import Target, connect
from sdconsole.target.ledger.record import ensure_ledger
from tests.cli.conftest import Cli, MakeExport
from tests.cli.library_runs import LIVE, deployed, schemas, settings_of, states, version_of
from tests.cli.test_refusals import refused
from tests.conftest import Database
from tests.patience import within

LOSES_A_ROW = """
CREATE FUNCTION public.lose_a_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE format('DELETE FROM %I.comments WHERE ctid IN (SELECT ctid FROM %I.comments LIMIT 1)', NEW.version,
        NEW.version);
    RETURN NULL;
END $$;
CREATE TRIGGER lose_a_row AFTER INSERT ON sdconsole.event FOR EACH ROW WHEN (NEW.kind = 'cutover')
    EXECUTE FUNCTION public.lose_a_row();
"""
"""What goes live lacks a row from the moment of the switch: only the verification can see that."""
REFUSES_ROLLBACK = """
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no way back today'; END $$;
CREATE TRIGGER refuse AFTER INSERT ON sdconsole.event FOR EACH ROW WHEN (NEW.kind = 'rollback')
    EXECUTE FUNCTION public.refuse();
"""


@pytest.fixture
def source(make_export: MakeExport) -> Path:
    return make_export(rows=1_000)


@pytest.fixture
def admin(pg: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        yield connection


def live_source(admin: psycopg.Connection) -> str:
    """The schema that readers' tickets come from."""
    row = admin.execute("SELECT pg_get_viewdef('servicedesk.tickets'::regclass)").fetchone()
    assert row is not None
    return str(row[0]).split("FROM ")[1].split(".")[0].strip()


def test_readers_get_the_version_before_back_and_the_run_says_so(
    cli: Cli, source: Path, pg: Database, admin: psycopg.Connection
) -> None:
    good = version_of(deployed(cli.folder, source, pg.dsn, mode=Mode.SIMPLE))
    admin.execute(LOSES_A_ROW.encode())
    ended = cli(
        "deploy", str(source), "--dsn", pg.dsn, "--confirm", LIVE, "--auto-rollback", "--mode", "simple", "--json"
    )
    error = refused(ended, 7, "rolled-back")
    assert "comments has" in error["cause"]
    assert "was switched back in" in error["state"]
    document = ended.json
    assert (document["verdict"], document["version"]) == ("rolled-back", good)
    assert live_source(admin) == good
    [bad] = schemas(pg) - {good}
    assert (states(pg)[good], states(pg)[bad]) == ("live", "previous")
    journal = cli.folder / ".sdconsole" / "runs" / document["run"] / "events.jsonl"
    changes = [record.event for record in read_journal(journal) if isinstance(record.event, LiveChanged)]
    assert [(change.from_version, change.to_version) for change in changes] == [(good, bad), (bad, good)]
    assert 0 < changes[1].duration_seconds < within(5)
    row = admin.execute(
        "SELECT switched_back_seconds, (SELECT reason FROM sdconsole.deployment WHERE version = %s)"
        " FROM sdconsole.deployment WHERE version = %s",
        [bad, good],
    ).fetchone()
    assert row is not None
    assert 0 < row[0] < 5
    assert "verification failed" in row[1]
    confirmed = admin.execute(
        "SELECT version FROM sdconsole.event WHERE kind = 'confirmed' AND run_id = %s", [document["run"]]
    ).fetchall()
    assert confirmed == [(bad,)], "nobody typed a name for the way back"


def test_a_way_back_that_fails_too_is_told_as_changed_and_not_undone(
    cli: Cli, source: Path, pg: Database, admin: psycopg.Connection
) -> None:
    good = version_of(deployed(cli.folder, source, pg.dsn, mode=Mode.SIMPLE))
    admin.execute(LOSES_A_ROW.encode() + REFUSES_ROLLBACK.encode())
    state = deployed(cli.folder, source, pg.dsn, mode=Mode.SIMPLE, auto_rollback=True)
    assert state.verdict is Verdict.NOT_UNDONE
    assert state.finished is not None
    error = state.finished.error
    assert error is not None
    assert error.slug == "way-back-failed"
    assert "comments has" in error.cause
    assert "no way back today" in error.cause
    assert error.next_step == f"sdconsole rollback --to {good}"
    assert live_source(admin) == version_of(state)
    assert states(pg)[version_of(state)] == "live"


def test_nothing_is_switched_back_unless_it_was_asked_for(
    cli: Cli, source: Path, pg: Database, admin: psycopg.Connection
) -> None:
    with closing(connect(Target("test", pg.dsn, LIVE, ""), application="test")) as connection:
        ensure_ledger(connection)
    admin.execute(LOSES_A_ROW.encode())
    first = deployed(cli.folder, source, pg.dsn, mode=Mode.SIMPLE, auto_rollback=True)
    assert first.finished is not None
    assert first.finished.error is not None
    assert (first.verdict, first.finished.error.slug) == (Verdict.NOT_UNDONE, "no-way-back")
    second = deployed(cli.folder, source, pg.dsn, mode=Mode.SIMPLE)
    assert second.finished is not None
    assert second.finished.error is not None
    assert (second.verdict, second.finished.error.slug) == (Verdict.NOT_UNDONE, "verification")
    assert live_source(admin) == version_of(second)


def loses_a_row(connection: psycopg.Connection, version: str) -> None:
    table = sql.Identifier(version, "comments")
    connection.execute(sql.SQL("DELETE FROM {} WHERE ctid IN (SELECT ctid FROM {} LIMIT 1)").format(table, table))


def loses_a_view(connection: psycopg.Connection, _version: str) -> None:
    connection.execute("ALTER VIEW servicedesk.v_orphaned_data RENAME TO gone")


def watching(
    folder: Path, dsn: str, fault: Callable[[psycopg.Connection, str], None], mode: Mode = Mode.SIMPLE, **more: object
) -> tuple[RunState, list[str]]:
    """A second deployment that is watched; something breaks while it looks, seen by nothing but a later look."""
    broken: list[str] = []

    def break_it(record: Record) -> None:
        event = record.event
        if isinstance(event, Progress) and event.task == "watch" and event.done >= 1 and not broken:
            with psycopg.connect(dsn, autocommit=True) as connection:
                row = connection.execute("SELECT version FROM sdconsole.deployment WHERE state = 'live'").fetchone()
                assert row is not None
                broken.append(str(row[0]))
                fault(connection, broken[0])

    request = sdconsole.DeployRequest(source=folder / "export.db", mode=mode)
    with sdconsole.prepare_deploy(settings_of(folder, dsn, **more), request) as run:
        return run.execute(sdconsole.FlagGate("ann", confirm=LIVE), (break_it,)), broken


def test_mode_complete_watches_a_production_target_and_fails_closed_when_a_view_breaks(
    cli: Cli, source: Path, pg: Database, admin: psycopg.Connection
) -> None:
    source.rename(cli.folder / "export.db")
    state, broken = watching(cli.folder, pg.dsn, loses_a_view, Mode.COMPLETE, production=True)
    assert state.verdict is Verdict.NOT_UNDONE, state.finished
    assert state.finished is not None
    assert state.finished.error is not None
    assert "rows without their parent" in state.finished.error.cause
    assert state.finished.error.next_step.startswith("sdconsole rollback")
    assert live_source(admin) == broken[0] == version_of(state), "nobody asked for a way back by itself"


def test_a_watch_goes_back_when_live_loses_a_row_after_the_first_look(
    cli: Cli, source: Path, pg: Database, admin: psycopg.Connection
) -> None:
    source.rename(cli.folder / "export.db")
    good = version_of(deployed(cli.folder, cli.folder / "export.db", pg.dsn, mode=Mode.SIMPLE))
    state, lost = watching(cli.folder, pg.dsn, loses_a_row, auto_rollback=True, watch_seconds=60)
    assert state.verdict is Verdict.ROLLED_BACK, state.finished
    assert state.finished is not None
    assert state.finished.error is not None
    assert "comments has" in state.finished.error.cause
    assert live_source(admin) == good
    assert lost == [version_of(state)]
    verify = state.stage(StageName.VERIFY)
    assert verify is not None
    (watched,) = [check for check in verify.checks if check.check == "watch"]
    assert watched.status is CheckStatus.FAIL
    assert state.elapsed_seconds < 55, "it did not wait for the end of the watch"


def test_a_watch_that_finds_nothing_lasts_as_long_as_it_was_asked_to_and_tells_what_it_saw(
    cli: Cli, source: Path, pg: Database
) -> None:
    state = deployed(cli.folder, source, pg.dsn, mode=Mode.SIMPLE, watch_seconds=2)
    assert state.verdict is Verdict.OK, state.finished
    verify = state.stage(StageName.VERIFY)
    assert verify is not None
    (watched,) = [check for check in verify.checks if check.check == "watch"]
    assert ", 0 errors" in watched.detail
    measures = {one.name: one.value for one in verify.measures}
    assert measures["watch_looks"] >= 1
    assert measures["watch_queries"] >= 30
    assert verify.duration_seconds is not None
    assert verify.duration_seconds >= 2
