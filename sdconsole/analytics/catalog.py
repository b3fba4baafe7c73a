"""The catalogue of what dashboards ask: definitions, thresholds and colours as data, SQL as text.

Reads the TOML files and sql/*.sql of this package. Knows no connection and no schema: `compose.py` brings text and
names together.
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
from importlib.resources.abc import Traversable
from typing import Any, Literal, TypeAlias

from pydantic import TypeAdapter

from sdconsole.analytics.classes import load_classification
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


class Kind(StrEnum):
    METRIC = "metric"
    """One of the numbered figures that managers know by name."""
    TEMPLATE = "template"
    """A question that dashboards ask again and again."""
    PANEL = "panel"
    """What one dashboard shows and no other needs."""


Unit: TypeAlias = Literal[
    "percent",
    "days",
    "hours",
    "score",
    "tickets",
    "tickets a day",
    "tickets a week",
    "comments",
    "count",
    "seconds",
    "money",
    "points",
]
Panel: TypeAlias = Literal["stat", "gauge", "pie", "donut", "bar", "h-bar", "line", "heatmap", "table"]
DECIMALS: Mapping[str, int] = {
    "percent": 1,
    "days": 2,
    "hours": 1,
    "score": 2,
    "tickets": 0,
    "tickets a day": 1,
    "tickets a week": 1,
    "comments": 2,
    "count": 0,
    "seconds": 1,
    "money": 0,
    "points": 1,
}
"""How many decimals a value of each unit is shown with, on every screen and in every file."""
SOURCES = ("catalog.toml", "templates.toml", "panels.toml")
Headline: TypeAlias = Literal["only", "first", "max", "min", "column"]

_TIERS = frozenset({"L1", "L2", "L3"})
_WINDOW = re.compile(r"(\d+) (day|month)s")
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
    """One entry. `green` and `yellow` are conditions like ">= 95"; both empty = it is not judged, yellow empty = it is
    never red.

    `graded_points` says whether the thresholds hold for each row as well. `warnings` are sentences by the name of the
    column that counts them. `unavailable` says why a metric has no query, `silent` why it has no value.
    `same_as` is the entry whose query this one shows in another way; `file` is the SQL that several share, `of_class`
    the class of a word list that this one asks it for. `columns` are those it needs besides its tables' usual ones, as
    "table.column". `default_window` ("90 days", "12 months") is how far back the query looks from the newest row when
    no range of time is given; "" = at all rows.
    """

    id: str
    title: str
    unit: Unit
    panel: Panel
    refresh: str
    headline: Headline
    tables: tuple[str, ...]
    definition: str
    level: Level = Level.MEDIUM
    kind: Kind = Kind.METRIC
    green: str = ""
    yellow: str = ""
    same_as: str = ""
    file: str = ""
    of_class: str = ""
    columns: tuple[str, ...] = ()
    compared: bool = True
    """Whether a change from one version to the next says something: not for what depends on the clock."""
    default_window: str = ""
    graded_points: bool = True
    warnings: Mapping[str, str] = field(default_factory=dict)
    unavailable: str = ""
    silent: str = ""
    sql: str = ""

    def judge(self, value: float | None) -> MetricStatus:
        """The status of a value of this metric."""
        if value is None:
            return MetricStatus.NO_DATA
        if not self.green:
            return MetricStatus.NONE
        if _holds(self.green, value):
            return MetricStatus.GREEN
        return MetricStatus.YELLOW if not self.yellow or _holds(self.yellow, value) else MetricStatus.RED

    @property
    def window(self) -> tuple[int, str] | None:
        """The default window as a number and a unit, "day" or "month"."""
        found = _WINDOW.fullmatch(self.default_window)
        return (int(found[1]), found[2]) if found else None

    def shown(self, value: float | None) -> str:
        """The value with as many decimals as its unit has, without the unit."""
        return "-" if value is None else f"{value:,.{DECIMALS[self.unit]}f}"

    @property
    def needs(self) -> frozenset[str]:
        """Tables, views and columns ("table.column") without which it cannot be asked."""
        return frozenset({*self.tables, *self.columns})

    def fits(self, contract: Contract) -> bool:
        """Whether data of this contract have the columns that it needs."""
        known = {f"{table.name}.{column.name}" for table in contract.tables for column in table.columns}
        return known >= set(self.columns)

    @property
    def green_limit(self) -> float | None:
        """Where green ends; None without thresholds."""
        found = _CONDITION.fullmatch(self.green)
        return float(found[2]) if found else None

    @property
    def limits(self) -> str:
        """The thresholds in one line; "" when there are none."""
        if not self.green:
            return ""
        return f"green {self.green}" + (f", yellow {self.yellow}" if self.yellow else ", else yellow")


@dataclass(frozen=True, slots=True)
class Catalog:
    """All metrics in the order of their numbers."""

    metrics: tuple[Metric, ...]
    palette: Mapping[MetricStatus, Shade]
    not_computable: tuple[NotComputable, ...]
    team_minimum: int
    cell_minimum: int
    parts: Mapping[str, str] = field(repr=False, default_factory=dict)

    def metric(self, metric_id: str) -> Metric | None:
        return next((metric for metric in self.metrics if metric.id.lower() == metric_id.lower()), None)

    def of_kind(self, *kinds: Kind) -> tuple[Metric, ...]:
        return tuple(metric for metric in self.metrics if metric.kind in kinds)

    def for_tables(self, names: Collection[str]) -> tuple[Metric, ...]:
        """What a database with these tables and columns can answer; entries without a query are among them."""
        return tuple(metric for metric in self.metrics if metric.needs <= set(names))


@functools.cache
def load_catalog() -> Catalog:
    """The built-in catalogue. Raises ValueError (pydantic's ValidationError) when it contradicts itself."""
    package = resources.files("sdconsole.analytics")
    data: dict[str, Any] = {}
    for name in SOURCES:
        document = tomllib.loads(package.joinpath(name).read_text(encoding="utf-8"))
        data["metric"] = [*data.pop("metric", []), *document.pop("metric", [])]
        data.update(document)
    queries = package.joinpath("sql")
    known = {each.name for each in fields(Metric)}
    for metric in data["metric"]:
        if unknown := metric.keys() - known:
            raise ValueError(f"metric {metric.get('id')}: unknown keys {sorted(unknown)}")
        if not metric.get("unavailable"):
            file = metric.get("same_as") or metric.get("file") or metric["id"]
            metric["sql"] = queries.joinpath(f"{file}.sql").read_text(encoding="utf-8")
    data["metrics"] = data.pop("metric")
    catalog = TypeAdapter(Catalog).validate_python({**data, "parts": _texts(queries.joinpath("parts"))})
    _check_conditions(catalog.metrics)
    _check_classes(catalog.metrics)
    return catalog


def _texts(folder: Traversable) -> dict[str, str]:
    """The SQL files of a folder by their names without the ending."""
    return {
        file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }


def _holds(condition: str, value: float) -> bool:
    found = _CONDITION.fullmatch(condition)
    assert found is not None, condition
    return _OPERATORS[found[1]](value, float(found[2]))


def _check_classes(metrics: Iterable[Metric]) -> None:
    known = {one.name for each in load_classification().lists for one in each.classes} | _TIERS
    for metric in metrics:
        if metric.of_class and metric.of_class not in known:
            raise ValueError(f"metric {metric.id}: no word list has a class {metric.of_class!r}")


def _check_conditions(metrics: Iterable[Metric]) -> None:
    for metric in metrics:
        if metric.default_window and metric.window is None:
            raise ValueError(f"metric {metric.id}: a window is a number of days or months, like '90 days'")
        if not metric.green and not metric.yellow:
            continue
        green, yellow = _CONDITION.fullmatch(metric.green), _CONDITION.fullmatch(metric.yellow or metric.green)
        if green is None or yellow is None:
            raise ValueError(f"metric {metric.id}: a threshold is an operator and a number, like '>= 95'")
        rising = green[1][0] == ">"
        outside = metric.yellow and (float(green[2]) < float(yellow[2])) == rising
        if green[1][0] != yellow[1][0] or outside:
            raise ValueError(f"metric {metric.id}: yellow {metric.yellow} does not lie between green and red")
