"""Opens an untrusted SQLite file for reading only, and never writes, creates or touches anything beside it.

`mode=ro` alone is not enough: for a file in WAL mode SQLite creates a -wal and a -shm in its folder. Such a file is
read through its existing -shm, opened read-only, or, where that is missing, from a private copy that is unlinked
as soon as it is open. `immutable=1` is never used: it silently ignores a -wal with rows in it.
The settings follow "Defense Against The Dark Arts" of SQLite's documentation. Knows no contract and no tables.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import quote as percent_quote

from sdconsole.errors import DeadlineExceeded, SourceRefused
from sdconsole.source.aside import in_wal_mode, readable_files
from sdconsole.source.file_check import check_source
from sdconsole.source.refusal import WRITER_AT_WORK, StoppableConnection, reading

Check = Callable[[], None]

BUSY_SECONDS = 5.0
OPERATIONS_BETWEEN_CHECKS = 10_000
"""Steps of SQLite's virtual machine between two looks at the clock: about 0.2 ms, with no measurable cost."""
MAX_VALUE_BYTES = 64 * 1024 * 1024
"""Longest text, BLOB or row that is read; a longer one is refused as "source-too-big"."""

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 5_000_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 10_000,
}
_READS = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_SAVEPOINT,
    }
)
_PLAIN_PRAGMAS = frozenset(
    {
        "application_id",
        "collation_list",
        "compile_options",
        "data_version",
        "database_list",
        "encoding",
        "freelist_count",
        "journal_mode",
        "page_count",
        "page_size",
        "query_only",
        "schema_version",
        "trusted_schema",
        "user_version",
    }
)
_PRAGMAS_WITH_ARGUMENT = frozenset(
    {
        "busy_timeout",
        "cache_size",
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
        "temp_store",
    }
)
"""The argument names a table or a number of findings, or sets something about this connection only."""
_FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})


class SourceConnection(StoppableConnection):
    """A read-only connection whose statements stop at a deadline or when a check raises."""

    deadline: float | None = None
    """Monotonic time, in seconds, after which every statement is stopped."""
    _check: Check | None = None

    def watch(self) -> None:
        """Lets SQLite look at the deadline and at the check while a statement runs."""
        if self.deadline is None and self._check is None:
            self.set_progress_handler(None, 0)
        else:
            self.set_progress_handler(self._stop_now, OPERATIONS_BETWEEN_CHECKS)

    def _stop_now(self) -> int:
        try:
            if self.deadline is not None and time.monotonic() > self.deadline:
                raise DeadlineExceeded(
                    "source-deadline",
                    f"{self.path} could not be read within its time limit",
                    cause="the file is damaged in a way that keeps SQLite busy, or it is far larger than expected",
                    next_step="check the file with: sqlite3 FILE 'PRAGMA integrity_check'",
                )
            if self._check is not None:
                self._check()
        except BaseException as error:
            self.stopped_by = error  # sqlite3 drops what a handler raises; `reading` raises it again
            raise
        return 0

    @contextmanager
    def checking(self, check: Check | None) -> Iterator[None]:
        """While the block runs, `check` is called every few milliseconds; what it raises ends the statement."""
        before, self._check = self._check, check if check is not None else self._check
        self.watch()
        try:
            yield
        finally:
            self._check = before
            self.watch()


def open_source(
    path: Path,
    *,
    deadline_seconds: float | None = None,
    text: Literal["strict", "surrogateescape"] = "strict",
    check: Check | None = None,
    scratch: Path | None = None,
) -> SourceConnection:
    """A read-only, defended connection; close it when done.

    `deadline_seconds` limits all statements together, counted from now. `text`: "strict" raises on a value that is
    not UTF-8; "surrogateescape" keeps its bytes as lone surrogates (costs about 100 ns for each text value).
    `check` is called while a private copy is made and may raise. `scratch` is the folder for that copy (default: the
    system's temporary folder); only a file in WAL mode without its -shm needs one, of the size of the file.
    Raises what `check_source` raises, SourceRefused "source-locked" after 5 seconds, "source-hot-journal",
    "source-schema", "source-damaged", "source-changing" and others, OperationFailed "disk-full".
    """
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return _open(path, deadline_seconds, text, check, scratch)
        except SourceRefused as error:
            if not _passes(error.__cause__, path) or time.monotonic() > give_up:
                raise
        time.sleep(0.05)


def _passes(error: BaseException | None, path: Path) -> bool:
    """True for an answer of SQLite that is over in a moment: a program recovers or removes the -wal and -shm."""
    if not isinstance(error, sqlite3.OperationalError):
        return False
    if error.sqlite_errorcode == sqlite3.SQLITE_CANTOPEN:
        return in_wal_mode(path)
    return error.sqlite_errorcode in WRITER_AT_WORK


def _open(
    path: Path,
    deadline_seconds: float | None,
    text: Literal["strict", "surrogateescape"],
    check: Check | None,
    scratch: Path | None,
) -> SourceConnection:
    check_source(path)
    real = Path(os.path.realpath(path))
    with readable_files(real, scratch, check) as (file, options):
        connection = _connect(file, options)
        try:
            connection.path = path
            if deadline_seconds is not None:
                connection.deadline = time.monotonic() + deadline_seconds
            _defend(connection)
            if text == "surrogateescape":
                connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            connection.watch()
            with reading(connection, str(path)):
                # Reads the schema, so that a file that cannot be read is refused here.
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
    return connection


def _connect(file: Path, options: str) -> SourceConnection:
    uri = f"file:{percent_quote(os.fsencode(file))}?{options}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, factory=SourceConnection)


def _defend(connection: SourceConnection) -> None:
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA mmap_size = 0")
    connection.set_authorizer(_authorize)


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    """Allows what reads. SQLite asks while it prepares a statement, so reading rows costs nothing."""
    if action in _READS:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_DENY if (second or "").lower() in _FORBIDDEN_FUNCTIONS else sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA:
        name = (first or "").lower()
        allowed = name in _PRAGMAS_WITH_ARGUMENT or (name in _PLAIN_PRAGMAS and second is None)
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
    # SQLite asks this when it sets up a table-valued function such as pragma_table_list or json_each; nothing is
    # written then, and really updating the schema is impossible on a read-only connection.
    if action == sqlite3.SQLITE_UPDATE and first == "sqlite_master":
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def quick_check(
    connection: sqlite3.Connection,
    *,
    thorough: bool = False,
    constraints: bool = False,
    check: Check | None = None,
) -> tuple[str, ...]:
    """What SQLite finds wrong with the file's structure, up to 100 findings; () = intact.

    `thorough` also compares every index with its table. `constraints` also reports columns that hold NULL although
    they are declared NOT NULL: a defect of the data, the file can be read all the same. (SQLite does not look at CHECK
    in a file that is open for reading only.) `check` is called every few milliseconds on a connection of
    `open_source` and may raise. Raises SourceRefused when the file is too damaged to be checked.
    """
    pragma = "PRAGMA integrity_check(100)" if thorough else "PRAGMA quick_check(100)"
    factory = connection.text_factory
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        with ExitStack() as stack:
            stack.enter_context(reading(connection))
            if isinstance(connection, SourceConnection):
                stack.enter_context(connection.checking(check))
            rows = connection.execute(pragma).fetchall()
    finally:
        connection.text_factory = factory
    findings = (str(row[0]).removeprefix("*** in database main ***\n") for row in rows)
    return tuple(
        finding
        for finding in findings
        if finding != "ok"
        and (constraints or not finding.startswith(("NULL value in ", "CHECK constraint failed in ")))
    )
