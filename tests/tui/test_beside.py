"""The screens beside the run, and what its tabs do: dates, versions, dashboards, the watch, log, locks, profile."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from textual.widgets import DataTable, RichLog

from sdconsole.analytics.catalog import MetricStatus, load_catalog
from sdconsole.analytics.run import MetricResult
from sdconsole.contract.model import DateOrder
from sdconsole.core.events import Blocked, BlockingSession
from sdconsole.core.gates import FlagGate
from sdconsole.core.model import Artifact, StageName, StageResult
from sdconsole.core.stage import StageContext
from sdconsole.errors import CheckFailed, Verdict
from sdconsole.interfaces.tui.date_review import DateReview
from sdconsole.interfaces.tui.home import HomeScreen
from sdconsole.interfaces.tui.run_screen import RunScreen
from sdconsole.report.compare import Difference
from sdconsole.service.dashboards import Figures
from sdconsole.service.history import PastRun
from sdconsole.service.reviewing import DateQuestion, Reading
from sdconsole.target.ledger.record import VersionState
from sdconsole.target.live.versions import VersionRow
from tests.tui.driving import console, field, painted, play, proves, until, until_asked, until_ended, words
from tests.tui.scripted import NEW, OLD, Hold, ScriptedLibrary, ScriptedRun
from tests.tui.test_attach import shows
from tests.tui.test_history import past

RUN = "r-20261121-031500-7f3a"
QUESTIONS = (
    DateQuestion("tickets.TKT-Due", 0, 0, 812, (Reading("03/04/2025", "03 Apr 2025", "04 Mar 2025"),), None),
    DateQuestion(
        "timesheets.TS-Date", 14, 0, 40, (Reading("05/06/2025", "05 Jun 2025", "06 May 2025"),), DateOrder.DMY
    ),
)


def version(name: str, state: VersionState, *, back: bool = False) -> VersionRow:
    made = datetime(2026, 8, 21, 3, 15, tzinfo=UTC)
    return VersionRow(name, state, RUN, "complete", False, 266_622, 12, 93.24, 84_000_000, made, made, back, "")


def result(metric_id: str, value: float | None, *, error: str = "") -> MetricResult:
    metric = next(one for one in load_catalog().metrics if one.id == metric_id)
    status = metric.judge(value) if not error else MetricStatus.NO_DATA
    return MetricResult(metric, value, 1_000, status, error=error, duration_seconds=0.012)


def profiled(ctx: StageContext[None]) -> StageResult:
    return StageResult("profiled", artifacts=(Artifact("profile", "/nowhere/profile.json", 1, None),))


@proves("dates", "day-first", "month-first", "answer-dates")
def test_each_open_column_is_answered_and_the_run_is_taken_up_with_the_answers(tmp_path: Path) -> None:
    ScriptedRun(tmp_path).execute(FlagGate("ada"))

    async def story() -> None:
        library = ScriptedLibrary(tmp_path, dates=QUESTIONS)
        async with console(tmp_path, library=library, attach=RUN, size=(120, 40)) as (app, pilot):
            await until(pilot, lambda: "held" in words(app, "#top"))
            await pilot.press("d")
            await until(pilot, lambda: "03 Apr 2025" in words(app, "#said"))
            shown = words(app)
            assert "04 Mar 2025" in shown
            assert "812" in shown
            assert "no value of this column tells" in shown
            await pilot.press("r")
            await until(pilot, lambda: "no column has an answer yet" in words(app))
            await pilot.press("m")
            await until(pilot, lambda: "14 values of this column can only be read one way" in words(app))
            assert isinstance(app.screen, DateReview)
            assert app.screen.given == {"tickets.TKT-Due": "MDY"}
            await pilot.press("d", "up", "d")
            assert app.screen.given == {"tickets.TKT-Due": "DMY", "timesheets.TS-Date": "DMY"}
            await pilot.press("up", "m")
            await pilot.press("y")
            words_of_command = "--date-format tickets.TKT-Due=MDY --date-format timesheets.TS-Date=DMY"
            assert app.clipboard == f"sdconsole resume {RUN} {words_of_command}"
            await pilot.press("r")
            await until_asked(pilot)
            assert library.asked_for == [f"resume {RUN} tickets.TKT-Due=MDY timesheets.TS-Date=DMY"]

    play(story())


@proves("history", "rollback-to", "back")
def test_any_kept_version_is_given_back_from_the_list(tmp_path: Path) -> None:
    async def story() -> None:
        kept = (version(NEW, VersionState.LIVE), version(OLD, VersionState.PREVIOUS, back=True))
        library = ScriptedLibrary(tmp_path, kept=kept)
        async with console(tmp_path, library=library, size=(140, 40)) as (app, pilot):
            await until(pilot, lambda: app.home.query("#source"))
            await pilot.press("escape", "v")
            await until(pilot, lambda: OLD in words(app) and "266,622" in words(app))
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, HomeScreen))
            await pilot.press("escape", "v")
            await until(pilot, lambda: OLD in words(app) and "266,622" in words(app))
            await pilot.press("down", "b")
            field(await until_asked(pilot)).value = "servicedesk"
            await pilot.press("enter")
            await until_ended(pilot, app)
            assert library.asked_for == [f"rollback {OLD}"]
            assert app.final_state is not None
            assert app.final_state.verdict is Verdict.OK

    play(story())


@proves("dashboards", "refresh")
def test_dashboards_draw_values_between_their_thresholds_and_tell_an_error(tmp_path: Path) -> None:
    async def story() -> None:
        judged = next(one for one in load_catalog().metrics if one.green and one.unit == "percent")
        measured = Figures(NEW, (result(judged.id, 50.0), result("1.2", None, error="relation tickets is gone")))
        library = ScriptedLibrary(tmp_path, measured=measured)
        async with console(tmp_path, library=library, size=(150, 40)) as (app, pilot):
            await until(pilot, lambda: app.home.query("#source"))
            await pilot.press("escape", "g")
            await until(pilot, lambda: "50.00 percent" in words(app))
            shown = words(app, "#said")
            assert "┃" in shown
            assert "●" in shown
            assert "relation tickets is gone" in shown
            library.measured = CheckFailed("nothing-to-measure", "servicedesk has no version yet")
            await pilot.press("u")
            await until(pilot, lambda: "error[nothing-to-measure]" in words(app, "#said"))

    play(story())


@proves("after")
def test_after_the_cutover_readers_are_watched_with_the_way_back_in_view(tmp_path: Path) -> None:
    async def story() -> None:
        library = ScriptedLibrary(tmp_path, measured=Figures(NEW, (result("1.1", 97.0),)))
        async with console(tmp_path, library=library, run=ScriptedRun(tmp_path), size=(140, 40)) as (app, pilot):
            field(await until_asked(pilot)).value = "servicedesk"
            await pilot.press("enter")
            await until_ended(pilot, app)
            await pilot.press("f")
            await until(pilot, lambda: f"{NEW} 266,622 rows 1 of 1 queries answer" in words(app, "#said"))
            assert (
                f"b gives readers {OLD} again: one transaction, the same switch; the switch here took 41 ms"
                in words(app)
            )
            library.drift = "tickets reads another version"
            await pilot.press("u")
            await until(pilot, lambda: "LOOK" in words(app, "#said"))
            assert "tickets reads another version" in words(app, "#said")
            await pilot.press("b")
            await until_asked(pilot)
            assert library.asked_for == [f"rollback {OLD}"]

    play(story())


@proves("log-filter", "log-copy", "log-write", "log-mark")
def test_the_log_is_filtered_marked_copied_and_written(tmp_path: Path) -> None:
    ScriptedRun(tmp_path).execute(FlagGate("ada"))

    async def story() -> None:
        async with console(tmp_path, attach=RUN, size=(120, 40)) as (app, pilot):
            await until(pilot, lambda: "held" in words(app, "#top"))
            await pilot.press("m")
            await until(pilot, lambda: "mark" in words(app, "#log"))
            await pilot.press("slash", *"CANARY")
            await until(pilot, lambda: "preflight" not in words(app, "#log"))
            assert "canary is done" in words(app, "#log")
            await pilot.press("enter", "c")
            assert "canary is done" in app.clipboard
            assert "preflight" not in app.clipboard
            await pilot.press("w")
            await until(pilot, lambda: list((tmp_path / "logs").glob("*.log")))
            [written] = (tmp_path / "logs").glob("*.log")
            assert written.read_text().strip() == app.clipboard
            assert written.stat().st_mode & 0o777 == 0o600
            await pilot.press("slash", "escape")
            await until(pilot, lambda: "preflight" in words(app, "#log"))
            assert app.screen.focused is app.screen.query_one(RichLog)

    play(story())


@proves("cancel-blocker", "end-blocker", "tab-locks")
def test_who_delays_the_switch_is_named_and_can_be_cancelled_or_ended(tmp_path: Path) -> None:
    hold = Hold()

    def delayed(ctx: StageContext[None]) -> StageResult:
        holder = BlockingSession(
            4121,
            "grafana_ro",
            "grafana",
            "servicedesk.tickets",
            "AccessShareLock",
            840.0,
            "active",
            "SELECT 1",
            "pid 4121",
        )
        ctx.emit(Blocked(ctx.stage, (holder,), 12.0, 300.0, 3))
        return hold(ctx)

    async def story() -> None:
        library = ScriptedLibrary(tmp_path)
        run = ScriptedRun(tmp_path, work={StageName.LOAD: delayed})
        async with console(tmp_path, library=library, run=run, size=(140, 40)) as (app, pilot):
            await until(pilot, hold.reached.is_set)
            await pilot.press("6")
            await until(pilot, lambda: "grafana_ro" in words(app, "#holders"))
            assert "waiting 0:12 of 5:00, 3 attempts; readers go on" in words(app, "#locks-summary")
            await pilot.press("k")
            await until_asked(pilot)
            await pilot.press("escape")
            assert library.asked_for == []
            for key in "kK":
                await pilot.press(key)
                await until_asked(pilot)
                await pilot.click("#yes")
                await until(pilot, lambda: isinstance(app.screen, RunScreen))
            await until(pilot, lambda: len(library.asked_for) == 2)
            assert library.asked_for == [f"cancel 4121 of {RUN}", f"end 4121 of {RUN}"]
            hold.released.set()
            await until_asked(pilot)

    play(story())


@proves("tab-compare")
def test_live_is_compared_with_the_new_version_greatest_changes_first(tmp_path: Path) -> None:
    ScriptedRun(tmp_path).execute(FlagGate("ada"))

    async def story() -> None:
        live = (result("1.1", 97.0), result("1.3", 10.0))
        new = (result("1.1", 96.5), result("1.3", 30.0))
        library = ScriptedLibrary(tmp_path, measured=Figures(OLD, live, NEW, new))
        async with console(tmp_path, library=library, attach=RUN, size=(140, 40)) as (app, pilot):
            await until(pilot, lambda: "held" in words(app, "#top"))
            await pilot.press("5")
            await until(pilot, lambda: "+20.00" in words(app, "#compare"))
            shown = words(app, "#compare")
            assert shown.index("+20.00") < shown.index("-0.50")

    play(story())


@proves("tab-profile")
def test_a_profile_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    ScriptedRun(tmp_path, work={StageName.PROFILE: profiled}).execute(FlagGate("ada"))

    async def story() -> None:
        async with console(tmp_path, attach=RUN, size=(140, 40)) as (app, pilot):
            await until(pilot, lambda: "held" in words(app, "#top"))
            await pilot.press("3")
            await until(pilot, lambda: f"the profile of {RUN} cannot be read" in words(app, "#profile-summary"))
            assert app.screen.query_one("#profile-columns", DataTable).row_count == 0

    play(story())


def hostile_past(naughty: str) -> PastRun:
    run = past(14)
    return replace(run, summary=replace(run.summary, run_id=naughty, mode=naughty, source=naughty, target=naughty))


NAUGHTY = (
    "\x1b[2J\x1b]0;owned\x07\u202egnp\u2066x\u2069\u200b\ufeff",
    "\x1b]52;c;aGk=\x1b\\\x9b31ma\r\nb\x00c\x7f\x85d\u2028e",
    "\ud800Z\u0335\u0336\u0337\u0338\u0334\u0335[/nope][bold]{0}%s$(id)`id`\x1bP+q544e\x1b\\\x1b[6n\x1b[?1049l",
)


@pytest.mark.parametrize("naughty", NAUGHTY, ids=range(len(NAUGHTY)))
def test_no_text_of_data_drives_the_terminal_through_any_screen(tmp_path: Path, naughty: str) -> None:
    hold = Hold()

    def hostile(ctx: StageContext[None]) -> StageResult:
        holder = BlockingSession(1, naughty, naughty, naughty, naughty, 1.0, naughty, naughty, naughty)
        ctx.emit(Blocked(ctx.stage, (holder,), 1.0, 2.0, 1))
        ctx.log(naughty, "warning")
        return hold(ctx)

    def harmless(text: str) -> None:
        bad = [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c != "\n"]
        assert not bad

    async def story() -> None:
        broken = replace(result("1.2", None, error=naughty), reason=naughty)
        library = ScriptedLibrary(
            tmp_path,
            kept=(replace(version(OLD, VersionState.LIVE), version=naughty, run_id=naughty),),
            dates=(DateQuestion(naughty, 1, 1, 1, (Reading(naughty, "1", "2"),), None),),
            measured=Figures(naughty, (broken,), naughty, (broken,)),
            drift=naughty,
            live=naughty,
            past=(hostile_past(naughty), hostile_past(f"{naughty}2")),
            different=(Difference(naughty, naughty, naughty, naughty),),
        )
        async with console(
            tmp_path, library=library, run=ScriptedRun(tmp_path, work={StageName.LOAD: hostile}), size=(150, 40)
        ) as (app, pilot):
            await until(pilot, hold.reached.is_set)
            for key in "675":
                await pilot.press(key)
                await pilot.pause(0.2)
                harmless(painted(app))
            await pilot.press("6", "k")
            await until_asked(pilot)
            harmless(painted(app))
            await pilot.press("escape")
            hold.released.set()
            await until_asked(pilot)
            await pilot.press("escape")
            await until_ended(pilot, app)
            await pilot.press("j")
            await until(pilot, partial(shows, app, "enter compares"))
            await pilot.press("c")
            await until(pilot, partial(shows, app, "about"))
            harmless(painted(app))
            await pilot.press("m")
            await until(pilot, partial(shows, app, "chosen run with"))
            harmless(painted(app))
            await pilot.press("escape")
            for key, drawn in (("d", "only day first"), ("v", "live since"), ("g", "failed"), ("f", "LOOK")):
                await pilot.press(key)
                await until(pilot, partial(shows, app, drawn))
                harmless(painted(app))
                await pilot.press("escape")
                await pilot.pause(0.1)

    play(story())


def test_the_own_run_rests_at_its_next_safe_point_and_goes_on(tmp_path: Path) -> None:
    hold = Hold()

    async def story() -> None:
        async with console(tmp_path, run=ScriptedRun(tmp_path, work={StageName.LOAD: hold})) as (app, pilot):
            await until(pilot, hold.reached.is_set)
            await pilot.press("p")
            await until(pilot, lambda: "PAUSED, p goes on" in words(app, "#top"))
            hold.released.set()
            await pilot.pause(0.3)
            assert "load running" in words(app, "#stages")
            await pilot.press("p")
            await until_asked(pilot)
            await pilot.press("escape")
            await until_ended(pilot, app)
            assert app.final_state is not None
            assert app.final_state.paused is None

    play(story())
