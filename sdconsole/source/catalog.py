"""What a SQLite file holds: its ordinary tables and their columns, and what is listed but not read.

Views, virtual tables and their shadow tables, triggers and SQLite's own tables are `Skipped` with a reason: their
rows are computed, belong to an index, or are no data. Knows no contract and no file: it is given a connection.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal

from sdconsole.errors import OperationFailed, SourceRefused
from sdconsole.source.refusal import reading

SkippedKind = Literal["view", "virtual", "shadow", "trigger", "internal"]

_REASONS: dict[SkippedKind, str] = {
    "view": "a view: its rows are computed from tables that are read themselves",
    "virtual": "a virtual table: its rows come from a module, not from the file",
    "shadow": "a shadow table: the inner storage of a virtual table",
    "trigger": "a trigger: code, not data",
    "internal": "a table of SQLite itself",
}
_ROWID_NAMES = ("rowid", "_rowid_", "oid")


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One column as declared. `key_position` counts from 1 inside the primary key; 0 = not part of it."""

    name: str
    declared_type: str
    not_null: bool
    key_position: int
    generated: bool


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One ordinary table; `columns` in the file's order, generated ones included."""

    name: str
    columns: tuple[SourceColumn, ...]
    without_rowid: bool
    strict: bool

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def rowid_name(self) -> str | None:
        """The unquoted name under which the row number can be selected; None where the table has none to offer.

        A column called "rowid" hides the real one, so the other two spellings are tried.
        """
        if self.without_rowid:
            return None
        taken = {column.name.lower() for column in self.columns}
        return next((name for name in _ROWID_NAMES if name not in taken), None)


@dataclass(frozen=True, slots=True)
class Skipped:
    """An object of the file that is not read."""

    name: str
    kind: SkippedKind
    reason: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """The tables in the order of their creation, and everything else."""

    tables: tuple[SourceTable, ...]
    skipped: tuple[Skipped, ...]

    def table(self, name: str) -> SourceTable | None:
        """By its name, without regard to ASCII case, as SQLite itself does."""
        exact = next((table for table in self.tables if table.name == name), None)
        return exact or next((table for table in self.tables if table.name.lower() == name.lower()), None)


def quote(name: str) -> str:
    """The name as a SQLite identifier. Raises SourceRefused when SQLite could not read it back as the same name."""
    if "\0" in name or any("\ud800" <= character <= "\udfff" for character in name):
        raise SourceRefused(
            "source-name",
            f"{name[:60]!r} cannot be used as the name of a table or column",
            cause="the name holds a NUL or bytes that are not UTF-8",
            next_step="rename the table or column in the source and export again",
        )
    return '"' + name.replace('"', '""') + '"'


def read_catalog(connection: sqlite3.Connection) -> Catalog:
    """Every object of the file.

    Raises SourceRefused "source-no-tables" when there is no ordinary table, "source-schema" for a malformed schema,
    "source-encoding" or "source-name" for a name that is not UTF-8.
    """
    if sqlite3.sqlite_version_info < (3, 37, 0):
        raise OperationFailed(
            "sqlite-too-old",
            f"this Python is linked with SQLite {sqlite3.sqlite_version}",
            cause="SQLite 3.37 or newer is needed to tell the kinds of tables apart",
            next_step="use a Python build with a newer SQLite, for example from python.org or uv",
        )
    tables: list[SourceTable] = []
    skipped: list[Skipped] = []
    with reading(connection):
        kinds: dict[str, tuple[str, bool, bool]] = {
            name: (kind, bool(without_rowid), bool(strict))
            for name, kind, without_rowid, strict in connection.execute(
                "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main'"
            )
        }
        objects: list[tuple[str, str]] = connection.execute(
            "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view', 'trigger') ORDER BY rowid"
        ).fetchall()
        for object_type, name in objects:
            kind, without_rowid, strict = kinds.get(name, (object_type, False, False))
            skip = _skipped_kind(object_type, name, kind)
            if skip is not None:
                skipped.append(Skipped(name, skip, _REASONS[skip]))
                continue
            quote(name)
            tables.append(SourceTable(name, _columns(connection, name), without_rowid, strict))
    if not tables:
        raise SourceRefused(
            "source-no-tables",
            "the source holds no table that can be read",
            cause=_no_tables(skipped),
            next_step="check that this is the file the export wrote",
        )
    return Catalog(tuple(tables), tuple(skipped))


def _no_tables(skipped: list[Skipped]) -> str:
    if not skipped:
        return "it is a valid, empty SQLite database"
    listed = ", ".join(f"{item.name} ({item.kind})" for item in skipped[:5])
    return f"it holds only {listed}" + (f" and {len(skipped) - 5} more" if len(skipped) > 5 else "")


def _skipped_kind(object_type: str, name: str, kind: str) -> SkippedKind | None:
    if object_type == "trigger":
        return "trigger"
    if name.lower().startswith("sqlite_"):
        return "internal"
    if kind == "view" or object_type == "view":
        return "view"
    if kind == "virtual":
        return "virtual"
    if kind == "shadow":
        return "shadow"
    return None


def _columns(connection: sqlite3.Connection, table_name: str) -> tuple[SourceColumn, ...]:
    # table_xinfo's `hidden` is 2 for a virtual and 3 for a stored generated column; table_info leaves both out.
    rows = connection.execute(
        'SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?) WHERE hidden != 1 ORDER BY cid',
        (table_name,),
    )
    columns = tuple(
        SourceColumn(name, kind, bool(not_null), pk, hidden > 1) for name, kind, not_null, pk, hidden in rows
    )
    for column in columns:
        quote(column.name)
    return columns


def count_rows(connection: sqlite3.Connection, table_name: str) -> int:
    """The table's rows, counted by a full scan. Raises SourceRefused when it cannot be read."""
    with reading(connection):
        return int(connection.execute(f"SELECT count(*) FROM {quote(table_name)}").fetchone()[0])  # noqa: S608
