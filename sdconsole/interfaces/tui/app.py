"""Opens the console and says how it ended."""

from __future__ import annotations

import getpass
import os

from sdconsole.config import Settings
from sdconsole.core.projection import RunState
from sdconsole.interfaces.terminal import Terminal, look_at_terminal
from sdconsole.interfaces.tui.console import ConsoleApp
from sdconsole.interfaces.tui.library import Library, Prepare, Run
from sdconsole.interfaces.tui.service_library import ServiceLibrary


def run_console(
    settings: Settings,
    *,
    prepared: Run | None = None,
    prepare: Prepare | None = None,
    attach: str = "",
    replay: bool = False,
    read_only: bool = False,
    attach_only: bool = False,
    library: Library | None = None,
    terminal: Terminal | None = None,
) -> RunState | None:
    """Open the console and block until it is closed.

    `prepared` is a run to execute at once; `prepare(progress)` makes one first, on a thread of its own, with
    `progress(done, total)` drawn as a bar. `attach` is the id of a run to look at, played again with `replay`. Without
    any of them the home screen opens. In a `read_only` console nothing changes anything, and
    one that is `attach_only` executes no run. Look at
    `Terminal.why_no_console` before calling.

    Returns the state of the last run that was executed, None when there was none. Raises the error that kept the last
    wanted run from being prepared or from reaching an end: an SdconsoleError, Interrupted included.
    """
    if prepared is not None and prepare is not None:
        raise ValueError("a prepared run needs no preparing")
    opening: Prepare | None = prepare if prepared is None else lambda _: prepared
    app = ConsoleApp(
        settings,
        library or ServiceLibrary(settings),
        terminal or look_at_terminal(),
        operator=_operator(),
        opening=opening,
        attach=attach,
        replay=replay,
        read_only=read_only,
        attach_only=attach_only,
    )
    try:
        app.run()
    finally:
        app.session.close("the console has ended")
    if app.failure is not None:
        raise app.failure
    return app.final_state


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without an entry in the user database
        return f"uid {os.getuid()}"
