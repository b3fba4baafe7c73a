"""The rows a score is about, as SQL: what the clean file holds, and what its quarantine holds back.

Each row appears with canonical values. A row that was quarantined as a whole stays in the population (`held` 1, or 2
for a repeated key), and a quarantined value is known as a fault of its cell, so that putting something aside never
improves a score. The SQL is plain: the sqlite3 shell runs it on the clean file. Knows no rules.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sdconsole.contract.model import Table
from sdconsole.quality.clean.quarantine import QUARANTINE
from sdconsole.quality.clean.stored_forms import rowid_name
from sdconsole.quality.outcome import Fault
from sdconsole.source.catalog import quote

ROWS = "seen"
"""The name of the population in the SQL of a check."""


def literal(value: str | float) -> str:
    """A value as SQL text, for statements that are shown to people and must stand alone."""
    return repr(value) if isinstance(value, int | float) else "'" + value.replace("'", "''") + "'"


def fault(column: str) -> str:
    """SQL that is 1 where the cell held something that no canonical value could be made of."""
    return quote(f"{column}: fault")


def original(column: str) -> str:
    """SQL for what such a cell held."""
    return quote(f"{column}: original")


@dataclass(frozen=True, slots=True)
class Population:
    """The rows of one table of a file that has a quarantine. `faulty` are the columns with quarantined values."""

    table: Table
    faulty: frozenset[str] = frozenset()
    has_held: bool = False

    def select(self, columns: Iterable[str], *, faults: Collection[str] = (), originals: Collection[str] = ()) -> str:
        """A SELECT of row_id, held and the named columns, faults and originals."""
        names = list(dict.fromkeys(columns))
        live = [f"{self._rowid} AS row_id", "0 AS held", *map(quote, names)]
        live += [f"{self._live_fault(name)} AS {fault(name)}" for name in dict.fromkeys(faults)]
        live += [f"{self._live_original(name)} AS {original(name)}" for name in dict.fromkeys(originals)]
        query = f"SELECT {', '.join(live)} FROM {quote(self.table.name)}"  # noqa: S608
        if not self.has_held:
            return query
        held = ["row_id", f"CASE rule WHEN {literal(Fault.DUPLICATE)} THEN 2 ELSE 1 END"]
        held += [f"json_extract(cleaned_json, '$.values[{self._position(name)}]')" for name in names]
        held += [
            f"json_type(cleaned_json, '$.faults.\"{self._position(name)}\"') IS NOT NULL"
            for name in dict.fromkeys(faults)
        ]
        held += [
            f"json_extract(cleaned_json, '$.faults.\"{self._position(name)}\"')" for name in dict.fromkeys(originals)
        ]
        return (
            f"{query} UNION ALL SELECT {', '.join(held)} FROM {QUARANTINE}"  # noqa: S608
            f" WHERE table_name = {literal(self.table.name)} AND column_name IS NULL"
        )

    @property
    def _rowid(self) -> str:
        return rowid_name(self.table)

    def _position(self, name: str) -> int:
        return next(at for at, column in enumerate(self.table.columns) if column.name == name)

    def _place(self, name: str) -> str:
        return f"table_name = {literal(self.table.name)} AND column_name = {literal(name)}"

    def _live_fault(self, name: str) -> str:
        if name not in self.faulty:
            return "0"
        entries = f"SELECT row_id FROM {QUARANTINE} WHERE {self._place(name)}"  # noqa: S608
        return f"({quote(name)} IS NULL AND {self._rowid} IN ({entries}))"

    def _live_original(self, name: str) -> str:
        if name not in self.faulty:
            return "NULL"
        row = f"{quote(self.table.name)}.{self._rowid}"
        entry = f"SELECT original_value FROM {QUARANTINE} WHERE {self._place(name)} AND row_id = {row} LIMIT 1"  # noqa: S608
        return f"CASE WHEN {quote(name)} IS NULL THEN ({entry}) END"


def populations(connection: sqlite3.Connection, tables: Iterable[Table]) -> dict[str, Population]:
    """The population of each table that the file holds."""
    stored = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    faulty: dict[str, set[str]] = {}
    held: set[str] = set()
    for table_name, column_name in connection.execute(
        f"SELECT DISTINCT table_name, column_name FROM {QUARANTINE}"  # noqa: S608
    ):
        if column_name is None:
            held.add(table_name)
        else:
            faulty.setdefault(table_name, set()).add(column_name)
    return {
        table.name: Population(table, frozenset(faulty.get(table.name, ())), table.name in held)
        for table in tables
        if table.name in stored
    }
