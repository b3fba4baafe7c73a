"""Gathers what one column holds, chunk by chunk, and sums it up as a `ColumnProfile`.

Equal values are counted together and each distinct one is looked at once, so a column of a million cells with forty
values costs forty looks. What is counted but not yet looked at is bounded in number and in size. Knows no SQLite
connection and no other column.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from itertools import islice
from types import NoneType
from typing import cast

from sdconsole.contract.model import Column, DateOrder, Kind
from sdconsole.quality.dates.reading import DateReader
from sdconsole.quality.profile.cell_accounts import MissingAccount, NumberAccount, TextAccount
from sdconsole.quality.profile.date_account import DateAccount, date_class, looks_dated
from sdconsole.quality.profile.distinct import DistinctCounter
from sdconsole.quality.profile.model import ColumnProfile, DateFacts, Scalar, ValueClass
from sdconsole.quality.profile.verdicts import (
    detect,
    is_believed,
    is_mismatch,
    meant_for_dates,
    meant_for_numbers,
    recommend,
)
from sdconsole.quality.values import (
    MAX_EXACT_FLOAT,
    classify_text,
    is_json,
    read_decimal,
    read_flag,
    read_integer,
    shown,
)

MAX_HELD_VALUES = 12_000
MAX_HELD_CHARACTERS = 1_000_000
MOST_CATEGORIES = 50
"""With more different values than this, the share of one value says little."""
_SIZED = frozenset({str, bytes})
_NUMBER_TYPES = frozenset({int, float})
_NO_SIZE = frozenset({int, float, NoneType})
_REAL_OR_NULL = frozenset({float, NoneType})
_LONGEST_EXTREME = 200
_NUMBERS = (ValueClass.INTEGER, ValueClass.REAL)
_DATES = (ValueClass.DATE, ValueClass.TIMESTAMP)
_STORAGE = {str: "text", int: "integer", float: "real", bytes: "blob"}


class ColumnPass:
    """The running account of one column. Feed `take`, then call `finish` once."""

    def __init__(
        self,
        name: str,
        declared_type: str,
        column: Column | None,
        *,
        tokens: Collection[str],
        reader: DateReader,
        answer: DateOrder | None = None,
        sample_count: int = 3,
        most_rows: int | None = None,
        believed_percent: int = 95,
        strange_percent: int = 50,
    ) -> None:
        self.name = name
        self._believed_percent = believed_percent
        self._strange_percent = strange_percent
        self.declared_type = declared_type
        self.column = column
        self.intended = column.kind if column else None
        self.meant_for_dates = meant_for_dates(self.intended, declared_type)
        self.dates: DateAccount | None = None
        if self.meant_for_dates or self.intended is None:
            self.dates = DateAccount(reader, answer=answer, tokens=tokens, sample_count=sample_count)
        self._reader = reader
        self._missing = MissingAccount(tokens)
        self._sample_count = sample_count
        self._most_rows = most_rows
        self._held: Counter[object] = Counter()
        self._reals: Counter[object] = Counter()
        self._held_characters = 0
        self._holds_numbers = False
        self._distinct: dict[type, DistinctCounter] = {}
        self._distinct_at_once: dict[type, int] = {}
        self._rows = self._nulls = 0
        self._storage: Counter[str] = Counter()
        self._classes: Counter[ValueClass] = Counter()
        self._convertible = 0
        self._numbers = NumberAccount()
        self._texts = TextAccount()
        self._samples: list[str] = []

    def take(self, cells: tuple[object, ...]) -> int:
        """Counts one chunk; returns how many characters of text it added to what is held."""
        self._rows += len(cells)
        if self._holds_numbers:
            return self._take_with_numbers(cells)
        before = len(self._held)
        self._held.update(cells)
        grown = len(self._held) - before
        if not grown:
            return 0
        new = list(islice(reversed(self._held), grown))
        if _NUMBER_TYPES.isdisjoint(map(type, new)):
            return self._grow(self._held, new)
        # From now on 1 and 1.0 must be kept apart, and in this chunk they were not.
        self._holds_numbers = True
        if not before:
            self._held.clear()
            return self._take_with_numbers(cells)
        for value in new:
            if isinstance(value, int | float):
                del self._held[value]
        numbers = tuple(cell for cell in cells if isinstance(cell, int | float))
        added = self._grow(self._held, [value for value in new if not isinstance(value, int | float)])
        return added + self._take_with_numbers(numbers)

    def _take_with_numbers(self, cells: tuple[object, ...]) -> int:
        kinds = set(map(type, cells))
        if float not in kinds:
            return self._hold(self._held, cells)
        if kinds <= _REAL_OR_NULL:
            return self._hold(self._reals, cells)
        # 1 and 1.0 are one key of a dict, but two values of a column.
        reals = tuple(cell for cell in cells if type(cell) is float)
        others = tuple(cell for cell in cells if type(cell) is not float)
        return self._hold(self._reals, reals) + self._hold(self._held, others)

    def _hold(self, held: Counter[object], cells: tuple[object, ...]) -> int:
        before = len(held)
        held.update(cells)
        grown = len(held) - before
        return self._grow(held, list(islice(reversed(held), grown))) if grown else 0

    def _grow(self, held: Counter[object], new: Collection[object]) -> int:
        """After `new` values came in; returns their characters, and looks at what is held when that is enough."""
        added = _characters(new)
        self._held_characters += added
        if len(held) > MAX_HELD_VALUES or self._held_characters > MAX_HELD_CHARACTERS:
            self._look(held)
            held.clear()
            self._held_characters = 0
        return added

    def _look(self, held: Counter[object], *, last: bool = False) -> None:
        """Looks at each distinct value that is held."""
        self._nulls += held.pop(None, 0)
        kinds = dict.fromkeys(map(type, held))
        for kind in kinds:
            one = held if len(kinds) == 1 else Counter({v: n for v, n in held.items() if type(v) is kind})
            if last and kind not in self._distinct:
                self._distinct_at_once[kind] = len(one)
            else:
                self._distinct.setdefault(kind, DistinctCounter(self._most_rows)).add(cast("Counter[str]", one))
            self._storage[_STORAGE[kind]] += one.total()
            if kind is str:
                self._look_at_texts(cast("Counter[str]", one))
            elif kind is bytes:
                self._classes[ValueClass.BLOB] += one.total()
                self._sample(one)
            else:
                self._look_at_numbers(cast("Counter[float]", one), whole=kind is int)

    def _sample(self, values: Collection[object]) -> None:
        for value in values:
            if len(self._samples) >= self._sample_count:
                return
            self._samples.append(shown(value))

    # -- numbers ------------------------------------------------------------------------------------------------

    def _look_at_numbers(self, held: Counter[float], *, whole: bool) -> None:
        cells = held.total()
        self._sample(held)
        self._numbers.add_all(held)
        if self.meant_for_dates and self.dates is not None:
            for value, count in held.items():
                parsed = self.dates.add(value, count)
                found = ValueClass.TIMESTAMP if parsed.moment else ValueClass.INTEGER if whole else ValueClass.REAL
                self._classes[found] += count
            return
        exact = cells
        if not whole:
            limit = MAX_EXACT_FLOAT
            exact = sum(count for value, count in held.items() if value.is_integer() and abs(value) <= limit)
        if self.intended is Kind.INTEGER:
            self._classes[ValueClass.INTEGER] += exact
            self._classes[ValueClass.REAL] += cells - exact
            self._convertible += exact
        else:
            self._classes[ValueClass.INTEGER if whole else ValueClass.REAL] += cells
            if self.intended is Kind.FLAG:
                self._convertible += sum(count for value, count in held.items() if read_flag(value) is not None)
            elif self.intended is Kind.DECIMAL:
                self._convertible += sum(count for value, count in held.items() if math.isfinite(value))
            elif self.intended is not Kind.JSON:
                self._convertible += cells

    # -- texts --------------------------------------------------------------------------------------------------

    def _look_at_texts(self, held: Counter[str]) -> None:
        self._texts.measure(held)
        if self.meant_for_dates and self.dates is not None:
            self._sample_texts(held)
            timed, clockless = self.dates.take_plain(held)
            self._classes[ValueClass.TIMESTAMP] += timed
            self._classes[ValueClass.DATE] += clockless
            self._missing.take(held)
            self._look_at_dates(held, self.dates)
            return
        self._missing.take(held)
        if not held:
            return
        self._sample(held)
        self._texts.widen(held)
        if self.intended in (Kind.INTEGER, Kind.DECIMAL, Kind.REAL):
            self._look_at_spelt_numbers(held)
        elif self.intended is Kind.FLAG:
            self._convertible += sum(count for text, count in held.items() if read_flag(text) is not None)
        elif self.intended is Kind.JSON:
            self._convertible += sum(count for text, count in held.items() if is_json(text))
        elif self.intended is Kind.TEXT:
            self._convertible += held.total()
        self._classify(held)

    def _sample_texts(self, held: Counter[str]) -> None:
        if len(self._samples) < self._sample_count:
            self._sample([text for text in list(held)[:50] if not self._missing.is_missing(text)])

    def _look_at_spelt_numbers(self, held: Counter[str]) -> None:
        read = read_integer if self.intended is Kind.INTEGER else read_decimal
        for text, count in held.items():
            number = read(text)
            if number is not None:
                self._convertible += count
                self._numbers.add(number if isinstance(number, int) else float(number), count)

    def _look_at_dates(self, held: Counter[str], dates: DateAccount) -> None:
        for text, count in held.items():
            parsed = dates.add(text, count)
            if parsed.shape.has_moment:
                self._classes[date_class(parsed, text)] += count
            else:
                self._classes[classify_text(text, self.intended, self._reader)] += count

    def _classify(self, held: Counter[str]) -> None:
        classes, intended, reader = self._classes, self.intended, self._reader
        dates = self.dates
        for text, count in held.items():
            found = classify_text(text, intended, reader)
            classes[found] += count
            if intended is None and found in _NUMBERS:
                self._numbers.add(float(text) if found is ValueClass.REAL else int(text), count)
            if dates is not None and (found in _DATES or (found is ValueClass.TEXT and looks_dated(text, reader))):
                dates.add(text, count)

    # -- the sum ------------------------------------------------------------------------------------------------

    def finish(self, table: str) -> ColumnProfile:
        """The sum. What was gathered is let go, so that the memory is free for the next table."""
        top = self._top()
        for held in (self._held, self._reals):
            self._look(held, last=True)
            held.clear()
        if self._nulls:
            self._storage["null"] = self._nulls
        missing = self._missing
        values = self._rows - self._nulls - missing.total
        dates = self._date_facts(values)
        detected, matching = detect(self._classes)
        convertible = self._converted(dates, matching)
        counters = tuple(self._distinct.values())
        self._distinct.clear()
        return ColumnProfile(
            table=table,
            name=self.name,
            declared_type=self.declared_type,
            intended=self.intended,
            required=self.column.required if self.column else False,
            rows=self._rows,
            nulls=self._nulls,
            empty=missing.empty,
            blank=missing.blank,
            tokens=missing.tokens.total(),
            token_counts=dict(sorted(missing.tokens.items())),
            non_missing=values,
            storage={storage: count for storage, count in sorted(self._storage.items()) if count},
            classes={value_class: count for value_class, count in sorted(self._classes.items()) if count},
            distinct=sum(self._distinct_at_once.values()) + sum(counter.count for counter in counters),
            distinct_exact=all(counter.exact for counter in counters),
            minimum=self._extreme(dates.first if dates else None, self._numbers.low, self._texts.first),
            maximum=self._extreme(dates.last if dates else None, self._numbers.high, self._texts.last),
            mean=self._numbers.mean,
            mean_text_length=self._texts.mean_length,
            longest_text=self._texts.longest,
            detected=detected,
            matching=matching,
            confidence=matching / values if values else None,
            convertible=convertible,
            believed_percent=self._believed_percent,
            mismatch=is_mismatch(
                self.intended,
                self.declared_type,
                values=values,
                convertible=convertible,
                date_like=dates.date_like if dates else 0,
                numbers=self._storage["integer"] + self._storage["real"],
                believed_percent=self._believed_percent,
                strange_percent=self._strange_percent,
            ),
            recommendation=recommend(
                self.intended,
                self.declared_type,
                detected,
                values=values,
                matching=matching,
                convertible=convertible,
                believed_percent=self._believed_percent,
            ),
            control_characters=self._texts.control,
            nul_characters=self._texts.nul,
            bad_utf8=self._texts.bad_utf8,
            untidy=self._texts.untidy,
            samples=tuple(self._samples),
            top=top,
            dates=dates,
        )

    def _top(self) -> dict[str, int]:
        """Cells by value, the most frequent first, where the column has few different values and is not for dates."""
        few = len(self._held) + len(self._reals) <= MOST_CATEGORIES
        if not few or self._distinct or self.meant_for_dates or not self._sample_count:
            return {}
        found: Counter[str] = Counter()
        for held in (self._held, self._reals):
            for value, cells in held.items():
                if value is not None and not (isinstance(value, str) and self._missing.is_missing(value)):
                    found[shown(value)] += cells
        return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))

    def _date_facts(self, values: int) -> DateFacts | None:
        if self.dates is None:
            return None
        votes = self.dates.votes
        by_looks = is_believed(votes.dated, values, self._believed_percent)
        by_name = self.meant_for_dates and (votes.dated + votes.impossible) * 2 >= values
        return self.dates.facts(values) if self.intended is not None or by_looks or by_name else None

    def _converted(self, dates: DateFacts | None, matching: int) -> int:
        if self.meant_for_dates and dates is not None:
            return dates.canonical + dates.fixable
        if self.intended is not None:
            return self._convertible
        if meant_for_numbers(None, self.declared_type):
            return self._classes[ValueClass.INTEGER] + self._classes[ValueClass.REAL]
        return matching

    def _extreme(self, moment: str | None, number: float, text: str | None) -> Scalar:
        """A moment, else a number, else a text, whichever the column holds."""
        if moment is not None:
            return moment
        if self._numbers.cells > 0 and self._numbers.cells * 2 >= self._classes.total():
            return number if math.isfinite(number) else str(number)
        return None if text is None else shown(text, _LONGEST_EXTREME)


def _characters(values: Collection[object]) -> int:
    """Of the texts, and bytes of the binary values, among them."""
    kinds = set(map(type, values))
    if kinds <= _NO_SIZE:
        return 0
    sized = values if kinds <= _SIZED else [value for value in values if type(value) in _SIZED]
    return sum(map(len, cast("Collection[str]", sized)))
