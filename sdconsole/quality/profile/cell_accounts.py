"""What the numbers, texts and gaps of one column add up to. Fed with distinct values and the cells that hold each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from operator import mul

from sdconsole.quality.texts import BLANKS, untidy_texts
from sdconsole.quality.values import CONTROL, SURROGATE, may_hold_control

_LOOKED_AT_TOGETHER = 256


@dataclass(slots=True)
class NumberAccount:
    """Lowest, highest and mean of numbers, be they stored or spelt."""

    low: float = math.inf
    high: float = -math.inf
    total: float = 0
    cells: int = 0

    def add_all(self, numbers: Mapping[int, int] | Mapping[float, int]) -> None:
        self.low = min(self.low, min(numbers))
        self.high = max(self.high, max(numbers))
        self.total += sum(map(mul, numbers.keys(), numbers.values()))
        self.cells += sum(numbers.values())

    def add(self, number: float, cells: int) -> None:
        self.low = min(self.low, number)
        self.high = max(self.high, number)
        self.total += number * cells
        self.cells += cells

    @property
    def mean(self) -> float | None:
        return self.total / self.cells if self.cells and math.isfinite(self.total) else None


@dataclass(slots=True)
class TextAccount:
    """Lengths, extremes and damage of texts."""

    cells: int = 0
    characters: int = 0
    longest: int | None = None
    first: str | None = None
    """By code points, missing values left out."""
    last: str | None = None
    control: int = 0
    nul: int = 0
    bad_utf8: int = 0
    untidy: int = 0

    def measure(self, texts: Mapping[str, int]) -> None:
        """Counts lengths, control characters, bytes that are no UTF-8 and what cleaning would tidy."""
        lengths = list(map(len, texts))
        self.cells += sum(texts.values())
        self.characters += sum(map(mul, lengths, texts.values()))
        self.longest = max(max(lengths), self.longest or 0)
        values = list(texts)
        for start in range(0, len(values), _LOOKED_AT_TOGETHER):
            together = values[start : start + _LOOKED_AT_TOGETHER]
            if may_hold_control("".join(together)):
                self._count_damage({text: texts[text] for text in together})
        self.untidy += sum(map(texts.__getitem__, untidy_texts(values)))

    def _count_damage(self, texts: Mapping[str, int]) -> None:
        for text, cells in texts.items():
            self.control += cells if CONTROL.search(text) else 0
            self.nul += cells if "\0" in text else 0
            self.bad_utf8 += cells if SURROGATE.search(text) else 0

    def widen(self, texts: Mapping[str, int]) -> None:
        """Keeps the first and the last text."""
        first, last = min(texts), max(texts)
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)

    @property
    def mean_length(self) -> float | None:
        return self.characters / self.cells if self.cells else None


class MissingAccount:
    """Texts that stand for a missing value: '', blanks, and words such as 'nan'. Counts are cells."""

    def __init__(self, words: Collection[str]) -> None:
        self.empty = 0
        self.blank = 0
        self.tokens: Counter[str] = Counter()
        self._words = words
        self._longest = max(map(len, words), default=0)

    def is_missing(self, text: str) -> bool:
        core = text.strip(BLANKS)
        return not core or core.lower() in self._words

    def take(self, texts: Counter[str]) -> None:
        """Counts the missing ones and removes them from `texts`."""
        self.empty += texts.pop("", 0)
        longest, is_missing = self._longest, self.is_missing
        missing = [
            text
            for text in texts
            if (len(text) <= longest or text[0] in BLANKS or text[-1] in BLANKS) and is_missing(text)
        ]
        for text in missing:
            cells = texts.pop(text)
            if core := text.strip(BLANKS):
                self.tokens[core] += cells
            else:
                self.blank += cells

    @property
    def total(self) -> int:
        return self.empty + self.blank + self.tokens.total()
