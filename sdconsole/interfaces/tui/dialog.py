"""A question in front of everything else: what happens, what it means, how it is undone, and the one word to type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from sdconsole.interfaces.safe_text import safe, safe_text

ROOMY_LINES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`expected` is the text that must be typed, "" = the button alone. Texts may come from anywhere."""

    title: str
    """From this source tree: Textual reads it as markup."""
    prompt: str
    yes: str
    no: str
    details: tuple[str, ...] = ()
    undo: str = ""
    expected: str = ""
    danger: bool = True


class Dialog(ModalScreen[str | None]):
    """Returns what was typed ("" when nothing had to be) for yes, None for no. Escape is no."""

    AUTO_FOCUS = "#typed, #no"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave")]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question

    def compose(self) -> ComposeResult:
        question = self.question
        with Vertical(id="dialog", classes="-danger" if question.danger else "") as box:
            box.border_title = question.title
            with VerticalScroll(id="what"):
                yield Static(safe(question.prompt, style="bold", limit=400))
                if question.details:
                    yield Static(safe("\n".join(question.details), limit=8_000, multiline=True), id="details")
            if question.undo:
                yield Static(safe(f"undo: {question.undo}", limit=300), id="undo")
            if question.expected:
                yield Static(safe(f"Type {question.expected} to go on:", limit=200), id="ask")
                yield Input(id="typed", select_on_focus=False)
            with Horizontal(id="buttons"):
                yield Button(Content(safe_text(question.no, limit=40)), id="no")
                yield Button(
                    Content(safe_text(question.yes, limit=40)),
                    id="yes",
                    variant="error" if question.danger else "primary",
                    disabled=bool(question.expected),
                )

    def on_resize(self) -> None:
        """Fields and buttons without borders where lines are scarce."""
        compact = self.size.height < ROOMY_LINES
        self.set_class(compact, "-compact")
        for field in self.query(Input):
            field.compact = compact
        for button in self.query(Button):
            button.compact = compact

    @on(Input.Changed, "#typed")
    def _compare(self, event: Input.Changed) -> None:
        self.query_one("#yes", Button).disabled = event.value != self.question.expected

    @on(Input.Submitted, "#typed")
    def _enter(self, event: Input.Submitted) -> None:
        if event.value == self.question.expected:
            self.dismiss(event.value)
        else:
            self.notify(f"not yet: type exactly {safe_text(self.question.expected)}", markup=False)

    @on(Button.Pressed, "#yes")
    def _yes(self) -> None:
        self.dismiss(self.question.expected)

    @on(Button.Pressed, "#no")
    def action_leave(self) -> None:
        self.dismiss(None)
