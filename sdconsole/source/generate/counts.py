"""Whole numbers that add up: exact shares of a total, dealt over the rows in a reproducible order.

Knows nothing of tickets. All randomness comes from `chance`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from math import gcd
from random import Random


def chance(*parts: object) -> Random:
    """A source of chance of its own for each name, e.g. (seed, "tickets", first row); the same in every process."""
    return Random(":".join(str(part) for part in parts))  # noqa: S311  reproducible on purpose, nothing is secret


def apportion(weights: Sequence[float], total: int) -> list[int]:
    """Whole shares of `total` in proportion to the weights (largest remainder; ties go to the first)."""
    weight = sum(weights)
    if weight <= 0:
        return [0] * len(weights)
    exact = [share * total / weight for share in weights]
    counts = [int(share) for share in exact]
    by_remainder = sorted(range(len(weights)), key=lambda index: (counts[index] - exact[index], index))
    for index in by_remainder[: total - sum(counts)]:
        counts[index] += 1
    return counts


def within(counts: Sequence[int], limits: Sequence[int]) -> list[int]:
    """The counts with none above its limit; what is too much goes to the first places that have room."""
    kept = [min(count, limit) for count, limit in zip(counts, limits, strict=True)]
    spare = sum(counts) - sum(kept)
    for index, limit in enumerate(limits):
        more = min(spare, limit - kept[index])
        kept[index] += more
        spare -= more
    return kept


def deal(weights: Sequence[float], total: int, rng: Random) -> array[int]:
    """`total` codes 0..n-1 in random order, each exactly as often as its share says (at most 256 codes)."""
    codes = array("B")
    for code, count in enumerate(apportion(weights, total)):
        codes.extend(array("B", [code]) * count)
    rng.shuffle(codes)
    return codes


def diffuse(weights: Iterable[float], weight: float, total: int) -> Iterator[int]:
    """Whole shares of `total`, one for each weight in turn, whose running sum never strays by more than one.

    `weight` is the sum of the weights; the shares add up to `total`.
    """
    reached, given = 0.0, 0
    for share in weights:
        reached += share
        due = int(reached * total / weight + 0.5) if weight > 0 else 0
        yield due - given
        given = due


class Shuffle:
    """A reproducible permutation of 0..size-1 that needs no memory: index * stride + offset, modulo size."""

    __slots__ = ("offset", "size", "stride")

    def __init__(self, size: int, rng: Random) -> None:
        self.size = max(1, size)
        self.offset = rng.randrange(self.size)
        self.stride = rng.randrange(self.size // 3 + 1, self.size + 1)
        while gcd(self.stride, self.size) != 1:
            self.stride += 1

    def __call__(self, index: int) -> int:
        return (index * self.stride + self.offset) % self.size


class Spread:
    """Which class row `index` of 0..total-1 belongs to: exact counts over all rows, evenly spread, no memory."""

    __slots__ = ("_ends", "_place")

    def __init__(self, counts: Sequence[int], rng: Random) -> None:
        self._ends = list(accumulate(counts))
        self._place = Shuffle(self._ends[-1], rng)

    def __call__(self, index: int) -> int:
        return bisect_right(self._ends, self._place(index))
