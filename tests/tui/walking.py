"""Walks a runbook in the console with keys, to its end."""

from __future__ import annotations

from textual.pilot import Pilot
from textual.widgets import Button, DataTable, Input

from sdconsole.interfaces.tui.console import ConsoleApp
from sdconsole.interfaces.tui.params_dialog import ParamsDialog
from sdconsole.interfaces.tui.run_screen import RunScreen
from sdconsole.interfaces.tui.walk_gate import WalkQuestion
from sdconsole.interfaces.tui.walk_screen import WalkScreen
from sdconsole.runbook.asking import Question
from tests.cli.library_runs import LIVE
from tests.tui.driving import RUN_SECONDS, proves, until, until_asked, words


def in_view(app: ConsoleApp) -> bool:
    return isinstance(app.screen, WalkScreen) and app.screen.ready


async def until_attested(pilot: Pilot[None], app: ConsoleApp, text: str) -> None:
    """The box with this text waits on the screen."""

    def asked() -> bool:
        question = app.walk.asked
        return (
            isinstance(question, Question)
            and question.prompt == text
            and in_view(app)
            and f"☐ {text} t so it is" in words(app, "#walk-now")
        )

    await until(pilot, asked)


@proves("walk-begin")
async def begin_import(pilot: Pilot[None], app: ConsoleApp, source: str) -> None:
    """From the home screen to the first step."""
    await until(pilot, lambda: app.home.query("#source"))
    await pilot.press("escape", "o")
    await until(pilot, lambda: "quarterly-import" in words(app, "#runbooks"))
    names = [str(cell) for cell in app.screen.query_one(DataTable).get_column_at(0)]
    await pilot.press(*["down"] * names.index("quarterly-import"), "s")
    await until(pilot, lambda: isinstance(app.screen, ParamsDialog) and bool(app.screen.query("#yes")))
    assert app.screen.query_one("#yes", Button).disabled
    await pilot.press("enter")
    assert isinstance(app.screen, ParamsDialog)
    app.screen.query_one("#param-source", Input).value = source
    await pilot.press("enter")
    await until(pilot, lambda: in_view(app))


@proves("walk-run")
async def look_at_its_run(pilot: Pilot[None], app: ConsoleApp) -> None:
    """The run that the walk is in, and back."""
    await pilot.press("i")
    await until(pilot, lambda: isinstance(app.screen, RunScreen) and "score passed" in words(app, "#stages"))
    assert app.walk.walk is not None
    assert app.walk.walk.walk_id in words(app, "#top")
    await pilot.press("o")
    await until(pilot, lambda: in_view(app))


async def tick(pilot: Pilot[None], app: ConsoleApp, asked: Question) -> None:
    assert asked.kind == "attest", asked
    await until_attested(pilot, app, asked.prompt)
    await pilot.press("t")
    await until(pilot, lambda: app.walk.asked is not asked)


@proves("walk-confirm")
async def confirm_cutover(pilot: Pilot[None], app: ConsoleApp, asked: WalkQuestion) -> None:
    """Leaving the dialog keeps the question; it is opened again, and the name is typed."""
    await until_asked(pilot)
    shown = words(app)
    assert "! Readers see the new data from the moment you confirm." in shown
    assert "rows: tickets" in shown
    await pilot.press("escape")
    await until(pilot, lambda: in_view(app))
    assert app.walk.asked is asked
    await pilot.press("a")
    await until_asked(pilot)
    await pilot.press(*LIVE, "enter")
    await until(pilot, lambda: app.walk.asked is not asked)


async def walk_the_import(pilot: Pilot[None], app: ConsoleApp, source: str) -> None:
    """Every box ticked, the cutover confirmed; its run is looked at on the way."""
    await begin_import(pilot, app, source)
    looked = False
    while not app.walk.state.complete:
        await until(pilot, lambda: app.walk.asked or not app.walk.busy, patience_seconds=RUN_SECONDS)
        asked = app.walk.asked
        if isinstance(asked, Question):
            if asked.step == 4 and not looked:
                looked = True
                await look_at_its_run(pilot, app)
            await tick(pilot, app, asked)
        elif asked is not None:
            await confirm_cutover(pilot, app, asked)
        else:
            assert app.walk.state.complete, app.walk.state.ended
    await until(pilot, lambda: "✓ walked to its end" in words(app, "#walk-now"))
    assert looked
