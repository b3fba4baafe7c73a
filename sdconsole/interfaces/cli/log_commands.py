"""`sdconsole logs`: the log of all runs, filtered, once or for as long as it grows."""

from __future__ import annotations

import json as json_format
import time
from enum import StrEnum
from typing import Annotated, Any

import typer

from sdconsole.config import load_settings
from sdconsole.core.model import StageName, checked_run_id
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.completing import complete_runs
from sdconsole.interfaces.cli.output import write_result
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.observe.log_record import RUN_FINISHED
from sdconsole.observe.logs import LEVELS, read_log

_POLL_SECONDS = 0.3


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(logs)


def logs(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Only this run; default: all.", autocompletion=complete_runs)
    ] = None,
    level: Annotated[LogLevel, typer.Option("--level", help="This level and above.")] = LogLevel.DEBUG,
    stage: Annotated[StageName | None, typer.Option("--stage", help="Only this stage.")] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", "-f", help="Go on as the log grows: until the named RUN has ended, else until Ctrl-C."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The records as they are, one JSON object a line.")] = False,
    state_dir: opt.StateDir = None,
) -> None:
    """What the runs of this state folder said, oldest first."""
    settings = load_settings(state_dir=state_dir)
    wanted = checked_run_id(run) if run is not None else None
    levels = frozenset(LEVELS[LEVELS.index(level) :])
    seen: dict[Any, int] = {}
    ended = False
    while True:
        for record in read_log(settings.state_dir, after=seen):
            if record["run_id"] == wanted:
                ended = record["step"] == RUN_FINISHED  # a run that was resumed is told of again
            if record["level"] in levels and wanted in (None, record["run_id"]) and stage in (None, record["stage"]):
                write_result(json_format.dumps(record) if json else _line(record))
        if not follow or ended:
            return
        time.sleep(_POLL_SECONDS)


def _line(record: dict[str, Any]) -> str:
    where = record.get("stage") or "run"
    text = f"{record['timestamp'][:23]}Z {record['level']:<7} {record['run_id'][-4:]} {where:<9} {record['message']}"
    if record.get("error"):
        text += f" [{record['error_type']}] {record['error']}"
    return safe_text(text)
