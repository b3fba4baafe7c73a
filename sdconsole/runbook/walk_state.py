"""`WalkState = fold(entries)`: what is known of a walk, for every screen and command. Any prefix of a record folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from sdconsole.errors import Verdict
from sdconsole.runbook.events import (
    Attested,
    Checked,
    Confirmed,
    Entry,
    RunBegun,
    RunEnded,
    StepFinished,
    StepStarted,
    StepStatus,
    WalkEnded,
    WalkResumed,
    WalkStarted,
)


@dataclass(frozen=True, slots=True)
class StepState:
    number: int
    title: str
    status: StepStatus = StepStatus.PENDING
    note: str = ""
    started_at: str = ""
    finished_at: str = ""
    duration_seconds: float | None = None
    over_box: bool = False
    checks: tuple[Checked, ...] = ()
    attestations: tuple[tuple[str, Attested], ...] = ()
    """With the time of each."""

    @property
    def finished(self) -> bool:
        return self.status in (StepStatus.DONE, StepStatus.NOTED)


@dataclass(frozen=True, slots=True)
class WalkState:
    """What is known of a walk: a fold over its record."""

    walk_id: str = ""
    seq: int = 0
    started_at: str = ""
    updated_at: str = ""
    started: WalkStarted | None = None
    operator: str = ""
    steps: tuple[StepState, ...] = ()
    runs: Mapping[int, str] = field(default_factory=dict)
    """Run ids by stretch."""
    ends: tuple[RunEnded, ...] = ()
    ended: WalkEnded | None = None

    @property
    def verdict(self) -> Verdict | None:
        return self.ended.verdict if self.ended else None

    @property
    def complete(self) -> bool:
        return self.verdict is Verdict.OK

    @property
    def current(self) -> StepState | None:
        """The first step that is not finished."""
        return next((step for step in self.steps if not step.finished), None)

    def step(self, number: int) -> StepState:
        return self.steps[number - 1]


def fold(entries: tuple[Entry, ...], state: WalkState | None = None) -> WalkState:
    return reduce(after, entries, state or WalkState())


def after(state: WalkState, entry: Entry) -> WalkState:
    """The state after one more entry."""
    state = replace(state, walk_id=entry.walk, seq=entry.seq, updated_at=entry.at)
    match entry.event:
        case WalkStarted() as event:
            steps = tuple(StepState(number, title) for number, title in enumerate(event.steps, start=1))
            return replace(state, started=event, started_at=entry.at, operator=event.operator, steps=steps)
        case WalkResumed() as event:
            return replace(state, operator=event.operator, ended=None)
        case RunBegun() as event:
            return replace(state, runs={**state.runs, event.stretch: event.run_id})
        case RunEnded() as event:
            kept = tuple(end for end in state.ends if end.stretch != event.stretch)
            return replace(state, ends=(*kept, event))
        case WalkEnded() as event:
            return replace(state, ended=event)
        case StepStarted() as event:
            fresh = StepState(event.step, event.title, StepStatus.RUNNING, started_at=entry.at)
            return _with(state, fresh)
        case Checked() as event:
            step = state.step(event.step)
            kept_checks = tuple(check for check in step.checks if check.check != event.check)
            return _with(state, replace(step, checks=(*kept_checks, event)))
        case Attested() as event:
            step = state.step(event.step)
            return _with(state, replace(step, attestations=(*step.attestations, (entry.at, event))))
        case StepFinished() as event:
            step = replace(
                state.step(event.step),
                status=event.status,
                note=event.note,
                finished_at=entry.at,
                duration_seconds=event.duration_seconds,
                over_box=event.over_box,
            )
            return _with(state, step)
        case Confirmed():
            return state


def _with(state: WalkState, step: StepState) -> WalkState:
    return replace(state, steps=tuple(step if known.number == step.number else known for known in state.steps))
