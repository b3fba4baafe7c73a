"""An application with this console's colours, and with the last filters between its widgets and the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import App
from textual.filter import LineFilter

from sdconsole.interfaces.terminal import Terminal
from sdconsole.interfaces.tui.lasting_driver import lasting_driver
from sdconsole.interfaces.tui.line_filters import AsciiFilter, HarmlessFilter
from sdconsole.interfaces.tui.look import DARK, LIGHT, Look, look_of
from sdconsole.interfaces.tui.run_screen import LOW_LINES

WIDTHS = [(0, "-narrow"), (100, "-wide")]
"""From 100 columns on stages and tabs stand side by side."""
HEIGHTS = [(0, "-low"), (LOW_LINES, "-high")]


class StyledApp(App[None]):
    """NO_COLOR is Textual's own affair; ASCII is decided by the terminal that was looked at beforehand."""

    TITLE = "sdconsole"
    CSS_PATH = "console.tcss"
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(driver_class=lasting_driver())
        self.animation_level = "none"  # every step of one is a screenful over a slow line
        self._ascii_only = not terminal.unicode
        self._harmless = HarmlessFilter()
        self._ascii = AsciiFilter(enabled=self._ascii_only)
        self.set_class(self._ascii_only, "-ascii-only")
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = [self._harmless, *super().get_line_filters(), self._ascii]
        return [candidate for candidate in filters if candidate.enabled]

    @property
    def look(self) -> Look:
        return look_of(self.current_theme, ascii_only=self._ascii_only)
