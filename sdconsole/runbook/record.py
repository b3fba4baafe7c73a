"""A walk's record on disk: one JSON object a line, beside the journal of the walk's first run.

Lines are synced before anybody sees them; nothing is ever taken out.
"""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from sdconsole.core.runs import WALK
from sdconsole.errors import OperationFailed
from sdconsole.runbook.events import SCHEMA, Entry, WalkEvent, WalkView
from sdconsole.runbook.walk_state import after, fold

_ENTRY = TypeAdapter(Entry)


class WalkRecord:
    """Appends to the record and folds it. Safe to call from any thread; raises OSError when the disk refuses."""

    def __init__(self, folder: Path, walk_id: str, *, views: tuple[WalkView, ...] = ()) -> None:
        self._path = folder / WALK
        self._walk_id = walk_id
        self._views = views
        self._lock = threading.RLock()
        self.state = fold(read_record(self._path))
        _cut_torn_line(self._path)

    def add(self, event: WalkEvent) -> None:
        with self._lock:
            at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            entry = Entry(self.state.seq + 1, self._walk_id, at, event)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._path, flags, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_ENTRY.dump_json(entry) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self.state = after(self.state, entry)
            for view in self._views:
                view(entry)


def _cut_torn_line(path: Path) -> None:
    """A line without its end was never acted on: power failed while it was written."""
    if path.exists():
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            os.truncate(path, len(whole))


def read_record(path: Path) -> tuple[Entry, ...]:
    """The complete entries. Raises OperationFailed ("walk-damaged"); no file = no entries."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return ()
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = _ENTRY.validate_json(line)
        except ValueError as error:
            raise _damaged(path, number) from error
        if entry.seq != number or entry.schema != SCHEMA:
            raise _damaged(path, number)
        entries.append(entry)
    return tuple(entries)


def _damaged(path: Path, line: int) -> OperationFailed:
    return OperationFailed(
        "walk-damaged",
        f"the record {path} cannot be trusted",
        cause=f"line {line} is not the entry that belongs there",
        state="the runs' own journals and the ledger still tell what was done",
        next_step="sdconsole runs list     and start a new walk with --new",
    )
