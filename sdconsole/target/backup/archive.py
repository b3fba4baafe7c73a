"""Reads a pg_dump archive as what it is made of, in order: SQL statements, and the rows that belong to some of them.

pg_restore turns the archive into a script; here the script is cut into statements, so that the caller can run them in
a transaction of its own, together with its own records. Only the kinds of statements that make tables, views and what
hangs on them are let through: anything else in an archive is refused. Knows neither versions nor the ledger.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from sdconsole.errors import CheckFailed
from sdconsole.target.clients import client_environment, find_client

_ALLOWED: Final = re.compile(
    rb"SET [a-z_]+ = "
    rb"|SELECT pg_catalog\.set(?:_config|val)\("
    rb"|CREATE (?:SCHEMA|TABLE|UNLOGGED TABLE|VIEW|MATERIALIZED VIEW|SEQUENCE|INDEX|UNIQUE INDEX|STATISTICS|TRIGGER) "
    rb"|ALTER (?:TABLE|SEQUENCE|INDEX) "
    rb"|REFRESH MATERIALIZED VIEW |COMMENT ON |COPY "
)
_NOT_RUN: Final = re.compile(rb"SET [a-z_]*timeout = ")
"""The caller's session keeps its own time limits, and older servers do not know all of these."""
_QUOTE: Final = re.compile(rb"['\"]")
_COPY: Final = b"COPY "
_END_OF_ROWS: Final = b"\\.\n"
_TEXT_OPTIONS: Final = ("--file=-", "--no-owner", "--no-privileges", "--no-tablespaces")
_END_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement, as bytes in the archive's encoding. `rows` are the lines that a COPY takes; None elsewhere.

    The rows must be read before the next statement is asked for; those that are not are skipped.
    """

    text: bytes
    rows: Iterator[bytes] | None = None


@contextmanager
def open_archive(
    archive: Path, major: int, *, programs: Path | None = None, rows: bool = True
) -> Iterator[Iterator[Statement]]:
    """The archive's statements, without owners, grants and tablespaces. `major` is that of the pg_dump that made it.

    When the block ends well, so has pg_restore: an archive that breaks off raises CheckFailed "backup-damaged".
    Raises BackupToolMissing, and CheckFailed "restore-unknown" for a statement that no version holds.
    """
    pg_restore, _ = find_client("pg_restore", major, programs=programs)
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [str(pg_restore), *_TEXT_OPTIONS, *([] if rows else ["--schema-only"]), str(archive.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env=client_environment(),
            start_new_session=True,
            umask=0o077,
        )
        assert process.stdout is not None
        try:
            with process.stdout as script:
                yield split_script(script)
                rest = script.read(1)
            if process.wait() or rest:
                said.seek(0)
                message = said.read().decode(errors="replace").strip().splitlines()
                raise _broken(archive.name, message[0] if message else f"pg_restore ended with {process.returncode}")
        finally:
            _end(process)


def refuse_unknown(archive: Path, name: str, major: int, *, programs: Path | None = None) -> None:
    """Reads the definitions in an archive the way a restore would. Raises CheckFailed "backup-unrestorable"."""
    try:
        with open_archive(archive, major, programs=programs, rows=False) as statements:
            for _ in statements:
                pass
    except CheckFailed as error:
        if error.slug != "restore-unknown":
            raise
        raise CheckFailed(
            "backup-unrestorable",
            f"{name} would hold something that a restore does not bring back",
            cause=error.cause,
            state="no dump was kept",
            next_step="drop it or move it to another schema: a version holds tables, views and their indexes",
        ) from error


def split_script(script: IO[bytes]) -> Iterator[Statement]:
    """The statements of a script that pg_restore wrote.

    Quotes are doubled in it and never escaped, no comment stands inside a statement, and each statement ends a line.
    Raises CheckFailed "restore-unknown" and, when the script breaks off, "backup-damaged".
    """
    pending: list[bytes] = []
    quote = b""
    for line in iter(script.readline, b""):
        if not pending and (not line.strip() or line.startswith((b"--", b"\\restrict ", b"\\unrestrict "))):
            continue
        if not pending and not _ALLOWED.match(line):
            raise _unknown(line)
        pending.append(line)
        quote = _open_quote(line, quote)
        if quote or not line.rstrip().endswith(b";"):
            continue
        text, pending = b"".join(pending), []
        if _NOT_RUN.match(text):
            continue
        if not text.startswith(_COPY):
            yield Statement(text)
            continue
        if not text.rstrip().endswith(b"FROM stdin;"):
            raise _unknown(text)
        rows = _rows(script)
        yield Statement(text, rows)
        for _ in rows:
            pass
    if pending:
        raise _broken("the archive", "it ends in the middle of a statement")


def _rows(script: IO[bytes]) -> Iterator[bytes]:
    for line in iter(script.readline, b""):
        if line == _END_OF_ROWS:
            return
        yield line
    raise _broken("the archive", "it ends in the middle of a table's rows")


def _open_quote(line: bytes, quote: bytes) -> bytes:
    """The quote that is open after this line; b"" = none. A doubled one closes and opens again."""
    for mark in _QUOTE.findall(line):
        if not quote:
            quote = mark
        elif mark == quote:
            quote = b""
    return quote


def _unknown(text: bytes) -> CheckFailed:
    first = text.decode(errors="replace").splitlines()[0][:120]
    return CheckFailed(
        "restore-unknown",
        "the archive holds something that no version of sdconsole's holds",
        cause=first,
        next_step="restore it by hand with pg_restore into a database of its own, and look what it is",
    )


def _broken(name: str, cause: str) -> CheckFailed:
    return CheckFailed(
        "backup-damaged", f"{name} cannot be read to its end", cause=cause, next_step="use another backup"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
