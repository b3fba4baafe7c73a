"""The dashboards as data: which queries of the catalogue each one shows. Knows no Grafana and no connection."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources

from pydantic import ConfigDict, TypeAdapter, with_config

from sdconsole.analytics.catalog import Metric, load_catalog
from sdconsole.contract.model import Contract

_STRICT = ConfigDict(extra="forbid")


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class PanelSpec:
    """One panel: a query of the catalogue, or Prometheus expressions by their legend. `width` is of 24 columns.

    `green` and `yellow` take the place of the query's own thresholds on this panel; `bands` are those of other columns
    that it shows. `marks` are three values at which the colour changes instead, from good to bad.
    """

    width: int
    query: str = ""
    expressions: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    panel: str = ""
    unit: str = ""
    definition: str = ""
    green: str = ""
    yellow: str = ""
    show: tuple[str, ...] = ("value", "n")
    lines: tuple[float, ...] = ()
    """Values at which a line is drawn across the panel."""
    stacked: bool = False
    marks: tuple[float, ...] = ()
    bands: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Dashboard:
    """`range` is where the time picker begins, relative to now."""

    uid: str
    title: str
    refresh: str
    range: str
    guide: str
    panels: tuple[PanelSpec, ...]

    @property
    def file_name(self) -> str:
        return f"{self.uid}.json"

    @property
    def queries(self) -> tuple[Metric, ...]:
        """The entries of the catalogue that it shows."""
        catalog = load_catalog()
        found = (catalog.metric(panel.query) for panel in self.panels if panel.query)
        return tuple(metric for metric in found if metric is not None)

    def fits(self, contract: Contract) -> bool:
        """Whether data of this contract have every column that its queries need."""
        return all(metric.fits(contract) for metric in self.queries)


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Dashboards:
    version: int
    dashboard: tuple[Dashboard, ...]


@functools.cache
def load_dashboards() -> Dashboards:
    """The built-in dashboards. Raises ValueError when two share a uid or a panel shows what the catalogue has not."""
    text = resources.files("sdconsole.analytics").joinpath("dashboards.toml").read_text(encoding="utf-8")
    found = TypeAdapter(Dashboards).validate_python(tomllib.loads(text))
    catalog = load_catalog()
    uids = [each.uid for each in found.dashboard]
    for each in found.dashboard:
        if uids.count(each.uid) > 1 or not re.fullmatch(r"[a-z][a-z0-9-]{1,39}", each.uid):
            raise ValueError(f"the uid {each.uid!r} is used twice or cannot be one")
        for panel in each.panels:
            if bool(panel.query) == bool(panel.expressions):
                raise ValueError(f"{each.uid}: a panel has either a query or expressions")
            if panel.expressions and panel.panel in ("bar", "h-bar", "pie"):
                raise ValueError(f"{each.uid}: Grafana draws no {panel.panel} of expressions without a label column")
            if panel.query and catalog.metric(panel.query) is None:
                raise ValueError(f"{each.uid}: the catalogue has no {panel.query!r}")
    return found
