"""What the screens beside the run do: dates, versions, dashboards, the watch after a cutover; log and locks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual.widgets import Static

from sdconsole.interfaces.safe_text import safe_text
from sdconsole.interfaces.tui import questions
from sdconsole.interfaces.tui.date_review import DateReview
from sdconsole.interfaces.tui.dialog import Dialog
from sdconsole.interfaces.tui.errands import run_errand
from sdconsole.interfaces.tui.history_screen import HistoryScreen
from sdconsole.interfaces.tui.live_screens import AfterScreen, DashboardsScreen
from sdconsole.interfaces.tui.locks_tab import LocksTab
from sdconsole.interfaces.tui.log_tab import LogTab
from sdconsole.interfaces.tui.metrics_panel import compare_table
from sdconsole.interfaces.tui.profile_tab import ProfileTab
from sdconsole.interfaces.tui.side_screen import SideScreen
from sdconsole.interfaces.tui.versions_screen import VersionsScreen
from sdconsole.interfaces.tui.watch_deeds import WatchDeeds
from sdconsole.service.dashboards import Figures
from sdconsole.service.orders import Resumption, Rollback

LOOK_SECONDS = 10.0
MACHINE_SECONDS = 3.0


class SideDeeds(WatchDeeds):
    """Reading goes beside the screen; what comes back for a screen that is closed is dropped."""

    def side_deeds(self) -> Mapping[str, Callable[[], object]]:
        """By the id of the action."""
        return {
            "dates": self._open_dates,
            "day-first": lambda: self._answer_dates("DMY"),
            "month-first": lambda: self._answer_dates("MDY"),
            "answer-dates": self._take_up_with_answers,
            "history": lambda: self._open(VersionsScreen(self.look)),
            "past": lambda: self._open(HistoryScreen(self.look)),
            "compare-runs": self._compare_runs,
            "mark-run": lambda: self.side.mark() if isinstance(self.side, HistoryScreen) else None,
            "dashboards": lambda: self._open(DashboardsScreen(self.look)),
            "after": self._open_after,
            "back": self._back,
            "refresh": self._look,
            "rollback-to": self._roll_back,
            "log-filter": lambda: self._on_log(LogTab.ask_filter),
            "log-copy": self._copy_log,
            "log-write": self._write_log,
            "log-mark": lambda: self._on_log(LogTab.mark),
            "cancel-blocker": lambda: self._end_blocker(end=False),
            "end-blocker": lambda: self._end_blocker(end=True),
        }

    def on_mount(self) -> None:
        self.set_interval(LOOK_SECONDS, lambda: self._look() if isinstance(self.side, AfterScreen) else None)
        self.set_interval(MACHINE_SECONDS, self._ask_machine)

    def _open(self, screen: SideScreen) -> None:
        if self.side is not None:
            self.side.dismiss(None)
        self.push_screen(screen)
        self.call_after_refresh(self._look)

    def _back(self) -> None:
        if self.side is not None:
            self.side.dismiss(None)
            self.call_after_refresh(self.draw)

    def _open_dates(self) -> None:
        if self.shown is not None:
            self._open(DateReview(self.look, self.shown.state.run_id))

    def _open_after(self) -> None:
        changes = self.shown.state.live_changes if self.shown is not None else ()
        last = changes[-1] if changes else None
        before = last.from_version if last is not None else None
        seconds = last.duration_seconds if last is not None else None
        self._open(AfterScreen(self.look, before=before, switch_seconds=seconds))

    def _look(self) -> None:
        """Ask again for what the screen in view shows."""
        side, library = self.side, self.library
        if isinstance(side, DateReview):
            self._for(side, lambda: library.date_questions(side.run_id), side.show)
        elif isinstance(side, VersionsScreen):
            self._for(side, library.versions, side.show)
        elif isinstance(side, HistoryScreen):
            self._for(side, library.past_runs, side.show)
        elif isinstance(side, DashboardsScreen):
            self._for(side, library.figures, side.show)
        elif isinstance(side, AfterScreen):
            self._for(side, lambda: (library.look(), library.figures()), lambda found: side.show(*found))

    def _for(self, screen: SideScreen, call: Callable[[], object], then: Callable[..., object]) -> None:
        def when_open(show: Callable[..., object], value: object) -> None:
            if self.side is screen:
                show(value)

        run_errand(
            self.call_later,
            call,
            then=lambda found: when_open(then, found),
            failed=lambda error: when_open(screen.show_error, error),
        )

    def tab_shown(self, tab_id: str) -> None:
        """Read what a tab shows that is not in the journal."""
        screen, shown, look = self.run_screen, self.shown, self.look
        if screen is None or shown is None:
            return
        run_id = shown.state.run_id
        if tab_id == "tab-profile" and run_id:
            tab = screen.query_one(ProfileTab)
            run_errand(
                self.call_later,
                lambda: self.library.profile(run_id),
                then=lambda profile: tab.show(profile, look),
                failed=lambda error: tab.show_problem(str(error), look),
            )
        elif tab_id == "tab-compare" and run_id:
            panel = screen.query_one("#compare", Static)

            def show(found: Figures) -> None:
                panel.update(
                    compare_table(found, look) if found.new is not None else "there is no new version beside live"
                )

            run_errand(
                self.call_later,
                lambda: self.library.figures(run_id),
                then=show,
                failed=lambda error: panel.update(safe_text(str(error), limit=300)),
            )

    def _answer_dates(self, order: str) -> None:
        if isinstance(self.side, DateReview):
            self.side.answer(order)

    def _take_up_with_answers(self) -> None:
        side = self.side
        if isinstance(side, DateReview):
            run_id, given = side.run_id, side.given
            self.begin_here(Resumption(run_id, given))

    def _roll_back(self) -> None:
        side = self.side
        if isinstance(side, VersionsScreen):
            if side.chosen is not None:
                to = side.chosen.version
                self.begin_here(Rollback(to))
        elif isinstance(side, AfterScreen):
            before = side.before
            self.begin_here(Rollback(before))

    def _compare_runs(self) -> None:
        side = self.side
        pair = side.pair if isinstance(side, HistoryScreen) else None
        if pair is None or not isinstance(side, HistoryScreen):
            self.notify("there is no second run to compare with", severity="warning")
            return
        before, after = pair
        self._for(side, lambda: self.library.compare(before, after), lambda found: side.show_differences(pair, found))

    def _on_log(self, deed: Callable[[LogTab], object]) -> None:
        if self.run_screen is not None:
            self.run_screen.show_tab("tab-log")
            deed(self.run_screen.query_one(LogTab))

    def _copy_log(self) -> None:
        if self.run_screen is not None:
            text = self.run_screen.query_one(LogTab).text
            self.copy_to_clipboard(text)
            self.notify(f"{len(text.splitlines())} lines of the log", title="Copied")

    def _write_log(self) -> None:
        screen, shown = self.run_screen, self.shown
        if screen is not None and shown is not None:
            text, run_id = screen.query_one(LogTab).text, shown.state.run_id
            run_errand(
                self.call_later,
                lambda: self.library.keep_log(run_id, text),
                then=lambda path: self.notify(safe_text(str(path), limit=300), title="Written", markup=False),
                failed=self.tell,
            )

    def _end_blocker(self, *, end: bool) -> None:
        screen, shown = self.run_screen, self.shown
        holder = screen.query_one(LocksTab).chosen if screen is not None else None
        if holder is None or shown is None or holder.pid is None:
            self.notify("choose a session in the tab Locks first", severity="warning")
            return
        run_id, pid = shown.state.run_id, holder.pid

        def confirmed(typed: str | None) -> None:
            if typed is not None:
                run_errand(
                    self.call_later,
                    lambda: self.library.end_blocker(run_id, pid, end=end),
                    then=lambda words: self.notify(safe_text(words, limit=300), markup=False),
                    failed=self.tell,
                )

        self.push_screen(Dialog(questions.ending_blocker(holder, end=end)), confirmed)

    def _ask_machine(self) -> None:
        def show(words: str) -> None:
            self.machine = words

        if self.session.busy:
            run_errand(self.call_later, self.library.machine, then=show, failed=self.tell)
