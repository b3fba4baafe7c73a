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
_NEVER = "0"
_OUTLINE_LENGTH = len("YYYY-MM-DD HH:MM:SS")
_TEXT_OR_NULL = frozenset({"text", "null"})


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL that is true for the odd cells of the column at position `at`, and the values of its parameters."""

    at: int
    sql: str
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Sieve:
    """`required` also finds the cells that are NULL. A column that is in neither holds nothing to look at."""

    conditions: tuple[Condition, ...]
    required: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class LookedAt:
    """A column that may hold odd cells, at position `at` of its table; `required` = it may not be NULL."""

    at: int
    cleaner: ColumnCleaner
    name: str | None
    """In the snapshot."""
    found: ColumnProfile | None
    required: bool


@dataclass(frozen=True, slots=True)
class SieveMaker:
    """Makes the sieve of one table. `stores_as_cleaned(cleaner, raw)` = copying the raw value stores the clean one."""

    source: sqlite3.Connection
    stored: SourceTable
    contract: Contract
    stores_as_cleaned: Callable[[ColumnCleaner, object], bool]

    def make(self, columns: Sequence[LookedAt]) -> Sieve | None:
        """None = conditions would not do: all cells have to be looked at."""
        conditions: list[Condition] = []
        required: list[Condition] = []
        for one in columns:
            if one.name is None or one.found is None or one.found.bad_utf8:
                return None
            name = quote(one.name)
            # The plus takes the declared type out of it: a NUMERIC column would compare with 1 where '0001' is meant.
            sql, values = self._condition(one.cleaner, name, f"(+{name}) COLLATE BINARY", one.found)
            if sql != _NEVER:
                conditions.append(Condition(one.at, sql, tuple(values)))
            if one.required:
                required.append(Condition(one.at, f"{name} IS NULL OR {sql}", tuple(values)))
        return Sieve(tuple(conditions), tuple(required))

    def _condition(
        self, cleaner: ColumnCleaner, name: str, cell: str, found: ColumnProfile
    ) -> tuple[str, Sequence[object]]:
        column = cleaner.column
        if not column.checked:
            if column.kind is Kind.INTEGER:
                return _odd_integer(name, cell, cleaner, found), ()
            if column.kind is Kind.TIMESTAMP:
                return _odd_moment(name, cell, found), ()
            if column.kind is Kind.TEXT and not column.keep_padding:
                return self._odd_text(cleaner, name, cell, found), ()
            if column.kind is Kind.FLAG:
                return f"{cell} <> ? AND {cell} <> ?", column.flag or FLAG_WORDS
            if column.kind is Kind.DECIMAL and (scale := column.numeric_scale) and _fits_a_double(*scale):
                return _odd_decimal(name, cell, *scale), ()
        return self._odd_values(cleaner, name, cell, found)

    def _odd_text(self, cleaner: ColumnCleaner, name: str, cell: str, found: ColumnProfile) -> str:
        """Where SQLite can choose, what it does at the speed of memory: instr() goes from character to character."""
        odd = []
        if not found.storage.keys() <= _TEXT_OR_NULL:
            odd.append(f"typeof({name}) NOT IN ('text', 'null')")
        if found.untidy:
            odd += [
                f"{cell} NOT BETWEEN '!' AND '~'",
                f"substr(CAST({name} AS BLOB), -1) NOT BETWEEN x'21' AND x'7e'",
                f"{name} GLOB '*' || char(13) || '*'",
                f"{name} GLOB '*' || char(10, 10, 10, 10) || '*'",
            ]
        elif found.empty:
            odd.append(f"{cell} = ''")
        if found.nul_characters:
            odd.append(f"printf('%s', {name}) <> {cell}")  # which ends at the first NUL
        words = words_of(cleaner.column, self.contract).missing
        if words and (found.tokens or found.intended is not cleaner.column.kind):
            longer = "?" * (max(map(len, words)) + 1) + "*"
            listed = ", ".join("'" + word.replace("'", "''") + "'" for word in sorted(words))
            spelt = f"{name} COLLATE NOCASE IN ({listed}) OR {name} GLOB '*[^!-~]*'"
            odd.append(f"{name} NOT GLOB '{longer}' AND ({spelt})")
        return " OR ".join(odd) or _NEVER

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
            return _NEVER, ()
        return f"{cell} IN ({', '.join('?' * len(changing))})", changing


def _odd_moment(name: str, cell: str, found: ColumnProfile) -> str:
    """Whatever is no canonical moment: by its outline, where the profile has seen that nothing else has it."""
    mimics = found.dates is None or found.dates.mimics or found.intended is not Kind.TIMESTAMP
    if not mimics and "blob" not in found.storage and _OUTLINE_LENGTH not in map(len, found.token_counts):
        return f"{name} NOT GLOB '????-??-?? ??:??:??'"
    # What SQLite prints for a moment is the canonical form. Without adding something it would print the
    # 31 February it was given; and it knows a year 0, which Python does not.
    return f"{cell} IS NOT datetime({name}, '+0 days') OR {cell} < '0001'"


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


def _odd_integer(name: str, cell: str, cleaner: ColumnCleaner, found: ColumnProfile) -> str:
    """Whatever SQLite does not store as the same whole number by itself: 7.0 and '7' it does."""
    number = f"CAST({name} AS INTEGER)"
    whole = [f"typeof({name}) = 'integer'"]
    if "real" in found.storage:
        whole.append(
            f"typeof({name}) = 'real' AND {cell} = {number} AND {cell} BETWEEN -{MAX_EXACT_FLOAT} AND {MAX_EXACT_FLOAT}"
        )
    if "text" in found.storage:
        whole.append(f"typeof({name}) = 'text' AND {cell} = CAST({number} AS TEXT)")
    odd = [f"{name} IS NOT NULL AND NOT ({' OR '.join(whole)})"]
    bits = INTEGER_BITS[cleaner.column.type]
    if cleaner.is_key and cleaner.column.positive:
        odd.append(f"{number} <= 0")
    elif bits < 63:
        odd.append(f"{number} < -{1 << bits}")
    if bits < 63:
        odd.append(f"{number} > {(1 << bits) - 1}")
    return " OR ".join(odd)
