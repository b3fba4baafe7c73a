"""Who answers a walk's questions and what carries its parts out: the seams of the walker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from sdconsole.core.bus import View
from sdconsole.core.engine import Before
from sdconsole.core.events import Waiting
from sdconsole.core.gates import Answer, FlagGate, Gate
from sdconsole.core.projection import RunState
from sdconsole.runbook.checks import Evidence
from sdconsole.runbook.events import RunEnded
from sdconsole.runbook.model import Check
from sdconsole.runbook.planner import Stretch


@dataclass(frozen=True, slots=True)
class Question:
    """What the runbook itself asks. `expected` is the text to type; "" = a plain yes. "check" asks whether a check
    that did not pass shall be run again."""

    kind: Literal["attest", "confirm", "check"]
    step: int
    title: str
    prompt: str
    expected: str = ""
    details: tuple[str, ...] = ()


class WalkGate(Gate, Protocol):
    """Who answers: the engine's questions through `ask`, the runbook's own through `decide`."""

    def decide(self, question: Question) -> Answer:
        """Blocks until somebody answers."""
        ...


@dataclass(frozen=True, slots=True)
class FlagWalkGate:
    """Answers from `--yes` and `--confirm NAME`. A check that did not pass is never waved through."""

    by: str
    yes: bool = False
    confirm: str | None = None

    def ask(self, question: Waiting) -> Answer:
        return FlagGate(self.by, yes=self.yes, confirm=self.confirm).ask(question)

    def decide(self, question: Question) -> Answer:
        if question.kind == "check":
            return Answer(False, self.by, "no input")
        if question.expected and question.expected == self.confirm:
            return Answer(True, self.by, "--confirm", typed=self.confirm)
        return Answer(self.yes, self.by, "--yes", held=not self.yes)


class Runner(Protocol):
    """What carries out the parts of a walk."""

    def check(self, check: Check, timeout_seconds: float | None) -> Evidence: ...

    def run(self, stretch: Stretch, gate: Gate, before: Before, view: View) -> RunState:
        """Starts or carries on the run of this stretch and returns its last state.

        `before` is called ahead of each stage; the text that it returns is why the run must wait there.
        """
        ...

    def ended(self, end: RunEnded) -> None:
        """Called once with what a finished run came to; tells whoever else has to know."""
        ...
