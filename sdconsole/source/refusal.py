"""What SQLite's errors mean for an operator: which refusal, why, and what to do about it.

SQLite reports the same damage in several ways, some without an error name, and a damaged text can surface as a
UnicodeDecodeError of the driver. Knows no file system and no catalog; `reading` is the one place they pass through.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdconsole.errors import Interrupted, OperationFailed, SdconsoleError, SourceRefused

READ_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""Everything that reading a SQLite file can raise about the file. sqlite3.Warning is not among it."""

WRITER_AT_WORK = frozenset(
    {sqlite3.SQLITE_READONLY_RECOVERY, sqlite3.SQLITE_READONLY_CANTINIT, sqlite3.SQLITE_PROTOCOL}
)
"""What SQLite answers a reader while another program sets up or recovers the index of the -wal."""

EXPORT_AGAIN = "export the file again; if that is the only copy, try: sqlite3 FILE .recover"


class StoppableConnection(sqlite3.Connection):
    """A connection that knows its file and remembers why its own progress handler stopped a statement."""

    path: Path = Path()
    stopped_by: BaseException | None = None


@contextmanager
def reading(connection: sqlite3.Connection | None = None, what: str = "the source") -> Iterator[None]:
    """Turns what SQLite raises inside the block into a refusal.

    Raises SourceRefused about the file, OperationFailed about this machine, or, where a deadline or a check of the
    connection stopped the statement, that error itself.
    """
    try:
        yield
    except READ_ERRORS as error:
        if isinstance(connection, StoppableConnection) and connection.stopped_by is not None:
            stopped_by, connection.stopped_by = connection.stopped_by, None
            raise stopped_by from error
        raise refusal(error, str(connection.path) if isinstance(connection, StoppableConnection) else what) from error


def refusal(error: sqlite3.Error | UnicodeDecodeError, what: str = "the source") -> SdconsoleError:
    """The refusal for an error of SQLite or of decoding its text. `what` names the file in the message."""
    if isinstance(error, UnicodeDecodeError):
        return SourceRefused(
            "source-encoding",
            f"{what} holds text that is not valid UTF-8",
            cause=f"{error.reason} at byte {error.start} of a value or name",
            next_step=EXPORT_AGAIN,
        )
    text = str(error)
    code = getattr(error, "sqlite_errorcode", None)
    if code is None and text.startswith("Could not decode to UTF-8"):
        return SourceRefused(
            "source-encoding",
            f"{what} holds text that is not valid UTF-8",
            cause=text.partition(" with text")[0],
            next_step=EXPORT_AGAIN,
        )
    primary = code & 0xFF if isinstance(code, int) else None
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return SourceRefused(
            "source-locked",
            f"{what} is locked by a program that is writing to it",
            cause=text,
            next_step="wait until that program has finished, or close it, then try again",
        )
    if primary == sqlite3.SQLITE_INTERRUPT:
        return Interrupted(cause="reading was interrupted")
    if primary == sqlite3.SQLITE_NOTADB:
        return SourceRefused(
            "source-not-sqlite",
            f"{what} is not a SQLite database, or it is encrypted",
            cause=text,
            next_step="give the .db file that the export wrote",
        )
    if text.startswith("malformed database schema"):
        return SourceRefused("source-schema", f"the schema of {what} is malformed", cause=text, next_step=EXPORT_AGAIN)
    if text == "unsupported file format":
        return SourceRefused(
            "source-format",
            f"{what} has a format this SQLite cannot read",
            cause=f"its header names a format that SQLite {sqlite3.sqlite_version} does not know, or is damaged",
            next_step=EXPORT_AGAIN,
        )
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT):
        return SourceRefused("source-damaged", f"{what} is damaged", cause=text, next_step=EXPORT_AGAIN)
    if code == sqlite3.SQLITE_READONLY_ROLLBACK:
        return SourceRefused(
            "source-hot-journal",
            f"{what} was being written when its writer died",
            cause="a -journal file beside it holds the unfinished change; taking that back would write to the source",
            next_step="open it once with the program that wrote it, or copy both files aside, "
            "run `sqlite3 COPY .tables` and deploy the copy",
        )
    if code in WRITER_AT_WORK:
        return SourceRefused(
            "source-changing",
            f"{what} is being written to",
            cause=f"a program sets up or recovers its -wal at this moment ({text})",
            next_step="wait until the export has finished, then try again",
        )
    if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return SourceRefused(
            "source-cannot-open",
            f"{what} cannot be opened for reading",
            cause=text,
            next_step="copy the file together with its -wal and -shm files to a folder of your own, deploy the copy",
        )
    if primary == sqlite3.SQLITE_TOOBIG:
        return SourceRefused(
            "source-too-big",
            f"{what} holds a value that is larger than is accepted",
            cause=text,
            next_step="look for the longest values with length(), shorten them and export again",
        )
    if primary == sqlite3.SQLITE_IOERR:
        return OperationFailed(
            "source-io",
            f"{what} could not be read to the end",
            cause=f"{text} ({getattr(error, 'sqlite_errorname', '')})",
            next_step="check the disk or network share the file is on, then try again",
        )
    return SourceRefused("source-unusable", f"{what} cannot be read", cause=text, next_step=EXPORT_AGAIN)
