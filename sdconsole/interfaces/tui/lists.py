"""What the home screen lists: the runs, what is live, how long stages took. None of it keeps the screen waiting."""

from __future__ import annotations

from collections.abc import Mapping

from sdconsole.core.model import StageName
from sdconsole.core.runs import RunSummary
from sdconsole.interfaces.tui.attending import Attending
from sdconsole.interfaces.tui.errands import run_errand

AGAIN_SECONDS = 2.0


class Lists(Attending):
    """Reads at the start, after each run, and again and again while some other process executes one."""

    def on_mount(self) -> None:
        self.set_interval(AGAIN_SECONDS, lambda: self.read_runs() if self.shown is None and self.home.running else None)

    def run_has_ended(self) -> None:
        self.read_lists()

    def read_lists(self) -> None:
        """In threads of their own; the home screen shows what comes back."""
        library, home = self.library, self.home
        self.read_runs()
        run_errand(
            self.call_later,
            library.live_version,
            then=lambda text: home.show_live(text, self.look),
            failed=lambda error: home.show_live(f"live version not known: {error}", self.look),
        )

    def read_runs(self) -> None:
        library, home = self.library, self.home

        def read() -> tuple[tuple[RunSummary, ...], Mapping[StageName, float]]:
            rows = library.runs()
            return rows, library.expected_seconds(rows)

        def show(found: tuple[tuple[RunSummary, ...], Mapping[StageName, float]]) -> None:
            rows, self.expected = found
            home.show_runs(rows, self.look)
            self.draw()

        run_errand(self.call_later, read, then=show, failed=lambda error: home.show_unreadable(error, self.look))
