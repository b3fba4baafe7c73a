"""Runs what the dashboards' panels ask, as Grafana would: macros expanded, read-only, with the readers' rights.

A panel's query is taken from the model that is written to files, not from the catalogue, so what is proved is what
Grafana loads.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from sdconsole.analytics.catalog import load_catalog
from sdconsole.analytics.grafana import ALL_TEAMS
from sdconsole.analytics.run import read_only
from sdconsole.analytics.side_by_side import side_by_side
from sdconsole.target.connect import Connection
from sdconsole.target.failures import classify

_TIME_FILTER = re.compile(r"\$__timeFilter\(([^)]*)\)")
_TEAM = "${team:sqlstring}"
_LEFT_OVER = re.compile(r"\$_{0,2}[A-Za-z]\w*|\$\{")
EVER = (datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2999-12-31"))


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """One query of one panel, or of a dashboard's variable, as it stands in the model."""

    dashboard: str
    panel: str
    text: str
    needs: frozenset[str] = frozenset()
    """Tables, views and columns ("table.column") that the query reads, as far as the catalogue knows."""


@dataclass(frozen=True, slots=True)
class PanelResult:
    query: PanelQuery
    rows: Sequence[Mapping[str, Any]]
    seconds: float
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return {
            "dashboard": self.query.dashboard,
            "panel": self.query.panel,
            "rows": len(self.rows),
            "seconds": round(self.seconds, 6),
            "error": self.error,
        }


def panel_queries(model: Mapping[str, Any]) -> Iterator[PanelQuery]:
    """Every SQL query of a dashboard's model: its variables first, then its panels."""
    for variable in model["templating"]["list"]:
        yield PanelQuery(model["uid"], f"variable {variable['name']}", variable["query"])
    needs = {metric.title: metric.needs for metric in load_catalog().metrics}
    for panel in model["panels"]:
        for target in panel.get("targets", ()):
            if "rawSql" in target:
                yield PanelQuery(model["uid"], panel["title"], target["rawSql"], needs[panel["title"]])


def expand(text: str, *, begins: datetime, ends: datetime, teams: Sequence[str] = ()) -> str:
    """The query with Grafana's macros put in; no teams = All. Raises ValueError when a macro is left over."""
    chosen = ", ".join(sql.Literal(team).as_string(None) for team in teams or (ALL_TEAMS,))
    first, last = (sql.Literal(moment.isoformat()).as_string(None) for moment in (begins, ends))
    found = _TIME_FILTER.sub(lambda match: f"{match[1]} BETWEEN {first} AND {last}", text)
    if _LEFT_OVER.search(found.replace(_TEAM, "")):
        raise ValueError(f"a macro is not known: {_LEFT_OVER.search(found.replace(_TEAM, ''))}")
    return found.replace(_TEAM, chosen)


def check_panels(
    connection: Connection | Sequence[Connection],
    queries: Sequence[PanelQuery],
    *,
    reader_role: str | None,
    timeout_seconds: float,
    begins: datetime = EVER[0],
    ends: datetime = EVER[1],
    teams: Sequence[str] = (),
    check: Callable[[], None] | None = None,
) -> tuple[PanelResult, ...]:
    """The result of every query; the same text is asked once. On several connections, all idle, as many run side by
    side. `check` is called between the queries and may raise."""
    texts = list(dict.fromkeys(query.text for query in queries))

    def job(text: str) -> Callable[[Connection], PanelResult]:
        query = PanelQuery("", "", text)
        expanded = expand(text, begins=begins, ends=ends, teams=teams)
        return lambda one: _ask(one, query, expanded, reader_role, timeout_seconds)

    connections = [connection] if isinstance(connection, psycopg.Connection) else connection
    answered = dict(zip(texts, side_by_side(connections, [job(text) for text in texts], check), strict=True))
    found = [(query, answered[query.text]) for query in queries]
    return tuple(PanelResult(query, known.rows, known.seconds, known.error) for query, known in found)


def _ask(
    connection: Connection,
    query: PanelQuery,
    text: str,
    reader_role: str | None,
    timeout_seconds: float,
) -> PanelResult:
    began = time.monotonic()
    try:
        rows = read_only(connection, text.encode(), None, reader_role, timeout_seconds)
    except psycopg.Error as error:
        failure = classify(error)
        if connection.closed or connection.broken:
            raise failure from error
        return PanelResult(query, (), time.monotonic() - began, f"{failure.message}: {failure.cause}")
    return PanelResult(query, rows, time.monotonic() - began)
