"""How tables are cut into parts that two processes can read side by side, and what one part brings.

A part is all rows of some columns of one table. Only a table that holds much of the file is cut. Its first part keeps
together what is weighed together: the key, and every column that the contract says holds dates. How a file is cut
follows from the file alone, never from the machine, so that the same file gives the same profile everywhere.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sdconsole.contract.model import Contract, Kind, Table
from sdconsole.quality.profile_model import ColumnProfile
from sdconsole.source.catalog import SourceColumn, SourceTable

SMALLEST_PART: Final = 500_000
"""In cells: reading them takes about as long as walking through the rows of a large table once more."""
PARTS_OF_A_FILE: Final = 6


@dataclass(frozen=True, slots=True)
class Part:
    """`source` holds the columns of this part only; `rows` is how many the table had when it was counted."""

    source: SourceTable
    table: Table | None
    rows: int
    parent_columns: tuple[str, ...] = ()
    """What the rows of other tables may refer to, in the contract's spelling."""

    @property
    def cells(self) -> int:
        return self.rows * len(self.source.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """In the contract's spelling where it knows the column; SQLite does not tell upper from lower case in names."""
        return tuple(_contract_name(column.name, self.table) for column in self.source.columns)

    @property
    def key(self) -> tuple[str, ...]:
        """The contract's key; for an unknown table its declared primary key. () where a column of it is not here."""
        return _key(self.source, self.table)


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What one part brings. `children` and `parents` hold the code of every row, by column."""

    rows: int
    columns: tuple[ColumnProfile, ...]
    rows_with_corrupt_date: int
    key: tuple[str, ...]
    key_is_unique: bool
    duplicate_rows: int
    key_missing: int
    key_samples: tuple[str, ...]
    children: Mapping[str, array[int]]
    parents: Mapping[str, array[int]]


def parent_columns(contract: Contract, table: str) -> tuple[str, ...]:
    """The columns of a table that other tables refer to."""
    return tuple(
        reference.parent_column
        for other in contract.tables
        for reference in other.references
        if reference.table == table
    )


def cut(tables: Sequence[Part]) -> list[list[Part]]:
    """The parts of each table, given as parts that hold it whole."""
    most_cells = max(SMALLEST_PART, sum(table.cells for table in tables) // PARTS_OF_A_FILE)
    return [_cut(table, -(-table.cells // most_cells)) for table in tables]


def _cut(whole: Part, parts: int) -> list[Part]:
    columns = whole.source.columns
    if parts < 2 or len(columns) < 2:
        return [whole]
    width = -(-len(columns) // parts)
    first = _kept_together(whole)
    rest = [column for column in columns if column not in first]
    while rest and len(first) < width:
        first.append(rest.pop(0))
    groups = [first, *(rest[start : start + width] for start in range(0, len(rest), width))]
    return [replace(whole, source=replace(whole.source, columns=tuple(group))) for group in groups]


def _kept_together(whole: Part) -> list[SourceColumn]:
    table = whole.table
    dated = {column.name for column in table.columns if column.kind is Kind.TIMESTAMP} if table else set[str]()
    wanted = {name.lower() for name in {*whole.key, *dated}}
    return [column for column in whole.source.columns if column.name.lower() in wanted]


def _contract_name(name: str, table: Table | None) -> str:
    if table is None or table.column(name) is not None:
        return name
    return next((column.name for column in table.columns if column.name.lower() == name.lower()), name)


def _key(source: SourceTable, table: Table | None) -> tuple[str, ...]:
    if table is not None:
        present = {column.name.lower() for column in source.columns}
        return table.row_key if all(name.lower() in present for name in table.row_key) else ()
    keyed = sorted((column for column in source.columns if column.key_position), key=lambda c: c.key_position)
    return tuple(column.name for column in keyed)
