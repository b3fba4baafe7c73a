"""The log of the run: what happened, when, in which stage."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.widgets import RichLog

from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui import figures
from sdconsole.interfaces.tui.feed import Entry
from sdconsole.interfaces.tui.look import Look

MAX_LINES = 5_000


def log_line(entry: Entry, look: Look, *, limit: int = 4_000) -> Text:
    """Time, stage and text; the colour says how serious it is."""
    styles = {"good": look.ok, "warning": look.warn, "error": look.bad, "debug": look.dim}
    return Text.assemble(
        (f"{figures.time_of_day(entry.at)} ", look.dim),
        safe(f"{entry.origin:<9} ", style=look.dim, limit=40),
        safe(entry.text, style=styles.get(entry.level, ""), limit=limit, multiline=True),
    )


class LogTab(RichLog):
    """Lines are only appended; the oldest fall out."""

    def __init__(self) -> None:
        super().__init__(id="log", markup=False, highlight=False, wrap=True, min_width=20, max_lines=MAX_LINES)

    def add(self, entries: Iterable[Entry], look: Look) -> None:
        for entry in entries:
            self.write(log_line(entry, look))
