"""One run: stages and bars on the left, score, quality, checks and log on the right. It only draws."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static, TabbedContent, TabPane

from sdconsole.core.projection import StageState
from sdconsole.errors import Verdict
from sdconsole.interfaces.tui.action_bar import ActionBar
from sdconsole.interfaces.tui.bars import Bar
from sdconsole.interfaces.tui.checks_panel import ChecksPanel, all_checks
from sdconsole.interfaces.tui.feed import Entry
from sdconsole.interfaces.tui.locks_tab import LocksTab
from sdconsole.interfaces.tui.log_tab import LogTab, log_line
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.picture import Picture, Preparing
from sdconsole.interfaces.tui.profile_tab import ProfileTab
from sdconsole.interfaces.tui.quality_tab import QualityTab
from sdconsole.interfaces.tui.score_panel import Overview
from sdconsole.interfaces.tui.stages_panel import StageList, TaskBars
from sdconsole.interfaces.tui.top_bar import TopBar
from sdconsole.interfaces.tui.verdict_panel import ErrorPanel, VerdictPanel

RATES_KEPT = 240
LATEST_KEPT = 60
LOW_LINES = 20
"""Below this height the stages and the tabs take turns."""
_FOCUSED = {
    "tab-overview": "#left",
    "tab-quality": "#losses",
    "tab-profile": "#profile-columns",
    "tab-checks": "#checks-scroll",
    "tab-compare": "#compare-scroll",
    "tab-locks": "#holders",
    "tab-log": "#log",
}
"""What the arrow keys move in each tab."""


class RunScreen(Screen[None]):
    AUTO_FOCUS = "#left"

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self.picture = picture
        self._entries: list[Entry] = []
        self._latest: deque[Entry] = deque(maxlen=LATEST_KEPT)
        self._ready = False
        self._rates: deque[float] = deque(maxlen=RATES_KEPT)
        self._drawn: dict[str, tuple[object, object]] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="top")
        with Container(id="body"):
            with VerticalScroll(id="left"):
                yield Static(id="verdict")
                yield Static(id="stages")
                yield Static(id="tasks")
            with TabbedContent(id="tabs", initial="tab-overview"):
                with TabPane("Overview", id="tab-overview"):
                    yield Static(id="overview")
                    yield Static(id="latest")
                with TabPane("Quality", id="tab-quality"):
                    yield QualityTab()
                with TabPane("Profile", id="tab-profile"):
                    yield ProfileTab()
                with TabPane("Checks", id="tab-checks"), VerticalScroll(id="checks-scroll"):
                    yield Static(id="checks")
                with TabPane("Compare", id="tab-compare"), VerticalScroll(id="compare-scroll"):
                    yield Static("u asks the server: live against this run's version", id="compare")
                with TabPane("Locks", id="tab-locks"):
                    yield LocksTab()
                with TabPane("Log", id="tab-log"):
                    yield LogTab()
        yield ActionBar()

    @property
    def is_low(self) -> bool:
        return self.size.height < LOW_LINES

    def show_tab(self, tab_id: str) -> None:
        self.query_one(TabbedContent).active = tab_id
        self.add_class("-tabs")
        self.query_one(_FOCUSED[tab_id]).focus()

    @property
    def tab(self) -> str:
        return self.query_one(TabbedContent).active

    def show_stages(self) -> None:
        self.remove_class("-tabs")
        self.query_one("#left").focus()

    def sample_rate(self) -> None:
        """Note the rate of all tasks in work; called at even intervals."""
        current = self.picture.state.current
        rate = _rows_per_second(current) if current is not None else 0.0
        if rate or self._rates:
            self._rates.append(rate)

    def on_mount(self) -> None:
        self._ready = True
        self.draw(self.picture)

    def on_resize(self) -> None:
        self._drawn.clear()
        self.draw(self.picture)

    def draw(self, picture: Picture, entries: Iterable[Entry] = ()) -> None:
        """Draw what differs from the picture before, and append the log lines."""
        self.picture = picture
        self._entries += entries
        if not self._ready:
            return
        self.query_one(LogTab).add(self._entries, picture.look)
        self._latest.extend(self._entries)
        self._entries.clear()
        state, look = picture.state, picture.look
        self.set_class(state.finished is not None or picture.error is not None, "-ended")
        self.draw_top(picture.top)
        self._draw_stages(picture)
        self._draw_tasks(picture)
        self._draw_verdict(picture)
        lines = self.query_one("#tabs").size.height
        overview = Overview(state, tuple(self._rates), look, lines, picture.machine)
        shape = (state.scores, lines, look, bool(self._rates), picture.machine)
        self._update("overview", overview, (shape, tuple(self._rates)), shape)
        self._draw_latest(look)
        checks = all_checks(state)
        self._update("checks", ChecksPanel(checks, look), (checks, look))
        self.query_one(QualityTab).show(state, look)
        self.query_one(LocksTab).show(state, look)

    def draw_top(self, top: TopBar) -> None:
        if self._ready:
            self._update("top", top, top, shape=())

    def _draw_stages(self, picture: Picture) -> None:
        state, look = picture.state, picture.look
        if picture.preparing is not None:
            self._update("stages", _preparing(picture.preparing, look), picture.preparing, shape="preparing")
            return
        brief = self.is_low and state.finished is None
        stages = StageList(state, picture.elapsed_seconds, look, brief)
        shown = [(stage.status, stage.note, stage.duration_seconds, stage.reused) for stage in state.stages]
        statuses = [stage.status for stage in state.stages]
        self._update("stages", stages, (shown, picture.elapsed_seconds, look), shape=(statuses, brief))

    def _draw_latest(self, look: Look) -> None:
        """The newest log lines in what room is left below the score."""
        room = self.query_one("#latest").size.height - 1
        entries = tuple(self._latest)[-room:] if room >= 3 else ()
        lines = [log_line(entry, look, limit=400) for entry in entries]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        heading = [Text("latest", style=look.dim)] if lines else []
        self._update("latest", Group(*heading, *lines), (entries, room, look))

    def _draw_tasks(self, picture: Picture) -> None:
        current = picture.state.current
        visible = current is not None and bool(current.tasks)
        self.query_one("#tasks").display = visible
        if current is not None and visible:
            limit = 3 if self.size.height < 30 else 12
            bars = TaskBars(current, picture.look, limit)
            self._update("tasks", bars, (current.tasks, limit, picture.look), shape=len(bars.shown))

    def _draw_verdict(self, picture: Picture) -> None:
        verdict: RenderableType | None = None
        if picture.error is not None:
            verdict = ErrorPanel(picture.error, picture.look, picture.state.run_id, picture.log_path, picture.commands)
        elif picture.state.finished is not None:
            verdict = VerdictPanel(picture.state, picture.look, picture.log_path, picture.commands)
        panel = self.query_one("#verdict")
        panel.display = verdict is not None
        panel.set_class(picture.error is not None or picture.state.verdict not in (Verdict.OK, Verdict.HELD), "-bad")
        panel.set_class(picture.state.verdict is Verdict.HELD, "-held")
        if verdict is not None:
            self._update("verdict", verdict, verdict)

    def _update(self, widget_id: str, content: RenderableType, key: object, shape: object = None) -> None:
        """Draw again when `key` is another than last time; lay out again only when `shape` is (None = with the key)."""
        drawn = self._drawn.get(widget_id)
        if drawn is not None and drawn[0] == key:
            return
        self._drawn[widget_id] = key, shape
        layout = drawn is None or shape is None or drawn[1] != shape
        self.query_one(f"#{widget_id}", Static).update(content, layout=layout)


def _preparing(preparing: Preparing, look: Look) -> RenderableType:
    """A line and a bar instead of the stages, which are not known yet."""
    share = preparing.done / preparing.total if preparing.total else None
    words = "making everything ready"
    if preparing.done:
        words += f"   {preparing.done:,}" + (f" of {preparing.total:,}" if preparing.total else "")
    return Group(Text(words, style=look.dim), Bar(share, look.accent, look.faint, look.ascii))


def _rows_per_second(stage: StageState) -> float:
    tasks = stage.tasks.values()
    return sum(task.rate_per_second or 0.0 for task in tasks if task.unit == "rows" and task.done != task.total)
