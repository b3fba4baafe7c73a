"""SQL conditions that find the cells cleaning has to look at, so that Python never sees the others.

A condition may be true for a cell that turns out to be canonical, and is never false (nor NULL) for one that is not.
Where a column has few different values they are cleaned once, and the condition names those that change. Conditions
rely on counts of the profile, so they hold only for the bytes that were profiled. Knows no rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sdconsole.contract.model import Contract, Kind
from sdconsole.quality.clean.cells import FLAG_WORDS
from sdconsole.quality.clean.columns import ColumnCleaner
from sdconsole.quality.clean.numbers import INTEGER_BITS
from sdconsole.quality.profile.model import ColumnProfile
from sdconsole.quality.texts import words_of
from sdconsole.quality.values import MAX_EXACT_FLOAT
from sdconsole.source.catalog import SourceTable, quote
from sdconsole.source.refusal import reading

_FEW_VALUES = 2_000
_MOST_NAMED = 200
_LONGEST_NAMED = 1_000


@dataclass(frozen=True, slots=True)
class Sieve:
    """A condition over the columns of one table, and the values of its parameters."""

    condition: str
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class SieveMaker:
    """Makes the sieve of one table. `stores_as_cleaned(cleaner, raw)` = copying the raw value stores the clean one."""

    source: sqlite3.Connection
    stored: SourceTable
    contract: Contract
    stores_as_cleaned: Callable[[ColumnCleaner, object], bool]

    def make(self, columns: Sequence[tuple[ColumnCleaner, str | None, ColumnProfile | None, bool]]) -> Sieve | None:
        """`columns`: cleaner, name in the snapshot, profile, and whether it may not be NULL. None = look at all."""
        conditions: list[str] = []
        values: list[object] = []
        for cleaner, name, found, required in columns:
            if name is None or found is None or found.bad_utf8:
                return None
            cell = f"{quote(name)} COLLATE BINARY"
            condition, named = self._condition(cleaner, quote(name), cell, found)
            conditions.append(f"({condition})" + (f" OR {quote(name)} IS NULL" if required else ""))
            values += named
        return Sieve(" OR ".join(conditions) or "0", tuple(values))

    def _condition(
        self, cleaner: ColumnCleaner, name: str, cell: str, found: ColumnProfile
    ) -> tuple[str, Sequence[object]]:
        column = cleaner.column
        if not column.checked:
            if column.kind is Kind.INTEGER:
                return _odd_integer(name, cell, cleaner), ()
            if column.kind is Kind.TIMESTAMP:
                # What SQLite prints for a moment is the canonical form. Without adding something it would print the
                # 31 February it was given; and it knows a year 0, which Python does not.
                return f"{cell} IS NOT datetime({name}, '+0 days') OR {cell} < '0001'", ()
            if column.kind is Kind.TEXT and not column.keep_padding:
                return self._odd_text(cleaner, name, cell, found), ()
            if column.kind is Kind.FLAG:
                return f"{cell} NOT IN (?, ?)", column.flag or FLAG_WORDS
            if column.kind is Kind.DECIMAL and (scale := column.numeric_scale) and _fits_a_double(*scale):
                return _odd_decimal(name, cell, *scale), ()
        return self._odd_values(cleaner, name, cell, found)

    def _odd_text(self, cleaner: ColumnCleaner, name: str, cell: str, found: ColumnProfile) -> str:
        odd = [
            f"typeof({name}) NOT IN ('text', 'null')",
            f"{cell} NOT BETWEEN '!' AND '~'",
            f"substr({name}, -1) NOT BETWEEN '!' AND '~'",
            f"instr({name}, char(13))",
            f"instr({name}, char(10, 10, 10, 10))",
        ]
        if found.nul_characters:
            odd.append(f"instr({name}, char(0))")
        words = words_of(cleaner.column, self.contract).missing
        if words and (found.tokens or found.intended is not cleaner.column.kind):
            longer = "?" * (max(map(len, words)) + 1) + "*"
            listed = ", ".join("'" + word.replace("'", "''") + "'" for word in sorted(words))
            spelt = f"{name} COLLATE NOCASE IN ({listed}) OR {name} GLOB '*[^!-~]*'"
            odd.append(f"{name} NOT GLOB '{longer}' AND ({spelt})")
        return " OR ".join(odd)

    def _odd_values(
        self, cleaner: ColumnCleaner, name: str, cell: str, found: ColumnProfile
    ) -> tuple[str, Sequence[object]]:
        """Those of few different values that change."""
        everything = f"{name} IS NOT NULL"
        if found.distinct > _FEW_VALUES or (found.longest_text or 0) > _LONGEST_NAMED:
            return everything, ()
        query = (
            f"SELECT DISTINCT {cell}, typeof({name}) FROM {quote(self.stored.name)} NOT INDEXED"  # noqa: S608
            f" WHERE {everything} LIMIT {2 * _FEW_VALUES}"
        )
        with reading(self.source):
            different = [value for value, _ in self.source.execute(query)]
        changing = [value for value in different if not self.stores_as_cleaned(cleaner, value)]
        if len(changing) > _MOST_NAMED or len(different) == 2 * _FEW_VALUES:
            return everything, ()
        if not changing:
            return "0", ()
        return f"{cell} IN ({', '.join('?' * len(changing))})", changing


def _fits_a_double(precision: int, scale: int) -> bool:
    """Whether every number of that type is told apart by 15 digits, and none is printed with an exponent."""
    return precision <= 15 and scale <= 4


def _odd_decimal(name: str, cell: str, precision: int, scale: int) -> str:
    """Whatever is not the REAL nearest to a number with so many decimals; negative numbers are looked at too."""
    shift = 10**scale
    tidy = (
        f"typeof({name}) IN ('integer', 'real') AND {cell} >= 0 AND {cell} < {10 ** (precision - scale)}"
        f" AND CAST({name} * {shift}.0 + 0.5 AS INTEGER) / {shift}.0 = {cell}"
    )
    return f"{name} IS NOT NULL AND NOT ({tidy})"


def _odd_integer(name: str, cell: str, cleaner: ColumnCleaner) -> str:
    whole = (
        f"typeof({name}) = 'real' AND {cell} = CAST({name} AS INTEGER)"
        f" AND {cell} BETWEEN -{MAX_EXACT_FLOAT} AND {MAX_EXACT_FLOAT}"
    )
    odd = [f"{name} IS NOT NULL AND typeof({name}) <> 'integer' AND NOT ({whole})"]
    bits = INTEGER_BITS[cleaner.column.type]
    if cleaner.is_key and cleaner.column.positive:
        odd.append(f"{cell} <= 0")
    elif bits < 63:
        odd.append(f"{cell} < -{1 << bits}")
    if bits < 63:
        odd.append(f"{cell} > {(1 << bits) - 1}")
    return " OR ".join(odd)
