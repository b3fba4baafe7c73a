"""The engine with small real stages: order, gates, failures, resume and cancellation."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sdconsole.core.bus import Bus
from sdconsole.core.engine import Engine, Outcome
from sdconsole.core.events import (
    Answered,
    LiveChanged,
    Record,
    RunResumed,
    RunStarted,
    StageFinished,
    StageStarted,
    Waiting,
    to_json,
)
from sdconsole.core.gates import FlagGate, Gate
from sdconsole.core.model import Artifact, Mode, RunKind, StageName, StageResult, StageStatus
from sdconsole.core.plan import DEPLOY_STAGES, Plan, deploy_plan, rollback_plan, stage_plan
from sdconsole.core.projection import RunState, fold
from sdconsole.core.stage import Cancellation, StageContext
from sdconsole.errors import CheckFailed, GateFailed, UsageError, Verdict

Work = Callable[[StageContext[list[str]]], StageResult]


@dataclass(slots=True)
class ScriptedStage:
    name: StageName
    work: Work | None = None
    stale: str | None = None
    repeats: bool = False

    def run(self, ctx: StageContext[list[str]]) -> StageResult:
        ctx.deployment.append(self.name)
        return self.work(ctx) if self.work else StageResult(f"{self.name} done")

    def question(self, ctx: StageContext[list[str]]) -> Waiting | None:
        return Waiting("q", self.name, "switch?", "servicedesk")

    def recheck(self, ctx: StageContext[list[str]], result: StageResult) -> str | None:
        return self.stale


@dataclass(slots=True)
class Attempt:
    """One attempt at a run, with everything it left behind."""

    ran: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    outcome: Outcome | None = None

    @property
    def state(self) -> RunState:
        return fold(self.records)


def attempt(
    plan: Plan,
    *,
    gate: Gate | None = None,
    earlier: dict[StageName, StageResult] | None = None,
    cancellation: Cancellation | None = None,
    stale: StageName | None = None,
    repeats: StageName | None = None,
    **work: Work,
) -> Attempt:
    done = Attempt()
    bus = Bus("r", journal=done.records.append)
    bus.publish(RunStarted(plan.kind, plan.mode, plan.stages, "s", "t", "servicedesk", "ann", "h", 1, "0"))
    stages = {
        name: ScriptedStage(name, work.get(name.value), "it moved" if stale is name else None, repeats is name)
        for name in StageName
    }
    engine = Engine(
        run_id="r",
        plan=plan,
        stages=stages,
        deployment=done.ran,
        gate=gate or FlagGate("ann", yes=True, confirm="servicedesk"),
        bus=bus,
        cancellation=cancellation or Cancellation(),
        earlier=earlier or {},
    )
    done.outcome = engine.run()
    return done


@pytest.mark.parametrize("mode", list(Mode))
def test_a_mode_runs_exactly_the_stages_of_its_plan_in_order(mode: Mode) -> None:
    plan = deploy_plan(mode)
    done = attempt(plan)
    assert tuple(done.ran) == plan.stages
    assert done.state.verdict is Verdict.OK
    assert done.state.complete


def test_what_the_modes_contain() -> None:
    assert deploy_plan(Mode.COMPLETE).stages == DEPLOY_STAGES
    assert deploy_plan(Mode.CANARY).stages == DEPLOY_STAGES
    assert StageName.CANARY not in deploy_plan(Mode.SIMPLE).stages
    assert deploy_plan(Mode.BLUE_GREEN).stages[-1] is StageName.VALIDATE
    assert not deploy_plan(Mode.BLUE_GREEN).cuts_over
    assert deploy_plan(Mode.COMPLETE).hold_before == {StageName.CUTOVER}
    assert deploy_plan(Mode.SIMPLE).hold_before == frozenset()
    assert deploy_plan(Mode.SIMPLE).confirm_first is StageName.CUTOVER
    assert rollback_plan().kind is RunKind.ROLLBACK
    assert stage_plan(StageName.CLEAN).stages == (StageName.PROFILE, StageName.CLEAN)
    assert not stage_plan(StageName.SCORE).needs_target
    until = deploy_plan(Mode.SIMPLE).until(StageName.VALIDATE)
    assert until.confirm_first is None
    with pytest.raises(UsageError) as caught:
        deploy_plan(Mode.SIMPLE).until(StageName.CANARY)
    assert caught.value.slug == "until-stage"


def test_a_failing_gate_stops_everything_after_it_and_says_nothing_was_changed() -> None:
    def refuse(ctx: StageContext[list[str]]) -> StageResult:
        raise GateFailed("score", "score 79.9 is below 80", cause="completeness")

    done = attempt(deploy_plan(Mode.COMPLETE), score=refuse)
    assert done.ran[-1] == "score"
    assert done.state.verdict is Verdict.GATE_FAILED
    stage = done.state.stage(StageName.SCORE)
    assert stage is not None
    assert stage.status is StageStatus.FAILED
    assert stage.error is not None
    assert "nothing was changed" in stage.error.state
    canary = done.state.stage(StageName.CANARY)
    assert canary is not None
    assert canary.status is StageStatus.PENDING


def test_an_unknown_error_is_a_failure_with_a_sentence_and_never_escapes() -> None:
    def crash(ctx: StageContext[list[str]]) -> StageResult:
        raise RuntimeError("scorer exploded")

    done = attempt(deploy_plan(Mode.COMPLETE), profile=crash)
    assert done.ran[-1] == "profile"
    assert done.outcome is not None
    assert done.outcome.error is not None
    assert done.outcome.error.slug == "internal"
    assert done.outcome.error.cause == "RuntimeError: scorer exploded"
    assert done.outcome.verdict is Verdict.FAILED


def test_a_failure_after_the_switch_says_that_live_has_changed() -> None:
    def switch(ctx: StageContext[list[str]]) -> StageResult:
        ctx.emit(LiveChanged(ctx.stage, "servicedesk", "v1", "v2", 1, 0.1))
        return StageResult()

    def fail(ctx: StageContext[list[str]]) -> StageResult:
        raise CheckFailed("verify", "a dashboard query failed")

    done = attempt(deploy_plan(Mode.COMPLETE), cutover=switch, verify=fail)
    assert done.outcome is not None
    assert done.outcome.verdict is Verdict.NOT_UNDONE
    assert done.outcome.error is not None
    assert "v2" in done.outcome.error.state


def test_without_an_answer_the_run_holds_before_cutover_and_a_later_attempt_finishes_it() -> None:
    plan = deploy_plan(Mode.COMPLETE)
    held = attempt(plan, gate=FlagGate("ann"))
    assert held.ran[-1] == "validate"
    assert held.state.verdict is Verdict.HELD
    assert held.state.waiting is not None
    assert held.state.waiting.expected == "servicedesk"
    resumed = attempt(plan, earlier=held.state.results)
    assert resumed.ran == ["cutover", "verify"]
    assert resumed.state.verdict is Verdict.OK
    assert [answer.typed for answer in resumed.state.answers] == ["servicedesk"]
    load = resumed.state.stage(StageName.LOAD)
    assert load is not None
    assert load.reused
    took = StageFinished(StageName.LOAD, StageStatus.PASSED, 12.5)
    resume = RunResumed("ann", "h", 2, plan.stages)
    between = [replace(held.records[-1], event=event) for event in (took, resume)]
    load = fold([*held.records, *between, *resumed.records[1:]]).stage(StageName.LOAD)
    assert load is not None
    assert (load.reused, load.duration_seconds) == (True, 12.5), "its own run's duration is lost"
    assert resumed.state.rto_seconds is None, "no way back was gone"
    back = attempt(rollback_plan())
    timed = [replace(record, elapsed_seconds=10.0 * record.seq) for record in back.records]
    asked = next(record for record in timed if isinstance(record.event, Answered))
    looks = next(r for r in timed if isinstance(r.event, StageStarted) and r.event.stage is StageName.VERIFY)
    proof = replace(looks, event=StageFinished(StageName.VERIFY, StageStatus.PASSED, 3.5))
    rto = fold([*timed[: looks.seq], proof]).rto_seconds
    assert rto == looks.elapsed_seconds + 3.5 - asked.elapsed_seconds, "from the answer to the last query"
    assert fold(timed[: looks.seq]).rto_seconds is None


def test_a_wrong_name_is_refused_and_never_recorded() -> None:
    done = attempt(deploy_plan(Mode.COMPLETE), gate=FlagGate("ann", yes=True, confirm="hunter2"))
    assert done.ran[-1] == "validate"
    assert done.state.verdict is Verdict.NOT_CONFIRMED
    assert done.outcome is not None
    assert done.outcome.error is not None
    assert done.outcome.error.slug == "confirmation-wrong"
    assert "'servicedesk'" in done.outcome.error.cause
    assert not any(b"hunter2" in to_json(record) for record in done.records)


def test_simple_mode_asks_before_any_work() -> None:
    done = attempt(deploy_plan(Mode.SIMPLE), gate=FlagGate("ann", yes=True, confirm="wrong"))
    assert done.ran == []
    assert done.state.verdict is Verdict.NOT_CONFIRMED


def test_a_changed_artifact_makes_its_stage_and_all_later_ones_run_again(tmp_path: Path) -> None:
    clean = tmp_path / "clean.db"
    clean.write_bytes(b"rows")
    artifact = Artifact("clean", str(clean), 4, hashlib.sha256(b"rows").hexdigest())
    plan = deploy_plan(Mode.COMPLETE).until(StageName.LOAD)
    first = attempt(plan, clean=lambda ctx: StageResult("cleaned", artifacts=(artifact,)))
    assert attempt(plan, earlier=first.state.results).ran == []
    clean.write_bytes(b"rowz")
    again = attempt(plan, earlier=first.state.results)
    assert again.ran == ["clean", "score", "canary", "load"]
    clean.unlink()
    assert attempt(plan, earlier=first.state.results).ran == ["clean", "score", "canary", "load"]


def test_a_stage_that_does_not_trust_its_earlier_work_runs_again() -> None:
    plan = deploy_plan(Mode.COMPLETE).until(StageName.LOAD)
    first = attempt(plan)
    again = attempt(plan, earlier=first.state.results, stale=StageName.SCORE)
    assert again.ran == ["score", "canary", "load"]
    assert any("it moved" in line.message for line in again.state.log)


def test_a_stage_that_only_looks_runs_every_time_and_later_results_stay() -> None:
    plan = deploy_plan(Mode.COMPLETE).until(StageName.LOAD)
    first = attempt(plan)
    again = attempt(plan, earlier=first.state.results, repeats=StageName.PREFLIGHT)
    assert again.ran == ["preflight"]
    assert again.state.complete


def test_cancelling_interrupts_the_running_stage_and_runs_its_callbacks() -> None:
    cancellation = Cancellation()
    interrupted = threading.Event()

    def slow(ctx: StageContext[list[str]]) -> StageResult:
        with ctx.cancellation.interrupting(interrupted.set):
            threading.Timer(0.05, ctx.cancellation.cancel, ("Ctrl-C",)).start()
            ctx.cancellation.wait(30)
        raise AssertionError("not interrupted")

    done = attempt(deploy_plan(Mode.COMPLETE), cancellation=cancellation, load=slow)
    assert interrupted.is_set()
    assert done.ran[-1] == "load"
    assert done.state.verdict is Verdict.INTERRUPTED
    stage = done.state.stage(StageName.LOAD)
    assert stage is not None
    assert stage.status is StageStatus.INTERRUPTED
    assert stage.result is None


def test_a_halting_watch_stops_a_stage_at_its_next_step() -> None:
    def full() -> None:
        raise CheckFailed("disk-low", "900 MB left on the backup disk")

    def work(ctx: StageContext[list[str]]) -> StageResult:
        ctx.watch = full
        ctx.progress("tickets", 10_000, 100_000)
        raise AssertionError("not stopped")

    done = attempt(deploy_plan(Mode.COMPLETE), load=work)
    assert done.state.verdict is Verdict.CHECK_FAILED
