"""Hooks: told how a run ended, in time, in the journal, and without any say in it."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from sdconsole import service
from sdconsole.config import HookSettings
from sdconsole.core.events import LogLine
from sdconsole.core.gates import FlagGate
from sdconsole.core.journal import read_journal
from sdconsole.core.model import Mode
from sdconsole.core.projection import RunState
from sdconsole.errors import Verdict
from sdconsole.observe.hooks import run_hooks
from tests.cli.conftest import Cli, MakeExport
from tests.cli.library_runs import LIVE, deployed, settings_of
from tests.conftest import Database

KEEP = "import sys; open(sys.argv[1], 'ab').write(sys.stdin.buffer.read() + b'\\n')"


def told(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in path.read_text().splitlines()] if path.exists() else []


def hook_lines(folder: Path) -> list[str]:
    events = [record.event for record in read_journal(folder / "events.jsonl")]
    return [event.message for event in events if isinstance(event, LogLine) and event.message.startswith("hook ")]


def test_each_end_calls_its_hooks_and_the_journal_says_so(cli: Cli, make_export: MakeExport, pg: Database) -> None:
    source, said = make_export(rows=1_000), cli.folder / "said"
    program = [sys.executable, "-c", KEEP, str(said)]
    names = ("on_ready", "on_hold", "on_success", "on_failure", "on_rollback")
    hooks = {name: [program, ["/no/such/program"]] for name in names}
    ready = deployed(cli.folder, source, pg.dsn, mode=Mode.BLUE_GREEN, hooks=hooks)
    assert (ready.verdict, told(said)) == (Verdict.OK, ["on-ready"])
    held = deployed(cli.folder, source, pg.dsn, confirm=None, mode=Mode.CANARY, hooks=hooks)
    assert (held.verdict, told(said)[1:]) == (Verdict.HELD, ["on-hold"])
    settings = settings_of(cli.folder, pg.dsn, hooks=hooks)
    done = deployed(cli.folder, source, pg.dsn, mode=Mode.BLUE_GREEN)
    for _ in range(2):
        done = deployed(cli.folder, source, pg.dsn, mode=Mode.CANARY, hooks=hooks)
        assert done.verdict is Verdict.OK, done.finished
    assert told(said)[2:] == ["on-success", "on-success"]
    with service.prepare_rollback(settings) as run:
        assert run.execute(FlagGate("ann", confirm=LIVE)).verdict is Verdict.OK
    assert told(said)[4:] == ["on-rollback"]
    failed = deployed(cli.folder, source, pg.dsn, hooks=hooks, space_local_bytes=10**18)
    assert (failed.verdict, told(said)[5:]) == (Verdict.CHECK_FAILED, ["on-failure"])
    document = json.loads(said.read_text().splitlines()[-1])
    assert document["run"] == failed.run_id
    assert "cause" not in document["error"]
    lines = hook_lines(cli.folder / ".sdconsole" / "runs" / failed.run_id)
    said_by = [line.split(": ")[0] for line in lines]
    assert said_by == [f"hook on-failure {Path(sys.executable).name}", "hook on-failure program"]
    assert "cannot be started" in lines[1]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append((self.path, json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(500 if "bad" in self.path else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    server.bodies = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def ended(pg_server: str, tmp_path_factory: pytest.TempPathFactory) -> RunState:
    """A run that failed in its preflight: the quickest end there is."""
    from sdconsole.contract.load import load_contract
    from sdconsole.source.generate import generate

    folder = tmp_path_factory.mktemp("hooks")
    generate(folder / "export.db", rows=300, seed=1, contract=load_contract())
    return deployed(folder, folder / "export.db", pg_server, space_local_bytes=10**18)


def test_a_url_gets_the_document_and_a_refusal_is_only_noted(listener: HTTPServer, ended: RunState) -> None:
    base = f"http://127.0.0.1:{listener.server_port}"
    hooks = HookSettings(on_failure=(f"{base}/secret-token", f"{base}/bad", "http://127.0.0.1:1/x"), timeout_seconds=5)
    lines = list(run_hooks(hooks, ended))
    assert [path for path, _ in listener.bodies] == ["/secret-token", "/bad"]  # type: ignore[attr-defined]
    assert listener.bodies[0][1]["verdict"] == "check-failed"  # type: ignore[attr-defined]
    assert [line.level for line in lines] == ["info", "warning", "warning"]
    assert "answered 500" in lines[1].message
    assert "cannot be reached" in lines[2].message
    assert not any("secret-token" in line.message for line in lines)


def test_a_program_has_no_shell_no_password_and_no_more_time_than_it_is_given(
    ended: RunState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "x1y2z3")
    seen = tmp_path / "seen"
    look = "import os, sys; open(sys.argv[1], 'w').write(repr(sys.argv[2:]) + str('x1y2z3' in os.environ.values()))"
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    failing = [sys.executable, "-c", "raise SystemExit(3)"]
    hooks = HookSettings(
        on_failure=((sys.executable, "-c", look, str(seen), "$(id)"), tuple(sleeper), tuple(failing)), timeout_seconds=2
    )
    before = time.process_time()
    lines = list(run_hooks(hooks, ended))
    assert time.process_time() - before < 2
    assert seen.read_text() == "['$(id)']False"
    assert "took longer than 2 s and was ended" in lines[1].message
    assert "ended with 3" in lines[2].message
    assert "x1y2z3" not in "".join(line.message for line in lines)
