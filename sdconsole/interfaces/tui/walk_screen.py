"""The walkthrough: the runbook's words on the left, its steps and what the chosen one asks on the right."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Markdown, Static

from sdconsole.errors import Verdict
from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui.action_bar import ActionBar
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.run_screen import LOW_LINES
from sdconsole.interfaces.tui.side_screen import SideScreen
from sdconsole.interfaces.tui.situation import Place
from sdconsole.interfaces.tui.top_bar import TopBar
from sdconsole.interfaces.tui.walk_page import step_markdown
from sdconsole.interfaces.tui.walk_panel import StepPanel, WalkPicture, step_cells

_FIXED = {"state": 10, "#": 2, "step": 0, "by": 6, "took": 7}
"""Width of each column in cells; the step takes what is left."""
_COLUMNS_FROM_WIDTH = {"by": 54, "took": 46}
"""Narrower lists leave these out."""


class WalkScreen(SideScreen):
    """Follows the walk from step to step; the cursor shows any other step until the walk goes on."""

    place: ClassVar[Place] = "walk"
    heading = " Walkthrough"
    AUTO_FOCUS = "#walk-steps"

    def __init__(self, look: Look, *, read_only: bool = False) -> None:
        super().__init__(look)
        self.picture: WalkPicture | None = None
        self._read_only = read_only
        self._followed = 0
        self._rows: tuple[int, list[list[Text]]] = (0, [])
        self._page = ""

    @property
    def command(self) -> str:
        return f"sdconsole runbook run {self.picture.walk.called}" if self.picture else "sdconsole runbook list"

    @property
    def is_low(self) -> bool:
        return self.size.height < LOW_LINES

    def compose(self) -> ComposeResult:
        yield Static(id="top")
        yield Static(id="heading")
        with Container(id="walk"):
            with VerticalScroll(id="walk-text"):
                yield Markdown("", id="walk-page", open_links=False)
            with Vertical(id="walk-right"):
                yield DataTable[Text](id="walk-steps", cursor_type="row", show_header=False)
                with VerticalScroll(id="walk-now"):
                    yield Static(self._said, id="said")
        yield ActionBar()

    def draw_top(self, top: TopBar) -> None:
        """The walk's own target, which need not be the one that the console was opened with."""
        picture = self.picture
        if not self.ready or picture is None:
            super().draw_top(top)
            return
        activity, style = self._activity(picture)
        own = TopBar(
            look=picture.look,
            target=picture.walk.target,
            live_schema=picture.walk.live_schema,
            production=picture.walk.production,
            read_only=self._read_only,
            activity=activity,
            activity_style=style,
            run_id=picture.walk.walk_id,
        )
        self.query_one("#top", Static).update(own)

    def show(self, picture: WalkPicture) -> None:
        """Draw what differs from the picture before."""
        self.picture, self.look = picture, picture.look
        if not self.ready:
            return
        steps = len(picture.walk.runbook.steps)
        done = sum(step.finished for step in picture.state.steps)
        title = safe(f" {picture.walk.runbook.title}", style="bold", limit=200)
        title.append(f"   {done} of {steps} steps done", style=picture.look.dim)
        if self.is_low:
            title = Text.assemble((" m", f"bold {picture.look.accent}"), " words ", title)
        self.query_one("#heading", Static).update(title)
        self._draw_steps(picture)
        if picture.current != self._followed:
            self._followed = picture.current
            self.query_one("#walk-steps", DataTable).move_cursor(row=picture.current - 1)
        self._draw_chosen()

    def toggle_text(self) -> None:
        """On a low terminal the words and the steps take turns."""
        self.toggle_class("-words")
        self.query_one("#walk-text" if self.has_class("-words") else "#walk-steps").focus()

    def on_resize(self) -> None:
        self._rows = (0, [])
        if self.picture is not None:
            self.show(self.picture)

    def _draw_steps(self, picture: WalkPicture) -> None:
        table = self.query_one("#walk-steps", DataTable)
        width = table.size.width
        cells = [step_cells(picture, step.number) for step in picture.walk.runbook.steps]
        if not width or (width, cells) == self._rows:
            return
        names = [name for name in _FIXED if width >= _COLUMNS_FROM_WIDTH.get(name, 0)]
        room = max(8, width - sum(_FIXED[name] for name in names) - 2 * len(names) - 1)
        before = self._rows[1] if self._rows[0] == width else []
        self._rows = (width, [list(line) for line in cells])
        if not before:
            row = max(0, table.cursor_row)
            table.clear(columns=True)
            for name in names:
                table.add_column(name, width=_FIXED[name] or room)
            for _ in cells:
                table.add_row(*(Text() for _ in names))
            table.move_cursor(row=row)
        for index, line in enumerate(cells):
            if not before or before[index] != line:
                title = line[2].copy()
                title.truncate(room, overflow="ellipsis")
                shown = dict(zip(_FIXED, (*line[:2], title, *line[3:]), strict=True))
                for column, name in enumerate(names):
                    table.update_cell_at(Coordinate(index, column), shown[name])

    @on(DataTable.RowHighlighted, "#walk-steps")
    def _draw_chosen(self) -> None:
        picture = self.picture
        if picture is None:
            return
        row = self.query_one("#walk-steps", DataTable).cursor_row
        number = min(max(row, 0) + 1, len(picture.walk.runbook.steps))
        self.say(StepPanel(picture, number))
        page = step_markdown(picture.step(number), picture.walk.values)
        if page != self._page:
            self._page = page
            self.query_one(Markdown).update(page)
            self.query_one("#walk-text").scroll_home(animate=False)

    def _activity(self, picture: WalkPicture) -> tuple[str, str]:
        look, verdict = picture.look, picture.state.verdict
        if picture.stopping:
            return "stopping", look.warn
        if picture.asked is not None:
            return "waits for you", f"bold {look.warn}"
        if picture.busy:
            return f"step {picture.current}", look.accent
        if verdict is None:
            return "cut off", look.warn
        return str(verdict).replace("-", " "), look.ok if verdict is Verdict.OK else look.warn
