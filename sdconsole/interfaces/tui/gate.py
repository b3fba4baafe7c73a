"""Answers the run's questions through the console: the engine's thread waits, the screen shows a dialog."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue

from sdconsole.core.events import Waiting
from sdconsole.core.gates import Answer
from sdconsole.core.stage import Cancellation

VIA = "console"


class ConsoleGate:
    """One run's gate. `present` is called on the engine's thread and must only pass the question on;
    `withdrawn` likewise when somebody else has answered it.

    A question that is not answered stays held: when the run is cancelled, and when the console goes away.
    """

    def __init__(
        self,
        operator: str,
        cancellation: Cancellation,
        present: Callable[[Waiting], object],
        withdrawn: Callable[[], object] = lambda: None,
    ) -> None:
        self._operator = operator
        self._cancellation = cancellation
        self._present = present
        self._withdrawn = withdrawn
        self._answers: SimpleQueue[Answer] | None = None

    @property
    def asking(self) -> bool:
        return self._answers is not None

    def ask(self, question: Waiting) -> Answer:
        """Blocks the engine's thread until the screen answers. Raises Interrupted when the run is cancelled already."""
        answers: SimpleQueue[Answer] = SimpleQueue()
        self._answers = answers
        try:
            with self._cancellation.interrupting(self.hold):
                self._present(question)
                return answers.get()
        finally:
            self._answers = None

    def confirm(self, typed: str) -> None:
        """Answer the open question with yes; `typed` is what the operator typed."""
        self._answer(Answer(True, self._operator, VIA, typed))

    def hold(self) -> None:
        """Leave the open question open; the run ends held."""
        self._answer(Answer(False, self._operator, VIA, held=True))

    def withdraw(self) -> None:
        """The open question was answered elsewhere: close it here."""
        if self._answers is not None:
            self._withdrawn()
            self.hold()

    def _answer(self, answer: Answer) -> None:
        answers = self._answers
        if answers is not None:
            answers.put(answer)
