"""The audit trail of a cleaning: one JSON line for each changed cell and each row that was not carried over, gzipped.

Values are written in full, so the file is as private as the export. Knows no cleaning rules.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sdconsole.quality.clean.quarantine import storable
from sdconsole.source.output import new_file

_LEVEL = 6


class Change(NamedTuple):
    """A changed cell, or with `column` None a row that went into quarantine for the reason in `rule`.

    `key` is the row's key in words, `row` its number in the export.
    """

    table: str
    row: int
    key: str
    column: str | None
    old: object
    new: object
    rule: str


class AuditTrail:
    """Takes changes and writes them."""

    def __init__(self, lines: io.TextIOBase) -> None:
        self._lines = lines
        self.changes = 0

    def write(self, change: Change) -> None:
        told = change._replace(old=_plain(change.old), new=_plain(change.new))
        self._lines.write(json.dumps(told._asdict(), ensure_ascii=False, allow_nan=False) + "\n")
        self.changes += 1


def _plain(value: object) -> object:
    """Whole numbers stay numbers; everything else is text that any reader of JSON takes."""
    return value if value is None or type(value) is int else storable(value)


@contextmanager
def audit_trail(path: Path) -> Iterator[AuditTrail]:
    """A trail that is there, private and whole, when the block has ended well.

    Raises UsageError for a path that is refused and OperationFailed when it cannot be written.
    """
    with new_file(path) as temporary, temporary.open("wb") as file:
        packed = gzip.GzipFile("", "wb", _LEVEL, file, mtime=0)
        with packed, io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as lines:
            yield AuditTrail(lines)


def read_audit(path: Path) -> Iterator[Change]:
    """The changes in the order in which they were made."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield Change(**json.loads(line))
