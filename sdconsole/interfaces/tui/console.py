"""The console: what its actions do, what the home screen asks for, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from sdconsole.config import Settings
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.interfaces.terminal import Terminal
from sdconsole.interfaces.tui import commands, questions
from sdconsole.interfaces.tui.action_bar import ActionBar
from sdconsole.interfaces.tui.actions import ACTIONS, action, available_here
from sdconsole.interfaces.tui.dialog import Dialog
from sdconsole.interfaces.tui.help_screen import HelpScreen
from sdconsole.interfaces.tui.home import HomeScreen
from sdconsole.interfaces.tui.library import Library
from sdconsole.interfaces.tui.signals import stop_on_signals
from sdconsole.interfaces.tui.walk_deeds import WalkDeeds
from sdconsole.service.orders import Order, Resumption, Rollback
from sdconsole.service.preparing import DeployRequest

STOPPED_BY_OPERATOR = "the operator quit the console"


class ConsoleApp(WalkDeeds):
    """`opening` is a run to start at once, `attach` one to look at; without either the home screen is shown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"press('{key}')", show=False)
        for key in dict.fromkeys(key for entry in ACTIONS for key in entry.key.split(","))
    ]

    def __init__(
        self,
        settings: Settings,
        library: Library,
        terminal: Terminal,
        *,
        opening: Order | None = None,
        attach: str = "",
        replay: bool = False,
        read_only: bool = False,
        attach_only: bool = False,
    ) -> None:
        super().__init__(settings, library, terminal, read_only=read_only, attach_only=attach_only)
        self._opening = opening
        self._looked_at, self._played = attach, replay
        self._restore_signals: Callable[[], None] = lambda: None
        self._deeds: Mapping[str, Callable[[], object]] = {
            "start": self._start,
            "resume": self._resume,
            "rollback": lambda: self.begin_here(Rollback()),
            "copy": self._copy,
            "freeze": self._freeze,
            "home": self.show_home,
            **self.side_deeds(),
            **self.walk_deeds(),
            "approve": self._approve,
            "abort": self.give_up,
            "pause": self.pause,
            "stop": self.stop_elsewhere,
            "replay": self.replay,
            "faster": lambda: self.change_speed(faster=True),
            "slower": lambda: self.change_speed(faster=False),
            "stages": self._show_stages,
            "help": lambda: self.push_screen(HelpScreen(self.situation, self.look)),
            "detach": self.leave_it_running,
            "quit": self._quit,
        }

    def on_mount(self) -> None:
        self._restore_signals = stop_on_signals(self.stop_and_leave, lost=self.leave_it_running)
        self.theme_changed_signal.subscribe(self, lambda _: self.draw())
        self.read_lists()
        if self._opening is not None:
            self.begin_here(self._opening)
        elif self._looked_at:
            self.open_run(self._looked_at, replay=self._played)

    def on_unmount(self) -> None:
        self._restore_signals()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        now = self.situation
        for entry in available_here(now):
            reason = entry.reason(now)
            title = f"{entry.label} (not now: {reason})" if reason else entry.label
            yield SystemCommand(title, entry.help, partial(self.action_do, entry.id))
        yield SystemCommand("Colours", "Choose another theme, light or dark", self.search_themes)

    def action_press(self, key: str) -> None:
        """A key means what the registry says of it in this place."""
        for entry in available_here(self.situation):
            if key in entry.key.split(","):
                self.action_do(entry.id)
                return

    def action_do(self, action_id: str) -> None:
        """Do what a key, the footer or the palette asks for, or say why it is not possible."""
        entry, now = action(action_id), self.situation
        if now.place not in entry.places:
            return
        reason = entry.reason(now)
        if reason:
            self.notify(f"{entry.label}: {safe_text(reason)}", severity="warning", markup=False)
        elif action_id.startswith("tab-") and self.run_screen is not None:
            self.run_screen.show_tab(action_id)
            self.tab_shown(action_id)
        else:
            self._deeds[action_id]()
        self.draw()

    async def action_quit(self) -> None:
        self.action_do("quit")

    def action_help_quit(self) -> None:
        self.action_do("quit")

    @on(ActionBar.Chosen)
    def _chosen(self, message: ActionBar.Chosen) -> None:
        self.action_do(message.action_id)

    @on(HomeScreen.OpenWanted)
    def _open_wanted(self, message: HomeScreen.OpenWanted) -> None:
        self.open_run(message.run_id)

    def _start(self) -> None:
        chosen = self.home.form.chosen
        if chosen.source:
            self.home.show_refused(None, self.look)
            self.begin(DeployRequest(source=Path(chosen.source).expanduser(), mode=chosen.mode))
        else:
            self.notify("type or choose the path of an export first", severity="warning")
            self.home.query_one("#source").focus()

    def _resume(self) -> None:
        now = self.situation
        run_id = now.unfinished if now.place == "home" else now.state.run_id
        self.begin_here(Resumption(run_id))

    def _approve(self) -> None:
        if self.situation.asks_elsewhere and self.shown is not None:
            self.answer_elsewhere(self.shown.state)
        else:
            self._resume()

    def _copy(self) -> None:
        chosen = self.home.form.chosen
        side = self.side
        if side is not None:
            text = side.command
        elif self.shown is not None:
            text = commands.run_command(self.settings, self.shown.state)
        else:
            text = commands.deploy_command(self.settings, chosen.source or "SOURCE", chosen.mode)
        self.copy_to_clipboard(text)
        self.notify(safe_text(text, limit=400), title="Copied", markup=False)

    def _freeze(self) -> None:
        if self.shown is not None:
            self.shown.frozen = not self.shown.frozen

    def _show_stages(self) -> None:
        if self.run_screen is not None:
            self.run_screen.show_stages()

    def _quit(self) -> None:
        session = self.session
        if isinstance(self.screen, Dialog) and self.screen.question.title == questions.QUIT:
            return
        if self.walk.busy:
            self.quit_walk(STOPPED_BY_OPERATOR)
            return
        if not session.busy:
            self.stop_and_leave(STOPPED_BY_OPERATOR)
            return
        if session.state.finished is not None:  # only its report is still written
            self.leaving = True
            return
        question = questions.leaving(session.state, session.run_id, asking=session.asking)
        self.push_screen(
            Dialog(question), lambda typed: None if typed is None else self.stop_and_leave(STOPPED_BY_OPERATOR)
        )
