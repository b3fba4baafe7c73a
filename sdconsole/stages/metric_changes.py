"""What the new version changes in the dashboards' figures: told before the switch, and where asked for, a gate.

The comparison is made once, when the version is proved, and kept in the run's folder. It is made anew when it is not
there or when something else is live by now.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sdconsole.analytics.catalog import load_catalog
from sdconsole.analytics.compare import Change, by_weight, change_from_dict, comparable, compare
from sdconsole.analytics.parameters import MetricParameters
from sdconsole.analytics.run import MetricResult, present_names, run_metrics
from sdconsole.core.model import Artifact, CheckStatus
from sdconsole.errors import GateFailed
from sdconsole.stages.deployment import Context
from sdconsole.stages.files import artifact, write_json
from sdconsole.stages.queries import query_sessions
from sdconsole.target.connect import Connection
from sdconsole.target.live.published import live_version

NAME = "metrics"
SHOWN = 5
"""How many changes a question shows."""


@dataclass(frozen=True, slots=True)
class MetricChanges:
    """`live` is the version before, "" where tables are live that this product did not make; None = nothing is live."""

    live: str | None
    candidate: str
    changes: tuple[Change, ...]
    file: Artifact


def record_changes(
    ctx: Context, connection: Connection, version: str, results: Sequence[MetricResult] | None = None
) -> MetricChanges:
    """Compares live with `version` (whose results may be at hand) and keeps the outcome in the run's folder."""
    metrics = comparable(load_catalog())
    live_schema = ctx.deployment.needed_target().live_schema
    live = _live(connection, live_schema)
    before = () if live is None else _asked(ctx, connection, live_schema)
    after = _asked(ctx, connection, version) if results is None else results
    ids = {metric.id for metric in metrics}
    changes = compare(before, [result for result in after if result.metric.id in ids])
    document = {
        "schema": 1,
        "live": live,
        "candidate": version,
        "changes": [change.to_dict() for change in changes],
        "metrics": [result.to_dict() for result in after],
    }
    return MetricChanges(live, version, changes, write_json(ctx, NAME, document))


def known_changes(ctx: Context, connection: Connection, version: str) -> MetricChanges:
    """The comparison that was kept, when it is about this version and what is live now; else a new one."""
    path = ctx.deployment.folder / f"{NAME}.json"
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        same = document["candidate"] == version
        if same and document["live"] == _live(connection, ctx.deployment.needed_target().live_schema):
            changes = tuple(change_from_dict(data) for data in document["changes"])
            return MetricChanges(document["live"], version, changes, artifact(NAME, path))
    except (OSError, ValueError, KeyError, TypeError):
        ctx.log(f"{path.name} cannot be used; the metrics are compared again", "debug")
    return record_changes(ctx, connection, version)


def question_lines(found: MetricChanges) -> list[str]:
    """What a person should know about the figures before the switch: those that moved most."""
    if found.live is None:
        return []
    moved = [one for one in by_weight(found.changes) if one.percent != 0.0 and (one.before, one.after) != (None, None)]
    if not found.changes:
        return ["metrics: none can be compared with what is live"]
    lines = [f"metrics: {len(moved)} of {len(found.changes)} differ from live"]
    return lines + [f"  {change_line(one)}" for one in moved[:SHOWN]]


def change_line(one: Change) -> str:
    """One change in a line."""
    metric = load_catalog().metric(one.metric_id)
    assert metric is not None
    relative = f" ({(one.change or 0) / abs(one.before) * 100:+,.1f} %)" if one.before and one.change else ""
    bands = f", {one.band_before.value} to {one.band_after.value}" if one.band_before is not one.band_after else ""
    if one.error:
        return f"{one.metric_id} {one.name}: {one.error}"
    values = f"{metric.shown(one.before)} to {metric.shown(one.after)} {one.unit}"
    return f"{one.metric_id} {one.name}: {values}{relative}{bands}"


def check_changes(ctx: Context, found: MetricChanges) -> None:
    """Raises GateFailed ("metric-changed", "metrics-not-comparable") when a limit is set and does not hold."""
    limit = ctx.deployment.settings.max_metric_change
    if limit is None:
        return
    shown = f"{limit:g} %"
    if found.live is None:
        ctx.check_result("metric_changes", CheckStatus.INFO, "nothing is live to compare with", threshold=shown)
        return
    if not found.changes:
        raise GateFailed(
            "metrics-not-comparable",
            f"no metric of {found.candidate} can be compared with what is live",
            cause=f"a largest change of {shown} was asked for",
            next_step=f"sdconsole metrics compare live {found.candidate}",
        )
    over = [one for one in by_weight(found.changes) if one.exceeds(limit)]
    for one in over:
        ctx.check_result(f"metric {one.metric_id}", CheckStatus.FAIL, change_line(one), threshold=shown)
    if over:
        raise GateFailed(
            "metric-changed",
            f"{len(over)} of {len(found.changes)} metrics moved by more than {shown}",
            cause="\n".join(change_line(one) for one in over[:20]),
            next_step=f"sdconsole metrics compare live {found.candidate}"
            f"     or accept it: sdconsole resume {ctx.run_id} --max-metric-change PERCENT",
        )
    ctx.check_result(
        "metric_changes", CheckStatus.PASS, f"{len(found.changes)} metrics moved by no more", threshold=shown
    )


def _live(connection: Connection, live_schema: str) -> str | None:
    if not present_names(connection, live_schema):
        return None
    return live_version(connection, live_schema) or ""


def _asked(ctx: Context, connection: Connection, schema: str) -> tuple[MetricResult, ...]:
    catalog = load_catalog()
    metrics = comparable(catalog)
    done = 0

    def step() -> None:
        nonlocal done
        ctx.progress("compare the metrics", done, len(metrics), "queries")
        done += 1

    with query_sessions(ctx) as sessions:
        return run_metrics(
            sessions,
            schema,
            reader_role=None,
            timeout_seconds=ctx.deployment.settings.query_timeout_seconds,
            check=step,
            parameters=MetricParameters.of(ctx.deployment.contract, catalog, rates=ctx.deployment.settings.rates),
            metrics=metrics,
            catalog=catalog,
            tables=present_names(connection, schema),
        )
