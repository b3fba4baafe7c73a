"""The dashboards' metrics as the console shows them: of what readers see, and of a version that waits to be seen."""

from __future__ import annotations

from dataclasses import dataclass

from sdconsole.analytics.run import MetricResult
from sdconsole.config import Settings
from sdconsole.core import runs
from sdconsole.core.model import StageName
from sdconsole.errors import CheckFailed, UsageError
from sdconsole.service import metrics
from sdconsole.service.blocking import settings_of_run

_NOT_THERE = frozenset({"nothing-live", "version-unknown", "no-candidate"})


@dataclass(frozen=True, slots=True)
class Figures:
    """`live` are of the version that readers see, () when there is none; `new` of the run's own, None when it has none
    beside it."""

    live_version: str | None
    live: tuple[MetricResult, ...]
    new_version: str | None = None
    new: tuple[MetricResult, ...] | None = None


def dashboard_figures(settings: Settings, run_id: str | None = None) -> Figures:
    """Every metric of live as its readers get it, and with a run those of the version it made, on that run's target.

    Raises UsageError ("run-unknown"), CheckFailed ("nothing-to-measure") and what connecting raises.
    """
    made = runs.load_state(settings.state_dir, run_id).results.get(StageName.LOAD) if run_id is not None else None
    wanted: str | None = made.facts.get("version") if made is not None else None
    if run_id is not None:
        settings = settings_of_run(settings, run_id)
    live = _figures(settings, metrics.LIVE)
    seen = live.place.version if live is not None else None
    new = _figures(settings, wanted) if wanted is not None and wanted != seen else None
    if live is None and new is None:
        raise CheckFailed(
            "nothing-to-measure",
            f"{settings.target_settings().live_schema} has no version yet",
            cause="no deployment has gone live, and this run has made none",
            next_step="sdconsole deploy SOURCE",
        )
    return Figures(
        seen,
        live.results if live is not None else (),
        new.place.version if new is not None else None,
        new.results if new is not None else None,
    )


def _figures(settings: Settings, on: str) -> metrics.Figures | None:
    """None when there is no such version to read."""
    try:
        return metrics.run(settings, metrics.choose_metrics(()), on=on)
    except UsageError as error:
        if error.slug in _NOT_THERE:
            return None
        raise
