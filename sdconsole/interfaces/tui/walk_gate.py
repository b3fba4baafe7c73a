"""Answers a walk's questions through the console: the walk's thread waits, the screen shows what is asked."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue

from sdconsole.core.events import Waiting
from sdconsole.core.gates import Answer
from sdconsole.core.stage import Cancellation
from sdconsole.interfaces.tui.service_library import VIA
from sdconsole.runbook.asking import Question

WalkQuestion = Waiting | Question
"""What the engine asks, or what the runbook asks."""


class ConsoleWalkGate:
    """One walk's gate. `changed` is called on the walk's thread whenever a question opens or closes.

    A question that is not answered is left for later: when the walk is cancelled, and when the console goes away.
    """

    def __init__(self, operator: str, cancellation: Cancellation, changed: Callable[[], object]) -> None:
        self._operator = operator
        self._cancellation = cancellation
        self._changed = changed
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self.asked: WalkQuestion | None = None

    def ask(self, question: Waiting) -> Answer:
        return self._wait(question)

    def decide(self, question: Question) -> Answer:
        return self._wait(question)

    def answer(self, question: WalkQuestion, *, accepted: bool, typed: str = "") -> None:
        """Answer this question; when it is not the open one (any more), nothing happens."""
        if question is self.asked:
            self._put(Answer(accepted, self._operator, VIA, typed))

    def leave(self) -> None:
        """Leave the open question for later: the walk ends here and goes on at this step."""
        self._put(Answer(False, self._operator, VIA, held=True))

    def withdraw(self) -> None:
        """The engine's open question was answered elsewhere."""
        if isinstance(self.asked, Waiting):
            self.leave()

    def _wait(self, question: WalkQuestion) -> Answer:
        self._answers = SimpleQueue()
        self.asked = question
        self._changed()
        try:
            with self._cancellation.interrupting(self.leave):
                return self._answers.get()
        finally:
            self.asked = None
            self._changed()

    def _put(self, answer: Answer) -> None:
        if self.asked is not None:
            self._answers.put(answer)
