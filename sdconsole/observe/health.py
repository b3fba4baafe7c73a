"""Whether the machine can go on: free disk on every file system in use, memory, and the server's answer.

A stage that moves rows asks at least once a second; the error it gets stops it before anything is half written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from sdconsole.errors import OperationFailed


@dataclass(frozen=True, slots=True)
class DiskSpace:
    path: Path
    free_bytes: int
    total_bytes: int


def existing_parent(path: Path) -> Path:
    """The path itself or the nearest folder above it that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def disk_spaces(paths: Iterable[Path]) -> tuple[DiskSpace, ...]:
    """One entry for each file system that the paths lie on (or will lie on)."""
    spaces: dict[int, DiskSpace] = {}
    for path in paths:
        there = existing_parent(path)
        device = there.stat().st_dev
        if device not in spaces:
            usage = psutil.disk_usage(os.fspath(there))
            spaces[device] = DiskSpace(there, usage.free, usage.total)
    return tuple(spaces.values())


@dataclass(frozen=True, slots=True)
class HealthWatch:
    """Raises OperationFailed ("disk-low", "memory-high") once a limit is passed.

    `ping` raises an SdconsoleError itself when the server no longer answers.
    """

    paths: tuple[Path, ...]
    min_free_bytes: int
    max_memory_percent: float
    ping: Callable[[], None] | None = None

    def __call__(self) -> None:
        for space in disk_spaces(self.paths):
            if space.free_bytes < self.min_free_bytes:
                raise OperationFailed(
                    "disk-low",
                    f"only {space.free_bytes / 1e6:,.0f} MB are free on {space.path}",
                    cause=f"the limit is {self.min_free_bytes / 1e6:,.0f} MB (min_free_bytes)",
                    next_step="free space there, then: sdconsole resume",
                )
        used = psutil.virtual_memory().percent
        if used > self.max_memory_percent:
            raise OperationFailed(
                "memory-high",
                f"{used:.0f} % of the memory is in use",
                cause=f"the limit is {self.max_memory_percent:.0f} % (max_memory_percent)",
                next_step="end other programs, then: sdconsole resume",
            )
        if self.ping is not None:
            self.ping()
