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
from sdconsole.interfaces.tui.action_bar import ActionBar
from sdconsole.interfaces.tui.checks_panel import ChecksPanel, all_checks
from sdconsole.interfaces.tui.drawn import Drawn
from sdconsole.interfaces.tui.feed import Entry
from sdconsole.interfaces.tui.left_column import LeftColumn
from sdconsole.interfaces.tui.locks_tab import LocksTab
from sdconsole.interfaces.tui.log_tab import LogTab, log_line
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.picture import Picture
from sdconsole.interfaces.tui.profile_tab import ProfileTab
from sdconsole.interfaces.tui.quality_tab import QualityTab
from sdconsole.interfaces.tui.score_panel import Overview
from sdconsole.interfaces.tui.top_bar import TopBar

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

    def compose(self) -> ComposeResult:
        yield Drawn(id="top")
        with Container(id="body"):
            yield LeftColumn()
            with TabbedContent(id="tabs", initial="tab-overview"):
                with TabPane("Overview", id="tab-overview"):
                    yield Drawn(id="overview")
                    yield Drawn(id="latest")
                with TabPane("Quality", id="tab-quality"):
                    yield QualityTab()
                with TabPane("Profile", id="tab-profile"):
                    yield ProfileTab()
                with TabPane("Checks", id="tab-checks"), VerticalScroll(id="checks-scroll"):
                    yield Drawn(id="checks")
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
        for drawn in self.query(Drawn):
            drawn.forget()
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
        self.query_one(LeftColumn).show(picture, low=self.is_low)
        self._draw_overview(picture)
        self._draw_latest(look)
        checks = all_checks(state)
        self.query_one("#checks", Drawn).show(lambda: ChecksPanel(checks, look), (checks, look))
        self.query_one(QualityTab).show(state, look)
        self.query_one(LocksTab).show(state, look)

    def draw_top(self, top: TopBar) -> None:
        if self._ready:
            self.query_one("#top", Drawn).show(lambda: top, top, shape=())

    def _draw_overview(self, picture: Picture) -> None:
        rates, lines = tuple(self._rates), self.query_one("#tabs").size.height
        shape = (picture.state.scores, lines, picture.look, bool(rates), picture.machine)
        self.query_one("#overview", Drawn).show(
            lambda: Overview(picture.state, rates, picture.look, lines, picture.machine), (shape, rates), shape
        )

    def _draw_latest(self, look: Look) -> None:
        """The newest log lines in what room is left below the score."""
        panel = self.query_one("#latest", Drawn)
        room = panel.size.height - 1
        entries = tuple(self._latest)[-room:] if room >= 3 else ()
        panel.show(lambda: _latest(entries, look), (entries, room, look))


def _latest(entries: tuple[Entry, ...], look: Look) -> RenderableType:
    lines = [log_line(entry, look, limit=400) for entry in entries]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*([Text("latest", style=look.dim)] if lines else []), *lines)


def _rows_per_second(stage: StageState) -> float:
    tasks = stage.tasks.values()
    return sum(task.rate_per_second or 0.0 for task in tasks if task.unit == "rows" and task.done != task.total)
