"""The dashboards' queries, run on a version before readers see it and on live afterwards."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

from sdconsole.analytics.catalog import Kind, MetricStatus, load_catalog
from sdconsole.analytics.parameters import MetricParameters
from sdconsole.analytics.run import MetricResult, present_names, run_metrics
from sdconsole.core.model import CheckStatus
from sdconsole.errors import TargetUnreachable
from sdconsole.stages.deployment import Context, session
from sdconsole.target.connect import Connection

_MOST_SESSIONS: Final = 4
_LEFT_FREE: Final = 10
"""Sessions of the server that stay free for its readers."""


@contextmanager
def query_sessions(ctx: Context) -> Iterator[tuple[Connection, ...]]:
    """The sessions that queries run on side by side: as many as the settings say and the server can spare.

    Together they keep no more of the server's processors busy than there are sessions: none gets helpers of its own.
    """
    wanted = ctx.deployment.settings.query_jobs or min(_MOST_SESSIONS, os.cpu_count() or 1)
    with ExitStack() as stack:
        sessions = [stack.enter_context(session(ctx))]
        if _free(sessions[0]) < wanted + _LEFT_FREE:
            wanted = 1
        for _ in range(wanted - 1):
            try:
                sessions.append(stack.enter_context(session(ctx)))
            except TargetUnreachable as refused:
                ctx.log(f"the queries run on {len(sessions)} of {wanted} sessions: {refused.message}", "warning")
                break
        if len(sessions) > 1:
            for one in sessions:
                one.execute("SET max_parallel_workers_per_gather = 0")
        yield tuple(sessions)


def _free(connection: Connection) -> int:
    """How many more sessions the server lets in."""
    row = connection.execute(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
        " - (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend')"
    ).fetchone()
    assert row is not None
    return int(row[0])


def run_queries(
    ctx: Context,
    connection: Connection,
    schema: str,
    rows: Mapping[str, int],
    *,
    reader_role: str | None,
    kinds: Collection[Kind] = tuple(Kind),
) -> tuple[MetricResult, ...]:
    """Every query that these tables can answer, each reported as a check; a failed query is a failed check.

    A metric on a table without rows is left out: it has nothing to say on this export.
    """
    catalog = load_catalog()
    filled = {name for name, count in rows.items() if count}
    if filled:  # and the views that the product made over them
        filled |= present_names(connection, schema) - set(rows)
    metrics = [metric for metric in catalog.for_tables(filled) if metric.kind in kinds]
    done = 0

    def step() -> None:
        nonlocal done
        ctx.progress("dashboard queries", done, len(metrics), "queries")
        done += 1

    with query_sessions(ctx) as sessions:
        results = run_metrics(
            sessions,
            schema,
            reader_role=reader_role,
            timeout_seconds=ctx.deployment.settings.query_timeout_seconds,
            check=step,
            parameters=MetricParameters.of(ctx.deployment.contract, catalog, rates=ctx.deployment.settings.rates),
            metrics=metrics,
            catalog=catalog,
        )
    ctx.progress("dashboard queries", len(metrics), len(metrics), "queries")
    for result in results:
        status, detail = _judged(result, ctx.deployment.settings.query_budget_ms / 1000)
        ctx.check_result(f"query {result.metric.id} {result.metric.title}", status, detail)
        if result.value is not None:
            ctx.measured("metric_value", result.value, result.metric.unit, metric=result.metric.id)
        ctx.measured("dashboard_query", result.duration_seconds, "seconds", metric=result.metric.id)
    return results


def _judged(result: MetricResult, budget_seconds: float) -> tuple[CheckStatus, str]:
    if result.error:
        return CheckStatus.FAIL, result.error
    took = f"{result.duration_seconds * 1000:.0f} ms"
    if result.status is MetricStatus.NO_DATA:
        return CheckStatus.INFO, result.reason or "no rows to say anything about"
    shown = f"{result.value:,.2f} {result.metric.unit}" if result.value is not None else "an answer"
    detail = f"{shown}, n = {result.n:,}, in {took}"
    if result.duration_seconds > budget_seconds:
        return CheckStatus.WARN, f"{detail}, the budget is {budget_seconds * 1000:.0f} ms"
    return CheckStatus.PASS, detail
