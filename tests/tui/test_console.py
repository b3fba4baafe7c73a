"""The console on the real service: opened, used and closed as the command line does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import DataTable

from sdconsole.config import Settings
from sdconsole.errors import SdconsoleError, Verdict
from sdconsole.interfaces.tui.app import run_console
from sdconsole.interfaces.tui.console import ConsoleApp
from sdconsole.interfaces.tui.service_library import ServiceLibrary
from sdconsole.service import Demonstration, DeployRequest
from tests.conftest import Database
from tests.tui.driving import field, terminal, until, until_asked, until_ended, words

Story = Callable[[ConsoleApp, Pilot[None]], Awaitable[None]]


def played_by(monkeypatch: pytest.MonkeyPatch, story: Story) -> None:
    """Let the console run without a terminal, driven by the story."""

    def run(app: ConsoleApp) -> None:
        async def pilot_story(pilot: Pilot[Any]) -> None:
            await story(app, pilot)
            if app.is_running:
                app.finish()

        App.run(app, headless=True, size=(120, 40), auto_pilot=pilot_story)

    monkeypatch.setattr(ConsoleApp, "run", run)


def test_a_deployment_through_the_console_is_live_afterwards(
    pg: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(state_dir=tmp_path / "state", dsn=pg.dsn, min_free_bytes=0, max_memory_percent=100)

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        field(await until_asked(pilot)).value = "servicedesk"
        await pilot.press("enter")
        await until_ended(pilot, app)
        assert "deployed servicedesk_v" in words(app, "#verdict")
        await pilot.press("3")
        await until(pilot, lambda: "133 columns in 7 tables" in words(app, "#profile-summary"))
        assert app.screen.query_one("#profile-columns", DataTable).row_count == 133
        await pilot.press("g")
        await until(pilot, lambda: "SLA compliance" in words(app, "#said"))
        await pilot.press("escape", "f")
        await until(pilot, lambda: "queries answer" in words(app, "#said"))
        await pilot.press("escape", "v")
        await until(pilot, lambda: "servicedesk_v" in words(app, "#versions"))
        await pilot.press("escape", "d")
        await until(pilot, lambda: "the run is finished" in words(app))
        await pilot.press("h")
        await until(pilot, lambda: "live: servicedesk_v" in words(app, "#live"))
        assert "1 version kept" in words(app, "#live")
        await until(pilot, lambda: app.expected)
        await pilot.press("escape", "y")
        assert pg.name in app.clipboard

    played_by(monkeypatch, story)
    state = run_console(settings, order=Demonstration(size="500"), terminal=terminal()).state
    assert state is not None
    assert state.verdict is Verdict.OK
    with psycopg.connect(pg.dsn) as connection:
        row = connection.execute("SELECT count(*) FROM servicedesk.tickets").fetchone()
        assert row is not None
        assert row[0] > 0
    assert [run.version for run in ServiceLibrary(settings).runs()] == [state.live_changes[-1].to_version]


def test_the_error_that_kept_the_run_from_starting_is_raised_when_the_console_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(state_dir=tmp_path / "state")

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await until_ended(pilot, app)
        assert "error[source-missing]" in words(app, "#verdict")

    played_by(monkeypatch, story)
    with pytest.raises(SdconsoleError) as refused:
        run_console(
            settings,
            order=DeployRequest(source=tmp_path / "none.db"),
            terminal=terminal(),
        )
    assert refused.value.slug == "source-missing"
    assert not (tmp_path / "state").exists()


def test_closing_the_home_screen_returns_nothing_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(state_dir=tmp_path / "state", embedded_root=tmp_path / "postgres")

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "the embedded server does not run now" in words(app))
        await until(pilot, lambda: "no runs yet" in words(app))
        await pilot.press("escape", "r")
        await until(pilot, lambda: "there is no unfinished run" in words(app))
        await pilot.press("q")

    played_by(monkeypatch, story)
    assert run_console(settings, terminal=terminal()).state is None
    assert list(tmp_path.iterdir()) == []
