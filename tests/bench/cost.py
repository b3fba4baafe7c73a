"""What a piece of work costs: seconds on the clock, and seconds of processor time here, in children and on the server.

The clock decides, but on a machine that others use it also counts their work. Processor time does not, so both are
measured and both are printed, together with how many cores others kept busy meanwhile.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True, order=True)
class Cost:
    """`wall` and `cpu` are seconds; `others` is how many cores other programs kept busy meanwhile."""

    wall: float
    cpu: float
    others: float = 0.0


class Meter:
    """Counts this process and all it started, and the server of the given postmaster."""

    def __init__(self, postmaster: int) -> None:
        self._roots = (psutil.Process(), psutil.Process(postmaster))

    def cpu_seconds(self) -> float:
        """Processor time so far. What ended is counted by its parent, once that has noticed."""
        total = 0.0
        family = {process.pid: process for root in self._roots for process in (root, *root.children(recursive=True))}
        for process in family.values():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def cost(self, work: Callable[[], float | None]) -> Cost:
        """Does the work, which may say itself how many seconds of it count."""
        busy, cpu, started = busy_seconds(), self.cpu_seconds(), time.perf_counter()
        said = work()
        wall = time.perf_counter() - started
        spent = self.cpu_seconds() - cpu
        others = max(0.0, busy_seconds() - busy - spent) / wall
        return Cost(wall if said is None else said, spent, others)


def busy_seconds() -> float:
    """Processor time that all programs together have used so far."""
    times = psutil.cpu_times()
    return sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq", "steal"))


def in_turns(meter: Meter, works: Mapping[str, Callable[[], float | None]], turns: int) -> dict[str, Cost]:
    """The least of each work, all of them done in turns, so that a busy machine is busy for all of them."""
    costs: dict[str, list[Cost]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            costs[name].append(meter.cost(work))
    return {name: least(found) for name, found in costs.items()}


def least(costs: list[Cost]) -> Cost:
    """The shortest wall time and the least processor time, which need not be of the same turn."""
    others = sum(cost.others for cost in costs) / len(costs)
    return Cost(min(cost.wall for cost in costs), min(cost.cpu for cost in costs), others)


class Report:
    """Rows of a table as they are measured, then the bars; counts those that were missed."""

    def __init__(self, yardstick: str) -> None:
        self._yardstick = yardstick
        self.missed: list[str] = []

    def head(self, title: str) -> None:
        print(f"\n{title}")
        print(f"{'':<34} {'wall':>9} {'CPU':>9} {'wall':>7} {'CPU':>7}  times {self._yardstick}")

    def row(self, name: str, cost: Cost, yardstick: Cost) -> None:
        print(
            f"{name:<34} {cost.wall:7.2f} s {cost.cpu:7.2f} s"
            f" {cost.wall / yardstick.wall:7.2f} {cost.cpu / yardstick.cpu:7.2f}",
            flush=True,
        )

    def ratio(self, name: str, cost: Cost, other: Cost, limit: float) -> None:
        """The bar for how many times the other this costs."""
        self.bar(name, cost.wall / other.wall, limit, cpu=cost.cpu / other.cpu)

    def bar(self, name: str, measured: float, limit: float, unit: str = "x", *, cpu: float | None = None) -> None:
        """One line: PASS or FAIL by the clock; the same in processor time for comparison."""
        met = measured <= limit
        beside = "" if cpu is None else f" (processor time {cpu:.2f} {unit})"
        print(f"  {'PASS' if met else 'FAIL'}  {name}: {measured:.2f} {unit}, at most {limit:g}{beside}", flush=True)
        if not met:
            self.missed.append(name)

    def skip(self, name: str, reason: str) -> None:
        print(f"  SKIP  {name}: {reason}", flush=True)

    def end(self, others: float) -> None:
        """What the clock was worth."""
        print(f"\nother programs kept {others:.1f} of {os.cpu_count()} cores busy on average")
        if self.missed:
            print(f"missed: {', '.join(self.missed)}")
