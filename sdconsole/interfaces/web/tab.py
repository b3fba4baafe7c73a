"""The process behind one browser tab: a console that attaches to runs, executes none, and ends when its server does."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from sdconsole.config import load_settings
from sdconsole.interfaces.terminal import Terminal
from sdconsole.interfaces.tui.app import run_console

_LOOK_SECONDS = 1.0


def main() -> None:
    """`tab STATE_DIR RUN|- look|control`, as the server starts it."""
    state_dir, run_id, mode = sys.argv[1:]
    _end_with(os.getppid())
    browser = Terminal(
        input_is_terminal=True,
        output_is_terminal=True,
        messages_are_terminal=True,
        dumb=False,
        colour=True,
        unicode=True,
        columns=80,
        lines=24,
    )
    run_console(
        load_settings(state_dir=Path(state_dir)),
        attach="" if run_id == "-" else run_id,
        read_only=mode != "control",
        attach_only=True,
        terminal=browser,
    )


def _end_with(server: int) -> None:
    """A tab owns nothing, so it may end at any moment: as soon as its server is gone it has nobody to talk to."""

    def watch() -> None:
        while os.getppid() == server:
            time.sleep(_LOOK_SECONDS)
        os._exit(0)

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    main()
