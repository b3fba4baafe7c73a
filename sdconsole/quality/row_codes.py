"""One 64-bit code for each row, made of the columns that identify it, to find repeated keys and orphans exactly.

A single whole number is its own code. Everything else is hashed: among a million rows the probability that two
different keys share a code is 3 in 100 million. Eight bytes a row are kept, whatever the keys look like.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from types import NoneType

from sdconsole.contract.model import Column, DateOrder, Kind
from sdconsole.quality.dates.reading import DateReader
from sdconsole.quality.texts import BLANKS, normalise
from sdconsole.quality.values import MIN_INT64, is_missing, read_decimal, read_integer

MISSING = MIN_INT64
"""The code of a row whose key is missing, or cannot be one."""
_REMEMBERED = 20_000
_AT_ONCE = 120_000


@dataclass(frozen=True, slots=True)
class Repeated:
    """`rows` beyond the first of each key; positions (from 0) of one for some keys, and of all that share a key."""

    rows: int
    beyond: list[int]
    sharing: list[int] | None
    """None = too many."""


PartReader = Callable[[object], object]
"""A cell in its canonical form, so that ' 7 ' and 7.0 are the same key; None when it cannot be part of a key."""


def part_reader(
    column: Column | None,
    *,
    tokens: Collection[str],
    reader: DateReader,
    order: DateOrder = DateOrder.NONE,
    on_ambiguous: Callable[[], None] | None = None,
) -> PartReader:
    """Reads one part of a key as cleaning will write it.

    `on_ambiguous` is called for a date that cannot be read without knowing the column's order.
    """
    kind = column.kind if column else None
    padded = column.keep_padding if column else False
    positive = column.positive if column else False

    def read(value: object) -> object:
        core = value.strip(BLANKS) if isinstance(value, str) else value
        if core == "" or is_missing(core, tokens) or isinstance(value, bytes):
            return None if column is not None or not isinstance(value, bytes) else value
        if kind is Kind.TIMESTAMP:
            parsed = reader.read(value, order, tokens)
            if parsed.moment is None and parsed.ambiguous and on_ambiguous is not None:
                on_ambiguous()
            return parsed.moment
        if kind in (Kind.INTEGER, Kind.DECIMAL, Kind.REAL):
            number = read_integer(core) if kind is Kind.INTEGER else read_decimal(core)
            return None if number is None or (positive and number <= 0) else number
        return normalise(value, keep_padding=padded)[0] if isinstance(value, str) else value

    return read


class _Known(dict[object, object]):
    """What each different cell reads as; a bounded memory of the part reader."""

    def __init__(self, read: PartReader) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, cell: object) -> object:
        if len(self) > _REMEMBERED:
            self.clear()
        self[cell] = found = self._read(cell)
        return found


class RowCodes:
    """Codes of all rows in their order. `columns` are the positions of the parts in a row.

    `lowest_whole` says for each part from which number on an INTEGER cell is its own canonical form; None = never.
    """

    def __init__(
        self, columns: Sequence[int], readers: Sequence[PartReader], lowest_whole: Sequence[int | None]
    ) -> None:
        self.columns = tuple(columns)
        self.codes = array("q")
        self._known = tuple(_Known(read) for read in readers)
        self._lowest = tuple(lowest_whole)

    def take(self, row_columns: Sequence[tuple[object, ...]]) -> None:
        """Adds the rows of one chunk, given column by column."""
        parts = []
        for column, known, lowest in zip(self.columns, self._known, self._lowest, strict=True):
            cells = row_columns[column]
            kinds = set(map(type, cells))
            if kinds == {NoneType}:
                self.codes.extend([MISSING] * len(cells))
                return
            if lowest is None or int not in kinds:
                parts.append(tuple(map(known.__getitem__, cells)))
            elif len(kinds) == 1 and min(cells) >= lowest:  # type: ignore[type-var, operator]
                parts.append(cells)
            else:
                parts.append(tuple([c if type(c) is int and c >= lowest else known[c] for c in cells]))
        if len(parts) == 1 and parts[0] is row_columns[self.columns[0]]:
            self.codes.extend(parts[0])  # type: ignore[arg-type]
        elif len(parts) == 1:
            self.codes.extend([c if type(c) is int else MISSING if c is None else hash(c) for c in parts[0]])
        else:
            self.codes.extend([MISSING if None in row else hash(row) for row in zip(*parts, strict=True)])

    def forget(self) -> None:
        """Lets go of what helped to read the rows; the codes stay."""
        for known in self._known:
            known.clear()

    @property
    def missing(self) -> int:
        return self.codes.count(MISSING)

    def repeated(self, limit: int, most: int) -> Repeated:
        """Which rows repeat a key: all counted, `limit` of them named, and all that share one unless above `most`.

        Rows without a key are not compared. Works in parts, so that the memory stays bounded.
        """
        parts = 1 + len(self.codes) // _AT_ONCE
        rows = 0
        shared: set[int] = set()
        for part in range(parts):
            mine = [code for code in self.codes if code % parts == part and code != MISSING]
            once = set(mine)
            rows += len(mine) - len(once)
            if len(mine) != len(once):
                for code in mine:
                    if code in once:
                        once.remove(code)
                    else:
                        shared.add(code)
        return self._named(rows, shared, limit, most) if rows else Repeated(0, [], [])

    def _named(self, rows: int, shared: set[int], limit: int, most: int) -> Repeated:
        seen: set[int] = set()
        named: set[int] = set()
        beyond: list[int] = []
        sharing: list[int] | None = []
        for position, code in enumerate(self.codes):
            if code not in shared:
                continue
            if code not in seen:
                seen.add(code)
            elif len(beyond) < limit and code not in named:
                named.add(code)
                beyond.append(position)
            if sharing is not None:
                sharing.append(position)
                if len(sharing) > most:
                    sharing = None
            elif len(beyond) >= min(limit, len(shared)):
                break
        return Repeated(rows, beyond, sharing)
