"""The operator's own terminals: the console in a real one, killed at its question, answered from another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from sdconsole.core import runs
from sdconsole.core.events import Answered
from sdconsole.core.journal import read_journal
from sdconsole.core.projection import fold
from sdconsole.errors import Verdict
from tests.cli.conftest import Cli
from tests.cli.library_runs import LIVE, deployed, states
from tests.cli.test_approve import small_export  # noqa: F401 - a fixture
from tests.conftest import Database
from tests.terminal_session import TerminalSession

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
LEAVES_ALTERNATE_SCREEN = b"\x1b[?1049l"


def journals(cli: Cli) -> list[Path]:
    return sorted((cli.folder / ".sdconsole" / "runs").glob("*/events.jsonl"))


def answers(journal: Path) -> list[tuple[bool, str, str]]:
    events = [record.event for record in read_journal(journal)]
    return [(event.accepted, event.via, event.typed) for event in events if isinstance(event, Answered)]


def kept(pg: Database) -> list[str]:
    """The states of the versions that exist."""
    return [state for state in states(pg).values() if state != "dropped"]


def tickets(pg: Database) -> int:
    with psycopg.connect(pg.dsn) as connection:
        row = connection.execute("SELECT count(*) FROM servicedesk.tickets").fetchone()
    assert row is not None
    return int(row[0])


def test_the_demonstration_goes_live_by_keys_in_a_real_terminal(cli: Cli, pg: Database) -> None:
    with TerminalSession(cli.folder, cli.environment, "demo", "--size", "700", "--dsn", pg.dsn) as terminal:
        asked = terminal.until("Type servicedesk to go on", "undo:")
        [engine] = psutil.Process(terminal.process.pid).children()
        assert "sdconsole.service.attended" in engine.cmdline()
        assert pg.name not in " ".join(engine.cmdline())
        assert engine.terminal() is None
        terminal.press("servicedesc\r")
        typo = terminal.until("type exactly servicedesk", after=asked)
        terminal.press("\x7f" + "k\r")
        done = terminal.until("deployed servicedesk_v", after=typo)
        terminal.press("2")
        terminal.until("points lost after cleaning", after=done)
        terminal.press("q")
        assert terminal.ends() == 0
        assert LEAVES_ALTERNATE_SCREEN in terminal.raw
        assert ": ok" in terminal.text
    assert tickets(pg) > 0
    [journal] = journals(cli)
    assert answers(journal) == [(True, "console", LIVE)]


def test_a_console_killed_at_its_question_is_offered_first_and_finished_from_another_terminal(
    cli: Cli, pg: Database
) -> None:
    with TerminalSession(cli.folder, cli.environment, "demo", "--size", "700", "--dsn", pg.dsn) as terminal:
        terminal.until("Type servicedesk to go on")
        os.killpg(terminal.process.pid, signal.SIGKILL)
        assert terminal.ends() == -signal.SIGKILL
    [journal] = journals(cli)
    while runs.is_alive(journal.parent):  # the run is left alone with its question, holds it and ends
        time.sleep(0.05)
    assert fold(read_journal(journal)).verdict is Verdict.HELD
    assert kept(pg) == ["ready"]
    with TerminalSession(cli.folder, cli.environment, size=(100, 30)) as terminal:
        terminal.until("Held before cutover", "Answer")
        terminal.press("q")
        assert terminal.ends() == 0
    approved = cli("approve", "--confirm", LIVE, "--json")
    assert approved.code == 0, approved.err
    assert kept(pg) == ["live"]
    assert tickets(pg) > 0
    assert cli("status").out.count("resume") == 0


def test_a_prompt_is_answered_from_another_terminal_while_it_is_watched(
    cli: Cli,
    small_export: Path,  # noqa: F811
    pg: Database,
) -> None:
    arguments = ("deploy", str(small_export), "--dsn", pg.dsn, "--progress", "plain")
    with TerminalSession(cli.folder, cli.environment, *arguments) as terminal:
        terminal.until("type servicedesk to continue")
        watching = cli.start("status", "--watch", "--json")
        approved = cli("approve", "--confirm", LIVE, "--json")
        assert approved.code == 0, approved.err
        assert terminal.ends() == 0
        assert "answered elsewhere" in terminal.text
        out, err = watching.communicate(timeout=60)
        assert watching.returncode == 0, err
        assert '"verdict": "ok"' in out
    [journal] = journals(cli)
    assert answers(journal) == [(True, "sdconsole approve", LIVE)]


def test_a_mistyped_name_is_asked_for_twice_more(cli: Cli, small_export: Path, pg: Database) -> None:  # noqa: F811
    deployed(cli.folder, small_export, pg.dsn, confirm=None)
    with TerminalSession(cli.folder, cli.environment, "approve", "--progress", "none") as terminal:
        asked = terminal.until("type servicedesk to continue")
        terminal.press("servicedesc\n")
        asked = terminal.until("2 more tries", "type servicedesk to continue", after=asked)
        terminal.press("servicedes\n")
        asked = terminal.until("1 more try", "type servicedesk to continue", after=asked)
        terminal.press("no\n")
        assert terminal.ends() == 6
        assert "confirmation-wrong" in terminal.text
    assert kept(pg) == ["ready"]
    with TerminalSession(cli.folder, cli.environment, "resume", "--progress", "none") as terminal:
        asked = terminal.until("type servicedesk to continue")
        terminal.press("servicedesc\n")
        terminal.until("2 more tries", after=asked)
        terminal.press("servicedesk\n")
        assert terminal.ends() == 0
    assert tickets(pg) > 0


def test_a_reader_that_goes_away_ends_the_command_quietly(cli: Cli) -> None:
    for closed in ("stdout", "stderr"):
        reader, writer = os.pipe()
        os.close(reader)
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE} | {closed: writer}
        arguments = ["runs", "list"] if closed == "stdout" else ["resume"]
        ended = subprocess.run(
            [sys.executable, "-m", "sdconsole", *arguments],
            cwd=cli.folder,
            env=cli.environment,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
            **streams,  # type: ignore[call-overload]
        )
        os.close(writer)
        assert ended.returncode == 141
        assert not ended.stderr


def _plain(cli: Cli, *words: str, **given: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*words], cwd=cli.folder, stdin=subprocess.DEVNULL, text=True, timeout=60, check=False, **given
    )


def test_streams_that_are_closed_full_or_know_few_letters_stop_no_command_with_a_traceback(cli: Cli) -> None:
    sdconsole = f"{sys.executable} -m sdconsole"
    few = cli.environment | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    said = _plain(cli, sys.executable, "-m", "sdconsole", "runbook", "new", "é…😀.md", env=few, capture_output=True)
    assert said.returncode == 2, said.stderr
    assert said.stderr.isascii()
    assert "Traceback" not in said.stderr
    listed = _plain(cli, *sdconsole.split(), "rules", "list", "--json", env=few, capture_output=True)
    assert json.loads(listed.stdout)
    full = _plain(cli, "sh", "-c", f"{sdconsole} rules list >/dev/full", env=cli.environment, capture_output=True)
    assert (full.returncode, full.stderr.splitlines()[0][:17]) == (1, "error[disk-full]:")
    closed = _plain(cli, "sh", "-c", f"{sdconsole} --help | true; {sdconsole} nosuch <&- >&- 2>&-", env=cli.environment)
    assert closed.returncode == 2


def test_ctrl_c_while_the_command_is_being_loaded_says_so_and_no_more(cli: Cli) -> None:
    script = (
        "import sys\n"
        "class Pressed:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'sdconsole.config': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Pressed())\n"
        "from sdconsole.__main__ import main\n"
        "main()\n"
    )
    ended = _plain(cli, sys.executable, "-c", script, env=cli.environment, capture_output=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")


def test_a_traceback_is_shown_to_whom_asks_for_it(cli: Cli) -> None:
    for words in (["--debug", "runs", "show", "x"], ["runs", "show", "x", "--debug"], ["runs", "show", "x"]):
        ended = _plain(cli, sys.executable, "-m", "sdconsole", *words, env=cli.environment, capture_output=True)
        assert ended.returncode == 2
        assert ("Traceback" in ended.stderr) == ("--debug" in words)
        assert "error[run-id]" in ended.stderr
