"""A screen beside the run: a line on top, something to read, the footer. It shows what it is given and asks nobody."""

from __future__ import annotations

from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Static

from sdconsole.interfaces.tui.action_bar import ActionBar
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.situation import Place
from sdconsole.interfaces.tui.top_bar import TopBar
from sdconsole.interfaces.tui.verdict_panel import ErrorPanel, error_report


class SideScreen(Screen[None]):
    """`place` names it in the registry of actions."""

    place: ClassVar[Place]
    heading: ClassVar[str]
    AUTO_FOCUS = "DataTable, #side"

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self._said: RenderableType = Text("looking", style=look.dim)
        self.ready = False
        """Its widgets are there."""

    def on_mount(self) -> None:
        self.ready = bool(self.query("#said"))  # a console that closes composes nothing any more
        self.say(self._said)

    @property
    def command(self) -> str:
        """The command line that does what this screen does."""
        return "sdconsole status"

    def compose(self) -> ComposeResult:
        yield Static(id="top")
        yield Static(Text(self.heading, style="bold"), id="heading")
        yield from self.compose_table()
        with VerticalScroll(id="side"):
            yield Static(self._said, id="said")
        yield ActionBar()

    def compose_table(self) -> ComposeResult:
        """A list above the text, where the screen has one."""
        yield from ()

    def draw_top(self, top: TopBar) -> None:
        if self.ready:
            self.query_one("#top", Static).update(top)

    def say(self, content: RenderableType) -> None:
        self._said = content
        if self.ready:
            self.query_one("#said", Static).update(content)

    def show_error(self, error: Exception) -> None:
        self.say(ErrorPanel(error_report(error), self.look))

    def fill(self, header: tuple[str, ...], rows: list[list[Text]]) -> None:
        """The list anew; the cursor stays on its row."""
        table = self.query_one(DataTable)
        row = max(0, table.cursor_row)
        table.clear(columns=True)
        for name in header:
            table.add_column(name)
        for cells in rows:
            table.add_row(*cells)
        table.move_cursor(row=min(row, max(0, len(rows) - 1)))
