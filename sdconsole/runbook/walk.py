"""Walks a runbook: steps in order, checks with evidence, attestations by a person, stages by the engine.

It knows people only by the `WalkGate` and the engine only by the `Runner`, so the command line, the console and a test
walk the same way. A finished step is never repeated; what was cut off starts again at its step.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sdconsole.core.bus import View
from sdconsole.core.events import ErrorReport, Record, StageFinished, StageStarted, Waiting
from sdconsole.core.gates import Answer, Gate, Withdrawable
from sdconsole.core.model import FINISHED, StageName
from sdconsole.core.projection import RunState
from sdconsole.core.stage import Cancellation
from sdconsole.errors import CheckFailed, ConfirmationRefused, SdconsoleError, Verdict
from sdconsole.runbook.asking import Question, Runner, WalkGate
from sdconsole.runbook.checks import Evidence
from sdconsole.runbook.events import (
    Attested,
    Checked,
    Confirmed,
    RunEnded,
    StepFinished,
    StepStarted,
    StepStatus,
    WalkEnded,
)
from sdconsole.runbook.model import Check, OnFail, Runbook, Step, filled
from sdconsole.runbook.planner import Stretch, WalkPlan
from sdconsole.runbook.record import WalkRecord
from sdconsole.runbook.walk_state import WalkState

_ROWS_SHOWN = 5
_NO_WAY_BACK = frozenset({"no-previous", "not-kept"})
"""Walking on would only ask the same again: what else there is to do is in the error."""


class _LeftError(Exception):
    """Somebody left a question for later."""


class _StoppedError(Exception):
    """A run of the engine did not end well."""

    def __init__(self, verdict: Verdict, note: str, error: ErrorReport | None) -> None:
        super().__init__(note)
        self.verdict = verdict
        self.note = note
        self.error = error


@dataclass(slots=True)
class Walker:
    """One attempt at a walk."""

    runbook: Runbook
    called: str
    """The runbook as it is typed at a shell."""
    plan: WalkPlan
    values: Mapping[str, str]
    record: WalkRecord
    gate: WalkGate
    runner: Runner
    cancellation: Cancellation
    _began: dict[int, float] = field(default_factory=dict)
    _timers: dict[int, threading.Timer] = field(default_factory=dict)
    _late: list[Step] = field(default_factory=list)

    def walk(self) -> WalkState:
        """Never raises for a failed step: the record's last entry says what happened."""
        verdict, note, error = Verdict.OK, "", None
        try:
            for part in self.plan.parts:
                self.cancellation.check()
                if isinstance(part, Step):
                    self._manual(part)
                else:
                    self._stretch(part)
        except _LeftError as left:
            verdict, note = Verdict.HELD, str(left)
        except _StoppedError as stopped:
            verdict, note, error = stopped.verdict, stopped.note, stopped.error
        except SdconsoleError as raised:
            error = report(raised)
            verdict, note = error.verdict, error.message
            self._fail(error.message)
        self.record.add(WalkEnded(verdict, note, error))
        return self.record.state

    def _manual(self, step: Step) -> None:
        if self.record.state.step(step.number).finished:
            return
        self._start(step)
        self._complete(step)

    def _complete(self, step: Step) -> None:
        """The checks and attestations of a step, then its end."""
        found = [check.name for check in step.checks if not self._check(step, check)]
        for text in step.attestations:
            self._attest(step, filled(text, self.values))
        seconds = round(time.monotonic() - self._began.get(step.number, time.monotonic()), 3)
        over = step.box_seconds is not None and seconds > step.box_seconds
        status = StepStatus.NOTED if found else StepStatus.DONE
        note = f"found: {', '.join(found)}" if found else ""
        self.record.add(StepFinished(step.number, status, seconds, note, over))

    def _start(self, step: Step) -> None:
        self._began[step.number] = time.monotonic()
        self.record.add(StepStarted(step.number, step.title))

    def _check(self, step: Step, check: Check) -> bool:
        """Whether it passed. Raises CheckFailed ("runbook-check") where rows may not be passed over."""
        while True:
            self.cancellation.check()
            evidence = self.runner.check(check, step.timeout_seconds)
            self.record.add(
                Checked(
                    step.number,
                    check.name,
                    evidence.passed,
                    evidence.rows,
                    evidence.more,
                    evidence.error,
                    evidence.duration_seconds,
                    check.sql,
                )
            )
            if evidence.passed:
                return True
            if step.on_fail is OnFail.NOTE:
                return False
            lines = evidence_lines(evidence)
            question = Question("check", step.number, step.title, f"{check.name} did not pass", details=lines)
            if not self.gate.decide(question).accepted:
                raise CheckFailed(
                    "runbook-check",
                    f"step {step.number} ({step.title}): {check.name} did not pass",
                    cause="\n".join(lines),
                    next_step=f"put it right, then carry on: sdconsole runbook run {self.called}",
                )

    def _attest(self, step: Step, text: str) -> None:
        self.cancellation.check()
        answer = self.gate.decide(Question("attest", step.number, step.title, text))
        self.cancellation.check()
        if answer.held:
            raise _LeftError(f"step {step.number} ({step.title}) waits: {text}")
        self.record.add(Attested(step.number, text, answer.accepted, answer.by, answer.via))
        if not answer.accepted:
            raise ConfirmationRefused(
                "attestation-declined",
                f"step {step.number} ({step.title}) was not attested",
                cause=f"{answer.by} declined: {text}",
                next_step=f"when it is so: sdconsole runbook run {self.called}",
            )

    def _stretch(self, stretch: Stretch) -> None:
        done = any(end.stretch == stretch.number and end.verdict is Verdict.OK for end in self.record.state.ends)
        if not done:
            state = self._run(stretch)
            end = _ended(stretch, state)
            self.runner.ended(end)
            self.record.add(end)
            verdict = state.verdict or Verdict.FAILED
            if verdict is not Verdict.OK:
                raise self._stopped(stretch, state, verdict)
        for step in stretch.steps:  # what the run's own end left over, or another terminal carried on without us
            if step.is_stage and not self.record.state.step(step.number).finished:
                self._complete(step)
            elif not step.is_stage:
                self._manual(step)

    def _run(self, stretch: Stretch) -> RunState:
        warned = _WarnedGate(self.gate, self.values, stretch)
        try:
            return self.runner.run(stretch, warned, lambda stage: self._before(stretch, stage), self._clock(stretch))
        finally:
            for timer in self._timers.values():
                timer.cancel()

    def _before(self, stretch: Stretch, stage: StageName) -> str | None:
        """The steps whose turn comes before this stage; the reason to wait when one is left for later."""
        step = stretch.step_of(stage)
        if step.first is not stage:
            return None
        try:
            for earlier in stretch.steps[: stretch.steps.index(step)]:
                if not earlier.is_stage:
                    self._manual(earlier)
                elif not self.record.state.step(earlier.number).finished:
                    self._complete(earlier)
            if not self.record.state.step(step.number).finished:
                self._start(step)
                self._confirm(stretch, step)
        except _LeftError as left:
            return str(left)
        return None

    def _confirm(self, stretch: Stretch, step: Step) -> None:
        """The runbook's own confirmation; where the engine asks one anyway it is asked once, with the warnings."""
        asked = stretch.plan.hold_before & set(stretch.stages_of(step))
        if not step.confirm or asked:
            return
        warnings = tuple(filled(text, self.values) for text in step.warnings)
        expected = filled(step.confirm, self.values)
        answer = self.gate.decide(Question("confirm", step.number, step.title, step.title, expected, warnings))
        if answer.held:
            raise _LeftError(f"step {step.number} ({step.title}) waits for its confirmation")
        typed = answer.typed if answer.accepted else ""  # it may be a password for another window
        self.record.add(Confirmed(step.number, answer.accepted, answer.by, answer.via, typed))
        if not answer.accepted:
            raise ConfirmationRefused(
                "confirmation-wrong" if answer.typed else "confirmation-declined",
                f"step {step.number} ({step.title}) was not confirmed",
                cause=f"what was typed is not {expected!r}" if answer.typed else "declined",
                next_step=f"sdconsole runbook run {self.called}",
            )

    def _clock(self, stretch: Stretch) -> View:
        """Ends stages that take longer than their step allows. Waiting for a person is not counted."""

        def expire(step: Step) -> None:
            self._late.append(step)
            self.cancellation.cancel(f"step {step.number} ({step.title}) took longer than {step.timeout_seconds:g} s")

        def view(seen: Record) -> None:
            event = seen.event
            if not isinstance(event, StageStarted | StageFinished):
                return
            step = stretch.step_of(event.stage)
            if isinstance(event, StageFinished) and (event.stage is step.last or event.status not in FINISHED):
                timer = self._timers.pop(step.number, None)
                if timer is not None:
                    timer.cancel()
            elif isinstance(event, StageStarted) and step.timeout_seconds and step.number not in self._timers:
                timer = threading.Timer(step.timeout_seconds, expire, [step])
                timer.daemon = True
                self._timers[step.number] = timer
                timer.start()

        return view

    def _stopped(self, stretch: Stretch, state: RunState, verdict: Verdict) -> _StoppedError:
        error = state.finished.error if state.finished else None
        note = state.finished.note if state.finished else ""
        if verdict is Verdict.HELD:
            return _StoppedError(verdict, note, None)
        self._fail(error.message if error else verdict)
        if self._late and error is not None:
            step, verdict = self._late[-1], Verdict.TIMEOUT
            error = replace(
                error,
                slug="step-timeout",
                message=f"step {step.number} ({step.title}) took longer than {step.timeout_seconds:g} s",
                verdict=verdict,
            )
        if error is not None and error.slug not in _NO_WAY_BACK:
            error = replace(error, next_step=f"sdconsole runbook run {self.called}")
        return _StoppedError(verdict, error.message if error else note, error)

    def _fail(self, why: str) -> None:
        """The step that was under way did not come to its end."""
        for step in self.record.state.steps:
            if step.status is StepStatus.RUNNING:
                seconds = round(time.monotonic() - self._began.get(step.number, time.monotonic()), 3)
                self.record.add(StepFinished(step.number, StepStatus.FAILED, seconds, why))


@dataclass(frozen=True, slots=True)
class _WarnedGate:
    """Puts the runbook's warnings into the engine's confirmation."""

    gate: Gate
    values: Mapping[str, str]
    stretch: Stretch

    def ask(self, question: Waiting) -> Answer:
        warnings = tuple(f"! {filled(text, self.values)}" for text in self.stretch.step_of(question.stage).warnings)
        return self.gate.ask(replace(question, details=(*question.details, *warnings)))

    def withdraw(self) -> None:
        """The question was answered elsewhere."""
        if isinstance(self.gate, Withdrawable):
            self.gate.withdraw()


def _ended(stretch: Stretch, state: RunState) -> RunEnded:
    load = state.results.get(StageName.LOAD) or state.results.get(StageName.RESTORE)
    change = state.live_changes[-1] if state.live_changes else None
    score = state.scores.get("after")
    return RunEnded(
        stretch.number,
        state.run_id,
        state.verdict or Verdict.FAILED,
        version=change.to_version if change else load.facts.get("version") if load else None,
        score=score.total if score else None,
        switched_seconds=change.duration_seconds if change else None,
        rto_seconds=state.rto_seconds if state.verdict is Verdict.OK else None,
    )


def report(error: SdconsoleError) -> ErrorReport:
    state = error.state or "nothing was changed by this step"
    return ErrorReport(error.slug, error.message, error.cause, state, error.next_step, error.verdict)


def evidence_lines(evidence: Evidence) -> tuple[str, ...]:
    """The first rows of the evidence, a line each, in ASCII."""
    if evidence.error:
        return (f"it could not be run: {evidence.error}",)
    lines = [json.dumps(dict(row), default=str) for row in evidence.rows[:_ROWS_SHOWN]]
    total = f"{len(evidence.rows)}{' or more' if evidence.more else ''}"
    if len(evidence.rows) > _ROWS_SHOWN or evidence.more:
        lines.append(f"... {total} rows in all; the record keeps them")
    return tuple(lines)
