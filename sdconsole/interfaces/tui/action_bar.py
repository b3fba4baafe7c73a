"""The footer: the actions of this place with their keys; what is not possible now is dimmed, not hidden."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from sdconsole.interfaces.tui.action import Action
from sdconsole.interfaces.tui.actions import available_here
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.situation import Situation

_LAST = ("back", "help", "quit")
_FIELD = " esc, then "
"""Stands before the keys while a field takes them as text."""


class ActionBar(Widget):
    """One line. Actions that do not fit are left to the palette and the help; help and quit always fit."""

    class Chosen(Message):
        def __init__(self, action_id: str) -> None:
            self.action_id = action_id
            super().__init__()

    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._situation: Situation | None = None
        self._look: Look | None = None
        self._ends: list[tuple[int, str]] = []

    def show(self, situation: Situation, look: Look) -> None:
        if (situation, look) != (self._situation, self._look):
            self._situation, self._look = situation, look
            self.refresh()

    def render(self) -> Text:
        text = Text(no_wrap=True, overflow="ellipsis")
        self._ends = []
        if self._situation is None or self._look is None:
            return text
        if isinstance(self.screen.focused, Input):
            text.append(_FIELD, style=self._look.warn)
        for candidate in self._fitting(available_here(self._situation), self._situation):
            possible = not candidate.reason(self._situation)
            text.append(f" {candidate.shown_key}", style=f"bold {self._look.accent}" if possible else self._look.faint)
            text.append(f" {candidate.label} ", style="" if possible else self._look.faint)
            self._ends.append((text.cell_len, candidate.id))
        return text

    def on_click(self, event: events.Click) -> None:
        for end, action_id in self._ends:
            if event.x < end:
                self.post_message(self.Chosen(action_id))
                return

    def _fitting(self, actions: tuple[Action, ...], now: Situation) -> list[Action]:
        """In the registry's order; when the line is short, the possible ones stay longer than the others."""
        shown = [candidate for candidate in actions if candidate.in_footer]
        droppable = [candidate for candidate in reversed(shown) if candidate.id not in _LAST]
        droppable.sort(key=lambda candidate: not candidate.reason(now))
        room = self.size.width - (len(_FIELD) if isinstance(self.screen.focused, Input) else 0)
        while droppable and sum(map(_width, shown)) > room:
            shown.remove(droppable.pop(0))
        return shown


def _width(candidate: Action) -> int:
    return len(candidate.shown_key) + len(candidate.label) + 3
