"""Asks for a runbook's parameters before its first walk."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui.dialog import ROOMY_LINES
from sdconsole.runbook.model import Param


class ParamsDialog(ModalScreen[dict[str, str] | None]):
    """Returns what differs from the defaults, by name; None for leaving. Escape leaves."""

    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Leave")]

    def __init__(self, title: str, params: tuple[Param, ...]) -> None:
        super().__init__()
        self._title = title
        self._params = params

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as box:
            box.border_title = "Walk through"
            yield Static(safe(self._title, style="bold", limit=200))
            with VerticalScroll(id="params"):
                for param in self._params:
                    needed = " (needed)" if param.default is None else ""
                    yield Static(safe(f"{param.name}: {param.help}{needed}", limit=300), classes="param")
                    yield Input(
                        param.default or "",
                        id=f"param-{param.name}",
                        placeholder="type it here" if param.default is None else "",
                        select_on_focus=False,
                        compact=True,
                    )
            with Horizontal(id="buttons"):
                yield Button("Leave", id="no")
                yield Button("Walk", id="yes", variant="primary")

    def on_mount(self) -> None:
        self._compare()

    def on_resize(self) -> None:
        for button in self.query(Button):
            button.compact = self.size.height < ROOMY_LINES

    @on(Input.Changed)
    def _compare(self) -> None:
        missing = any(param.default is None and not self._typed(param) for param in self._params)
        self.query_one("#yes", Button).disabled = missing

    @on(Input.Submitted)
    @on(Button.Pressed, "#yes")
    def _yes(self) -> None:
        """Enter in a field goes to the next one that is still needed, and walks when none is."""
        for param in self._params:
            if param.default is None and not self._typed(param):
                self.query_one(f"#param-{param.name}", Input).focus()
                return
        given = {param.name: self._typed(param) for param in self._params}
        self.dismiss({param.name: given[param.name] for param in self._params if given[param.name] != param.default})

    @on(Button.Pressed, "#no")
    def _no(self) -> None:
        self.dismiss(None)

    def _typed(self, param: Param) -> str:
        return self.query_one(f"#param-{param.name}", Input).value.strip()
