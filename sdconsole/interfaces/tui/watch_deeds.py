"""What can be done with a run that this console looks at and does not execute: answer, give up, rest, play again."""

from __future__ import annotations

from collections.abc import Callable

from sdconsole.core.projection import RunState
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.interfaces.tui import questions
from sdconsole.interfaces.tui.dialog import Dialog
from sdconsole.interfaces.tui.errands import run_errand
from sdconsole.interfaces.tui.feed import Feed
from sdconsole.interfaces.tui.library import Prepare
from sdconsole.interfaces.tui.lists import Lists
from sdconsole.interfaces.tui.picture import Preparing
from sdconsole.interfaces.tui.session import RunChanged
from sdconsole.interfaces.tui.shown import Shown
from sdconsole.interfaces.tui.watching import Follower, Replayer


class WatchDeeds(Lists):
    """Every deed goes through the library, as the commands `approve`, `abort` and `pause` do."""

    def open_run(self, run_id: str, *, replay: bool = False) -> None:
        """Look at a run by its journal: live while another process executes it, else as it ended."""
        if self.session.busy:
            return
        feed = Feed(lambda: self.post_message(RunChanged()))
        watching = (Replayer if replay else Follower)(self.library, run_id, feed)
        self.show_run(Shown(feed, self.settings, watching=watching))
        watching.start()

    def begin_here(self, prepare: Prepare) -> None:
        """Begin on the run screen, which shows how the run is made ready."""
        self.show_run(Shown(Feed(self.draw_soon), self.settings, preparing=Preparing()))
        self.begin(prepare)

    def replay(self) -> None:
        """Play the shown run again; while it plays, go to its end."""
        shown = self.shown
        if shown is not None:
            self.open_run(shown.state.run_id, replay=not isinstance(shown.watching, Replayer) or shown.watching.over)

    def change_speed(self, *, faster: bool) -> None:
        watching = self.shown.watching if self.shown is not None else None
        if isinstance(watching, Replayer):
            (watching.faster if faster else watching.slower)()

    def pause(self) -> None:
        """Of the own run at once, of another process's by a word left for it."""
        if self.session.busy:
            self.session.toggle_pause()
        elif self.shown is not None:
            run_id, rest = self.shown.state.run_id, self.shown.state.paused is None
            words = f"asked to {'rest' if rest else 'go on'}"
            self._send(lambda: self.library.pause(run_id, rest=rest), lambda: words)

    def answer_elsewhere(self, state: RunState) -> None:
        """Ask here what the other process asks there; leaving keeps its hold."""
        waiting = state.waiting
        if waiting is None:
            return
        production = state.started is not None and state.started.production
        run_id = state.run_id

        def answered(typed: str | None) -> None:
            if typed is not None:
                self._send(lambda: self.library.answer(run_id, waiting, typed), lambda: "answered")

        self.push_screen(Dialog(questions.confirmation(waiting, production=production)), answered)

    def give_up(self) -> None:
        if self.shown is None:
            return
        state = self.shown.state

        def confirmed(typed: str | None) -> None:
            if typed is not None:
                told: list[str] = []
                self._send(lambda: told.append(self.library.abort(state.run_id)), lambda: told[0])

        self.push_screen(Dialog(questions.giving_up(state)), confirmed)

    def tell(self, error: Exception) -> None:
        self.notify(safe_text(str(error), limit=300), severity="error", markup=False)

    def _send(self, call: Callable[[], object], words: Callable[[], str]) -> None:
        """Let the library do it beside the screen, then say what came of it."""

        def done(_: object) -> None:
            self.notify(safe_text(words(), limit=300), markup=False)
            shown = self.shown
            if shown is not None and shown.run is not None:  # executed here before: look at it by its journal now
                self.open_run(shown.state.run_id)
            self.run_has_ended()

        run_errand(self.call_later, call, then=done, failed=self.tell)
