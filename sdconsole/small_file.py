"""A text that a person wrote: settings, a contract, a runbook. A device, a pipe or a mountain of bytes is none.

Knows nothing of what the text means.
"""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

MOST_BYTES = 4 << 20


def read_small(path: Path, *, most: int = MOST_BYTES) -> bytes:
    """The whole of a regular file. Raises OSError, and ValueError for what is no file or has more bytes than `most`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer must not hang
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError("it is no regular file")
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    return content


def parse_toml(content: bytes | str) -> dict[str, Any]:
    """What a TOML text says. Raises ValueError: it is not UTF-8, no TOML, or nested beyond reason."""
    text = content.decode("utf-8") if isinstance(content, bytes) else content
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("brackets are nested too deeply") from error


def reason(error: OSError | ValueError) -> str:
    """Why a text could not be read, for somebody who knows which file it is."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
