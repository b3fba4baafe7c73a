"""What can be done with a run, whoever started it: rest, stop, answer, give up, play again."""

from __future__ import annotations

from collections.abc import Callable

from sdconsole.core.projection import RunState
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.interfaces.tui import questions
from sdconsole.interfaces.tui.dialog import Dialog
from sdconsole.interfaces.tui.errands import run_errand
from sdconsole.interfaces.tui.feed import Feed
from sdconsole.interfaces.tui.lists import Lists
from sdconsole.interfaces.tui.session import RunChanged
from sdconsole.interfaces.tui.shown import Shown
from sdconsole.interfaces.tui.watching import Follower, Replayer


class WatchDeeds(Lists):
    """Every deed goes through the library, as the commands `approve`, `abort`, `pause` and `stop` do."""

    def open_run(self, run_id: str, *, replay: bool = False) -> None:
        """Look at a run by its journal: live while another process executes it, else as it ended."""
        if self.session.busy:
            return
        feed = Feed(lambda: self.post_message(RunChanged()))
        watching = (Replayer if replay else Follower)(self.library, run_id, feed)
        self.show_run(Shown(feed, self.settings, watching=watching))
        watching.start()

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
        """By a word left for the process that executes the run, whoever started it."""
        shown = self.shown
        if shown is None:
            return
        run_id, rest = shown.state.run_id, shown.state.paused is None and not shown.pause_asked
        shown.pause_asked = rest
        words = f"asked to {'rest' if rest else 'go on'}"

        def refused(error: Exception) -> None:
            shown.pause_asked = False
            self.tell(error)

        self._send(lambda: self.library.pause(run_id, rest=rest), lambda: words, refused)

    def stop_elsewhere(self) -> None:
        """Stop a run that this console did not start."""
        if self.shown is None:
            return
        run_id = self.shown.state.run_id

        def confirmed(typed: str | None) -> None:
            if typed is not None:
                self._send(lambda: self.library.stop(run_id), lambda: "asked to stop")

        self.push_screen(Dialog(questions.stopping(self.shown.state)), confirmed)

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

    def _send(
        self,
        call: Callable[[], object],
        words: Callable[[], str],
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        """Let the library do it beside the screen, then say what came of it."""

        def done(_: object) -> None:
            self.notify(safe_text(words(), limit=300), markup=False)
            self.run_has_ended()

        run_errand(self.call_later, call, then=done, failed=failed or self.tell)
