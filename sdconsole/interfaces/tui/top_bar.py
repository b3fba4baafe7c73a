"""The line at the top that is always there: the target, PRODUCTION in words, what is going on, run, time."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from sdconsole.interfaces.safe_text import safe_text
from sdconsole.interfaces.tui import figures
from sdconsole.interfaces.tui.look import Look

PRODUCTION = " PRODUCTION "
READ_ONLY = " READ ONLY "


@dataclass(frozen=True, slots=True, kw_only=True)
class TopBar:
    """The parts are dropped from the least to the most important when the line is too short; PRODUCTION never."""

    look: Look
    target: str
    live_schema: str
    production: bool
    read_only: bool = False
    activity: str = ""
    activity_style: str = ""
    run_id: str = ""
    elapsed_seconds: float | None = None
    remaining_seconds: float | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for dropped in range(4):
            line = self._line(options.max_width, dropped)
            if line is not None:
                yield line
                return
        yield self._left(3)

    def _line(self, width: int, dropped: int) -> Text | None:
        left, right = self._left(dropped), self._right(dropped)
        gap = width - left.cell_len - right.cell_len
        if gap < 1:
            return None
        return left.append(" " * gap).append_text(right)

    def _left(self, dropped: int) -> Text:
        text = Text(no_wrap=True, overflow="ellipsis")
        if self.production:
            text.append(PRODUCTION, style=f"bold reverse {self.look.bad}")
        if self.read_only:
            text.append(READ_ONLY, style=f"bold reverse {self.look.dim}")
        text.append(f" {safe_text(self.target, limit=30)}", style="bold")
        if dropped < 2 and self.live_schema and self.live_schema != self.target:
            text.append(f" {safe_text(self.live_schema, limit=40)}")
        if self.activity:
            text.append(f"  {self.activity}", style=self.activity_style)
        return text

    def _right(self, dropped: int) -> Text:
        text = Text(no_wrap=True)
        if self.run_id and dropped < 1:
            text.append(f"{safe_text(self.run_id, limit=40)}  ", style=self.look.dim)
        if self.elapsed_seconds is not None:
            text.append(figures.clock(self.elapsed_seconds), style="bold")
        if self.remaining_seconds and dropped < 3:
            text.append(f"  about {figures.clock(self.remaining_seconds)} left", style=self.look.accent)
        return text.append(" ")
