"""Files that appear whole or not at all: private, on disk before they are named, never through a link.

Used for everything sdconsole writes beside or from a source. Knows nothing of what is in the files.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdconsole.errors import OperationFailed, SdconsoleError, UsageError

COMPANIONS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database file."""
_TEMPORARY = re.compile(r"\..+\.tmp-[0-9a-f]{16}", re.DOTALL)
_NO_ROOM_OR_RIGHT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
"""What writing raises and reading does not, so it is about the output whatever else the caller was doing."""


def refuse_same_file(source: Path, output: Path) -> None:
    """Raises UsageError when writing `output` would write the source: by path, symlink, hard link or companion."""
    taken = [source, *(companion(source, ending) for ending in COMPANIONS)]
    for candidate in taken:
        if os.path.realpath(candidate) == os.path.realpath(output) or _same_inode(candidate, output):
            raise UsageError(
                "source-is-output",
                f"{output} is the source itself",
                cause=f"it names the same file as {candidate}",
                next_step="give another output path",
            )


def companion(path: Path, ending: str) -> Path:
    """The file that SQLite would keep beside this database, e.g. ending "-wal"."""
    return path.with_name(path.name + ending)


def _same_inode(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False


def check_output(path: Path) -> None:
    """Raises UsageError unless the path is free or a plain file with one name, in an existing folder."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        found = None
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
    if found is not None:
        kind = _odd_kind(found)
        if kind:
            raise UsageError(
                "output-refused",
                f"{path} is {kind}",
                cause="only a plain file may be replaced, so that nothing else is overwritten by surprise",
                next_step="remove it or give another output path",
            )
    if not path.parent.is_dir():
        raise UsageError(
            "output-folder-missing",
            f"the folder {path.parent} does not exist",
            cause="a folder is never made for an output",
            next_step=f"mkdir -p {path.parent}",
        )


def _odd_kind(found: os.stat_result) -> str:
    if stat.S_ISLNK(found.st_mode):
        return "a symbolic link"
    if stat.S_ISDIR(found.st_mode):
        return "a folder"
    if not stat.S_ISREG(found.st_mode):
        return "not a plain file"
    return "a file with more than one name (hard link)" if found.st_nlink > 1 else ""


@contextmanager
def new_file(destination: Path) -> Iterator[Path]:
    """Gives a private temporary file (0600) in the destination's folder; makes it the destination at the end.

    The file exists, empty, when the block starts. When the block ends it is flushed to disk and renamed over the
    destination; when the block raises, it and SQLite's companions of it are removed and the destination is as before.
    What a killed process left in the folder is removed first.
    Raises UsageError for an output that is refused and OperationFailed "disk-full" or "output-unwritable".
    """
    check_output(destination)
    try:
        _remove_leftovers(destination.parent)
        temporary, descriptor = _create(destination)
    except OSError as error:
        raise _unwritable(destination, error) from error
    try:
        try:
            yield temporary
        except OSError as error:
            if error.errno not in _NO_ROOM_OR_RIGHT:
                raise
            raise _unwritable(destination, error) from error
        made = os.fstat(descriptor)
        if not os.path.samestat(made, temporary.lstat()):
            raise OperationFailed(
                "output-replaced",
                f"{temporary.name} was replaced while it was being written",
                cause="another program changed the folder",
                next_step=f"make sure that only you can write to {destination.parent}",
            )
        os.fsync(descriptor)
        check_output(destination)
        temporary.rename(destination)
        _sync_folder(destination.parent)
    except OSError as error:
        raise _unwritable(destination, error) from error
    except sqlite3.Error as error:
        failed = write_failure(destination, error)
        if failed is None:
            raise
        raise failed from error
    finally:
        os.close(descriptor)
        for leftover in (temporary, *(companion(temporary, ending) for ending in COMPANIONS)):
            leftover.unlink(missing_ok=True)


def _create(destination: Path) -> tuple[Path, int]:
    """A new temporary file and its descriptor, whose lock says that somebody is still writing to it."""
    while True:
        temporary = destination.with_name(f".{destination.name[:100]}.tmp-{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Another process may have taken it for a leftover between these two calls.
        if temporary.exists():
            return temporary, descriptor
        os.close(descriptor)


def _remove_leftovers(folder: Path) -> None:
    """Removes the temporary files of processes that were killed: those that nobody holds a lock on."""
    for leftover in folder.glob(".*.tmp-*"):
        if not _TEMPORARY.fullmatch(leftover.name):
            continue
        try:
            descriptor = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            continue  # somebody else's, or gone already
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name in (leftover, *(companion(leftover, ending) for ending in COMPANIONS)):
                name.unlink(missing_ok=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_failure(path: Path, error: sqlite3.Error) -> SdconsoleError | None:
    """The failure when SQLite could not write to `path`; None when the error is about something else."""
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL:
        return _disk_full(path, str(error))
    if code in (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE):
        return OperationFailed(
            "output-unwritable",
            f"{path} could not be written",
            cause=f"{error} ({error.sqlite_errorname})",
            state="nothing was left under that name",
            next_step="check the disk, its quota and the limits of this process (ulimit -f), then try again",
        )
    return None


def _disk_full(path: Path, cause: str) -> OperationFailed:
    return OperationFailed(
        "disk-full",
        f"no space left for {path}",
        cause=cause,
        state="the unfinished file was removed",
        next_step=f"free space on the file system of {path.parent}, or give another folder, then try again",
    )


def _unwritable(path: Path, error: OSError | ValueError) -> OperationFailed:
    code = error.errno if isinstance(error, OSError) else None
    if code in (errno.ENOSPC, errno.EDQUOT):
        return _disk_full(path, str(error))
    return OperationFailed(
        "output-unwritable",
        f"{path} could not be written",
        cause=f"{type(error).__name__}: {error}",
        state="nothing was left under that name",
        next_step=f"make {path.parent} writable for this user, or give another output path",
    )
