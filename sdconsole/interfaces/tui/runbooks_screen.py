"""The runbooks to walk through, the unfinished walks first, and what the chosen one is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable

from sdconsole.errors import Verdict
from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui import figures
from sdconsole.interfaces.tui.action_bar import ActionBar
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.side_screen import SideScreen
from sdconsole.interfaces.tui.situation import Place
from sdconsole.runbook.model import Runbook
from sdconsole.service.walking import WalkSummary

HEADER = ("runbook", "state", "steps", "what")
_NARROW = 60


@dataclass(frozen=True, slots=True)
class Choice:
    """A runbook to begin, or a walk on record to take up."""

    runbook: Runbook | None
    walk: WalkSummary | None = None

    @property
    def name(self) -> str:
        return self.walk.runbook if self.walk is not None else self.runbook.id if self.runbook is not None else ""


class RunbooksScreen(SideScreen):
    place: ClassVar[Place] = "runbooks"
    heading = " Runbooks"

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._choices: tuple[Choice, ...] = ()

    def compose_table(self) -> ComposeResult:
        yield DataTable[Text](id="runbooks", cursor_type="row")

    @property
    def command(self) -> str:
        chosen = self.chosen
        if chosen is None:
            return "sdconsole runbook list"
        return f"sdconsole runbook run {chosen.walk.called if chosen.walk is not None else chosen.name}"

    def show(self, runbooks: Sequence[Runbook], walks: Sequence[WalkSummary]) -> None:
        by_id = {runbook.id: runbook for runbook in runbooks}
        left = [walk for walk in walks if walk.verdict is not Verdict.OK]
        self._choices = (
            *(Choice(by_id.get(walk.runbook), walk) for walk in left),
            *(Choice(runbook) for runbook in runbooks),
        )
        self._draw()
        self._tell()

    def _draw(self) -> None:
        """Only what tells runbooks apart where there is no room for more."""
        columns = 2 if self.size.width < _NARROW else len(HEADER)
        rows = [self._cells(choice)[:columns] for choice in self._choices]
        self.fill(HEADER[:columns], rows)

    def on_resize(self) -> None:
        if self.ready:
            self._draw()

    @property
    def chosen(self) -> Choice | None:
        row = self.query_one(DataTable).cursor_row
        return self._choices[row] if 0 <= row < len(self._choices) else None

    @on(DataTable.RowSelected, "#runbooks")
    def _begin(self) -> None:
        self.post_message(ActionBar.Chosen("walk-begin"))

    @on(DataTable.RowHighlighted, "#runbooks")
    def _tell(self) -> None:
        choice = self.chosen
        if choice is None:
            return
        look, lines = self.look, []
        if choice.walk is not None:
            began = figures.day_and_time(choice.walk.started_at)
            lines.append(safe(f"walk {choice.walk.walk_id}, begun {began}: s goes on where it was left", limit=200))
        runbook = choice.runbook
        if runbook is not None:
            lines.append(safe(_introduction(runbook), limit=800))
            for param in runbook.params if choice.walk is None else ():
                default = "has to be given" if param.default is None else f"{param.default} unless you say otherwise"
                lines.append(safe(f"  {param.name}: {param.help}; {default}", style=look.dim, limit=300))
        self.say(Group(*lines))

    def _cells(self, choice: Choice) -> list[Text]:
        walk, look = choice.walk, self.look
        if walk is None:
            steps, state = len(choice.runbook.steps) if choice.runbook is not None else 0, Text("")
        else:
            words = "being walked" if walk.alive else f"left at step {walk.step}" if walk.step else str(walk.verdict)
            steps, state = walk.steps, Text(words, style=look.accent if walk.alive else f"bold {look.warn}")
        title = choice.runbook.title if choice.runbook is not None else "a runbook of your own"
        return [safe(choice.name, limit=40), state, Text(f"{steps}", justify="right"), safe(title, limit=80)]


def _introduction(runbook: Runbook) -> str:
    """The prose below the title, as one paragraph."""
    found: list[str] = []
    for line in runbook.text.splitlines():
        if line.startswith(("```", "## ")):
            break
        if not line.startswith("# "):
            found.append(line.strip())
    return " ".join(" ".join(found).split())
