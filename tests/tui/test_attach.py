"""Runs that the console looks at and does not execute: live, finished, played again, answered, let rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from sdconsole import service
from sdconsole.config import Settings
from sdconsole.core.events import Answered, Continued, Paused, Record, StageStarted, Waiting
from sdconsole.core.gates import Answer, FlagGate
from sdconsole.core.journal import read_journal
from sdconsole.core.model import StageName
from sdconsole.core.projection import RunState
from sdconsole.errors import OperationFailed, UsageError, Verdict
from sdconsole.interfaces.tui.actions import ACTIONS
from sdconsole.interfaces.tui.console import ConsoleApp
from tests.tui.driving import console, field, play, proves, until, until_asked, words
from tests.tui.scripted import NEW, Hold, ScriptedLibrary, ScriptedRun, journal_of

RUN = "r-20261121-031500-7f3a"


class Patient:
    """Another terminal's prompt: it waits until it is told that somebody else answered."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._withdrawn = threading.Event()

    def ask(self, question: Waiting) -> Answer:
        self.asked.set()
        self._withdrawn.wait(20)
        return Answer(False, "bob", "prompt", held=True)

    def withdraw(self) -> None:
        self._withdrawn.set()


@contextmanager
def elsewhere(run: ScriptedRun, gate: Patient) -> Iterator[list[RunState]]:
    """The run in a thread of its own, with a gate of its own; its lock is as good as another process's."""
    ended: list[RunState] = []
    thread = threading.Thread(target=lambda: ended.append(run.execute(gate)))
    thread.start()
    try:
        yield ended
    finally:
        run.cancellation.cancel("the test is over")
        gate.withdraw()
        thread.join()


def events(folder: Path, kind: type) -> list[object]:
    return [record.event for record in read_journal(journal_of(folder)) if isinstance(record.event, kind)]


@proves("approve")
def test_a_run_of_another_process_moves_on_the_screen_and_is_approved_there(tmp_path: Path) -> None:
    hold, gate = Hold(), Patient()

    async def story() -> None:
        with elsewhere(ScriptedRun(tmp_path, work={StageName.LOAD: hold}), gate) as ended:
            assert hold.reached.wait(10)
            async with console(tmp_path, attach=RUN) as (app, pilot):
                await until(pilot, lambda: "load, elsewhere" in words(app, "#top"))
                await pilot.press("a")
                await until(pilot, lambda: "asks nothing now" in words(app))
                await pilot.press("x")
                await until(pilot, lambda: "Give up: another process executes this run" in words(app))
                hold.released.set()
                await until(pilot, lambda: "waits for you, elsewhere" in words(app, "#top"))
                await pilot.press("a")
                await until_asked(pilot)
                await pilot.press("escape")
                assert not ended
                await pilot.press("a")
                field(await until_asked(pilot)).value = "servicedesk"
                await pilot.press("enter")
                await until(pilot, lambda: f"deployed {NEW}" in words(app, "#verdict"))
                assert app.final_state is None
        [answer] = events(tmp_path, Answered)
        assert isinstance(answer, Answered)
        assert (answer.accepted, answer.via, answer.typed) == (True, "console", "servicedesk")
        assert answer.by == service.current_operator()
        assert ended[0].verdict is Verdict.OK

    play(story())


@proves("pause", "stop")
def test_a_run_of_another_process_rests_goes_on_and_is_stopped(tmp_path: Path) -> None:
    hold, last, gate = Hold(), Hold(), Patient()

    async def story() -> None:
        work = {StageName.LOAD: hold, StageName.VALIDATE: last}
        with elsewhere(ScriptedRun(tmp_path, work=work), gate) as ended:
            assert hold.reached.wait(10)
            async with console(tmp_path, attach=RUN) as (app, pilot):
                await until(pilot, lambda: "load, elsewhere" in words(app, "#top"))
                await pilot.press("p")
                await until(pilot, lambda: "PAUSED" in words(app, "#top"))
                hold.released.set()
                await pilot.pause(0.4)
                assert "load running" in words(app, "#stages")
                await pilot.press("p")
                await until(pilot, lambda: "load passed" in words(app, "#stages"))
                await until(pilot, last.reached.is_set)
                await pilot.press("S")
                await until_asked(pilot)
                assert "What readers see stays as it is." in words(app)
                await pilot.press("escape", "S")
                await until_asked(pilot)
                await pilot.click("#yes")
                await until(pilot, lambda: "interrupted" in words(app, "#top"))
        assert ended[0].verdict is Verdict.INTERRUPTED
        assert ended[0].finished
        assert ended[0].finished.error
        assert ended[0].finished.error.cause == f"{service.current_operator()} stopped it (console)"
        [paused], [continued] = events(tmp_path, Paused), events(tmp_path, Continued)
        assert isinstance(paused, Paused)
        assert isinstance(continued, Continued)
        assert (paused.stage, paused.via, continued.via) == (StageName.LOAD, "console", "console")

    play(story())


def test_the_console_that_asks_closes_its_question_when_another_terminal_answers(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)

    async def story() -> None:
        async with console(tmp_path, run=ScriptedRun(tmp_path)) as (app, pilot):
            await until_asked(pilot)
            question = service.open_question(settings, RUN)
            assert question is not None
            answering = threading.Thread(
                target=lambda: service.answer_run(
                    settings, RUN, question, accepted=True, typed="servicedesk", via="sdconsole approve"
                )
            )
            answering.start()
            await until(pilot, lambda: app.final_state)
            answering.join()
            assert app.final_state is not None
            assert app.final_state.verdict is Verdict.OK
            assert f"deployed {NEW}" in words(app, "#verdict")

    play(story())


def test_a_wrong_name_from_another_terminal_is_no_confirmation(tmp_path: Path) -> None:
    settings, gate = Settings(state_dir=tmp_path), Patient()
    with elsewhere(ScriptedRun(tmp_path), gate) as ended:
        assert gate.asked.wait(10)
        question = service.open_question(settings, RUN)
        assert question is not None
        service.answer_run(settings, RUN, question, accepted=True, typed="servicedesc", via="sdconsole approve")
    assert ended[0].verdict is Verdict.NOT_CONFIRMED
    assert not ended[0].live_changed
    with pytest.raises(OperationFailed, match="did not take"):
        service.answer_run(settings, RUN, question, accepted=True, typed="servicedesk", via="sdconsole approve")
    assert not list(journal_of(tmp_path).parent.glob("wish-*"))
    with pytest.raises(UsageError, match="no run is being executed"):
        service.pause_run(settings, via="sdconsole pause")


@proves("replay", "faster", "slower")
def test_a_finished_run_is_played_again_at_a_chosen_speed(tmp_path: Path) -> None:
    ScriptedRun(tmp_path).execute(FlagGate("ada", yes=True, confirm="servicedesk"))

    async def story() -> None:
        async with console(tmp_path, attach=RUN) as (app, pilot):
            await until(pilot, lambda: f"deployed {NEW}" in words(app, "#verdict"))
            await pilot.press("plus")
            await until(pilot, lambda: "no run is being played again" in words(app))
            app.library = Slow(tmp_path)
            await pilot.press("e")
            await until(pilot, lambda: "REPLAY x8" in words(app, "#top") and "load running" in words(app, "#stages"))
            assert app.screen.query_one("#verdict").display is False
            await pilot.press("minus")
            await until(pilot, lambda: "REPLAY x4" in words(app, "#top"))
            await pilot.press(*["plus"] * 6)
            await until(pilot, lambda: "REPLAY x128" in words(app, "#top"))
            await pilot.press("e")
            await until(pilot, lambda: f"deployed {NEW}" in words(app, "#verdict"))
            assert "REPLAY" not in words(app, "#top")

    play(story())


def shows(app: ConsoleApp, text: str) -> bool:
    return text in words(app)


class Slow(ScriptedLibrary):
    """Its journals stop for long in the load."""

    def records(self, run_id: str) -> Iterator[Record]:
        late = 0.0
        for record in super().records(run_id):
            yield replace(record, elapsed_seconds=record.elapsed_seconds + late)
            if isinstance(record.event, StageStarted) and record.event.stage is StageName.LOAD:
                for _ in range(200):
                    late += 3.0
                    yield replace(record, elapsed_seconds=record.elapsed_seconds + late)


def test_a_read_only_console_looks_and_changes_nothing(tmp_path: Path) -> None:
    ScriptedRun(tmp_path).execute(FlagGate("ada"))
    before = journal_of(tmp_path).read_bytes()

    async def story() -> None:
        library = ScriptedLibrary(tmp_path)
        async with console(tmp_path, library=library, attach=RUN, read_only=True) as (app, pilot):
            await until(pilot, lambda: "held: nothing is switched" in words(app, "#verdict"))
            assert "READ ONLY" in words(app, "#top")
            for entry in ACTIONS:
                if entry.changes and "run" in entry.places:
                    await pilot.press(entry.key)
                    told = f"{entry.label}: the console was opened to look"
                    await until(pilot, partial(shows, app, told))
            await pilot.press("h", "escape", "s")
            await until(pilot, lambda: "Start: the console was opened to look" in words(app))
            assert not app.session.busy
            assert library.asked_for == []

    play(story())
    assert journal_of(tmp_path).read_bytes() == before


@proves("abort")
def test_a_held_run_that_nobody_executes_is_given_up_from_its_screen(tmp_path: Path) -> None:
    ScriptedRun(tmp_path).execute(FlagGate("ada"))

    async def story() -> None:
        library = ScriptedLibrary(tmp_path)
        async with console(tmp_path, library=library, attach=RUN) as (app, pilot):
            await until(pilot, lambda: "held" in words(app, "#top"))
            await pilot.press("x")
            await until_asked(pilot)
            assert f"Give {RUN} up for good?" in words(app)
            await pilot.press("escape")
            assert library.asked_for == []
            await pilot.press("x")
            await until_asked(pilot)
            await pilot.click("#yes")
            await until(pilot, lambda: library.asked_for == [f"abort {RUN}"])
            await until(pilot, lambda: "was given up" in words(app))

    play(story())


def test_a_journal_that_cannot_be_trusted_is_told_and_not_shown_as_whole(tmp_path: Path) -> None:
    ScriptedRun(tmp_path).execute(FlagGate("ada"))
    with journal_of(tmp_path).open("ab") as journal:
        journal.write(b"{}\n")

    async def story() -> None:
        async with console(tmp_path, attach=RUN) as (app, pilot):
            await until(pilot, lambda: "error[journal-damaged]" in words(app, "#verdict"))

    play(story())
