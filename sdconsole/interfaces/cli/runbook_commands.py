"""`sdconsole runbook`: list, show, lint, new and run."""

from __future__ import annotations

import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from sdconsole import service
from sdconsole.config import load_settings
from sdconsole.errors import UsageError, Verdict
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.completing import complete_runbooks
from sdconsole.interfaces.cli.console import can_open_console, walk_in_console
from sdconsole.interfaces.cli.execute import VERDICT_BY_SIGNAL, in_thread, require_confirmation, signals
from sdconsole.interfaces.cli.options import Output, RunOptions
from sdconsole.interfaces.cli.output import error_lines, table, write_json, write_message, write_next, write_result
from sdconsole.interfaces.cli.progress import ProgressMode, progress_view
from sdconsole.interfaces.cli.walk_text import (
    PromptWalkGate,
    WalkLines,
    run_rows,
    step_rows,
    walk_document,
    walk_lines,
)
from sdconsole.interfaces.exit_codes import ExitCode, exit_code
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.interfaces.terminal import look_at_terminal
from sdconsole.runbook.asking import FlagWalkGate, WalkGate
from sdconsole.runbook.library import find, shipped
from sdconsole.runbook.lint import checked, lint
from sdconsole.runbook.model import Runbook
from sdconsole.runbook.parse import parse, read_text
from sdconsole.runbook.planner import plan_walk
from sdconsole.runbook.template import new_runbook
from sdconsole.runbook.walk_state import WalkState
from sdconsole.service.walking import PreparedWalk, list_walks, prepare_walk
from sdconsole.source.open import new_file

runbook_app = typer.Typer(no_args_is_help=True, help="Runbooks that run: list, show, lint, new, run.")
Name = Annotated[
    str,
    typer.Argument(
        metavar="RUNBOOK",
        help="A shipped runbook's name, or a path to one.",
        show_default=False,
        autocompletion=complete_runbooks,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(runbook_app, name="runbook")


@runbook_app.command("list")
def runbook_list(json: opt.Json = False, state_dir: opt.StateDir = None) -> None:
    """The shipped runbooks, and the walks that are not finished."""
    settings = load_settings(state_dir=state_dir)
    books = {name: parse(read_text(path))[0] for name, path in shipped().items()}
    walks = [walk for walk in list_walks(settings) if walk.verdict is not Verdict.OK]
    if json:
        found = [
            {"name": name, "title": book.title, "steps": len(book.steps), "stages": _stages(book)}
            for name, book in books.items()
        ]
        write_json({"schema": 1, "runbooks": found, "unfinished": [asdict(walk) for walk in walks]})
        return
    table(
        ["runbook", "steps", "by the engine", "title"],
        [[name, str(len(book.steps)), str(_stages(book)), book.title] for name, book in books.items()],
    )
    for walk in walks:
        state = "being walked" if walk.alive else walk.verdict or "cut off"
        write_result(f"\n{walk.walk_id}  {walk.runbook}  {state}, at step {walk.step} of {walk.steps}")
        write_result(f"next     sdconsole runbook run {walk.called}")


def _stages(book: Runbook) -> int:
    return sum(step.is_stage for step in book.steps)


@runbook_app.command("show")
def runbook_show(
    name: Name,
    json: opt.Json = False,
) -> None:
    """Print a runbook's text; with --json its parameters and steps."""
    path = find(name)
    if not json:
        write_result(safe_text(read_text(path), multiline=True).rstrip("\n"))
        return
    book = checked(path)
    plan, _ = plan_walk(book)
    stages = {step.number: list(stretch.stages_of(step)) for stretch in plan.stretches for step in stretch.steps}
    write_json(
        {
            "schema": 1,
            "id": book.id,
            "title": book.title,
            "digest": book.digest,
            "mode": book.mode,
            "params": [{"name": one.name, "help": one.help, "default": one.default} for one in book.params],
            "steps": [
                {
                    "number": step.number,
                    "title": step.title,
                    "line": step.line,
                    "stages": stages.get(step.number, []),
                    "checks": [check.name for check in step.checks],
                    "attestations": list(step.attestations),
                }
                for step in book.steps
            ],
        }
    )


@runbook_app.command("lint")
def runbook_lint(
    files: Annotated[list[Path] | None, typer.Argument(help="Files; default: every shipped runbook.")] = None,
    json: opt.Json = False,
) -> None:
    """Every mistake in runbooks, with its file and line. Exit 2 when there is one."""
    paths = files or list(shipped().values())
    found = [(path, problem) for path in paths for problem in lint(read_text(path))]
    code = ExitCode.USAGE if found else ExitCode.OK
    if json:
        mistakes = [{"path": str(path), "line": one.line, "message": one.message} for path, one in found]
        write_json({"schema": 1, "files": len(paths), "mistakes": mistakes, "exit_code": int(code)})
    else:
        for path, one in found:
            write_result(safe_text(f"{path}:{one.line}: {one.message}"))
        write_message(f"{len(found)} mistakes in {len(paths)} files" if found else f"{len(paths)} files can be walked")
    raise typer.Exit(code)


@runbook_app.command("new")
def runbook_new(
    path: Annotated[Path, typer.Argument(help="A new file, e.g. promote.md.", show_default=False)],
    json: opt.Json = False,
) -> None:
    """Write a runbook to start from. Overwrites nothing."""
    text = new_runbook(path)
    if path.exists():
        raise UsageError(
            "output-exists",
            f"{path} is there already",
            cause="a runbook is never overwritten",
            next_step="choose another name",
        )
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    if json:
        write_json({"schema": 1, "path": str(path)})
    else:
        write_result(f"wrote {safe_text(str(path))}")


def runbook_run(
    name: Name,
    params: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Parameters, e.g. source=export.db.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the steps; do nothing.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Begin another walk even if one is unfinished.")] = False,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    yes: opt.Yes = False,
    confirm: opt.Confirm = None,
    no_input: opt.NoInput = False,
    progress: opt.ProgressOption = ProgressMode.AUTO,
    json: opt.Json = False,
    state_dir: opt.StateDir = None,
) -> None:
    """Walk through a runbook: checks, attestations and stages, with a record. Goes on where it was left.

    In a terminal the console opens, with the words on the left and the steps on the right; --progress plain asks in
    plain text. Answers given beforehand keep it plain too.
    """
    settings = load_settings(target=target, dsn=dsn, live_schema=schema, state_dir=state_dir)
    options = RunOptions(
        yes=yes,
        confirm=confirm,
        no_input=no_input,
        progress=ProgressMode.PLAIN if progress is ProgressMode.AUTO else progress,
        output=Output.JSON if json else Output.TEXT,
    )
    given = _given(params or [])
    if dry_run:
        _show_plan(checked(find(name)), given, as_json=json)
        return
    if options.can_ask and not new:
        unfinished = {walk.digest for walk in list_walks(settings) if walk.verdict is not Verdict.OK}
    else:
        unfinished = set()
    if options.can_ask:
        given = _asked(checked(find(name)), given, unfinished)
    walk = prepare_walk(settings, name, given, new=new)
    if walk.other_text is not None:
        left = walk.other_text
        write_message(f"a new walk: {left.walk_id} of another text of {walk.runbook.id} is unfinished; to take it up:")
        write_message(f"  sdconsole runbook run {left.called}")
    answered = yes or confirm is not None or no_input or json
    if progress is ProgressMode.AUTO and not answered and options.can_ask:
        if can_open_console():
            state = walk_in_console(settings, walk)
            raise typer.Exit(_tell(state, walk, state.verdict or Verdict.INTERRUPTED, options))
        write_message(f"without the console: {look_at_terminal().why_no_console}")
    raise typer.Exit(_walk(walk, options))


runbook_app.command("run")(runbook_run)


def _given(words: list[str]) -> dict[str, str]:
    given = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(
                "runbook-param",
                f"{word!r} is no parameter",
                cause="a parameter is written NAME=VALUE",
                next_step="e.g. sdconsole runbook run quarterly-import source=export.db",
            )
        given[name] = value
    return given


def _asked(book: Runbook, given: dict[str, str], unfinished: set[str]) -> dict[str, str]:
    """Asks for the parameters that have no default and were not given."""
    if book.digest in unfinished:
        return given
    for param in book.params:
        if param.default is None and param.name not in given:
            sys.stderr.write(f"{param.name} ({safe_text(param.help)}): ")
            sys.stderr.flush()
            typed = sys.stdin.readline().strip()
            if typed:
                given[param.name] = typed
    return given


def _show_plan(book: Runbook, given: dict[str, str], *, as_json: bool) -> None:
    plan, _ = plan_walk(book)
    values = {param.name: given.get(param.name, param.default or f"{{{param.name}}}") for param in book.params}
    rows = step_rows(book, plan, values)
    if as_json:
        keys = ("number", "by", "box", "title", "what")
        write_json(
            {"schema": 1, "id": book.id, "params": values, "steps": [dict(zip(keys, row, strict=True)) for row in rows]}
        )
        return
    write_result(safe_text(book.title))
    for line in run_rows(plan):
        write_result(line)
    table(["#", "by", "box", "step", "what"], rows)


def _walk(walk: PreparedWalk, options: RunOptions) -> int:
    operator = service.current_operator()
    changes_live = any(stretch.plan.cuts_over for stretch in walk.plan.stretches)
    expected = walk.expected_name
    require_confirmation(options, changes_live=changes_live, expected=expected)
    gate: WalkGate = FlagWalkGate(operator, options.yes, options.confirm)
    if options.can_ask:
        gate = PromptWalkGate(operator, walk.cancellation, options.yes, options.confirm)
    if walk.resumed:
        write_message(f"going on with walk {walk.walk_id}; --new begins another one")
    received: list[signal.Signals] = []
    with progress_view(options.progress) as views, signals(walk.cancellation, received):
        state = in_thread(lambda: walk.execute(gate, (WalkLines(walk),), views))
    verdict = state.verdict or Verdict.FAILED
    if verdict is Verdict.INTERRUPTED and received:
        verdict = VERDICT_BY_SIGNAL[received[0]]
    return _tell(state, walk, verdict, options)


def _tell(state: WalkState, walk: PreparedWalk, verdict: Verdict, options: RunOptions) -> int:
    """Print how a walk ended; returns its exit code."""
    if options.output is Output.JSON:
        write_json(walk_document(state, walk, verdict))
    else:
        for line in walk_lines(state, walk, verdict):
            write_result(line)
    error = state.ended.error if state.ended else None
    again = f"sdconsole runbook run {walk.called}"
    if error is not None:
        shown = replace(error, next_step=error.next_step or again)
        for line in error_lines(shown, log=str(walk.folder / "walk.jsonl")):
            write_message(line)
    elif verdict is Verdict.HELD:
        note = state.ended.note if state.ended else ""
        write_message(f"left for later: {safe_text(note)}")
        write_next(again)
    return exit_code(verdict)
