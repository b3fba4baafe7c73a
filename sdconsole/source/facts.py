"""What identifies the state of a source: sizes, times, inode, pragmas and a digest, and what changed since.

Digesting opens and closes the file. POSIX drops all of a process's locks on a file when it closes any handle of it,
so no statement may be running on a connection to the same source meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sdconsole.errors import SourceRefused, UsageError
from sdconsole.source.aside import in_wal_mode
from sdconsole.source.connection import open_source
from sdconsole.source.file_check import Identity, changing, check_source, identity, unreadable
from sdconsole.source.output import companion
from sdconsole.source.refusal import reading

_READ_BYTES = 4 * 1024 * 1024
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """The state of a source file. `digest` is SHA-256 over the main file and its -wal, in hex.

    `journal_mode` is "wal" or "delete" as the file says; `encoding` as SQLite names it, e.g. "UTF-8".
    """

    path: str
    size_bytes: int
    wal_bytes: int
    journal_mode: str
    encoding: str
    page_size: int
    page_count: int
    modified_ns: int
    inode: int
    device: int
    digest: str


def file_sha256(path: Path, *, check: Callable[[], None] | None = None) -> str:
    """SHA-256 of a file's bytes, in hex. `check` is called every 4 MiB and may raise. Raises OSError."""
    digest = hashlib.sha256()
    _feed(digest, path, check)
    return digest.hexdigest()


def source_digest(path: Path, *, check: Callable[[], None] | None = None) -> str:
    """SHA-256 over the main file and then its -wal, in hex; without a -wal the same as `sha256sum` prints.

    Raises SourceRefused "source-unreadable" and UsageError "source-missing".
    """
    check_source(path)
    digest = hashlib.sha256()
    wal = companion(path.resolve(), "-wal")
    try:
        _feed(digest, path, check)
        if wal.exists():
            _feed(digest, wal, check)
    except OSError as error:
        raise unreadable(path, error) from error
    return digest.hexdigest()


def _feed(digest: hashlib._Hash, path: Path, check: Callable[[], None] | None) -> None:
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            if check is not None:
                check()
            digest.update(block)


def inspect_source(path: Path, *, check: Callable[[], None] | None = None, scratch: Path | None = None) -> SourceFacts:
    """The facts, all of one state of the file.

    Raises what `open_source` raises, and SourceRefused "source-changing" when the file keeps changing meanwhile.
    """
    for _ in range(_ATTEMPTS):
        before = _state(path)
        connection = open_source(path, check=check, scratch=scratch)
        try:
            with reading(connection, str(path)):
                encoding = str(connection.execute("PRAGMA encoding").fetchone()[0])
                page_size = int(connection.execute("PRAGMA page_size").fetchone()[0])
                page_count = int(connection.execute("PRAGMA page_count").fetchone()[0])
        finally:
            connection.close()
        digest = source_digest(path, check=check)
        main, wal = before
        if main is not None and _state(path) == before:
            return SourceFacts(
                path=str(path.absolute()),
                size_bytes=main.size_bytes,
                wal_bytes=0 if wal is None else wal.size_bytes,
                journal_mode="wal" if in_wal_mode(path) else "delete",
                encoding=encoding,
                page_size=page_size,
                page_count=page_count,
                modified_ns=main.modified_ns,
                inode=main.inode,
                device=main.device,
                digest=digest,
            )
    raise changing(path)


def _state(path: Path) -> tuple[Identity | None, Identity | None]:
    real = path.resolve()
    wal = identity(companion(real, "-wal"))
    # A -wal of 0 bytes says nothing: any program that opens a file in WAL mode makes one.
    return identity(real), wal if wal is not None and wal.size_bytes else None


def changed_since(facts: SourceFacts, path: Path, *, check: Callable[[], None] | None = None) -> str | None:
    """What is different from the recorded facts, as half a sentence; None = nothing, by size, time, inode and digest.

    Cheap signs are looked at first; without any the whole file is digested again.
    """
    try:
        check_source(path)
        main, wal = _state(path)
        if main is None:
            return "the file is gone"
        if (main.device, main.inode) != (facts.device, facts.inode):
            return "the file was replaced by another one of the same name"
        if main.size_bytes != facts.size_bytes:
            verb = "shrank" if main.size_bytes < facts.size_bytes else "grew"
            return f"the file {verb} from {facts.size_bytes:,} to {main.size_bytes:,} bytes"
        wal_bytes = 0 if wal is None else wal.size_bytes
        if wal_bytes != facts.wal_bytes:
            return f"its -wal went from {facts.wal_bytes:,} to {wal_bytes:,} bytes: rows were written or checkpointed"
        same_content = source_digest(path, check=check) == facts.digest
    except UsageError as error:
        return "the file is gone" if error.slug == "source-missing" else error.message
    except SourceRefused as error:
        return f"{error.message} ({error.cause})" if error.cause else error.message
    if not same_content:
        return "its content changed, the size did not"
    if main.modified_ns != facts.modified_ns:
        return "the file was touched: its time changed, its content did not"
    return None
