"""A terminal driver that outlives its terminal: when the window is closed, the console ends as if it had been quit.

The usual driver writes in a thread that dies of the first failed write, and then the console waits for it for ever.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO, Any

from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver


class LastingOutput:
    """What a driver needs of a file. Once a write fails the terminal is gone, and whatever follows is dropped."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._gone = False

    def write(self, text: str) -> None:
        self._try(lambda: self._file.write(text))

    def flush(self) -> None:
        self._try(self._file.flush)

    def fileno(self) -> int:
        return self._file.fileno()

    def _try(self, work: Callable[[], object]) -> None:
        if not self._gone:
            try:
                work()
            except OSError:
                self._gone = True


class LastingDriver(LinuxDriver):
    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._file: Any = LastingOutput(self._file)


def lasting_driver() -> type[Driver] | None:
    """None = the one that the environment asks for, e.g. when a web server draws the console."""
    return None if os.environ.get("TEXTUAL_DRIVER") else LastingDriver
