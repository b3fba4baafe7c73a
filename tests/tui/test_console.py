"""The console on the real service: opened, used and closed as the command line does it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import DataTable

from sdconsole.config import Settings
from sdconsole.contract.load import load_contract
from sdconsole.core.runs import read_request, run_folder
from sdconsole.errors import SdconsoleError, Verdict
from sdconsole.interfaces.tui.app import run_console
from sdconsole.interfaces.tui.console import ConsoleApp
from sdconsole.interfaces.tui.date_review import DateReview
from sdconsole.interfaces.tui.service_library import ServiceLibrary
from sdconsole.service import DeployRequest, current_operator
from sdconsole.source.generate import generate
from tests.conftest import Database
from tests.tui.driving import RUN_SECONDS, field, terminal, until, until_asked, until_ended, words

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


def ambiguous_export(folder: Path) -> Path:
    """An export with dates in one column that nothing but a person can tell the order of."""
    path = folder / "export.db"
    generate(path, rows=500, seed=3, contract=load_contract())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("""UPDATE tickets SET "TKT-Created Time" = '9/07/2025 14:09' WHERE rowid <= 5""")
    return path


async def answer_the_first_open_date(pilot: Pilot[None], app: ConsoleApp) -> str:
    """Keep the hold, look at the export's own ambiguous columns, answer one and take the run up; its TABLE.COLUMN."""
    await until(pilot, lambda: app.session.asking, patience_seconds=RUN_SECONDS)
    await until_asked(pilot)
    await pilot.press("escape")
    await until_ended(pilot, app)
    await pilot.press("d")
    await until(pilot, lambda: "month first" in words(app, "#said"))
    review = app.screen
    assert isinstance(review, DateReview)
    place = str(review.query_one("#columns", DataTable).get_row_at(0)[0])
    shown = words(app)
    assert f"{place} open" in shown
    assert re.search(r"\d+/\d+/\d{4}.* \d\d [A-Z][a-z]{2} \d{4} \d\d [A-Z][a-z]{2} \d{4}", words(app, "#said"))
    await pilot.press("d")
    assert review.given == {place: "DMY"}
    await pilot.press("r")
    await until(pilot, lambda: app.session.asking, patience_seconds=RUN_SECONDS)
    return place


def test_a_deployment_through_the_console_is_live_afterwards(
    pg: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(state_dir=tmp_path / "state", dsn=pg.dsn, min_free_bytes=0, max_memory_percent=100)
    answered: list[str] = []

    async def story(app: ConsoleApp, pilot: Pilot[None]) -> None:
        answered.append(await answer_the_first_open_date(pilot, app))
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
        assert "2 versions kept" in words(app, "#live")  # the one that was loaded with the open dates is kept, unseen
        await until(pilot, lambda: app.expected)
        await pilot.press("escape", "y")
        assert pg.name in app.clipboard

    played_by(monkeypatch, story)
    state = run_console(settings, order=DeployRequest(source=ambiguous_export(tmp_path)), terminal=terminal()).state
    assert state is not None
    assert state.verdict is Verdict.OK
    with psycopg.connect(pg.dsn) as connection:
        row = connection.execute("SELECT count(*) FROM servicedesk.tickets").fetchone()
        assert row is not None
        assert row[0] > 0
    assert [run.version for run in ServiceLibrary(settings).runs()] == [state.live_changes[-1].to_version]
    kept = read_request(run_folder(settings.state_dir, state.run_id)).date_answers
    assert [(one.place, one.order.value, one.by) for one in kept] == [(answered[0], "DMY", current_operator())]


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
