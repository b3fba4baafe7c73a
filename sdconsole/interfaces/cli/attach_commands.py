"""Commands for a run that another process executes: look at it in the console, let it rest, go on, or stop."""

from __future__ import annotations

from typing import Annotated

import typer

from sdconsole import service
from sdconsole.config import load_settings
from sdconsole.errors import UsageError
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.completing import complete_runs
from sdconsole.interfaces.cli.console import Opening, open_console
from sdconsole.interfaces.cli.output import write_json, write_result
from sdconsole.interfaces.terminal import look_at_terminal

AnyRun = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="A run id; default: the newest run.", autocompletion=complete_runs)
]
ActiveRun = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]", help="A run id; default: the newest that is being executed.", autocompletion=complete_runs
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(attach)
    app.command()(pause)
    app.command()(unpause)
    app.command()(stop)


def attach(
    run: AnyRun = None,
    replay: Annotated[bool, typer.Option("--replay", help="Play it again from its beginning.")] = False,
    read_only: opt.ReadOnly = False,
    state_dir: opt.StateDir = None,
) -> None:
    """Open the console on a run, whoever executes it; a finished one can be played again."""
    settings = load_settings(state_dir=state_dir)
    known = service.list_runs(settings)
    if run is None and not known:
        raise UsageError(
            "run-unknown",
            "there is no run yet",
            cause="no run in the state folder is being executed, or has begun",
            next_step="sdconsole demo",
        )
    run_id = service.load_run(settings, run).run_id if run is not None else known[0].run_id
    reason = look_at_terminal().why_no_console
    if reason:
        raise UsageError(
            "no-console",
            "the console cannot open here",
            cause=reason,
            next_step=f"sdconsole status --watch {run_id}",
        )
    raise typer.Exit(open_console(settings, Opening(attach=run_id, replay=replay, read_only=read_only)))


def pause(run: ActiveRun = None, json: opt.Json = False, state_dir: opt.StateDir = None) -> None:
    """Let a run rest at its next safe point; it keeps what it has and its place."""
    run_id = service.pause_run(load_settings(state_dir=state_dir), run, via="sdconsole pause")
    _tell(run_id, f"{run_id} rests at its next safe point", "pause", json=json)


def unpause(run: ActiveRun = None, json: opt.Json = False, state_dir: opt.StateDir = None) -> None:
    """Let a run that rests go on."""
    run_id = service.unpause_run(load_settings(state_dir=state_dir), run, via="sdconsole unpause")
    _tell(run_id, f"{run_id} goes on", "unpause", json=json)


def stop(run: ActiveRun = None, json: opt.Json = False, state_dir: opt.StateDir = None) -> None:
    """Stop a run that another process executes; running SQL is cancelled, and the run can be resumed."""
    run_id = service.stop_run(load_settings(state_dir=state_dir), run, via="sdconsole stop")
    _tell(run_id, f"{run_id} stops", "stop", json=json)


def _tell(run_id: str, text: str, asked: str, *, json: bool) -> None:
    if json:
        write_json({"schema": 1, "run": run_id, "asked": asked})
    else:
        write_result(text)
