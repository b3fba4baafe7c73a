"""Runs the dashboard metrics on a schema: read-only, as the dashboards' role, each within a time limit.

A query that fails is a result with its error, not an exception: whether that matters is for the stage to decide. A lost
connection is an exception, because it says nothing about the metrics. Knows nothing about deployments or screens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import pq, sql
from psycopg.rows import dict_row

from sdconsole.analytics.catalog import Catalog, Metric, MetricStatus, load_catalog
from sdconsole.analytics.compose import ALL_ROWS, Scope, compose
from sdconsole.analytics.parameters import MetricParameters
from sdconsole.analytics.rates import NOT_SET
from sdconsole.analytics.side_by_side import side_by_side
from sdconsole.contract.load import load_contract
from sdconsole.target.connect import Connection
from sdconsole.target.failures import classify

DEFAULT_TIMEOUT_SECONDS = 30.0
_COLUMNS = frozenset({"label", "time", "series", "value", "n", "total", "headline", "graded"})
_NO_ROWS = "there are no rows to compute it from, or too few"
_WORST_FIRST = (MetricStatus.RED, MetricStatus.YELLOW, MetricStatus.GREEN)

Detail = float | str | None


@dataclass(frozen=True, slots=True)
class Point:
    """One row of a metric. `value` is in the metric's unit, `n` the rows it rests on, `details` the other columns."""

    label: str
    series: str
    value: float | None
    n: int
    status: MetricStatus
    details: Mapping[str, Detail] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetricResult:
    """What a metric says about a schema. `value` stands for the whole metric, `n` is what it rests on.

    `status` is the worst of what was judged. `reason` says why there is no value, `error` that the query failed.
    """

    metric: Metric
    value: float | None
    n: int
    status: MetricStatus
    points: tuple[Point, ...] = ()
    warnings: tuple[str, ...] = ()
    reason: str = ""
    error: str = ""
    duration_seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict; `band` is the colour's name, `seconds` what the query took."""
        return {
            "id": self.metric.id,
            "name": self.metric.title,
            "kind": self.metric.kind.value,
            "level": self.metric.level.value,
            "value": self.value,
            "unit": self.metric.unit,
            "n": self.n,
            "band": self.status.value,
            "seconds": round(self.duration_seconds, 6),
            "error": self.error,
            "reason": self.reason,
            "warnings": list(self.warnings),
            "definition": self.metric.definition,
            "green": self.metric.green,
            "yellow": self.metric.yellow,
            "points": [
                {
                    "label": point.label,
                    "series": point.series,
                    "value": point.value,
                    "n": point.n,
                    "band": point.status.value,
                    "details": dict(point.details),
                }
                for point in self.points
            ],
        }


def run_metrics(
    connection: Connection | Sequence[Connection],
    schema: str,
    *,
    reader_role: str | None,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    check: Callable[[], None] | None = None,
    parameters: MetricParameters | None = None,
    metrics: Sequence[Metric] | None = None,
    catalog: Catalog | None = None,
    scope: Scope = ALL_ROWS,
    tables: Collection[str] | None = None,
) -> tuple[MetricResult, ...]:
    """Every metric on the tables or views of `schema`, as `reader_role` where given. On several connections, all idle,
    as many queries run side by side.

    `check` is called between the queries and may raise. `parameters` default to the built-in contract's, `scope` is
    the rows to look at. `tables` are those that exist: a metric on another one has no data, and says so. Each query
    has a read-only transaction of its own, so no lock is held longer than one of them takes. Raises TargetUnreachable
    when the connection is lost.
    """
    known = catalog or load_catalog()
    given = parameters or MetricParameters.of(load_contract(None), known)

    def job(metric: Metric) -> Callable[[Connection], MetricResult]:
        missing = [] if tables is None else sorted(metric.needs - set(tables))
        reason = f"{schema} has no {', '.join(missing)}" if missing else metric.unavailable
        if reason:
            return lambda _: MetricResult(metric, None, 0, MetricStatus.NO_DATA, reason=reason)
        return lambda one: _run_metric(one, schema, metric, known, given, scope, reader_role, timeout_seconds)

    jobs = [job(metric) for metric in (known.metrics if metrics is None else metrics)]
    return tuple(side_by_side([connection] if isinstance(connection, psycopg.Connection) else connection, jobs, check))


def present_names(connection: Connection, schema: str) -> frozenset[str]:
    """The tables and views of a schema and their columns as "table.column"; empty when there is no such schema."""
    rows = connection.execute(
        "SELECT c.relname::text, a.attname::text FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
        [schema],
    ).fetchall()
    return frozenset(name for table, column in rows for name in (table, f"{table}.{column}"))


def _run_metric(
    connection: Connection,
    schema: str,
    metric: Metric,
    catalog: Catalog,
    parameters: MetricParameters,
    scope: Scope,
    reader_role: str | None,
    timeout_seconds: float,
) -> MetricResult:
    query = compose(metric, schema, catalog=catalog, scope=scope, rates=parameters.rates)
    values = {**parameters.values(), **scope.values()}
    began = time.monotonic()
    try:
        rows = read_only(connection, query, values, reader_role, timeout_seconds)
    except psycopg.Error as error:
        failure = classify(error)
        if connection.closed or connection.broken:
            raise failure from error
        seconds = time.monotonic() - began
        text = f"{failure.message}: {failure.cause}"
        return MetricResult(metric, None, 0, MetricStatus.NO_DATA, error=text, duration_seconds=seconds)
    silent = NOT_SET if metric.unit == "money" and parameters.rates is None else metric.silent
    return _judged(metric, rows, silent or _NO_ROWS, time.monotonic() - began)


def read_only(
    connection: Connection,
    query: sql.Composed | bytes,
    values: Mapping[str, object] | None,
    reader_role: str | None,
    timeout_seconds: float,
) -> list[dict[str, Any]]:
    """The rows of a query in a read-only transaction of its own, with a time limit. Raises psycopg.Error."""
    if connection.info.transaction_status is not pq.TransactionStatus.IDLE:
        raise ValueError("metrics run in transactions of their own; the connection is in one already")
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute(
            "SELECT pg_catalog.set_config('statement_timeout', %s, true)", (str(max(1, round(timeout_seconds * 1000))),)
        )
        if reader_role:
            cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(reader_role)))
        return cursor.execute(query, values).fetchall()


def _judged(metric: Metric, rows: Sequence[Mapping[str, Any]], silent: str, duration_seconds: float) -> MetricResult:
    points = tuple(_points(metric, rows))
    value, n = _headline(metric, rows)
    judged = {metric.judge(value), *(point.status for point in points)}
    status = next((each for each in _WORST_FIRST if each in judged), metric.judge(value))
    return MetricResult(
        metric,
        value,
        n,
        status if value is not None else MetricStatus.NO_DATA,
        points,
        tuple(_warnings(metric, rows)),
        reason="" if value is not None else silent,
        duration_seconds=duration_seconds,
    )


def _points(metric: Metric, rows: Sequence[Mapping[str, Any]]) -> Iterator[Point]:
    for row in rows:
        value = _number(row["value"])
        graded = metric.graded_points and row.get("graded", True)
        status = metric.judge(value) if graded or value is None else MetricStatus.NONE
        details = {name: _detail(content) for name, content in row.items() if name not in _COLUMNS}
        yield Point(row.get("label") or "", row.get("series") or "", value, int(row["n"] or 0), status, details)


def _headline(metric: Metric, rows: Sequence[Mapping[str, Any]]) -> tuple[float | None, int]:
    """The value that stands for the whole metric and what it rests on: the query's total, else its own row's n."""
    graded = [row for row in rows if row.get("graded", True)]
    if metric.headline in ("max", "min"):
        choose = max if metric.headline == "max" else min
        graded = [row for row in graded if row["value"] is not None]
        chosen = choose(graded, key=lambda row: float(row["value"]), default=None)
    else:
        chosen = next(iter(graded), None)
    if chosen is None:
        return None, 0
    return _number(chosen["headline" if metric.headline == "column" else "value"]), int(
        chosen.get("total", chosen["n"])
    )


def _warnings(metric: Metric, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for column, sentence in metric.warnings.items():
        count = int(rows[0][column]) if rows else 0
        if count:
            yield f"{count:,} {sentence}"


def _number(content: Any) -> float | None:
    return None if content is None else float(content)


def _detail(content: Any) -> Detail:
    if isinstance(content, datetime):
        return content.isoformat(" ", "seconds")
    if isinstance(content, int | float | Decimal):
        return float(content)
    return None if content is None else str(content)
