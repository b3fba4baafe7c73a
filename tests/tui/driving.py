"""Drives the console with Textual's pilot and reads what it painted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from textual.pilot import Pilot
from textual.widgets import Button, Input

from sdconsole.config import Settings
from sdconsole.interfaces.terminal import Terminal
from sdconsole.interfaces.tui.console import ConsoleApp
from sdconsole.interfaces.tui.dialog import Dialog
from sdconsole.interfaces.tui.library import Library
from sdconsole.service.orders import Demonstration
from tests.tui.scripted import MakeReady, ScriptedLibrary, ScriptedRun

PATIENCE_SECONDS = 90.0
RUN_SECONDS = 180.0
"""For what real stages on a real server need on a busy machine."""


Test = TypeVar("Test", bound=Callable[..., Any])


def proves(*action_ids: str) -> Callable[[Test], Test]:
    """The test does these actions with their keys and asserts what comes of them; another test reads this."""
    assert action_ids
    return lambda test: test


def terminal(*, unicode: bool = True) -> Terminal:
    return Terminal(
        input_is_terminal=True,
        output_is_terminal=True,
        messages_are_terminal=True,
        dumb=False,
        colour=True,
        unicode=unicode,
        columns=100,
        lines=36,
    )


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


@asynccontextmanager
async def console(
    folder: Path,
    *,
    library: Library | None = None,
    run: ScriptedRun | None = None,
    opening: MakeReady | None = None,
    size: tuple[int, int] = (100, 36),
    unicode: bool = True,
    settings: Settings | None = None,
    attach: str = "",
    replay: bool = False,
    read_only: bool = False,
) -> AsyncIterator[tuple[ConsoleApp, Pilot[None]]]:
    """The console in a headless terminal. `run` is opened at once; `opening` prepares one first."""
    library = library or ScriptedLibrary(folder)
    if isinstance(library, ScriptedLibrary):
        library.given = opening or run
    app = ConsoleApp(
        settings or Settings(state_dir=folder),
        library,
        terminal(unicode=unicode),
        opening=None if (opening or run) is None else Demonstration(),
        attach=attach,
        replay=replay,
        read_only=read_only,
    )
    try:
        async with app.run_test(size=size, notifications=True) as pilot:
            yield app, pilot
            if app.is_running:
                app.finish()
                await pilot.pause()
        app.session.stop("the test is over")
    finally:
        app.walk.close("the test is over")
        app.session.close()


def begin(app: ConsoleApp, run: ScriptedRun) -> None:
    """Begin this run, as the home screen does."""
    assert isinstance(app.library, ScriptedLibrary)
    app.library.given = run
    app.begin(Demonstration())


async def until(
    pilot: Pilot[None], condition: Callable[[], object], *, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Let the console work until the condition holds."""
    deadline = time.monotonic() + patience_seconds
    while not condition():
        assert time.monotonic() < deadline, f"never came true; the screen shows\n{painted(pilot.app)}"
        await pilot.pause(0.03)
    await pilot.pause()


async def until_asked(pilot: Pilot[None]) -> Dialog:
    await until(pilot, lambda: isinstance(pilot.app.screen, Dialog) and bool(pilot.app.screen.query("#no")))
    dialog = pilot.app.screen
    assert isinstance(dialog, Dialog)
    return dialog


async def until_ended(pilot: Pilot[None], app: ConsoleApp) -> None:
    await until(pilot, lambda: not app.session.busy and (app.final_state or app.failure))
    await pilot.pause(0.1)


def yes_button(dialog: Dialog) -> Button:
    return dialog.query_one("#yes", Button)


def field(dialog: Dialog) -> Input:
    return dialog.query_one("#typed", Input)


def painted(app: Any) -> str:
    """The characters on the screen, line by line."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def words(app: Any, selector: str = "") -> str:
    """What is painted, or the part of one widget, with every run of blanks as one, so that wrapping does not matter."""
    lines = app.screen._compositor.render_strips()
    if selector:
        region = app.screen.query_one(selector).content_region
        lines = [line.crop(region.x, region.right) for line in lines[region.y : region.bottom]]
    return " ".join(" ".join(line.text for line in lines).split())
