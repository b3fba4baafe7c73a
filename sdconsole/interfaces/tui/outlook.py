"""How long a run still takes, from its own progress and from how long its stages took the last time."""

from __future__ import annotations

from collections.abc import Mapping

from sdconsole.core.model import FINISHED, StageName, StageStatus
from sdconsole.core.projection import RunState, StageState


def remaining_seconds(
    state: RunState, expected_seconds: Mapping[StageName, float], elapsed_seconds: float
) -> float | None:
    """Seconds to the end of the run; None when nothing is known of one of the stages that are left, or while the
    run waits for a person, whose time nobody knows."""
    if state.finished is not None or not state.stages or state.waiting is not None:
        return None
    total = 0.0
    for stage in state.stages:
        if stage.status in FINISHED:
            continue
        left = _stage_seconds(stage, expected_seconds.get(stage.name), elapsed_seconds)
        if left is None:
            return None
        total += left
    return total


def _stage_seconds(stage: StageState, expected: float | None, elapsed_seconds: float) -> float | None:
    if stage.status is not StageStatus.RUNNING or stage.started_seconds is None:
        return expected
    expected = stage.expected_seconds or expected
    live = [task.eta_seconds for task in stage.tasks.values() if task.eta_seconds]
    if expected is None:
        return None
    spent = elapsed_seconds - stage.started_seconds
    return max([expected - spent, 0.0, *live])
