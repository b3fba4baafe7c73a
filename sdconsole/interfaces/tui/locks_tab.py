"""Who holds live views while a switch waits; the chosen session can be cancelled or ended."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import DataTable, Static

from sdconsole.core.events import Blocked, BlockingSession
from sdconsole.core.projection import RunState
from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui import figures
from sdconsole.interfaces.tui.look import Look

HEADER = ("pid", "user", "program", "holds", "for", "state", "runs")


class LocksTab(Vertical):
    """Filled from what the waiting switch tells."""

    def __init__(self) -> None:
        super().__init__(id="locks")
        self._shown: Blocked | None = None

    def compose(self) -> ComposeResult:
        yield Static("nobody is in the way of a switch", id="locks-summary")
        yield DataTable[Text](id="holders", cursor_type="row")

    def on_mount(self) -> None:
        self.query_one("#holders").display = False

    @property
    def chosen(self) -> BlockingSession | None:
        row = self.query_one("#holders", DataTable).cursor_row
        holders = self._shown.holders if self._shown is not None else ()
        return holders[row] if 0 <= row < len(holders) else None

    def show(self, state: RunState, look: Look) -> None:
        blocked = state.blocked
        if blocked == self._shown:
            return
        self._shown = blocked
        table, summary = self.query_one("#holders", DataTable), self.query_one("#locks-summary", Static)
        table.display = blocked is not None
        if blocked is None:
            summary.update("nobody is in the way of a switch")
            return
        waited = f"waiting {figures.clock(blocked.waited_seconds)} of {figures.clock(blocked.deadline_seconds)}"
        summary.update(
            Text.assemble(
                (f"the switch is {waited}, {blocked.attempts} attempts; readers go on. ", look.warn),
                ("k cancels what the chosen session runs, K ends it; or wait", look.dim),
            )
        )
        row = max(0, table.cursor_row)
        table.clear(columns=True)
        for name in HEADER:
            table.add_column(name)
        for holder in blocked.holders:
            table.add_row(*_cells(holder, look))
        table.move_cursor(row=min(row, len(blocked.holders) - 1))


def _cells(holder: BlockingSession, look: Look) -> list[Text]:
    return [
        Text(str(holder.pid or "prepared"), justify="right"),
        safe(holder.user, limit=30),
        safe(holder.application, limit=30),
        safe(f"{holder.mode} on {holder.relation}", limit=60),
        Text(figures.clock(holder.age_seconds), justify="right"),
        safe(holder.state, style=look.dim, limit=30),
        safe(holder.query, style=look.dim, limit=80),
    ]
