"""How a file in WAL mode can be read without SQLite creating anything in its folder.

A reader of such a file needs a -shm. One that exists is opened read-only; where it is missing, the file and its -wal
are copied into a private folder that is gone as soon as the copy is open.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sdconsole.errors import OperationFailed
from sdconsole.source.file_check import changing, first_bytes, identity, unreadable
from sdconsole.source.output import companion

_COPY_BYTES = 4 * 1024 * 1024


@contextmanager
def readable_files(path: Path, scratch: Path | None, check: Callable[[], None] | None) -> Iterator[tuple[Path, str]]:
    """The file to open and the URI options that keep SQLite from creating anything beside the source."""
    wal, shm = companion(path, "-wal"), companion(path, "-shm")
    if not in_wal_mode(path) and not wal.exists():
        yield path, "mode=ro"
    elif wal.exists() and shm.exists():
        yield path, "mode=ro&readonly_shm=1"
    else:
        with _private_copy(path, wal, scratch, check) as copy:
            yield copy, "mode=ro"


def in_wal_mode(path: Path) -> bool:
    """True when the file's header says so, whatever lies beside it. Raises SourceRefused "source-unreadable"."""
    return 2 in first_bytes(path)[18:20]


@contextmanager
def _private_copy(path: Path, wal: Path, scratch: Path | None, check: Callable[[], None] | None) -> Iterator[Path]:
    """A copy of the file and its -wal that vanishes from the folder when the block ends; open handles keep it."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="sdconsole-", dir=scratch))
    except OSError as error:
        raise _cannot_copy(path, error) from error
    try:
        sources = [file for file in (path, wal) if file.exists()]
        before = [identity(file) for file in (path, wal)]
        try:
            for file in sources:
                _copy(file, folder / file.name, check)
        except FileNotFoundError as error:
            raise changing(path) from error
        except OSError as error:
            raise _cannot_copy(path, error) from error
        if [identity(file) for file in (path, wal)] != before:
            raise changing(path)
        yield folder / path.name
    finally:
        shutil.rmtree(folder)


def _copy(source: Path, destination: Path, check: Callable[[], None] | None) -> None:
    try:
        reader = source.open("rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unreadable(source, error) from error
    with reader, destination.open("xb") as writer:
        while block := reader.read(_COPY_BYTES):
            if check is not None:
                check()
            writer.write(block)


def _cannot_copy(path: Path, error: OSError) -> OperationFailed:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return OperationFailed(
        "disk-full" if full else "scratch-unwritable",
        f"{path} could not be copied aside for reading",
        cause=f"it is in WAL mode without its -shm file, so it is read from a private copy: {error}",
        state="the copy was removed, the source was not touched",
        next_step="set TMPDIR to a folder of your own with more space, or copy the file with its -wal and -shm files "
        "to such a folder, open it there once with: sqlite3 COPY .tables     and deploy the copy",
    )
