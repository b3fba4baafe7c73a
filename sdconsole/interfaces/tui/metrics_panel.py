"""The dashboards' metrics drawn in the terminal: value, status in a word, and where the thresholds lie."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from sdconsole.analytics.catalog import MetricStatus
from sdconsole.analytics.run import MetricResult
from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui.look import Look
from sdconsole.service.dashboards import Figures

SCALE_CELLS = 24
_BESIDE_TITLE = 44
"""Cells that a line needs beside its title."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_STATUS = {
    MetricStatus.GREEN: ("good", "ok"),
    MetricStatus.YELLOW: ("watch", "warn"),
    MetricStatus.RED: ("bad", "bad"),
    MetricStatus.NONE: ("", "dim"),
    MetricStatus.NO_DATA: ("no data", "dim"),
}


def metrics_table(results: Sequence[MetricResult], look: Look, *, width: int) -> Table:
    """One line a metric; the scale with its thresholds is left out where it does not fit."""
    scaled = width >= 100
    explained = scaled or any(result.error for result in results)
    table = Table.grid(padding=(0, 2 if width >= _BESIDE_TITLE + 20 else 1), expand=False)
    for result in results:
        status = _status(result, look)
        title = safe(result.metric.title, limit=46)
        title.truncate(max(10, width - _BESIDE_TITLE), overflow="ellipsis")
        cells = [Text(result.metric.id, style=look.dim), title, _value(result), status]
        if scaled:
            cells.append(scale(result, look))
        limits = (("good", result.metric.green), ("watch", result.metric.yellow))
        thresholds = ", ".join(f"{word} {limit}" for word, limit in limits if limit) if scaled else ""
        why = result.error or (result.reason or thresholds if scaled else "")
        if explained:
            cells.append(safe(why, style=look.bad if result.error else look.dim, limit=60))
        table.add_row(*cells)
    return table


def compare_table(figures: Figures, look: Look) -> Table:
    """Live against the new version, the greatest changes first."""
    new = {result.metric.id: result for result in figures.new or ()}
    pairs = [(before, new[before.metric.id]) for before in figures.live if before.metric.id in new]
    table = Table.grid(padding=(0, 2))
    table.add_row(*(Text(name, style=look.dim) for name in ("", "metric", "live", "new", "change", "")))
    for before, after in sorted(pairs, key=lambda pair: -_moved(*pair)):
        delta = "" if before.value is None or after.value is None else f"{after.value - before.value:+,.2f}"
        table.add_row(
            Text(after.metric.id, style=look.dim),
            safe(after.metric.title, limit=46),
            _value(before),
            _value(after),
            Text(delta, style=look.warn if _moved(before, after) > 0.05 else look.dim, justify="right"),
            _status(after, look),
        )
    return table


def scale(result: MetricResult, look: Look) -> Text:
    """A line from zero to beyond value and thresholds: `|` where a threshold lies, a mark where the value is."""
    limits = [
        float(found[0]) for text in (result.metric.green, result.metric.yellow) if (found := _NUMBER.search(text))
    ]
    if result.value is None or not limits:
        return Text("")
    top = 100.0 if result.metric.unit == "percent" else max([*limits, result.value]) * 1.2 or 1.0
    cells = [("-" if look.ascii else "─", look.faint)] * SCALE_CELLS
    for limit in limits:
        cells[_place(limit, top)] = ("|" if look.ascii else "┃", look.dim)
    cells[_place(result.value, top)] = ("#" if look.ascii else "●", _style(result, look))
    return Text.assemble(*cells)


def _place(value: float, top: float) -> int:
    return min(SCALE_CELLS - 1, max(0, round(value / top * (SCALE_CELLS - 1))))


def _value(result: MetricResult) -> Text:
    text = "-" if result.value is None else f"{result.value:,.2f} {result.metric.unit}"
    return Text(text, justify="right", no_wrap=True)


def _style(result: MetricResult, look: Look) -> str:
    return {"ok": look.ok, "warn": look.warn, "bad": look.bad, "dim": look.dim}[_STATUS[result.status][1]]


def _status(result: MetricResult, look: Look) -> Text:
    return Text("failed" if result.error else _STATUS[result.status][0], style=_style(result, look), no_wrap=True)


def _moved(before: MetricResult, after: MetricResult) -> float:
    """The change as a share of what was; 1 where one of the two has no value."""
    if before.value is None or after.value is None:
        return 0.0 if before.value == after.value else 1.0
    return abs(after.value - before.value) / max(abs(before.value), 1e-9)
