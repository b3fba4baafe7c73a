"""The stages that look at data and need no server, each by itself: profile, clean, score."""

from __future__ import annotations

import json as json_format
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from sdconsole import service
from sdconsole.config import Settings, load_settings
from sdconsole.contract.date_answers import read_date_formats
from sdconsole.core.model import StageName
from sdconsole.core.plan import PURPOSE
from sdconsole.errors import UsageError
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.date_options import DateFormats
from sdconsole.interfaces.cli.execute import execute
from sdconsole.interfaces.cli.options import Output, RunOptions
from sdconsole.interfaces.cli.output import write_message, write_result
from sdconsole.interfaces.cli.progress import ProgressMode
from sdconsole.interfaces.cli.quality_text import clean_lines, profile_lines
from sdconsole.quality.clean.report import clean_report_from_dict
from sdconsole.quality.profile.model import profile_from_dict
from sdconsole.quality.score.junit import junit_xml
from sdconsole.quality.score.model import score_from_dict
from sdconsole.service import DeployRequest
from sdconsole.source.open import check_output, new_file, refuse_same_file
from sdconsole.stages.kept import refused_quarantine

Junit = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Write every rule as a test case in JUnit XML.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count what would change, write no clean file.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for stage, command in ((StageName.PROFILE, profile), (StageName.CLEAN, clean), (StageName.SCORE, score)):
        app.command(stage.value, help=f"Run one stage: {PURPOSE[stage]}.", rich_help_panel="Stages")(command)


def profile(
    source: opt.Source,
    date_format: DateFormats = None,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    contract: opt.ContractPath = None,
    progress: opt.ProgressOption = ProgressMode.AUTO,
    json: opt.Json = False,
    output: opt.OutputFormat = None,
    state_dir: opt.StateDir = None,
) -> None:
    settings = load_settings(target=target, dsn=dsn, live_schema=schema, contract=contract, state_dir=state_dir)
    request = DeployRequest(source=source, stage=StageName.PROFILE, date_formats=read_date_formats(date_format or ()))
    _run(settings, request, progress, opt.output_of(json, output), _told("profile", profile_from_dict, profile_lines))


def clean(
    source: opt.Source,
    to: opt.CleanFile = None,
    dry_run: DryRun = False,
    audit: opt.Audit = None,
    date_format: DateFormats = None,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    contract: opt.ContractPath = None,
    max_quarantine: opt.MaxQuarantine = None,
    progress: opt.ProgressOption = ProgressMode.AUTO,
    json: opt.Json = False,
    output: opt.OutputFormat = None,
    state_dir: opt.StateDir = None,
) -> None:
    if dry_run and to is not None:
        raise UsageError(
            "usage",
            "--dry-run writes no file for --to",
            cause="a dry run only counts, and --to names a file to write",
            next_step="leave one of them out",
        )
    settings = load_settings(
        target=target,
        dsn=dsn,
        live_schema=schema,
        contract=contract,
        max_quarantine_percent=max_quarantine,
        audit=audit,
        state_dir=state_dir,
    )
    request = DeployRequest(
        source=source,
        stage=StageName.CLEAN,
        output=to,
        dry_run=dry_run,
        date_formats=read_date_formats(date_format or ()),
    )
    _run(settings, request, progress, opt.output_of(json, output), _tell_clean)


def score(
    source: opt.Source,
    junit: Junit = None,
    date_format: DateFormats = None,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    contract: opt.ContractPath = None,
    min_quality: opt.MinQuality = None,
    max_quarantine: opt.MaxQuarantine = None,
    progress: opt.ProgressOption = ProgressMode.AUTO,
    json: opt.Json = False,
    output: opt.OutputFormat = None,
    state_dir: opt.StateDir = None,
) -> None:
    settings = load_settings(
        target=target,
        dsn=dsn,
        live_schema=schema,
        contract=contract,
        min_quality=min_quality,
        max_quarantine_percent=max_quarantine,
        state_dir=state_dir,
    )
    if junit is not None:
        refuse_same_file(source, junit)
        check_output(junit)
    request = DeployRequest(source=source, stage=StageName.SCORE, date_formats=read_date_formats(date_format or ()))

    def finish(folder: Path, _as_text: bool) -> None:
        if junit is not None:
            _write_junit(folder, source, junit)

    _run(settings, request, progress, opt.output_of(json, output), finish)


Finish = Callable[[Path, bool], None]


def _run(settings: Settings, request: DeployRequest, progress: ProgressMode, output: Output, finish: Finish) -> None:
    """Execute one stage, then let `finish` tell or write more of its record: (the run's folder, whether as text)."""
    options = RunOptions(yes=False, confirm=None, no_input=True, progress=progress, output=output)
    with service.prepare_deploy(settings, request) as prepared:
        code = execute(prepared, options)
        finish(prepared.folder, output is Output.TEXT)
    raise typer.Exit(code)


def _told(name: str, read: Callable[[dict[str, Any]], Any], lines: Callable[[Any], Iterable[str]]) -> Finish:
    """Tells a JSON document of the run in words, when the run came as far as writing it."""

    def finish(folder: Path, as_text: bool) -> None:
        document = folder / f"{name}.json"
        if as_text and document.exists():
            for line in lines(read(json_format.loads(document.read_bytes()))):
                write_result(line)

    return finish


def _tell_clean(folder: Path, as_text: bool) -> None:
    """As `_told`; a copy that did not pass its gates is nowhere to be found."""
    refused = refused_quarantine(folder).exists()
    _told("clean", clean_report_from_dict, partial(clean_lines, refused=refused))(folder, as_text)


def _write_junit(folder: Path, source: Path, junit: Path) -> None:
    document = folder / "score.json"
    if not document.exists():
        write_message(f"{junit} was not written: the run ended before the score")
        return
    after = score_from_dict(json_format.loads(document.read_bytes())["after"])
    with new_file(junit) as temporary:
        temporary.write_bytes(junit_xml(after, suite=source.name))
