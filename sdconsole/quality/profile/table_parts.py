"""How tables are cut into parts that two processes can read side by side, and what one part brings.

A part is all rows of some columns of one table. Only a table that holds much of the file is cut. Its first part keeps
together what is weighed together: the key, and every column that the contract says holds dates. How a file is cut
follows from the file alone, never from the machine, so that the same file gives the same profile everywhere.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sdconsole.contract.model import Contract, Kind, Table
from sdconsole.quality.profile.model import ColumnProfile
from sdconsole.source.catalog import SourceColumn, SourceTable, quote

SMALLEST_PART: Final = 700_000
"""In cells of an ordinary column: walking through the rows of a large table once more costs a tenth of it."""
PARTS_OF_A_FILE: Final = 8
_LOOKED_AT: Final = 256
"""The first rows of a table tell what its columns weigh."""
_WEIGHT_OF_NEW: Final = 5.0
"""What a value that was not seen before costs beyond the reading of a cell."""
_CHARACTERS_OF_A_CELL: Final = 200

Weights = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Part:
    """`source` holds the columns of this part only; `rows` is how many the table had when it was counted."""

    source: SourceTable
    table: Table | None
    rows: int
    parent_columns: tuple[str, ...] = ()
    """What the rows of other tables may refer to, in the contract's spelling."""
    weights: Weights = field(default_factory=dict)
    """By column as the file spells it, in cells of an ordinary column; 1 where nothing is said."""

    @property
    def weight(self) -> float:
        return self.rows * sum(self.weights.get(column.name, 1.0) for column in self.source.columns)

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
    rows_sharing_a_key: tuple[int, ...] | None
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


def column_weights(connection: sqlite3.Connection, source: SourceTable, rows: int) -> dict[str, float]:
    """How much work each column is, judged by the first rows: values that differ and long texts take longer.

    {} for a table that is so small that it does not matter.
    """
    if rows * len(source.columns) < SMALLEST_PART // 10:
        return {}
    wanted = ", ".join(quote(column.name) for column in source.columns)
    query = f"SELECT {wanted} FROM {quote(source.name)} NOT INDEXED LIMIT {_LOOKED_AT}"  # noqa: S608
    factory, connection.text_factory = connection.text_factory, bytes
    try:
        columns = zip(*connection.execute(query), strict=True)
        return {column.name: _weight(cells) for column, cells in zip(source.columns, columns, strict=False)}
    finally:
        connection.text_factory = factory


def _weight(cells: Sequence[object]) -> float:
    characters = sum(len(cell) for cell in cells if isinstance(cell, bytes))
    return 1.0 + (_WEIGHT_OF_NEW * len(set(cells)) + characters / _CHARACTERS_OF_A_CELL) / len(cells)


def cut(tables: Sequence[Part]) -> list[list[Part]]:
    """The parts of each table, given as parts that hold it whole."""
    most = max(float(SMALLEST_PART), sum(table.weight for table in tables) / PARTS_OF_A_FILE)
    return [_cut(table, most) for table in tables]


def _cut(whole: Part, most: float) -> list[Part]:
    """The first part takes what is kept together; each takes columns in their order until it is heavy enough."""
    if whole.weight <= most:
        return [whole]
    share = whole.weight / -(-whole.weight // most)
    parts = [_of(whole, _kept_together(whole))]
    for column in whole.source.columns:
        if column in parts[0].source.columns:
            continue
        alone = _of(whole, [column])
        if parts[-1].weight + alone.weight / 2 <= share:
            parts[-1] = _of(whole, [*parts[-1].source.columns, column])
        else:
            parts.append(alone)
    return [part for part in parts if part.source.columns]


def _of(whole: Part, columns: Sequence[SourceColumn]) -> Part:
    return replace(whole, source=replace(whole.source, columns=tuple(columns)))


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
