"""What drift is, as plain frozen data: the thresholds, what moved, how the shape changed, and the JSON form.

Shares are 0 to 1, thresholds percent or percentage points as their names say. Knows no file and no run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Literal

from pydantic import TypeAdapter

from sdconsole.contract.model import Contract
from sdconsole.quality.profile.model import Scalar

SCHEMA = 1
CHECK = "drift"
"""The kind of the contract's rule whose options are the thresholds."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How far something may move before somebody should know. The contract's drift rule overrides each by its name.

    A relative limit speaks only together with its absolute floor, so that three rows of four are no alarm.
    """

    rows: float = 30.0
    """Percent of the rows of a table."""
    rows_floor: float = 20.0
    missing: float = 5.0
    """Percentage points of the share of missing cells."""
    orphans: float = 3.0
    """Percentage points of the share of orphans among the rows with a value."""
    cells_floor: float = 20.0
    """Fewer values than this on either side say nothing about shares, lengths and extremes."""
    distinct: float = 50.0
    """Percent of the distinct values; of their share in columns where most values differ."""
    distinct_floor: float = 10.0
    spread: float = 100.0
    """Percent of the former range by which a smallest or greatest value may leave it."""
    spread_floor: float = 1.0
    """In the column's unit; days for dates."""
    days_back: float = 7.0
    """By how many days the newest date may be older than the newest one before."""
    text_length: float = 30.0
    """Percent of the mean length of texts."""
    text_length_floor: float = 5.0
    """Characters."""
    category: float = 5.0
    """Percentage points of the share of one value, or of one class of values."""
    category_share: float = 25.0
    """Percent of that share itself: from 60 to 66 percent of the cells is no news, from 4 to 10 percent is."""

    @classmethod
    def of(cls, contract: Contract) -> Thresholds:
        """The contract's, completed by these defaults."""
        rule = next((rule for rule in contract.rules if rule.check == CHECK), None)
        known = {field.name for field in fields(cls)}
        given = {} if rule is None else rule.options
        return cls(**{name: float(value) for name, value in given.items() if name in known})


class Moved(StrEnum):
    """What moved."""

    ROWS = "rows"
    WENT_TO_ZERO = "went_to_zero"
    MISSING = "missing"
    DISTINCT = "distinct"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    OLDER = "older"
    TEXT_LENGTH = "text_length"
    CATEGORY = "category"
    CLASSES = "classes"
    ORPHANS = "orphans"


@dataclass(frozen=True, slots=True)
class Movement:
    """One thing that moved further than its threshold. `column` is "" for a whole table."""

    kind: Moved
    table: str
    column: str
    before: Scalar
    after: Scalar
    change: str
    """The finding in words."""
    limit: str
    """The threshold in words."""

    @property
    def place(self) -> str:
        return f"{self.table}.{self.column}" if self.column else self.table


class Shape(StrEnum):
    """How a table or column differs in its shape."""

    NEW_TABLE = "new_table"
    MISSING_TABLE = "missing_table"
    NEW_COLUMN = "new_column"
    MISSING_COLUMN = "missing_column"
    RETYPED = "retyped"


@dataclass(frozen=True, slots=True)
class ShapeChange:
    """One difference in shape, against the contract or against what was deployed before, and what will happen to it."""

    kind: Shape
    against: Literal["contract", "previous"]
    table: str
    column: str
    change: str
    effect: str

    @property
    def place(self) -> str:
        return f"{self.table}.{self.column}" if self.column else self.table


@dataclass(frozen=True, slots=True)
class Baseline:
    """The deployment that this one is compared with."""

    run: str
    version: str
    as_of: str
    source: str


@dataclass(frozen=True, slots=True)
class DriftReport:
    """`baseline` None = nothing was deployed to this target before: there is nothing that could have moved."""

    baseline: Baseline | None
    thresholds: Thresholds
    tables_compared: int = 0
    columns_compared: int = 0
    movements: tuple[Movement, ...] = ()
    shape: tuple[ShapeChange, ...] = ()
    rows: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By table: before and now, whether they moved far or not."""
    schema: int = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `drift_from_dict` reads it again."""
        dumped: dict[str, Any] = _REPORT.dump_python(self, mode="json")
        return dumped


_REPORT = TypeAdapter(DriftReport)


def drift_from_dict(data: Mapping[str, Any]) -> DriftReport:
    """Raises ValueError for anything that is not a drift report of this schema."""
    report = _REPORT.validate_python(data)
    if report.schema != SCHEMA:
        raise ValueError(f"drift report has schema {report.schema}, this version reads {SCHEMA}")
    return report
