"""The versions on the target, newest first; any that is kept can be given back to readers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import DataTable

from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui.figures import amount
from sdconsole.interfaces.tui.side_screen import SideScreen
from sdconsole.interfaces.tui.situation import Place
from sdconsole.target.ledger.record import VersionState
from sdconsole.target.live.versions import VersionRow

HEADER = ("version", "state", "rows", "score", "size", "created (UTC)", "live since (UTC)", "run")


class VersionsScreen(SideScreen):
    place: ClassVar[Place] = "history"
    heading = " Versions on the target"

    def compose_table(self) -> ComposeResult:
        yield DataTable[Text](id="versions", cursor_type="row")

    @property
    def command(self) -> str:
        row = self.chosen
        return "sdconsole versions list" if row is None else f"sdconsole rollback --to {row.version}"

    def show(self, versions: Sequence[VersionRow]) -> None:
        self._versions = tuple(versions)
        self.fill(HEADER, [self._cells(row) for row in versions])
        words = "b gives readers the chosen version" if versions else "no version yet"
        self.say(Text(words, style=self.look.dim))

    @property
    def chosen(self) -> VersionRow | None:
        row = self.query_one(DataTable).cursor_row
        versions = getattr(self, "_versions", ())
        return versions[row] if 0 <= row < len(versions) else None

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
