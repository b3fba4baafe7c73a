"""The run's append-only record on disk: one JSON object a line, written before anybody sees the event.

A line is complete when it ends in a newline; a torn last line (power loss, kill -9) was never acted on and is cut
off when the journal is opened again. Anything else that cannot be read is an error, never skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from sdconsole.core.events import SCHEMA, CheckResult, LogLine, Measured, Progress, Record, from_json, to_json
from sdconsole.errors import OperationFailed

_VOLATILE = (Progress, Measured, CheckResult, LogLine)
"""Events within a stage: a power cut that takes them takes the stage's end as well, and the stage runs again. They are
written at once and synced with the next event of another kind, a stage's end at the latest."""
_PROGRESS = b'"type":"progress"},"schema":%d}\n' % SCHEMA
"""How the line of a progress event ends. No text within a record can end a line so: its quotes are escaped."""
_EVENT, _DONE = b'"event":', b',"done":'
"""Between them a progress event names its stage and task, and its record nothing else."""


class Journal:
    """Appends records to a file and syncs those that matter. Raises OSError when the disk refuses.

    A record that could not be written and synced is taken back, so that the next one can have its number; where even
    that fails the journal is closed and takes no more.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, 0o600)
        _cut_torn_line(self._descriptor)
        self._size = os.fstat(self._descriptor).st_size

    def __call__(self, record: Record) -> None:
        line = left = to_json(record) + b"\n"
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
            if not isinstance(record.event, _VOLATILE):
                os.fsync(self._descriptor)
        except OSError:
            self._take_back()
            raise
        self._size += len(line)

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _cut_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0:
        start = max(0, end - 65536)
        block = os.pread(descriptor, end - start, start)
        newline = block.rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        os.ftruncate(descriptor, end)
        os.fsync(descriptor)


def read_journal(path: Path, *, progress: bool = True) -> Iterator[Record]:
    """The complete records of a journal, in order; without `progress`, which is most of them, in a fifth of the time.

    Raises OperationFailed ("journal-damaged") when a complete line is not a record or `seq` has a gap, and
    FileNotFoundError when there is no journal.
    """
    expected = 1
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            if not progress and line.endswith(_PROGRESS):
                expected += 1
                continue
            yield _record(path, line, expected)
            expected += 1


class JournalTail:
    """Follows a journal that another process writes: each `read` gives the complete records since the last one."""

    def __init__(self, path: Path, *, collapse: bool = False) -> None:
        """With `collapse` a read gives only the last progress of each task, whatever came in between."""
        self._path = path
        self._collapse = collapse
        self._offset = 0
        self._expected = 1

    def read(self) -> list[Record]:
        """Raises OperationFailed ("journal-damaged") and FileNotFoundError, as `read_journal`."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            lines = file.readlines()
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()  # it is being written, or was torn and will be cut off
        wanted = _without_older_progress(lines) if self._collapse else range(len(lines))
        found = [_record(self._path, lines[index], self._expected + index) for index in wanted]
        self._expected += len(lines)
        self._offset += sum(map(len, lines))
        return found


def _without_older_progress(lines: list[bytes]) -> list[int]:
    """The numbers of the lines that are left when each progress event gives way to the next one of its task."""
    seen: set[bytes] = set()
    wanted = []
    for index in reversed(range(len(lines))):
        line = lines[index]
        if line.endswith(_PROGRESS):
            task = line[line.find(_EVENT) : line.find(_DONE)]
            if task in seen:
                continue
            seen.add(task)
        wanted.append(index)
    return wanted[::-1]


def _record(path: Path, line: bytes, expected: int) -> Record:
    try:
        record = from_json(line)
    except ValueError as error:
        raise _damaged(path, expected, "is not a record of this version") from error
    if record.seq != expected:
        raise _damaged(path, expected, f"has number {record.seq}")
    return record


def _damaged(path: Path, line: int, what: str) -> OperationFailed:
    return OperationFailed(
        "journal-damaged",
        f"the journal {path} cannot be trusted",
        cause=f"line {line} {what}",
        state="the database's own ledger still tells which version is live",
        next_step="sdconsole versions list     and start a new run",
    )
