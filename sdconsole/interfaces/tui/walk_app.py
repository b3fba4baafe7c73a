"""Opens the console on a walk through a runbook and says how it ended."""

from __future__ import annotations

from sdconsole.config import Settings
from sdconsole.interfaces.terminal import look_at_terminal
from sdconsole.interfaces.tui.console import ConsoleApp
from sdconsole.interfaces.tui.library import Walk
from sdconsole.interfaces.tui.service_library import ServiceLibrary
from sdconsole.runbook.walk_state import WalkState

CLOSED = "the console has ended"


def run_walk(settings: Settings, walk: Walk) -> WalkState:
    """Walk in the console until it is closed. Look at `Terminal.why_no_console` before calling.

    Returns the walk's last state; raises the error that kept it from an end of its own.
    """
    app = ConsoleApp(settings, ServiceLibrary(settings), look_at_terminal())
    app.opening_walk = lambda: walk
    try:
        app.run()
    finally:
        app.walk.close(CLOSED)
        app.session.close()
    if app.walk_failure is not None:
        raise app.walk_failure
    return app.walk.state
