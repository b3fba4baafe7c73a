"""Commands that execute a run: demo, deploy, resume, rollback and every stage by itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated

import typer

from sdconsole import service
from sdconsole.config import EMBEDDED, load_settings
from sdconsole.contract.date_answers import read_date_formats
from sdconsole.core.model import Mode, StageName
from sdconsole.core.plan import DEPLOY_STAGES, PURPOSE
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli import stage_commands
from sdconsole.interfaces.cli.completing import complete_versions
from sdconsole.interfaces.cli.console import Opening, can_open_console, open_console
from sdconsole.interfaces.cli.date_options import DateFormats
from sdconsole.interfaces.cli.execute import execute, require_confirmation
from sdconsole.interfaces.cli.options import Output, RunOptions
from sdconsole.interfaces.cli.output import write_message
from sdconsole.interfaces.cli.progress import ProgressMode
from sdconsole.interfaces.terminal import look_at_terminal
from sdconsole.service import DeployRequest, PreparedRun

SOURCE_STAGES = (StageName.PREFLIGHT, StageName.BACKUP)
TARGET_STAGES = (StageName.CANARY, StageName.LOAD, StageName.VALIDATE, StageName.CUTOVER, StageName.VERIFY)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(demo)
    app.command()(deploy)
    app.command()(resume)
    app.command()(rollback)
    for stage in SOURCE_STAGES:
        app.command(stage.value, help=f"Run one stage: {PURPOSE[stage]}.", rich_help_panel="Stages")(
            _source_stage(stage)
        )
    stage_commands.register(app)
    for stage in TARGET_STAGES:
        app.command(stage.value, help=f"Carry a run on: {PURPOSE[stage]}.", rich_help_panel="Stages")(
            _target_stage(stage)
        )


def _execute(prepared: PreparedRun, options: RunOptions) -> int:
    with prepared:
        deployment = prepared.deployment
        require_confirmation(options, changes_live=prepared.changes_live, expected=deployment.expected_name)
        return execute(prepared, options)


def demo(
    size: Annotated[str, typer.Option("--size", help="baseline (266,622 rows), x2, large, or a number.")] = "baseline",
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same export.")] = 1,
    mode: opt.ModeOption = None,
    yes: opt.Yes = False,
    confirm: opt.Confirm = None,
    no_input: opt.NoInput = False,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    min_quality: opt.MinQuality = None,
    progress: opt.ProgressOption = ProgressMode.AUTO,
    json: opt.Json = False,
    output: opt.OutputFormat = None,
    state_dir: opt.StateDir = None,
) -> None:
    """Make a synthetic export and take it through all ten stages, on the embedded PostgreSQL unless told otherwise."""
    settings = load_settings(
        mode=mode, target=target, dsn=dsn, live_schema=schema, min_quality=min_quality, state_dir=state_dir
    )
    options = RunOptions(
        yes=yes, confirm=confirm, no_input=no_input, progress=progress, output=opt.output_of(json, output)
    )

    order = service.Demonstration(size=size, seed=seed)
    if not yes and not no_input and confirm is None and options.output is Output.TEXT:
        if can_open_console():
            raise typer.Exit(open_console(settings, Opening(order=order)))
        write_message(f"without the console: {look_at_terminal().why_no_console}")
    if not settings.dsn and settings.target == EMBEDDED:
        require_confirmation(options, changes_live=Mode(settings.mode) is not Mode.BLUE_GREEN, expected="")
    write_message("making the synthetic export (kept for the next time)")
    with service.prepare(settings, order) as prepared:
        raise typer.Exit(_execute(prepared, options))


def deploy(
    source: opt.Source,
    mode: opt.ModeOption = None,
    until: opt.Until = None,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    contract: opt.ContractPath = None,
    min_quality: opt.MinQuality = None,
    max_quarantine: opt.MaxQuarantine = None,
    audit: opt.Audit = None,
    canary_rate: opt.CanaryRate = None,
    keep_canary: opt.KeepCanary = None,
    max_metric_change: opt.MaxMetricChange = None,
    watch: opt.Watch = None,
    auto_rollback: opt.AutoRollback = None,
    deadline: opt.Deadline = None,
    jobs: opt.Jobs = None,
    throttle: opt.Throttle = None,
    date_format: DateFormats = None,
    yes: opt.Yes = False,
    confirm: opt.Confirm = None,
    no_input: opt.NoInput = False,
    progress: opt.ProgressOption = ProgressMode.AUTO,
    json: opt.Json = False,
    output: opt.OutputFormat = None,
    state_dir: opt.StateDir = None,
) -> None:
    """Take one export from preflight to verified live data."""
    settings = load_settings(
        mode=mode,
        target=target,
        dsn=dsn,
        live_schema=schema,
        contract=contract,
        min_quality=min_quality,
        max_quarantine_percent=max_quarantine,
        audit=audit,
        canary_percent=canary_rate,
        keep_canary=keep_canary,
        max_metric_change=max_metric_change,
        watch_seconds=watch,
        auto_rollback=auto_rollback,
        cutover_deadline_seconds=deadline,
        load_jobs=jobs,
        load_throttle=throttle,
        state_dir=state_dir,
    )
    _warn_of_password(dsn)
    options = RunOptions(
        yes=yes, confirm=confirm, no_input=no_input, progress=progress, output=opt.output_of(json, output)
    )
    request = DeployRequest(
        source=source, mode=Mode(settings.mode), until=until, date_formats=read_date_formats(date_format or ())
    )
    require_confirmation(options, changes_live=request.plan.cuts_over, expected=settings.target_settings().live_schema)
    raise typer.Exit(_execute(service.prepare_deploy(settings, request), options))


def resume(
    run: opt.RunId = None,
    until: opt.Until = None,
    min_quality: opt.MinQuality = None,
    max_quarantine: opt.MaxQuarantine = None,
    canary_rate: opt.CanaryRate = None,
    keep_canary: opt.KeepCanary = None,
    max_metric_change: opt.MaxMetricChange = None,
    watch: opt.Watch = None,
    auto_rollback: opt.AutoRollback = None,
    deadline: opt.Deadline = None,
    jobs: opt.Jobs = None,
    throttle: opt.Throttle = None,
    date_format: DateFormats = None,
    yes: opt.Yes = False,
    confirm: opt.Confirm = None,
    no_input: opt.NoInput = False,
    progress: opt.ProgressOption = ProgressMode.AUTO,
    json: opt.Json = False,
    output: opt.OutputFormat = None,
    state_dir: opt.StateDir = None,
) -> None:
    """Carry on an unfinished run: finished stages are checked by their digests and kept."""
    settings = load_settings(state_dir=state_dir)
    overrides = _given(
        min_quality=min_quality,
        max_quarantine_percent=max_quarantine,
        canary_percent=canary_rate,
        keep_canary=keep_canary,
        max_metric_change=max_metric_change,
        watch_seconds=watch,
        auto_rollback=auto_rollback,
        cutover_deadline_seconds=deadline,
        load_jobs=jobs,
        load_throttle=throttle,
    )
    options = RunOptions(
        yes=yes, confirm=confirm, no_input=no_input, progress=progress, output=opt.output_of(json, output)
    )
    prepared = service.prepare_resume(
        settings, run, until=until, overrides=overrides, date_formats=read_date_formats(date_format or ())
    )
    raise typer.Exit(_execute(prepared, options))


def rollback(
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="VERSION", help="Default: the version before.", autocompletion=complete_versions),
    ] = None,
    deadline: opt.Deadline = None,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    yes: opt.Yes = False,
    confirm: opt.Confirm = None,
    no_input: opt.NoInput = False,
    progress: opt.ProgressOption = ProgressMode.AUTO,
    json: opt.Json = False,
    output: opt.OutputFormat = None,
    state_dir: opt.StateDir = None,
) -> None:
    """Switch readers back to a kept version, in one transaction."""
    settings = load_settings(
        target=target, dsn=dsn, live_schema=schema, cutover_deadline_seconds=deadline, state_dir=state_dir
    )
    _warn_of_password(dsn)
    options = RunOptions(
        yes=yes, confirm=confirm, no_input=no_input, progress=progress, output=opt.output_of(json, output)
    )
    raise typer.Exit(_execute(service.prepare_rollback(settings, to=to), options))


def _source_stage(stage: StageName) -> Callable[..., None]:
    def command(
        source: opt.Source,
        target: opt.TargetName = None,
        dsn: opt.Dsn = None,
        schema: opt.Schema = None,
        contract: opt.ContractPath = None,
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
            state_dir=state_dir,
        )
        _warn_of_password(dsn)
        options = RunOptions(
            yes=False, confirm=None, no_input=True, progress=progress, output=opt.output_of(json, output)
        )
        request = DeployRequest(source=source, stage=stage)
        raise typer.Exit(_execute(service.prepare_deploy(settings, request), options))

    return command


_FROM_ON = {
    "jobs": StageName.LOAD,
    "throttle": StageName.LOAD,
    "max_metric_change": StageName.CUTOVER,
    "deadline": StageName.CUTOVER,
    "yes": StageName.CUTOVER,
    "confirm": StageName.CUTOVER,
    "no_input": StageName.CUTOVER,
    "watch": StageName.VERIFY,
    "auto_rollback": StageName.VERIFY,
}
"""Options that say something only of this stage or of a later one."""


def _target_stage(stage: StageName) -> Callable[..., None]:
    """A command that carries a run on to this stage: all that comes before may still have to be done, so that the
    options of earlier stages belong to it too."""

    def command(
        run: opt.RunId = None,
        min_quality: opt.MinQuality = None,
        max_quarantine: opt.MaxQuarantine = None,
        canary_rate: opt.CanaryRate = None,
        keep_canary: opt.KeepCanary = None,
        jobs: opt.Jobs = None,
        throttle: opt.Throttle = None,
        max_metric_change: opt.MaxMetricChange = None,
        watch: opt.Watch = None,
        auto_rollback: opt.AutoRollback = None,
        deadline: opt.Deadline = None,
        date_format: DateFormats = None,
        yes: opt.Yes = False,
        confirm: opt.Confirm = None,
        no_input: opt.NoInput = False,
        progress: opt.ProgressOption = ProgressMode.AUTO,
        json: opt.Json = False,
        output: opt.OutputFormat = None,
        state_dir: opt.StateDir = None,
    ) -> None:
        settings = load_settings(state_dir=state_dir)
        options = RunOptions(
            yes=yes, confirm=confirm, no_input=no_input, progress=progress, output=opt.output_of(json, output)
        )
        overrides = _given(
            min_quality=min_quality,
            max_quarantine_percent=max_quarantine,
            canary_percent=canary_rate,
            keep_canary=keep_canary,
            load_jobs=jobs,
            load_throttle=throttle,
            cutover_deadline_seconds=deadline,
            max_metric_change=max_metric_change,
            watch_seconds=watch,
            auto_rollback=auto_rollback,
        )
        prepared = service.prepare_resume(
            settings, run, until=stage, overrides=overrides, date_formats=read_date_formats(date_format or ())
        )
        raise typer.Exit(_execute(prepared, options))

    signature = inspect.signature(command, eval_str=True)
    later = DEPLOY_STAGES[DEPLOY_STAGES.index(stage) + 1 :]
    kept = [one for name, one in signature.parameters.items() if _FROM_ON.get(name) not in later]
    command.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return command


def _given(**flags: float | None) -> dict[str, float]:
    return {name: value for name, value in flags.items() if value is not None}


def _warn_of_password(dsn: str | None) -> None:
    if dsn and service.holds_password(dsn):
        write_message(
            "warning: a password on the command line is visible to every user of this machine; "
            "use PGPASSFILE, a service file or PGPASSWORD"
        )
