"""Ratios on this machine, in one run: how many times its yardstick something takes, never seconds alone."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path


def seconds(work: Callable[[], object], *, runs: int = 3) -> float:
    """The shortest wall time of several runs: the one that was disturbed least."""
    best = float("inf")
    for _ in range(runs):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


def read_every_row(path: Path) -> None:
    """The yardstick: each row of each table once, with sqlite3 and nothing else."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            quoted = table.replace('"', '""')
            cursor = db.execute(f'SELECT * FROM "{quoted}"')
            while cursor.fetchmany(2_000):
                pass


def peak_mb(*arguments: str) -> float:
    """The most memory that a command held, in MB."""
    subprocess.run([sys.executable, "-m", "sdconsole", *arguments], check=True, capture_output=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return used / 1e6 if sys.platform == "darwin" else used / 1e3


def show(name: str, measured: float, yardstick: float, unit: str = "x reading every row") -> None:
    print(f"{name:<28} {measured:8.2f} s  {measured / yardstick:6.2f} {unit}")
