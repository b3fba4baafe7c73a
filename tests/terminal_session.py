"""A command in a real pseudo-terminal: what it paints, as text, and the keys that are pressed in it."""

from __future__ import annotations

import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_SECONDS = 60.0
_ESCAPES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_][^\x1b]*\x1b\\|\x1b[ -/]*[0-~]"
)


class TerminalSession:
    """`raw` is every byte that came so far. Ends what it started when it is left."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *arguments: str, size: tuple[int, int] = (120, 40)
    ) -> None:
        ours, theirs = os.openpty()
        self._ours = ours
        self.raw = b""
        _set_size(theirs, size)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sdconsole", *arguments],
            cwd=folder,
            env={**environment, "TERM": "xterm-256color", "LANG": "C.UTF-8", "TEXTUAL_ANIMATIONS": "none"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        os.close(self._ours)

    @property
    def text(self) -> str:
        """Everything painted so far, without the terminal's own language, blanks as one."""
        return " ".join(_ESCAPES.sub(b" ", self.raw).decode("utf-8", "replace").split())

    def press(self, keys: str) -> None:
        """One key after the other, as a person does; bytes that come together may be one key of the terminal's own."""
        for key in keys:
            os.write(self._ours, key.encode())
            self._read(0.05)

    def drain(self, seconds: float) -> None:
        """Read what is still being painted, for so long."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._read(left)

    @property
    def descriptor(self) -> int:
        return self._ours

    def until(self, *texts: str, after: int = 0, pause: float = 0.05, patience: float = PATIENCE_SECONDS) -> int:
        """Wait until all of the texts were painted after that many bytes; returns how many bytes there are then."""

        def painted() -> bool:
            shown = " ".join(_ESCAPES.sub(b" ", self.raw[after:]).decode("utf-8", "replace").split())
            return all(text in shown for text in texts)

        self._wait(painted, f"{texts} was never painted", pause, patience)
        return len(self.raw)

    def ends(self) -> int:
        """Wait for the end of the process; its exit code."""
        self._wait(lambda: self.process.poll() is not None, "it never ended")
        self._read(0.2)
        return self.process.returncode

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _wait(
        self, condition: Callable[[], bool], problem: str, pause: float = 0.05, patience: float = PATIENCE_SECONDS
    ) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, f"{problem}; the terminal shows\n{self.text[-3000:]}"
            self._read(pause)

    def _read(self, seconds: float) -> None:
        ready, _, _ = select.select([self._ours], [], [], seconds)
        if not ready:
            return
        try:
            self.raw += os.read(self._ours, 65_536)
        except OSError:  # the other side is closed
            time.sleep(seconds)


def _set_size(descriptor: int, size: tuple[int, int]) -> None:
    import fcntl
    import termios

    columns, lines = size
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def _take_terminal() -> None:
    """Makes stdin the terminal that controls this process, so that it is told when the terminal goes."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
