"""From a runbook to what a walk executes: runs of the engine with manual steps before, between and after their stages.

A run's stages are one of the engine's own plans or the beginning of one, so a walk can order nothing that `deploy`,
`rollback` or `restore` would not. Knows neither settings nor server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sdconsole.core.model import RunKind, StageName
from sdconsole.core.plan import Plan, deploy_plan, restore_plan, rollback_plan
from sdconsole.errors import UsageError
from sdconsole.runbook.model import OnFail, Problem, Runbook, Step, filled
from sdconsole.runbook.options import GATES

_OPENS = {StageName.PREFLIGHT: RunKind.DEPLOY, StageName.ROLLBACK: RunKind.ROLLBACK, StageName.RESTORE: RunKind.RESTORE}
"""The stage that begins a run, and of which kind."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One run of the engine. `steps` are its stage steps with the manual ones between them, in the file's order."""

    number: int
    plan: Plan
    steps: tuple[Step, ...]

    def before(self, stage: StageName) -> tuple[Step, ...]:
        """The manual steps whose turn comes before this stage's."""
        found: list[Step] = []
        for step in self.steps:
            if step.is_stage and stage in self.stages_of(step):
                return tuple(found) if step.first is stage else ()
            found = [] if step.is_stage else [*found, step]
        return ()

    def stages_of(self, step: Step) -> tuple[StageName, ...]:
        """The engine's stages that a stage step stands for."""
        if step.first is None or step.last is None:
            return ()
        stages = self.plan.stages
        return stages[stages.index(step.first) : stages.index(step.last) + 1]

    def step_of(self, stage: StageName) -> Step:
        return next(step for step in self.steps if stage in self.stages_of(step))

    @property
    def overrides(self) -> Mapping[str, tuple[str, str]]:
        """Settings that the gates draw tighter: (direction, value), by setting."""
        return {
            GATES[step.gate.name][2]: (step.gate.operator, step.gate.value)
            for step in self.steps
            if step.gate is not None
        }

    @property
    def goes_back_by_itself(self) -> bool:
        return any(step.on_fail is OnFail.ROLLBACK for step in self.steps)


Part = Step | Stretch


@dataclass(frozen=True, slots=True)
class WalkPlan:
    """The parts in order: manual steps outside of any run, and runs."""

    parts: tuple[Part, ...]

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        return tuple(part for part in self.parts if isinstance(part, Stretch))

    @property
    def cuts_over(self) -> bool:
        return any(stretch.plan.cuts_over for stretch in self.stretches)


@dataclass(slots=True)
class _Open:
    """A run while its steps are gathered."""

    whole: Plan
    stages: list[StageName] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    tail: list[Step] = field(default_factory=list)
    """Manual steps after the last stage so far: they belong to the run only if another stage follows."""


def plan_walk(runbook: Runbook) -> tuple[WalkPlan, tuple[Problem, ...]]:
    """What walking the runbook executes, and where its stages make no run of the engine."""
    parts: list[Part] = []
    problems: list[Problem] = []
    number = 0
    run: _Open | None = None

    def close() -> None:
        nonlocal run, number
        if run is not None and run.stages:
            number += 1
            plan = run.whole.until(run.stages[-1])
            parts.append(Stretch(number, plan, tuple(run.steps)))
            parts.extend(run.tail)
        run = None

    for step in runbook.steps:
        if step.first is None or step.last is None:
            (run.tail if run is not None else parts).append(step)
            continue
        if step.first in _OPENS or run is None:
            close()
            run = _Open(_whole(runbook, step.first))
        stages, wrong = _stages(run, step)
        if wrong:
            problems.append(Problem(step.line, wrong))
            continue
        run.stages += stages
        run.steps += [*run.tail, step]
        run.tail.clear()
    close()
    return WalkPlan(tuple(parts)), tuple(problems)


def _whole(runbook: Runbook, first: StageName) -> Plan:
    kind = _OPENS.get(first, RunKind.DEPLOY)
    if kind is RunKind.ROLLBACK:
        return rollback_plan()
    return restore_plan() if kind is RunKind.RESTORE else deploy_plan(runbook.mode)


def _stages(run: _Open, step: Step) -> tuple[list[StageName], str]:
    """The stages of one step, or why they cannot come here."""
    whole = run.whole.stages
    for stage in (step.first, step.last):
        if stage not in whole:
            return [], f"{stage} is no stage of this run, whose stages are {', '.join(whole)}"
    assert step.first is not None
    assert step.last is not None
    first, last = whole.index(step.first), whole.index(step.last)
    if len(run.stages) == len(whole):
        return [], f"{step.first} comes after {whole[-1]}, where the run is over"
    if first != len(run.stages):
        return [], f"{whole[len(run.stages)]} comes next in this run, not {step.first}"
    if last < first:
        return [], f"through = {step.last.value!r} comes before id = {step.first.value!r}"
    return list(whole[first : last + 1]), ""


def walk_params(runbook: Runbook, given: Mapping[str, str], *, called: str = "") -> dict[str, str]:
    """Every parameter's value. Raises UsageError ("runbook-param") for a missing or an unknown one."""
    known = [param.name for param in runbook.params]
    for name in given:
        if name not in known:
            raise UsageError(
                "runbook-param",
                f"{runbook.id} has no parameter {name!r}",
                cause=f"its parameters: {', '.join(known) or 'none'}",
                next_step=f"sdconsole runbook show {called or runbook.id}",
            )
    values = {param.name: given.get(param.name, param.default) for param in runbook.params}
    missing = [param for param in runbook.params if values[param.name] is None]
    if missing:
        raise UsageError(
            "runbook-param",
            f"{runbook.id} needs {missing[0].name}: {missing[0].help}",
            cause=f"{', '.join(param.name for param in missing)} was not given and has no default",
            next_step=f"sdconsole runbook run {called or runbook.id} {missing[0].name}=VALUE",
        )
    return {name: value for name, value in values.items() if value is not None}


def tightened(setting: str, current: float, operator: str, value: str, params: Mapping[str, str]) -> float:
    """The gate's limit where it is the tighter one, else the setting as it is. Raises UsageError ("runbook-param")."""
    text = filled(value, params)
    try:
        limit = float(text)
    except ValueError as error:
        raise UsageError(
            "runbook-param",
            f"the gate on {setting} needs a number, not {text!r}",
            cause="the parameter's value is no number",
            next_step="give another value for it",
        ) from error
    if isinstance(current, int):
        limit = int(limit)
    return max(current, limit) if operator == ">=" else min(current, limit)
