"""Earlier runs: how duration, score and rows went, and what is different between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.widgets import DataTable, Static

from sdconsole.core.model import RunKind
from sdconsole.errors import Verdict
from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui import figures
from sdconsole.interfaces.tui.action_bar import ActionBar
from sdconsole.interfaces.tui.bars import Spark
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.side_screen import SideScreen
from sdconsole.interfaces.tui.situation import Place
from sdconsole.report.compare import Difference
from sdconsole.service.history import PastRun

_COLUMNS = ("", "when", "verdict", "took", "score", "rows", "run", "kind")
_COLUMNS_FROM_WIDTH = {0: 4, 56: 6, 80: 7, 100: 8}
"""How many of the columns a screen of this width or more has."""
SPARK_CELLS = 24
SHOWN = 400


class HistoryScreen(SideScreen):
    """The marked run is compared with the chosen one; without a mark the run before the chosen one is taken."""

    place: ClassVar[Place] = "diff"
    heading = " Earlier runs"

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._runs: tuple[PastRun, ...] = ()
        self._marked = ""

    def compose_table(self) -> ComposeResult:
        yield Static(id="trends")
        yield DataTable[Text](id="past", cursor_type="row")

    @property
    def command(self) -> str:
        pair = self.pair
        return f"sdconsole runs diff {pair[0]} {pair[1]}" if pair is not None else "sdconsole runs list"

    @property
    def pair(self) -> tuple[str, str] | None:
        """The two runs to compare, the older one first; None when there are no two."""
        row = self.query_one(DataTable).cursor_row
        if not 0 <= row < len(self._runs):
            return None
        chosen = self._runs[row].summary
        other = self._marked or self._before(row)
        return None if other in ("", chosen.run_id) else (min(other, chosen.run_id), max(other, chosen.run_id))

    def show(self, found: Sequence[PastRun]) -> None:
        self._runs = tuple(found)
        self._draw()
        self.say(self._hint())

    def mark(self) -> None:
        """Mark the chosen run, or take its mark away."""
        row = self.query_one(DataTable).cursor_row
        if 0 <= row < len(self._runs):
            run_id = self._runs[row].summary.run_id
            self._marked = "" if self._marked == run_id else run_id
            self._draw()
            self.say(self._hint())

    def show_differences(self, pair: tuple[str, str], found: Sequence[Difference]) -> None:
        if not found:
            self.say(Text(f"{pair[0]} and {pair[1]}: no difference", style=self.look.dim))
            return
        narrow = self.size.width < 80
        table = Table.grid(padding=(0, 2))
        dim = self.look.dim
        header = ("about", "what", "before", "after", "change") if not narrow else ("what", "before", "after")
        table.add_row(*(Text(word, style=dim) for word in header))
        for one in found[:SHOWN]:
            before, after, change = (safe(word, limit=60) for word in one.words)
            name = safe(one.name, limit=60)
            before.justify = after.justify = change.justify = "right" if one.change is not None else "left"
            change.stylize(self.look.accent)
            cells = (name, before, after) if narrow else (Text(one.about, style=dim), name, before, after, change)
            table.add_row(*cells)
        more = [Text(f"{len(found) - SHOWN:,} more: {self.command}", style=dim)] if len(found) > SHOWN else []
        ids = safe(f"before: {pair[0]}   after: {pair[1]}", style=dim, limit=120)
        self.say(Group(ids, table, *more))

    def on_resize(self) -> None:
        if self.ready:
            self._draw()

    @on(DataTable.RowSelected, "#past")
    def _compare(self) -> None:
        self.post_message(ActionBar.Chosen("compare-runs"))

    def _before(self, row: int) -> str:
        """The next older run of the same kind."""
        kind = self._runs[row].summary.kind
        return next((run.summary.run_id for run in self._runs[row + 1 :] if run.summary.kind is kind), "")

    def _hint(self) -> Text:
        words = "no runs yet" if not self._runs else "enter compares the chosen run with the one before it"
        if self._marked:
            words = f"enter compares the chosen run with {self._marked}"
        return Text(words, style=self.look.dim)

    def _draw(self) -> None:
        count = max(columns for width, columns in _COLUMNS_FROM_WIDTH.items() if self.size.width >= width)
        self.fill(_COLUMNS[:count], [self._cells(run)[:count] for run in self._runs])
        trends = self.query_one("#trends", Static)
        lines = list(self._trends()) if self.size.height >= 16 else []
        trends.display = bool(lines)
        trends.update(Group(*lines))

    def _trends(self) -> Iterator[RenderableType]:
        """Of the deployments that went well, the newest on the right."""
        good = [
            run
            for run in reversed(self._runs)
            if run.summary.verdict is Verdict.OK and run.summary.kind is RunKind.DEPLOY
        ]
        series = (
            ("took", [run.summary.duration_seconds for run in good], figures.duration),
            ("score", [run.summary.score for run in good if run.summary.score is not None], lambda one: f"{one:.2f}"),
            ("rows", [float(run.rows) for run in good if run.rows is not None], lambda one: f"{one:,.0f}"),
        )
        for name, values, words in series:
            if len(values) > 1:
                low, high = min(values), max(values)
                base = low - (high - low) / 6 if high > low else 0.0
                line = Text(f"  {name:<6}", style=self.look.dim)
                line.append_text(Spark(values, self.look.accent, self.look.ascii, base).text(SPARK_CELLS))
                line.append(f"  {words(values[-1])}")
                line.append(f"   {words(low)} to {words(high)}", style=self.look.dim)
                yield line

    def _cells(self, run: PastRun) -> list[Text]:
        summary, look = run.summary, self.look
        verdict = "running" if summary.alive else summary.verdict or "cut off"
        style = look.ok if verdict is Verdict.OK else look.accent if summary.alive else look.warn
        mark = "*" if summary.run_id == self._marked else ""
        return [
            Text(mark, style=f"bold {look.accent}"),
            Text(figures.day_and_time(summary.started_at), style=look.dim),
            Text(verdict, style=style),
            Text(figures.duration(summary.duration_seconds), justify="right"),
            Text("" if summary.score is None else f"{summary.score:.2f}", justify="right"),
            Text("" if run.rows is None else f"{run.rows:,}", justify="right"),
            safe(summary.run_id, style=look.dim, limit=40),
            safe(summary.mode if summary.kind is RunKind.DEPLOY else summary.kind, style=look.dim, limit=20),
        ]
