"""Earlier runs: their trends, and the differences of two that were chosen."""

from __future__ import annotations

from pathlib import Path

from sdconsole.core.model import RunKind
from sdconsole.core.runs import RunSummary
from sdconsole.errors import Verdict
from sdconsole.interfaces.tui.history_screen import HistoryScreen
from sdconsole.report.compare import Difference
from sdconsole.service.history import PastRun
from tests.tui.driving import console, play, proves, until, words
from tests.tui.scripted import ScriptedLibrary


def past(day: int, *, score: float = 93.0, rows: int | None = 260_000, verdict: Verdict = Verdict.OK) -> PastRun:
    at = f"2026-11-{day:02}T03:15:00.000Z"
    run_id = f"r-202611{day:02}-031500-7f3a"
    summary = RunSummary(
        run_id=run_id,
        kind=RunKind.DEPLOY,
        mode="complete",
        source="/data/export.db",
        target="embedded",
        live_schema="servicedesk",
        started_at=at,
        duration_seconds=30.0 + day,
        verdict=verdict,
        score=score,
        version=None,
        next_stage=None,
        resumable=False,
        alive=False,
    )
    return PastRun(summary, rows)


PAST = (
    past(21, score=95.5, rows=266_622),
    past(20, verdict=Verdict.GATE_FAILED, score=61.0, rows=None),
    past(14, score=92.25),
    past(7, score=93.24, rows=240_100),
)
DIFFERENT = (
    Difference("run", "verdict", "ok", "gate-failed"),
    Difference("rows live", "tickets", 24_000, 24_918),
    Difference("score", "total", 92.25, 95.5),
)


@proves("past", "mark-run", "compare-runs")
def test_two_runs_are_compared_and_the_trends_of_good_deployments_are_drawn(tmp_path: Path) -> None:
    async def story() -> None:
        library = ScriptedLibrary(tmp_path, past=PAST, different=DIFFERENT)
        async with console(tmp_path, library=library, size=(140, 40)) as (app, pilot):
            await until(pilot, lambda: app.home.query("#source"))
            await pilot.press("escape", "j")
            await until(pilot, lambda: "266,622" in words(app, "#past"))
            trends = words(app, "#trends")
            assert "took ▂▅█ 51 s 37 s to 51 s" in trends
            assert "score ▄▂█ 95.50 92.25 to 95.50" in trends
            assert "rows ▂▇█ 266,622 240,100 to 266,622" in trends
            await pilot.press("c")
            await until(pilot, lambda: "24,918" in words(app, "#said"))
            assert library.asked_for == ["compare r-20261120-031500-7f3a r-20261121-031500-7f3a"]
            shown = words(app, "#said")
            assert "rows live tickets 24,000 24,918 +918" in shown
            assert "score total 92.25 95.50 +3.25" in shown
            await pilot.press("down", "down", "m")
            await until(pilot, lambda: "enter compares the chosen run with r-20261114" in words(app, "#said"))
            assert "* 2026-11-14" in words(app, "#past")
            await pilot.press("up", "up", "enter")
            await until(pilot, lambda: len(library.asked_for) == 2)
            assert library.asked_for[-1] == "compare r-20261114-031500-7f3a r-20261121-031500-7f3a"
            await pilot.press("y")
            assert app.clipboard == "sdconsole runs diff r-20261114-031500-7f3a r-20261121-031500-7f3a"
            library.different = ()
            await pilot.press("c")
            await until(pilot, lambda: "no difference" in words(app, "#said"))
            await pilot.press("down", "down", "c")
            await pilot.pause()
            assert isinstance(app.screen, HistoryScreen)
            assert app.screen.pair is None
            assert len(library.asked_for) == 3

    play(story())
