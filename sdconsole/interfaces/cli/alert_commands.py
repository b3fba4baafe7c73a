"""`sdconsole alerts`: the rules for Prometheus, exported with their tests, and checked."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from sdconsole.config import load_settings
from sdconsole.errors import CheckFailed, from_os_error
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.output import table, write_json, write_result
from sdconsole.observe import alerts
from sdconsole.source.open import check_output, new_file

alerts_app = typer.Typer(no_args_is_help=True, help="Alert rules for Prometheus.")
StaleDays = Annotated[
    float | None,
    typer.Option("--stale-days", min=0.1, help="How old the newest import may be; default: 100; 2 for daily imports."),
]
Runbooks = Annotated[str, typer.Option("--runbooks", metavar="URL", help="Where your people find the runbooks.")]
_PROMTOOL_SECONDS = 120


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(alerts_app, name="alerts")


@alerts_app.command("list")
def list_alerts(json: opt.Json = False) -> None:
    """Every rule: when it fires, who is told, what to do."""
    rows = alerts.rows(alerts.limits_of(load_settings()))
    if json:
        write_json({"schema": 1, "alerts": rows})
        return
    table(
        ["alert", "severity", "team", "for", "fires when", "do"],
        [[str(row[name]) for name in ("name", "severity", "team", "for", "summary", "action")] for row in rows],
    )


@alerts_app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the two files go.", show_default=False)],
    stale_days: StaleDays = None,
    runbooks: Runbooks = alerts.DEFAULT_RUNBOOKS,
) -> None:
    """Write the rule file for Prometheus, and the unit tests that `promtool test rules` runs."""
    limits = alerts.limits_of(load_settings())
    if stale_days is not None:
        limits = limits | {"stale_seconds": f"{stale_days * 86_400:.0f}"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, f"{folder} cannot be made") from error
    for name, text in alerts.documents(limits=limits, runbooks=runbooks).items():
        check_output(folder / name)
        with new_file(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        write_result(str(folder / name))


@alerts_app.command("check")
def check(json: opt.Json = False) -> None:
    """Do the rules name what is exposed and lead to runbooks; with promtool installed, do they fire when they must?"""
    problems = [*alerts.alert_problems()]
    promtool = shutil.which("promtool")
    if promtool is not None:
        problems += _promtool(promtool)
    if problems:
        raise CheckFailed(
            "alerts",
            f"{len(problems)} problem(s) in the alert rules",
            cause="\n".join(problems),
            next_step="correct the rules, then: sdconsole alerts check",
        )
    rules = len(alerts.load_alerts())
    proved = "promtool ran their unit tests" if promtool else "promtool is not installed: their unit tests were not run"
    if json:
        write_json({"schema": 1, "rules": rules, "promtool": promtool is not None})
    else:
        write_result(f"{rules} rules name what is exposed and lead to runbooks; {proved}")


def _promtool(program: str) -> list[str]:
    """What promtool says about the exported files; nothing when it is content."""
    with tempfile.TemporaryDirectory(prefix="sdconsole-alerts-") as name:
        folder = Path(name)
        files = alerts.documents(limits=alerts.usual_limits(), runbooks=alerts.DEFAULT_RUNBOOKS)
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        said = []
        for arguments in (["check", "rules", alerts.RULES], ["test", "rules", alerts.TESTS]):
            try:
                ended = subprocess.run(
                    [program, *arguments],
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    timeout=_PROMTOOL_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                said.append(f"promtool {' '.join(arguments)} did not end within {_PROMTOOL_SECONDS} s")
                continue
            if ended.returncode != 0:
                said += [line for line in (ended.stdout + ended.stderr).splitlines() if line.strip()][:40]
        return said
