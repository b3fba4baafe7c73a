"""`sdconsole approve` and `sdconsole abort`: what becomes of a run that waits or was cut off."""

from __future__ import annotations

from typing import Annotated

import typer

from sdconsole import service
from sdconsole.config import load_settings
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.execute import execute, require_confirmation
from sdconsole.interfaces.cli.options import RunOptions
from sdconsole.interfaces.cli.output import write_json, write_result
from sdconsole.interfaces.cli.progress import ProgressMode
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.service import decisions

HeldRun = Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run id; default: the newest that waits.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(approve)
    app.command()(abort)


def approve(
    run: HeldRun = None,
    deadline: opt.Deadline = None,
    yes: opt.Yes = False,
    confirm: opt.Confirm = None,
    no_input: opt.NoInput = False,
    progress: opt.ProgressOption = ProgressMode.AUTO,
    json: opt.Json = False,
    output: opt.OutputFormat = None,
    state_dir: opt.StateDir = None,
) -> None:
    """Confirm a run that waits for it, and carry it on from there."""
    settings = load_settings(state_dir=state_dir)
    options = RunOptions(
        yes=yes, confirm=confirm, no_input=no_input, progress=progress, output=opt.output_of(json, output)
    )
    overrides = {"cutover_deadline_seconds": deadline} if deadline is not None else {}
    with service.prepare_resume(settings, decisions.held_run(settings, run), overrides=overrides) as prepared:
        expected = prepared.deployment.expected_name
        require_confirmation(options, changes_live=prepared.changes_live, expected=expected)
        raise typer.Exit(execute(prepared, options))


def abort(run: opt.RunId = None, json: opt.Json = False, state_dir: opt.StateDir = None) -> None:
    """Give a run up for good: drop what it made and readers never saw. Its files stay."""
    aborted = decisions.abort_run(load_settings(state_dir=state_dir), run)
    if json:
        write_json(
            {
                "schema": 1,
                "run": aborted.run_id,
                "verdict": "aborted",
                "dropped": list(aborted.dropped),
                "kept": list(aborted.kept),
                "files": str(aborted.folder),
            }
        )
        return
    write_result(f"{aborted.run_id} was given up; its files stay in {safe_text(str(aborted.folder))}")
    for version in aborted.dropped:
        write_result(f"  dropped  {version}")
    for version in aborted.kept:
        write_result(f"  kept     {version}: readers have seen it")
