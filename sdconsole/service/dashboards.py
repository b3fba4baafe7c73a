"""The dashboards' metrics as the console shows them: of what readers see, and of a version that waits to be seen."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import psycopg

from sdconsole.analytics.run import MetricResult, run_metrics
from sdconsole.config import Settings
from sdconsole.core import runs
from sdconsole.core.model import StageName
from sdconsole.errors import CheckFailed
from sdconsole.service.blocking import settings_of_run
from sdconsole.service.targets import resolve_target
from sdconsole.target.connect import connect
from sdconsole.target.failures import classify
from sdconsole.target.published import live_version
from sdconsole.target.schema_shape import schema_exists


@dataclass(frozen=True, slots=True)
class Figures:
    """`live` are of the version that readers see, () when there is none; `new` of the run's own, None when it has none
    beside it."""

    live_version: str | None
    live: tuple[MetricResult, ...]
    new_version: str | None = None
    new: tuple[MetricResult, ...] | None = None


def dashboard_figures(settings: Settings, run_id: str | None = None) -> Figures:
    """Every metric of live, and with a run those of the version it made, on that run's target.

    Raises UsageError ("run-unknown"), CheckFailed ("nothing-to-measure") and what connecting raises.
    """
    target = resolve_target(settings if run_id is None else settings_of_run(settings, run_id))
    made = runs.load_state(settings.state_dir, run_id).results.get(StageName.LOAD) if run_id is not None else None
    new: str | None = made.facts.get("version") if made is not None else None
    with closing(connect(target, application="sdconsole:dashboards")) as connection:
        try:
            live = live_version(connection, target.live_schema)
            if new is not None and (new == live or not schema_exists(connection, new)):
                new = None
        except psycopg.Error as error:
            raise classify(error) from error
        if live is None and new is None:
            raise CheckFailed(
                "nothing-to-measure",
                f"{target.live_schema} has no version yet",
                cause="no deployment has gone live, and this run has made none",
                next_step="sdconsole deploy SOURCE",
            )
        seconds = settings.query_timeout_seconds
        measured = [
            run_metrics(connection, schema, reader_role=None, timeout_seconds=seconds) if schema is not None else None
            for schema in (target.live_schema if live is not None else None, new)
        ]
    return Figures(live, measured[0] or (), new, measured[1])
