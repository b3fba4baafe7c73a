"""How quick the console is while it matters: first paint, a key while 260,000 rows load, and what it costs the load.

`python -m tests.bench.bench_console [RUNS]`. Each run is a demonstration on a server of its own, once in a real
terminal with keys pressed during its load, once without a console; the two take turns.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from textual.widgets import RichLog

from sdconsole.core import bus
from sdconsole.core.events import Progress
from sdconsole.core.journal import read_journal
from sdconsole.core.model import StageName, StageResult
from sdconsole.core.projection import fold
from sdconsole.core.stage import StageContext
from sdconsole.interfaces.tui.run_screen import RunScreen
from sdconsole.service import DeployRequest
from tests.cli.conftest import Command, environment
from tests.terminal_session import TerminalSession
from tests.tui.driving import console, until, until_asked, words
from tests.tui.scripted import Hold, ScriptedLibrary

KEYS = 60
LONG = 900.0
MARK = "-" * 20
P99_BAR_MS = 100.0
SLOWED_BAR = 1.05
EVENTS = 20_000


def first_paint(folder: Path, settings: dict[str, str]) -> float:
    """Seconds from the start of the process to the home screen, in a real terminal."""
    began = time.perf_counter()
    with TerminalSession(folder, settings) as terminal:
        terminal.until("New deployment", "Quit")
        return time.perf_counter() - began


def keys_while_loading(folder: Path, settings: dict[str, str]) -> list[float]:
    """Seconds from each key to what it paints, pressed while the load runs; the run is held afterwards."""
    took = []
    with TerminalSession(folder, settings, "demo") as terminal:
        terminal.until("load running", patience=LONG)
        terminal.press("7")
        for _ in range(KEYS):
            seen = len(terminal.raw)
            began = time.perf_counter()
            os.write(terminal.descriptor, b"m")
            terminal.until(MARK, after=seen, pause=0.001)
            took.append(time.perf_counter() - began)
        asked = terminal.until("Cut over", "Not now", patience=LONG)
        terminal.press("\x1b")
        terminal.until("ended: held", after=asked)
        terminal.press("q")
        terminal.ends()
    return took


def load_seconds(folder: Path) -> float:
    """How long the newest run's load took."""
    journal = max((folder / ".sdconsole" / "runs").glob("*/events.jsonl"))
    stage = fold(read_journal(journal, progress=False)).stage(StageName.LOAD)
    assert stage is not None
    assert stage.duration_seconds is not None
    return stage.duration_seconds


async def draws_of(events: int) -> int:
    """How often the screen is drawn while that many progress events arrive as fast as they can."""
    drawn, hold, draw = 0, Hold(), RunScreen.draw

    def counted(screen: RunScreen, *arguments: object) -> None:
        nonlocal drawn
        drawn += 1
        draw(screen, *arguments)  # type: ignore[arg-type]

    def flood(ctx: StageContext[None]) -> StageResult:
        for number in range(1, events + 1):
            event = Progress(StageName.LOAD, "tickets", number, events * 2, "rows", 1000.0, 1.0)
            ctx.emit(event)
        return hold(ctx)

    with tempfile.TemporaryDirectory() as folder:
        library = ScriptedLibrary(Path(folder), {StageName.LOAD: flood})
        async with console(Path(folder), library=library) as (app, pilot):
            bus.PROGRESS_INTERVAL_SECONDS = 0.0
            RunScreen.draw = counted  # type: ignore[method-assign, assignment]
            try:
                app.begin(DeployRequest(source=Path(folder)))
                await until(pilot, lambda: hold.reached.is_set() and "50 %" in words(app, "#tasks"))
            finally:
                RunScreen.draw = draw  # type: ignore[method-assign]
            assert app.screen.query(RichLog)
            hold.released.set()
            await until_asked(pilot)
    return drawn


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    keys: list[float] = []
    watched, alone, paints = [], [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "home").mkdir()
        settings = environment(folder / "home", SDCONSOLE_EMBEDDED_ROOT=str(folder / "postgres"))
        command = Command(folder, settings)
        try:
            command("db", "start", timeout=300)
            for _ in range(runs):
                paints.append(first_paint(folder, settings))
                keys += keys_while_loading(folder, settings)
                watched.append(load_seconds(folder))
                command("demo", "--mode", "blue-green", "--no-input", "--progress", "none", timeout=900)
                alone.append(load_seconds(folder))
        finally:
            command("db", "stop", timeout=120)
    keys.sort()
    p50, p99 = (1000 * keys[min(len(keys) - 1, int(len(keys) * share))] for share in (0.5, 0.99))
    slowed = statistics.median(watched) / statistics.median(alone)
    drawn = asyncio.run(draws_of(EVENTS))
    print(f"first paint              {statistics.median(paints):.2f} s (median of {runs})")
    print(f"key to paint, loading    p50 {p50:.0f} ms, p99 {p99:.0f} ms of {len(keys)} keys   {_bar(p99 < P99_BAR_MS)}")
    print(f"load with the console    {slowed:.3f} of the load without it   {_bar(slowed < SLOWED_BAR)}")
    print(f"{EVENTS:,} progress events   {drawn} draws   {_bar(drawn < EVENTS / 100)}")


def _bar(held: bool) -> str:
    return "PASS" if held else "FAIL"


if __name__ == "__main__":
    main()
