"""A private temporary SQLite database: no name, no reader, gone when it is closed.

SQLite keeps it in memory and moves it to an unlinked file in the temporary folder when it grows.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sdconsole.source.output import write_failure

CACHE_KIB = 16_000
PAGE_BYTES = 16_384
"""Rows with long texts need fewer overflow pages than with SQLite's own 4,096."""


def hurry(connection: sqlite3.Connection) -> None:
    """Opens one long transaction that is not safe against a crash: for files that nobody sees before they are whole."""
    connection.execute(f"PRAGMA main.page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA main.journal_mode = OFF")
    connection.execute("PRAGMA main.synchronous = OFF")
    connection.execute("PRAGMA main.locking_mode = EXCLUSIVE")
    connection.execute(f"PRAGMA main.cache_size = -{CACHE_KIB}")
    connection.execute("BEGIN")


@contextmanager
def scratch_database() -> Iterator[sqlite3.Connection]:
    """An empty temporary database inside a transaction. Raises OperationFailed "disk-full" or "output-unwritable"."""
    with closing(sqlite3.connect("", isolation_level=None, uri=True, check_same_thread=False)) as connection:
        hurry(connection)
        try:
            yield connection
        except sqlite3.Error as error:
            failed = write_failure(temporary_folder() / "a temporary database", error)
            if failed is None:
                raise
            raise failed from error


def temporary_folder() -> Path:
    """Where SQLite puts it ("Temporary Files Used By SQLite", section 5)."""
    candidates = (os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"), "/var/tmp")  # noqa: S108
    return next(
        (Path(folder) for folder in candidates if folder and Path(folder).is_dir()), Path(tempfile.gettempdir())
    )
