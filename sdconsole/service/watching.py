"""A run as another terminal sees it: found by state folder or by the lock it holds, followed through its journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import psycopg

from sdconsole.config import Settings
from sdconsole.core import runs
from sdconsole.core.events import Record
from sdconsole.core.journal import JournalTail
from sdconsole.core.projection import RunState, fold
from sdconsole.core.runs import RunSummary
from sdconsole.errors import CheckFailed, Verdict
from sdconsole.service.targets import resolve_target
from sdconsole.target.connect import connect
from sdconsole.target.failures import classify
from sdconsole.target.ledger.lock import Holder, holder
from sdconsole.target.ledger.schema import ledger_exists

_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a run at one moment. `verdict` None = it goes on, or it was cut off and nobody executes it."""

    state: RunState
    summary: RunSummary

    @property
    def verdict(self) -> Verdict | None:
        """How it ended; a stop by SIGTERM is told from one by Ctrl-C."""
        finished = self.state.finished
        if finished is None:
            return None
        terminated = finished.error is not None and finished.error.cause.endswith("SIGTERM")
        return Verdict.TERMINATED if finished.verdict is Verdict.INTERRUPTED and terminated else finished.verdict


@dataclass(frozen=True, slots=True)
class News:
    """Records that were not seen before, and whether some process executes the run."""

    records: tuple[Record, ...]
    alive: bool


def run_to_watch(settings: Settings, run_id: str | None = None, *, on_target: bool = False) -> str | None:
    """This run; else the one that works on the target, where that is asked for; else one at work here, else the newest.

    None when there is no run yet. Raises UsageError "run-unknown", CheckFailed "run-elsewhere" when the run on the
    target keeps its journal in another folder, and what connecting raises.
    """
    if run_id is not None:
        return runs.run_folder(settings.state_dir, run_id).name
    working = _working(settings) if on_target else None
    if working is not None:
        if not (runs.runs_folder(settings.state_dir) / working.run_id / runs.JOURNAL).is_file():
            raise CheckFailed(
                "run-elsewhere",
                f"the run on {settings.target_settings().live_schema} was not started from {settings.state_dir}",
                cause=working.describe(),
                next_step=f"on {working.host}, with that run's --state-dir: sdconsole status {working.run_id} --watch",
            )
        return working.run_id
    found = runs.list_runs(settings.state_dir)
    chosen = next((run for run in found if run.alive), found[0] if found else None)
    return chosen.run_id if chosen is not None else None


def look(settings: Settings, run_id: str) -> Seen | None:
    """The run now; None when it has not begun. Raises UsageError "run-unknown"."""
    folder = runs.run_folder(settings.state_dir, run_id)
    alive = runs.is_alive(folder)
    state, damaged = runs.known_state(folder, progress=alive)
    summary = runs.summary_of(state, alive=alive, damaged=damaged)
    return Seen(state, summary) if summary is not None else None


def follow_run(
    settings: Settings, run_id: str, *, again: Callable[[], bool], collapse: bool = False
) -> Iterator[Record]:
    """The run's records, and those that are still to come: at the end of what there is, `again` waits a moment and
    says whether to look once more. With `collapse` older progress is left out where newer is there.

    Raises UsageError ("run-unknown") and OperationFailed ("journal-damaged").
    """
    tail = JournalTail(runs.run_folder(settings.state_dir, run_id) / runs.JOURNAL, collapse=collapse)
    while True:
        yield from tail.read()
        if not again():
            return


def news(settings: Settings, run_id: str, *, pause_seconds: float = _PAUSE_SECONDS) -> Iterator[News]:
    """What the run's journal holds, then what is new at each look, until nobody executes the run any more.

    Raises UsageError "run-unknown" and OperationFailed "journal-damaged".
    """
    folder = runs.run_folder(settings.state_dir, run_id)
    tail = JournalTail(folder / runs.JOURNAL)
    while True:
        alive = runs.is_alive(folder)  # before reading: what a run wrote last is read when it is found to be over
        yield News(tuple(tail.read()), alive)
        if not alive:
            return
        time.sleep(pause_seconds)


def follow(settings: Settings, run_id: str, *, pause_seconds: float = _PAUSE_SECONDS) -> Iterator[Seen]:
    """The run, again and again, until nobody executes it any more. Raises what `news` raises."""
    state = RunState()
    for new in news(settings, run_id, pause_seconds=pause_seconds):
        state = fold(new.records, state)
        summary = runs.summary_of(state, alive=new.alive)
        if summary is not None:
            yield Seen(state, summary)


def _working(settings: Settings) -> Holder | None:
    target = resolve_target(settings)
    with closing(connect(target, application="sdconsole:status")) as connection:
        try:
            return holder(connection, target.live_schema) if ledger_exists(connection) else None
        except psycopg.Error as error:
            raise classify(error) from error
