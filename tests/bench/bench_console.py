"""How quick the console is while it matters: first paint, a key while 260,000 rows load, and what it costs the load.

`python -m tests.bench.bench_console [RUNS]`. Each turn is three demonstrations on a server of its own: one in a real
terminal with keys pressed during its load, one in a terminal that is only open, one without a console. Other programs
on the machine spoil the clock: `nice -n -15` keeps most of them away.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
from textual.widgets import RichLog

from sdconsole.core import bus
from sdconsole.core.events import Progress
from sdconsole.core.journal import read_journal
from sdconsole.core.model import StageName, StageResult
from sdconsole.core.other_process import cores
from sdconsole.core.projection import fold
from sdconsole.core.stage import StageContext
from sdconsole.interfaces.tui.run_screen import RunScreen
from sdconsole.service import DeployRequest
from tests.bench.cost import Meter, Report, busy_seconds
from tests.cli.conftest import Command, environment
from tests.terminal_session import TerminalSession
from tests.tui.driving import console, until, until_asked, words
from tests.tui.scripted import Hold, ScriptedLibrary

KEYS = 40
KEY_SECONDS = 0.05
"""Of quiet between what a key has painted and the next key."""
LONG = 900.0
MARK = "-" * 20
P99_BAR_MS = 100.0
SLOWED_BAR = 1.05
EVENTS = 20_000
DRAWS_BAR = EVENTS / 100


def first_paint(folder: Path, settings: dict[str, str]) -> float:
    """Seconds from the start of the process to the home screen, in a real terminal."""
    began = time.perf_counter()
    with TerminalSession(folder, settings) as terminal:
        terminal.until("New deployment", "Quit")
        return time.perf_counter() - began


def keys_while_loading(terminal: TerminalSession) -> list[float]:
    """Seconds from each key to what it paints."""
    took = []
    terminal.press("7")
    for _ in range(KEYS):
        terminal.drain(KEY_SECONDS)
        seen = len(terminal.raw)
        began = time.perf_counter()
        os.write(terminal.descriptor, b"m")
        terminal.until(MARK, after=seen, pause=0.001)
        took.append(time.perf_counter() - began)
    return took


def in_the_console(folder: Path, settings: dict[str, str], *, keys: bool) -> tuple[list[float], float]:
    """A demonstration in a real terminal, held at its end: what the keys took during the load, and the processor
    seconds that the console spent during the load."""
    with TerminalSession(folder, settings, "demo") as terminal:
        process = psutil.Process(terminal.process.pid)
        began = terminal.until("load running", patience=LONG)
        before = process.cpu_times()
        took = keys_while_loading(terminal) if keys else []
        if not keys:
            terminal.until("load passed", after=began, patience=LONG)
        after = process.cpu_times()
        asked = terminal.until("Cut over", "Not now", patience=LONG)
        terminal.press("\x1b")
        terminal.until("ended: held" if keys else "held: nothing", after=asked)
        terminal.press("q")
        terminal.ends()
    return took, after.user + after.system - before.user - before.system


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
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    keys: list[float] = []
    watched, alone, paints, spent = [], [], [], []
    began, busy, own = time.perf_counter(), busy_seconds(), 0.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "home").mkdir()
        settings = environment(folder / "home", SDCONSOLE_EMBEDDED_ROOT=str(folder / "postgres"))
        command = Command(folder, settings)
        try:
            command("db", "start", timeout=300)
            meter = Meter(command("db", "status", "--json").json["pid"])
            for _ in range(turns):
                paints.append(first_paint(folder, settings))
                keys += in_the_console(folder, settings, keys=True)[0]
                spent.append(in_the_console(folder, settings, keys=False)[1])
                watched.append(load_seconds(folder))
                command("demo", "--mode", "blue-green", "--no-input", "--progress", "none", timeout=900)
                alone.append(load_seconds(folder))
            own = meter.cpu_seconds()
        finally:
            command("db", "stop", timeout=120)
    others = max(0.0, busy_seconds() - busy - own) / (time.perf_counter() - began)
    report = Report("")
    keys.sort()
    p50, p99 = (1000 * keys[min(len(keys) - 1, int(len(keys) * share))] for share in (0.5, 0.99))
    seconds, share = statistics.median(alone), statistics.median(spent) / statistics.median(watched)
    print(f"first paint {statistics.median(paints):.2f} s; a load alone {seconds:.2f} s")
    print(f"the open console takes {100 * share:.1f} % of one core during a load, {100 * share / cores():.1f} % of all")
    report.bar(f"key to paint during a load, 99 of 100 ({len(keys)} keys, half in {p50:.0f} ms)", p99, P99_BAR_MS, "ms")
    slowed = min(watched) / min(alone)
    report.bar("load with the open console, of the load alone", slowed, SLOWED_BAR, cpu=1 + share / cores())
    report.bar(f"{EVENTS:,} progress events", asyncio.run(draws_of(EVENTS)), DRAWS_BAR, "draws")
    report.end(others)


if __name__ == "__main__":
    main()
