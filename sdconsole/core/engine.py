"""Runs a plan: one stage after the other, every edge an event, every failure a verdict.

It knows stages only by their protocol, and people only by the gate. Finished stages of an earlier attempt are used
again when their files still have the recorded digests and the stage itself agrees; otherwise they run again, and
so does everything after them. Stages that only look run every time.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic

from sdconsole.core.bus import Bus
from sdconsole.core.events import (
    Answered,
    ErrorReport,
    Event,
    LiveChanged,
    LogLine,
    RunFinished,
    StageFinished,
    StageStarted,
    Waiting,
)
from sdconsole.core.gates import Answer, Gate
from sdconsole.core.model import Artifact, StageName, StageResult, StageStatus
from sdconsole.core.plan import Plan
from sdconsole.core.stage import Cancellation, D, Stage, StageContext, Watch
from sdconsole.errors import ConfirmationRefused, Interrupted, SdconsoleError, Verdict, from_os_error


@dataclass(frozen=True, slots=True)
class Outcome:
    verdict: Verdict
    error: ErrorReport | None
    results: Mapping[StageName, StageResult]


Before = Callable[[StageName], str | None]
"""Called ahead of each stage. What it returns is why the run must wait there; None = it goes on."""


class _HeldError(Exception):
    """Nobody answered a question yet; the run stops and can be taken up again."""


@dataclass(slots=True)
class Engine(Generic[D]):
    """One attempt at a run."""

    run_id: str
    plan: Plan
    stages: Mapping[StageName, Stage[D]]
    deployment: D
    gate: Gate
    bus: Bus
    cancellation: Cancellation = field(default_factory=Cancellation)
    watch: Watch | None = None
    earlier: Mapping[StageName, StageResult] = field(default_factory=dict)
    """Results of finished stages of an earlier attempt."""
    expected_seconds: Mapping[StageName, float] = field(default_factory=dict)
    before: Before | None = None
    """What has to be done ahead of a stage, outside of it."""
    _results: dict[StageName, StageResult] = field(default_factory=dict)
    _live_now: str | None = None

    def run(self) -> Outcome:
        """Never raises for a failed stage: the verdict and the error say what happened."""
        error: ErrorReport | None = None
        verdict = Verdict.OK
        note = ""
        try:
            if self.plan.confirm_first is not None:
                self._confirm(self.plan.confirm_first)
            reusable = True
            for name in self.plan.stages:
                self._wait_for_turn(name)
                if self.stages[name].repeats:
                    self._run_stage(name)
                    continue
                reusable = reusable and self._reuse(name)
                if not reusable:
                    self._run_stage(name)
        except _HeldError as held:
            verdict, note = Verdict.HELD, str(held)
        except SdconsoleError as raised:
            error = self._report(raised)
            verdict = error.verdict
        self.bus.publish(RunFinished(verdict, round(self.bus.elapsed_seconds, 3), note, error))
        return Outcome(verdict, error, dict(self._results))

    def _wait_for_turn(self, name: StageName) -> None:
        if self.before is None:
            return
        self.cancellation.check()
        reason = self.before(name)
        if reason is not None:
            raise _HeldError(reason)

    def _reuse(self, name: StageName) -> bool:
        result = self.earlier.get(name)
        if result is None:
            return False
        context = self._context(name)
        reason = _changed_artifact(result.artifacts) or self.stages[name].recheck(context, result)
        if reason is not None:
            self.bus.publish(LogLine("warning", f"{name} runs again: {reason}", name))
            return False
        self._results[name] = result
        self.bus.publish(
            StageFinished(name, result.status, 0.0, result.note, result.artifacts, result.facts, reused=True)
        )
        return True

    def _run_stage(self, name: StageName) -> None:
        if name in self.plan.hold_before:
            self._confirm(name)
        started = self.bus.elapsed_seconds
        self.bus.publish(StageStarted(name, self.expected_seconds.get(name)))
        try:
            self.cancellation.check()
            self.cancellation.rest(name, self._publish)
            result = self.stages[name].run(self._context(name))
        except SdconsoleError as raised:
            self._fail(name, started, raised)
            raise
        except OSError as raised:
            refused = from_os_error(
                raised, f"{name} could not write or read a file", again=f"sdconsole resume {self.run_id}"
            )
            self._fail(name, started, refused)
            raise refused from raised
        except Exception as raised:
            # The journal gets the traceback; the operator gets a sentence.
            self.bus.publish(LogLine("debug", traceback.format_exc(), name))
            wrapped = SdconsoleError(
                "internal",
                f"{name} stopped on an error that sdconsole does not know",
                cause=f"{type(raised).__name__}: {raised}",
                next_step="report it with the run's events.jsonl; the run can be resumed",
            )
            self._fail(name, started, wrapped)
            raise wrapped from raised
        self._results[name] = result
        duration = round(self.bus.elapsed_seconds - started, 3)
        self.bus.publish(StageFinished(name, result.status, duration, result.note, result.artifacts, result.facts))

    def _fail(self, name: StageName, started: float, raised: SdconsoleError) -> None:
        status = StageStatus.INTERRUPTED if isinstance(raised, Interrupted) else StageStatus.FAILED
        duration = round(self.bus.elapsed_seconds - started, 3)
        self.bus.publish(StageFinished(name, status, duration, raised.message, error=self._report(raised)))

    def _confirm(self, name: StageName) -> None:
        question = self.stages[name].question(self._context(name))
        if question is None:
            return
        answer = self._ask(question)
        if answer.held:
            raise _HeldError(f"waiting for confirmation before {name}")
        if not answer.accepted:
            raise ConfirmationRefused(
                "confirmation-wrong" if answer.typed else "confirmation-declined",
                f"{name} was not confirmed",
                cause=f"what was typed is not {question.expected!r}" if answer.typed else "declined",
                next_step=f"sdconsole resume {self.run_id} --confirm {question.expected or 'NAME'}",
            )

    def _ask(self, question: Waiting) -> Answer:
        self.cancellation.check()
        self.bus.publish(question)
        answer = self.gate.ask(question)
        self.cancellation.check()
        if not answer.held:
            typed = answer.typed if answer.accepted else ""  # it may be a password for another window
            self.bus.publish(Answered(question.question, question.stage, answer.accepted, answer.by, answer.via, typed))
        return answer

    def _context(self, name: StageName) -> StageContext[D]:
        return StageContext(
            run_id=self.run_id,
            stage=name,
            deployment=self.deployment,
            results=self._results,
            cancellation=self.cancellation,
            publish=self._publish,
            question=self._ask,
            watch=self.watch,
        )

    def _publish(self, event: Event) -> None:
        if isinstance(event, LiveChanged):
            self._live_now = event.to_version
        self.bus.publish(event)

    def _report(self, raised: SdconsoleError) -> ErrorReport:
        report = ErrorReport(raised.slug, raised.message, raised.cause, raised.state, raised.next_step, raised.verdict)
        if self._live_now is None:
            return replace(report, state=report.state or "nothing was changed; readers see what they saw before")
        state = report.state or f"live was switched to {self._live_now} and stays there"
        keeps = raised.verdict in (Verdict.ROLLED_BACK, Verdict.NOT_UNDONE, Verdict.INTERRUPTED)
        return replace(report, state=state, verdict=report.verdict if keeps else Verdict.NOT_UNDONE)


def _changed_artifact(artifacts: tuple[Artifact, ...]) -> str | None:
    """Why a recorded file cannot be used again, None when all are as they were."""
    for artifact in artifacts:
        if artifact.sha256 is None:
            continue
        try:
            with Path(artifact.path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            return f"{artifact.name} cannot be read ({error.strerror})"
        if digest != artifact.sha256:
            return f"{artifact.name} is not the file that was recorded"
    return None
