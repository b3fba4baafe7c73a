"""Starts, kills and awaits commands. Knows nothing of what they do."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left: exit code (negative = ended by that signal), stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as the one JSON document it must be."""
        return json.loads(self.out)


@dataclass(slots=True)
class Process:
    """A command that was started."""

    number: int
    stdout: Path
    stderr: Path
    pid: int = 0
    code: int | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)

    def send(self, number: signal.Signals) -> None:
        """The launcher reaps it only after it has ended, and no pid is used again before that."""
        with self.changed:
            if self.code is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    @property
    def running(self) -> bool:
        return self.code is None

    def wait(self, timeout: float = 60) -> Ended:
        """Kills it and fails when it takes longer."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.code is not None, timeout):
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"still running after {timeout} s: {_text(self.stderr)}")
            code = self.code
        assert code is not None
        return Ended(code, _text(self.stdout), _text(self.stderr))


def _text(path: Path) -> str:
    """What was written; nothing where the process was killed before it opened the file."""
    return path.read_text(errors="replace") if path.exists() else ""


class Launcher:
    """The client of `launcher.py`. Safe to use from several threads."""

    def __init__(self, server: subprocess.Popen[bytes]) -> None:
        self._server = server
        self._numbers = itertools.count(1)
        self._writing = threading.Lock()
        self._processes: dict[int, Process] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        fault: Mapping[str, Any] | None = None,
        file_size_limit: int | None = None,
    ) -> Process:
        """`folder` becomes the working folder; stdout and stderr go into files beside it."""
        number = next(self._numbers)
        process = Process(number, folder.parent / f"{number}.out", folder.parent / f"{number}.err")
        request = {
            "number": number,
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": dict(environment),
            "stdout": str(process.stdout),
            "stderr": str(process.stderr),
            "fault": dict(fault or {}),
            "file_size_limit": file_size_limit,
        }
        with process.changed:
            with self._writing:
                self._processes[number] = process
                assert self._server.stdin is not None
                self._server.stdin.write(json.dumps(request).encode() + b"\n")
                self._server.stdin.flush()
            assert process.changed.wait_for(lambda: process.pid, 10), "the launcher does not answer"
        return process

    def _read(self) -> None:
        assert self._server.stdout is not None
        for line in self._server.stdout:
            answer = json.loads(line)
            process = self._processes[answer["number"]]
            with process.changed:
                process.pid = answer.get("pid", process.pid)
                process.code = answer.get("code")
                process.changed.notify_all()


@contextmanager
def launcher(errors: Path, **environment: str) -> Iterator[Launcher]:
    """A launcher until the block ends. `errors` takes what it says itself; `environment` comes on top of ours."""
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.launcher"],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as server,
    ):
        try:
            yield Launcher(server)
        finally:
            assert server.stdin is not None
            server.stdin.close()
            server.wait(timeout=20)
