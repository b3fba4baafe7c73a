"""What other processes of the operator tell the one that executes a run: through its folder, as its owner only can.

The console, `approve`, `abort`, `pause` and `stop` leave wishes there; here they become answers to the run's question,
rests at its safe points, and its end. Knows no screen.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sdconsole.core.events import Waiting
from sdconsole.core.gates import Answer, Gate, Withdrawable
from sdconsole.core.stage import Cancellation, Wish
from sdconsole.core.wishes import RunWish, take_wishes

LOOK_SECONDS = 0.1


class Mailbox:
    """A gate that asks its own gate, unless an answer is left in the run's folder first."""

    def __init__(self, folder: Path, gate: Gate, cancellation: Cancellation) -> None:
        self._folder = folder
        self._gate = gate
        self._cancellation = cancellation
        self._lock = threading.Lock()
        self._asked: Waiting | None = None
        self._answers: dict[str, Answer] = {}
        """By question: left for one that is open, or will be in a moment."""
        self._closed = threading.Event()

    def ask(self, question: Waiting) -> Answer:
        with self._lock:
            left = self._answers.pop(question.question, None)
            self._asked = question if left is None else None
        if left is not None:
            return _judged(left, question)
        try:
            answer = self._gate.ask(question)
        finally:
            with self._lock:
                self._asked = None
                left = self._answers.pop(question.question, None)
        return answer if left is None else _judged(left, question)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Look into the folder while the block runs. What was left before is for an attempt that is over."""
        take_wishes(self._folder)
        looker = threading.Thread(target=self._look, name="mailbox", daemon=True)
        looker.start()
        try:
            yield
        finally:
            self._closed.set()
            looker.join()

    def _look(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            for wish in take_wishes(self._folder):
                self._take(wish)
            self._withdraw()

    def _take(self, wish: RunWish) -> None:
        match wish.kind:
            case "pause":
                self._cancellation.pause(Wish(wish.by, wish.via))
            case "unpause":
                self._cancellation.unpause(Wish(wish.by, wish.via))
            case "stop":
                self._cancellation.cancel(f"{wish.by} stopped it ({wish.via})")
            case "answer" | "hold":
                held = wish.kind == "hold"
                with self._lock:
                    self._answers[wish.question] = Answer(wish.accepted, wish.by, wish.via, wish.typed, held=held)

    def _withdraw(self) -> None:
        """Once more at each look: the gate may not have come as far as asking yet."""
        with self._lock:
            answered = self._asked is not None and self._asked.question in self._answers
        if answered and isinstance(self._gate, Withdrawable):
            self._gate.withdraw()


def _judged(answer: Answer, question: Waiting) -> Answer:
    """A yes counts when what had to be typed was typed."""
    accepted = answer.accepted and answer.typed == question.expected
    return replace(answer, accepted=accepted)
