"""What a profile says: plain frozen data about tables, columns, dates, references and issues, and its JSON form.

Counts are cells or rows, never distinct values, unless the name says so. `share` is 0 to 1. Knows no SQLite: the pass
that measures is in `profile.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from sdconsole.contract.model import DateOrder, Kind
from sdconsole.quality.dates.reading import DateShape

SCHEMA = 1

Scalar = int | float | str | None


class ValueClass(StrEnum):
    """What one value is, whatever SQLite calls it. Missing cells have no class."""

    INTEGER = "integer"
    REAL = "real"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIME = "time"
    JSON = "json"
    TEXT = "text"
    BLOB = "blob"
    UNKNOWN = "unknown"
    """The column has no values to judge by."""


class Recommendation(StrEnum):
    USE_DETECTED = "USE_DETECTED"
    OVERRIDE_SCHEMA = "OVERRIDE_SCHEMA"
    MANUAL_REVIEW = "MANUAL_REVIEW"
    EMPTY_COLUMN = "EMPTY_COLUMN"


class IssueKind(StrEnum):
    TYPE_MISMATCH = "TYPE_MISMATCH"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    INCONSISTENT_DATE_FORMAT = "INCONSISTENT_DATE_FORMAT"
    AMBIGUOUS_DATE = "AMBIGUOUS_DATE"
    CONFLICTING_DATE_ORDER = "CONFLICTING_DATE_ORDER"
    CORRUPT_DATE = "CORRUPT_DATE"
    OUT_OF_RANGE_DATE = "OUT_OF_RANGE_DATE"
    EMPTY_STRINGS = "EMPTY_STRINGS"
    NULL_MARKER = "NULL_MARKER"
    DUPLICATE_KEY = "DUPLICATE_KEY"
    MISSING_KEY = "MISSING_KEY"
    ORPHANS = "ORPHANS"
    CONTROL_CHARS = "CONTROL_CHARS"
    BAD_UTF8 = "BAD_UTF8"
    BINARY = "BINARY"
    MISSING_TABLE = "MISSING_TABLE"
    MISSING_COLUMN = "MISSING_COLUMN"
    UNKNOWN_TABLE = "UNKNOWN_TABLE"
    UNKNOWN_COLUMN = "UNKNOWN_COLUMN"
    NO_ROWS = "NO_ROWS"


class IssueSeverity(StrEnum):
    """A blocker stops the deployment; an error costs data or trust; the others inform."""

    BLOCKER = "blocker"
    ERROR = "error"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding. `share` is rows / (rows or values it is measured against); `fixable` = cleaning repairs it."""

    kind: IssueKind
    severity: IssueSeverity
    table: str
    column: str
    rows: int
    share: float
    impact: str
    recommendation: str
    fixable: bool


@dataclass(frozen=True, slots=True)
class DateFacts:
    """What a column holds as dates.

    canonical + fixable + unresolved + corrupt = the column's non-missing cells.
    """

    order: DateOrder
    """The order the column is read in: the answer, else the evidence."""
    inferred: DateOrder
    """What the evidence alone says."""
    answer: DateOrder | None
    day_first: int
    month_first: int
    ambiguous: int
    """Cells whose both parts could be a month, converted or not."""
    unresolved: int
    """The ambiguous cells that stay unconverted because nobody knows the order."""
    against_answer: int
    canonical: int
    """Already 'YYYY-MM-DD HH:MM:SS'."""
    mimics: int
    """Cells with the outline of that, such as 2025-02-31 08:00:00, that are no canonical moment."""
    fixable: int
    corrupt: int
    impossible: int
    """The corrupt cells that are written as dates (31/02/2025); the rest is not date-like at all."""
    out_of_range: int
    first: str | None
    last: str | None
    shapes: Mapping[DateShape, int]
    flags: Mapping[str, int]
    corrupt_samples: tuple[str, ...] = ()
    ambiguous_samples: tuple[str, ...] = ()

    @property
    def values(self) -> int:
        """Non-missing cells."""
        return self.canonical + self.fixable + self.unresolved + self.corrupt

    @property
    def date_like(self) -> int:
        return self.values - self.corrupt + self.impossible


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column. rows = nulls + empty + blank + tokens + non_missing."""

    table: str
    name: str
    declared_type: str
    intended: Kind | None
    """The contract's kind; None for a column the contract does not know."""
    required: bool
    rows: int
    nulls: int
    empty: int
    """Cells that hold ''."""
    blank: int
    """Cells that hold blanks only."""
    tokens: int
    """Cells that hold a word for a missing value."""
    token_counts: Mapping[str, int]
    non_missing: int
    storage: Mapping[str, int]
    """Rows per SQLite storage class: null, integer, real, text, blob."""
    classes: Mapping[ValueClass, int]
    distinct: int
    """Distinct values, NULL left out."""
    distinct_exact: bool
    """False: `distinct` is an estimate within about 2 percent."""
    minimum: Scalar
    maximum: Scalar
    mean: float | None
    """Of the numbers."""
    mean_text_length: float | None
    longest_text: int | None
    """In characters."""
    detected: ValueClass
    matching: int
    """Non-missing cells of the detected type."""
    confidence: float | None
    """Matching / non-missing values, 0 to 1; None without values."""
    convertible: int
    """Non-missing cells that fit the intended kind after the transformations that cleaning makes."""
    believed_percent: int
    """From which share on the detected type is believed."""
    mismatch: bool
    """Counts for the circuit breaker: the values are not what the column is for."""
    recommendation: Recommendation
    control_characters: int
    """Cells with a NUL or another control character (tab and line ends are none)."""
    nul_characters: int
    bad_utf8: int
    """Cells whose bytes are not valid UTF-8."""
    untidy: int
    """Cells whose text has blanks around it, line ends that are not LF, four line feeds in a row, or a NUL."""
    samples: tuple[str, ...] = ()
    top: Mapping[str, int] = field(default_factory=dict)
    """Cells by value (shortened), the most frequent first, where there are few different ones; {} elsewhere."""
    dates: DateFacts | None = None
    """Where the column is meant to hold dates, or holds them."""

    @property
    def missing(self) -> int:
        return self.rows - self.non_missing

    @property
    def all_missing(self) -> bool:
        return self.non_missing == 0

    @property
    def constant(self) -> bool:
        """One value in more than one row, and nothing missing."""
        return self.distinct == 1 and self.nulls == 0 and self.rows > 1

    @property
    def unique(self) -> bool:
        """Can serve as a key: a different value in every row."""
        return self.rows > 0 and self.distinct_exact and self.distinct == self.rows == self.non_missing


@dataclass(frozen=True, slots=True)
class ReferenceProfile:
    """How many rows name a row of the parent table that is not there. Counted per row, not per distinct value."""

    column: str
    table: str
    parent_column: str
    values: int
    """Rows with a value that can be looked up; missing, unusable and ignored ones are left out."""
    ignored: int
    orphans: int
    max_orphan_percent: float | None
    parent_present: bool

    @property
    def orphan_share(self) -> float:
        return self.orphans / self.values if self.values else 0.0


@dataclass(frozen=True, slots=True)
class TableProfile:
    """One table of the file. `known` = the contract describes it."""

    name: str
    known: bool
    big: bool
    rows: int
    columns: tuple[ColumnProfile, ...]
    key: tuple[str, ...]
    """The contract's key or duplicate key; for an unknown table its declared primary key."""
    key_is_unique: bool
    """Every row has the key, and no two rows the same one."""
    duplicate_rows: int
    """Rows beyond the first of each key value."""
    key_missing: int
    """Rows where a part of the key is missing."""
    key_samples: tuple[str, ...]
    """Some key values that occur more than once."""
    rows_sharing_a_key: tuple[int, ...] | None
    """SQLite's numbers of all rows whose key another row has too; None for too many, or a table without numbers."""
    candidate_keys: tuple[str, ...]
    references: tuple[ReferenceProfile, ...]
    rows_with_corrupt_date: int
    missing_columns: tuple[str, ...] = ()
    unknown_columns: tuple[str, ...] = ()

    def column(self, name: str) -> ColumnProfile | None:
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class Profile:
    """All that one read of the file tells."""

    status: str
    """ok, issues or blocked."""
    source: str
    as_of: str
    """UTC, ISO 8601: 'now' for the range of plausible dates."""
    contract: str
    contract_digest: str
    timezone: str
    tables: tuple[TableProfile, ...]
    issues: tuple[Issue, ...]
    missing_tables: tuple[str, ...]
    unknown_tables: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    """Views, virtual tables and internal tables: listed, not read."""
    duration_seconds: float = 0.0
    digest: str = ""
    """SHA-256 of the file, where the caller knew it."""
    schema: int = field(default=SCHEMA)

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    @property
    def orders(self) -> Mapping[tuple[str, str], DateOrder]:
        """The order each date column is read in, by (table, column)."""
        return {(column.table, column.name): column.dates.order for column in self.columns() if column.dates}

    @property
    def needs_answer(self) -> tuple[ColumnProfile, ...]:
        """The date columns that hold cells nobody can read without knowing the order."""
        return tuple(column for column in self.columns() if column.dates and column.dates.unresolved)

    def columns(self) -> Iterator[ColumnProfile]:
        for table in self.tables:
            yield from table.columns

    def table(self, name: str) -> TableProfile | None:
        return next((table for table in self.tables if table.name == name), None)

    def column(self, table: str, column: str) -> ColumnProfile:
        """Raises KeyError when the file has no such column."""
        found = self.table(table)
        if found is None or (wanted := found.column(column)) is None:
            raise KeyError((table, column))
        return wanted

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `profile_from_dict` reads it again."""
        dumped: dict[str, Any] = _adapter().dump_python(self, mode="json")
        columns = (column for table in dumped["tables"] for column in table["columns"])
        for column, document in zip(self.columns(), columns, strict=True):
            document |= {"all_missing": column.all_missing, "constant": column.constant, "unique": column.unique}
        return dumped


@cache
def _adapter() -> TypeAdapter[Profile]:
    """Made when it is needed: a process that only reads parts of a file needs none."""
    return TypeAdapter(Profile)


def profile_from_dict(data: Mapping[str, Any]) -> Profile:
    """Raises ValueError for anything that is not a profile of this schema."""
    profile = _adapter().validate_python(data)
    if profile.schema != SCHEMA:
        raise ValueError(f"profile has schema {profile.schema}, this version reads {SCHEMA}")
    return profile
