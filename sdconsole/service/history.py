"""Earlier runs with what came of them, for a look at how they went from one to the next."""

from __future__ import annotations

from dataclasses import dataclass

from sdconsole.config import Settings
from sdconsole.core import runs
from sdconsole.core.model import StageName
from sdconsole.core.runs import RunSummary

NEWEST = 60
"""How many runs are looked at."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """`rows` is how many the run loaded; None when it did not come as far."""

    summary: RunSummary
    rows: int | None


def past_runs(settings: Settings) -> tuple[PastRun, ...]:
    """The newest runs of the state folder, newest first."""
    return tuple(_past(settings, summary) for summary in runs.list_runs(settings.state_dir)[:NEWEST])


def _past(settings: Settings, summary: RunSummary) -> PastRun:
    state, _ = runs.known_state(runs.run_folder(settings.state_dir, summary.run_id))
    made = state.results.get(StageName.LOAD) or state.results.get(StageName.RESTORE)
    rows = made.facts.get("rows") if made is not None else None
    return PastRun(summary, sum(rows.values()) if isinstance(rows, dict) else None)
