"""`sdconsole blockers`: who stands in the way of a switch, and the two ways to do something about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from sdconsole import service
from sdconsole.config import Settings, load_settings
from sdconsole.errors import UsageError
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.completing import complete_runs
from sdconsole.interfaces.cli.output import table, write_json, write_result
from sdconsole.interfaces.cli.progress import duration_text
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.target.live.blockers import Blocker

Run = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]",
        help="A run id: look at its target; default: the run that is at work here.",
        autocompletion=complete_runs,
    ),
]
Cancel = Annotated[
    int | None, typer.Option("--cancel", metavar="PID", help="Cancel what this session runs; its work is undone.")
]
End = Annotated[
    int | None, typer.Option("--end", metavar="PID", help="End this session: for one that is open and runs nothing.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(blockers)


def blockers(
    run: Run = None,
    cancel: Cancel = None,
    end: End = None,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    json: opt.Json = False,
    state_dir: opt.StateDir = None,
) -> None:
    """Who holds live views and delays a switch; --cancel and --end do something about one of them, on record."""
    settings = load_settings(target=target, dsn=dsn, live_schema=schema, state_dir=state_dir)
    if cancel is not None and end is not None:
        raise UsageError(
            "usage",
            "--cancel and --end are two things",
            cause="--cancel undoes one statement, --end a whole session",
            next_step=f"sdconsole blockers --cancel {cancel}, and --end when that did not help",
        )
    if run is None and target is None and dsn is None:
        run = service.running_run(settings)
    pid = cancel if cancel is not None else end
    if pid is None:
        _show(settings, run, as_json=json)
        return
    gone = service.end_blocker(settings, pid, end=cancel is None, run_id=run)
    how = "cancel" if cancel is not None else "end"
    if json:
        write_json({"schema": 1, "how": how, "blocker": asdict(gone)})
        return
    done = "what it ran was cancelled" if how == "cancel" else "the session was ended"
    write_result(f"pid {gone.pid} ({safe_text(gone.user)}) holds {safe_text(gone.relation)} no more: {done}")


def _show(settings: Settings, run: str | None, *, as_json: bool) -> None:
    seen = service.blockers(settings, run)
    if as_json:
        write_json({"schema": 1} | asdict(seen))
        return
    if not seen.holders:
        write_result(f"nobody holds a view of {seen.live_schema} on {safe_text(seen.target)} now")
        return
    table(["pid", "user", "application", "age", "state", "holds", "query"], [_row(one) for one in seen.holders])


def _row(one: Blocker) -> list[str]:
    return [
        str(one.pid) if one.pid is not None else "prepared",
        one.user,
        one.application or "-",
        duration_text(one.age_seconds),
        one.state or "-",
        f"{one.mode} on {one.relation}",
        one.query or "-",
    ]
