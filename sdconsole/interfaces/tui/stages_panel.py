"""The list of stages and, below it, the bars of what is being worked on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from sdconsole.core.events import Progress
from sdconsole.core.model import FINISHED, StageStatus
from sdconsole.core.projection import RunState, StageState
from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui import figures
from sdconsole.interfaces.tui.bars import Bar
from sdconsole.interfaces.tui.look import STAGE_WORDS, Look

_NOTE_WIDTH = 50
"""Narrower lists leave the notes out."""
_RATE_WIDTH = 58
_COUNT_WIDTH = 80
"""From these widths on a bar has its rate, and the full numbers instead of a percentage, beside it."""


@dataclass(frozen=True, slots=True)
class StageList:
    """Glyph, name, state in a word, duration, note: one line a stage."""

    state: RunState
    elapsed_seconds: float
    look: Look
    brief: bool = False
    """Draw the finished stages before the current one as a single line."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        notes = options.max_width >= _NOTE_WIDTH
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=1)
        table.add_column(width=9, no_wrap=True)
        table.add_column(width=7, no_wrap=True)
        table.add_column(width=7, justify="right", no_wrap=True)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        finished = tuple(takewhile(lambda stage: stage.status in FINISHED, self.state.stages)) if self.brief else ()
        if finished:
            warned = any(stage.status is StageStatus.WARNED for stage in finished)
            status = StageStatus.WARNED if warned else StageStatus.PASSED
            word = Text(STAGE_WORDS[status], style=self.look.status_style(status))
            table.add_row(self.look.glyph(status), Text(f"{len(finished)} before"), word)
        for stage in self.state.stages[len(finished) :]:
            style = self.look.status_style(stage.status)
            quiet = stage.status in (StageStatus.PENDING, StageStatus.PASSED)
            name_style = self.look.dim if stage.status is StageStatus.PENDING else "" if quiet else style
            table.add_row(
                self.look.glyph(stage.status),
                Text(stage.name, style=name_style),
                Text(STAGE_WORDS[stage.status], style=style),
                Text(self._duration(stage), style=self.look.dim),
                Text(" ").append_text(self._note(stage)) if notes else Text(),
            )
        yield table

    def _duration(self, stage: StageState) -> str:
        if stage.reused:
            return "kept"
        if stage.duration_seconds is None and stage.started_seconds is not None:
            return figures.clock(self.elapsed_seconds - stage.started_seconds)
        return figures.duration(stage.duration_seconds)

    def _note(self, stage: StageState) -> Text:
        if stage.status is StageStatus.WAITING and self.state.waiting is not None:
            return safe(self.state.waiting.prompt, style=self.look.warn, limit=300)
        if stage.status is StageStatus.RUNNING and not stage.note:
            expected = stage.expected_seconds
            return Text(f"last time {figures.duration(expected)}" if expected else "", style=self.look.dim)
        failed = stage.status in (StageStatus.FAILED, StageStatus.INTERRUPTED)
        return safe(stage.note, style=self.look.bad if failed else self.look.dim, limit=300)


@dataclass(frozen=True, slots=True)
class TaskBars:
    """The tasks of the stage that is running: name, bar, done of total, rate, remaining time. At most `limit` lines;
    tasks in work come first, then the newest finished ones."""

    stage: StageState
    look: Look
    limit: int = 10

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        counts, rates = options.max_width >= _COUNT_WIDTH, options.max_width >= _RATE_WIDTH
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(
            width=17 if rates else 14 if options.max_width >= 44 else 10, no_wrap=True, overflow="ellipsis"
        )
        table.add_column(ratio=1, min_width=8)
        for width in (18 if counts else 5, 12 if rates else 0, 12 if counts else 9):
            table.add_column(width=width, justify="right", no_wrap=True)
        for task in self.shown:
            table.add_row(*self._row(task, counts=counts, rates=rates))
        yield table

    @property
    def shown(self) -> list[Progress]:
        tasks = list(self.stage.tasks.values())
        if len(tasks) <= self.limit:
            return tasks
        working = [task for task in tasks if not _finished(task)]
        finished = [task for task in tasks if _finished(task)]
        room = max(0, self.limit - len(working))
        kept = {task.task for task in [*working[: self.limit], *finished[len(finished) - room :]]}
        return [task for task in tasks if task.task in kept]

    def _row(self, task: Progress, *, counts: bool, rates: bool) -> list[Text | Bar]:
        look = self.look
        finished = _finished(task)
        part = figures.share(task)
        bar = Bar(part, look.dim if finished else look.accent, look.faint, look.ascii)
        eta = (
            ""
            if finished or not task.eta_seconds or task.eta_seconds < 0.5
            else f"{figures.clock(task.eta_seconds)} left"
        )
        speed = figures.rate(task.rate_per_second, task.unit)
        name = safe(task.task, style=look.dim if finished else "", limit=60)
        percent = "" if part is None else f"{int(part * 100)} %"
        done = Text(figures.done_of_total(task) if counts else percent, style=look.dim if finished else "")
        return [name, bar, done, Text(speed if rates else "", style=look.dim), Text(eta, style=look.dim)]


def _finished(task: Progress) -> bool:
    return task.total is not None and task.done >= task.total
