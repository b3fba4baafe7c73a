"""A run that was started here: how it begins, what it asks, how it ends, and how the console leaves it."""

from __future__ import annotations

from functools import partial

from textual import on
from textual.screen import ModalScreen

from sdconsole.core.events import Waiting
from sdconsole.core.projection import RunState
from sdconsole.errors import SdconsoleError
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.interfaces.tui import questions
from sdconsole.interfaces.tui.desk import Desk
from sdconsole.interfaces.tui.dialog import Dialog
from sdconsole.interfaces.tui.errands import run_errand
from sdconsole.interfaces.tui.feed import Feed
from sdconsole.interfaces.tui.picture import Preparing
from sdconsole.interfaces.tui.session import PrepareAdvanced, RunEnded, RunReady
from sdconsole.interfaces.tui.shown import Shown
from sdconsole.service.orders import Order


class Attending(Desk):
    """After it has ended, `final_state` is the state of the last run and `failure` what kept it from having one."""

    final_state: RunState | None = None
    failure: BaseException | None = None
    leaving = False
    let_go = False
    """The run was left to itself."""
    stopped_for = ""
    """Why the console was told to stop; "" = it was not."""
    _asked: Waiting | None = None
    """The question that was put to the operator."""
    _asking: Dialog | None = None

    def begin(self, order: Order) -> None:
        """Have a run made ready and executed; what comes of it arrives as messages."""
        self.failure, self._asked = None, None
        self.session.start(order)
        self.draw()

    def begin_here(self, order: Order) -> None:
        """Begin on the run screen, which shows how the run is made ready."""
        self.show_run(Shown(Feed(self.draw_soon), self.settings, preparing=Preparing()))
        self.begin(order)

    def stop_and_leave(self, reason: str) -> None:
        """Stop or hold what is under way; the console ends when it has ended."""
        self.leaving = True
        self.stopped_for = self.stopped_for or reason
        waiting = self.session.state.waiting
        if not self.session.busy:
            self.finish()
        elif self.session.asking and waiting is not None:
            self._hold(waiting)
        else:
            self.session.stop(reason)
        self.draw()

    def leave_it_running(self) -> None:
        """Close the console and leave the run to itself; one that has not begun does not begin."""
        self.leaving = True
        if self.session.busy:
            self.let_go = bool(self.session.run_id)
            self.final_state = self.session.state
            self.session.let_go()
        self.finish()

    def finish(self) -> None:
        """Close the console; nothing is drawn from here on, while its widgets are taken down."""
        self.over = True
        self.stop_watching()
        self.exit()

    def run_has_ended(self) -> None:
        """Called after a run's end was drawn, unless the console is about to close."""

    def tell(self, error: Exception) -> None:
        self.notify(safe_text(str(error), limit=300), severity="error", markup=False)

    @on(PrepareAdvanced)
    def _prepare_advanced(self, message: PrepareAdvanced) -> None:
        if self.shown is not None and self.shown.preparing is not None:
            self.shown.preparing = Preparing(done=message.done, total=message.total)
            self.draw_soon()

    @on(RunReady)
    def _run_ready(self, message: RunReady) -> None:
        self.home.show_refused(None, self.look)
        follower = message.follower
        self.show_run(Shown(follower.feed, self.settings, own=True, watching=follower))

    def draw(self) -> None:
        super().draw()
        if not self.over:
            self._put_question()

    def _put_question(self) -> None:
        """The question of the own run is put at once, also to a frozen view; answered elsewhere, it is taken away."""
        session = self.session
        waiting = session.state.waiting if session.asking else None
        follower = session.follower
        in_view = self.shown is not None and self.shown.watching is follower
        if waiting == self._asked or follower is None or not in_view or not follower.caught_up:
            return
        if self._asking is not None:
            self._asking = None
            self.close_dialogs()
            self.notify("answered elsewhere")
        self._asked = waiting
        if waiting is not None:
            self._ask(follower.run_id, waiting)

    def _ask(self, run_id: str, waiting: Waiting) -> None:
        started = self.session.state.started
        production = started is not None and started.production

        def answered(typed: str | None) -> None:
            if self._asking is not dialog:
                return
            self._asking = None
            if typed is None:
                self._hold(waiting)
            else:
                self._answer(run_id, waiting, typed)

        dialog = self._asking = Dialog(questions.confirmation(waiting, production=production))
        self.push_screen(dialog, answered)

    def _answer(self, run_id: str, waiting: Waiting, typed: str) -> None:
        call = partial(self.library.answer, run_id, waiting, typed)
        run_errand(self.call_later, call, then=_nothing, failed=self.tell)

    def _hold(self, waiting: Waiting) -> None:
        run_id = self.session.run_id

        def failed(error: Exception) -> None:
            self.tell(error)
            if self.leaving:
                self.session.stop(str(error))

        run_errand(self.call_later, partial(self.library.hold, run_id, waiting), then=_nothing, failed=failed)

    @on(RunEnded)
    def _run_ended(self, message: RunEnded) -> None:
        if isinstance(self.screen, ModalScreen) and any(isinstance(one, Dialog) for one in self.screen_stack):
            self._asking = None
            self.close_dialogs()
        self.final_state = message.state
        shown, error = self.shown, message.error
        unknown = error is not None and not isinstance(error, SdconsoleError)
        if shown is not None:
            shown.own, shown.preparing, shown.error = False, None, error
        else:
            self.home.show_refused(error, self.look)
        if shown is not None or self.leaving or unknown:
            self.failure = error
        if self.leaving:
            self.finish()
            return
        self.draw()
        self.run_has_ended()


def _nothing(_: object) -> None:
    """The journal tells what comes of it."""
