"""Looks at a source file without SQLite: is it there, plain, readable, and whole by its own header?

Every way in which a path can be wrong has its own refusal, so that an operator is told what is wrong with the file
and not what SQLite thought of it. Opens files only to read their first 100 bytes.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from sdconsole.errors import SourceRefused, UsageError
from sdconsole.source.output import COMPANIONS, companion

MAGIC = b"SQLite format 3\x00"
HEADER_BYTES = 100


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one state of a file from another without reading it."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int


def identity(path: Path) -> Identity | None:
    """None where there is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def check_source(path: Path) -> None:
    """Looks at the file without SQLite: is it there, plain, readable, whole by its own header?

    Raises UsageError "source-missing", "source-directory", "source-not-a-file" or "source-path", and SourceRefused
    "source-unreadable", "source-empty", "source-not-sqlite", "source-truncated" or "source-companion".
    """
    found = _stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise UsageError(
            "source-directory",
            f"{path} is a folder",
            cause="a SQLite database is one file",
            next_step="give the .db file inside it",
        )
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(
            "source-not-a-file",
            f"{path} is not a plain file",
            cause="a pipe, socket or device cannot be read twice and compared",
            next_step="write the export to a file first",
        )
    header = first_bytes(path)
    if not header:
        raise SourceRefused(
            "source-empty",
            f"{path} is empty (0 bytes)",
            cause="the export wrote nothing, or a tool created the file by opening a wrong name",
            next_step="export again and look at the size of the file",
        )
    if not header.startswith(MAGIC):
        raise SourceRefused(
            "source-not-sqlite",
            f"{path} is not a SQLite database",
            cause=_looks_like(header),
            next_step="give the .db file that the export wrote",
        )
    _check_companions(path)
    expected = _bytes_by_header(header)
    wal = identity(companion(path, "-wal"))
    if len(header) < HEADER_BYTES or (found.st_size < expected and (wal is None or wal.size_bytes == 0)):
        raise SourceRefused(
            "source-truncated",
            f"{path} is cut off",
            cause=f"it has {found.st_size:,} bytes, its header says {max(expected, HEADER_BYTES):,}",
            next_step="copy or export it again, and compare the sizes",
        )


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        link = "it is a symbolic link to nothing" if path.is_symlink() else f"looked in {path.absolute().parent}"
        raise UsageError(
            "source-missing", f"{path} does not exist", cause=link, next_step="check the path; nothing was created"
        ) from error
    except PermissionError as error:
        raise unreadable(path, error) from error
    except (OSError, ValueError) as error:
        raise UsageError(
            "source-path", f"{str(path)[:200]!r} is not a usable path", cause=str(error), next_step="check the path"
        ) from error


def unreadable(path: Path, error: OSError) -> SourceRefused:
    """The refusal of a file that this user may not read."""
    return SourceRefused(
        "source-unreadable",
        f"{path} cannot be read",
        cause=str(error),
        next_step=f"as its owner: chmod u+r {path}, or copy it to a folder of your own",
    )


def first_bytes(path: Path) -> bytes:
    """The file's header, shorter where the file is. Raises SourceRefused "source-unreadable"."""
    try:
        with path.open("rb") as file:
            return file.read(HEADER_BYTES)
    except OSError as error:
        raise unreadable(path, error) from error


def _check_companions(path: Path) -> None:
    """SQLite opens what lies beside the real file; a pipe there would keep it waiting for ever."""
    real = Path(os.path.realpath(path))
    for ending in COMPANIONS:
        beside = companion(real, ending)
        try:
            mode = beside.lstat().st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode):
            raise SourceRefused(
                "source-companion",
                f"{beside} is not a plain file",
                cause="SQLite keeps its unfinished changes under that name and would read it",
                next_step=f"look at what it is and move it away, or copy {path.name} to a folder of your own",
            )


def _bytes_by_header(header: bytes) -> int:
    """The size in bytes that the header promises, 0 where it does not vouch for it ("In-header database size")."""
    if len(header) < HEADER_BYTES or header[24:28] != header[92:96]:
        return 0
    page_size = int.from_bytes(header[16:18], "big")
    return int.from_bytes(header[28:32], "big") * (65536 if page_size == 1 else page_size)


def _looks_like(header: bytes) -> str:
    if header.startswith(b"PK\x03\x04"):
        return "it looks like an XLSX workbook or a ZIP archive"
    if header.startswith((b"\x1f\x8b", b"\xfd7zXZ", b"BZh", b"\x28\xb5\x2f\xfd")):
        return "it looks compressed; unpack it first"
    if header.startswith(b"PGDMP"):
        return "it looks like a dump made by pg_dump"
    if all(byte >= 32 or byte in b"\t\r\n" for byte in header):
        return "it looks like text, for example CSV or SQL"
    return "its first 16 bytes are not those of a SQLite database; it may be encrypted or damaged"


def changing(path: Path) -> SourceRefused:
    """The refusal of a file that another program writes to while it is read."""
    return SourceRefused(
        "source-changing",
        f"{path} is being written to",
        cause="its size or time changed while it was read",
        next_step="wait until the export has finished, then try again",
    )
