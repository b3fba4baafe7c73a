"""Carries the parts of a walk out: checks on the target, and runs by the very functions that the commands call."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from sdconsole.config import EMBEDDED, Settings
from sdconsole.core import runs
from sdconsole.core.bus import View
from sdconsole.core.engine import Before
from sdconsole.core.gates import Gate
from sdconsole.core.model import RunKind, new_run_id
from sdconsole.core.projection import RunState
from sdconsole.core.stage import Cancellation
from sdconsole.errors import SdconsoleError, UsageError, Verdict
from sdconsole.runbook.checks import Evidence, run_check
from sdconsole.runbook.events import RunBegun, RunEnded
from sdconsole.runbook.model import Check
from sdconsole.runbook.planner import Stretch, tightened
from sdconsole.runbook.record import WalkRecord
from sdconsole.service.exports import generate_demo
from sdconsole.service.preparing import DeployRequest, prepare_deploy, prepare_restore, prepare_resume, prepare_rollback
from sdconsole.service.running import PreparedRun
from sdconsole.service.targets import current_operator, resolve_target
from sdconsole.service.upkeep import backup_path
from sdconsole.stages.deployment import now
from sdconsole.target.connect import connect
from sdconsole.target.failures import classify
from sdconsole.target.ledger.record import Actor, record_event

DEMO = "demo"
"""As a runbook's source: the demonstration's export, made when it is not there yet."""


def is_demonstration(settings: Settings, params: Mapping[str, str]) -> bool:
    """The demonstration's export on the server of our own: its questions need no typed name."""
    return settings.target == EMBEDDED and not settings.dsn and params.get("source") == DEMO


def built_in_values(settings: Settings, walk_id: str) -> dict[str, str]:
    """What every runbook may name without declaring it: the target's names, and how the run before the walk ended."""
    chosen = settings.target_settings()
    values = {
        "live_schema": chosen.live_schema,
        "target": settings.target,
        "reader_role": chosen.reader_role,
        "last_run": "",
        "last_verdict": "",
        "last_stage": "",
        "last_error": "",
    }
    before = next((run.run_id for run in runs.list_runs(settings.state_dir) if run.run_id < walk_id), None)
    if before is None:
        return values
    state, _ = runs.known_state(runs.run_folder(settings.state_dir, before))
    stopped = next((stage for stage in state.stages if stage.error is not None), None)
    error = state.finished.error if state.finished else None
    return values | {
        "last_run": before,
        "last_verdict": state.verdict or "",
        "last_stage": stopped.name if stopped else "",
        "last_error": error.slug if error else "",
    }


@dataclass(slots=True)
class WalkRunner:
    """`values` are the parameters with the target's own names; checks and texts may use them."""

    walk_id: str
    runbook: str
    called: str
    settings: Settings
    params: Mapping[str, str]
    values: Mapping[str, str]
    record: WalkRecord
    cancellation: Cancellation
    views: tuple[View, ...] = ()

    def check(self, check: Check, timeout_seconds: float | None) -> Evidence:
        """A server that cannot be asked is evidence too: the check does not pass."""
        limit = timeout_seconds or self.settings.query_timeout_seconds
        try:
            target = resolve_target(self.settings)
            with (
                closing(connect(target, application="sdconsole:runbook")) as connection,
                self.cancellation.interrupting(lambda: connection.cancel_safe(timeout=3)),
            ):
                found = run_check(
                    connection, check, live_schema=target.live_schema, timeout_seconds=limit, values=self.values
                )
        except psycopg.Error as error:
            return Evidence(error=classify(error).message)
        except SdconsoleError as error:
            self.cancellation.check()
            return Evidence(error=f"{error.slug}: {error.message}")
        self.cancellation.check()
        return found

    def run(self, stretch: Stretch, gate: Gate, before: Before, view: View) -> RunState:
        """See `Runner.run`. A run that another terminal has carried to its end is taken as it is."""
        state_dir = self.settings.state_dir
        run_id = self.record.state.runs.get(stretch.number)
        if run_id and (runs.runs_folder(state_dir) / run_id / runs.JOURNAL).is_file():
            earlier = runs.load_state(state_dir, run_id)
            if earlier.complete and earlier.verdict is Verdict.OK:
                return earlier
            prepared = prepare_resume(self.settings, run_id)
        else:
            if run_id is None:
                run_id = self.walk_id if stretch.number == 1 else new_run_id(now())
                self.record.add(RunBegun(stretch.number, run_id))
            prepared = self._prepared(stretch, run_id)
        with prepared:
            prepared.cancellation = self.cancellation
            return prepared.execute(gate, (*self.views, view), before=before)

    def _prepared(self, stretch: Stretch, run_id: str) -> PreparedRun:
        plan, settings = stretch.plan, tightened_settings(self.settings, stretch, self.params)
        if plan.kind is RunKind.ROLLBACK:
            return prepare_rollback(settings, to=self.params.get("to") or None, run_id=run_id)
        if plan.kind is RunKind.RESTORE:
            backup = backup_path(settings, Path(self._needed("backup")))
            prepared = prepare_restore(settings, backup, until=plan.stages[-1], run_id=run_id)
            if prepared.plan != plan:
                prepared.close()
                raise UsageError(
                    "backup-of-an-export",
                    f"{backup.name} is the copy of an export, not a dump of a version",
                    cause="bringing it back is a deployment with all of its stages",
                    next_step=f"sdconsole restore {backup}",
                )
            return prepared
        source = self._needed("source")
        demo = is_demonstration(settings, self.params)
        path = Path(source).expanduser()
        if source == DEMO:
            path = generate_demo(settings, size=self.params.get("size", "baseline"))
        request = DeployRequest(source=path, mode=plan.mode, until=plan.stages[-1], demo=demo, run_id=run_id)
        return prepare_deploy(settings, request)

    def _needed(self, name: str) -> str:
        if not self.params.get(name):
            raise UsageError(
                "runbook-param",
                f"{self.runbook} has stages that need {name}",
                cause=f"no parameter {name} was given, or the runbook does not declare it",
                next_step=f"sdconsole runbook run {self.called} {name}=VALUE --new",
            )
        return self.params[name]

    def ended(self, end: RunEnded) -> None:
        """A way back that was walked gets a line of its own in the ledger: its RTO."""
        if end.rto_seconds is None:
            return
        target = resolve_target(self.settings)
        try:
            with closing(connect(target, application="sdconsole:runbook")) as connection:
                record_event(
                    connection,
                    "rto",
                    live_schema=target.live_schema,
                    actor=Actor(end.run_id, current_operator(), socket.gethostname()),
                    version=end.version,
                    detail={
                        "runbook": self.runbook,
                        "walk": self.walk_id,
                        "rto_seconds": end.rto_seconds,
                        "switched_seconds": end.switched_seconds,
                    },
                )
        except psycopg.Error as error:
            raise classify(error) from error


def tightened_settings(settings: Settings, stretch: Stretch, params: Mapping[str, str]) -> Settings:
    """The settings with this run's gates, never looser than they were."""
    changed: dict[str, Any] = {
        name: tightened(name, getattr(settings, name), operator, value, params)
        for name, (operator, value) in stretch.overrides.items()
    }
    if stretch.goes_back_by_itself:
        changed["auto_rollback"] = True
    if stretch.plan.kind is RunKind.DEPLOY:
        changed["mode"] = stretch.plan.mode.value
    return settings.model_copy(update=changed)
