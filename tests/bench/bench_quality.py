"""Profile and clean against reading every row once with sqlite3: ratios, scaling and memory, each with its bar.

Every piece of work runs in a fresh process that measures itself, all of them in turns, and the best turn counts: so
neither a warm cache nor a busy neighbour favours one of them. Imports and the making of the exports are not measured.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from sdconsole.contract.load import load_contract
from sdconsole.quality.clean.writing import clean_database
from sdconsole.quality.profile.database import profile_database
from sdconsole.quality.profile.model import profile_from_dict
from sdconsole.source.generate import generate
from sdconsole.source.open import file_sha256
from tests.bench.measure import read_every_row

SIZES = (266_622, 1_000_000)
LIMITS = {"profile": 2.0, "clean": 1.5}
"""Times the reading of every row, in wall time."""
MOST_GROWTH = 1.10
"""Time for a row in the larger export against the smaller one."""
MOST_MB = 150.0
_SECONDS_BETWEEN_LOOKS = 0.05


@dataclass(frozen=True, slots=True)
class Turn:
    """What one process measured of itself."""

    wall: float
    cpu: float
    rows: int
    peak_mb: float


def silent(done: int, total: int | None) -> None:
    """Nobody watches the progress of a bench."""


def read_work(export: Path, folder: Path) -> Callable[[], int]:
    def work() -> int:
        read_every_row(export)
        return 0

    return work


def profile_work(export: Path, folder: Path) -> Callable[[], int]:
    contract = load_contract()
    digest = file_sha256(export)  # known from the backup, which made the file

    def work() -> int:
        profile = profile_database(export, contract, progress=silent, digest=digest)
        (folder / f"{export.stem}.profile.json").write_text(json.dumps(profile.to_dict()))
        return profile.rows

    return work


def clean_work(export: Path, folder: Path) -> Callable[[], int]:
    contract = load_contract()
    profile = profile_from_dict(json.loads((folder / f"{export.stem}.profile.json").read_text()))
    output = folder / f"{export.stem}.clean.db"
    output.unlink(missing_ok=True)

    def work() -> int:
        return clean_database(export, output, contract, profile, run_id="bench", progress=silent).rows_in

    return work


WORKS: Mapping[str, Callable[[Path, Path], Callable[[], int]]] = {
    "read": read_work,
    "profile": profile_work,
    "clean": clean_work,
}


def measured(name: str, export: Path, folder: Path) -> Turn:
    """This process does the work once."""
    work = WORKS[name](export, folder)
    with _Peak() as peak:
        cpu, wall = _cpu_seconds(), time.perf_counter()
        rows = work()
        wall, cpu = time.perf_counter() - wall, _cpu_seconds() - cpu
    return Turn(wall, cpu, rows, peak.megabytes)


class _Peak:
    """The most memory that this process and those it starts hold together; pages they share count once."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        me = psutil.Process()
        while not self._over.wait(_SECONDS_BETWEEN_LOOKS):
            with suppress(psutil.Error):  # a process has ended meanwhile
                together = sum(_held(process) for process in (me, *me.children()))
                self.megabytes = max(self.megabytes, together / 1e6)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _held(process: psutil.Process) -> int:
    memory = process.memory_full_info()
    return int(getattr(memory, "pss", memory.uss))


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def in_fresh_process(name: str, export: Path, folder: Path) -> Turn:
    command = [sys.executable, "-m", "tests.bench.bench_quality", "--work", name, str(export), str(folder)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    return Turn(**json.loads(ended.stdout))


def best_of_turns(export: Path, folder: Path, turns: int) -> dict[str, Turn]:
    """The quickest turn of each work, with the highest peak of all its turns."""
    seen: dict[str, list[Turn]] = {name: [] for name in WORKS}
    for _ in range(turns):
        for name in WORKS:
            seen[name].append(in_fresh_process(name, export, folder))
    best = {}
    for name, found in seen.items():
        quickest = min(found, key=lambda turn: turn.wall)
        least_cpu = min(turn.cpu for turn in found)
        best[name] = Turn(quickest.wall, least_cpu, quickest.rows, max(turn.peak_mb for turn in found))
    return best


def judged(what: str, value: float, bar: float, unit: str) -> bool:
    word = "PASS" if value <= bar else "FAIL"
    print(f"  {what:<46} {value:8.2f} {unit:<2}  bar {bar:6.2f}  {word}")
    return value <= bar


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", nargs=3, metavar=("NAME", "EXPORT", "FOLDER"), help="measure one work in here")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--dirt", default="baseline")
    asked = parser.parse_args()
    if asked.work:
        turn = measured(asked.work[0], Path(asked.work[1]), Path(asked.work[2]))
        print(json.dumps({"wall": turn.wall, "cpu": turn.cpu, "rows": turn.rows, "peak_mb": turn.peak_mb}))
        return 0
    passed = True
    sizes: list[dict[str, Turn]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rows in asked.sizes:
            export = folder / f"export-{rows}.db"
            generate(export, contract=load_contract(), rows=rows, dirt=asked.dirt)
            best = best_of_turns(export, folder, asked.turns)
            sizes.append(best)
            print(f"{best['profile'].rows:,} rows, dirt {asked.dirt}, best of {asked.turns} turns")
            for work, turn in best.items():
                print(f"  {work:<10} {turn.wall:7.2f} s wall {turn.cpu:7.2f} s CPU {turn.peak_mb:6.0f} MB")
            for work, limit in LIMITS.items():
                passed &= judged(f"{work}, wall", best[work].wall / best["read"].wall, limit, "x")
                print(f"  {work + ', CPU':<46} {best[work].cpu / best['read'].cpu:8.2f} x")
                passed &= judged(f"{work}, peak memory", best[work].peak_mb, MOST_MB, "MB")
            for made in folder.glob(f"{export.stem}*"):
                made.unlink()
    if len(sizes) > 1:
        small, large = sizes[0], sizes[-1]
        print(f"time for a row, {large['profile'].rows:,} rows against {small['profile'].rows:,}")
        for work in LIMITS:
            growth = (large[work].wall / large[work].rows) / (small[work].wall / small[work].rows)
            passed &= judged(f"{work}, wall", growth, MOST_GROWTH, "x")
            growth = (large[work].cpu / large[work].rows) / (small[work].cpu / small[work].rows)
            print(f"  {work + ', CPU':<46} {growth:8.2f} x")
    print("PASS" if passed else "FAIL")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
