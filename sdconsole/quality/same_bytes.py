"""Proves that a file stayed what it was while a block read it: its digest is computed beside the block's own work."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from sdconsole.errors import OperationFailed
from sdconsole.source.facts import file_sha256


class _Abandoned(Exception):
    """Nobody waits for the digest any more."""


@contextmanager
def same_bytes(path: Path, digest: str, connection: sqlite3.Connection) -> Iterator[None]:
    """`digest` is the SHA-256 that the file must have, "" where nobody knows it; `connection` reads the file.

    Raises OperationFailed "snapshot-changed" at the end of the block for another digest, and whenever another
    connection has written to the file in between.
    """
    version = _version(connection)
    stop = Event()

    def check() -> None:
        if stop.is_set():
            raise _Abandoned

    with ThreadPoolExecutor(1, thread_name_prefix="sdconsole-digest") as worker:
        found = worker.submit(file_sha256, path, check=check) if digest else None
        try:
            yield
        except BaseException:
            stop.set()
            raise
        if found is not None and found.result() != digest:
            raise _changed(path, "its digest is not the one that was profiled")
    if _version(connection) != version:
        raise _changed(path, "another program wrote to it")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _changed(path: Path, cause: str) -> OperationFailed:
    return OperationFailed(
        "snapshot-changed",
        f"{path} changed since it was profiled",
        cause=cause,
        state="the unfinished clean file was removed",
        next_step="start a new run, and let no other program write to the run's folder",
    )
