"""Execute a prepared run for a command: signals, questions, progress, and the result at the end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import TypeVar

from sdconsole.core.events import LostPoints, Waiting
from sdconsole.core.gates import Answer, FlagGate, Gate
from sdconsole.core.model import StageName
from sdconsole.core.projection import RunState
from sdconsole.core.stage import Cancellation
from sdconsole.core.summary import summary_document
from sdconsole.errors import ConfirmationRefused, Verdict
from sdconsole.interfaces.cli.next_steps import after_run
from sdconsole.interfaces.cli.options import Output, RunOptions
from sdconsole.interfaces.cli.output import error_lines, write_json, write_message, write_next, write_result
from sdconsole.interfaces.cli.progress import chosen, duration_text, json_lines, progress_view
from sdconsole.interfaces.exit_codes import exit_code
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.service import PreparedRun

Result = TypeVar("Result")
_LOSSES_SHOWN = 5
VERDICT_BY_SIGNAL = {signal.SIGINT: Verdict.INTERRUPTED, signal.SIGTERM: Verdict.TERMINATED}


TRIES = 3
"""How often a name may be typed before the run ends without its confirmation."""


@dataclass(frozen=True, slots=True)
class PromptGate:
    """Asks at the terminal. An empty line or end of input leaves the question open; a mistyped name is asked again."""

    by: str
    cancellation: Cancellation
    _withdrawn: threading.Event = field(default_factory=threading.Event)

    def withdraw(self) -> None:
        """The question was answered elsewhere."""
        self._withdrawn.set()

    def ask(self, question: Waiting) -> Answer:
        write_message("")
        write_message(safe_text(question.prompt))
        for detail in question.details:
            write_message(f"  {safe_text(detail)}")
        if question.undo:
            write_message(f"  undo: {safe_text(question.undo)}")
        if not question.expected:
            typed = self.line("continue? [y/N] ")
            return self._held if typed is None else self._answer(typed.lower() in {"y", "yes"}, "")
        typed = None
        for left in reversed(range(TRIES)):
            typed = self.line(f"type {question.expected} to continue, or press Enter to leave it for later: ")
            if not typed:
                return self._held
            if typed == question.expected:
                break
            if left:
                tries = "1 more try" if left == 1 else f"{left} more tries"
                write_message(f"{safe_text(typed, limit=80)!r} is not {question.expected}; {tries}")
        return self._answer(typed == question.expected, typed or "")

    def _answer(self, accepted: bool, typed: str) -> Answer:
        return Answer(accepted, self.by, "prompt", typed)

    @property
    def _held(self) -> Answer:
        return Answer(False, self.by, "prompt", held=True)

    def line(self, prompt: str) -> str | None:
        """A typed line, None at end of input, or when the run was asked to stop or answered elsewhere meanwhile."""
        self._withdrawn.clear()
        sys.stderr.write(prompt)
        sys.stderr.flush()
        answers: list[str] = []
        reader = threading.Thread(target=lambda: answers.append(sys.stdin.readline()), daemon=True)
        reader.start()
        while reader.is_alive() and not self.cancellation.requested and not self._withdrawn.is_set():
            reader.join(0.1)
        if self._withdrawn.is_set():
            write_message("\nanswered elsewhere")
        line = answers[0] if answers else ""
        return line.strip() if line else None


def require_confirmation(options: RunOptions, *, changes_live: bool, expected: str) -> None:
    """Refuse before any work what could only fail at its question.

    Raises ConfirmationRefused ("confirmation-missing", "confirmation-wrong").
    """
    if not changes_live:
        return
    if options.confirm is not None and expected and options.confirm != expected:
        raise ConfirmationRefused(
            "confirmation-wrong",
            f"--confirm {safe_text(options.confirm)!r} is not the name of the live schema",
            cause=f"this run would change {expected!r}",
            next_step=f"--confirm {expected}, if that is what you mean",
        )
    answered = options.confirm is not None if expected else options.yes
    if not answered and not options.can_ask:
        flag = f"--confirm {expected}" if expected else "--yes"
        raise ConfirmationRefused(
            "confirmation-missing",
            "this run changes what readers see, and nobody can be asked",
            cause="input is off (--no-input or no terminal) and the answer was not given beforehand",
            next_step=f"add {flag}; a deployment can also stop before the switch: --until validate",
        )


def gate_of(options: RunOptions, operator: str, expected: str, cancellation: Cancellation) -> Gate:
    """Who answers: the flags where they do, else the terminal where somebody can be asked."""
    answered = options.confirm is not None if expected else options.yes
    if not answered and options.can_ask:
        return PromptGate(operator, cancellation)
    return FlagGate(operator, yes=options.yes, confirm=options.confirm)


def execute(prepared: PreparedRun, options: RunOptions) -> int:
    """Run to the end and tell the result; returns the exit code."""
    deployment = prepared.deployment
    gate = gate_of(options, deployment.operator, deployment.expected_name, prepared.cancellation)
    received: list[signal.Signals] = []
    mode = chosen(options.progress, stderr_is_terminal=sys.stderr.isatty())
    stream = (json_lines,) if options.output is Output.JSONL else ()
    with progress_view(mode) as views, signals(prepared.cancellation, received):
        state = in_thread(lambda: prepared.execute(gate, (*views, *stream)))
    return tell(state, options, folder=prepared.folder, received=received)


def in_thread(work: Callable[[], Result]) -> Result:
    """The work in a thread of its own, so that this one is free to receive signals at once."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
            raise

    thread = threading.Thread(target=run, name="engine")
    previous = threading.excepthook
    threading.excepthook = lambda _: None  # the error is raised again below, in the thread that can tell it
    try:
        thread.start()
        while thread.is_alive():
            thread.join(0.1)
    finally:
        threading.excepthook = previous
    if errors:
        raise errors[0]
    return results[0]


@contextmanager
def signals(cancellation: Cancellation, received: list[signal.Signals]) -> Iterator[None]:
    """SIGINT and SIGTERM stop the run cleanly; a second one ends the process at once."""

    def stop(number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number)
        if received:
            os._exit(128 + number)
        received.append(name)
        write_message("stopping; once more ends it at once")
        threading.Thread(target=cancellation.cancel, args=(name.name,), daemon=True).start()

    previous = {number: signal.signal(number, stop) for number in VERDICT_BY_SIGNAL}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def tell(state: RunState, options: RunOptions, *, folder: Path, received: Sequence[signal.Signals] = ()) -> int:
    """Print how a run ended; returns its exit code. `received` are the signals that stopped it."""
    verdict = state.verdict or Verdict.FAILED
    if verdict is Verdict.INTERRUPTED and received:
        verdict = VERDICT_BY_SIGNAL[received[0]]
    code = exit_code(verdict)
    if options.output is Output.JSON:
        write_json(summary_document(state) | {"verdict": verdict, "exit_code": int(code)})
    elif options.output is Output.TEXT:
        for line in _summary_lines(state, verdict):
            write_result(line)
    error = state.finished.error if state.finished else None
    if error is not None:
        next_step = error.next_step or f"sdconsole resume {state.run_id}"
        log = str(folder / "events.jsonl")
        for line in error_lines(replace(error, next_step=next_step), run=state.run_id, log=log):
            write_message(line)
    elif verdict is Verdict.HELD:
        write_message("held: nobody has confirmed yet")
        write_next(f"sdconsole approve {state.run_id}")
    elif options.output is Output.TEXT:
        write_next(after_run(state))
    return code


def _summary_lines(state: RunState, verdict: Verdict) -> Iterator[str]:
    document = summary_document(state)
    yield f"run      {state.run_id}  {verdict}  {duration_text(state.elapsed_seconds)}"
    rows = document["rows"]
    if rows:
        loaded = f"{rows['loaded']:,} loaded, " if rows["loaded"] is not None else ""
        yield f"rows     {rows['in']:,} read, {loaded}{rows['quarantined']:,} quarantined"
    after, before = state.scores.get("after"), state.scores.get("before")
    if after:
        yield f"score    {after.total:.2f} {after.grade}" + (f" (before cleaning {before.total:.2f})" if before else "")
        lost = sorted((loss for loss in after.losses if loss.lost), key=lambda loss: -loss.lost)
        yield from (f"         {_loss_line(loss)}" for loss in lost[:_LOSSES_SHOWN])
        if len(lost) > _LOSSES_SHOWN:
            rest = sum(loss.lost for loss in lost[_LOSSES_SHOWN:])
            yield f"         -{rest:.2f}  {len(lost) - _LOSSES_SHOWN} smaller ones: score.json in the run's folder"
    if document["version"]:
        place = "live" if document["live_changed"] else "ready, not live"
        yield f"version  {document['version']} ({place})"
    if state.stage(StageName.PREFLIGHT) and len(state.stages) == 1:
        yield from _check_lines(state)


def _loss_line(loss: LostPoints) -> str:
    share = f"{loss.failed:,} of {loss.evaluated:,}"
    return f"-{loss.lost:.2f}  {loss.rule}: {safe_text(loss.title)} ({share} failed)"


def _check_lines(state: RunState) -> Iterator[str]:
    for stage in state.stages:
        for check in stage.checks:
            yield f"{check.status:<5} {check.check}: {safe_text(check.detail)}"
