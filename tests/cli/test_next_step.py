"""A result that a person reads ends with the command that most likely comes next; one for a program does not."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from sdconsole.core.model import Mode
from sdconsole.errors import Verdict
from sdconsole.interfaces.cli.next_steps import after_run
from tests.cli.conftest import Inside, MakeExport
from tests.cli.library_runs import deployed
from tests.conftest import Database

LINES = {
    "generate new.db --size 300": "plan new.db",
    "plan new.db": "deploy new.db",
    "preflight new.db": "backup new.db",
    "backup new.db": "profile new.db",
    "profile new.db": "clean new.db --dry-run",
    "clean new.db": "score new.db",
    "score new.db": "deploy new.db",
    "version": "doctor",
    "status": "runs show r-",
    "runs list": "runs show RUN",
    "runs prune --dry-run": "runs list",
    "report": "report --check",
    "report --check": "report --check",
    "logs": "logs --level warning",
    "quarantine show": "quarantine export quarantine.csv",
    "quarantine export q.csv": "runs list",
    "observe list": "observe write",
    "observe write": "observe serve",
    "alerts list": "alerts export FOLDER",
    "alerts export alerts": "alerts check",
    "metrics list": "metrics run",
    "metrics sql 1.1": "metrics run 1.1",
    "dashboards list": "dashboards export FOLDER",
    "dashboards export grafana": "dashboards check",
    "backups list": "backups verify BACKUP",
    "backups prune --dry-run": "backups list",
    "contract show": "contract init --from EXPORT --output contract.toml",
    "contract init --from new.db --output 'my own.toml'": "contract lint 'my own.toml'",
    "contract lint 'my own.toml'": "plan EXPORT",
    "rules list": "score EXPORT",
    "runbook list": "runbook run NAME",
    "runbook show rollback": "runbook run rollback",
    "runbook lint": "runbook run NAME --dry-run",
    "runbook new own.md": "runbook lint own.md",
    "runbook run escalation --dry-run": "runbook list",
    "config show": "config validate",
    "config path": "config init",
    "config schema": "config validate",
    "config init": "config validate sdconsole.toml",
    "config validate": "config show --origin",
    "setup-role --deployer deployer": "doctor --target TARGET",
    "db status": "db start",
    "db stop": "db start",
}


def last(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else ""


def test_every_command_that_needs_no_server_says_what_comes_next_and_only_to_a_person(
    inside: Inside, pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCONSOLE_DSN", pg.dsn)
    wrong = {}
    for line, expected in LINES.items():
        ended = inside(*shlex.split(line))
        if not last(ended.err).startswith(f"next: sdconsole {expected}") or ended.err.count("next: ") != 1:
            wrong[line] = f"{ended.code}: {ended.err[-300:]}"
    assert not wrong, "\n".join(f"{line}: {said}" for line, said in wrong.items())
    for line in ("status", "runs list", "rules list", "config show"):
        ended = inside(*line.split(), "--json")
        assert json.loads(ended.out)
        assert "next: " not in ended.err + ended.out
    assert "next: " not in inside("metrics", "list", "--csv").err
    refused = inside("runs", "show", "nonsense")
    assert refused.err.count("next:") == 1


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(Mode.BLUE_GREEN, "sdconsole cutover {run} --confirm servicedesk"), (Mode.SIMPLE, "sdconsole report {run} ")],
)
def test_a_run_says_what_comes_after_it(
    inside: Inside, make_export: MakeExport, pg: Database, mode: Mode, expected: str
) -> None:
    source: Path = make_export(rows=300)
    state = deployed(inside.folder, source, pg.dsn, mode=mode)
    assert state.verdict is Verdict.OK
    assert after_run(state).startswith(expected.format(run=state.run_id))
