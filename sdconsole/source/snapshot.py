"""A private, consistent copy of a source, made page by page with SQLite's backup API.

The copy holds what the -wal holds, is not in WAL mode itself, and appears under its name only when it is complete,
on disk, checked and counted. Everything after the backup stage reads the copy and never the source.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sdconsole.errors import OperationFailed, SourceRefused
from sdconsole.source.catalog import count_rows, read_catalog
from sdconsole.source.connection import SourceConnection, open_source, quick_check
from sdconsole.source.facts import file_sha256
from sdconsole.source.file_check import first_bytes
from sdconsole.source.output import new_file, refuse_same_file, write_failure
from sdconsole.source.refusal import EXPORT_AGAIN, reading

_STEP_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """A finished copy; `rows` counts every ordinary table, in the file's order."""

    path: str
    size_bytes: int
    sha256: str
    rows: Mapping[str, int]


def snapshot(
    source: Path,
    destination: Path,
    *,
    progress: Callable[[int, int | None], None],
    scratch: Path | None = None,
    thorough: bool = False,
) -> SnapshotFacts:
    """Copies the source to `destination` (0600, replaced in one step) and checks and counts the copy.

    `progress(done, total)` counts pages, is called at least every 4 MiB and, while the copy is checked, every few
    milliseconds with done = total; what it raises ends the copy and leaves no file behind. `thorough` compares every
    index with its table too. Raises UsageError for refused paths, what `open_source` raises, SourceRefused
    "source-damaged", and OperationFailed "disk-full" or "output-unwritable".
    """
    refuse_same_file(source, destination)
    with new_file(destination) as temporary:
        pages, source_rows = _copy_pages(source, temporary, destination, progress, scratch)

        def check() -> None:
            progress(pages, pages)

        with closing(open_source(temporary)) as connection:
            connection.path = source
            findings = quick_check(connection, thorough=thorough, check=check)
            if findings:
                raise damaged(source, findings)
            rows = _rows(connection, check)
        if rows != source_rows:
            raise OperationFailed(
                "snapshot-differs",
                f"the copy of {source} does not hold the rows of the source",
                cause=f"counted in the source: {source_rows}, in the copy: {rows}",
                state="the copy was removed",
                next_step="check memory and disks of this machine, then try again",
            )
        sha256 = file_sha256(temporary, check=check)
        size_bytes = temporary.stat().st_size
    return SnapshotFacts(str(destination), size_bytes, sha256, rows)


def _rows(connection: SourceConnection, check: Callable[[], None]) -> dict[str, int]:
    """Rows of every table by name."""
    with connection.checking(check):
        return {table.name: count_rows(connection, table.name) for table in read_catalog(connection).tables}


def damaged(path: Path, findings: tuple[str, ...]) -> SourceRefused:
    """The refusal of a file in which `quick_check` found something."""
    return SourceRefused(
        "source-damaged",
        f"{path} is damaged",
        cause="; ".join(finding.replace("\n", " ") for finding in findings[:3]),
        next_step=EXPORT_AGAIN,
    )


def _copy_pages(
    source: Path,
    temporary: Path,
    destination: Path,
    progress: Callable[[int, int | None], None],
    scratch: Path | None,
) -> tuple[int, dict[str, int]]:
    """Returns the number of pages copied, and the rows that were in the source at that moment."""

    def check() -> None:
        progress(0, None)

    with closing(open_source(source, check=check, scratch=scratch)) as reader:
        with reading(reader, str(source)):
            # One read transaction around all steps: without it a writer could make the copy start over for ever.
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
            page_size = int(reader.execute("PRAGMA page_size").fetchone()[0])
            pages = int(reader.execute("PRAGMA page_count").fetchone()[0])
        rows = _rows(reader, check)
        with closing(sqlite3.connect(temporary, isolation_level=None)) as writer:
            writer.execute("PRAGMA journal_mode = OFF")
            writer.execute("PRAGMA synchronous = OFF")
            with reading(reader, str(source)):
                try:
                    reader.backup(
                        writer,
                        pages=max(1, _STEP_BYTES // page_size),
                        progress=lambda _status, remaining, total: progress(total - remaining, total),
                    )
                except sqlite3.Error as error:
                    failed = write_failure(destination, error)
                    if failed is not None:
                        raise failed from error
                    raise
    if 2 in first_bytes(temporary)[18:20]:
        _leave_wal_mode(temporary)
    return pages, rows


def _leave_wal_mode(temporary: Path) -> None:
    """The copy of a file in WAL mode is in WAL mode too, and would need a -shm to be read."""
    with closing(sqlite3.connect(temporary, isolation_level=None)) as writer, reading(None, "the copy of the source"):
        mode = writer.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
    if mode != "delete" or 2 in first_bytes(temporary)[18:20]:
        raise OperationFailed(
            "snapshot-wal",
            "the copy of the source could not be taken out of WAL mode",
            cause=f"its journal mode is still {mode!r}",
            next_step="try again; if it stays so, run: sqlite3 COPY 'PRAGMA journal_mode=DELETE' on a copy of the file",
        )
