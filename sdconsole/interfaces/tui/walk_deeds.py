"""What can be done with runbooks here: choose one, walk it, answer it, look at its run, leave it for later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from textual import on
from textual.timer import Timer

from sdconsole.config import Settings
from sdconsole.core.events import Waiting
from sdconsole.errors import SdconsoleError
from sdconsole.interfaces.terminal import Terminal
from sdconsole.interfaces.tui import questions
from sdconsole.interfaces.tui.desk import FRAME_SECONDS
from sdconsole.interfaces.tui.dialog import Dialog, Question
from sdconsole.interfaces.tui.errands import run_errand
from sdconsole.interfaces.tui.library import Library, PrepareWalk
from sdconsole.interfaces.tui.params_dialog import ParamsDialog
from sdconsole.interfaces.tui.runbooks_screen import RunbooksScreen
from sdconsole.interfaces.tui.side_deeds import SideDeeds
from sdconsole.interfaces.tui.situation import Situation, WalkSituation
from sdconsole.interfaces.tui.walk_gate import WalkQuestion
from sdconsole.interfaces.tui.walk_panel import WalkPicture
from sdconsole.interfaces.tui.walk_screen import WalkScreen
from sdconsole.interfaces.tui.walk_session import WalkChanged, WalkReady, WalkSession, WalkStopped
from sdconsole.runbook.model import Runbook
from sdconsole.service import current_operator
from sdconsole.service.walking import WalkSummary


class WalkDeeds(SideDeeds):
    """A walk goes on while other screens are looked at; its questions wait for it to be in view again."""

    opening_walk: PrepareWalk | None = None
    """A walk to begin at once."""

    def __init__(
        self,
        settings: Settings,
        library: Library,
        terminal: Terminal,
        *,
        read_only: bool = False,
        attach_only: bool = False,
    ) -> None:
        super().__init__(settings, library, terminal, read_only=read_only, attach_only=attach_only)
        self.walk = WalkSession(self.post_message, current_operator(), lambda run_id: self.library.records(run_id))
        self.walk_failure: BaseException | None = None
        self._walk_timer: Timer | None = None
        self._presented: WalkQuestion | None = None
        self._now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def walk_deeds(self) -> Mapping[str, Callable[[], object]]:
        """By the id of the action."""
        return {
            "runbooks": self._open_runbooks,
            "walk-begin": self._begin_chosen,
            "walk-tick": lambda: self._answer_walk(accepted=True),
            "walk-deny": lambda: self._answer_walk(accepted=False),
            "walk-confirm": self._confirm_walk,
            "walk-on": self._go_on,
            "walk-later": self.walk.leave,
            "walk-run": self._show_its_run,
            "walk-words": lambda: self._in_view.toggle_text() if self._in_view is not None else None,
        }

    def on_mount(self) -> None:
        if self.opening_walk is not None:
            self.begin_walk(self.opening_walk)

    @property
    def situation(self) -> Situation:
        now, walk, asked = super().situation, self.walk, self.walk.asked
        kind = "" if asked is None else "engine" if isinstance(asked, Waiting) else asked.kind
        view = self._in_view
        known = WalkSituation(
            busy=walk.busy,
            asks=kind,
            open=walk.walk is not None,
            complete=walk.state.complete,
            has_run=bool(walk.state.runs),
            low=view is not None and view.is_low,
        )
        return replace(now, busy=now.busy or walk.busy, stopping=now.stopping or walk.stopping, walk=known)

    def begin_walk(self, prepare: PrepareWalk) -> None:
        """Walk, and show it as soon as it is ready."""
        self.walk_failure = None
        self.walk.start(prepare)
        self.draw()

    def read_lists(self) -> None:
        super().read_lists()
        run_errand(self.call_later, self.library.walks, then=self._show_walks, failed=self.tell)

    def _show_walks(self, walks: Sequence[WalkSummary]) -> None:
        self.home.show_walks(walks, self.look)

    def draw(self) -> None:
        super().draw()
        self._draw_walk()

    def stop_and_leave(self, reason: str) -> None:
        if not self.walk.busy:
            super().stop_and_leave(reason)
            return
        self.leaving = True
        if self.walk.asked is not None:
            self.walk.leave()
        else:
            self.walk.stop(reason)
        self.draw()

    def leave_it_running(self) -> None:
        """A walk cannot go on without its console: it is left at its step."""
        if self.walk.busy:
            self.stop_and_leave("the console was left")
        else:
            super().leave_it_running()

    def quit_walk(self, reason: str) -> None:
        """Say what quitting does to the walk, then do it."""
        walk = self.walk.walk
        words = questions.leaving_walk(
            walk.called if walk is not None else "", self.walk.state, asking=self.walk.asked is not None
        )
        self.push_screen(Dialog(words), lambda typed: None if typed is None else self.stop_and_leave(reason))

    @on(WalkChanged)
    def _walk_changed(self) -> None:
        if self._walk_timer is None:
            self._walk_timer = self.set_timer(FRAME_SECONDS, self._walk_drawn)

    def _walk_drawn(self) -> None:
        self._walk_timer = None
        if self.is_running:
            self.draw()
            self._present()

    @on(WalkReady)
    def _open_walk(self) -> None:
        self.close_dialogs()
        self.push_screen(WalkScreen(self.look, read_only=self.read_only))
        self.call_after_refresh(self.draw)

    @on(WalkStopped)
    def _walk_stopped(self, message: WalkStopped) -> None:
        error = message.error
        self._close_asking()
        self.walk_failure = error
        if self.leaving:
            self.finish()
            return
        if error is not None and not isinstance(error, SdconsoleError):
            self.finish()  # an error of the console's own: told where the console was opened
            return
        if self.walk.walk is None and error is not None:
            if self.opening_walk is not None:
                self.finish()
            elif self.side is not None:
                self.side.show_error(error)
        self.draw()
        self.read_lists()

    @property
    def _in_view(self) -> WalkScreen | None:
        return self.side if isinstance(self.side, WalkScreen) else None

    def _draw_walk(self) -> None:
        walk, session, view = self.walk.walk, self.walk, self._in_view
        if walk is None or view is None:
            return
        run = session.run
        if run is not None:
            run.take()
        picture = WalkPicture(
            walk=walk,
            state=session.state,
            look=self.look,
            now=self._now(),
            asked=session.asked,
            run=run.state if run is not None else None,
            run_seconds=run.elapsed_seconds if run is not None else 0.0,
            busy=session.busy,
            stopping=session.stopping,
            error=self.walk_failure,
        )
        view.show(picture)

    def _present(self) -> None:
        """Open the confirmation once by itself; take it away when it was answered elsewhere."""
        asked = self.walk.asked
        if asked is None:
            if self._presented is not None:
                self._close_asking()
            return
        if asked is self._presented:
            return
        self._presented = asked
        if self._in_view is None:
            self.notify("the walk asks you: o shows it", severity="warning")
        elif self.situation.walk.asks in ("engine", "confirm"):
            self._confirm_walk()

    def _close_asking(self) -> None:
        self._presented = None
        if isinstance(self.screen, Dialog) and self.screen.question.title != questions.QUIT:
            self.screen.dismiss(None)

    def _open_runbooks(self) -> None:
        if self.walk.busy and self.walk.walk is not None:
            self._open_walk()
        else:
            self._open(RunbooksScreen(self.look))

    def _look(self) -> None:
        side, library = self.side, self.library
        if isinstance(side, RunbooksScreen):
            self._for(side, lambda: (library.runbooks(), library.walks()), lambda found: side.show(*found))
        else:
            super()._look()

    def _begin_chosen(self) -> None:
        side = self.side
        chosen = side.chosen if isinstance(side, RunbooksScreen) else None
        if chosen is None:
            return
        walk, runbook = chosen.walk, chosen.runbook
        if walk is not None:
            name, walk_id = walk.runbook, walk.walk_id
            self.begin_walk(lambda: self.library.walk(name, {}, resume=walk_id))
        elif runbook is not None and runbook.params:
            self.push_screen(ParamsDialog(runbook.title, runbook.params), lambda given: self._begin_new(runbook, given))
        elif runbook is not None:
            self._begin_new(runbook, {})

    def _begin_new(self, runbook: Runbook, given: Mapping[str, str] | None) -> None:
        if given is not None:
            self.begin_walk(lambda: self.library.walk(runbook.id, given))

    def _answer_walk(self, *, accepted: bool) -> None:
        view = self._in_view
        asked = view.picture.asked if view is not None and view.picture is not None else None
        if asked is not None:
            self.walk.answer(asked, accepted=accepted)

    def _confirm_walk(self) -> None:
        asked, walk = self.walk.asked, self.walk.walk
        if asked is None or walk is None:
            return

        def answered(typed: str | None) -> None:
            if typed is not None:
                self.walk.answer(asked, accepted=True, typed=typed)

        self.push_screen(Dialog(self._confirmation(asked, production=walk.production)), answered)

    def _confirmation(self, asked: WalkQuestion, *, production: bool) -> Question:
        if isinstance(asked, Waiting):
            return replace(questions.confirmation(asked, production=production), no="Not yet")
        return questions.runbook_confirmation(asked, production=production)

    def _go_on(self) -> None:
        walk, asked = self.walk.walk, self.walk.asked
        if asked is not None:
            self._answer_walk(accepted=True)
        elif walk is not None and not self.walk.busy:
            name, walk_id = walk.runbook.id, walk.walk_id
            self.begin_walk(lambda: self.library.walk(name, {}, resume=walk_id))

    def _show_its_run(self) -> None:
        runs = self.walk.state.runs
        if runs:
            self.open_run(runs[max(runs)])
            self.notify("o goes back to the walk")
