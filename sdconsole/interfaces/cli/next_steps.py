"""What somebody most likely does next, for each command: the last line of a result that a person reads."""

from __future__ import annotations

import functools
import inspect
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import typer

from sdconsole.core.model import StageName
from sdconsole.core.projection import RunState
from sdconsole.core.summary import summary_document
from sdconsole.interfaces.cli.examples import commands
from sdconsole.interfaces.cli.options import Output
from sdconsole.interfaces.cli.output import nothing_told_yet, told_next, write_next
from sdconsole.interfaces.exit_codes import ExitCode
from sdconsole.interfaces.safe_text import safe_text

BY_ITSELF = frozenset({"demo", "deploy", "resume", "rollback", "restore", "approve", *StageName})
"""Commands that execute a run: how it ended decides, see `after_run`."""
NEXT = {
    "abort": "status",
    "doctor": "plan EXPORT",
    "blockers": "status --watch",
    "attach": "status {run}",
    "stop": "resume {run}",
    "pause": "unpause {run}",
    "unpause": "status --watch",
    "plan": "deploy {source}",
    "serve": "status",
    "version": "doctor",
    "status": "runs list",
    "report": "report {run} --check",
    "logs": "logs --level warning",
    "setup-role": "doctor --target TARGET",
    "generate": "plan {path}",
    "runs list": "runs show RUN",
    "runs show": "report {run}",
    "runs prune": "runs list",
    "runs diff": "report {after}",
    "versions list": "rollback --to VERSION",
    "versions prune": "versions list",
    "observe write": "observe serve",
    "observe serve": "observe write",
    "observe list": "observe write",
    "alerts list": "alerts export FOLDER",
    "alerts export": "alerts check",
    "alerts check": "alerts export FOLDER",
    "metrics list": "metrics run",
    "metrics run": "metrics compare BEFORE AFTER",
    "metrics compare": "metrics run --on {after}",
    "metrics sql": "metrics run {metric_id}",
    "dashboards list": "dashboards export FOLDER",
    "dashboards export": "dashboards check",
    "dashboards check": "metrics run",
    "quarantine show": "quarantine export quarantine.csv",
    "quarantine export": "runs list",
    "backups list": "backups verify BACKUP",
    "backups verify": "restore {backup}",
    "backups prune": "backups list",
    "contract show": "contract init --from EXPORT --output contract.toml",
    "contract lint": "plan EXPORT",
    "contract init": "contract lint {output}",
    "rules list": "score EXPORT",
    "runbook list": "runbook run NAME",
    "runbook show": "runbook run {name}",
    "runbook lint": "runbook run NAME --dry-run",
    "runbook new": "runbook lint {path}",
    "runbook run": "runbook list",
    "config show": "config validate",
    "config validate": "config show --origin",
    "config path": "config init",
    "config schema": "config validate",
    "config init": "config validate {path}",
    "db start": "db dsn",
    "db stop": "db start",
    "db status": "db psql",
    "db dsn": "db psql",
    "db psql": "",  # psql takes over the terminal: nobody is left to say a word
}
WRONG = {
    "doctor": "doctor",
    "alerts check": "alerts list",
    "config validate": "config validate",
    "contract lint": "contract lint {path}",
    "dashboards check": "dashboards check",
    "db status": "db start",
    "report": "runs show {run}",
    "runbook lint": "runbook lint",
}
"""Where a command found something wrong."""
_AFTER_STAGE = {
    StageName.PREFLIGHT: "backup {source}",
    StageName.BACKUP: "profile {source}",
    StageName.PROFILE: "clean {source} --dry-run",
    StageName.CLEAN: "score {source}",
    StageName.SCORE: "deploy {source}",
}
_FIELD = re.compile(r"\{(\w+)\}")


def put_next_steps(app: typer.Typer) -> None:
    """Let every command end with the next one, unless its result is for a program."""
    for words, info in commands(app):
        if info.callback is not None and words not in BY_ITSELF:
            info.callback = _ending_with(info.callback, NEXT.get(words, ""), WRONG.get(words, ""))


def after_run(state: RunState) -> str:
    """What follows a run that ended well."""
    run, started = state.run_id, state.started
    if started is None:
        return f"sdconsole runs show {run}"
    last = state.stages[-1].name if state.stages else StageName.VERIFY
    alone = len(state.stages) == 1 or state.stages[0].name is not StageName.PREFLIGHT
    if alone and last in _AFTER_STAGE:
        return _filled(_AFTER_STAGE[last], {"source": started.source})
    if state.live_changed:
        return f"sdconsole report {run}     or the way back: sdconsole rollback"
    if state.complete and summary_document(state)["version"]:
        return f"sdconsole cutover {run} --confirm {started.live_schema}"
    return f"sdconsole resume {run}"


def _ending_with(callback: Callable[..., Any], well: str, wrong: str) -> Callable[..., Any]:
    order = list(inspect.signature(callback).parameters)

    @functools.wraps(callback)
    def ending(*positional: Any, **given: Any) -> Any:
        values = dict(zip(order, positional, strict=False)) | given
        nothing_told_yet()
        try:
            answer = callback(*positional, **given)
        except typer.Exit as ended:
            _tell(well if ended.exit_code == ExitCode.OK else wrong, values)
            raise
        _tell(well, values)
        return answer

    return ending


def _tell(template: str, values: Mapping[str, Any]) -> None:
    for_a_program = values.get("json") or values.get("csv") or values.get("output") in (Output.JSON, Output.JSONL)
    if template and not for_a_program and not told_next():
        write_next(_filled(template, values))


def _filled(template: str, values: Mapping[str, Any]) -> str:
    """What was given takes its place; what was not is left out where it is a run, else named in capitals."""

    def fill(field: re.Match[str]) -> str:
        value = values.get(field[1])
        if value is None:
            return "" if field[1] == "run" else field[1].upper()
        return shlex.quote(safe_text(str(value)))

    return f"sdconsole {_FIELD.sub(fill, template)}".replace("  ", " ").rstrip()
