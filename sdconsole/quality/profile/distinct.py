"""Counts distinct values in bounded memory: exactly up to a bound, above it by an estimate that says so.

The estimate keeps the k smallest hashes of all values seen (Bar-Yossef et al. 2002, "Counting distinct elements in a
data stream"; the unbiased form (k - 1) / kth smallest is Beyer et al. 2007). Its standard error is 1 / sqrt(k - 2).
The hash does not change between processes, so the same file always gives the same estimate.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast
from zlib import crc32

EXACT_UP_TO = 150_000
SKETCH_SIZE = 16_384
"""k: a standard error of 0.8 percent."""
Value = str | bytes | int | float
_HASH_RANGE = 2**32
_MASK = _HASH_RANGE - 1
_MULTIPLIER = 0x85EBCA6B


class DistinctCounter:
    """Distinct values of one type, given in any number of batches that may repeat each other."""

    def __init__(self, most: int | None = None, *, exact_up_to: int = EXACT_UP_TO) -> None:
        """`most` is how many values there can be; with few enough the count is exact and no sketch is kept."""
        self._bound = exact_up_to
        self._needs_sketch = most is None or most > exact_up_to
        # 64-bit hashes stand for texts: two of 150,000 texts share one with a probability of 6 in 10 billion.
        self._exact: set[int | float] | None = set()
        self._smallest: set[int] = set()
        self._threshold = _HASH_RANGE

    def add(self, values: Collection[Value]) -> None:
        if self._exact is not None:
            are_numbers = isinstance(next(iter(values), None), int | float)
            self._exact.update(cast("Collection[int]", values) if are_numbers else map(hash, values))
            if len(self._exact) > self._bound:
                self._exact = None
        if self._needs_sketch:
            self._sketch(values)

    def _sketch(self, values: Collection[Value]) -> None:
        codes = stable_codes(values)
        if not self._smallest and len(codes) > 8 * SKETCH_SIZE:
            # Of evenly spread hashes twice as many as needed lie below this; the rest need not be kept at all.
            likely = 2 * SKETCH_SIZE * _HASH_RANGE // len(codes)
            lowest = set(_mixed_below(likely, codes))
            if len(lowest) >= SKETCH_SIZE:
                self._smallest, self._threshold = lowest, likely
                return
        self._smallest.update(_mixed_below(self._threshold, codes))
        if len(self._smallest) > 2 * SKETCH_SIZE:
            self._shrink()

    def _shrink(self) -> None:
        kept = sorted(self._smallest)[:SKETCH_SIZE]
        self._smallest = set(kept)
        self._threshold = kept[-1] + 1

    @property
    def exact(self) -> bool:
        return self._exact is not None

    @property
    def count(self) -> int:
        """The exact number, or the estimate."""
        if self._exact is not None:
            return len(self._exact)
        if len(self._smallest) < SKETCH_SIZE:
            return len(self._smallest)
        kth = sorted(self._smallest)[SKETCH_SIZE - 1]
        return round((SKETCH_SIZE - 1) * _HASH_RANGE / (kth + 1))


def stable_codes(values: Collection[Value]) -> list[int]:
    """32 bits of each value, the same in every process. All values have one type.

    CRC-32 of the bytes of a text, the folded bits of a whole number.
    """
    first = next(iter(values), None)
    if isinstance(first, str):
        try:
            return list(map(crc32, map(str.encode, cast("Collection[str]", values))))
        except UnicodeEncodeError:
            return [crc32(value.encode("utf-8", "surrogatepass")) for value in cast("Collection[str]", values)]
    if isinstance(first, bytes):
        return list(map(crc32, cast("Collection[bytes]", values)))
    if isinstance(first, int):
        numbers = cast("Collection[int]", values)
        if min(numbers) >= 0 and max(numbers) <= _MASK:
            return list(numbers)
        return [(value ^ value >> 32) & _MASK for value in numbers]
    return [crc32(b"%r" % value) for value in values]


def _mixed_below(threshold: int, codes: Collection[int]) -> list[int]:
    """The hashes below the threshold: a step of MurmurHash3, which spreads the codes at the upper end."""
    return [mixed for code in codes if (mixed := (code ^ code >> 16) * _MULTIPLIER & _MASK) < threshold]
