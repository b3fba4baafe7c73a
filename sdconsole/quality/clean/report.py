"""What cleaning did, as plain frozen data: rows and values accounted for, changed cells per column and operation.

Counts are cells or rows of this run. Knows no SQLite and no cleaning rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from sdconsole.quality.clean.columns import Sample, Tally
from sdconsole.quality.outcome import DATE, MISSING, Fault

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class ColumnReport:
    """One column. `operations` may add up to more than `changed`, since a cell can need several.

    `quarantined` counts by fault the cells that became NULL in rows that were carried over; `flags` are remarks on
    converted dates, e.g. "inferred" or "two-digit-year".
    """

    name: str
    changed: int
    operations: Mapping[str, int]
    quarantined: Mapping[str, int]
    flags: Mapping[str, int]
    samples: tuple[Sample, ...]

    @property
    def dates_standardised(self) -> int:
        return sum(cells for operation, cells in self.operations.items() if operation.startswith(DATE))

    @property
    def emptied(self) -> int:
        """Cells where '', blanks or a word for a missing value became NULL."""
        return sum(cells for operation, cells in self.operations.items() if operation.startswith(MISSING))

    @property
    def ambiguous_dates(self) -> int:
        """Cells that wait in quarantine for somebody to name the order of day and month."""
        return self.quarantined.get(Fault.AMBIGUOUS_DATE, 0)

    @property
    def values_quarantined(self) -> int:
        return sum(self.quarantined.values())


@dataclass(frozen=True, slots=True)
class TableReport:
    """One table: rows_in = rows_out + rows_quarantined. `held` counts the quarantined rows by rule."""

    name: str
    rows_in: int
    rows_out: int
    held: Mapping[str, int]
    columns: tuple[ColumnReport, ...]
    absent_columns: tuple[str, ...] = ()
    """Columns of the contract that the export does not have; they are NULL."""

    @property
    def rows_quarantined(self) -> int:
        return sum(self.held.values())

    @property
    def values_quarantined(self) -> int:
        return sum(column.values_quarantined for column in self.columns)

    @property
    def changed(self) -> int:
        return sum(column.changed for column in self.columns)

    def column(self, name: str) -> ColumnReport:
        """Raises KeyError for a column that the table does not have."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class CleanReport:
    """What one run of cleaning did, or with `dry_run` would do."""

    run_id: str
    output: str
    dry_run: bool
    tables: tuple[TableReport, ...]
    carried_over: int
    """Quarantine entries of an earlier run that the snapshot brought along."""
    duration_seconds: float
    schema: int = SCHEMA

    @property
    def rows_in(self) -> int:
        return sum(table.rows_in for table in self.tables)

    @property
    def rows_out(self) -> int:
        return sum(table.rows_out for table in self.tables)

    @property
    def rows_quarantined(self) -> int:
        return sum(table.rows_quarantined for table in self.tables)

    @property
    def values_quarantined(self) -> int:
        return sum(table.values_quarantined for table in self.tables)

    @property
    def changed(self) -> int:
        return sum(table.changed for table in self.tables)

    @property
    def ambiguous_dates(self) -> int:
        return sum(column.ambiguous_dates for table in self.tables for column in table.columns)

    @property
    def quarantined_percent(self) -> float:
        """Quarantined rows of 100 rows; 0.0 for a file without rows."""
        return 100.0 * self.rows_quarantined / self.rows_in if self.rows_in else 0.0

    def table(self, name: str) -> TableReport:
        """Raises KeyError for a table that was not cleaned."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `clean_report_from_dict` reads it again."""
        dumped: dict[str, Any] = _REPORT.dump_python(self, mode="json")
        return dumped


_REPORT = TypeAdapter(CleanReport)


def clean_report_from_dict(data: Mapping[str, Any]) -> CleanReport:
    """Raises ValueError for anything that is not a report of this schema."""
    report = _REPORT.validate_python(data)
    if report.schema != SCHEMA:
        raise ValueError(f"clean report has schema {report.schema}, this version reads {SCHEMA}")
    return report


def column_report(name: str, tally: Tally) -> ColumnReport:
    """What was counted for a column."""
    return ColumnReport(
        name=name,
        changed=tally.changed,
        operations=plain_counts(tally.operations),
        quarantined=plain_counts(tally.faults),
        flags=plain_counts(tally.flags),
        samples=tuple(tally.samples),
    )


def plain_counts(counts: Counter[str]) -> dict[str, int]:
    """By name, without what came to nothing."""
    return {str(name): cells for name, cells in sorted(counts.items()) if cells}
