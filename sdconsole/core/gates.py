"""Who answers the run's questions. The engine asks a `Gate`; a flag, a prompt, a modal or a test answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sdconsole.core.events import Waiting


@dataclass(frozen=True, slots=True)
class Answer:
    """`held` leaves the question open: the run stops here and can be approved later."""

    accepted: bool
    by: str
    via: str
    typed: str = ""
    held: bool = False


class Gate(Protocol):
    def ask(self, question: Waiting) -> Answer:
        """Blocks until somebody answers."""
        ...


@runtime_checkable
class Withdrawable(Protocol):
    """A gate that can be told, from another thread, that its open question was answered elsewhere."""

    def withdraw(self) -> None:
        """`ask` returns soon, and nobody looks at what it returns. Without an open question nothing happens."""
        ...


@dataclass(frozen=True, slots=True)
class FlagGate:
    """Answers from `--yes` and `--confirm NAME`; what the flags do not answer stays held."""

    by: str
    yes: bool = False
    confirm: str | None = None

    def ask(self, question: Waiting) -> Answer:
        if not question.expected:
            return Answer(self.yes, self.by, "--yes", held=not self.yes)
        if self.confirm is None:
            return Answer(False, self.by, "no --confirm", held=True)
        return Answer(self.confirm == question.expected, self.by, "--confirm", typed=self.confirm)
