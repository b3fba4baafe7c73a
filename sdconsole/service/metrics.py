"""The dashboards' figures of any version: asked, drawn over seven days, compared with another version's.

Live is read with the rights of the dashboards' role where there is one; versions that readers cannot see are read by
the deployer. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg

from sdconsole.analytics.catalog import Kind, Metric, load_catalog
from sdconsole.analytics.compare import Change, comparable, compare
from sdconsole.analytics.compose import ALL_ROWS, Scope, readable_sql
from sdconsole.analytics.parameters import MetricParameters
from sdconsole.analytics.run import MetricResult, present_names, run_metrics
from sdconsole.analytics.trend import TrendDay, newest_day, seven_days
from sdconsole.config import Settings
from sdconsole.errors import UsageError
from sdconsole.service.targets import contract_of, resolve_target
from sdconsole.target.connect import Connection, Target, connect
from sdconsole.target.failures import classify
from sdconsole.target.ledger.rows import VersionState, deployments, find_deployment
from sdconsole.target.live.published import live_version
from sdconsole.target.names import is_version_of
from sdconsole.target.rights.reader import why_no_reader

LIVE, CANDIDATE = "live", "candidate"
_READABLE = frozenset({VersionState.READY, VersionState.LIVE, VersionState.PREVIOUS, VersionState.FAILED})


@dataclass(frozen=True, slots=True)
class Place:
    """Where figures are read: the schema, the version in it, and as whom. `reader` None = as the deployer."""

    asked: str
    schema: str
    version: str
    reader: str | None
    why_no_reader: str = ""

    @property
    def as_whom(self) -> str:
        return f"as {self.reader}" if self.reader else f"as the deployer: {self.why_no_reader}"


@dataclass(frozen=True, slots=True)
class Figures:
    place: Place
    results: tuple[MetricResult, ...]
    trends: dict[str, tuple[TrendDay, ...]]

    @property
    def failed(self) -> tuple[MetricResult, ...]:
        return tuple(result for result in self.results if result.error)


@dataclass(frozen=True, slots=True)
class Comparison:
    before: Place
    after: Place
    changes: tuple[Change, ...]


def choose_metrics(ids: Sequence[str], kinds: Sequence[Kind] = ()) -> tuple[Metric, ...]:
    """The entries with these ids, or all of these kinds; all metrics and templates by default.

    Raises UsageError ("metric-unknown").
    """
    catalog = load_catalog()
    if not ids:
        return catalog.of_kind(*(kinds or (Kind.METRIC, Kind.TEMPLATE)))
    found = []
    for metric_id in ids:
        metric = catalog.metric(metric_id)
        if metric is None:
            raise UsageError(
                "metric-unknown",
                f"there is no metric {metric_id!r}",
                cause="an id is one like 1.1 or E2",
                next_step="sdconsole metrics list",
            )
        found.append(metric)
    return tuple(found)


def run(
    settings: Settings,
    metrics: Sequence[Metric],
    *,
    on: str = LIVE,
    scope: Scope = ALL_ROWS,
    trend: bool = False,
    timeout_seconds: float | None = None,
) -> Figures:
    """The metrics on live, on the candidate, or on a named version. `timeout_seconds` is for each query.

    Raises UsageError ("version-unknown", "no-candidate", "nothing-live") and what connecting raises.
    """
    seconds = timeout_seconds or settings.query_timeout_seconds
    with asking(settings) as (target, connection):
        place = find_place(connection, target, on)
        tables = present_names(connection, place.schema)
        parameters = MetricParameters.of(contract_of(settings), rates=settings.rates)
        results = run_metrics(
            connection,
            place.schema,
            reader_role=place.reader,
            timeout_seconds=seconds,
            parameters=parameters,
            metrics=metrics,
            scope=scope,
            tables=tables,
        )
        trends: dict[str, tuple[TrendDay, ...]] = {}
        if trend and "tickets" in tables:
            newest = newest_day(connection, place.schema, reader_role=place.reader, timeout_seconds=seconds)
            for result in results if newest is not None else ():
                assert newest is not None
                if not result.error and set(result.metric.tables) <= tables:
                    trends[result.metric.id] = seven_days(
                        connection,
                        place.schema,
                        result.metric,
                        newest,
                        reader_role=place.reader,
                        timeout_seconds=seconds,
                        parameters=parameters,
                        teams=scope.teams,
                    )
    return Figures(place, results, trends)


def compare_versions(
    settings: Settings, before: str = LIVE, after: str = CANDIDATE, *, timeout_seconds: float | None = None
) -> Comparison:
    """Every comparable metric on two versions. Raises what `run` raises."""
    seconds = timeout_seconds or settings.query_timeout_seconds
    catalog = load_catalog()
    with asking(settings) as (target, connection):
        places = [find_place(connection, target, asked) for asked in (before, after)]
        results = [
            run_metrics(
                connection,
                place.schema,
                reader_role=place.reader,
                timeout_seconds=seconds,
                parameters=MetricParameters.of(contract_of(settings), rates=settings.rates),
                metrics=comparable(catalog),
                tables=present_names(connection, place.schema),
            )
            for place in places
        ]
    return Comparison(places[0], places[1], compare(*results))


def metric_sql(settings: Settings, metric: Metric, *, schema: str | None = None, scope: Scope = ALL_ROWS) -> str:
    """The query with everything written out, to be run elsewhere. Raises UsageError ("metric-without-query")."""
    if metric.unavailable:
        raise UsageError(
            "metric-without-query",
            f"{metric.id} {metric.title} has no query",
            cause=metric.unavailable,
            next_step="sdconsole metrics list",
        )
    parameters = MetricParameters.of(contract_of(settings), rates=settings.rates)
    return readable_sql(metric, schema or settings.target_settings().live_schema, parameters, scope=scope)


def find_place(connection: Connection, target: Target, asked: str) -> Place:
    """What `live`, `candidate` or a version's name means on this target.

    Raises UsageError ("version-unknown", "no-candidate", "nothing-live").
    """
    live = live_version(connection, target.live_schema)
    if asked == LIVE:
        if not present_names(connection, target.live_schema):
            raise UsageError(
                "nothing-live",
                f"{target.live_schema} has nothing to read yet",
                cause=f"no version is live on {target.name}",
                next_step="sdconsole deploy SOURCE",
            )
        reason = why_no_reader(connection, target.reader_role)
        return Place(asked, target.live_schema, live or "", None if reason else target.reader_role, reason)
    unseen = "readers have no rights on a version that is not live"
    if asked == CANDIDATE:
        ready = deployments(connection, target.live_schema, states=(VersionState.READY,))
        if not ready:
            raise UsageError(
                "no-candidate",
                f"no version of {target.live_schema} waits for its cutover",
                cause="the ledger has none that is ready",
                next_step="sdconsole deploy SOURCE --mode blue-green     or name one: sdconsole versions list",
            )
        return Place(asked, ready[0].version, ready[0].version, None, unseen)
    row = find_deployment(connection, asked) if is_version_of(asked, target.live_schema) else None
    if row is None or row.state not in _READABLE or not present_names(connection, asked):
        raise UsageError(
            "version-unknown",
            f"{asked!r} is no version of {target.live_schema} that can be read",
            cause="live, candidate or the name of a kept version is taken",
            next_step="sdconsole versions list",
        )
    return Place(asked, asked, asked, None, unseen)


@contextmanager
def asking(settings: Settings) -> Iterator[tuple[Target, Connection]]:
    """A session on the target; its errors come out in the operator's form."""
    target = resolve_target(settings)
    with closing(connect(target, application="sdconsole:metrics")) as connection:
        try:
            yield target, connection
        except psycopg.Error as error:
            raise classify(error) from error
