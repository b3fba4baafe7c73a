"""How the clean file stores a table: canonical types, no constraints, and rows that can be told by their number.

A value that SQLite stores in its canonical form by itself while it copies it, such as 7.0 in a whole-number column,
needs no cleaning. Knows neither the export nor any rule of cleaning.
"""

from __future__ import annotations

import sqlite3

from sdconsole.contract.model import Column, Kind, Table
from sdconsole.errors import CheckFailed
from sdconsole.source.catalog import quote

STORED_TYPES = {Kind.INTEGER: "INTEGER", Kind.REAL: "REAL"}
"""Everything else is TEXT, decimals included: SQLite has no exact ones."""
_ROWID_NAMES = ("rowid", "_rowid_", "oid")
_REMEMBERED = 20_000


def column_type(column: Column) -> str:
    return STORED_TYPES.get(column.kind, "TEXT")


def create_table(connection: sqlite3.Connection, table: Table) -> None:
    columns = ", ".join(f"{quote(column.name)} {column_type(column)}" for column in table.columns)
    connection.execute(f"CREATE TABLE main.{quote(table.name)} ({columns})")


def rowid_name(table: Table) -> str:
    """The name that selects the row number. Raises CheckFailed when columns hide all three that SQLite knows."""
    taken = {column.name.lower() for column in table.columns}
    free = next((name for name in _ROWID_NAMES if name not in taken), None)
    if free is None:
        raise CheckFailed(
            "row-number-hidden",
            f"the rows of table {table.name!r} cannot be numbered",
            cause="its columns take all the names of SQLite's row number: rowid, _rowid_ and oid",
            next_step="rename one of these columns in the source",
        )
    return free


def stored_form(column: Column, name: str | None) -> str:
    """SQL for what a plain copy stores; `name` is the column of the snapshot, None where it lacks one."""
    if name is None:
        return "NULL"
    return _decimal_form(quote(name)) if column.kind is Kind.DECIMAL else quote(name)


def _decimal_form(cell: str) -> str:
    """A REAL as text with neither '.0' nor, up to 15 digits, an inexact tail."""
    return (
        f"CASE WHEN typeof({cell}) <> 'real' THEN {cell} WHEN {cell} = CAST({cell} AS INTEGER)"
        f" THEN CAST(CAST({cell} AS INTEGER) AS TEXT) ELSE CAST({cell} AS TEXT) END"
    )


class StoredAlike:
    """Whether a copy of a raw value is stored as its cleaned value. Close it when done."""

    def __init__(self) -> None:
        self._probe = sqlite3.connect(":memory:")
        self._decimals: dict[float, object] = {}

    def is_alike(self, kind: Kind, raw: object, cleaned: object) -> bool:
        if cleaned is None or isinstance(raw, str):
            return type(raw) is type(cleaned) and raw == cleaned
        if kind is Kind.INTEGER or kind is Kind.REAL:
            return isinstance(raw, int | float) and raw == cleaned
        if isinstance(raw, int):
            return cleaned == str(raw)
        return isinstance(raw, float) and kind is Kind.DECIMAL and self._decimal(raw) == cleaned

    def _decimal(self, raw: float) -> object:
        """What SQLite itself says; nobody else knows how it prints a floating-point number."""
        if raw not in self._decimals:
            if len(self._decimals) > _REMEMBERED:
                self._decimals.clear()
            self._decimals[raw] = self._probe.execute(f"SELECT {_decimal_form('?1')}", (raw,)).fetchone()[0]
        return self._decimals[raw]

    def close(self) -> None:
        self._probe.close()
