"""Which stages a run executes, in which order, and where it holds. `plan` prints it and the engine runs it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sdconsole.core.model import Mode, RunKind, StageName
from sdconsole.errors import UsageError

S = StageName
DEPLOY_STAGES: tuple[StageName, ...] = (
    S.PREFLIGHT,
    S.BACKUP,
    S.PROFILE,
    S.CLEAN,
    S.SCORE,
    S.CANARY,
    S.LOAD,
    S.VALIDATE,
    S.CUTOVER,
    S.VERIFY,
)
_WITHOUT_CANARY = tuple(stage for stage in DEPLOY_STAGES if stage is not S.CANARY)
_STAGES_BY_MODE = {
    Mode.SIMPLE: _WITHOUT_CANARY,
    Mode.CANARY: DEPLOY_STAGES,
    Mode.BLUE_GREEN: _WITHOUT_CANARY[: _WITHOUT_CANARY.index(S.CUTOVER)],
    Mode.COMPLETE: DEPLOY_STAGES,
}
_HOLDING_MODES = frozenset({Mode.CANARY, Mode.COMPLETE})
SOURCE_ONLY = frozenset({S.PROFILE, S.CLEAN, S.SCORE})
"""Stages that need no PostgreSQL server."""
PURPOSE = {
    S.PREFLIGHT: "check source, space, server, rights and lock",
    S.BACKUP: "copy the export and dump the live version",
    S.PROFILE: "read every row, vote on dates, judge the circuit breaker",
    S.CLEAN: "write a clean copy, set aside what cannot be carried over",
    S.SCORE: "score before and after, with a ledger of every lost point",
    S.CANARY: "load and validate a referential sample, run the dashboard queries",
    S.LOAD: "copy every row into a new version schema",
    S.VALIDATE: "prove that PostgreSQL holds what the clean file holds",
    S.CUTOVER: "switch the live views and the ledger in one transaction",
    S.VERIFY: "run the dashboard queries as a reader",
    S.ROLLBACK: "switch the live views back to a kept version",
    S.RESTORE: "bring a dumped version back as a new version schema, counted and queried",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """An ordered list of stages. `hold_before` names stages that wait for a person when their turn comes;
    `confirm_first` is confirmed before any work starts."""

    kind: RunKind
    mode: Mode
    stages: tuple[StageName, ...]
    hold_before: frozenset[StageName] = frozenset()
    confirm_first: StageName | None = None

    @property
    def cuts_over(self) -> bool:
        return S.CUTOVER in self.stages or S.ROLLBACK in self.stages

    @property
    def needs_target(self) -> bool:
        return any(stage not in SOURCE_ONLY for stage in self.stages)

    def until(self, stage: StageName) -> Plan:
        """The plan up to and including `stage`. Raises UsageError when the plan does not have it."""
        if stage not in self.stages:
            raise UsageError(
                "until-stage",
                f"mode {self.mode} has no stage {stage}",
                cause=f"its stages are {', '.join(self.stages)}",
                next_step="choose one of these for --until, or another --mode",
            )
        kept = self.stages[: self.stages.index(stage) + 1]
        first = self.confirm_first if self.confirm_first in kept else None
        return replace(self, stages=kept, hold_before=self.hold_before & frozenset(kept), confirm_first=first)


def deploy_plan(mode: Mode) -> Plan:
    """The stages of a deployment in this mode."""
    stages = _STAGES_BY_MODE[mode]
    hold = frozenset({S.CUTOVER}) if mode in _HOLDING_MODES else frozenset[StageName]()
    return Plan(RunKind.DEPLOY, mode, stages, hold, S.CUTOVER if mode is Mode.SIMPLE else None)


def stage_plan(stage: StageName) -> Plan:
    """What running one source-side stage by itself executes: the stage and those whose results it reads."""
    needs = {
        S.PREFLIGHT: (S.PREFLIGHT,),
        S.BACKUP: (S.BACKUP,),
        S.PROFILE: (S.PROFILE,),
        S.CLEAN: (S.PROFILE, S.CLEAN),
        S.SCORE: (S.PROFILE, S.CLEAN, S.SCORE),
    }
    return Plan(RunKind.DEPLOY, Mode.COMPLETE, needs[stage])


def rollback_plan() -> Plan:
    """Switch back, then run the reader's queries."""
    return Plan(RunKind.ROLLBACK, Mode.COMPLETE, (S.ROLLBACK, S.VERIFY), frozenset({S.ROLLBACK}))


def restore_plan() -> Plan:
    """Bring a dump back as a version of its own, then what every deployment ends with: the confirmed switch."""
    return Plan(RunKind.RESTORE, Mode.COMPLETE, (S.RESTORE, S.CUTOVER, S.VERIFY), frozenset({S.CUTOVER}))
