"""`sdconsole status`: what a run does, once or until it ends, and what a target shows its readers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from sdconsole import service
from sdconsole.config import Settings, load_settings
from sdconsole.core.projection import StageState
from sdconsole.errors import Verdict
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.completing import complete_runs
from sdconsole.interfaces.cli.output import write_json, write_message, write_next, write_result
from sdconsole.interfaces.cli.progress import HEARTBEAT_SECONDS, blocked_lines, duration_text, work_text
from sdconsole.interfaces.exit_codes import exit_code
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.service import Seen, upkeep

Run = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]", help="A run id; default: the run at work, else the newest.", autocompletion=complete_runs
    ),
]
Watch = Annotated[bool, typer.Option("--watch", help="Follow the run until it ends; the exit code is the run's.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(status)


def status(
    run: Run = None,
    watch: Watch = False,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    json: opt.Json = False,
    state_dir: opt.StateDir = None,
) -> None:
    """What is running, what waits, what the last run said; with --target or --dsn also what readers see there."""
    settings = load_settings(target=target, dsn=dsn, live_schema=schema, state_dir=state_dir)
    on_target = target is not None or dsn is not None
    chosen = service.run_to_watch(settings, run, on_target=on_target and watch)
    seen = _watched(settings, chosen, quiet=json) if watch and chosen is not None else None
    if seen is None and chosen is not None:
        seen = service.look(settings, chosen)
    looked = upkeep.look_at_target(settings) if on_target else None
    if json:
        document = {
            "schema": 1,
            "runs": [asdict(seen.summary)] if seen is not None else [],
            "active": [one.run_id for one in service.list_runs(settings) if one.alive],
        }
        write_json(document | ({"target": asdict(looked)} if looked is not None else {}))
    else:
        if not watch or seen is None:
            lines = status_lines(seen) if seen is not None else ["no runs yet"]
            write_result("\n".join(lines))
        for line in _target_lines(looked) if looked is not None else []:
            write_result(line)
        write_next(next_of(seen) if seen is not None else "sdconsole demo")
    if watch and seen is not None:
        raise typer.Exit(exit_code(seen.verdict or Verdict.FAILED))


def _watched(settings: Settings, run: str, *, quiet: bool) -> Seen | None:
    """Shows the run until it ends; returns what it was then."""
    last: Seen | None = None
    with _screen(quiet=quiet) as show:
        for last in service.follow(settings, run):
            show(status_lines(last), _edge(last))
    if last is not None and last.verdict is None and not quiet:
        write_message(f"{run} was cut off: nobody executes it any more")
    return last


Show = Callable[[list[str], object], None]


@contextmanager
def _screen(*, quiet: bool) -> Iterator[Show]:
    """On a terminal the same lines are drawn again and again; elsewhere they are printed when something begins or
    ends, and every few seconds."""
    if quiet:
        yield lambda _lines, _edge: None
    elif sys.stdout.isatty():
        with Live(console=Console(), auto_refresh=False) as live:
            yield lambda lines, _edge: live.update(Text("\n".join(lines)), refresh=True)
    else:
        printed: list[tuple[list[str], object, float]] = []

        def show(lines: list[str], edge: object) -> None:
            if printed:
                before, at_edge, when = printed[-1]
                if edge == at_edge and (lines == before or time.monotonic() - when < HEARTBEAT_SECONDS):
                    return
                write_result("")
            write_result("\n".join(lines))
            printed[:] = [(lines, edge, time.monotonic())]

        yield show


def _edge(seen: Seen) -> object:
    state = seen.state
    current = state.current
    return (
        current.name if current is not None else None,
        state.waiting,
        [holder.pid for holder in state.blocked.holders] if state.blocked is not None else None,
        seen.summary.alive,
        seen.verdict,
    )


def status_lines(seen: Seen) -> list[str]:
    """A run in a few lines, safe for the terminal."""
    run, state = seen.summary, seen.state
    word = "running" if run.alive else run.verdict or "cut off"
    lines = [f"{run.run_id}  {run.kind}  {word}  {duration_text(run.duration_seconds)}"]
    current = state.current if run.alive else None
    if current is not None:
        number = [stage.name for stage in state.stages].index(current.name) + 1
        lines.append(f"stage    {current.name} ({number} of {len(state.stages)}){_work(current)}")
    if run.alive and state.waiting is not None:
        lines.append(f"waits    {safe_text(state.waiting.prompt)}")
    if run.alive and state.blocked is not None:
        lines += [f"         {line}" for line in blocked_lines(state.blocked)]
    if run.version:
        lines.append(f"version  {run.version}")
    error = state.finished.error if state.finished is not None else None
    if error is not None and not run.alive:
        lines.append(f"error    {error.slug}: {safe_text(error.message)}")
    if run.resumable:
        lines.append(f"stopped  before {run.next_stage}")
    if run.ready and not run.alive:
        lines.append("ready    proved, not live yet")
    return lines


def next_of(seen: Seen) -> str:
    """The command that fits the state of the run."""
    run = seen.summary
    if run.alive:
        waits = seen.state.waiting is not None
        return f"sdconsole approve {run.run_id}" if waits else f"sdconsole status {run.run_id} --watch"
    if run.ready:
        return f"sdconsole cutover {run.run_id} --confirm {run.live_schema}"
    return f"sdconsole resume {run.run_id}" if run.resumable else f"sdconsole runs show {run.run_id}"


def _work(stage: StageState) -> str:
    open_tasks = [task for task in stage.tasks.values() if task.total is None or task.done < task.total]
    return "".join(f"  {work_text(task)}" for task in open_tasks[-1:])


def _target_lines(seen: upkeep.TargetLook) -> list[str]:
    since = f" since {seen.since:%Y-%m-%d %H:%M:%S} UTC" if seen.since is not None else ""
    live = f"{seen.version}{since}, {seen.rows:,} rows" if seen.version else f"{seen.live_schema} has no version yet"
    lines = [f"target   {seen.target}, {seen.server}", f"live     {live}"]
    lines.append(f"drift    {seen.drift}" if seen.drift else "drift    none: views and ledger agree")
    if seen.holder:
        lines.append(f"lock     {seen.holder}")
    return [safe_text(line) for line in lines]
