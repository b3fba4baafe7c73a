"""How Grafana draws a panel of each kind: units, thresholds, options, overrides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sdconsole.analytics.catalog import MetricStatus, load_catalog
from sdconsole.analytics.dashboards import PanelSpec

_UNITS: Final = {
    "percent": "percent",
    "days": "d",
    "hours": "h",
    "seconds": "s",
    "bytes": "bytes",
}
_BETWEEN: Final = "#F97316"
"""Between yellow and red, where a panel has four colours."""
_RISING: Final = (MetricStatus.GREEN, MetricStatus.YELLOW, MetricStatus.RED)


def defaults(unit: str, decimals: int, green: str, yellow: str) -> dict[str, Any]:
    """Unit, decimals and thresholds of a panel's figures."""
    found: dict[str, Any] = {
        "unit": _UNITS.get(unit, "none"),
        "decimals": decimals,
        "noValue": "no data",
        "thresholds": {"mode": "absolute", "steps": list(steps(green, yellow))},
        "color": {"mode": "thresholds"},
    }
    return found | ({"min": 0, "max": 100} if unit == "percent" else {"min": 0, "max": 5} if unit == "score" else {})


def steps(green: str, yellow: str) -> Iterator[dict[str, Any]]:
    """Thresholds as Grafana has them: a colour from a value on, the first one from the lowest."""
    colour = {status: shade.colour for status, shade in load_catalog().palette.items()}
    if not green:
        yield {"color": colour[MetricStatus.NONE], "value": None}
        return
    names = [MetricStatus.RED, MetricStatus.YELLOW, MetricStatus.GREEN] if green[0] == ">" else list(_RISING)
    limits = [text.split() for text in (yellow, green) if text]
    if green[0] == "<":
        limits.reverse()
    if not yellow:
        names = [MetricStatus.GREEN, MetricStatus.YELLOW] if green[0] == "<" else names[1:]
    yield {"color": colour[names[0]], "value": None}
    for name, (sign, number) in zip(names[1:], limits, strict=True):
        # Grafana colours from the value on: where the condition leaves the value itself out or in, it is moved a hair.
        moved = float(number) + (1e-9 if sign in (">", "<=") else 0.0)
        yield {"color": colour[name], "value": moved}


def marked(marks: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Colours from good to bad that change at these three values."""
    colour = {status: shade.colour for status, shade in load_catalog().palette.items()}
    names = (colour[MetricStatus.GREEN], colour[MetricStatus.YELLOW], _BETWEEN, colour[MetricStatus.RED])
    for name, value in zip(names, (None, *marks), strict=True):
        yield {"color": name, "value": value}


def options(kind: str, *, judged: bool, rows: bool = False) -> dict[str, Any]:
    """How a panel of this kind is drawn. `rows`: its query gives a table, not one series for each thing."""
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}  # "" = every number; a pattern would add the time
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
    tooltip = {"mode": "multi", "sort": "none"}
    if kind == "stat":
        mode = "value" if judged else "none"
        return {
            "colorMode": mode,
            "graphMode": "none",
            "justifyMode": "auto",
            "textMode": "auto",
            "reduceOptions": last,
        }
    if kind == "name":
        return {
            "colorMode": "none",
            "graphMode": "none",
            "justifyMode": "auto",
            "textMode": "name",
            "reduceOptions": last,
        }
    if kind == "bar-gauge":
        each = {"calcs": ["lastNotNull"], "fields": "/^value$/", "values": True} if rows else last
        return {"displayMode": "basic", "orientation": "horizontal", "showUnfilled": True, "reduceOptions": each}
    if kind == "gauge":
        return {"showThresholdLabels": False, "showThresholdMarkers": True, "reduceOptions": last}
    if kind in ("pie", "donut"):
        values = {"calcs": ["lastNotNull"], "fields": "/^value$/", "values": True}
        shape = {"pieType": kind, "displayLabels": ["percent"], "tooltip": tooltip}
        return shape | {"legend": legend | {"placement": "right", "values": ["value"]}, "reduceOptions": values}
    if kind in ("bar", "h-bar"):
        direction = "horizontal" if kind == "h-bar" else "vertical"
        return {
            "orientation": direction,
            "xField": "label",
            "showValue": "auto",
            "legend": legend | {"showLegend": False},
        }
    if kind == "line":
        return {"legend": legend, "tooltip": tooltip}
    return {"showHeader": True, "cellHeight": "sm"}


def custom(kind: str, spec: PanelSpec) -> dict[str, Any]:
    """What Grafana keeps under "custom", and a colour for each slice or line."""
    if kind in ("pie", "donut"):
        return {"color": {"mode": "palette-classic"}}
    if kind == "heatmap":
        return {"color": {"mode": "continuous-BlYlRd"}, "custom": {"cellOptions": {"type": "color-background"}}}
    if kind != "line":
        return {}
    stacking = {"mode": "normal" if spec.stacked else "none", "group": "A"}
    custom: dict[str, Any] = {"lineWidth": 2, "fillOpacity": 10, "showPoints": "auto", "stacking": stacking}
    found: dict[str, Any] = {"color": {"mode": "palette-classic"}, "custom": custom}
    if spec.lines:
        custom["thresholdsStyle"] = {"mode": "line"}
        red = load_catalog().palette[MetricStatus.RED].colour
        steps: list[dict[str, Any]] = [{"color": "transparent", "value": None}]
        steps += [{"color": red, "value": value} for value in sorted(spec.lines)]
        found["thresholds"] = {"mode": "absolute", "steps": steps}
    return found


def overrides(kind: str, spec: PanelSpec) -> Iterator[Mapping[str, Any]]:
    """The sample size is a plain number, whatever the unit of the figure beside it."""
    plain = [{"id": "unit", "value": "none"}, {"id": "decimals", "value": 0}, {"id": "max"}]
    grey = {"id": "color", "value": {"mode": "fixed", "fixedColor": load_catalog().palette[MetricStatus.NONE].colour}}
    hidden = {"id": "custom.hideFrom", "value": {"viz": True, "legend": True, "tooltip": False}}
    if kind in ("stat", "gauge", "table", "heatmap"):
        yield {"matcher": {"id": "byName", "options": "n"}, "properties": [*plain, grey]}
    if kind == "line":
        yield {"matcher": {"id": "byRegexp", "options": "/^n($| )/"}, "properties": [*plain, grey, hidden]}
    if kind == "heatmap":
        yield {
            "matcher": {"id": "byName", "options": "headline"},
            "properties": [{"id": "custom.hidden", "value": True}],
        }
    if kind == "stat":
        for name in spec.show[1:-1]:
            shown = grey
            if name in spec.bands:
                found = list(steps(*spec.bands[name]))
                shown = {"id": "thresholds", "value": {"mode": "absolute", "steps": found}}
            yield {"matcher": {"id": "byName", "options": name}, "properties": [shown]}
