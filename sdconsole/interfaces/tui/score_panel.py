"""The quality score at a glance: digits with the gate, before and after cleaning, five dimensions, the rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.renderables.digits import Digits

from sdconsole.core.events import ScoreReported
from sdconsole.core.model import RunKind
from sdconsole.core.projection import RunState
from sdconsole.interfaces.safe_text import safe, safe_text
from sdconsole.interfaces.tui import figures
from sdconsole.interfaces.tui.bars import Bar, Spark
from sdconsole.interfaces.tui.look import Look

_SIDE_BY_SIDE = 66


@dataclass(frozen=True, slots=True)
class Overview:
    """`rates` are rows per second, oldest first, sampled at even intervals. `lines` is the height to fit into."""

    state: RunState
    rates: Sequence[float]
    look: Look
    lines: int = 40
    machine: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._score is None:
            yield Group(self._headline(), self._speed())
            return
        headline, dimensions, speed = self._headline(), self._dimensions(), self._speed()
        if options.max_width >= _SIDE_BY_SIDE and self.lines < 14:
            table = Table.grid(padding=(0, 3), expand=True)
            table.add_column(ratio=5)
            table.add_column(ratio=6)
            table.add_row(Group(headline, speed), dimensions)
            yield table
            return
        gap = Text() if self.lines >= 12 else None
        parts: list[RenderableType | None] = [gap, headline, gap, dimensions, gap, speed]
        yield Group(*(part for part in parts if part is not None))

    @property
    def _score(self) -> ScoreReported | None:
        return self.state.scores.get("after") or self.state.scores.get("before")

    def _headline(self) -> RenderableType:
        look, score = self.look, self._score
        if score is None:
            started = self.state.started
            rollback = started is not None and started.kind is RunKind.ROLLBACK
            return Text("a rollback has no score of its own" if rollback else "no score yet", style=look.dim)
        judged = score.phase == "after"
        passes = score.total >= score.minimum and not score.blockers
        style = look.accent if not judged else look.ok if passes else look.bad
        gate = ("passed" if passes else "not passed") if judged else "judged after cleaning"
        words = Text.assemble(
            (safe_text(score.grade, limit=20), f"bold {style}"), "\n", (f"gate {score.minimum:g} {gate}", style)
        )
        words.append("\n").append_text(self._change(score))
        for blocker in score.blockers[:3] if judged else ():
            words.append("\n").append_text(safe(f"blocked by {blocker}", style=look.bad, limit=80))
        if look.ascii or self.lines < 9:
            return Text.assemble((f"{score.total:.2f} ", f"bold {style}"), words)
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column()
        table.add_row(Digits(f"{score.total:.2f}", Style.parse(style)), words)
        return table

    def _change(self, score: ScoreReported) -> Text:
        before = self.state.scores.get("before")
        if score.phase == "before":
            return Text("before cleaning", style=self.look.dim)
        if before is None:
            return Text("after cleaning", style=self.look.dim)
        return Text(f"before cleaning {before.total:.2f}, {score.total - before.total:+.2f}", style=self.look.dim)

    def _dimensions(self) -> RenderableType:
        score = self._score
        if score is None:
            return Text()
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=13, no_wrap=True, overflow="ellipsis")
        table.add_column(ratio=1, min_width=8)
        table.add_column(justify="right", no_wrap=True)
        for dimension in score.dimensions:
            share = dimension.points / dimension.possible if dimension.possible else 0.0
            style = self.look.ok if share >= 0.9 else self.look.warn if share >= 0.7 else self.look.bad
            table.add_row(
                safe(dimension.name, limit=40),
                Bar(share, style, self.look.faint, self.look.ascii),
                Text(f"{dimension.points:.2f} of {dimension.possible:g}", style=self.look.dim),
            )
        return table

    def _speed(self) -> RenderableType:
        machine = Text(self.machine, style=self.look.dim)
        if not any(self.rates):
            return machine
        now, peak = self.rates[-1], max(self.rates)
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=13, no_wrap=True)
        table.add_column(ratio=1, min_width=8)
        table.add_column(justify="right", no_wrap=True)
        words = figures.rate(now, "rows") if now else f"peak {figures.rate(peak, 'rows')}"
        table.add_row(
            Text("rate"), Spark(self.rates, self.look.accent, self.look.ascii), Text(words, style=self.look.dim)
        )
        return Group(table, machine) if self.machine else table
