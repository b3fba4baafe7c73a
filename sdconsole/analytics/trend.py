"""The last seven days of a metric, each by itself: the days up to the newest ticket, not up to today.

An export is weeks old when it is deployed; seven days before now would always be empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from psycopg import sql

from sdconsole.analytics.catalog import Metric, MetricStatus
from sdconsole.analytics.compose import Scope, uses_range
from sdconsole.analytics.parameters import MetricParameters
from sdconsole.analytics.run import read_only, run_metrics
from sdconsole.target.connect import Connection

DAYS = 7


@dataclass(frozen=True, slots=True)
class TrendDay:
    day: date
    value: float | None
    n: int
    band: MetricStatus


def newest_day(connection: Connection, schema: str, *, reader_role: str | None, timeout_seconds: float) -> date | None:
    """The day of the newest ticket; None without any. Raises psycopg.Error."""
    query = sql.SQL('SELECT max("TKT-Created Time") AS newest FROM {}').format(sql.Identifier(schema, "tickets"))
    newest = read_only(connection, query, None, reader_role, timeout_seconds)[0]["newest"]
    return newest.date() if isinstance(newest, datetime) else None


def seven_days(
    connection: Connection,
    schema: str,
    metric: Metric,
    newest: date,
    *,
    reader_role: str | None,
    timeout_seconds: float,
    parameters: MetricParameters,
    teams: Sequence[str] = (),
    check: Callable[[], None] | None = None,
) -> tuple[TrendDay, ...]:
    """The metric on each of the seven days up to `newest`; () for what has no time or depends on the clock."""
    if metric.unavailable or not metric.compared or not uses_range(metric):
        return ()
    found = []
    for back in reversed(range(DAYS)):
        day = newest - timedelta(days=back)
        begins = datetime.combine(day, time())
        scope = Scope(begins, begins + timedelta(days=1), tuple(teams))
        (result,) = run_metrics(
            connection,
            schema,
            reader_role=reader_role,
            timeout_seconds=timeout_seconds,
            parameters=parameters,
            metrics=[metric],
            scope=scope,
            check=check,
        )
        found.append(TrendDay(day, result.value, result.n, result.status))
    return tuple(found)
