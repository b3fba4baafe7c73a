"""A held run is approved or given up from another terminal, and a run that died is given up for good."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from sdconsole import service
from sdconsole.contract.load import load_contract
from sdconsole.core import runs
from sdconsole.core.events import Answered, RunFinished
from sdconsole.core.journal import read_journal
from sdconsole.core.model import Mode, StageName
from sdconsole.errors import SdconsoleError, Verdict
from sdconsole.service.decisions import abort_run, held_run
from sdconsole.source.generate import generate
from tests.cli.conftest import Cli, MakeExport
from tests.cli.library_runs import LIVE, deployed, schemas, settings_of, states, version_of
from tests.cli.test_refusals import refused, wait_for
from tests.conftest import Database


@pytest.fixture(scope="session")
def small_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough for every stage. Never written by any test."""
    path = tmp_path_factory.mktemp("small") / "export.db"
    generate(path, rows=1_000, seed=3, contract=load_contract())
    return path


def live_view(pg: Database) -> bool:
    with psycopg.connect(pg.dsn) as connection:
        return connection.execute("SELECT to_regclass('servicedesk.tickets') IS NOT NULL").fetchone() == (True,)


def folder_of(cli: Cli, run_id: str) -> Path:
    return cli.folder / ".sdconsole" / "runs" / run_id


def raised(call: Callable[[], object]) -> SdconsoleError:
    with pytest.raises(SdconsoleError) as caught:
        call()
    return caught.value


def test_a_held_run_waits_for_the_right_name_and_goes_live_with_it(cli: Cli, small_export: Path, pg: Database) -> None:
    held = deployed(cli.folder, small_export, pg.dsn, confirm=None)
    settings = settings_of(cli.folder, pg.dsn)
    assert held.verdict is Verdict.HELD
    with runs.run_lock(folder_of(cli, held.run_id)):
        alive = raised(lambda: abort_run(settings, held.run_id))
        assert (alive.slug, alive.verdict) == ("run-active", Verdict.LOCKED)
    refused(cli("approve", "--json"), 6, "confirmation-missing")
    refused(cli("approve", "--confirm", "servicedesk_old", "--json"), 6, "confirmation-wrong")
    assert not live_view(pg)
    assert states(pg)[version_of(held)] == "ready"
    approved = cli("approve", "--confirm", LIVE, "--json")
    assert approved.code == 0, approved.err
    assert (approved.json["run"], approved.json["version"]) == (held.run_id, version_of(held))
    assert states(pg)[version_of(held)] == "live"
    was = next(stage.duration_seconds for stage in held.stages if stage.name is StageName.LOAD)
    assert was is not None
    again = next(stage["duration_s"] for stage in approved.json["stages"] if stage["name"] == "load")
    assert again == pytest.approx(was, abs=0.002), "the load was done twice"
    assert raised(lambda: held_run(settings)).slug == "nothing-held"
    assert raised(lambda: held_run(settings, held.run_id)).slug == "not-held"
    assert raised(lambda: abort_run(settings, held.run_id)).slug == "run-finished"


def test_a_held_run_that_is_given_up_leaves_its_record_and_nothing_else(
    cli: Cli, small_export: Path, pg: Database
) -> None:
    held = deployed(cli.folder, small_export, pg.dsn, confirm=None)
    version, folder = version_of(held), folder_of(cli, held.run_id)
    assert schemas(pg) == {version}
    files = {path.name for path in folder.iterdir()}
    aborted = cli("abort", held.run_id, "--json")
    assert aborted.code == 0, aborted.err
    assert aborted.json["dropped"] == [version]
    assert schemas(pg) == set()
    assert set(states(pg).values()) == {"dropped"}
    assert {path.name for path in folder.iterdir()} == files
    events = [record.event for record in read_journal(folder / runs.JOURNAL)]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].verdict is Verdict.ABORTED
    assert "aborted by" in events[-1].note
    assert [event.accepted for event in events if isinstance(event, Answered)] == [False]
    error = refused(cli("resume", held.run_id, "--confirm", LIVE, "--json"), 2, "run-aborted")
    assert "aborted by" in error["cause"]
    settings = settings_of(cli.folder, pg.dsn)
    assert raised(lambda: service.prepare_resume(settings)).slug == "nothing-to-resume"
    assert raised(lambda: abort_run(settings)).slug == "nothing-to-abort"
    assert raised(lambda: abort_run(settings, held.run_id)).slug == "run-aborted"
    [summary] = service.list_runs(settings)
    assert (summary.verdict, summary.resumable, summary.next_stage) == (Verdict.ABORTED, False, None)
    status = cli("status").out
    assert "aborted" in status
    assert "resume" not in status
    with psycopg.connect(pg.dsn) as connection:
        kinds = connection.execute("SELECT kind FROM sdconsole.event WHERE run_id = %s", [held.run_id]).fetchall()
    assert ("aborted",) in kinds


def test_a_run_killed_in_its_load_is_given_up_with_its_half_filled_version(
    cli: Cli, make_export: MakeExport, pg: Database
) -> None:
    source = make_export(rows=20_000)
    running = cli.start("deploy", str(source), "--dsn", pg.dsn, "--mode", "blue-green", "--no-input", "--json")
    wait_for(cli, "loading into", '"type":"log"')
    for _ in range(500):
        if "loading" in states(pg).values():
            break
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert running.returncode == -signal.SIGKILL
    assert "loading" in states(pg).values(), "it was killed too late to prove anything"
    aborted = cli("abort", "--json")
    assert aborted.code == 0, aborted.err
    run = aborted.json["run"]
    assert schemas(pg) == set()
    assert set(states(pg).values()) <= {"dropped"}
    with psycopg.connect(pg.dsn) as connection:
        left = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE %s",
            [f"sdconsole:{run}%"],
        ).fetchone()
    assert left == (0,)
    settings = settings_of(cli.folder, pg.dsn)
    assert raised(lambda: service.prepare_resume(settings, run, until=StageName.LOAD)).slug == "run-aborted"


def test_what_readers_see_stays_when_its_run_is_given_up(cli: Cli, small_export: Path, pg: Database) -> None:
    cut_off = deployed(cli.folder, small_export, pg.dsn, stop_at=StageName.VERIFY)
    assert cut_off.verdict is Verdict.INTERRUPTED
    assert cut_off.live_changed
    aborted = abort_run(settings_of(cli.folder, pg.dsn))
    assert aborted.run_id == cut_off.run_id
    assert aborted.dropped == ()
    assert aborted.kept == (f"{version_of(cut_off)} (live)",)
    assert live_view(pg)
    assert states(pg)[version_of(cut_off)] == "live"


def test_a_ready_version_is_given_up_and_is_never_switched_to(cli: Cli, small_export: Path, pg: Database) -> None:
    ready = deployed(cli.folder, small_export, pg.dsn, mode=Mode.BLUE_GREEN)
    assert ready.verdict is Verdict.OK
    settings = settings_of(cli.folder, pg.dsn)
    assert abort_run(settings, ready.run_id).dropped == (version_of(ready),)
    assert schemas(pg) == set()
    refusal = raised(lambda: service.prepare_resume(settings, ready.run_id, until=StageName.CUTOVER))
    assert refusal.slug == "run-aborted"
