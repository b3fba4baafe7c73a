"""Looks at live as its readers do, once or again and again for a while: what the dashboards ask, and how many rows.

Every look has a session of its own, as a new reader would. What is wrong is returned, not raised: the stage decides.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from sdconsole.analytics.dashboards import load_dashboards
from sdconsole.analytics.grafana import dashboard_model
from sdconsole.analytics.panel_check import PanelQuery, check_panels, panel_queries
from sdconsole.analytics.parameters import MetricParameters
from sdconsole.core.model import CheckStatus, Mode, StageName
from sdconsole.stages.deployment import Context, session
from sdconsole.stages.queries import query_sessions
from sdconsole.target.connect import Connection
from sdconsole.target.live.published import drift, live_version
from sdconsole.target.names import target_table_name

_SHORTEST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 30.0
_CAREFUL_SECONDS: Final = 60.0
_LOOKS: Final = 20
"""How many looks a watch is divided into, where that makes no pause longer than half a minute."""


@dataclass(frozen=True, slots=True)
class Look:
    """`wrong` says what readers do not get as promised; the rest is about the dashboards' queries."""

    wrong: tuple[str, ...]
    queries: int = 0
    slow: int = 0
    slowest_seconds: float = 0.0

    def plus(self, other: Look) -> Look:
        return Look(
            (*self.wrong, *other.wrong),
            self.queries + other.queries,
            self.slow + other.slow,
            max(self.slowest_seconds, other.slowest_seconds),
        )


def live_problems(connection: Connection, live_schema: str, version: str) -> Iterator[str]:
    """Whether readers see this version, by the views and by the ledger."""
    live = live_version(connection, live_schema)
    if live != version:
        yield f"{live_schema} shows {live or 'nothing'}, not {version}"
    different = drift(connection, live_schema)
    if different is not None:
        yield different


def count_rows(connection: Connection, live_schema: str, name: str, reader: str | None) -> int:
    """The rows of a live view, counted with the reader's rights."""
    with connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        if reader:
            connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(reader)))
        view = sql.Identifier(live_schema, target_table_name(name))
        found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(view)).fetchone()
    assert found is not None
    return int(found[0])


def look_at_dashboards(
    ctx: Context, connection: Connection, published: Collection[str], reader: str | None, *, quiet: bool = False
) -> Look:
    """Every panel's query, macros expanded. `published` are the version's tables, views
    and columns: a panel that reads another one is left out, and said so; one that is gone from live is an error."""
    queries = _queries(ctx, published, quiet=quiet)
    if not queries:
        return Look(())
    settings = ctx.deployment.settings
    done = 0

    def step() -> None:
        nonlocal done
        ctx.progress("dashboards", done, len(queries), "queries")
        done += 1

    # A watch looks for minutes: it takes one session, so that readers have the server for themselves.
    with nullcontext((connection,)) if quiet else query_sessions(ctx) as sessions:
        results = check_panels(
            sessions,
            queries,
            reader_role=reader,
            timeout_seconds=settings.query_timeout_seconds,
            check=ctx.checkpoint if quiet else step,
        )
    budget = settings.query_budget_ms / 1000
    wrong = tuple(f"{one.query.dashboard}, {one.query.panel}: {one.error}" for one in results if one.error)
    slow = [one for one in results if one.seconds > budget]
    slowest = max(one.seconds for one in results)
    if not quiet:
        ctx.progress("dashboards", len(queries), len(queries), "queries")
        status = CheckStatus.FAIL if wrong else CheckStatus.WARN if slow else CheckStatus.PASS
        told = f"{len(results)} queries, {len(wrong)} failed, the slowest took {slowest * 1000:.0f} ms"
        ctx.check_result("dashboards", status, told, threshold=f"{budget * 1000:.0f} ms")
    return Look(wrong, len(results), len(slow), slowest)


def _queries(ctx: Context, published: Collection[str], *, quiet: bool) -> list[PanelQuery]:
    parameters = MetricParameters.of(ctx.deployment.contract, rates=ctx.deployment.settings.rates)
    live_schema = ctx.deployment.needed_target().live_schema
    found: list[PanelQuery] = []
    for each in load_dashboards().dashboard:
        if not each.fits(ctx.deployment.contract):
            continue
        queries = list(panel_queries(dashboard_model(each, live_schema, parameters)))
        missing = sorted({name for query in queries for name in query.needs} - set(published))
        if missing and not quiet:
            about = f"not all of it is available: the version has no {', '.join(missing)}"
            ctx.check_result(f"dashboard {each.uid}", CheckStatus.INFO, about)
        if "tickets" in published and "comments" in published:
            found += [query for query in queries if query.needs <= set(published)]
    return found


def watch_seconds(ctx: Context) -> float:
    """How long live is watched: as the settings say, else a minute after mode complete switched a production target."""
    deployment = ctx.deployment
    if deployment.settings.watch_seconds is not None:
        return deployment.settings.watch_seconds
    careful = deployment.mode is Mode.COMPLETE and deployment.needed_target().production
    return _CAREFUL_SECONDS if careful and StageName.CUTOVER in ctx.results else 0.0


def watch(ctx: Context, version: str, rows: Mapping[str, int], reader: str | None, published: Collection[str]) -> Look:
    """Looks again and again for as long as the settings say; ends at the first look that finds something wrong."""
    seconds = watch_seconds(ctx)
    pause = min(max(seconds / _LOOKS, _SHORTEST_PAUSE), _LONGEST_PAUSE)
    began = time.monotonic()
    seen, looks = Look(()), 0
    while (passed := time.monotonic() - began) < seconds:
        ctx.progress("watch", round(passed), round(seconds), "checks")
        ctx.cancellation.wait(min(pause, seconds - passed))
        seen = seen.plus(_look(ctx, version, rows, reader, published))
        looks += 1
        if seen.wrong:
            break
    passed = time.monotonic() - began
    told = (
        f"{looks} looks in {passed:.0f} s: {seen.queries} queries, {len(seen.wrong)} errors, {seen.slow} slow,"
        f" the slowest took {seen.slowest_seconds * 1000:.0f} ms"
    )
    status = CheckStatus.FAIL if seen.wrong else CheckStatus.WARN if seen.slow else CheckStatus.PASS
    ctx.check_result("watch", status, told)
    ctx.measured("watch_looks", looks)
    ctx.measured("watch_queries", seen.queries)
    ctx.measured("watch_errors", len(seen.wrong))
    ctx.measured("watch_slowest", round(seen.slowest_seconds, 3), "seconds")
    return seen


def _look(ctx: Context, version: str, rows: Mapping[str, int], reader: str | None, published: Collection[str]) -> Look:
    live_schema = ctx.deployment.needed_target().live_schema
    with session(ctx) as connection:
        wrong = [*live_problems(connection, live_schema, version)]
        for name, expected in rows.items():
            counted = count_rows(connection, live_schema, name, reader)
            if counted != expected:
                wrong.append(f"{live_schema}.{name} has {counted:,} rows, {expected:,} were loaded")
        asked = look_at_dashboards(ctx, connection, published, reader, quiet=True)
    return Look(tuple(wrong)).plus(asked)
