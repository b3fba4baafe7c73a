"""Keeps, for one column, the votes on its dates, the values that are none, and samples for the person who decides."""

from __future__ import annotations

from collections.abc import Collection

from sdconsole.contract.model import DateOrder
from sdconsole.quality.dates.reading import IMPOSSIBLE, DateReader, DateShape, Parsed
from sdconsole.quality.dates.votes import Votes
from sdconsole.quality.profile.model import DateFacts, ValueClass
from sdconsole.quality.values import shown

MAX_CORRUPT_VALUES = 20_000


class DateAccount:
    """Counts are cells. `corrupt_values` are the distinct values that are no date; None = too many to keep."""

    def __init__(
        self, reader: DateReader, *, answer: DateOrder | None, tokens: Collection[str], sample_count: int
    ) -> None:
        self.votes = Votes(reader, answer=answer, tokens=tokens)
        self.corrupt_values: set[object] | None = set()
        self._sample_count = sample_count
        self._corrupt_samples: list[str] = []

    def add(self, value: str | float, count: int) -> Parsed:
        """Counts `count` cells that hold `value`; returns how it reads while no order is known."""
        parsed = self.votes.add(value, count)
        if parsed.shape is DateShape.CORRUPT:
            if self.corrupt_values is not None:
                self.corrupt_values.add(value)
                if len(self.corrupt_values) > MAX_CORRUPT_VALUES:
                    self.corrupt_values = None
            self._sample(self._corrupt_samples, value)
        return parsed

    def take_plain(self, tally: dict[str, int]) -> tuple[int, int]:
        """Counts and removes the values that need no close look; returns the cells with and without a clock time."""
        canonical = self.votes.take_canonical(tally)
        timed, clockless = self.votes.take_written(tally)
        return canonical + timed, clockless

    def _sample(self, samples: list[str], value: object) -> None:
        if len(samples) < self._sample_count and (text := shown(value)) not in samples:
            samples.append(text)

    def facts(self, values: int) -> DateFacts:
        """`values` = the column's non-missing cells; those that were never added are no dates either."""
        votes = self.votes
        span = votes.span
        return DateFacts(
            order=votes.order,
            inferred=votes.inferred,
            answer=votes.answer,
            day_first=votes.day_first,
            month_first=votes.month_first,
            ambiguous=votes.ambiguous,
            unresolved=votes.unresolved,
            against_answer=votes.against_answer,
            canonical=votes.canonical,
            mimics=votes.mimics,
            fixable=votes.fixable,
            corrupt=values - votes.dated,
            impossible=votes.impossible,
            out_of_range=span.implausible,
            first=span.first.isoformat(" ") if span.first else None,
            last=span.last.isoformat(" ") if span.last else None,
            shapes={shape: count for shape, count in sorted(votes.shapes.items()) if count and shape.has_moment},
            flags=dict(sorted(votes.flags.items())),
            corrupt_samples=tuple(self._corrupt_samples),
            ambiguous_samples=tuple(shown(text) for text in votes.ambiguous_texts[: self._sample_count]),
        )


def date_class(parsed: Parsed, text: str) -> ValueClass:
    clockless = parsed.shape.has_moment and ":" not in text
    return ValueClass.DATE if clockless else ValueClass.TIMESTAMP


def looks_dated(text: str, reader: DateReader) -> bool:
    """Whether a text that is no date is at least written like one, such as 31/02/2025."""
    if len(text) > 40 or not text.strip()[:1].isdigit():
        return False
    return IMPOSSIBLE in reader.read(text, DateOrder.NONE).flags
