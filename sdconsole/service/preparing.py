"""From a request to a run that is ready to start. What can be refused is refused here and leaves no trace."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sdconsole.analytics.rates import load_rates
from sdconsole.config import EMBEDDED, Settings, load_settings
from sdconsole.core import runs
from sdconsole.core.events import LogLine
from sdconsole.core.model import Mode, RunKind, StageName, new_run_id
from sdconsole.core.plan import Plan, deploy_plan, restore_plan, rollback_plan, stage_plan
from sdconsole.core.projection import RunState, fold
from sdconsole.core.runs import RunRequest
from sdconsole.core.stage import Cancellation
from sdconsole.errors import UsageError, Verdict
from sdconsole.quality.clean.writing import refuse_foreign
from sdconsole.service.locking import claim_folder, look_after_the_dead, target_lock, told_drift, writing
from sdconsole.service.looking import last_durations, newest_unfinished
from sdconsole.service.running import PreparedRun
from sdconsole.service.targets import contract_of, current_operator, recorded_settings, resolve_target
from sdconsole.source.catalog import count_rows, read_catalog
from sdconsole.source.open import SourceFacts, check_output, inspect_source, open_source, refuse_same_file
from sdconsole.stages.date_orders import gather_answers
from sdconsole.stages.deployment import Deployment, now
from sdconsole.stages.intake import check_intake
from sdconsole.target.backup.backups import verify_backup
from sdconsole.target.connect import connect, safe_conninfo
from sdconsole.target.ledger.rows import live_deployment

_FOR_ONE_ATTEMPT = frozenset({"cutover_deadline_seconds"})
"""Settings that an operator gives for the moment; the run's record does not keep them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployRequest:
    """`stage` runs one source-side stage by itself; `until` cuts the mode's plan short."""

    source: Path
    mode: Mode = Mode.COMPLETE
    until: StageName | None = None
    stage: StageName | None = None
    demo: bool = False
    output: Path | None = None
    """Where a single clean stage puts its file."""
    dry_run: bool = False
    """A single clean stage says what it would do and writes no clean file."""
    date_formats: Mapping[str, str] = field(default_factory=dict)
    """By "table.column": DMY, MDY or YMD, as the operator answers."""
    run_id: str | None = None
    """A new run's id, where it was given out before; None = a fresh one."""

    @property
    def plan(self) -> Plan:
        if self.stage is not None:
            return stage_plan(self.stage)
        plan = deploy_plan(self.mode)
        return plan if self.until is None else plan.until(self.until)


@dataclass(frozen=True, slots=True)
class DeployPlan:
    """What `deploy` would do. `rows` per table; `last_durations` in seconds, from earlier runs."""

    plan: Plan
    source: SourceFacts
    rows: Mapping[str, int]
    last_durations: Mapping[StageName, float]


def plan_deploy(settings: Settings, request: DeployRequest) -> DeployPlan:
    """Look at the source and the contract as `prepare_deploy` does; writes nothing and asks no server."""
    contract_of(settings)
    intake = check_intake(request.source)
    with closing(open_source(request.source, text="surrogateescape")) as connection:
        rows = {table.name: count_rows(connection, table.name) for table in read_catalog(connection).tables}
    return DeployPlan(request.plan, intake, rows, last_durations(settings, ""))


def prepare_deploy(settings: Settings, request: DeployRequest) -> PreparedRun:
    """Check source, contract, target and lock. Raises an SdconsoleError and leaves nothing behind when one is wrong."""
    plan = request.plan
    contract = contract_of(settings)
    source = request.source
    intake = check_intake(source)
    if request.output is not None:
        refuse_same_file(source, request.output)
        check_output(request.output)
        refuse_foreign(request.output)
    operator = current_operator()
    answers = gather_answers(
        source, contract, given=request.date_formats, settings=settings.date_formats, operator=operator
    )
    wanted = RunRequest(
        kind=plan.kind,
        mode=plan.mode,
        stages=plan.stages,
        hold_before=tuple(plan.hold_before),
        confirm_first=plan.confirm_first,
        source=str(source.absolute()),
        source_digest=intake.digest,
        demo=request.demo,
        rollback_to=None,
        settings=recorded_settings(settings),
        date_answers=answers,
        clean_output=str(request.output.absolute()) if request.output is not None else None,
        dry_run=request.dry_run,
    )
    with ExitStack() as resources:
        deployment = Deployment(
            run_id=request.run_id or new_run_id(now()),
            settings=settings,
            contract=contract,
            folder=Path(),
            mode=plan.mode,
            operator=operator,
            host=socket.gethostname(),
            source=source,
            intake=intake,
            demo=request.demo,
            clean_output=request.output,
            dry_run=request.dry_run,
            date_answers=answers,
        )
        return _prepared(resources, deployment, plan, wanted, earlier=None)


def prepare_rollback(settings: Settings, *, to: str | None = None, run_id: str | None = None) -> PreparedRun:
    """A run that switches live back to a kept version, the previous one by default."""
    plan = rollback_plan()
    with ExitStack() as resources:
        deployment = Deployment(
            run_id=run_id or new_run_id(now()),
            settings=settings,
            contract=contract_of(settings),
            folder=Path(),
            mode=plan.mode,
            operator=current_operator(),
            host=socket.gethostname(),
            rollback_to=to,
        )
        wanted = RunRequest(
            kind=plan.kind,
            mode=plan.mode,
            stages=plan.stages,
            hold_before=tuple(plan.hold_before),
            confirm_first=None,
            source=None,
            source_digest=None,
            demo=False,
            rollback_to=to,
            settings=recorded_settings(settings),
        )
        prepared = _prepared(resources, deployment, plan, wanted, earlier=None)
    deployment.demo = _live_is_a_demonstration(deployment)
    return prepared


def prepare_restore(
    settings: Settings,
    backup: Path,
    *,
    mode: Mode = Mode.COMPLETE,
    until: StageName | None = None,
    run_id: str | None = None,
) -> PreparedRun:
    """A run that brings a backup back: a dump as a version of its own, the copy of an export by deploying it.

    The backup is proved against its manifest before anything else. Raises what `verify_backup` raises, UsageError
    ("until-stage"), and what preparing any run raises.
    """
    proved = verify_backup(backup).backup
    if proved.kind == "sqlite":
        return prepare_deploy(settings, DeployRequest(source=backup, mode=mode, until=until, run_id=run_id))
    plan = restore_plan() if until is None else restore_plan().until(until)
    with ExitStack() as resources:
        deployment = Deployment(
            run_id=run_id or new_run_id(now()),
            settings=settings,
            contract=contract_of(settings),
            folder=Path(),
            mode=plan.mode,
            operator=current_operator(),
            host=socket.gethostname(),
            backup=backup.absolute(),
        )
        wanted = RunRequest(
            kind=plan.kind,
            mode=plan.mode,
            stages=plan.stages,
            hold_before=tuple(plan.hold_before),
            confirm_first=None,
            source=None,
            source_digest=proved.manifest.sha256,
            demo=False,
            rollback_to=None,
            backup=str(backup.absolute()),
            settings=recorded_settings(settings),
        )
        return _prepared(resources, deployment, plan, wanted, earlier=None)


def prepare_resume(
    settings: Settings,
    run_id: str | None = None,
    *,
    until: StageName | None = None,
    overrides: Mapping[str, Any] | None = None,
    date_formats: Mapping[str, str] | None = None,
) -> PreparedRun:
    """Continue an unfinished run, the newest one by default, with the settings it was started with.

    `until` = a later stage than the run's plan had extends it (a blue-green run up to its cutover). `overrides` are
    settings given now, e.g. another `min_quality`, and `date_formats` answers by "table.column"; the run's record
    keeps both for the next time, but for a deadline.
    """
    folder = runs.run_folder(settings.state_dir, run_id or newest_unfinished(settings, until=until))
    recorded = runs.read_request(folder)
    earlier = fold(runs.read_records(settings.state_dir, folder.name))
    kept = recorded.settings | {"state_dir": settings.state_dir}
    if settings.dsn and safe_conninfo(settings.dsn) == kept["dsn"]:
        kept["dsn"] = settings.dsn  # the same server, and with its password, which is never recorded
    current = load_settings(**{**kept, **(overrides or {})})
    plan = _resumed_plan(recorded, until)
    if earlier.verdict is Verdict.ABORTED:
        raise UsageError(
            "run-aborted",
            f"run {folder.name} was given up",
            cause=earlier.finished.note if earlier.finished else "",
            next_step="start a new run: sdconsole deploy SOURCE",
        )
    if earlier.complete and earlier.finished is not None and set(plan.stages) <= set(earlier.results):
        raise UsageError(
            "run-finished",
            f"run {folder.name} is finished",
            cause=f"all of its stages are done: {', '.join(plan.stages)}",
            next_step="sdconsole runs list",
        )
    source = Path(recorded.source) if recorded.source else None
    output = Path(recorded.clean_output) if recorded.clean_output else None
    if source is not None and output is not None:
        refuse_same_file(source, output)
    contract, operator = contract_of(current), current_operator()
    answers = recorded.date_answers
    if source is not None:
        answers = gather_answers(
            source,
            contract,
            given=date_formats or {},
            settings=current.date_formats,
            operator=operator,
            recorded=recorded.date_answers,
        )
    lasting = {name: value for name, value in (overrides or {}).items() if name not in _FOR_ONE_ATTEMPT}
    wanted = replace(recorded, settings={**recorded.settings, **lasting}, date_answers=answers)
    with ExitStack() as resources:
        deployment = Deployment(
            run_id=folder.name,
            settings=current,
            contract=contract,
            folder=folder,
            mode=plan.mode,
            operator=operator,
            host=socket.gethostname(),
            source=source,
            intake=inspect_source(source) if source is not None else None,
            demo=recorded.demo,
            rollback_to=recorded.rollback_to,
            backup=Path(recorded.backup) if recorded.backup else None,
            clean_output=output,
            dry_run=recorded.dry_run and until is None,
            date_answers=answers,
        )
        return _prepared(resources, deployment, plan, wanted, earlier=earlier)


def _live_is_a_demonstration(deployment: Deployment) -> bool:
    """Whether readers of the embedded server see a demonstration now: taking that back needs no typed name."""
    target = deployment.needed_target()
    if target.name != EMBEDDED:
        return False
    with closing(connect(target, application=deployment.application)) as connection:
        live = live_deployment(connection, target.live_schema)
    folder = runs.runs_folder(deployment.settings.state_dir) / live.run_id if live is not None else None
    return folder is not None and (folder / runs.REQUEST).is_file() and runs.read_request(folder).demo


def _resumed_plan(recorded: RunRequest, until: StageName | None) -> Plan:
    if until is None or until in recorded.stages:
        return recorded.plan if until is None else recorded.plan.until(until)
    if recorded.kind is not RunKind.DEPLOY:
        return recorded.plan.until(until)
    whole = deploy_plan(recorded.mode)
    extended = (whole if until in whole.stages else deploy_plan(Mode.SIMPLE)).until(until)
    hold = frozenset({StageName.CUTOVER} if StageName.CUTOVER in extended.stages else ())
    return Plan(recorded.kind, recorded.mode, extended.stages, hold)


def _prepared(
    resources: ExitStack, deployment: Deployment, plan: Plan, wanted: RunRequest, *, earlier: RunState | None
) -> PreparedRun:
    """Open target and lock, then make the folder: the last step, so that a refusal leaves nothing behind."""
    settings = deployment.settings
    load_rates(settings.rates)  # a wrong file is refused now, not after the load
    notes: tuple[LogLine, ...] = ()
    if earlier is not None:  # before the target: our hold on the folder proves that the attempt before us is dead
        claim_folder(resources, deployment)
    if plan.needs_target:
        deployment.target = resolve_target(settings)
        deployment.lock = resources.enter_context(target_lock(deployment, resumes=earlier is not None))
        notes = look_after_the_dead(deployment)
        if StageName.PREFLIGHT not in plan.stages:
            notes += told_drift(deployment)
    if earlier is None:
        claim_folder(resources, deployment)
    if earlier is None or wanted != runs.read_request(deployment.folder):
        with writing(settings.state_dir):
            runs.write_request(deployment.folder, wanted)
    return PreparedRun(
        run_id=deployment.run_id,
        folder=deployment.folder,
        plan=plan,
        target=deployment.target.name if deployment.target else "",
        live_schema=deployment.target.live_schema if deployment.target else "",
        production=deployment.target.production if deployment.target else False,
        source=str(deployment.source or deployment.backup or ""),
        deployment=deployment,
        cancellation=Cancellation(),
        earlier=earlier,
        _resources=resources.pop_all(),
        notes=notes,
    )
