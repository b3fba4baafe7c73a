"""The list of runs: when, how it ended, what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text
from textual.widgets import DataTable

from sdconsole.core.model import RunKind
from sdconsole.core.runs import RunSummary
from sdconsole.errors import Verdict
from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui import figures
from sdconsole.interfaces.tui.look import Look

COLUMNS = ("when", "verdict", "score", "version or stage", "mode", "source", "target")
"""The last ones are left out where they do not fit."""
_FRAME = 8
"""Cells between the list and the edges of a narrow screen; a wide one has more."""


class RunsTable(DataTable[Text]):
    """Rows in the order they are given; enter selects one."""

    def __init__(self) -> None:
        super().__init__(id="runs", cursor_type="row")

    def show(self, runs: Sequence[RunSummary], look: Look) -> None:
        rows = [_cells(run, look) for run in runs]
        widths = {name: max([len(name), *(row[name].cell_len for row in rows)]) for name in COLUMNS}
        names = list(COLUMNS)
        room = self.screen.size.width - (2 * _FRAME if self.screen.size.width >= 100 else _FRAME)
        while len(names) > 2 and sum(widths[name] + 2 for name in names) > room:
            names.pop()
        row_before = self.cursor_row
        self.clear(columns=True)
        for name in names:
            self.add_column(name, width=widths[name])
        for row in rows:
            self.add_row(*(row[name] for name in names))
        self.move_cursor(row=min(max(0, row_before), max(0, len(rows) - 1)))
        self.display = bool(rows)


def _cells(run: RunSummary, look: Look) -> dict[str, Text]:
    verdict = "running" if run.alive else run.verdict or "cut off"
    calm = {Verdict.OK: look.ok, "running": look.accent, Verdict.HELD: look.warn, "cut off": look.warn}
    where = run.version or (f"stopped in {run.next_stage}" if run.next_stage else "")
    return {
        "when": Text(figures.day_and_time(run.started_at), style=look.dim),
        "verdict": Text(verdict, style=calm.get(verdict, look.bad)),
        "score": Text("" if run.score is None else f"{run.score:.2f}", justify="right"),
        "version or stage": safe(where, limit=60),
        "mode": safe(run.mode if run.kind is RunKind.DEPLOY else run.kind, style=look.dim, limit=20),
        "source": safe(Path(run.source).name if run.source else "", limit=40),
        "target": safe(run.target, style=look.dim, limit=30),
    }
