"""The part of the application that shows one run at a time: what is in view, and when it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual import on
from textual.screen import ModalScreen, Screen
from textual.timer import Timer

from sdconsole.config import Settings
from sdconsole.core.model import Mode, StageName
from sdconsole.core.projection import RunState
from sdconsole.interfaces.terminal import Terminal
from sdconsole.interfaces.tui.action_bar import ActionBar
from sdconsole.interfaces.tui.date_review import DateReview
from sdconsole.interfaces.tui.feed import Feed
from sdconsole.interfaces.tui.home import HomeScreen
from sdconsole.interfaces.tui.library import Library
from sdconsole.interfaces.tui.picture import Picture
from sdconsole.interfaces.tui.run_screen import RunScreen
from sdconsole.interfaces.tui.session import RunChanged, Session
from sdconsole.interfaces.tui.shown import Shown
from sdconsole.interfaces.tui.side_screen import SideScreen
from sdconsole.interfaces.tui.situation import Situation
from sdconsole.interfaces.tui.styled_app import StyledApp

FRAME_SECONDS = 0.25
"""Changes of a run are drawn at most this often."""
TICK_SECONDS = 1.0
"""How often the clock and the rate go on."""


class Desk(StyledApp):
    """It only looks; what can be done with a run is said by the classes made from this one."""

    def __init__(
        self,
        settings: Settings,
        library: Library,
        terminal: Terminal,
        *,
        read_only: bool = False,
        attach_only: bool = False,
    ) -> None:
        super().__init__(terminal)
        self.settings = settings
        self.library = library
        self.read_only = read_only
        self.attach_only = attach_only
        self.session = Session(self.post_message, library)
        self.home = HomeScreen(Mode(settings.mode))
        self.run_screen: RunScreen | None = None
        self.shown: Shown | None = None
        self.expected: Mapping[StageName, float] = {}
        self.machine = ""
        self.over = False
        """From here on nothing is drawn."""
        self._draw_timer: Timer | None = None

    def get_default_screen(self) -> Screen[Any]:
        return self.home

    def on_mount(self) -> None:  # Textual calls every class's own, so none calls its parent's
        self.set_interval(TICK_SECONDS, self._tick)

    @property
    def situation(self) -> Situation:
        shown, unfinished, screen = self.shown, self.home.unfinished, self.run_screen
        side = self.side
        return Situation(
            place=side.place if side is not None else "home" if shown is None else "run",
            date_answers=len(side.answers) if isinstance(side, DateReview) else 0,
            busy=self.session.busy,
            stopping=self.session.stopping,
            frozen=shown is not None and shown.frozen,
            mine=shown is not None and shown.watching is not None and shown.watching is self.session.follower,
            alive=shown is not None and shown.alive,
            replaying=shown is not None and shown.replaying,
            read_only=self.read_only,
            attach_only=self.attach_only,
            state=RunState() if shown is None else shown.state,
            unfinished="" if unfinished is None else unfinished.run_id,
            low=screen is not None and screen.is_low,
        )

    @property
    def side(self) -> SideScreen | None:
        """The screen beside the run that is in view."""
        return next((one for one in reversed(self.screen_stack) if isinstance(one, SideScreen)), None)

    @on(RunChanged)
    def draw_soon(self) -> None:
        if self._draw_timer is None:
            self._draw_timer = self.set_timer(FRAME_SECONDS, self.draw)

    def show_run(self, shown: Shown) -> None:
        """Put a run on the screen, above the home screen and nothing else."""
        self.show_home()
        self.shown = shown
        shown.read_only = self.read_only
        shown.refresh()
        self.run_screen = RunScreen(self._picture(shown))
        self.push_screen(self.run_screen)
        self.draw()

    def show_home(self) -> None:
        self.close_dialogs()
        if self.run_screen is not None:
            self.run_screen.dismiss(None)
        self.stop_watching()
        self.run_screen = self.shown = None

    def stop_watching(self) -> None:
        if self.shown is not None and self.shown.watching is not None:
            self.shown.watching.stop()

    def close_dialogs(self) -> None:
        while isinstance(self.screen, ModalScreen | SideScreen):
            self.screen.dismiss(None)

    def draw(self) -> None:
        """Draw what is known now; a frozen view keeps its picture."""
        if self._draw_timer is not None:
            self._draw_timer.stop()
            self._draw_timer = None
        if self.over:
            return
        shown, screen, look, side = self.shown, self.run_screen, self.look, self.side
        if side is not None:
            side.draw_top((shown or self._nothing).top(look, stopping=self.session.stopping))
        if shown is None or screen is None:
            self.home.draw_top(self._nothing.top(look, stopping=self.session.stopping))
        elif shown.frozen:
            screen.draw_top(shown.top(look))
        else:
            shown.refresh()
            screen.draw(self._picture(shown), shown.take_entries())
        for bar in self.screen.query(ActionBar):
            bar.show(self.situation, look)

    @property
    def _nothing(self) -> Shown:
        return Shown(Feed(self.draw_soon), self.settings, read_only=self.read_only)

    def _picture(self, shown: Shown) -> Picture:
        return shown.picture(self.look, self.expected, stopping=self.session.stopping, machine=self.machine)

    def _tick(self) -> None:
        if self.run_screen is not None and self.shown is not None and not self.shown.frozen:
            self.run_screen.sample_rate()
        self.draw()
