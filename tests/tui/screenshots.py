"""Pictures of the console for the documents: `python -m tests.tui.screenshots FOLDER` runs a demonstration and writes
a picture of each screen. PNG too, where cairosvg is installed."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import DataTable

from sdconsole import service
from sdconsole.config import Settings
from sdconsole.core.model import StageName
from sdconsole.interfaces.tui.console import ConsoleApp
from sdconsole.interfaces.tui.params_dialog import ParamsDialog
from sdconsole.interfaces.tui.service_library import ServiceLibrary
from sdconsole.service import DeployRequest
from tests.tui.driving import terminal

SIZE = (124, 36)
SCREENS = (
    (("2",), "quality"),
    (("3",), "profile"),
    (("4",), "checks"),
    (("5",), "compare"),
    (("6",), "locks"),
    (("7",), "log"),
    (("question_mark",), "help"),
    (("escape", "v"), "versions"),
    (("escape", "j"), "history"),
    (("c",), "differences"),
    (("escape", "g"), "dashboards"),
    (("escape", "f"), "after"),
    (("escape", "h"), "home"),
    (("escape", "o"), "runbooks"),
)
"""After the run's end: the keys that lead from one screen to the next."""
WALKED = "weekly-checks"


async def _until_stage(pilot: Pilot[None], app: ConsoleApp, stage: StageName, *, rows: int) -> None:
    while True:
        await pilot.pause(0.05)
        found = app.session.state.stage(stage)
        if found is not None and any(task.done >= rows for task in found.tasks.values()):
            return


async def _play(folder: Path, settings: Settings, export: Path) -> None:
    app = ConsoleApp(settings, ServiceLibrary(settings), terminal(), opening=DeployRequest(source=export))
    try:
        async with app.run_test(size=SIZE) as pilot:
            await _until_stage(pilot, app, StageName.LOAD, rows=40_000)
            app.save_screenshot("run.svg", str(folder))
            while app.session.state.waiting is None:
                await pilot.pause(0.1)
            await pilot.pause(0.5)
            app.save_screenshot("confirm.svg", str(folder))
            await pilot.press("escape")
            while app.session.busy:
                await pilot.pause(0.1)
            await pilot.press("d")
            await pilot.pause(2.0)
            app.save_screenshot("dates.svg", str(folder))
            await pilot.press("escape", "r")
            while app.session.state.waiting is None or not app.session.asking:
                await pilot.pause(0.1)
            await pilot.pause(1.0)
            await pilot.press(*"servicedesk", "enter")
            while app.session.state.finished is None:
                await pilot.pause(0.1)
            await pilot.pause(0.5)
            app.save_screenshot("done.svg", str(folder))
            for keys, name in SCREENS:
                await pilot.press(*keys)
                await pilot.pause(2.0)
                app.save_screenshot(f"{name}.svg", str(folder))
            await _walk(pilot, app, folder)
            app.finish()
    finally:
        app.walk.close("the pictures are taken")
        app.session.stop("the pictures are taken")
        app.session.close()


async def _walk(pilot: Pilot[None], app: ConsoleApp, folder: Path) -> None:
    """From the list of runbooks to the first question of one."""
    names = [str(cell) for cell in app.screen.query_one(DataTable).get_column_at(0)]
    await pilot.press(*["down"] * names.index(WALKED), "s")
    await pilot.pause(1.0)
    if isinstance(app.screen, ParamsDialog):
        app.save_screenshot("parameters.svg", str(folder))
        await pilot.press("enter")
    while app.walk.asked is None and (app.walk.busy or app.walk.walk is None):
        await pilot.pause(0.1)
    await pilot.pause(1.0)
    app.save_screenshot("walkthrough.svg", str(folder))


def _self_contained(picture: Path) -> None:
    """Without the fonts that would be fetched from elsewhere: any monospaced font will do."""
    text = re.sub(r"@font-face \{.*?\}", "", picture.read_text(encoding="utf-8"), flags=re.DOTALL)
    picture.write_text(text, encoding="utf-8")


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings(state_dir=Path(temporary) / "state", embedded_root=Path(temporary) / "postgres")
        try:
            asyncio.run(_play(folder, settings, service.generate_demo(settings)))
        finally:
            service.embedded_server(settings).stop()
    for picture in folder.glob("*.svg"):
        _self_contained(picture)
        if shutil.which("cairosvg") is not None:
            subprocess.run(["cairosvg", str(picture), "-o", str(picture.with_suffix(".png"))], check=True)


if __name__ == "__main__":
    main()
