"""The catalogue of dashboard metrics: definitions, thresholds and colours as data, SQL as text.

Reads catalog.toml and sql/*.sql of this package; names of schemas and values come in only when a query is composed.
Knows no connection.
"""

from __future__ import annotations

import functools
import operator
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from importlib import resources
from typing import Literal, TypeAlias

from psycopg import sql
from pydantic import TypeAdapter

from sdconsole.contract.model import Contract


class MetricStatus(StrEnum):
    """`NONE` = a value without thresholds; `NO_DATA` = no value, because of no rows, no source or an error."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    NONE = "none"
    NO_DATA = "no-data"


class Level(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


Unit: TypeAlias = Literal["percent", "days", "hours", "score", "tickets", "comments", "count"]
Panel: TypeAlias = Literal["stat", "gauge", "pie", "donut", "bar", "h-bar", "line", "heatmap"]
Headline: TypeAlias = Literal["only", "first", "max", "min", "column"]

_CONDITION = re.compile(r"(>=|<=|>|<) (\d+(?:\.\d+)?)")
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Shade:
    """How a status is shown; the icon says it without colour."""

    colour: str
    icon: str


@dataclass(frozen=True, slots=True)
class NotComputable:
    """A figure that people ask for and that the export cannot give."""

    title: str
    reason: str


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `green` and `yellow` are conditions like ">= 95"; both empty = it is not judged.

    `graded_points` says whether the thresholds hold for each row as well. `warnings` are sentences by the name of the
    column that counts them. `unavailable` is the reason why a metric has no query.
    """

    id: str
    title: str
    level: Level
    unit: Unit
    panel: Panel
    refresh: str
    headline: Headline
    tables: tuple[str, ...]
    definition: str
    green: str = ""
    yellow: str = ""
    graded_points: bool = True
    warnings: Mapping[str, str] = field(default_factory=dict)
    unavailable: str = ""
    sql: str = ""

    def judge(self, value: float | None) -> MetricStatus:
        """The status of a value of this metric."""
        if value is None:
            return MetricStatus.NO_DATA
        if not self.green:
            return MetricStatus.NONE
        if _holds(self.green, value):
            return MetricStatus.GREEN
        return MetricStatus.YELLOW if _holds(self.yellow, value) else MetricStatus.RED


@dataclass(frozen=True, slots=True)
class Catalog:
    """All metrics in the order of their numbers. `budget_seconds` is what one query may take."""

    metrics: tuple[Metric, ...]
    palette: Mapping[MetricStatus, Shade]
    not_computable: tuple[NotComputable, ...]
    budget_seconds: float
    team_minimum: int
    cell_minimum: int
    parts: Mapping[str, str] = field(repr=False, default_factory=dict)

    def metric(self, metric_id: str) -> Metric | None:
        return next((metric for metric in self.metrics if metric.id == metric_id), None)

    def for_tables(self, names: Collection[str]) -> tuple[Metric, ...]:
        """The metrics that a database with these tables can have; those without a query are among them."""
        return tuple(metric for metric in self.metrics if set(metric.tables) <= set(names))


@dataclass(frozen=True, slots=True)
class MetricParameters:
    """What the definitions leave to configuration. Without `automation_accounts` their comments count as well."""

    closed_statuses: tuple[str, ...]
    automation_accounts: tuple[str, ...]
    team_minimum: int
    cell_minimum: int

    @classmethod
    def of(cls, contract: Contract, catalog: Catalog | None = None) -> MetricParameters:
        limits = catalog or load_catalog()
        return cls(contract.closed_statuses, contract.automation_accounts, limits.team_minimum, limits.cell_minimum)

    def values(self) -> dict[str, list[str] | int]:
        """The query's parameters by name."""
        return {
            "closed": list(self.closed_statuses),
            "automation": list(self.automation_accounts),
            "team_minimum": self.team_minimum,
            "cell_minimum": self.cell_minimum,
        }


@functools.cache
def load_catalog() -> Catalog:
    """The built-in catalogue. Raises ValueError (pydantic's ValidationError) when it contradicts itself."""
    package = resources.files("sdconsole.analytics")
    data = tomllib.loads(package.joinpath("catalog.toml").read_text(encoding="utf-8"))
    queries = package.joinpath("sql")
    known = {each.name for each in fields(Metric)}
    for metric in data["metric"]:
        if unknown := metric.keys() - known:
            raise ValueError(f"metric {metric.get('id')}: unknown keys {sorted(unknown)}")
        if not metric.get("unavailable"):
            metric["sql"] = queries.joinpath(f"{metric['id']}.sql").read_text(encoding="utf-8")
    parts = {
        file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
        for file in queries.joinpath("parts").iterdir()
        if file.name.endswith(".sql")
    }
    data["metrics"] = data.pop("metric")
    catalog = TypeAdapter(Catalog).validate_python({**data, "parts": parts})
    _check_conditions(catalog.metrics)
    return catalog


def compose(metric: Metric, schema: str, *, catalog: Catalog | None = None) -> sql.Composed:
    """The metric's query over a schema, with the placeholders that `MetricParameters.values` fills."""
    names = ("closed", "automation", "team_minimum", "cell_minimum")
    return _composed(metric, schema, {name: sql.Placeholder(name) for name in names}, catalog or load_catalog())


def readable_sql(metric: Metric, schema: str, parameters: MetricParameters, *, catalog: Catalog | None = None) -> str:
    """The same query with its values written out, for people and dashboards. Not for running it here."""
    values = {name: sql.Literal(value) for name, value in parameters.values().items()}
    return _composed(metric, schema, values, catalog or load_catalog()).as_string(None)


def _composed(metric: Metric, schema: str, values: Mapping[str, sql.Composable], catalog: Catalog) -> sql.Composed:
    names = {"schema": sql.Identifier(schema), **values}
    parts = {name: sql.SQL(text).format(**names) for name, text in catalog.parts.items()}
    return sql.SQL(metric.sql).format(**names, **parts)


def _holds(condition: str, value: float) -> bool:
    found = _CONDITION.fullmatch(condition)
    assert found is not None, condition
    return _OPERATORS[found[1]](value, float(found[2]))


def _check_conditions(metrics: Iterable[Metric]) -> None:
    for metric in metrics:
        if not metric.green and not metric.yellow:
            continue
        green, yellow = _CONDITION.fullmatch(metric.green), _CONDITION.fullmatch(metric.yellow)
        if green is None or yellow is None:
            raise ValueError(f"metric {metric.id}: a threshold is an operator and a number, like '>= 95'")
        rising = green[1][0] == ">"
        if green[1][0] != yellow[1][0] or (float(green[2]) < float(yellow[2])) == rising:
            raise ValueError(f"metric {metric.id}: yellow {metric.yellow} does not lie between green and red")
