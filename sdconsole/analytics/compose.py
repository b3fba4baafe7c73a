"""Brings a query's text, a schema and the rows it may look at together into SQL, with psycopg's composition only.

A query never names a range of time or a team itself: it reads the scopes of sql/scopes, and what stands in their
conditions depends on who asks. The console binds values, people see them written out, Grafana gets its macros.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from sdconsole.analytics.catalog import Catalog, Metric, load_catalog
from sdconsole.analytics.classes import class_of, load_classification
from sdconsole.analytics.parameters import MetricParameters
from sdconsole.analytics.rates import NO_RATES, Rates

_NAMES = ("closed", "automation", "team_minimum", "cell_minimum", "timezone")
_TIMES: Mapping[str, tuple[str, str]] = {
    "created_in_range": ("tickets", "TKT-Created Time"),
    "resolved_in_range": ("tickets", "TKT-Actual Resolution Date"),
    "commented_in_range": ("comments", "created_time"),
    "analysed_in_range": ("comment_quality", "created_time"),
    "felt_in_range": ("comment_sentiment", "created_time"),
    "booked_in_range": ("timesheets", "TS-Date"),
}
_TEAMS: Mapping[str, str] = {"of_team": "TKT-Team", "of_author_team": "team"}
NO_TEAM = "(no team)"


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows to look at: from `begins` to before `ends`, of these teams. None and () = no limit."""

    begins: datetime | None = None
    ends: datetime | None = None
    teams: tuple[str, ...] = ()

    def values(self) -> dict[str, object]:
        """The parameters that `compose` left placeholders for."""
        return {"begins": self.begins, "ends": self.ends, "teams": list(self.teams)}


ALL_ROWS = Scope()
Condition = Callable[[sql.Composable], sql.Composable]


def compose(
    metric: Metric,
    schema: str,
    *,
    catalog: Catalog | None = None,
    scope: Scope = ALL_ROWS,
    rates: Rates | None = None,
) -> sql.Composed:
    """The metric's query, with the placeholders that `MetricParameters.values` and `Scope.values` fill."""
    values = {name: sql.Placeholder(name) for name in _NAMES}
    bound = {name: sql.Placeholder(name) for name in ("begins", "ends", "teams")}
    return _composed(
        metric, schema, values, _conditions(metric, schema, scope, bound), catalog or load_catalog(), rates
    )


def readable_sql(
    metric: Metric,
    schema: str,
    parameters: MetricParameters,
    *,
    catalog: Catalog | None = None,
    scope: Scope = ALL_ROWS,
) -> str:
    """The same query with its values written out, for people to read and to run elsewhere."""
    bound = {name: sql.Literal(value) for name, value in scope.values().items()}
    conditions = _conditions(metric, schema, scope, bound)
    return _written(metric, schema, parameters, conditions, catalog)


def template_sql(
    metric: Metric,
    schema: str,
    parameters: MetricParameters,
    *,
    in_range: Condition,
    of_team: Condition,
    catalog: Catalog | None = None,
) -> str:
    """The query with somebody else's conditions: `in_range` gets a time column, `of_team` a team's name."""
    conditions = {name: in_range(sql.Identifier(column)) for name, (_, column) in _TIMES.items()}
    conditions |= {name: of_team(_team(column)) for name, column in _TEAMS.items()}
    return _written(metric, schema, parameters, conditions, catalog)


def uses_team(metric: Metric, catalog: Catalog | None = None) -> bool:
    """Whether the query looks at the teams that are asked for."""
    return _uses(metric, _TEAMS, catalog or load_catalog())


def uses_range(metric: Metric, catalog: Catalog | None = None) -> bool:
    """Whether the query looks at the range of time that is asked for."""
    return _uses(metric, _TIMES, catalog or load_catalog())


def _uses(metric: Metric, names: Mapping[str, object], catalog: Catalog) -> bool:
    reached, waiting = "", [metric.sql]
    while waiting:
        text = waiting.pop()
        reached += text
        waiting += [catalog.parts[name] for name in _named(text, catalog)]
    return any(f"{{{name}}}" in reached for name in names)


def _written(
    metric: Metric,
    schema: str,
    parameters: MetricParameters,
    conditions: Mapping[str, sql.Composable],
    catalog: Catalog | None,
) -> str:
    values = {name: sql.Literal(value) for name, value in parameters.values().items()}
    return _composed(metric, schema, values, conditions, catalog or load_catalog(), parameters.rates).as_string(None)


def _team(column: str) -> sql.Composed:
    return sql.SQL("coalesce({}, {})").format(sql.Identifier(column), sql.Literal(NO_TEAM))


def _conditions(
    metric: Metric, schema: str, scope: Scope, bound: Mapping[str, sql.Composable]
) -> dict[str, sql.Composable]:
    found: dict[str, sql.Composable] = {}
    for name, (table, column) in _TIMES.items():
        found[name] = _between(metric, sql.Identifier(column), sql.Identifier(schema, table), scope, bound)
    for name, column in _TEAMS.items():
        asked = sql.SQL("{} = ANY ({}::text[])").format(_team(column), bound["teams"])
        found[name] = asked if scope.teams else sql.SQL("true")
    return found


def _between(
    metric: Metric, column: sql.Identifier, table: sql.Identifier, scope: Scope, bound: Mapping[str, sql.Composable]
) -> sql.Composable:
    if scope.begins is None and scope.ends is None:
        if metric.window is None:
            return sql.SQL("true")
        count, unit = metric.window
        newest = sql.SQL("date_trunc({}, (SELECT max({}) FROM {}))").format(sql.Literal(unit), column, table)
        back = sql.Literal(f"{count - 1} {unit}s")
        return sql.SQL("{} >= {} - {}::interval").format(column, newest, back)
    parts = []
    if scope.begins is not None:
        parts.append(sql.SQL("{} >= {}::timestamp").format(column, bound["begins"]))
    if scope.ends is not None:
        parts.append(sql.SQL("{} < {}::timestamp").format(column, bound["ends"]))
    return sql.SQL(" AND ").join(parts)


def _composed(
    metric: Metric,
    schema: str,
    values: Mapping[str, sql.Composable],
    conditions: Mapping[str, sql.Composable],
    catalog: Catalog,
    rates: Rates | None,
) -> sql.Composed:
    names: dict[str, sql.Composable] = {"schema": sql.Identifier(schema), **values, **conditions}
    for each in load_classification().lists:
        names |= {each.name: class_of(each), f"{each.name}_otherwise": sql.Literal(each.otherwise)}
    names["of_class"] = sql.Literal(metric.of_class)
    names["rates"] = rates.rows() if rates else NO_RATES
    names["hourly_rate"] = sql.Literal(rates.hourly_rate) if rates else sql.SQL("NULL::float8")
    done: dict[str, sql.Composable] = {}

    def part(name: str) -> sql.Composable:
        if name not in done:
            done[name] = text(catalog.parts[name])
        return done[name]

    def text(of: str) -> sql.Composed:
        return sql.SQL(of).format(**names, **{name: part(name) for name in _named(of, catalog)})

    return text(metric.sql)


def _named(text: str, catalog: Catalog) -> tuple[str, ...]:
    """The parts that a text names."""
    return tuple(name for name in catalog.parts if f"{{{name}}}" in text)
