"""What the data should look like: tables, columns, keys, references and rules, as plain data.

Knows neither SQLite nor PostgreSQL connections; `load.py` reads these objects from TOML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, with_config

_STRICT_KEYS = ConfigDict(extra="forbid")


class Kind(StrEnum):
    """What a value means, whatever storage class SQLite gave it."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    REAL = "real"
    TEXT = "text"
    TIMESTAMP = "timestamp"
    FLAG = "flag"
    JSON = "json"


class DateOrder(StrEnum):
    """Which part of a slash date comes first. The last three are findings, never an operator's answer."""

    DMY = "DMY"
    MDY = "MDY"
    YMD = "YMD"
    AMBIGUOUS = "AMBIGUOUS"
    CONFLICT = "CONFLICT"
    NONE = "NONE"


class Severity(StrEnum):
    BLOCKER = "blocker"
    ERROR = "error"
    WARN = "warn"
    INFO = "info"


class Dimension(StrEnum):
    COMPLETENESS = "completeness"
    VALIDITY = "validity"
    CONSISTENCY = "consistency"
    UNIQUENESS = "uniqueness"
    INTEGRITY = "integrity"


_KIND_BY_TYPE = {
    "bigint": Kind.INTEGER,
    "integer": Kind.INTEGER,
    "smallint": Kind.INTEGER,
    "double precision": Kind.REAL,
    "text": Kind.TEXT,
    "timestamp": Kind.TIMESTAMP,
    "jsonb": Kind.JSON,
}
_NUMERIC = re.compile(r"numeric(\((\d+),(\d+)\))?")


@with_config(_STRICT_KEYS)
@dataclass(frozen=True, slots=True)
class Column:
    """One column. `type` is the PostgreSQL type; `fill_percent` documents the usual share of filled cells."""

    name: str
    type: str
    required: bool = False
    not_null: bool = False
    description: str = ""
    date_order: DateOrder | None = None
    minimum: float | None = None
    maximum: float | None = None
    positive: bool = False
    """Greater than zero. A key that is not positive cannot be used: its row goes into quarantine."""
    flag: tuple[str, str] | None = None
    """The spelling of yes and no, e.g. ("Yes", "No"), where the column is a flag."""
    values: tuple[str, ...] = ()
    """The known values; empty = free text."""
    checked: bool = False
    """Whether `values`, `minimum` and `maximum` are enforced: a CHECK constraint in PostgreSQL, and the cells that
    break it go into quarantine. Otherwise such cells are kept and counted by the rules."""
    missing_tokens: tuple[str, ...] | None = None
    """Overrides the contract's tokens; () = no token means missing."""
    keep_tokens: tuple[str, ...] = ()
    """Tokens that count as missing in the score but stay in the data as they are."""
    keep_padding: bool = False
    default: str = ""
    """An SQL default for rows that later writers add; never used to fill a gap in the export."""

    @property
    def kind(self) -> Kind:
        if self.flag is not None:
            return Kind.FLAG
        if _NUMERIC.fullmatch(self.type):
            return Kind.DECIMAL
        return _KIND_BY_TYPE[self.type]

    @property
    def numeric_scale(self) -> tuple[int, int] | None:
        """(precision, scale) of a bounded numeric, else None."""
        found = _NUMERIC.fullmatch(self.type)
        return (int(found[2]), int(found[3])) if found and found[2] else None


def known_type(type_name: str) -> bool:
    """Whether the contract may use this PostgreSQL type."""
    return type_name in _KIND_BY_TYPE or _NUMERIC.fullmatch(type_name) is not None


@with_config(_STRICT_KEYS)
@dataclass(frozen=True, slots=True)
class Reference:
    """`column` names a row of `table` by `parent_column`. Never enforced: orphans are legal and are counted."""

    column: str
    table: str
    parent_column: str
    max_orphan_percent: float | None = None
    ignore_value: int | None = None


@with_config(_STRICT_KEYS)
@dataclass(frozen=True, slots=True)
class Index:
    columns: tuple[str, ...]
    where: str = ""
    method: str = "btree"
    needs_extension: str = ""


@with_config(_STRICT_KEYS)
@dataclass(frozen=True, slots=True)
class Table:
    """One table. `key` is the primary key; `duplicate_key` finds repeated rows where there is none."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    duplicate_key: tuple[str, ...] = ()
    newest_by: str = ""
    optional: bool = False
    big: bool = False
    """A table that must hold rows, and whose dates the circuit breaker watches."""
    surrogate_key: str = ""
    canary_strata: str = ""
    """The column each of whose values the canary holds the same share of, and at least one row."""
    references: tuple[Reference, ...] = ()
    indexes: tuple[Index, ...] = ()
    description: str = ""

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    @property
    def date_columns(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind is Kind.TIMESTAMP)

    @property
    def row_key(self) -> tuple[str, ...]:
        """What makes two rows the same row: the key, else the duplicate key."""
        return self.key or self.duplicate_key


@with_config(_STRICT_KEYS)
@dataclass(frozen=True, slots=True)
class Rule:
    """One quality rule. `check` names a kind of check in quality/score/rules.py; `options` are its arguments.

    The rule passes while the share of failing rows is at most `tolerance_percent`. `points` is what the rule can
    cost of the 100 (0 = reported only). `sql` is used by the check kind "sql": a query that selects failing rows.
    """

    id: str
    title: str
    check: str
    dimension: Dimension
    severity: Severity
    reason: str
    table: str = ""
    columns: tuple[str, ...] = ()
    tolerance_percent: float = 0.0
    points: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)
    sql: str = ""


@with_config(_STRICT_KEYS)
@dataclass(frozen=True, slots=True)
class Contract:
    """All that is known about an export before it is opened."""

    name: str
    version: str
    tables: tuple[Table, ...]
    rules: tuple[Rule, ...] = ()
    missing_tokens: tuple[str, ...] = ()
    timezone: str = "UTC"
    earliest: str = "2020-01-01"
    latest_days_ahead: int = 30
    automation_accounts: tuple[str, ...] = ()
    closed_statuses: tuple[str, ...] = ()
    believed_percent: int = 95
    """A column's type is believed when at least this share of its values has it."""
    strange_dates_percent: int = 50
    """A column of dates is mistyped when more than this share of its values is not written as a date."""
    grades: tuple[float, float, float, float] = (90.0, 80.0, 70.0, 60.0)
    """The lowest scores that are EXCELLENT, GOOD, ACCEPTABLE and POOR; below the last one is FAILED."""
    source: str = ""
    """Where it was read from, for messages."""
    digest: str = ""
    """SHA-256 of the file it was read from."""

    def table(self, name: str) -> Table | None:
        return next((table for table in self.tables if table.name == name), None)

    def tokens_of(self, column: Column) -> tuple[str, ...]:
        """The tokens that mean "missing" in this column, compared without regard to case."""
        return self.missing_tokens if column.missing_tokens is None else column.missing_tokens

    def columns(self) -> Iterator[tuple[Table, Column]]:
        for table in self.tables:
            for column in table.columns:
                yield table, column
