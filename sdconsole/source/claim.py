"""A file that must not exist yet: its name is taken first, so that nothing is ever overwritten, not even in a race."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdconsole.errors import OperationFailed, UsageError
from sdconsole.source.output import check_output


@contextmanager
def claimed(path: Path) -> Iterator[Path]:
    """The path as an empty private file (0600), for the block to fill or to rename over; gone again when it raises.

    Raises UsageError "output-exists" for a path that is taken, "output-folder-missing", OperationFailed
    "output-unwritable".
    """
    if not os.path.lexists(path):
        check_output(path)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except FileExistsError as error:
        raise UsageError(
            "output-exists",
            f"{path} exists already",
            cause="it is never overwritten",
            next_step="give another path, or move that file away",
        ) from error
    except OSError as error:
        raise OperationFailed(
            "output-unwritable",
            f"{path} could not be written",
            cause=f"{type(error).__name__}: {error}",
            state="nothing was left under that name",
            next_step=f"make {path.parent} writable for this user, or give another path",
        ) from error
    try:
        yield path
    except BaseException:
        path.unlink(missing_ok=True)
        raise
