"""A run in the console: from its start over the typed confirmation to its end, and every way out of it."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input

from sdconsole import service
from sdconsole.config import Settings
from sdconsole.core.bus import View
from sdconsole.core.events import Answered
from sdconsole.core.gates import Gate
from sdconsole.core.journal import read_journal
from sdconsole.core.model import RunKind, StageName, StageResult, StageStatus
from sdconsole.core.projection import RunState
from sdconsole.core.stage import StageContext
from sdconsole.errors import CheckFailed, GateFailed, Interrupted, SourceRefused, Verdict
from sdconsole.interfaces.tui.console import ConsoleApp
from sdconsole.service import current_operator
from sdconsole.service.orders import ProgressCall
from tests.tui.driving import console, field, play, proves, until, until_asked, until_ended, words, yes_button
from tests.tui.scripted import NEW, OLD, Hold, ScriptedLibrary, ScriptedRun, journal_of

RUN = "r-20261121-031500-7f3a"


def verdict(app: ConsoleApp) -> Verdict | None:
    return app.final_state.verdict if app.final_state is not None else None


async def confirm(pilot: Pilot[None], app: ConsoleApp, text: str = "servicedesk") -> None:
    field(await until_asked(pilot)).value = text
    await pilot.press("enter")
    await until_ended(pilot, app)


@proves("start")
def test_from_the_path_on_the_home_screen_to_a_verified_deployment(tmp_path: Path) -> None:
    async def story() -> None:
        library = ScriptedLibrary(tmp_path)
        async with console(tmp_path, library=library) as (app, pilot):
            await until(pilot, lambda: app.home.query("#source"))
            await pilot.press(*"/data/q4.db", "escape", "s")
            dialog = await until_asked(pilot)
            assert dialog.question.undo
            assert "tickets 24,918 rows" in words(app)

            assert yes_button(dialog).disabled
            await pilot.press(*"servicedesc", "enter")
            assert yes_button(dialog).disabled
            assert app.screen is dialog
            field(dialog).value = ""
            await pilot.press(*"servicedesk")
            assert not yes_button(dialog).disabled
            await pilot.press("enter")
            await until_ended(pilot, app)

            assert library.asked_for == ["deploy /data/q4.db complete"]
            state = app.final_state
            assert state is not None
            assert state.verdict is Verdict.OK
            assert [stage.status for stage in state.stages] == [StageStatus.PASSED] * 10
            assert f"deployed {NEW}" in words(app)
            assert OLD in words(app)
        answers = [record.event for record in read_journal(journal_of(tmp_path)) if isinstance(record.event, Answered)]
        assert [(answer.accepted, answer.by, answer.via, answer.typed) for answer in answers] == [
            (True, current_operator(), "console", "servicedesk")
        ]

    play(story())


@proves("resume")
def test_escape_keeps_the_hold_and_resuming_asks_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with console(tmp_path, run=ScriptedRun(tmp_path)) as (app, pilot):
            await until_asked(pilot)
            await pilot.press("escape")
            await until_ended(pilot, app)
            held = app.final_state
            assert held is not None
            assert held.verdict is Verdict.HELD
            assert held.waiting is not None
            assert not held.live_changed
            assert "sdconsole approve r-20261121-031500-7f3a" in words(app, "#verdict")

            await pilot.press("r")
            await confirm(pilot, app)
            assert verdict(app) is Verdict.OK
            assert app.final_state is not None
            assert app.final_state.live_changed

    play(story())


def test_a_plain_question_needs_no_name_and_starts_on_no(tmp_path: Path) -> None:
    async def story() -> None:
        async with console(
            tmp_path, run=ScriptedRun(tmp_path, expected=""), library=ScriptedLibrary(tmp_path, confirmation="")
        ) as (app, pilot):
            dialog = await until_asked(pilot)
            assert not dialog.query(Input)
            assert not yes_button(dialog).disabled
            await pilot.press("enter")
            await until_ended(pilot, app)
            assert verdict(app) is Verdict.HELD

            await pilot.press("r")
            await until_asked(pilot)
            await pilot.click("#yes")
            await until_ended(pilot, app)
            assert verdict(app) is Verdict.OK

    play(story())


@proves("quit")
def test_quitting_says_what_happens_stops_the_run_and_leaves_it_resumable(tmp_path: Path) -> None:
    async def story() -> None:
        hold = Hold()
        run = ScriptedRun(tmp_path, work={StageName.LOAD: hold})
        async with console(tmp_path, run=run) as (app, pilot):
            await until(pilot, hold.reached.is_set)
            await pilot.press("q")
            await until_asked(pilot)
            assert "Stop the run in load?" in words(app)
            assert "sdconsole resume r-20261121-031500-7f3a" in words(app)
            await pilot.press("escape")
            assert app.session.busy
            assert not run.cancellation.requested

            await pilot.press("ctrl+q")
            await until_asked(pilot)
            await pilot.press("ctrl+c")
            assert len([screen for screen in app.screen_stack if screen.is_modal]) == 1
            await pilot.click("#yes")
            await until(pilot, lambda: app.final_state)
        assert not app.session.busy
        state = app.final_state
        assert state is not None
        assert state.verdict is Verdict.INTERRUPTED
        assert not state.live_changed
        load = state.stage(StageName.LOAD)
        assert load is not None
        assert load.status is StageStatus.INTERRUPTED
        assert not app.is_running

    play(story())


def test_quitting_at_the_question_keeps_the_hold(tmp_path: Path) -> None:
    async def story() -> None:
        async with console(tmp_path, run=ScriptedRun(tmp_path)) as (app, pilot):
            await until_asked(pilot)
            await pilot.press("ctrl+q")
            await until(pilot, lambda: "Leave the run held?" in words(app))
            assert "sdconsole approve" in words(app)
            await pilot.click("#yes")
            await until(pilot, lambda: app.final_state)
        assert verdict(app) is Verdict.HELD

    play(story())


def test_a_signal_stops_the_run_and_closes_the_console(tmp_path: Path) -> None:
    async def story() -> None:
        hold = Hold()
        async with console(tmp_path, run=ScriptedRun(tmp_path, work={StageName.LOAD: hold})) as (app, pilot):
            await until(pilot, hold.reached.is_set)
            os.kill(os.getpid(), signal.SIGTERM)
            await until(pilot, lambda: app.final_state)
        assert app.final_state is not None
        assert app.final_state.verdict is Verdict.INTERRUPTED
        error = app.final_state.finished and app.final_state.finished.error
        assert error
        assert error.cause == "signal SIGTERM"

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    play(story())
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_failed_stage_shows_cause_state_and_next(tmp_path: Path) -> None:
    def below(ctx: StageContext[None]) -> StageResult:
        raise GateFailed(
            "score-minimum", "the score 72.10 is below 80", cause="R07 took 18.2 points", next_step="clean the export"
        )

    async def story() -> None:
        async with console(tmp_path, run=ScriptedRun(tmp_path, work={StageName.SCORE: below})) as (app, pilot):
            await until_ended(pilot, app)
            shown = words(app, "#verdict")
            assert "error[score-minimum]: the score 72.10 is below 80" in shown
            assert "cause: R07 took 18.2 points" in shown
            assert "state: nothing was changed" in shown
            assert "next: clean the export" in shown
            assert "sdconsole resume r-20261121-031500-7f3a" in shown
            assert verdict(app) is Verdict.GATE_FAILED
            assert app.failure is None

    play(story())


def test_a_refused_source_is_explained_on_the_home_screen(tmp_path: Path) -> None:
    async def story() -> None:
        refusal = SourceRefused("source-empty", "the file is empty", cause="0 bytes", next_step="export it again")
        async with console(tmp_path, library=ScriptedLibrary(tmp_path, refusal=refusal)) as (app, pilot):
            await until(pilot, lambda: app.home.query("#source"))
            await pilot.press("enter")
            await pilot.press(*"x.db", "enter")
            await until(pilot, lambda: "error[source-empty]" in words(app))
            assert "next: export it again" in words(app)
            assert app.run_screen is None
            assert app.failure is None
            assert app.final_state is None

    play(story())


def test_an_error_before_the_first_stage_is_shown_and_handed_back(tmp_path: Path) -> None:
    def prepare(progress: ProgressCall) -> ScriptedRun:
        raise CheckFailed("no-tables", "the source holds no table", next_step="choose another file")

    async def story() -> None:
        async with console(tmp_path, opening=prepare) as (app, pilot):
            await until_ended(pilot, app)
            assert "error[no-tables]: the source holds no table" in words(app)
            await pilot.press("q")
        assert isinstance(app.failure, CheckFailed)
        assert app.final_state is None

    play(story())


def test_preparing_shows_its_progress_and_can_be_stopped(tmp_path: Path) -> None:
    run = ScriptedRun(tmp_path)

    def prepare(progress: ProgressCall) -> ScriptedRun:
        done = 0
        while True:
            done += 1_000
            progress(done, 260_000)
            stop.wait(0.005)

    stop = Hold().released

    async def story() -> None:
        async with console(tmp_path, opening=prepare) as (app, pilot):
            await until(pilot, lambda: "of 260,000" in words(app))
            await pilot.press("q")
            await until_asked(pilot)
            assert "Stop making the run ready?" in words(app)
            await pilot.click("#yes")
            await until(pilot, lambda: app.failure)
        assert isinstance(app.failure, Interrupted)
        assert not run.journal.exists()

    play(story())


def test_a_run_prepared_too_late_is_closed_and_not_executed(tmp_path: Path) -> None:
    hold = Hold()
    run = ScriptedRun(tmp_path)

    def prepare(progress: ProgressCall) -> ScriptedRun:
        hold.reached.set()
        hold.released.wait(10)
        return run

    async def story() -> None:
        library = ScriptedLibrary(tmp_path)
        async with console(tmp_path, library=library, opening=prepare) as (app, pilot):
            await until(pilot, hold.reached.is_set)
            app.session.stop("changed my mind")
            await until(pilot, lambda: library.attendance and library.attendance.unwanted)
            hold.released.set()
            await until_ended(pilot, app)
            assert isinstance(app.failure, Interrupted)
        assert run.closed
        assert not run.journal.exists()

    play(story())


@proves("rollback")
def test_b_rolls_back_after_a_cutover_and_says_why_not_before(tmp_path: Path) -> None:
    async def story() -> None:
        hold = Hold()
        library = ScriptedLibrary(tmp_path)
        run = ScriptedRun(tmp_path, work={StageName.LOAD: hold})
        async with console(tmp_path, library=library, run=run) as (app, pilot):
            await until(pilot, hold.reached.is_set)
            await pilot.press("b")
            await until(pilot, lambda: "Roll back: a run is under way" in words(app))
            assert library.asked_for == []
            hold.released.set()
            await confirm(pilot, app)

            await pilot.press("b")
            await confirm(pilot, app)
            assert library.asked_for == ["rollback"]
            state = app.final_state
            assert state is not None
            assert state.started is not None
            assert state.started.kind is RunKind.ROLLBACK
            assert state.verdict is Verdict.OK
            assert f"rolled back to {NEW}" in words(app)

    play(story())


@proves("detach")
def test_a_lost_terminal_leaves_the_run_to_itself_until_its_question(tmp_path: Path) -> None:
    async def story() -> None:
        hold = Hold()
        async with console(tmp_path, run=ScriptedRun(tmp_path, work={StageName.LOAD: hold})) as (app, pilot):
            await until(pilot, hold.reached.is_set)
            await pilot.press("D")
            await until(pilot, lambda: not app.is_running)
            assert app.let_go
            assert not app.session.stopping
        assert service.is_alive(settings, RUN)
        hold.released.set()

    settings = Settings(state_dir=tmp_path)
    play(story())
    state = ended(tmp_path)
    assert state.verdict is Verdict.HELD
    assert state.waiting is not None


def ended(folder: Path) -> RunState:
    """The run's state once no process executes it any more."""
    *_, last = service.follow(Settings(state_dir=folder), RUN)
    return last.state


def test_an_unknown_error_in_the_screen_leaves_the_run_to_itself(tmp_path: Path) -> None:
    hold = Hold()

    async def story() -> None:
        async with console(tmp_path, run=ScriptedRun(tmp_path, work={StageName.LOAD: hold})) as (app, pilot):
            await until(pilot, hold.reached.is_set)
            app.call_later(lambda: 1 / 0)
            await until(pilot, lambda: not app.is_running)

    try:
        play(story())
    except ZeroDivisionError:
        pass
    else:
        raise AssertionError("the error was swallowed")
    hold.released.set()
    assert ended(tmp_path).verdict is Verdict.HELD


def test_q_pressed_while_an_ended_run_is_still_written_up_leaves_afterwards(tmp_path: Path) -> None:
    written = threading.Event()

    class Slow(ScriptedRun):
        def execute(self, gate: Gate, views: tuple[View, ...] = ()) -> RunState:
            state = ScriptedRun.execute(self, gate, views)
            written.wait(20)
            return state

    async def story() -> None:
        async with console(tmp_path, run=Slow(tmp_path)) as (app, pilot):
            await until_asked(pilot)
            await pilot.press("escape")
            await until(pilot, lambda: "held" in words(app, "#verdict"))
            await pilot.press("q")
            await pilot.pause(0.2)
            assert app.is_running
            written.set()
            await until(pilot, lambda: not app.is_running)
            assert verdict(app) is Verdict.HELD

    play(story())
