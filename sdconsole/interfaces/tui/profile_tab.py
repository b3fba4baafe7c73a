"""Every column of the export: its type and how sure that is, what is missing, the shapes of its dates."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import DataTable, Static

from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui.look import Look
from sdconsole.quality.profile.model import ColumnProfile, Profile

HEADER = ("column", "type", "sure", "missing", "different", "dates")
SHOWN = 400


class ProfileTab(Vertical):
    """Filled once the run's profile is on record."""

    def __init__(self) -> None:
        super().__init__(id="profile")
        self._shown: tuple[Profile, Look] | None = None

    def compose(self) -> ComposeResult:
        yield Static("no profile yet", id="profile-summary")
        yield DataTable[Text](id="profile-columns", cursor_type="row")

    def on_mount(self) -> None:
        self.query_one("#profile-columns").display = False

    def show(self, profile: Profile, look: Look) -> None:
        if self._shown == (profile, look):
            return
        self._shown = profile, look
        columns = list(profile.columns())
        words = f"{profile.rows:,} rows, {len(columns)} columns in {len(profile.tables)} tables"
        self.query_one("#profile-summary", Static).update(Text(words, style=look.dim))
        table = self.query_one("#profile-columns", DataTable)
        table.display = True
        table.clear(columns=True)
        for name in HEADER:
            table.add_column(name)
        for column in columns[:SHOWN]:
            table.add_row(*_cells(column, look))

    def show_problem(self, text: str, look: Look) -> None:
        self.query_one("#profile-summary", Static).update(safe(text, style=look.warn, limit=300))


def _cells(column: ColumnProfile, look: Look) -> list[Text]:
    sure = column.confidence
    missing = 100 * column.missing / column.rows if column.rows else 0.0
    style = look.bad if column.mismatch else "" if sure is None or sure >= 0.95 else look.warn
    return [
        safe(f"{column.table}.{column.name}", limit=48),
        Text(f"{column.detected}{' (mismatch)' if column.mismatch else ''}", style=style),
        Text("" if sure is None else f"{100 * sure:.1f} %", justify="right"),
        Text(f"{missing:.1f} %", style=look.warn if missing > 50 else look.dim, justify="right"),
        Text(f"{'' if column.distinct_exact else '~'}{column.distinct:,}", justify="right"),
        _dates(column, look),
    ]


def _dates(column: ColumnProfile, look: Look) -> Text:
    dates = column.dates
    if dates is None:
        return Text()
    shapes = ", ".join(
        f"{shape} {count:,}" for shape, count in sorted(dates.shapes.items(), key=lambda one: -one[1])[:2]
    )
    text = safe(f"{dates.order}  {shapes}", style=look.dim, limit=60)
    if dates.unresolved:
        text.append(f"  {dates.unresolved:,} open: d", style=f"bold {look.warn}")
    return text
