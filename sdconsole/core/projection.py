"""`RunState = fold(records)`: what is known about a run, for every screen, command and report.

Folding is pure and deterministic, and any prefix of a journal folds to a valid state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from sdconsole.core.events import (
    Answered,
    Blocked,
    BlockerEnded,
    CheckResult,
    Continued,
    ErrorReport,
    LiveChanged,
    LogLine,
    Measured,
    Paused,
    Progress,
    Record,
    RunFinished,
    RunResumed,
    RunStarted,
    ScoreReported,
    StageFinished,
    StageStarted,
    Waiting,
)
from sdconsole.core.model import FINISHED, Artifact, CheckStatus, StageName, StageResult, StageStatus
from sdconsole.errors import Verdict

LOG_LINES = 200


@dataclass(frozen=True, slots=True)
class StageState:
    name: StageName
    status: StageStatus = StageStatus.PENDING
    note: str = ""
    started_seconds: float | None = None
    """Seconds since the run began."""
    duration_seconds: float | None = None
    expected_seconds: float | None = None
    tasks: Mapping[str, Progress] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()
    measures: tuple[Measured, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: ErrorReport | None = None
    reused: bool = False

    @property
    def result(self) -> StageResult | None:
        """What the stage left behind, None while it is not finished."""
        if self.status not in FINISHED:
            return None
        return StageResult(self.note, self.status, self.artifacts, self.facts)

    @property
    def warnings(self) -> int:
        return sum(check.status is CheckStatus.WARN for check in self.checks)


@dataclass(frozen=True, slots=True)
class RunState:
    run_id: str = ""
    started: RunStarted | None = None
    stages: tuple[StageState, ...] = ()
    seq: int = 0
    started_at: str = ""
    updated_at: str = ""
    elapsed_seconds: float = 0.0
    waiting: Waiting | None = None
    blocked: Blocked | None = None
    """Set while a switch waits for sessions that hold live views."""
    paused: Paused | None = None
    """Who let the run rest, while it does."""
    answers: tuple[Answered, ...] = ()
    decided_seconds: float | None = None
    """Seconds from the run's begin to the first answer that allowed the way back."""
    scores: Mapping[str, ScoreReported] = field(default_factory=dict)
    """By phase: "before" and "after" cleaning."""
    live_changes: tuple[LiveChanged, ...] = ()
    log: tuple[LogLine, ...] = ()
    finished: RunFinished | None = None
    pid: int | None = None
    host: str = ""

    @property
    def verdict(self) -> Verdict | None:
        return self.finished.verdict if self.finished else None

    @property
    def current(self) -> StageState | None:
        """The stage that is running or waiting, else None."""
        active = (StageStatus.RUNNING, StageStatus.WAITING)
        return next((stage for stage in self.stages if stage.status in active), None)

    @property
    def results(self) -> dict[StageName, StageResult]:
        return {stage.name: stage.result for stage in self.stages if stage.result is not None}

    @property
    def live_changed(self) -> bool:
        return bool(self.live_changes)

    @property
    def rto_seconds(self) -> float | None:
        """Of a rollback: from the confirmed answer to the reader's last query, None until all have answered."""
        verify = self.stage(StageName.VERIFY)
        if self.decided_seconds is None or verify is None or verify.status not in FINISHED:
            return None
        if verify.started_seconds is None or verify.duration_seconds is None:
            return None
        return round(verify.started_seconds + verify.duration_seconds - self.decided_seconds, 3)

    @property
    def complete(self) -> bool:
        """Every planned stage is finished."""
        return bool(self.stages) and all(stage.status in FINISHED for stage in self.stages)

    def stage(self, name: StageName) -> StageState | None:
        return next((stage for stage in self.stages if stage.name is name), None)


def fold(records: Iterable[Record], state: RunState | None = None) -> RunState:
    """The state after all records, starting from `state` or from nothing."""
    return reduce(step, records, state or RunState())


def step(state: RunState, record: Record) -> RunState:
    """The state after one more record."""
    state = replace(
        state,
        run_id=record.run,
        seq=record.seq,
        started_at=state.started_at or record.at,
        updated_at=record.at,
        elapsed_seconds=record.elapsed_seconds,
    )
    match record.event:
        case RunStarted() as event:
            stages = tuple(StageState(name) for name in event.stages)
            return replace(state, started=event, stages=stages, pid=event.pid, host=event.host, finished=None)
        case RunResumed() as event:
            return _resumed(state, event)
        case StageStarted() as event:
            fresh = StageState(
                event.stage,
                StageStatus.RUNNING,
                started_seconds=record.elapsed_seconds,
                expected_seconds=event.expected_seconds,
            )
            return _with_stage(state, fresh)
        case StageFinished() as event:
            return _finished(state, event)
        case Waiting() as event:
            waiting = replace(_stage(state, event.stage), status=StageStatus.WAITING)
            return replace(_with_stage(state, waiting), waiting=event)
        case Answered() as event:
            return _answered(state, event)
        case Paused() as event:
            return replace(state, paused=event)
        case Continued():
            return replace(state, paused=None)
        case RunFinished() as event:
            return replace(state, finished=event, blocked=None, paused=None)
        case LiveChanged() as event:
            return replace(state, live_changes=(*state.live_changes, event), blocked=None)
        case Blocked() as event:
            return replace(state, blocked=event if event.holders else None)
        case BlockerEnded():
            return state
        case LogLine() as event:
            return replace(state, log=(*state.log[-LOG_LINES + 1 :], event))
        case ScoreReported() as event:
            return replace(state, scores={**state.scores, event.phase: event})
        case Progress() as event:
            stage = _stage(state, event.stage)
            return _with_stage(state, replace(stage, tasks={**stage.tasks, event.task: event}))
        case CheckResult() as event:
            stage = _stage(state, event.stage)
            return _with_stage(state, replace(stage, checks=(*stage.checks, event)))
        case Measured() as event:
            stage = _stage(state, event.stage)
            return _with_stage(state, replace(stage, measures=(*stage.measures, event)))


def _stage(state: RunState, name: StageName) -> StageState:
    return state.stage(name) or StageState(name)


def _with_stage(state: RunState, stage: StageState) -> RunState:
    if state.stage(stage.name) is None:
        return replace(state, stages=(*state.stages, stage))
    return replace(state, stages=tuple(stage if known.name is stage.name else known for known in state.stages))


def _resumed(state: RunState, event: RunResumed) -> RunState:
    """Finished stages stay; what was cut off is pending again; the plan may have grown or shrunk."""
    stages = []
    for name in event.stages:
        known = _stage(state, name)
        stages.append(known if known.status in FINISHED else StageState(name))
    state = replace(state, stages=tuple(stages), finished=None, waiting=None, blocked=None, paused=None)
    return replace(state, pid=event.pid, host=event.host)


def _finished(state: RunState, event: StageFinished) -> RunState:
    """A stage that is used again keeps the duration of its own run."""
    known = _stage(state, event.stage)
    kept = known.duration_seconds if event.reused else None
    stage = replace(
        known,
        status=event.status,
        note=event.note,
        duration_seconds=event.duration_seconds if kept is None else kept,
        artifacts=event.artifacts,
        facts=event.facts,
        error=event.error,
        reused=event.reused,
    )
    state = replace(_with_stage(state, stage), blocked=None)
    if state.waiting is not None and state.waiting.stage is event.stage:
        state = replace(state, waiting=None)
    return state


def _answered(state: RunState, event: Answered) -> RunState:
    stage = _stage(state, event.stage)
    if stage.status is StageStatus.WAITING:
        status = StageStatus.PENDING if stage.started_seconds is None else StageStatus.RUNNING
        state = _with_stage(state, replace(stage, status=status))
    if event.stage is StageName.ROLLBACK and event.accepted and state.decided_seconds is None:
        state = replace(state, decided_seconds=state.elapsed_seconds)
    return replace(state, waiting=None, answers=(*state.answers, event))
