"""The log of the run: what happened, when, in which stage; filtered, marked, copied."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Self

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Region
from textual.widgets import Input, RichLog

from sdconsole.interfaces.safe_text import safe, safe_text
from sdconsole.interfaces.tui import figures
from sdconsole.interfaces.tui.feed import Entry
from sdconsole.interfaces.tui.look import Look

MAX_LINES = 5_000


def log_line(entry: Entry, look: Look, *, limit: int = 4_000) -> Text:
    """Time, stage and text; the colour says how serious it is."""
    styles = {
        "good": look.ok,
        "warning": look.warn,
        "error": look.bad,
        "debug": look.dim,
        "mark": f"bold {look.accent}",
    }
    return Text.assemble(
        (f"{figures.time_of_day(entry.at)} ", look.dim),
        safe(f"{entry.origin:<9} ", style=look.dim, limit=40),
        safe(entry.text, style=styles.get(entry.level, ""), limit=limit, multiline=True),
    )


class Lines(RichLog):
    """Its place does not depend on its lines: once it can be scrolled, a new one moves nothing else on the screen."""

    _writing = False

    def write(self, *arguments: Any, **options: Any) -> Self:
        self._writing = True
        try:
            return super().write(*arguments, **options)
        finally:
            self._writing = False

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        layout = layout and not (self._writing and self.show_vertical_scrollbar)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class LogTab(Vertical):
    """Lines are only appended; the oldest fall out. The filter compares without case, as plain text."""

    def __init__(self) -> None:
        super().__init__(id="log-tab")
        self._entries: deque[Entry] = deque(maxlen=MAX_LINES)
        self._look: Look | None = None
        self._wanted = ""

    def compose(self) -> ComposeResult:
        yield Lines(id="log", markup=False, highlight=False, wrap=True, min_width=20, max_lines=MAX_LINES)
        yield Input(id="log-filter", placeholder="show lines that hold ...", compact=True)

    def on_mount(self) -> None:
        self.query_one("#log-filter").display = False

    def add(self, entries: Iterable[Entry], look: Look) -> None:
        self._look = look
        log = self.query_one(RichLog)
        for entry in entries:
            self._entries.append(entry)
            if self._matches(entry):
                log.write(log_line(entry, look))

    def mark(self) -> None:
        """A line of this screen's own, to find a moment again."""
        if self._look is not None:
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            self.add([Entry(at, "mark", "mark", "-" * 20)], self._look)

    def ask_filter(self) -> None:
        field = self.query_one("#log-filter", Input)
        field.display = True
        field.focus()

    @property
    def text(self) -> str:
        """The lines that are shown, oldest first, safe for a terminal and a file."""
        lines = [
            f"{entry.at} {safe_text(entry.origin, limit=40):<9} {safe_text(entry.text, multiline=True)}"
            for entry in self._entries
            if self._matches(entry)
        ]
        return "\n".join(lines)

    def _matches(self, entry: Entry) -> bool:
        return self._wanted in f"{entry.origin} {entry.text}".lower()

    @on(Input.Changed, "#log-filter")
    def _filter(self, event: Input.Changed) -> None:
        self._wanted = event.value.lower()
        log = self.query_one(RichLog)
        log.clear()
        if self._look is not None:
            for entry in self._entries:
                if self._matches(entry):
                    log.write(log_line(entry, self._look))

    @on(Input.Submitted, "#log-filter")
    def _keep(self) -> None:
        self.query_one(RichLog).focus()

    def on_key(self, event: events.Key) -> None:
        field = self.query_one("#log-filter", Input)
        if event.key == "escape" and field.display:
            event.stop()
            field.value = ""
            field.display = False
            self.query_one(RichLog).focus()
