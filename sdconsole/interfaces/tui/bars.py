"""Bars, sparklines and large digits that fill the width they are given, in Unicode or in ASCII."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

_LEVELS = ("▁▂▃▄▅▆▇█", "_.-=+*#@")
_MAX_BAR = 60


@dataclass(frozen=True, slots=True)
class Bar:
    """`share` from 0 to 1; None draws an empty track, for work whose total is not known yet."""

    share: float | None
    style: str
    track_style: str
    ascii: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.text(min(options.max_width, _MAX_BAR))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(4, min(options.max_width, _MAX_BAR))

    def text(self, width: int) -> Text:
        halves = round((self.share or 0.0) * width * 2)
        if halves == width * 2 and (self.share or 0.0) < 1.0:
            halves -= 1
        full, half = divmod(halves, 2)
        if self.ascii:
            return Text.assemble(("#" * full, self.style), ("." * (width - full), self.track_style), no_wrap=True)
        return Text.assemble(
            ("━" * full + "╸" * half, self.style), ("─" * (width - full - half), self.track_style), no_wrap=True
        )


@dataclass(frozen=True, slots=True)
class Spark:
    """The newest values on the right, scaled from `base` to the greatest of them."""

    values: Sequence[float]
    style: str
    ascii: bool = False
    base: float = 0.0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.text(min(options.max_width, _MAX_BAR))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(8, min(options.max_width, _MAX_BAR))

    def text(self, width: int) -> Text:
        shown = list(self.values)[-width:]
        levels = _LEVELS[self.ascii]
        room = (max(shown, default=0.0) - self.base) or 1.0
        drawn = "".join(levels[min(7, max(0, round((value - self.base) / room * 7)))] for value in shown)
        return Text(drawn, style=self.style, no_wrap=True)
