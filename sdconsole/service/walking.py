"""Walks: prepare one or take up an unfinished one, execute it, list those on record."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sdconsole
from sdconsole.config import Settings, load_settings
from sdconsole.core import runs
from sdconsole.core.bus import View
from sdconsole.core.model import checked_run_id, new_run_id
from sdconsole.core.stage import Cancellation
from sdconsole.errors import OperationFailed, TargetLocked, UsageError, Verdict, from_os_error
from sdconsole.report.evidence import write_sums
from sdconsole.runbook.asking import WalkGate
from sdconsole.runbook.events import WalkResumed, WalkStarted, WalkView
from sdconsole.runbook.library import find, shipped, spelled
from sdconsole.runbook.lint import checked
from sdconsole.runbook.model import Runbook
from sdconsole.runbook.paper import COPY, PAGE, page
from sdconsole.runbook.parse import parse, read_text
from sdconsole.runbook.planner import WalkPlan, plan_walk, walk_params
from sdconsole.runbook.record import WalkRecord, read_record
from sdconsole.runbook.walk import Walker
from sdconsole.runbook.walk_state import WalkState, fold
from sdconsole.service.targets import current_operator, recorded_settings
from sdconsole.service.walk_runner import WalkRunner, built_in_values, is_demonstration, tightened_settings
from sdconsole.stages.deployment import now
from sdconsole.target.connect import safe_conninfo

REQUEST = "walk.json"


@dataclass(frozen=True, slots=True)
class WalkSummary:
    """One walk on record. `alive` = a process is walking it now."""

    walk_id: str
    runbook: str
    called: str
    """What `runbook run` takes to carry this walk on: the shipped name, else the path of the frozen copy."""
    digest: str
    started_at: str
    verdict: Verdict | None
    step: int | None
    """The step it is at; None when it is through."""
    steps: int
    alive: bool


@dataclass(slots=True)
class PreparedWalk:
    """A walk that is ready to begin or to go on."""

    walk_id: str
    folder: Path
    runbook: Runbook
    plan: WalkPlan
    params: Mapping[str, str]
    settings: Settings
    resumed: bool
    cancellation: Cancellation
    values: Mapping[str, str]
    """The parameters, and what every runbook may name without declaring it."""
    called: str
    """The runbook as it is typed at a shell."""
    earlier: WalkState = field(default_factory=WalkState)
    """What is on record of a walk that is taken up."""
    other_text: WalkSummary | None = None
    """An unfinished walk of a runbook with this id that reads otherwise; it is left alone."""

    @property
    def target(self) -> str:
        return self.settings.target

    @property
    def live_schema(self) -> str:
        return self.settings.target_settings().live_schema

    @property
    def production(self) -> bool:
        return self.settings.target_settings().production

    @property
    def expected_name(self) -> str:
        """What must be typed to confirm a change of live; "" = a plain yes is enough."""
        return "" if is_demonstration(self.settings, self.params) else self.live_schema

    def execute(self, gate: WalkGate, views: tuple[WalkView, ...] = (), run_views: tuple[View, ...] = ()) -> WalkState:
        """Walk to an end and return the last state. Blocks; cancel through `cancellation`.

        Raises TargetLocked ("run-active") and OperationFailed ("disk-full", "file-error", "walk-damaged").
        """
        try:
            with runs.claimed_folder(self.settings.state_dir, self.walk_id, runs.WALK_LOCK):
                return self._walk(gate, views, run_views)
        except OSError as error:
            raise from_os_error(error, "the walk's record cannot be written", again="sdconsole runbook run") from error

    def _walk(self, gate: WalkGate, views: tuple[WalkView, ...], run_views: tuple[View, ...]) -> WalkState:
        record = WalkRecord(self.folder, self.walk_id, views=views)
        target = self.settings.target_settings()
        operator, host = current_operator(), socket.gethostname()
        if record.state.started is None:
            runs.write_private(self.folder / COPY, self.runbook.text.encode())
            request = {"params": dict(self.params), "settings": recorded_settings(self.settings)}
            runs.write_private(self.folder / REQUEST, json.dumps(request, indent=2).encode())
            record.add(
                WalkStarted(
                    runbook=self.runbook.id,
                    title=self.runbook.title,
                    digest=self.runbook.digest,
                    params=self.params,
                    steps=tuple(step.title for step in self.runbook.steps),
                    operator=operator,
                    host=host,
                    pid=os.getpid(),
                    version=sdconsole.__version__,
                    production=target.production,
                )
            )
        else:
            record.add(WalkResumed(operator, host, os.getpid()))
        runner = WalkRunner(
            self.walk_id,
            self.runbook.id,
            self.called,
            self.settings,
            self.params,
            self.values,
            record,
            self.cancellation,
            run_views,
        )
        state = Walker(
            self.runbook, self.called, self.plan, self.values, record, gate, runner, self.cancellation
        ).walk()
        runs.write_private(self.folder / PAGE, page(state).encode())
        if state.complete:
            for run_id in {self.walk_id, *state.runs.values()}:
                write_sums(runs.runs_folder(self.settings.state_dir) / run_id)
        return state


def prepare_walk(
    settings: Settings, name: str, given: Mapping[str, str], *, new: bool = False, resume: str | None = None
) -> PreparedWalk:
    """A new walk, or the unfinished one of this very text where there is one and `new` does not say otherwise.

    A walk that is taken up goes by its frozen copy and its own parameters and target. Writes nothing. Raises UsageError
    ("runbook-unknown", "runbook-invalid", "runbook-param", "walk-unfinished", ...) and TargetLocked ("run-active").
    """
    if resume is not None:
        return _taken_up(settings, resume, given)
    runbook, called = checked(find(name)), spelled(name)
    other_text = None
    if not new:
        left = [walk for walk in list_walks(settings) if walk.verdict is not Verdict.OK]
        same = next((walk for walk in left if walk.digest == runbook.digest), None)
        if same is not None:
            return _taken_up(settings, same.walk_id, given, called=called)
        other_text = next((walk for walk in left if walk.runbook == runbook.id), None)
    params = walk_params(runbook, given, called=called)
    if "live_schema" in params:
        settings = _with_live_schema(settings, params["live_schema"])
    plan, _ = plan_walk(runbook)
    for stretch in plan.stretches:
        tightened_settings(settings, stretch, params)  # refused now rather than half-way
    walk_id = new_run_id(now())
    folder = runs.runs_folder(settings.state_dir) / walk_id
    values = {**params, **built_in_values(settings, walk_id)}
    return PreparedWalk(
        walk_id,
        folder,
        runbook,
        plan,
        params,
        settings,
        False,
        Cancellation(),
        values,
        called,
        other_text=other_text,
    )


def _taken_up(settings: Settings, walk_id: str, given: Mapping[str, str], *, called: str = "") -> PreparedWalk:
    folder = runs.runs_folder(settings.state_dir) / walk_id
    if runs.is_alive(folder, runs.WALK_LOCK):
        raise TargetLocked(
            "run-active",
            f"walk {walk_id} is being walked by another process",
            cause="it holds the walk's lock",
            next_step="finish it there, or begin another one with --new",
        )
    state = fold(read_record(folder / runs.WALK))
    text = read_text(folder / COPY)
    runbook, _ = parse(text)
    if state.started is None or hashlib.sha256(text.encode()).hexdigest() != state.started.digest:
        raise OperationFailed(
            "walk-damaged",
            f"the runbook's copy of walk {walk_id} is not the one that was begun",
            cause=f"{folder / COPY} does not have the recorded digest",
            next_step="begin another walk with --new",
        )
    params = dict(state.started.params)
    different = [name for name, value in given.items() if params.get(name) != value]
    if different:
        raise UsageError(
            "walk-unfinished",
            f"an unfinished walk of {runbook.id} has other parameters",
            cause=f"{different[0]} is {params.get(different[0], 'not given')!r} in walk {walk_id}",
            next_step="leave the parameters out to carry it on, or add --new to begin another one",
        )
    recorded: dict[str, Any] = json.loads((folder / REQUEST).read_bytes())["settings"]
    kept = recorded | {"state_dir": settings.state_dir}
    if settings.dsn and safe_conninfo(settings.dsn) == kept["dsn"]:
        kept["dsn"] = settings.dsn  # the same server, and with its password, which is never recorded
    plan, _ = plan_walk(runbook)
    current = load_settings(**kept)
    values = {**params, **built_in_values(current, walk_id)}
    called = called or _called(folder, runbook.id, runbook.digest)
    return PreparedWalk(walk_id, folder, runbook, plan, params, current, True, Cancellation(), values, called, state)


def list_walks(settings: Settings) -> tuple[WalkSummary, ...]:
    """All walks, newest first."""
    folders = sorted(
        (path.parent for path in runs.runs_folder(settings.state_dir).glob(f"r-*/{runs.WALK}")), reverse=True
    )
    found = []
    for folder in folders:
        state = fold(read_record(folder / runs.WALK))
        if state.started is None:
            continue
        found.append(
            WalkSummary(
                walk_id=state.walk_id,
                runbook=state.started.runbook,
                called=_called(folder, state.started.runbook, state.started.digest),
                digest=state.started.digest,
                started_at=state.started_at,
                verdict=state.verdict,
                step=state.current.number if state.current else None,
                steps=len(state.steps),
                alive=runs.is_alive(folder, runs.WALK_LOCK),
            )
        )
    return tuple(found)


def _called(folder: Path, runbook_id: str, digest: str) -> str:
    path = shipped().get(runbook_id)
    if path is not None and hashlib.sha256(read_text(path).encode()).hexdigest() == digest:
        return runbook_id
    return spelled(str(folder / COPY))


def load_walk(settings: Settings, walk_id: str) -> WalkState:
    """Raises UsageError ("run-id") and OperationFailed ("walk-damaged")."""
    return fold(read_record(runs.runs_folder(settings.state_dir) / checked_run_id(walk_id) / runs.WALK))


def _with_live_schema(settings: Settings, name: str) -> Settings:
    if settings.target in settings.targets:
        chosen = settings.targets[settings.target].model_copy(update={"live_schema": name})
        return settings.model_copy(update={"targets": {**settings.targets, settings.target: chosen}})
    return settings.model_copy(update={"live_schema": name})
