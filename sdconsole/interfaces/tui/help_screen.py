"""The list of actions, from the registry: key, what it does, the command that does the same, why it is not possible."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from sdconsole.interfaces.tui.actions import available_here
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.situation import Situation

_MORE = (
    ("ctrl+p", "Palette", "Find an action by its name, change the colours"),
    ("tab", "Next", "Go to the next field, list or row of tabs"),
    ("esc", "Leave", "Leave a field, a list, a question; a held run stays held"),
)


class HelpScreen(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,f1", "dismiss", "Close")]

    def __init__(self, situation: Situation, look: Look) -> None:
        super().__init__()
        self._situation = situation
        self._look = look

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title = "Keys"
            box.border_subtitle = "esc closes"
            yield Static(self._table())

    def _table(self) -> Table:
        look = self._look
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=6, no_wrap=True)
        table.add_column(ratio=1)
        for candidate in available_here(self._situation):
            reason = candidate.reason(self._situation)
            words = Text.assemble((candidate.label, "bold"), f"  {candidate.help}")
            if candidate.command:
                words.append(f"\n{candidate.command}", style=look.dim)
            if reason:
                words.append(f"\nnot now: {reason}", style=look.warn)
            key_style = look.faint if reason else f"bold {look.accent}"
            table.add_row(Text(candidate.shown_key, style=key_style), words)
        for key, label, words_more in _MORE:
            table.add_row(Text(key, style=f"bold {look.accent}"), Text.assemble((label, "bold"), f"  {words_more}"))
        return table
