"""Where the points went: one row a rule, the rows that failed it and the SQL that finds them all again."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import DataTable, Static

from sdconsole.core.events import LostPoints, ScoreReported
from sdconsole.core.projection import RunState
from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui.look import Look

COLUMNS = {"lost": 6, "rule": 0, "failed": 8, "share": 8, "of": 6, "tolerated": 9, "dimension": 13}
"""Width of each column in cells; the rule takes what is left."""
_COLUMNS_FROM_WIDTH = {0: 3, 52: 4, 72: 5, 86: 6, 100: 7}
"""How many of the columns a table of this width or more has."""
SHOWN_RULES = 200
SHOWN_SAMPLES = 20


class QualityTab(Vertical):
    """A table of rules, the most expensive first, and the evidence of the selected one."""

    def __init__(self) -> None:
        super().__init__(id="quality")
        self._report: ScoreReported | None = None
        self._losses: tuple[LostPoints, ...] = ()
        self._look: Look | None = None

    def compose(self) -> ComposeResult:
        yield Static("no score yet", id="quality-summary")
        yield DataTable(id="losses", cursor_type="row")
        with VerticalScroll(id="evidence"):
            yield Static(id="evidence-text")

    def on_mount(self) -> None:
        self._table.display = False
        self.query_one("#evidence").display = False

    def on_resize(self) -> None:
        self._fill()

    @property
    def _table(self) -> DataTable[Text]:
        return self.query_one("#losses", DataTable)

    def show(self, state: RunState, look: Look) -> None:
        """Draw the newest score; nothing is touched while it is the one that is shown."""
        report = state.scores.get("after") or state.scores.get("before")
        if report is None or (report is self._report and look == self._look):
            return
        self._report, self._look = report, look
        lost = [loss for loss in report.losses if loss.lost or loss.failed]
        self._losses = tuple(sorted(lost, key=lambda loss: -loss.lost))[:SHOWN_RULES]
        total_lost = sum(loss.lost for loss in report.losses)
        self.query_one("#quality-summary", Static).update(
            Text(f"{total_lost:.2f} points lost {report.phase} cleaning, by {len(lost)} rules", style=look.dim)
        )
        self._table.display = bool(self._losses)
        self.query_one("#evidence").display = bool(self._losses)
        self._fill()

    def _fill(self) -> None:
        """Columns and rows for the width there is; the selected row stays selected."""
        if self._look is None or not self.size.width:
            return
        table = self._table
        row = max(0, table.cursor_row)
        names = list(COLUMNS)[: max(n for width, n in _COLUMNS_FROM_WIDTH.items() if self.size.width >= width)]
        fixed = sum(COLUMNS[name] for name in names)
        rule_width = max(10, self.size.width - fixed - 2 * len(names) - 1)
        table.clear(columns=True)
        for name in names:
            table.add_column(name, width=COLUMNS[name] or rule_width)
        for loss in self._losses:
            cells = _cells(loss, self._look, rule_width)
            table.add_row(*(cells[name] for name in names))
        table.move_cursor(row=min(row, max(0, len(self._losses) - 1)))
        self._show_evidence(table.cursor_row)

    @on(DataTable.RowHighlighted, "#losses")
    def _highlighted(self, event: DataTable.RowHighlighted) -> None:
        self._show_evidence(event.cursor_row)

    def _show_evidence(self, row: int) -> None:
        if 0 <= row < len(self._losses) and self._look is not None:
            self.query_one("#evidence-text", Static).update(_evidence(self._losses[row], self._look))


def _cells(loss: LostPoints, look: Look, rule_width: int) -> dict[str, Text]:
    serious = loss.severity in ("blocker", "error")
    share = 100 * loss.failed / loss.evaluated if loss.evaluated else 0.0
    style = look.bad if serious else look.warn if loss.lost else look.dim
    rule = safe(loss.title or loss.rule, limit=200)
    rule.truncate(rule_width, overflow="ellipsis")
    return {
        "lost": Text(f"{loss.lost:.2f}", style=style, justify="right"),
        "rule": rule,
        "failed": Text(f"{loss.failed:,}", justify="right"),
        "share": Text(f"{share:.2f} %", justify="right"),
        "of": Text(f"{loss.possible:.2f}", style=look.dim, justify="right"),
        "tolerated": Text(f"{loss.tolerance_percent:g} %", style=look.dim, justify="right"),
        "dimension": safe(loss.dimension, style=look.dim, limit=20),
    }


def _evidence(loss: LostPoints, look: Look) -> RenderableType:
    parts: list[RenderableType] = [
        Text.assemble(
            safe(loss.rule, style="bold", limit=80),
            (f"  {loss.failed:,} of {loss.evaluated:,} fail  ", ""),
            safe(loss.severity, style=look.dim, limit=20),
        )
    ]
    parts += [safe(f"  {sample}", limit=300) for sample in loss.samples[:SHOWN_SAMPLES]]
    if loss.sql:
        parts.append(safe(loss.sql, style=look.accent, limit=4_000, multiline=True))
    return Group(*parts)
