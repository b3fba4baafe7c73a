"""As much of a profile as two exports are compared by, read from its JSON form, so that an older run's can be read too.

Knows no file and no thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from sdconsole.quality.profile.model import SCHEMA, Scalar


@dataclass(frozen=True, slots=True)
class SeenDates:
    first: str | None
    last: str | None


@dataclass(frozen=True, slots=True)
class SeenColumn:
    """What the comparison needs of a `ColumnProfile`."""

    name: str
    rows: int
    non_missing: int
    distinct: int
    minimum: Scalar
    maximum: Scalar
    mean_text_length: float | None
    classes: Mapping[str, int]
    dates: SeenDates | None = None
    top: Mapping[str, int] = field(default_factory=dict)
    """Cells by value, where the column has few different ones."""

    @property
    def missing_share(self) -> float:
        return 1 - self.non_missing / self.rows if self.rows else 0.0

    @property
    def distinct_share(self) -> float:
        return self.distinct / self.non_missing if self.non_missing else 0.0


@dataclass(frozen=True, slots=True)
class SeenReference:
    column: str
    table: str
    values: int
    orphans: int


@dataclass(frozen=True, slots=True)
class SeenTable:
    name: str
    rows: int
    columns: tuple[SeenColumn, ...]
    references: tuple[SeenReference, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What the comparison needs of a `Profile`."""

    source: str
    as_of: str
    tables: tuple[SeenTable, ...]
    schema: int


_SEEN = TypeAdapter(Seen)


def seen(profile: Mapping[str, Any]) -> Seen:
    """From `Profile.to_dict()`. Raises ValueError for anything that is not a profile of this schema."""
    found = _SEEN.validate_python(profile)
    if found.schema != SCHEMA:
        raise ValueError(f"profile has schema {found.schema}, this version reads {SCHEMA}")
    return found


def pairs(before: Seen, now: Seen) -> Iterator[tuple[SeenTable, SeenTable]]:
    """The tables that both have, in today's order."""
    earlier = {table.name: table for table in before.tables}
    for table in now.tables:
        if table.name in earlier:
            yield earlier[table.name], table


def column_pairs(before: SeenTable, now: SeenTable) -> Iterator[tuple[SeenColumn, SeenColumn]]:
    earlier = {column.name: column for column in before.columns}
    for column in now.columns:
        if column.name in earlier:
            yield earlier[column.name], column
