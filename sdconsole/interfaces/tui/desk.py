"""The part of the application that shows one run at a time and follows what the session reports about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual import on
from textual.screen import ModalScreen, Screen
from textual.timer import Timer

from sdconsole.config import Settings
from sdconsole.core.model import Mode, StageName
from sdconsole.core.projection import RunState
from sdconsole.errors import SdconsoleError
from sdconsole.interfaces.terminal import Terminal
from sdconsole.interfaces.tui import questions
from sdconsole.interfaces.tui.action_bar import ActionBar
from sdconsole.interfaces.tui.date_review import DateReview
from sdconsole.interfaces.tui.dialog import Dialog
from sdconsole.interfaces.tui.feed import Feed
from sdconsole.interfaces.tui.home import HomeScreen
from sdconsole.interfaces.tui.library import Prepare
from sdconsole.interfaces.tui.picture import Picture, Preparing
from sdconsole.interfaces.tui.run_screen import RunScreen
from sdconsole.interfaces.tui.session import (
    AnsweredElsewhere,
    Asked,
    PrepareAdvanced,
    RunChanged,
    RunEnded,
    RunReady,
    Session,
)
from sdconsole.interfaces.tui.shown import Shown
from sdconsole.interfaces.tui.side_screen import SideScreen
from sdconsole.interfaces.tui.situation import Situation
from sdconsole.interfaces.tui.styled_app import StyledApp

FRAME_SECONDS = 0.25
"""Changes of a run are drawn at most this often."""
TICK_SECONDS = 0.5


class Desk(StyledApp):
    """After it has ended, `final_state` is the state of the last run and `failure` what kept it from having one."""

    def __init__(
        self,
        settings: Settings,
        terminal: Terminal,
        *,
        operator: str,
        read_only: bool = False,
        attach_only: bool = False,
    ) -> None:
        super().__init__(terminal)
        self.settings = settings
        self.read_only = read_only
        self.attach_only = attach_only
        self.session = Session(self.post_message, operator)
        self.final_state: RunState | None = None
        self.failure: BaseException | None = None
        self.home = HomeScreen(Mode(settings.mode))
        self.run_screen: RunScreen | None = None
        self.shown: Shown | None = None
        self.expected: Mapping[StageName, float] = {}
        self.machine = ""
        self.leaving = False
        self._over = False
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
            mine=shown is not None and shown.run is not None,
            alive=shown is not None and shown.alive,
            replaying=shown is not None and shown.replaying,
            pause_wanted=self.session.pause_wanted,
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

    def begin(self, prepare: Prepare) -> None:
        """Prepare and execute a run; what comes of it arrives as messages."""
        self.failure = None
        self.session.start(prepare)
        self.draw()

    def stop_and_leave(self, reason: str) -> None:
        """Stop or hold what is under way; the console ends when it has ended."""
        self.leaving = True
        gate = self.session.gate
        if not self.session.busy:
            self.finish()
        elif gate is not None and gate.asking:
            gate.hold()
        else:
            self.session.stop(reason)
        self.draw()

    def finish(self) -> None:
        """Close the console; nothing is drawn from here on, while its widgets are taken down."""
        self._over = True
        if self.shown is not None and self.shown.watching is not None:
            self.shown.watching.stop()
        self.exit()

    def run_has_ended(self) -> None:
        """Called after a run's end was drawn, unless the console is about to close."""

    @on(PrepareAdvanced)
    def _prepare_advanced(self, message: PrepareAdvanced) -> None:
        if self.shown is not None and self.shown.preparing is not None:
            self.shown.preparing = Preparing(done=message.done, total=message.total)
            self.draw_soon()

    @on(RunReady)
    def _run_ready(self, message: RunReady) -> None:
        self.home.show_refused(None, self.look)
        self.show_run(Shown(self.session.feed, self.settings, run=message.run))

    @on(RunChanged)
    def draw_soon(self) -> None:
        if self._draw_timer is None:
            self._draw_timer = self.set_timer(FRAME_SECONDS, self.draw)

    @on(Asked)
    def _asked(self, message: Asked) -> None:
        run, gate = self.session.run, self.session.gate
        if run is not None and gate is not None:
            question = questions.confirmation(message.question, production=run.production)
            self.push_screen(Dialog(question), lambda typed: gate.hold() if typed is None else gate.confirm(typed))

    @on(AnsweredElsewhere)
    def _answered_elsewhere(self) -> None:
        self._close_dialogs()
        self.notify("answered elsewhere")

    @on(RunEnded)
    def _run_ended(self, message: RunEnded) -> None:
        if isinstance(self.screen, ModalScreen) and any(isinstance(one, Dialog) for one in self.screen_stack):
            self._close_dialogs()
        self.final_state = message.state
        shown, error = self.shown, message.error
        unknown = error is not None and not isinstance(error, SdconsoleError)
        if shown is not None:
            shown.preparing, shown.error = None, error
        else:
            self.home.show_refused(error, self.look)
        if shown is not None or self.leaving or unknown:
            self.failure = error
        if self.leaving:
            self.finish()
            return
        self.draw()
        self.run_has_ended()

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
        self._close_dialogs()
        if self.run_screen is not None:
            self.run_screen.dismiss(None)
        if self.shown is not None and self.shown.watching is not None:
            self.shown.watching.stop()
        self.run_screen = self.shown = None

    def draw(self) -> None:
        """Draw what is known now; a frozen view keeps its picture."""
        self._draw_timer = None
        if self._over:
            return
        shown, screen, look, side = self.shown, self.run_screen, self.look, self.side
        if side is not None:
            seen = shown or Shown(Feed(self.draw_soon), self.settings, read_only=self.read_only)
            side.draw_top(seen.top(look, stopping=self.session.stopping))
        if shown is None or screen is None:
            nothing = Shown(Feed(self.draw_soon), self.settings, read_only=self.read_only)
            self.home.draw_top(nothing.top(look, stopping=self.session.stopping))
        elif shown.frozen:
            screen.draw_top(shown.top(look))
        else:
            shown.refresh()
            screen.draw(self._picture(shown), shown.take_entries())
        for bar in self.screen.query(ActionBar):
            bar.show(self.situation, look)

    def _picture(self, shown: Shown) -> Picture:
        return shown.picture(self.look, self.expected, stopping=self.session.stopping, machine=self.machine)

    def _close_dialogs(self) -> None:
        while isinstance(self.screen, ModalScreen | SideScreen):
            self.screen.dismiss(None)

    def _tick(self) -> None:
        if self.run_screen is not None and self.shown is not None and not self.shown.frozen:
            self.run_screen.sample_rate()
        self.draw()
