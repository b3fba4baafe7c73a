"""`sdconsole approve` and `sdconsole abort`: what becomes of a run that waits or was cut off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from sdconsole import service
from sdconsole.config import Settings, load_settings
from sdconsole.contract.date_answers import read_date_formats
from sdconsole.core.events import Waiting
from sdconsole.core.stage import Cancellation
from sdconsole.errors import UsageError, Verdict
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.completing import complete_runs
from sdconsole.interfaces.cli.date_options import DateFormats
from sdconsole.interfaces.cli.execute import execute, gate_of, require_confirmation
from sdconsole.interfaces.cli.options import RunOptions
from sdconsole.interfaces.cli.output import write_json, write_message, write_next, write_result
from sdconsole.interfaces.cli.progress import ProgressMode
from sdconsole.interfaces.cli.watch import watch_run
from sdconsole.interfaces.exit_codes import exit_code
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.service import decisions

HeldRun = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="A run id; default: the newest that waits.", autocompletion=complete_runs),
]


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
    date_format: DateFormats = None,
    progress: opt.ProgressOption = ProgressMode.AUTO,
    json: opt.Json = False,
    output: opt.OutputFormat = None,
    state_dir: opt.StateDir = None,
) -> None:
    """Confirm a run that waits for it, whoever executes it; one that nobody executes is carried on from there."""
    settings = load_settings(state_dir=state_dir)
    options = RunOptions(
        yes=yes, confirm=confirm, no_input=no_input, progress=progress, output=opt.output_of(json, output)
    )
    run_id = decisions.held_run(settings, run)
    orders = read_date_formats(date_format or ())
    question = service.open_question(settings, run_id)
    if question is not None:
        _refuse_for_the_living(run_id, orders, deadline)
        raise typer.Exit(_approve_elsewhere(settings, run_id, question, options))
    overrides = {"cutover_deadline_seconds": deadline} if deadline is not None else {}
    with service.prepare_resume(settings, run_id, overrides=overrides, date_formats=orders) as prepared:
        expected = prepared.deployment.expected_name
        require_confirmation(options, changes_live=prepared.changes_live, expected=expected)
        raise typer.Exit(execute(prepared, options))


def _refuse_for_the_living(run_id: str, orders: Mapping[str, str], deadline: float | None) -> None:
    """A run that another process executes has its settings already. Raises UsageError ("run-active")."""
    if orders or deadline is not None:
        raise UsageError(
            "run-active",
            f"run {run_id} is being executed by another process; an answer is all it takes",
            cause="--date-format and --deadline change a run only when it is taken up again",
            next_step=f"sdconsole approve {run_id} without them, or stop that process and give them to resume",
        )


def _approve_elsewhere(settings: Settings, run_id: str, question: Waiting, options: RunOptions) -> int:
    """Answer the question that another process asks, then look on; the exit code is the run's."""
    require_confirmation(options, changes_live=True, expected=question.expected)
    answer = gate_of(options, service.current_operator(), question.expected, Cancellation()).ask(question)
    if answer.held:
        write_message("held: nobody has confirmed yet")
        write_next(f"sdconsole approve {run_id}")
        return exit_code(Verdict.HELD)
    service.answer_run(
        settings, run_id, question, accepted=answer.accepted, typed=answer.typed, via="sdconsole approve"
    )
    return watch_run(settings, run_id, options)


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
