"""The versions on the target, newest first; any that is kept can be given back to readers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import DataTable

from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui.figures import amount
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.side_screen import SideScreen
from sdconsole.interfaces.tui.situation import Place
from sdconsole.target.ledger.record import VersionState
from sdconsole.target.live.versions import VersionRow

HEADER = ("version", "state", "rows", "score", "size", "created (UTC)", "live since (UTC)", "run")
_COLUMNS_FROM_WIDTH = {0: 2, 56: 4, 72: 5, 96: 6, 112: 7, 140: 8}
"""How many of the columns a screen of this width or more has."""


class VersionsScreen(SideScreen):
    place: ClassVar[Place] = "history"
    heading = " Versions on the target"

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._versions: tuple[VersionRow, ...] = ()

    def compose_table(self) -> ComposeResult:
        yield DataTable[Text](id="versions", cursor_type="row")

    @property
    def command(self) -> str:
        row = self.chosen
        return "sdconsole versions list" if row is None else f"sdconsole rollback --to {row.version}"

    def show(self, versions: Sequence[VersionRow]) -> None:
        self._versions = tuple(versions)
        self._draw()
        words = "b gives readers the chosen version" if versions else "no version yet"
        self.say(Text(words, style=self.look.dim))

    def _draw(self) -> None:
        count = max(columns for width, columns in _COLUMNS_FROM_WIDTH.items() if self.size.width >= width)
        self.fill(HEADER[:count], [self._cells(row)[:count] for row in self._versions])

    def on_resize(self) -> None:
        if self.ready:
            self._draw()

    @property
    def chosen(self) -> VersionRow | None:
        row = self.query_one(DataTable).cursor_row
        return self._versions[row] if 0 <= row < len(self._versions) else None

    def _cells(self, row: VersionRow) -> list[Text]:
        live = row.state is VersionState.LIVE
        style = f"bold {self.look.ok}" if live else self.look.accent if row.is_rollback_target else self.look.dim
        return [
            safe(row.version, limit=63),
            Text(str(row.state), style=style),
            Text(f"{row.rows:,}", justify="right"),
            Text("" if row.score is None else f"{row.score:.2f}", justify="right"),
            Text("gone" if row.size_bytes is None else amount(row.size_bytes, "bytes"), justify="right"),
            Text(f"{row.created_at:%Y-%m-%d %H:%M}", style=self.look.dim),
            Text("" if row.live_at is None else f"{row.live_at:%Y-%m-%d %H:%M}", style=self.look.dim),
            safe(row.run_id, style=self.look.dim, limit=40),
        ]
