"""`status --watch` follows a run from another terminal, shows what `status` shows, and ends as the run ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import sdconsole
from sdconsole import service
from sdconsole.contract.load import load_contract
from sdconsole.core import runs
from sdconsole.core.bus import Bus
from sdconsole.core.events import Event, LogLine, Record, RunFinished, StageStarted, Waiting
from sdconsole.core.gates import Answer
from sdconsole.core.model import Mode, StageName
from sdconsole.core.projection import RunState
from sdconsole.errors import Verdict
from sdconsole.observe.logs import LogView
from sdconsole.source.generate import generate
from sdconsole.target.connect import Target, connect
from sdconsole.target.ledger.lock import acquire
from tests.cli.conftest import Cli
from tests.cli.library_runs import LIVE, deployed, settings_of
from tests.cli.test_refusals import refused, wait_for
from tests.conftest import Database


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "export.db"
    generate(path, rows=1_000, seed=4, contract=load_contract())
    return path


class Patient:
    """A gate that answers when it is told to."""

    def __init__(self) -> None:
        self.asked, self.answer = threading.Event(), threading.Event()

    def ask(self, question: Waiting) -> Answer:
        self.asked.set()
        assert self.answer.wait(60)
        return Answer(True, "ann", "test", typed=question.expected)


def test_a_run_is_followed_to_its_end_from_another_terminal(cli: Cli, source: Path, pg: Database) -> None:
    gate, states = Patient(), list[RunState]()
    settings = settings_of(cli.folder, pg.dsn)
    with sdconsole.prepare_deploy(settings, sdconsole.DeployRequest(source=source)) as run:
        thread = threading.Thread(target=lambda: states.append(run.execute(gate)))
        thread.start()
        assert gate.asked.wait(60)
        once = cli("status").out
        assert "running" in once
        assert "waits    Switch servicedesk to the new version?" in once
        watching = cli.start("status", "--watch", "--dsn", pg.dsn)
        assert watching.stdout is not None
        seen = [watching.stdout.readline() for _ in range(3)]
        assert watching.poll() is None, "it ends with the run and not before"
        gate.answer.set()
        thread.join(timeout=60)
        out, err = watching.communicate(timeout=30)
    assert states[0].verdict is Verdict.OK, states[0].finished
    assert watching.returncode == 0, err
    assert any(line.startswith("stage    cutover (9 of 10)") for line in seen), seen
    blocks = ("".join(seen) + out).split("\n\n")
    assert len(blocks) > 1
    assert "waits" not in blocks[-1]
    shown = [line for line in blocks[-1].splitlines() if not line.startswith("lock ")]  # it may be let go this moment
    assert shown == cli("status", "--dsn", pg.dsn).out.splitlines()
    assert cli("status", run.run_id, "--watch", "--json").json["runs"][0]["verdict"] == "ok"


def test_a_watched_run_that_ends_otherwise_gives_its_exit_code(cli: Cli, source: Path, pg: Database) -> None:
    held = deployed(cli.folder, source, pg.dsn, confirm=None)
    ended = cli("status", held.run_id, "--watch")
    assert (ended.code, "held" in ended.out) == (6, True)
    assert cli("status").code == 0, "without --watch it only tells"
    refusing = deployed(cli.folder, source, pg.dsn, mode=Mode.SIMPLE, min_quality=100)
    assert refusing.verdict is Verdict.GATE_FAILED
    ended = cli("status", "--watch")
    assert (ended.code, "error    score-below-minimum: " in ended.out) == (5, True), ended.out
    with sdconsole.prepare_deploy(settings_of(cli.folder, pg.dsn), sdconsole.DeployRequest(source=source)) as run:

        def stop(record: Record) -> None:
            if isinstance(record.event, StageStarted) and record.event.stage is StageName.PROFILE:
                run.cancellation.cancel("SIGTERM")

        assert run.execute(sdconsole.FlagGate("ann"), (stop,)).verdict is Verdict.INTERRUPTED
    assert cli("status", "--watch").code == 143


def test_a_watched_run_that_is_killed_is_told_to_be_cut_off(cli: Cli, source: Path, pg: Database) -> None:
    running = cli.start("deploy", str(source), "--dsn", pg.dsn, "--no-input", "--until", "validate")
    wait_for(cli, '"type":"run_started"')
    watching = cli.start("status", "--watch")
    assert watching.stdout is not None
    assert "running" in watching.stdout.readline()
    running.kill()
    running.communicate()
    _, err = watching.communicate(timeout=30)
    assert watching.returncode == 1
    [run] = service.list_runs(settings_of(cli.folder, pg.dsn))
    assert "was cut off" in err
    assert f"next: sdconsole resume {run.run_id}" in err


def test_a_run_of_another_folder_is_named_but_cannot_be_followed(cli: Cli, source: Path, pg: Database) -> None:
    deployed(cli.folder, source, pg.dsn, mode=Mode.SIMPLE)
    target = Target("test", pg.dsn, LIVE, "")
    run = "r-20260101-000000-abcd"
    with closing(connect(target, application="other")) as session, acquire(
        session, target, run, operator="eve", host="elsewhere"
    ):  # fmt: skip
        error = refused(cli("status", "--watch", "--dsn", pg.dsn, "--json"), 4, "run-elsewhere")
    assert "eve on elsewhere" in error["cause"]
    refused(cli("status", run, "--watch", "--json"), 2, "run-unknown")


def test_a_journal_is_followed_through_a_torn_line_and_a_second_attempt(cli: Cli, source: Path, pg: Database) -> None:
    held = deployed(cli.folder, source, pg.dsn, confirm=None)
    settings = settings_of(cli.folder, pg.dsn)
    folder = runs.run_folder(settings.state_dir, held.run_id)
    with runs.run_lock(folder):
        following = service.follow(settings, held.run_id, pause_seconds=0)
        assert next(following).verdict is Verdict.HELD, "somebody has taken it up again: it is not over"
        with (folder / runs.JOURNAL).open("ab") as journal:
            journal.write(b'{"seq": ')
        seen = next(following)
        assert seen.summary.alive
    (folder / runs.JOURNAL).write_bytes((folder / runs.JOURNAL).read_bytes()[: -len(b'{"seq": ')])
    with service.prepare_resume(settings, held.run_id) as run:
        assert next(following).summary.alive
        assert run.execute(sdconsole.FlagGate("ann", confirm=LIVE)).verdict is Verdict.OK
    *_, last = following
    assert last.verdict is Verdict.OK
    assert last.summary.alive is False


def log_of(folder: Path, *events: Event, run: str = "r-20261121-031500-7f3a") -> Callable[[Event], None]:
    """Writes these events of a run to the folder's log; returns what writes more."""
    view = LogView(folder / ".sdconsole", level="debug", max_bytes=1_000_000, keep_days=30)
    bus = Bus(run, journal=lambda _: None, views=(view,))
    for event in events:
        bus.publish(event)
    return bus.publish


def test_a_log_is_followed_while_a_run_writes_and_until_the_run_has_ended(cli: Cli) -> None:
    run = "r-20261121-031500-7f3a"
    say = log_of(cli.folder, LogLine("info", "the first"), run=run)
    other = log_of(cli.folder, LogLine("info", "of another"), run="r-20261121-031500-0000")
    following = cli.start("logs", run, "--follow")
    assert following.stdout is not None
    assert "the first" in following.stdout.readline()
    say(LogLine("warning", "written while it follows"))
    assert "written while it follows" in following.stdout.readline()
    other(RunFinished(Verdict.OK, 1.0))
    say(LogLine("info", "the end of another run ends nothing"))
    assert "the end of another run ends nothing" in following.stdout.readline()
    assert following.poll() is None
    say(RunFinished(Verdict.OK, 1.0))
    out, err = following.communicate(timeout=60)
    assert following.returncode == 0, err
    assert "run ended: ok" in out
    assert cli("logs", run, "--follow").out.count("\n") == 4, "it has ended already"


def test_ctrl_c_ends_following(cli: Cli) -> None:
    log_of(cli.folder, LogLine("info", "the first"))
    following = cli.start("logs", "--follow")
    assert following.stdout is not None
    assert "the first" in following.stdout.readline()
    following.send_signal(signal.SIGINT)
    _, err = following.communicate(timeout=60)
    assert (following.returncode, "Traceback" in err) == (130, False)
