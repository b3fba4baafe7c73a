"""The left of the run screen: how the run ended, its stages, the bars of what is being worked on."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from sdconsole.errors import Verdict
from sdconsole.interfaces.tui.bars import Bar
from sdconsole.interfaces.tui.drawn import Drawn
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.picture import Picture, Preparing
from sdconsole.interfaces.tui.stages_panel import StageList, TaskBars
from sdconsole.interfaces.tui.verdict_panel import ErrorPanel, VerdictPanel

FEW_LINES = 30
"""Below this height of the screen only some bars are drawn."""


class LeftColumn(VerticalScroll):
    def __init__(self) -> None:
        super().__init__(id="left")

    def compose(self) -> ComposeResult:
        yield Drawn(id="verdict")
        yield Drawn(id="stages")
        yield Drawn(id="tasks")

    def show(self, picture: Picture, *, low: bool) -> None:
        """`low` = the terminal has no room for the stages that are done."""
        self._show_stages(picture, low=low)
        self._show_tasks(picture)
        self._show_verdict(picture)

    def _show_stages(self, picture: Picture, *, low: bool) -> None:
        state, look, panel = picture.state, picture.look, self.query_one("#stages", Drawn)
        preparing = picture.preparing
        if preparing is not None:
            panel.show(lambda: _preparing(preparing, look), preparing, shape="preparing")
            return
        brief = low and state.finished is None
        shown = [(stage.status, stage.note, stage.duration_seconds, stage.reused) for stage in state.stages]
        statuses = [stage.status for stage in state.stages]
        panel.show(
            lambda: StageList(state, picture.elapsed_seconds, look, brief),
            (shown, picture.elapsed_seconds, look),
            shape=(statuses, brief),
        )

    def _show_tasks(self, picture: Picture) -> None:
        current, panel = picture.state.current, self.query_one("#tasks", Drawn)
        panel.display = current is not None and bool(current.tasks)
        if current is not None and panel.display:
            limit = 3 if self.screen.size.height < FEW_LINES else 12
            bars = TaskBars(current, picture.look, limit)
            panel.show(lambda: bars, (current.tasks, limit, picture.look), shape=len(bars.shown))

    def _show_verdict(self, picture: Picture) -> None:
        verdict: RenderableType | None = None
        if picture.error is not None:
            verdict = ErrorPanel(picture.error, picture.look, picture.state.run_id, picture.log_path, picture.commands)
        elif picture.state.finished is not None:
            verdict = VerdictPanel(picture.state, picture.look, picture.log_path, picture.commands)
        panel = self.query_one("#verdict", Drawn)
        panel.display = verdict is not None
        panel.set_class(picture.error is not None or picture.state.verdict not in (Verdict.OK, Verdict.HELD), "-bad")
        panel.set_class(picture.state.verdict is Verdict.HELD, "-held")
        if verdict is not None:
            panel.show(lambda: verdict, verdict)


def _preparing(preparing: Preparing, look: Look) -> RenderableType:
    """A line and a bar instead of the stages, which are not known yet."""
    share = preparing.done / preparing.total if preparing.total else None
    words = "making everything ready"
    if preparing.done:
        words += f"   {preparing.done:,}" + (f" of {preparing.total:,}" if preparing.total else "")
    return Group(Text(words, style=look.dim), Bar(share, look.accent, look.faint, look.ascii))
