"""A process of our own beside this one: started afresh, told what to do through a private channel, ended with us.

It is not forked: connections, locks and threads of this process stay its own. What it is told, passwords too, is never
an argument. It is no part of the terminal's group, so that Ctrl-C reaches only this process, which then decides. Knows
nothing of what such a process does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection as Channel
from pathlib import Path
from typing import IO, Any, Final

PATIENCE_SECONDS: Final = 1.0
_LAST_WORDS_BYTES: Final = 2_000


def cores() -> int:
    """How many processes can really work at once here."""
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class OtherProcess:
    """A running process, our end of its channel, and what it writes on stderr."""

    process: subprocess.Popen[bytes]
    channel: Channel
    last_words: IO[bytes]

    def ending(self) -> str:
        """How a process that no longer answers has ended: its pid, its signal or exit code, its last line."""
        try:
            code = self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            how = "it closed its channel"
        else:
            how = f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit code {code}"
        self.last_words.seek(0)
        said = self.last_words.read()[-_LAST_WORDS_BYTES:].decode(errors="replace").strip().rsplit("\n", 1)[-1]
        return f"pid {self.process.pid}: {how}" + (f": {said}" if said else "")


def start_process(module: str) -> OtherProcess:
    """Starts `python -m module DESCRIPTOR`, where the descriptor is the process's end of the channel."""
    ours, theirs = Pipe()
    last_words = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process is there
    try:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=last_words,
                pass_fds=(theirs.fileno(),),
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
                start_new_session=True,
            )
    except BaseException:
        ours.close()
        last_words.close()
        raise
    return OtherProcess(process, ours, last_words)


def end_processes(others: Sequence[OtherProcess], *, at_once: bool) -> None:
    """Closes the channels and waits; `at_once` also tells the processes to end. None is left running."""
    for other in others:
        other.channel.close()
        if at_once:
            other.process.terminate()
    deadline = time.monotonic() + PATIENCE_SECONDS
    for other in others:
        try:
            other.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            other.process.kill()
            other.process.wait()
        other.last_words.close()


class LeftAloneError(Exception):
    """Raised in the other process: whoever started it is gone."""


class Owner:
    """The other process's end of the channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def hear(self) -> Any:
        """What the owner says next. Raises LeftAloneError."""
        try:
            return self._channel.recv()
        except (EOFError, ConnectionError) as error:
            raise LeftAloneError from error

    def tell(self, answer: object) -> None:
        """Raises LeftAloneError."""
        try:
            self._channel.send(answer)
        except ConnectionError as error:
            raise LeftAloneError from error

    def look(self, seconds: float = 0.0) -> None:
        """Waits so long, and raises LeftAloneError when the owner goes: it says nothing while work is under way."""
        if self._channel.poll(seconds):
            raise LeftAloneError
