"""The reference pages that are lists: events, figures and series, from the unions and tables that the product uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import get_args

from sdconsole.analytics.catalog import Kind, load_catalog
from sdconsole.core import events
from sdconsole.observe.families import FAMILIES
from sdconsole.runbook import events as walk_events

_EVENTS = """\
# Events

A run writes what happens into `events.jsonl`, a walk through a runbook into `walk.jsonl`: one JSON object a line, with
`seq`, the time (`at`, UTC), `elapsed_seconds` and the `event`. `sdconsole deploy --output jsonl` prints the same lines.
`type` names the event.

"""
_METRICS = """\
# Figures

What `sdconsole metrics` asks and the dashboards show. Green and yellow are conditions; what is neither is red.
`sdconsole metrics sql ID` prints the query.

"""
_SERIES = """\
# Series for Prometheus

What `sdconsole observe write` and `serve` expose. Labels have fixed sets of values; what is not among them is `other`.

| series | kind | labels | says |
|---|---|---|---|
"""
_KINDS = {Kind.METRIC: "Metrics", Kind.TEMPLATE: "Queries that dashboards share", Kind.PANEL: "Panels of one dashboard"}


def cell(text: str) -> str:
    """A text as it can stand in a table."""
    return " ".join(text.split()).replace("|", "\\|")


def pages() -> dict[str, str]:
    """Every page by its file name."""
    return {"events.md": _events_page(), "metrics.md": _metrics_page(), "series.md": _series_page()}


def event_types() -> dict[str, type]:
    """Every event by its name in the journal."""
    found: dict[str, type] = {}
    for kind in (*get_args(events.Event), *get_args(walk_events.WalkEvent)):
        found[str(next(field.default for field in fields(kind) if field.name == "type"))] = kind
    return found


def _events_page() -> str:
    of_a_run = get_args(events.Event)
    parts = []
    for title, belongs in (("Of a run", True), ("Of a walk", False)):
        rows = [
            f"| `{name}` | {cell(kind.__doc__ or '')} | {', '.join(_fields(kind))} |"
            for name, kind in event_types().items()
            if (kind in of_a_run) is belongs
        ]
        parts.append(f"## {title}\n\n| event | says | fields |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    return _EVENTS + "\n".join(parts)


def _fields(kind: type) -> Iterator[str]:
    yield from (f"`{field.name}`" for field in fields(kind) if field.name != "type")


def _metrics_page() -> str:
    parts = []
    for kind, title in _KINDS.items():
        rows = [
            f"| `{one.id}` | {cell(one.title)} | {one.unit} | {cell(one.green)} | {cell(one.yellow)}"
            f" | {cell(one.definition)} |"
            for one in load_catalog().metrics
            if one.kind is kind
        ]
        head = "| id | title | unit | green | yellow | definition |\n|---|---|---|---|---|---|\n"
        parts.append(f"## {title}\n\n{head}" + "\n".join(rows) + "\n")
    return _METRICS + "\n".join(parts)


def _series_page() -> str:
    rows = (
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {cell(one.help)} |"
        for one in FAMILIES
    )
    return _SERIES + "\n".join(rows) + "\n"
