"""Opens the console and says how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from sdconsole.config import Settings
from sdconsole.core.projection import RunState
from sdconsole.interfaces.terminal import Terminal, look_at_terminal
from sdconsole.interfaces.tui.console import ConsoleApp
from sdconsole.interfaces.tui.library import Library
from sdconsole.interfaces.tui.service_library import ServiceLibrary
from sdconsole.interfaces.tui.signals import TERMINATED
from sdconsole.service.orders import Order


@dataclass(frozen=True, slots=True)
class Left:
    """How the console was left: the last state of the last run it started, and whether that goes on by itself.

    `terminated` = the system ended the console with SIGTERM.
    """

    state: RunState | None
    goes_on: bool
    terminated: bool = False


def run_console(
    settings: Settings,
    *,
    order: Order | None = None,
    attach: str = "",
    replay: bool = False,
    read_only: bool = False,
    attach_only: bool = False,
    library: Library | None = None,
    terminal: Terminal | None = None,
) -> Left:
    """Open the console and block until it is closed.

    `order` is a run to start at once, in a process of its own; `attach` the id of a run to look at, played again with
    `replay`. Without any of them the home screen opens. In a `read_only` console nothing changes anything, and
    one that is `attach_only` starts no run. Look at `Terminal.why_no_console` before calling.

    Raises the error that kept the last wanted run from beginning or from reaching an end: an SdconsoleError,
    Interrupted included.
    """
    app = ConsoleApp(
        settings,
        library or ServiceLibrary(settings),
        terminal or look_at_terminal(),
        opening=order,
        attach=attach,
        replay=replay,
        read_only=read_only,
        attach_only=attach_only,
    )
    try:
        app.run()
    finally:
        app.walk.close("the console has ended")
        app.session.close()
    if app.failure is not None:
        raise app.failure
    return Left(app.final_state, app.let_go, app.stopped_for == TERMINATED)
