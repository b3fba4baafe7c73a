"""What the screens show, at every size, with and without Unicode, and with the worst of texts."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import DataTable, Input, TabbedContent

from sdconsole.config import Settings
from sdconsole.core import bus
from sdconsole.core.events import LiveChanged, Progress, Waiting
from sdconsole.core.gates import Answer, FlagGate
from sdconsole.core.journal import read_journal
from sdconsole.core.model import CheckStatus, Mode, RunKind, StageName, StageResult, StageStatus
from sdconsole.core.runs import RunSummary
from sdconsole.core.stage import StageContext
from sdconsole.errors import CheckFailed, Verdict
from sdconsole.interfaces.tui.dialog import Dialog
from sdconsole.interfaces.tui.home import HomeScreen
from sdconsole.interfaces.tui.quality_tab import QualityTab
from sdconsole.interfaces.tui.questions import confirmation
from sdconsole.interfaces.tui.run_screen import RunScreen
from sdconsole.service.preparing import DeployRequest
from tests.tui.driving import begin, console, painted, play, proves, until, until_asked, until_ended, words
from tests.tui.scripted import LOSSES, OLD, Hold, ScriptedLibrary, ScriptedRun, journal_of, score_event

HOSTILE = "\x1b[2J\x1b]0;owned\x07[/nope][bold]\u202egnp\u200b\x9b31m\r\nx $accent ${x}"
SURROGATE = "\ud800"
SIZES = [(40, 12), (80, 24), (200, 50)]


def summary(run_id: str, verdict: Verdict | None, **more: object) -> RunSummary:
    row = RunSummary(
        run_id=run_id,
        kind=RunKind.DEPLOY,
        mode="complete",
        source="/data/q3.db",
        target="embedded",
        live_schema="servicedesk",
        started_at="2026-08-21T03:15:00.000Z",
        duration_seconds=41.0,
        verdict=verdict,
        score=93.24,
        version=OLD,
        next_stage=None,
        resumable=False,
        alive=False,
    )
    return replace(row, **more)  # type: ignore[arg-type]


ROWS = (
    summary("r-20261120-101500-aaaa", Verdict.INTERRUPTED, next_stage=StageName.LOAD, resumable=True, version=None),
    summary("r-20260821-031500-bbbb", Verdict.OK),
    summary("r-20260521-031500-cccc", Verdict.GATE_FAILED, score=72.1, version=None, source="/data/q1.db"),
)


@proves("tab-overview", "tab-quality", "tab-checks", "tab-log", "stages", "help")
@pytest.mark.parametrize("size", SIZES)
def test_every_screen_fits(tmp_path: Path, size: tuple[int, int]) -> None:
    async def story() -> None:
        hold = Hold()
        run = ScriptedRun(tmp_path, work={StageName.LOAD: hold}, production=True)
        async with console(tmp_path, library=ScriptedLibrary(tmp_path, rows=ROWS), size=size) as (app, pilot):
            await until(pilot, lambda: app.home.unfinished)
            assert "resume from load?" in words(app) or size[0] == 40
            begin(app, run)
            await until(pilot, lambda: hold.reached.is_set() and "load" in words(app, "#stages"))
            await until(pilot, lambda: "50 %" in words(app, "#tasks") or "12,000 of 24,000" in words(app, "#tasks"))
            assert "PRODUCTION" in painted(app).splitlines()[0]
            assert "running" in words(app, "#stages")
            await pilot.press("2")
            await until(pilot, lambda: "ticket has a" in words(app, "#losses"))
            await pilot.press("4")
            await until(pilot, lambda: "1 passed" in words(app, "#checks"))
            await pilot.press("7")
            await until(pilot, lambda: "canary" in words(app, "#log"))
            await pilot.press("1")
            await until(pilot, lambda: "EXCELLENT" in words(app, "#overview"))
            assert ("running" in words(app)) == (size[1] >= 20)
            await pilot.press("0", "question_mark")
            await until(pilot, lambda: "Keys" in painted(app))
            await pilot.press("escape")
            hold.released.set()
            dialog = await until_asked(pilot)
            assert "on PRODUCTION" in painted(app)
            for part in ("#typed", "#undo", "#no", "#yes"):
                widget = dialog.query_one(part)
                assert app.screen.region.contains_region(widget.region), widget
                assert widget.region.area > 0
            await pilot.press("escape")
            await until_ended(pilot, app)
            assert "held" in words(app, "#verdict")
            for line in painted(app).splitlines():
                assert len(line) <= size[0]

    play(story())


def test_a_terminal_without_unicode_gets_ascii_only(tmp_path: Path) -> None:
    async def story() -> None:
        hold = Hold()
        run = ScriptedRun(tmp_path, work={StageName.LOAD: hold})
        library = ScriptedLibrary(tmp_path, rows=ROWS, live="live: Müller 日本")
        async with console(tmp_path, library=library, unicode=False) as (app, pilot):
            await until(pilot, lambda: "live: Muller ????" in words(app))
            assert painted(app).isascii()
            begin(app, run)
            await until(pilot, lambda: hold.reached.is_set() and "#####" in words(app))
            for key in "2345671m0":
                await pilot.press(key)
                await pilot.pause()
                assert painted(app).isascii()
            assert "+ backup" in words(app, "#stages")
            assert "> load" in words(app, "#stages")
            hold.released.set()
            await until_asked(pilot)
            assert painted(app).isascii()

    play(story())


def test_without_colour_nothing_is_painted_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def story() -> None:
        hold = Hold()
        async with console(tmp_path, run=ScriptedRun(tmp_path, work={StageName.LOAD: hold})) as (app, pilot):
            await until(pilot, lambda: hold.reached.is_set() and "running" in words(app, "#stages"))
            for strip in app.screen._compositor.render_strips():
                for _, style, _ in strip:
                    for colour in (style.color, style.bgcolor) if style else ():
                        assert colour is None or colour.triplet is None or len(set(colour.triplet)) == 1

    play(story())


def test_hostile_texts_are_shown_and_do_nothing(tmp_path: Path) -> None:
    loss = replace(LOSSES[0], rule=HOSTILE, title=HOSTILE, dimension=HOSTILE, samples=(HOSTILE,), sql=HOSTILE)

    def hostile(ctx: StageContext[None]) -> StageResult:
        ctx.log(HOSTILE, "error")
        ctx.check_result(HOSTILE, CheckStatus.FAIL, HOSTILE, measured=HOSTILE, threshold=HOSTILE, remedy=HOSTILE)
        ctx.emit(replace(score_event(losses=[loss]), grade=HOSTILE, blockers=(HOSTILE,)))
        ctx.progress(HOSTILE, 5, 10)
        return StageResult(HOSTILE)

    def failing(ctx: StageContext[None]) -> StageResult:
        ctx.progress(HOSTILE, 5, 10)
        ctx.emit(LiveChanged(ctx.stage, HOSTILE, HOSTILE, HOSTILE, 1, 0.1))
        raise CheckFailed(HOSTILE, HOSTILE, cause=HOSTILE, state=HOSTILE, next_step=HOSTILE)

    def no_control(text: str) -> None:
        assert not [c for c in text if unicodedata.category(c) in ("Cf", "Cs", "Zl", "Zp")]
        assert not [c for c in text if unicodedata.category(c) == "Cc" and c != "\n"]

    async def story() -> None:
        rows = (
            summary(
                "r-20260821-031500-bbbb",
                None,
                source=HOSTILE,
                target=HOSTILE + SURROGATE,
                mode=HOSTILE,
                version=HOSTILE,
            ),
        )
        library = ScriptedLibrary(tmp_path, rows=rows, live=HOSTILE + SURROGATE, refusal=CheckFailed(HOSTILE, HOSTILE))
        hold = Hold()
        run = ScriptedRun(
            tmp_path,
            work={StageName.SCORE: hostile, StageName.LOAD: hold, StageName.VALIDATE: failing},
            target=HOSTILE,
            live_schema=HOSTILE,
            source=HOSTILE,
        )
        async with console(tmp_path, library=library, size=(120, 40)) as (app, pilot):
            await until(pilot, lambda: r"\x1b[2J" in words(app, "#live"))
            app.home.query_one("#sources").focus()
            await pilot.press("enter")
            assert app.home.form.chosen.source == HOSTILE.strip()
            await pilot.press("enter")
            await until(pilot, lambda: r"error[\x1b[2J" in words(app, "#refused"))
            no_control(painted(app))
            begin(app, run)
            await until(pilot, hold.reached.is_set)
            for key in "2471":
                await pilot.press(key)
                await pilot.pause(0.05)
                no_control(painted(app))
                assert r"\x1b" in words(app, "#tabs")
            assert "[/nope]" in words(app, "#stages")
            await pilot.press("y")
            await pilot.pause(0.2)
            no_control(painted(app))
            hold.released.set()
            await until_ended(pilot, app)
            assert r"cause: \x1b[2J\x1b]0;owned\x07[/nope][bold]\u202egnp" in words(app, "#verdict")
            no_control(painted(app))

    play(story())


def test_a_hostile_question_is_shown_as_it_stands(tmp_path: Path) -> None:
    question = Waiting(HOSTILE, StageName.CUTOVER, HOSTILE + SURROGATE, "[b]name[/]", (HOSTILE,), HOSTILE)

    async def story() -> None:
        answers: list[str | None] = []
        async with console(tmp_path) as (app, pilot):
            await app.push_screen(Dialog(confirmation(question, production=False)), answers.append)
            dialog = await until_asked(pilot)
            assert r"\x1b[2J" in words(app, "#what")
            assert "Type [b]name[/] to go on" in words(app)
            assert not [c for c in painted(app) if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c != "\n"]
            dialog.query_one("#typed", Input).value = "[b]name[/]"
            await pilot.press("enter")
            await pilot.pause()
        assert answers == ["[b]name[/]"]

    play(story())


def test_twenty_thousand_progress_events_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = 0
    draw = RunScreen.draw

    def counted(screen: RunScreen, *arguments: object) -> None:
        nonlocal draws
        draws += 1
        draw(screen, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(RunScreen, "draw", counted)

    monkeypatch.setattr(bus, "PROGRESS_INTERVAL_SECONDS", 0.0)
    hold = Hold()

    def flood(ctx: StageContext[None]) -> StageResult:
        for number in range(1, 20_001):
            event = Progress(StageName.LOAD, "tickets", number, 40_000, "rows", 1000.0, 1.0)
            ctx.emit(event)
        return hold(ctx)

    async def story() -> None:
        library = ScriptedLibrary(tmp_path, {StageName.LOAD: flood})
        async with console(tmp_path, library=library) as (app, pilot):
            app.begin(DeployRequest(source=tmp_path))
            await until(pilot, hold.reached.is_set)
            await pilot.press("7")
            await until(pilot, lambda: app.run_screen and app.run_screen.query_one(TabbedContent).active == "tab-log")
            await until(pilot, lambda: "50 %" in words(app, "#tasks"))
            hold.released.set()
            await until_asked(pilot)
            assert len(list(read_journal(journal_of(tmp_path)))) > 20_000
            assert draws < 200

    play(story())


@proves("freeze")
def test_space_freezes_the_view_while_the_run_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        hold, last = Hold(), Hold()
        work = {StageName.LOAD: hold, StageName.VALIDATE: last}
        async with console(tmp_path, run=ScriptedRun(tmp_path, work=work)) as (app, pilot):
            await until(pilot, lambda: hold.reached.is_set() and "load running" in words(app, "#stages"))
            await pilot.press("space")
            await until(pilot, lambda: "VIEW FROZEN" in words(app, "#top"))
            hold.released.set()
            await until(pilot, last.reached.is_set)
            await pilot.pause(0.3)
            assert "load running" in words(app, "#stages")
            await pilot.press("space")
            await until(pilot, lambda: "load passed" in words(app, "#stages"))
            assert "FROZEN" not in words(app, "#top")
            last.released.set()
            await until_asked(pilot)

    play(story())


def test_the_selected_rule_shows_its_samples_and_its_sql(tmp_path: Path) -> None:
    async def story() -> None:
        async with console(tmp_path, run=ScriptedRun(tmp_path, expected=""), size=(120, 40)) as (app, pilot):
            await until_asked(pilot)
            await pilot.press("escape")
            await until_ended(pilot, app)
            await pilot.press("2")
            await until(pilot, lambda: "tickets 4711: team is missing" in words(app, "#evidence"))
            await pilot.press("down")
            await until(pilot, lambda: "comments 9: ticket 77 is not in the export" in words(app, "#evidence"))
            assert 'SELECT "comment_id" FROM "comments"' in words(app, "#evidence")
            assert "2.76 points lost after cleaning, by 2 rules" in words(app, "#quality-summary")
            table = app.screen.query_one(QualityTab).query_one(DataTable)
            assert [str(cell) for cell in table.get_row_at(0)][:4] == ["2.60", "ticket has a team", "812", "3.26 %"][
                : len(table.columns)
            ]

    play(story())


def test_checks_that_need_a_look_come_first(tmp_path: Path) -> None:
    async def story() -> None:
        async with console(tmp_path, run=ScriptedRun(tmp_path, expected=""), size=(120, 40)) as (app, pilot):
            await until_asked(pilot)
            await pilot.press("escape")
            await until_ended(pilot, app)
            await pilot.press("4")
            await until(pilot, lambda: "1 passed 1 warned 0 failed" in words(app, "#checks"))
            shown = words(app, "#checks")
            assert shown.index("reader role") < shown.index("disk space")
            assert "it is made at the first cutover" in shown

    play(story())


def test_home_offers_the_unfinished_run_first(tmp_path: Path) -> None:
    async def story() -> None:
        library = ScriptedLibrary(tmp_path, rows=ROWS)
        run = ScriptedRun(tmp_path, run_id=ROWS[0].run_id)
        hold = Hold()
        run.work = {StageName.LOAD: hold}
        run.cancellation.cancel("cut off")
        run.execute(NeverAsked())
        async with console(tmp_path, library=library, size=(120, 40)) as (app, pilot):
            await until(pilot, lambda: "Unfinished: resume from load?" in words(app))
            assert "93.24" in words(app, "#runs")
            assert "gate-failed" in words(app, "#runs")
            assert library.live in words(app, "#live")
            assert [str(option.prompt) for option in app.home.query_one("#sources").options] == [  # type: ignore[attr-defined]
                "/data/q3.db",
                "/data/q1.db",
            ]
            await pilot.press("escape", "r")
            await until_asked(pilot)
            assert library.asked_for == [f"resume {ROWS[0].run_id}"]

    play(story())


class NeverAsked:
    def ask(self, question: Waiting) -> Answer:
        raise AssertionError("nothing is asked here")


@proves("home")
def test_a_past_run_opens_in_the_same_screen_and_is_only_looked_at(tmp_path: Path) -> None:
    async def story() -> None:
        run = ScriptedRun(tmp_path, run_id=ROWS[1].run_id)
        run.execute(FlagGate("ada", yes=True, confirm="servicedesk"))
        async with console(tmp_path, library=ScriptedLibrary(tmp_path, rows=ROWS), size=(120, 40)) as (app, pilot):
            await until(pilot, lambda: app.home.unfinished)
            app.home.query_one("#runs").focus()
            await pilot.press("down", "enter")
            await until(pilot, lambda: app.run_screen and "deployed servicedesk_v" in words(app, "#verdict"))
            await pilot.press("b")
            await until(pilot, lambda: "not executed in this sitting" in words(app))
            await pilot.press("h")
            await until(pilot, lambda: isinstance(app.screen, HomeScreen))
            assert app.final_state is None

    play(story())


def test_an_unreachable_server_and_unreadable_runs_are_told_in_words(tmp_path: Path) -> None:
    class Broken(ScriptedLibrary):
        def runs(self) -> tuple[RunSummary, ...]:
            raise PermissionError(13, "Permission denied", "/state/runs")

        def live_version(self) -> str:
            raise CheckFailed("live-mixed", "the views read several versions")

    async def story() -> None:
        async with console(tmp_path, library=Broken(tmp_path), size=(120, 40)) as (app, pilot):
            await until(pilot, lambda: "live version not known: the views read several versions" in words(app))
            await until(pilot, lambda: "Permission denied" in words(app, "#no-runs"))

    play(story())


def test_the_form_takes_the_mode_from_the_settings_and_completes_paths(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "servicedesk-q4.db").write_bytes(b"")
    (tmp_path / "exports" / "notes.txt").write_bytes(b"")

    async def story() -> None:
        library = ScriptedLibrary(tmp_path)
        settings = Settings(state_dir=tmp_path, mode="blue-green")
        async with console(tmp_path, library=library, settings=settings) as (app, pilot):
            await until(pilot, lambda: app.home.query("#source"))
            source = app.home.query_one("#source", Input)
            source.value = f"{tmp_path}/ex"
            source.cursor_position = len(source.value)
            await until(pilot, lambda: source._suggestion)
            await pilot.press("right")
            assert source.value == f"{tmp_path}/exports/"
            await until(pilot, lambda: source._suggestion)
            await pilot.press("right", "enter")
            await until_ended(pilot, app)
            assert library.asked_for == [f"deploy {tmp_path}/exports/servicedesk-q4.db {Mode.BLUE_GREEN}"]
            state = app.final_state
            assert state is not None
            assert state.verdict is Verdict.OK
            assert not state.live_changed
            assert state.stage(StageName.CUTOVER) is None
            assert {stage.status for stage in state.stages} == {StageStatus.PASSED}
            assert "resume r-20261121-031500-7f3a --until cutover" in words(app, "#verdict")

    play(story())
