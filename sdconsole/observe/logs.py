"""The log of all runs of a state folder: JSON lines through stdlib logging, a new file each day and for each size.

A file is never renamed, so runs of several processes can write at once: each line is one append to the file of the
day, and a full one is followed by the next number. Files older than the limit are removed when a run starts.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sdconsole
from sdconsole.core.events import Record, RunFinished, RunResumed, RunStarted
from sdconsole.core.runs import private_folder
from sdconsole.observe.log_record import CORE, document, said

FOLDER = "logs"
LEVELS = ("debug", "info", "warning", "error")
_FILE = re.compile(r"sdconsole-(\d{4}-\d{2}-\d{2})(?:\.(\d+))?\.jsonl")


def logs_folder(state_dir: Path) -> Path:
    return state_dir / FOLDER


def log_files(state_dir: Path) -> tuple[Path, ...]:
    """The log's files, oldest first."""
    folder = logs_folder(state_dir)
    found = [(_key(path), path) for path in folder.glob("sdconsole-*.jsonl")] if folder.is_dir() else []
    return tuple(path for key, path in sorted((key, path) for key, path in found if key is not None))


def _key(path: Path) -> tuple[date, int] | None:
    """Day and number of a log file; None for a file with another kind of name."""
    match = _FILE.fullmatch(path.name)
    if match is None:
        return None
    try:
        return date.fromisoformat(match[1]), int(match[2] or 0)
    except ValueError:
        return None


class DayFile(logging.Handler):
    """Appends each record to the newest file of its day. Raises OSError; nothing is printed anywhere."""

    def __init__(self, state_dir: Path, *, max_bytes: int, today: Callable[[], date]) -> None:
        super().__init__()
        self._folder = private_folder(logs_folder(state_dir))
        self._max_bytes = max_bytes
        self._today = today
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record).encode() + b"\n"
        descriptor = self._open()
        try:
            written = os.write(descriptor, line)
            if written < len(line):
                raise OSError(errno.ENOSPC, f"only {written} of {len(line)} bytes were written", str(self._folder))
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        """The first file of the day with room; every process finds the same one."""
        number = 0
        while True:
            name = f"sdconsole-{self._today()}{f'.{number}' if number else ''}.jsonl"
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._folder / name, flags, 0o600)
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                os.close(descriptor)
                raise OSError(f"{self._folder / name} is not a regular file")
            if status.st_size < self._max_bytes:
                return descriptor
            os.close(descriptor)
            number += 1


class LogView:
    """Writes what a run says to the log. A view of the bus: what it raises detaches it."""

    def __init__(
        self,
        state_dir: Path,
        *,
        level: str,
        max_bytes: int,
        keep_days: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._state_dir = state_dir
        self._keep_days = keep_days
        self._now = now
        self._host, self._pid = "", os.getpid()
        number = logging.getLevelNamesMapping()[level.upper()]
        self._logger = logging.Logger("sdconsole.run", number)  # noqa: LOG001 - two runs must not share handlers
        self._logger.addHandler(DayFile(state_dir, max_bytes=max_bytes, today=lambda: now().date()))

    def __call__(self, record: Record) -> None:
        event = record.event
        if isinstance(event, RunStarted | RunResumed):
            self._host, self._pid = event.host, event.pid
            remove_old(self._state_dir, self._now().date() - timedelta(days=self._keep_days))
        spoken = said(record)
        if spoken is None or not self._logger.isEnabledFor(spoken.level):
            return
        fields = document(record, spoken, host=self._host, pid=self._pid, version=sdconsole.__version__)
        self._logger.log(spoken.level, "%s", json.dumps(fields, ensure_ascii=True, allow_nan=False, default=str))
        if isinstance(event, RunFinished):
            for handler in self._logger.handlers:
                handler.close()


def remove_old(state_dir: Path, before: date) -> None:
    """Removes the log files of days before this one."""
    for path in log_files(state_dir):
        key = _key(path)
        if key is not None and key[0] < before:
            path.unlink(missing_ok=True)


def read_log(state_dir: Path, *, after: dict[Path, int] | None = None) -> Iterator[dict[str, Any]]:
    """The records of all files, oldest first. `after` = how far each file was read; it is kept up to date.

    A torn last line is left for the next time; a line that is no record is told of by a record of its own.
    """
    seen = after if after is not None else {}
    for path in log_files(state_dir):
        with path.open("rb") as file:
            file.seek(seen.get(path, 0))
            for line in file:
                if not line.endswith(b"\n"):
                    break
                seen[path] = seen.get(path, 0) + len(line)
                yield _record(line) or _unreadable(path, line)


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    known = isinstance(record, dict) and record.keys() >= {*CORE, "fields"}
    return record if known else None


def _unreadable(path: Path, line: bytes) -> dict[str, Any]:
    """What is shown in place of a line that a full disk or an editor left behind."""
    text = f"a line of {path.name} is no record: {line[:60]!r}"
    there = {"timestamp": "", "level": "error", "run_id": "", "step": "log", "message": text}
    return dict.fromkeys(CORE) | there | {"fields": {}}
