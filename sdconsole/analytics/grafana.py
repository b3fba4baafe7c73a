"""Grafana's form of the dashboards: bare models with fixed uids, ready for its file provisioning (Grafana 10).

Every panel asks through `$__timeFilter` and the team variable; no date and no team is written into a query. The JSON
model is Grafana's own (Grafana documentation, "Dashboard JSON model"). Knows no connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from psycopg import sql

from sdconsole.analytics import grafana_look as look
from sdconsole.analytics.catalog import DECIMALS, Metric, load_catalog
from sdconsole.analytics.compose import NO_TEAM, template_sql, uses_team
from sdconsole.analytics.dashboards import Dashboard, PanelSpec, load_dashboards
from sdconsole.analytics.parameters import MetricParameters
from sdconsole.analytics.rates import NOT_SET

POSTGRES: Final = {"type": "postgres", "uid": "sdconsole-postgres"}
PROMETHEUS: Final = {"type": "prometheus", "uid": "sdconsole-prometheus"}
ALL_TEAMS: Final = "__all__"
_SCHEMA_VERSION: Final = 38
_COLUMNS: Final = 24
_HEIGHT: Final = {"stat": 6, "gauge": 6, "name": 9}
_MATRIX: Final = {
    "id": "groupingToMatrix",
    "options": {"columnField": "series", "rowField": "label", "valueField": "value"},
}
"""A row for each label, a column for each series."""
_TYPES: Final = {
    "stat": "stat",
    "gauge": "gauge",
    "pie": "piechart",
    "donut": "piechart",
    "bar": "barchart",
    "h-bar": "barchart",
    "line": "timeseries",
    "bar-gauge": "bargauge",
    "name": "stat",
    "heatmap": "table",
    "table": "table",
}


def dashboard_model(of: Dashboard, schema: str, parameters: MetricParameters) -> dict[str, Any]:
    """The dashboard over a live schema as a JSON-ready dict."""
    teams = any(uses_team(metric) for metric in of.queries)
    return {
        "uid": of.uid,
        "title": of.title,
        "tags": ["servicedesk", "sdconsole"],
        "timezone": "utc",
        "editable": False,
        "graphTooltip": 1,
        "schemaVersion": _SCHEMA_VERSION,
        "version": load_dashboards().version,
        "refresh": of.refresh,
        "time": {"from": of.range, "to": "now"},
        "templating": {"list": [_team_variable(schema)] if teams else []},
        "annotations": {"list": []},
        "links": [],
        "panels": list(_panels(of, schema, parameters)),
    }


def panel_sql(metric: Metric, schema: str, parameters: MetricParameters) -> str:
    """The query of a panel, with Grafana's macros where the console would put a range and teams."""
    return template_sql(
        metric,
        schema,
        parameters,
        in_range=lambda column: sql.SQL("$__timeFilter({})").format(column),
        of_team=lambda team: sql.SQL("({} IN (${{team:sqlstring}}) OR {} IN (${{team:sqlstring}}))").format(
            sql.Literal(ALL_TEAMS), team
        ),
    ).strip()


def _team_variable(schema: str) -> dict[str, Any]:
    """Teams as the data have them; All is a value of its own that every row meets."""
    table = sql.Identifier(schema, "tickets")
    authors = sql.Identifier(schema, "comments")
    query = (
        sql.SQL(
            'SELECT DISTINCT coalesce("TKT-Team", {none}) FROM {tickets}'
            " UNION SELECT DISTINCT coalesce(team, {none}) FROM {authors} ORDER BY 1"
        )
        .format(none=sql.Literal(NO_TEAM), tickets=table, authors=authors)
        .as_string(None)
    )
    return {
        "name": "team",
        "label": "Team",
        "type": "query",
        "datasource": dict(POSTGRES),
        "query": query,
        "refresh": 1,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": f"'{ALL_TEAMS}'",
        "current": {"text": "All", "value": "$__all", "selected": True},
        "options": [],
        "hide": 0,
        "skipUrlSync": False,
    }


def _panels(of: Dashboard, schema: str, parameters: MetricParameters) -> Iterator[dict[str, Any]]:
    guide = (
        f"{of.guide} Times are business-local and shown as they were written. Grey means no thresholds, a dash means"
        " no data. Not computable from the export: "
        + ", ".join(one.title for one in load_catalog().not_computable)
        + "."
    )
    yield {
        "id": 1,
        "type": "text",
        "title": "Guide",
        "gridPos": {"x": 0, "y": 0, "w": _COLUMNS, "h": 3},
        "options": {"mode": "markdown", "content": guide},
    }
    x, y, height = 0, 3, 0
    for number, spec in enumerate(of.panels, start=2):
        kind = spec.panel or _metric(spec).panel
        if x + spec.width > _COLUMNS:
            x, y, height = 0, y + height, 0
        tall = _HEIGHT.get(kind, 9)
        grid = {"x": x, "y": y, "w": spec.width, "h": tall}
        x, height = x + spec.width, max(height, tall)
        made = _expression_panel(spec) if spec.expressions else _query_panel(spec, schema, parameters)
        yield {"id": number, "gridPos": grid, **made}


def _metric(spec: PanelSpec) -> Metric:
    metric = load_catalog().metric(spec.query)
    assert metric is not None
    return metric


def _query_panel(spec: PanelSpec, schema: str, parameters: MetricParameters) -> dict[str, Any]:
    metric = _metric(spec)
    kind = spec.panel or metric.panel
    query, form = _shown_query(metric, kind, spec, panel_sql(metric, schema, parameters))
    green, yellow = (spec.green, spec.yellow) if spec.green else (metric.green, metric.yellow)
    defaults = look.defaults(metric.unit, DECIMALS[metric.unit], green, yellow)
    definition, silent = metric.definition, metric.silent
    if metric.unit == "money":
        silent = silent if parameters.rates else NOT_SET
        defaults["unit"] = f"prefix:{parameters.rates.currency} " if parameters.rates else "none"
    if silent:
        defaults["noValue"] = f"no data: {silent}"
    if spec.marks:
        defaults["thresholds"] = {"mode": "absolute", "steps": list(look.marked(spec.marks))}
        limits = f" The colour changes at {', '.join(f'{mark:g}' for mark in spec.marks)}."
    else:
        limits = f" Thresholds: {replace(metric, green=green, yellow=yellow).limits}." if green else ""
    return {
        "type": _TYPES[kind],
        "title": metric.title,
        "description": f"{definition[:1].upper()}{definition[1:]}.{limits}"
        + (f" No data: {silent}." if silent else ""),
        "datasource": dict(POSTGRES),
        "targets": [
            {
                "refId": "A",
                "datasource": dict(POSTGRES),
                "editorMode": "code",
                "format": form,
                "rawQuery": True,
                "rawSql": query,
            }
        ],
        "transformations": [_MATRIX] if kind == "heatmap" else [],
        "options": look.options(kind, judged=bool(green), rows=True),
        "fieldConfig": {"defaults": defaults | look.custom(kind, spec), "overrides": list(look.overrides(kind, spec))},
    }


def _shown_query(metric: Metric, kind: str, spec: PanelSpec, query: str) -> tuple[str, str]:
    """The columns that the panel draws, and the form that Grafana reads them in."""
    if kind in ("stat", "gauge"):
        return f"SELECT {', '.join(spec.show)}\nFROM (\n{query}\n) AS shown", "table"
    if kind == "line":
        series = "series AS metric, " if re.search(r"\bseries\b", metric.sql) else ""
        extra = ", average_of_7_days" if "average_of_7_days" in metric.sql else ""
        return f"SELECT time, {series}value, n{extra}\nFROM (\n{query}\n) AS shown\nORDER BY time", "time_series"
    if kind in ("table", "heatmap"):
        return query, "table"
    return f"SELECT label || ' (n = ' || n || ')' AS label, value\nFROM (\n{query}\n) AS shown", "table"


def _merged(names: Sequence[str]) -> list[dict[str, Any]]:
    """One table of several queries, its columns under the names of the expressions."""
    columns = {f"Value #{chr(ord('A') + position)}": name for position, name in enumerate(names)}
    organised = {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": columns}
    return [{"id": "merge", "options": {}}, {"id": "organize", "options": organised}]


def _expression_panel(spec: PanelSpec) -> dict[str, Any]:
    limits = f" Thresholds: green {spec.green}, yellow {spec.yellow}." if spec.green else ""
    table = spec.panel == "table"
    return {
        "type": _TYPES[spec.panel],
        "title": spec.title,
        "description": f"{spec.definition[:1].upper()}{spec.definition[1:]}.{limits}",
        "datasource": dict(PROMETHEUS),
        "targets": [
            {
                "refId": chr(ord("A") + position),
                "datasource": dict(PROMETHEUS),
                "expr": expression,
                "legendFormat": legend,
                "instant": spec.panel != "line",
                "range": spec.panel == "line",
                "format": "table" if table else "time_series",
            }
            for position, (legend, expression) in enumerate(spec.expressions.items())
        ],
        "transformations": _merged(list(spec.expressions)) if table else [],
        "options": look.options(spec.panel, judged=bool(spec.green)),
        "fieldConfig": {
            "defaults": look.defaults(spec.unit, 0, spec.green, spec.yellow) | look.custom(spec.panel, spec),
            "overrides": [],
        },
    }
