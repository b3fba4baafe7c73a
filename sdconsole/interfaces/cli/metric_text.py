"""Figures as a terminal can show them: a table, bars with the thresholds marked, seven days as a row of blocks.

Where the terminal draws only ASCII the same is drawn with ASCII signs; colour is never the only sign of a band.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from sdconsole.analytics.catalog import Metric, MetricStatus, load_catalog
from sdconsole.analytics.run import MetricResult, Point
from sdconsole.analytics.trend import TrendDay
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.interfaces.terminal import Terminal, look_at_terminal

BAR = 30
"""Columns of a full bar."""
_BLOCKS = " ▏▎▍▌▋▊▉█"
_STEPS = "▁▂▃▄▅▆▇█"
_ASCII_STEPS = ".:-=+*#@"
_ASCII_ICON = {
    MetricStatus.GREEN: "+",
    MetricStatus.YELLOW: "!",
    MetricStatus.RED: "x",
    MetricStatus.NONE: "o",
    MetricStatus.NO_DATA: "-",
}
_LABEL = 34


@dataclass(frozen=True, slots=True)
class Pen:
    """How to draw here: with Unicode blocks or ASCII, with colours or without."""

    unicode: bool
    colour: bool

    @classmethod
    def of(cls, terminal: Terminal | None = None) -> Pen:
        seen = terminal or look_at_terminal()
        return cls(seen.unicode, seen.colour and seen.output_is_terminal)

    def icon(self, status: MetricStatus) -> str:
        return load_catalog().palette[status].icon if self.unicode else _ASCII_ICON[status]

    def bar(self, value: float, top: float, mark: float | None = None) -> str:
        """A bar of `value` on a scale from 0 to `top`, with a sign where `mark` lies on it."""
        share = min(max(value / top, 0.0), 1.0) if top > 0 else 0.0
        eighths = round(share * BAR * 8)
        if self.unicode:
            drawn = "█" * (eighths // 8) + (_BLOCKS[eighths % 8] if eighths % 8 else "")
        else:
            drawn = "#" * round(share * BAR)
        drawn = drawn.ljust(BAR)
        if mark is None or not 0 <= mark <= top or top <= 0:
            return drawn.rstrip()
        at = min(round(mark / top * BAR), BAR - 1)
        return drawn[:at] + ("┃" if self.unicode else "|") + drawn[at + 1 :].rstrip()

    def spark(self, days: Sequence[TrendDay]) -> str:
        """One sign for each day, its height between the lowest and the highest day; a point for a day without data."""
        values = [day.value for day in days if day.value is not None]
        if not values:
            return ""
        steps = _STEPS if self.unicode else _ASCII_STEPS
        low, high = min(values), max(values)
        span = high - low
        signs = (
            " " if day.value is None else steps[round((day.value - low) / span * 7) if span else 3] for day in days
        )
        return "".join(signs)


def write_styled(lines: Sequence[Text | str], pen: Pen) -> None:
    """The lines on stdout, in colour where the pen has it. No text is read as markup."""
    console = Console(
        file=sys.stdout,
        force_terminal=pen.colour,
        no_color=not pen.colour,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
    )
    for line in lines:
        console.print(line, end="\n")


def result_row(result: MetricResult, trend: Sequence[TrendDay], pen: Pen) -> list[str]:
    """The cells of one metric in the table."""
    metric = result.metric
    value = f"{metric.shown(result.value)} {metric.unit}" if result.value is not None else "no data"
    note = result.error or "; ".join(result.warnings) or (result.reason if result.value is None else "")
    band = f"{pen.icon(result.status)} {'error' if result.error else result.status.value}"
    return [
        metric.id,
        metric.title,
        value,
        f"{result.n:,}",
        band,
        pen.spark(trend),
        f"{result.duration_seconds * 1000:.0f} ms",
        note,
    ]


HEADER = ("id", "metric", "value", "n", "band", "7 days", "time", "note")


def detail_lines(result: MetricResult, trend: Sequence[TrendDay], pen: Pen) -> Iterator[Text | str]:
    """One metric at length: definition, thresholds, its rows and its last seven days as bars."""
    metric = result.metric
    value = f"{metric.shown(result.value)} {metric.unit}" if result.value is not None else "no data"
    head = Text(f"{metric.id} {metric.title}: {value}, n = {result.n:,} ")
    head.append(f"{pen.icon(result.status)} {result.status.value}", style=_colour(result.status))
    yield head
    yield f"  {metric.definition}"
    if metric.limits:
        yield f"  {metric.limits}; the mark in a bar is where green ends"
    for text in (*result.warnings, result.error, result.reason):
        if text:
            yield f"  {safe_text(text)}"
    for point in result.points:
        if not point.label and point.details:
            yield f"  {'; '.join(_detail(name, value) for name, value in point.details.items())}"
    points = [point for point in result.points if point.label]
    if points:
        yield f"  {len(points)} rows"
        yield from _bars(metric, [_Bar.of(point) for point in points], pen)
    if trend:
        yield "  last 7 days of the data"
        yield from _bars(metric, [_Bar(f"{day.day}", day.value, day.n, day.band) for day in trend], pen)
    yield ""


@dataclass(frozen=True, slots=True)
class _Bar:
    label: str
    value: float | None
    n: int
    band: MetricStatus
    median: float | None = None

    @classmethod
    def of(cls, point: Point) -> _Bar:
        """A row of a metric, with its median where it has one."""
        medians = [value for name, value in point.details.items() if name.startswith("median_")]
        median = medians[0] if medians and isinstance(medians[0], float) else None
        return cls(" ".join(filter(None, (point.label, point.series))), point.value, point.n, point.status, median)


def _detail(name: str, value: float | str | None) -> str:
    shown = "-" if value is None else f"{value:,.2f}".removesuffix(".00") if isinstance(value, float) else value
    return safe_text(f"{name.replace('_', ' ')} {shown}")


def _bars(metric: Metric, rows: Sequence[_Bar], pen: Pen) -> Iterator[Text]:
    mark = metric.green_limit
    top = max([row.value for row in rows if row.value is not None] + [mark or 0.0], default=0.0)
    cells = [(safe_text(row.label, limit=_LABEL), metric.shown(row.value), f"{row.n:,}") for row in rows]
    label, value, count = (max(len(cell[index]) for cell in cells) for index in range(3))
    for row, cell in zip(rows, cells, strict=True):
        median = f"median {metric.shown(row.median)}  " if row.median is not None else ""
        line = Text(f"    {cell[0]:<{label}}  {cell[1]:>{value}}  n = {cell[2]:>{count}}  {median}")
        line.append(f"{pen.icon(row.band)} ", style=_colour(row.band))
        if row.value is not None:
            line.append(pen.bar(row.value, top, mark), style=_colour(row.band))
        line.rstrip()
        yield line


def _colour(status: MetricStatus) -> str:
    return load_catalog().palette[status].colour
