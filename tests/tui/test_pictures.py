"""A handful of screens as they are painted, pinned in `pictures/`: a change of the picture is read in its diff.

`python -m tests.tui.test_pictures` paints them anew.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot

from sdconsole.config import Settings
from sdconsole.core.events import Record, StageFinished
from sdconsole.core.gates import FlagGate
from sdconsole.core.journal import read_journal
from sdconsole.errors import Verdict
from sdconsole.interfaces.tui import questions
from sdconsole.interfaces.tui.dialog import Dialog
from sdconsole.interfaces.tui.look import DARK, look_of
from sdconsole.interfaces.tui.walk_panel import WalkPicture
from sdconsole.interfaces.tui.walk_screen import WalkScreen
from sdconsole.runbook.asking import Question
from sdconsole.runbook.events import (
    Attested,
    Checked,
    Entry,
    StepFinished,
    StepStarted,
    StepStatus,
    WalkEvent,
    WalkStarted,
)
from sdconsole.runbook.walk_state import fold
from sdconsole.service.walking import prepare_walk
from tests.tui.driving import PATIENCE_SECONDS, console, painted, until, until_asked, words
from tests.tui.scripted import ScriptedLibrary, ScriptedRun, cutover_question

PICTURES = Path(__file__).parent / "pictures"
BEGAN = datetime(2026, 11, 21, 3, 15, tzinfo=UTC)
SETTLED_SECONDS = 3.0
RUN = "r-20261121-031500-7f3a"


@dataclass(slots=True)
class Recorded(ScriptedLibrary):
    """One run whose times are always the same."""

    story: tuple[Record, ...] = field(default=())

    def follow(self, run_id: str, again: Callable[[], bool]) -> Iterable[Record]:
        yield from self.story
        while again():
            pass

    def is_alive(self, run_id: str) -> bool:
        return False


def at(seconds: float) -> str:
    return (BEGAN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def recorded(folder: Path) -> tuple[Record, ...]:
    """A run that is held before its cutover, told second by second."""
    run = ScriptedRun(folder)
    run.execute(FlagGate("ada"))

    def timed(second: int, record: Record) -> Record:
        event = record.event
        if isinstance(event, StageFinished):
            event = replace(event, duration_seconds=second / 4)
        return replace(record, at=at(second), elapsed_seconds=float(second), event=event)

    return tuple(timed(second, record) for second, record in enumerate(read_journal(run.journal)))


def lines_of(app: App[None]) -> str:
    return "".join(f"{line.rstrip()}\n" for line in painted(app).splitlines())


async def settled(pilot: Pilot[None], app: App[None], wanted: str | None) -> str:
    """The picture once it is the wanted one, or the one that stands when patience is over."""
    deadline = time.monotonic() + (SETTLED_SECONDS if wanted is None else PATIENCE_SECONDS)
    while lines_of(app) != wanted and time.monotonic() < deadline:
        await pilot.pause(0.1)
    return lines_of(app)


async def held_run(folder: Path, size: tuple[int, int], wanted: str | None) -> str:
    library = Recorded(folder, story=recorded(folder))
    async with console(folder, library=library, attach=RUN, size=size) as (app, pilot):
        await until(pilot, lambda: "held" in words(app, "#top"))
        return await settled(pilot, app, wanted)


async def confirmation(folder: Path, size: tuple[int, int], wanted: str | None) -> str:
    warned = "! Readers see the new data from the moment you confirm."
    moved = (
        "metrics: 2 of 44 differ from live",
        "  1.1 SLA compliance: 97.00 to 91.50 percent (-5.7 %), green to yellow",
    )
    asked = cutover_question()
    asked = replace(asked, details=("servicedesk on embedded", *asked.details, *moved, warned))
    async with console(folder, size=size) as (app, pilot):
        await until(pilot, lambda: app.home.query("#source"))
        app.push_screen(Dialog(questions.confirmation(asked, production=True)))
        await until_asked(pilot)
        app.set_focus(None)
        return await settled(pilot, app, wanted)


RUNBOOK = """# Promote

```toml runbook
schema = 1
id = "promote"
params.ticket = { default = "none", help = "the change ticket" }
```

## 1. Before

- [ ] Everybody who needs to know has been told

## 2. Look

Nothing may be half loaded, and **every** date is a timestamp (ticket {ticket}).

```toml step
box = "1m"
```

```sql check nothing_is_being_loaded
SELECT version FROM sdconsole.deployment WHERE state = 'loading'
```

```sql check dates_are_timestamps
SELECT column_name, data_type FROM information_schema.columns WHERE data_type = 'text'
```

> [!WARNING]
> Readers see the new data from the moment you confirm.

```sh
sdconsole blockers
```

- [ ] The dashboards show what they should

## 3. Afterwards

- [ ] Somebody looks again tomorrow
"""


async def walk(folder: Path, size: tuple[int, int], wanted: str | None) -> str:
    path = folder / "promote.md"
    path.write_text(RUNBOOK)
    prepared = prepare_walk(Settings(state_dir=folder), str(path), {"ticket": "CHG-4711"})
    titles = tuple(step.title for step in prepared.runbook.steps)
    told: tuple[WalkEvent, ...] = (
        WalkStarted("promote", "Promote", "0" * 64, {}, titles, "ada", "desk", 1, "0"),
        StepStarted(1, titles[0]),
        Attested(1, prepared.runbook.steps[0].attestations[0], True, "ada", "console"),
        StepFinished(1, StepStatus.DONE, 12.0),
        StepStarted(2, titles[1]),
        Checked(2, "nothing_is_being_loaded", True, duration_seconds=0.012),
        Checked(2, "dates_are_timestamps", False, ({"column_name": "TS-Date", "data_type": "text"},)),
    )
    state = fold(tuple(Entry(seq, RUN, at(seq), event) for seq, event in enumerate(told, start=1)))
    question = Question("check", 2, titles[1], "dates_are_timestamps did not pass")
    picture = WalkPicture(
        walk=replace(prepared, walk_id=RUN),
        state=state,
        look=look_of(DARK),
        now=BEGAN + timedelta(seconds=95),
        asked=question,
        busy=True,
    )
    async with console(folder, size=size) as (app, pilot):
        await until(pilot, lambda: app.home.query("#source"))
        screen = WalkScreen(look_of(DARK))
        app.push_screen(screen)
        await until(pilot, lambda: screen.ready)
        screen.show(picture)
        await until(pilot, lambda: "Afterwards" in words(app, "#walk-right"))
        app.draw()
        return await settled(pilot, app, wanted)


SHOTS = {
    "run-80x24": (held_run, (80, 24)),
    "run-120x40": (held_run, (120, 40)),
    "run-40x12": (held_run, (40, 12)),
    "confirmation-80x24": (confirmation, (80, 24)),
    "walk-120x40": (walk, (120, 40)),
    "walk-40x12": (walk, (40, 12)),
}


@contextmanager
def utc() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


def shot(name: str, folder: Path, wanted: str | None = None) -> str:
    paint, size = SHOTS[name]
    with utc():
        return asyncio.run(paint(folder, size, wanted))


@pytest.mark.parametrize("name", SHOTS)
def test_the_screen_is_painted_as_it_was(tmp_path: Path, name: str) -> None:
    pinned = (PICTURES / f"{name}.txt").read_text(encoding="utf-8")
    seen = shot(name, tmp_path, pinned)
    change = "".join(difflib.unified_diff(pinned.splitlines(True), seen.splitlines(True), "pinned", "painted now"))
    assert not change, f"\n{change}\nif that is meant: python -m tests.tui.test_pictures"


def test_every_pinned_picture_is_compared() -> None:
    assert {path.stem for path in PICTURES.iterdir()} == set(SHOTS)
    assert Verdict.HELD.value in (PICTURES / "run-80x24.txt").read_text(encoding="utf-8")


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for each in SHOTS:
        with tempfile.TemporaryDirectory() as temporary:
            (PICTURES / f"{each}.txt").write_text(shot(each, Path(temporary)), encoding="utf-8")
