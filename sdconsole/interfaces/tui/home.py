"""The first screen: the unfinished run, where a new deployment starts, what is live, the runs before."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Button, DataTable, Input, Static

from sdconsole.core.model import Mode
from sdconsole.core.runs import RunSummary
from sdconsole.errors import Verdict
from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui import figures
from sdconsole.interfaces.tui.action_bar import ActionBar
from sdconsole.interfaces.tui.form import DeployForm
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.runs_table import RunsTable
from sdconsole.interfaces.tui.top_bar import TopBar
from sdconsole.interfaces.tui.verdict_panel import ErrorPanel, error_report
from sdconsole.service.walking import WalkSummary

SHOWN_RUNS = 50


class HomeScreen(Screen[None]):
    """What it is told before it is mounted is shown as soon as it is."""

    AUTO_FOCUS = ""

    class OpenWanted(Message):
        """A run of the list was chosen."""

        def __init__(self, run_id: str) -> None:
            self.run_id = run_id
            super().__init__()

    def __init__(self, mode: Mode) -> None:
        super().__init__()
        self.form = DeployForm(mode)
        self.running: RunSummary | None = None
        self.unfinished: RunSummary | None = None
        self._rows: tuple[RunSummary, ...] = ()
        self._walks: tuple[WalkSummary, ...] = ()
        self._look: Look | None = None
        self._ready = False
        self._said: dict[str, RenderableType | None] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="top")
        with VerticalScroll(id="home", can_focus=False):
            with Horizontal(id="unfinished"):
                yield Static(id="unfinished-text")
                yield Button("Resume", id="resume", variant="primary", compact=True)
            with Horizontal(id="walks"):
                yield Static(id="walks-text")
                yield Button("Runbooks", id="open-runbooks", compact=True)
            yield self.form
            with Vertical(id="recent") as recent:
                recent.border_title = "Runs"
                yield Static("looking for runs", id="no-runs")
                yield RunsTable()
        yield ActionBar()

    def on_mount(self) -> None:
        self._ready = True
        for hidden in self.query("#runs, #unfinished, #walks"):
            hidden.display = False
        for selector, content in self._said.items():
            self._say(selector, content)
        if self._look is not None:
            self._draw_rows(self._look)
            self._draw_walks(self._look)
        self._focus_the_likely()

    def draw_top(self, top: TopBar) -> None:
        self._say("#top", top)

    def show_live(self, text: str, look: Look) -> None:
        self._say("#live", safe(text, style=look.dim, limit=300))

    def show_refused(self, error: BaseException | None, look: Look) -> None:
        """Why the wanted run could not be prepared; None takes it away."""
        self._say("#refused", ErrorPanel(error_report(error), look) if error is not None else None)

    def show_unreadable(self, error: BaseException, look: Look) -> None:
        """The runs cannot be listed."""
        self._say("#no-runs", ErrorPanel(error_report(error), look))

    def show_runs(self, rows: Sequence[RunSummary], look: Look) -> None:
        self._rows = tuple(rows[:SHOWN_RUNS])
        self.running = next((row for row in rows if row.alive), None)
        self.unfinished = next((row for row in rows if row.resumable), None)
        self._look = look
        self._say("#no-runs", None if rows else Text("no runs yet", style=look.dim))
        if self._ready:
            self._draw_rows(look)

    def show_walks(self, walks: Sequence[WalkSummary], look: Look) -> None:
        """The walks that are not through, the newest one in words."""
        self._walks = tuple(walk for walk in walks if walk.verdict is not Verdict.OK)
        self._look = look
        if self._ready:
            self._draw_walks(look)

    def _draw_walks(self, look: Look) -> None:
        self.query_one("#walks").display = bool(self._walks)
        if not self._walks:
            return
        newest = self._walks[0]
        state = "is being walked" if newest.alive else "was left"
        words = f"The runbook {newest.runbook} {state} at step {newest.step or newest.steps} of {newest.steps}"
        more = f", and {len(self._walks) - 1} more" if len(self._walks) > 1 else ""
        self.query_one("#walks-text", Static).update(safe(f"{words}{more}", style=f"bold {look.warn}", limit=160))

    def _say(self, selector: str, content: RenderableType | None) -> None:
        """Show the content in its place; None hides the place."""
        self._said[selector] = content
        if self._ready:
            panel = self.query_one(selector, Static)
            panel.display = content is not None
            panel.update("" if content is None else content)

    def _draw_rows(self, look: Look) -> None:
        self._draw_unfinished(look)
        self.query_one(RunsTable).show(self._rows, look)
        self.form.show_sources([row.source for row in self._rows if row.source])

    def _draw_unfinished(self, look: Look) -> None:
        row = self.running or self.unfinished
        self.query_one("#unfinished").display = row is not None
        if row is None:
            return
        held = row.waits
        stage = row.next_stage or "its end"
        words = f"Held before {stage}" if held else f"Unfinished: resume from {stage}?"
        if row.alive:
            words = f"Another process {'asks' if held else 'runs'} now: {stage}"
        text = Text.assemble(
            (words, f"bold {look.warn}"),
            (f"\n{row.run_id}  {figures.day_and_time(row.started_at)}  ", look.dim),
            safe(row.source or row.kind, style=look.dim, limit=200),
        )
        self.query_one("#unfinished-text", Static).update(text)
        button = self.query_one("#resume", Button)
        button.label = "Watch" if row.alive else "Answer" if held else "Resume"
        source = self.query_one("#source", Input)
        if source.has_focus and not source.value:
            button.focus()

    @on(Button.Pressed, "#resume")
    def _resume(self) -> None:
        running = self.running
        self.post_message(ActionBar.Chosen("resume") if running is None else self.OpenWanted(running.run_id))

    @on(Button.Pressed, "#open-runbooks")
    def _open_runbooks(self) -> None:
        self.post_message(ActionBar.Chosen("runbooks"))

    @on(DataTable.RowSelected, "#runs")
    def _open(self, event: DataTable.RowSelected) -> None:
        self.post_message(self.OpenWanted(self._rows[event.cursor_row].run_id))

    def on_resize(self) -> None:
        if self._look is not None:
            self.query_one(RunsTable).show(self._rows, self._look)

    def on_screen_resume(self) -> None:
        if self._ready and (self.focused is None or not self.focused.display):
            self._focus_the_likely()

    def _focus_the_likely(self) -> None:
        """An unfinished run comes first, then the path of a new one."""
        self.query_one("#source" if self.unfinished is None and self.running is None else "#resume").focus()

    def on_descendant_focus(self) -> None:
        self.query_one(ActionBar).refresh()

    def on_descendant_blur(self) -> None:
        self.query_one(ActionBar).refresh()

    def key_escape(self) -> None:
        """Leave the field, so that single keys are commands again."""
        self.set_focus(None)
