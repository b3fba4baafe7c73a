"""What is kept between runs so that counters only grow: each run's part, by run id, in one file of the state folder.

A run whose journal grew is measured anew and takes the place of its old part; a run whose folder is gone keeps its
part. Old parts are put together into one, so that the file stays small.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from pydantic import TypeAdapter, ValidationError

from sdconsole.core import runs
from sdconsole.errors import OperationFailed
from sdconsole.observe.measure import Group, RunMeasure, Sample, measure_run

FOLDER = "metrics"
STATE = "state.json"
_SCHEMA = 1
_MOST_PARTS = 50
_LATEST_RUNS = 5
_FEWEST_RUNS = 3


@dataclass(slots=True)
class Part:
    """One run's measures, or many old runs' together. `size` = bytes of the journal when it was read."""

    size: int
    counters: list[Sample] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)
    durations: list[tuple[str, str, float]] = field(default_factory=list)
    score: tuple[str, float] | None = None
    imported: str | None = None


@dataclass(slots=True)
class Kept:
    """`old` = the parts that were put together, those up to the run `oldest`."""

    schema: int = _SCHEMA
    oldest: str = ""
    old: Part = field(default_factory=lambda: Part(0))
    runs: dict[str, Part] = field(default_factory=dict)


_KEPT = TypeAdapter(Kept)


def metrics_folder(state_dir: Path) -> Path:
    return state_dir / FOLDER


def collect(state_dir: Path, *, write: bool = True) -> tuple[Sample, ...]:
    """Brings the kept parts up to date with the journals and returns every sample they make.

    `write` False keeps nothing. Raises OperationFailed ("metrics-state-damaged") and OSError.
    """
    if not write:
        kept = _read(metrics_folder(state_dir) / STATE)
        _catch_up(kept, state_dir)
        return tuple(_samples(kept))
    folder = runs.private_folder(metrics_folder(state_dir))
    with locked_folder(folder):
        kept = _read(folder / STATE)
        if _catch_up(kept, state_dir):
            runs.write_private(folder / STATE, _KEPT.dump_json(kept))
        return tuple(_samples(kept))


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Nobody else writes here meanwhile; so what a killed process was writing is dead, and goes."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for unfinished in folder.glob(".*.tmp"):
            unfinished.unlink()
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> Kept:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Kept()
    try:
        kept = _KEPT.validate_json(content)
        if kept.schema != _SCHEMA:
            raise ValueError(f"schema {kept.schema}")
    except (ValidationError, ValueError) as error:
        raise OperationFailed(
            "metrics-state-damaged",
            f"{path} cannot be read",
            cause=str(error).splitlines()[0],
            next_step="move that file away; counters start again from the runs that are on record",
        ) from error
    return kept


def _catch_up(kept: Kept, state_dir: Path) -> bool:
    """Measures the runs whose journals changed. Returns whether there were any."""
    changed = False
    for journal in sorted(runs.runs_folder(state_dir).glob(f"r-*/{runs.JOURNAL}")):
        run, size = journal.parent.name, journal.stat().st_size
        known = kept.runs.get(run)
        if known is not None and known.size == size:
            continue
        if known is None and run <= kept.oldest:
            continue
        kept.runs[run] = _part(measure_run(journal.parent), size)
        changed = True
    while len(kept.runs) > _MOST_PARTS:
        oldest = kept.oldest = min(kept.runs)
        kept.old = _merged(kept.old, kept.runs.pop(oldest))
        changed = True
    return changed


def _part(measured: RunMeasure, size: int) -> Part:
    counters = [(name, labels, float(value)) for (name, labels), value in sorted(measured.counters.items())]
    return Part(size, counters, measured.groups, measured.durations, measured.score, measured.imported)


def _merged(one: Part, other: Part) -> Part:
    """Both as one: counts added up, of values the newest."""
    newest = other if (other.imported or "") >= (one.imported or "") else one
    counters = [(name, labels, value) for (name, labels), value in sorted(_added([one, other]).items())]
    return Part(0, counters, _newest([one, other]), other.durations, newest.score, newest.imported)


def _added(parts: list[Part]) -> dict[tuple[str, tuple[str, ...]], float]:
    total: dict[tuple[str, tuple[str, ...]], float] = {}
    for part in parts:
        for name, labels, value in part.counters:
            total[name, labels] = total.get((name, labels), 0.0) + value
    return total


def _newest(parts: list[Part]) -> dict[str, Group]:
    found: dict[str, Group] = {}
    for part in parts:
        for name, group in part.groups.items():
            if name not in found or group.at >= found[name].at:
                found[name] = group
    return found


def _samples(kept: Kept) -> Iterator[Sample]:
    parts = [kept.old, *(kept.runs[run] for run in sorted(kept.runs))]
    yield from ((name, labels, value) for (name, labels), value in sorted(_added(parts).items()))
    for group in _newest(parts).values():
        yield from group.samples
    yield from _medians(parts)
    yield from _previous_score(parts)


def _medians(parts: list[Part]) -> Iterator[Sample]:
    by_stage: dict[str, list[tuple[str, float]]] = {}
    for part in parts:
        for at, stage, seconds in part.durations:
            by_stage.setdefault(stage, []).append((at, seconds))
    for stage, times in by_stage.items():
        before = [seconds for _, seconds in sorted(times)[:-1]][-_LATEST_RUNS:]
        if len(before) >= _FEWEST_RUNS:
            yield "etl_stage_duration_median_seconds", (stage,), median(before)


def _previous_score(parts: list[Part]) -> Iterator[Sample]:
    """The score of the newest import before the run that was scored last."""
    scored = [part for part in parts if part.score is not None]
    last = max(scored, key=lambda part: part.score[0] if part.score else "", default=None)
    earlier = [part for part in scored if part is not last and part.imported]
    if last is not None and earlier:
        newest = max(earlier, key=lambda part: part.imported or "")
        if newest.score is not None:
            yield "etl_quality_score_previous", (), newest.score[1]
