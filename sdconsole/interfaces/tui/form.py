"""Where a new deployment starts: the path of the export, the mode, the button."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, OptionList, Select, Static
from textual.widgets.option_list import Option

from sdconsole.core.model import Mode
from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui.action_bar import ActionBar
from sdconsole.interfaces.tui.path_suggester import PathSuggester

SHOWN_SOURCES = 5
MODES = {
    Mode.COMPLETE: "complete: all ten stages, asks before the cutover",
    Mode.CANARY: "canary: all ten stages, asks before the cutover",
    Mode.BLUE_GREEN: "blue-green: everything but the cutover",
    Mode.SIMPLE: "simple: no canary, asks before it starts",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the form says now; `source` is as it was typed."""

    source: str
    mode: Mode


class DeployForm(Vertical):
    """Posts the action `start` when enter is pressed in the path or the button is pressed."""

    def __init__(self, mode: Mode) -> None:
        super().__init__(id="new")
        self.border_title = "New deployment"
        self._mode = mode
        self._sources: list[str] = []

    def compose(self) -> ComposeResult:
        yield Input(placeholder="path of the SQLite export", id="source", suggester=PathSuggester(), compact=True)
        yield OptionList(id="sources", compact=True)
        with Horizontal(id="how"):
            choices = [(label, mode) for mode, label in MODES.items()]
            yield Select(choices, value=self._mode, allow_blank=False, id="mode", compact=True)
            yield Button("Start", id="start", variant="primary", compact=True)
        yield Static(id="live")
        yield Static(id="refused")

    def on_mount(self) -> None:
        self.query_one("#sources").display = False
        self.query_one("#refused").display = False

    @property
    def chosen(self) -> Chosen:
        mode = self.query_one("#mode", Select).value
        return Chosen(self.query_one("#source", Input).value.strip(), Mode(str(mode)))

    def show_sources(self, sources: Sequence[str]) -> None:
        """Offer sources of earlier runs, each once."""
        self._sources = list(dict.fromkeys(sources))[:SHOWN_SOURCES]
        offered = self.query_one("#sources", OptionList)
        offered.clear_options()
        offered.add_options([Option(safe(source, limit=300)) for source in self._sources])
        offered.highlighted = 0 if self._sources else None
        offered.display = bool(self._sources)

    @on(OptionList.OptionSelected, "#sources")
    def _take_source(self, event: OptionList.OptionSelected) -> None:
        source = self.query_one("#source", Input)
        source.value = self._sources[event.option_index]
        source.focus()

    @on(Input.Submitted, "#source")
    @on(Button.Pressed, "#start")
    def _start(self) -> None:
        self.post_message(ActionBar.Chosen("start"))
