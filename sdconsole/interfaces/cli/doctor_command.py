"""`sdconsole doctor`: what a deployment would stand on, and what to do about what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import typer

from sdconsole.config import load_settings
from sdconsole.core.model import CheckStatus
from sdconsole.errors import SdconsoleError
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.output import write_json, write_message, write_result
from sdconsole.interfaces.exit_codes import ExitCode
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.interfaces.terminal import look_at_terminal
from sdconsole.service.doctor import Diagnosis, examine
from sdconsole.stages.checks import Finding, passed


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(doctor)


def doctor(
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    json: opt.Json = False,
    state_dir: opt.StateDir = None,
) -> None:
    """Look at machine, terminal, settings, disk, server, rights and programs; exit 4 when one fails."""
    settings, problem = None, None
    try:
        settings = load_settings(target=target, dsn=dsn, live_schema=schema, state_dir=state_dir)
    except SdconsoleError as error:
        problem = error
    found = [*(Diagnosis("terminal", finding) for finding in _terminal()), *examine(settings, problem)]
    wrong = sum(one.finding.status is CheckStatus.FAIL for one in found)
    warnings = sum(one.finding.status is CheckStatus.WARN for one in found)
    code = ExitCode.CHECK_FAILED if wrong else ExitCode.OK
    if json:
        findings = [
            {
                "area": one.area,
                "check": one.finding.check,
                "status": one.finding.status,
                "detail": one.finding.detail,
                "measured": one.finding.measured,
                "threshold": one.finding.threshold,
                "remedy": one.finding.remedy,
            }
            for one in found
        ]
        write_json({"schema": 1, "findings": findings, "failed": wrong, "warned": warnings, "exit_code": int(code)})
        raise typer.Exit(code)
    for one in found:
        for line in _lines(one):
            write_result(safe_text(line))
    write_message(f"{len(found)} findings: {wrong} failed, {warnings} warned")
    raise typer.Exit(code)


def _lines(one: Diagnosis) -> Iterator[str]:
    finding = one.finding
    numbers = f" ({finding.measured}" if finding.measured else ""
    numbers += f", needed {finding.threshold}" if finding.measured and finding.threshold else ""
    yield f"{finding.status:<5} {one.area:<9} {finding.check}: {finding.detail}{numbers}{')' if numbers else ''}"
    if finding.remedy and finding.status is not CheckStatus.PASS:
        yield f"      next: {finding.remedy}"


def _terminal() -> Iterator[Finding]:
    terminal = look_at_terminal()
    size = f"{terminal.columns}x{terminal.lines}"
    reason = terminal.why_no_console
    if reason:
        detail = f"no console here: {reason}; every command works without one"
        yield Finding("terminal", CheckStatus.INFO, detail, measured=size)
    else:
        yield replace(passed("terminal", "the console can open here"), measured=size)
    if not terminal.unicode:
        remedy = "set a UTF-8 locale, e.g. LANG=C.UTF-8"
        yield Finding("unicode", CheckStatus.INFO, "only ASCII is drawn", remedy=remedy)
