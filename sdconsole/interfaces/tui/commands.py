"""The command line that does the same as the console just did or is about to do."""

from __future__ import annotations

import shlex
from pathlib import Path

from sdconsole.config import EMBEDDED, Settings
from sdconsole.core.events import RunStarted
from sdconsole.core.model import Mode, RunKind, StageName
from sdconsole.core.plan import deploy_plan, restore_plan
from sdconsole.core.projection import RunState
from sdconsole.errors import Verdict
from sdconsole.target.connect import safe_conninfo

PROGRAM = "sdconsole"
PLAIN_DSN = "dsn"
"""What a target is called that was given as a connection string only."""
_WITHOUT_GATE = frozenset({"rollback", "restore", "versions"})
"""Commands that read no export, and so take neither a contract nor a least score."""
DEMO_FILE = "servicedesk-baseline-1.db"
"""The export that `sdconsole demo` makes when it is given no options."""


def target_name(settings: Settings) -> str:
    """The name of the target these settings lead to."""
    return PLAIN_DSN if settings.target == EMBEDDED and settings.dsn else settings.target


def deploy_command(settings: Settings, source: str, mode: str, *, until: StageName | None = None) -> str:
    """The same deployment without the console; it still asks before a cutover."""
    words = ["deploy", source, *_mode(mode)]
    if until is not None:
        words += ["--until", until]
    return _command(settings, *words)


def run_command(settings: Settings, state: RunState) -> str:
    """The command that starts such a run; "" before it has started."""
    started = state.started
    if started is None:
        return ""
    if started.kind is RunKind.ROLLBACK:
        to = ["--to", state.live_changes[-1].to_version] if state.live_changes else []
        return _command(settings, "rollback", *to)
    if started.kind is RunKind.RESTORE:
        whole = restore_plan().stages
        short = ["--until", started.stages[-1]] if started.stages and started.stages != whole else []
        return _command(settings, "restore", started.source, *short)
    if Path(started.source) == (settings.state_dir / "demo" / DEMO_FILE).absolute():
        return _command(settings, "demo", *_mode(started.mode))
    until = _until(started)
    if until is not None and until not in _whole_plan(started):
        return _command(settings, until, started.source)
    return deploy_command(settings, started.source, started.mode, until=until)


def resume_command(run_id: str) -> str:
    return f"{PROGRAM} resume {shlex.quote(run_id)}"


def attach_command(run_id: str) -> str:
    return f"{PROGRAM} attach {shlex.quote(run_id)}"


def approve_command(run_id: str) -> str:
    return f"{PROGRAM} approve {shlex.quote(run_id)}"


def _mode(mode: str) -> list[str]:
    return [] if mode == Mode.COMPLETE else ["--mode", mode]


def _whole_plan(started: RunStarted) -> tuple[StageName, ...]:
    """The stages of the run's mode, or nothing when the run's own stages are not the first of them."""
    whole = deploy_plan(Mode(started.mode)).stages
    return whole if whole[: len(started.stages)] == started.stages else ()


def _until(started: RunStarted) -> StageName | None:
    """The last stage, when the mode alone would go on after it."""
    whole = deploy_plan(Mode(started.mode)).stages
    return started.stages[-1] if started.stages and started.stages != whole else None


def _command(settings: Settings, *words: str) -> str:
    """Quoted for a shell, with what differs from the defaults. Never holds a password."""
    options: list[str] = []
    if settings.target != EMBEDDED:
        options += ["--target", settings.target]
    elif settings.dsn:
        options += ["--dsn", safe_conninfo(settings.dsn)]
    if words[0] in _WITHOUT_GATE:
        return shlex.join([PROGRAM, *words, *options])
    if settings.contract is not None:
        options += ["--contract", str(settings.contract)]
    if settings.min_quality != type(settings).model_fields["min_quality"].default:
        options += ["--min-quality", f"{settings.min_quality:g}"]
    return shlex.join([PROGRAM, *words, *options])


def next_commands(settings: Settings, state: RunState) -> tuple[str, ...]:
    """What one may want to run after this end, beside what its error advises."""
    if state.finished is None or state.started is None:
        return ()
    error = state.finished.error
    advised = error.next_step if error is not None else ""
    return tuple(command for command in _next(settings, state, state.started) if command not in advised)


def _next(settings: Settings, state: RunState, started: RunStarted) -> list[str]:
    if state.verdict is Verdict.ABORTED:
        return [run_command(settings, state)]  # nothing carries an aborted run on
    if state.verdict is Verdict.HELD:
        return [approve_command(state.run_id)]
    if not state.complete:
        return [resume_command(state.run_id)]
    made = {StageName.LOAD, StageName.RESTORE} & set(started.stages)
    if made and not state.live_changes:
        return [f"{resume_command(state.run_id)} --until {StageName.CUTOVER}"]
    before = state.live_changes[-1].from_version if state.live_changes else None
    if before is None:
        return []
    return [_command(settings, "rollback", *(["--to", before] if started.kind is RunKind.ROLLBACK else []))]
