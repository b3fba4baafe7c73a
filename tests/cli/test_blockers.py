"""A session in the way of a cutover is named while the cutover waits, and an operator elsewhere can do away with it."""

from __future__ import annotations

import contextlib
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole import service
from sdconsole.config import Settings
from sdconsole.contract.load import load_contract
from sdconsole.core.events import Blocked, BlockerEnded
from sdconsole.core.journal import read_journal
from sdconsole.core.model import Mode
from sdconsole.errors import CheckFailed, Verdict
from sdconsole.interfaces.tui.dialog import Dialog
from sdconsole.interfaces.tui.service_library import ServiceLibrary
from sdconsole.service import Rollback
from sdconsole.source.generate import generate
from sdconsole.target.connect import Target
from tests.cli.conftest import Cli
from tests.cli.library_runs import LIVE, deployed, settings_of, states, version_of
from tests.cli.test_refusals import refused
from tests.conftest import Database
from tests.stages.live_world import World
from tests.tui.driving import RUN_SECONDS, console, play, until, until_asked, words

HOLD = "SELECT count(*) FROM servicedesk.tickets"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "export.db"
    generate(path, rows=1_000, seed=4, contract=load_contract())
    return path


@pytest.fixture
def report(pg: Database) -> Iterator[psycopg.Connection]:
    """A session that can hold live views."""
    with psycopg.connect(make_conninfo(pg.dsn, application_name="quarterly report")) as session:
        yield session
        session.close()


def told(cli: Cli, run: str, pid: int) -> int:
    """How often the run's journal names this session."""
    records = read_journal(cli.folder / ".sdconsole" / "runs" / run / "events.jsonl")
    waits = [record.event for record in records if isinstance(record.event, Blocked)]
    return sum(holder.pid == pid for wait in waits for holder in wait.holders)


def waiting(cli: Cli, run: str, pid: int) -> subprocess.Popen[str]:
    """A cutover that was started and waits for this session."""
    before = told(cli, run, pid)
    process = cli.start("cutover", run, "--confirm", LIVE, "--json")
    give_up = time.monotonic() + 30
    while told(cli, run, pid) == before:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up, "it never waited"
        time.sleep(0.02)
    return process


def test_a_session_in_the_way_is_named_and_ended_from_another_terminal(
    cli: Cli, source: Path, pg: Database, report: psycopg.Connection
) -> None:
    before = deployed(cli.folder, source, pg.dsn, mode=Mode.SIMPLE)
    ready = deployed(cli.folder, source, pg.dsn, mode=Mode.BLUE_GREEN)
    assert before.verdict is ready.verdict is Verdict.OK
    pid = report.info.backend_pid
    report.execute(HOLD)

    late = refused(cli("cutover", ready.run_id, "--confirm", LIVE, "--deadline", "1s", "--json"), 124, "cutover-lock")
    assert f"pid {pid} " in late["cause"]
    assert late["next"].startswith(f"sdconsole blockers --cancel {pid}, then: sdconsole resume {ready.run_id} ")

    stopped = waiting(cli, ready.run_id, pid)
    stopped.send_signal(signal.SIGINT)
    _, err = stopped.communicate(timeout=20)
    assert stopped.returncode == 130, err
    assert f"waiting: pid {pid} (" in err
    assert f"sdconsole blockers --cancel {pid}" in err
    assert states(pg)[version_of(ready)] == "ready"
    assert states(pg)[version_of(before)] == "live"

    running = waiting(cli, ready.run_id, pid)
    [found] = cli("blockers", "--json").json["holders"]
    assert (found["pid"], found["application"], found["query"]) == (pid, "quarterly report", HOLD)
    assert (found["relation"], found["state"]) == ("servicedesk.tickets", "idle in transaction")
    listed = cli("blockers").out
    assert str(pid) in listed
    assert HOLD in listed
    stays = refused(cli("blockers", "--cancel", str(pid), "--json"), 1, "blocker-stays")
    assert stays["next"] == f"sdconsole blockers --end {pid}"
    assert running.poll() is None
    ended = cli("blockers", "--end", str(pid), "--json")
    assert ended.code == 0, ended.err
    assert (ended.json["how"], ended.json["blocker"]["pid"]) == ("end", pid)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 0, err
    with pytest.raises(psycopg.OperationalError):
        report.execute("SELECT 1")
    assert states(pg)[version_of(ready)] == "live"

    journal = read_journal(cli.folder / ".sdconsole" / "runs" / ready.run_id / "events.jsonl")
    done = [record.event for record in journal if isinstance(record.event, BlockerEnded)]
    assert [(one.pid, one.how, one.by) for one in done] == [
        (pid, how, service.current_operator()) for how in ("cancel", "end")
    ]
    with psycopg.connect(pg.dsn) as connection:
        written = connection.execute(
            "SELECT kind, typed, detail ->> 'application' FROM sdconsole.event WHERE kind LIKE 'blocker-%%'"
            " AND run_id = %s ORDER BY id",
            [ready.run_id],
        ).fetchall()
    application = "quarterly report"
    assert written == [("blocker-cancelled", str(pid), application), ("blocker-ended", str(pid), application)]
    assert "nobody holds" in cli("blockers", ready.run_id).out
    cancelled_in_the_console(settings_of(cli.folder, pg.dsn), pg, back_to=version_of(before))


def cancelled_in_the_console(settings: Settings, pg: Database, *, back_to: str) -> None:
    """A rollback waits for a real statement that reads live; the key cancels it, and readers are back at once."""

    async def story() -> None:
        library = ServiceLibrary(settings)
        async with console(settings.state_dir, settings=settings, library=library, size=(140, 40)) as (app, pilot):
            app.begin(Rollback())
            await until(pilot, lambda: isinstance(app.screen, Dialog), patience_seconds=RUN_SECONDS)
            await until_asked(pilot)
            await pilot.press(*LIVE, "enter")
            await until(pilot, lambda: app.session.state.blocked is not None, patience_seconds=RUN_SECONDS)
            await pilot.press("6")
            await until(pilot, lambda: "nightly export" in words(app, "#holders"))
            await pilot.press("k")
            await until_asked(pilot)
            assert "pg_sleep(600)" in words(app)
            await pilot.click("#yes")
            await until(pilot, lambda: app.final_state is not None, patience_seconds=RUN_SECONDS)
            assert app.final_state is not None
            assert app.final_state.verdict is Verdict.OK

    def read() -> None:
        with contextlib.suppress(psycopg.errors.QueryCanceled):
            session.execute("SELECT count(*), pg_sleep(600) FROM servicedesk.tickets")

    with psycopg.connect(make_conninfo(pg.dsn, application_name="nightly export")) as session:
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        while not held_by(pg, session.info.backend_pid):
            time.sleep(0.02)
        play(story())
        reader.join(timeout=30)
        assert not reader.is_alive()
        session.rollback()
    assert states(pg)[back_to] == "live"


def held_by(pg: Database, pid: int) -> bool:
    """The session's statement is running and holds the live view."""
    with psycopg.connect(pg.dsn) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE pid = %s AND granted AND relation = 'servicedesk.tickets'::regclass",
            [pid],
        ).fetchone()
    return row is not None and row[0] > 0


@pytest.fixture
def world(pg: Database) -> World:
    world = World(Target("test", pg.dsn, LIVE, ""), "")
    with world.connect() as connection:
        world.deploy(connection)
    return world


def test_a_running_statement_is_cancelled_and_its_session_stays(
    cli: Cli, world: World, pg: Database, report: psycopg.Connection
) -> None:
    met: list[psycopg.Error] = []

    def run_long() -> None:
        try:
            report.execute("SELECT pg_sleep(60) FROM servicedesk.tickets")
        except psycopg.Error as error:
            met.append(error)

    thread = threading.Thread(target=run_long)
    thread.start()
    settings, pid = settings_of(cli.folder, pg.dsn), report.info.backend_pid
    while not service.blockers(settings).holders:
        time.sleep(0.02)
    assert service.end_blocker(settings, pid).pid == pid
    thread.join(timeout=10)
    assert isinstance(met[0], psycopg.errors.QueryCanceled)
    report.rollback()
    assert report.execute("SELECT 1").fetchone() == (1,)


def test_only_sessions_in_the_way_can_be_touched(
    cli: Cli, world: World, pg: Database, report: psycopg.Connection
) -> None:
    report.execute("SELECT 1")
    refused(cli("blockers", "--end", str(report.info.backend_pid), "--dsn", pg.dsn, "--json"), 4, "not-a-blocker")
    assert report.execute("SELECT 2").fetchone() == (2,)
    refused(cli("blockers", "--end", "1", "--cancel", "1", "--dsn", pg.dsn, "--json"), 2, "usage")


def test_without_the_right_to_it_nothing_is_cancelled_and_nothing_is_on_record(
    cli: Cli, world: World, pg: Database, report: psycopg.Connection
) -> None:
    role = f"deployer_{secrets.token_hex(4)}"
    name = sql.Identifier(role)
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(name))
        try:
            admin.execute(sql.SQL("GRANT USAGE ON SCHEMA sdconsole, servicedesk TO {}").format(name))
            admin.execute(sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA sdconsole TO {}").format(name))
            admin.execute(sql.SQL("GRANT ALL ON ALL SEQUENCES IN SCHEMA sdconsole TO {}").format(name))
            report.execute("SELECT FROM servicedesk.tickets")
            settings = settings_of(cli.folder, make_conninfo(pg.dsn, user=role, password="x", passfile="/dev/null"))
            with pytest.raises(CheckFailed) as caught:
                service.end_blocker(settings, report.info.backend_pid, end=True)
            assert caught.value.slug == "blocker-rights"
            assert f'GRANT pg_signal_backend TO "{role}"' in caught.value.next_step
            assert report.execute("SELECT 1").fetchone() == (1,)
            kinds = admin.execute("SELECT count(*) FROM sdconsole.event WHERE kind LIKE 'blocker-%'").fetchone()
            assert kinds == (0,)
        finally:
            admin.execute(sql.SQL("DROP OWNED BY {}").format(name))
            admin.execute(sql.SQL("DROP ROLE {}").format(name))
