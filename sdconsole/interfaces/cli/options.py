"""The options that several commands share, each described once."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sdconsole.core.model import Mode, StageName
from sdconsole.core.plan import DEPLOY_STAGES, restore_plan
from sdconsole.interfaces.cli.completing import complete_one_of, complete_runs, complete_targets
from sdconsole.interfaces.cli.progress import ProgressMode


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run is answered and shown."""

    yes: bool
    confirm: str | None
    no_input: bool
    progress: ProgressMode
    output: Output

    @property
    def can_ask(self) -> bool:
        return not self.no_input and sys.stdin.isatty() and sys.stderr.isatty()


def _one_of(stages: Sequence[StageName]) -> Callable[[str], StageName]:
    """Reads a stage's name; only these can be meant."""

    def read(text: str) -> StageName:
        if text not in stages:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(stages)}.")
        return StageName(text)

    return read


def _seconds(text: str) -> float:
    """90, 90s, 10m or 1h."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smh]?)", text)
    seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
    if not seconds:
        raise typer.BadParameter(f"{text!r} is no time; write 90s, 10m or 1h.")
    return seconds


def _seconds_or_none(text: str) -> float:
    """The same, and 0 for not at all."""
    return 0.0 if re.fullmatch(r"0+[smh]?", text) else _seconds(text)


def output_of(json: bool, output: Output | None) -> Output:
    """`--json` is short for `--output json`."""
    return Output.JSON if json else output or Output.TEXT


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout at the end.")]
OutputFormat = Annotated[
    Output | None, typer.Option("--output", help="text, json (one document) or jsonl (the event stream).")
]
ProgressOption = Annotated[
    ProgressMode, typer.Option("--progress", help="How to show progress on stderr: auto, rich, plain or none.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Answer plain questions with yes.")]
Confirm = Annotated[
    str | None, typer.Option("--confirm", metavar="NAME", help="The live schema's name: confirms the cutover.")
]
NoInput = Annotated[bool, typer.Option("--no-input", help="Never ask; refuse beforehand what would need an answer.")]
TargetName = Annotated[
    str | None,
    typer.Option("--target", help="A target from the settings; default: embedded.", autocompletion=complete_targets),
]
Dsn = Annotated[
    str | None,
    typer.Option("--dsn", help="A libpq connection string or URI. Passwords belong in PGPASSFILE or a service file."),
]
Schema = Annotated[str | None, typer.Option("--schema", help="The live schema; default: servicedesk.")]
ContractPath = Annotated[
    Path | None, typer.Option("--contract", help="A contract in TOML instead of the built-in ServiceDesk one.")
]
MinQuality = Annotated[
    float | None, typer.Option("--min-quality", help="The score a deployment needs, 0 to 100; default: 80.")
]
MaxQuarantine = Annotated[
    float | None, typer.Option("--max-quarantine", help="Percent of rows that may be set aside; default: 5.")
]
CanaryRate = Annotated[
    float | None,
    typer.Option("--canary-rate", help="Percent of the rows in the canary; default: 10, more for few rows."),
]
Audit = Annotated[
    bool | None, typer.Option("--audit", help="Also write each changed cell to audit.jsonl.gz in the run's folder.")
]
KeepCanary = Annotated[
    bool | None, typer.Option("--keep-canary", help="Leave the canary on the server until: versions prune.")
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Sessions that load at once; default: as many as pay, at most 2.")
]
Throttle = Annotated[
    int | None, typer.Option("--throttle", min=1, metavar="ROWS/S", help="Rows a second that a load sends at most.")
]
ModeOption = Annotated[Mode | None, typer.Option("--mode", help="simple, canary, blue-green or complete (default).")]
AutoRollback = Annotated[
    bool | None,
    typer.Option("--auto-rollback", help="Switch back by itself when the verification after the cutover fails."),
]
Watch = Annotated[
    float | None,
    typer.Option(
        "--watch",
        metavar="TIME",
        parser=_seconds_or_none,
        help="Keep looking at live after the switch: 90s, 10m; default: 60s for complete on production, else 0s.",
    ),
]
MaxMetricChange = Annotated[
    float | None,
    typer.Option("--max-metric-change", min=0, metavar="PERCENT", help="Refuse the cutover when a metric moves more."),
]
Until = Annotated[
    StageName | None,
    typer.Option(
        "--until",
        metavar="STAGE",
        parser=_one_of(DEPLOY_STAGES),
        autocompletion=complete_one_of(DEPLOY_STAGES),
        help=f"Stop after this stage: {', '.join(DEPLOY_STAGES)}.",
    ),
]
UntilRestored = Annotated[
    StageName | None,
    typer.Option(
        "--until",
        metavar="STAGE",
        parser=_one_of((*DEPLOY_STAGES, StageName.RESTORE)),
        autocompletion=complete_one_of((*DEPLOY_STAGES, StageName.RESTORE)),
        help=f"Stop after this stage: of a dump {', '.join(restore_plan().stages)}; of an export's copy as in deploy.",
    ),
]
Deadline = Annotated[
    float | None,
    typer.Option(
        "--deadline",
        metavar="TIME",
        parser=_seconds,
        help="How long a switch waits for sessions in its way: 90s, 10m; default: 5m.",
    ),
]
StateDir = Annotated[
    Path | None,
    typer.Option("--state-dir", file_okay=False, help="Where runs and backups are kept; default: .sdconsole."),
]
CleanFile = Annotated[Path | None, typer.Option("--to", metavar="FILE", help="clean: where the clean file goes.")]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Look only: nothing in the console changes anything.")]
Debug = Annotated[
    bool, typer.Option("--debug", help="Print the traceback of an error too; after a command it may stand as well.")
]
Source = Annotated[Path, typer.Argument(help="The SQLite export.", show_default=False)]
RunId = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="A run id; default: the newest unfinished run.", autocompletion=complete_runs),
]
