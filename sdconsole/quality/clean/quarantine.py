"""Where rows and values go that cannot be loaded: table `data_quarantine` of the clean file, and its CSV.

An entry with a column holds one value that became NULL in a row that is carried over; an entry without one holds a
whole row that is not. `record_json` is that row as it stood in the export. `cleaned_json` is the same row as it would
have been loaded, by column position, so that the score can go on charging what is wrong with it.
Entries of an earlier run that are in the snapshot already are carried over unchanged. Knows no cleaning rules.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from sdconsole.contract.model import Column, Index, Table
from sdconsole.errors import CheckFailed
from sdconsole.source.catalog import Catalog, quote
from sdconsole.source.output import new_file
from sdconsole.source.refusal import reading

QUARANTINE = "data_quarantine"
_COLUMNS = {
    "id": "bigint",
    "run_id": "text",
    "table_name": "text",
    "row_id": "bigint",
    "row_key": "text",
    "column_name": "text",
    "original_value": "text",
    "record_json": "text",
    "reason": "text",
    "rule": "text",
    "severity": "text",
    "quarantined_at": "timestamp",
}
QUARANTINE_TABLE = Table(
    name=QUARANTINE,
    columns=tuple(Column(name, kind, not_null=name in ("id", "table_name", "rule")) for name, kind in _COLUMNS.items()),
    key=("id",),
    indexes=(Index(("table_name", "column_name")),),
    description="Rows and values of the export that were not loaded, each with its reason.",
)
"""The part of the table that is loaded into PostgreSQL: all but `cleaned_json`."""
_STORED = (*_COLUMNS, "cleaned_json")
_LONGEST_BINARY = 64 * 1024
_BATCH = 500
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""What spreadsheets take for the start of a formula ("CSV Injection", OWASP), full-width forms included."""


class Entry(NamedTuple):
    """One rejected value or row, without what all entries of a run share."""

    table_name: str
    row_id: int
    row_key: str
    column_name: str | None
    original_value: str | None
    record_json: str | None
    reason: str
    rule: str
    severity: Literal["error", "warn"]
    cleaned_json: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """How many entries of a table share a rule; `column` is None for whole rows."""

    table: str
    column: str | None
    rule: str
    severity: str
    entries: int


def storable(value: object) -> str | None:
    """The original value as text that SQLite, JSON and PostgreSQL can all hold; bad bytes and NUL as \\x escapes."""
    if value is None:
        return None
    if isinstance(value, bytes):
        cut = f"… ({len(value)} bytes)" if len(value) > _LONGEST_BINARY else ""
        return f"x'{value[:_LONGEST_BINARY].hex()}'{cut}"
    text = str(value)
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    if not text.isascii():
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text


def record_of(names: Sequence[str], values: Sequence[object]) -> str:
    """A row of the export as a JSON object; numbers stay numbers."""
    kept = {name: _json_value(value) for name, value in zip(names, values, strict=True)}
    return json.dumps(kept, ensure_ascii=False, allow_nan=False)


def _json_value(value: object) -> object:
    return value if isinstance(value, int | float) and math.isfinite(value) else storable(value)


def cleaned_record(values: Sequence[object], faults: Mapping[int, object]) -> str:
    """A cleaned row as JSON, by position; `faults` are the original values of the cells that have no clean one."""
    marked = {str(at): storable(value) for at, value in faults.items()}
    return json.dumps({"values": list(values), "faults": marked}, ensure_ascii=False)


def create_quarantine(connection: sqlite3.Connection) -> None:
    types = {"bigint": "INTEGER", "text": "TEXT", "timestamp": "TEXT"}
    columns = [f"{name} {types[kind]}" + (" PRIMARY KEY" if name == "id" else "") for name, kind in _COLUMNS.items()]
    connection.execute(f"CREATE TABLE {QUARANTINE} ({', '.join(columns)}, cleaned_json TEXT)")
    connection.execute(
        f"CREATE INDEX {QUARANTINE}_place ON {QUARANTINE} (table_name, column_name, row_id)"  # the score looks here
    )


def is_quarantine(catalog: Catalog) -> bool:
    """Whether the file brings a quarantine of its own.

    Raises CheckFailed "reserved-table" for a table of that name with other columns.
    """
    table = catalog.table(QUARANTINE)
    if table is None:
        return False
    if table.column_names != _STORED:
        raise CheckFailed(
            "reserved-table",
            f"the export has a table {table.name!r} of its own",
            cause="sdconsole keeps rejected rows and values in a table of that name",
            next_step=f"rename the table in the source: ALTER TABLE {QUARANTINE} RENAME TO ...",
        )
    return True


def carry_over(source: sqlite3.Connection, connection: sqlite3.Connection) -> int:
    """Copies the entries of an earlier run, ids included; returns how many."""
    names = ", ".join(_STORED)
    insert = f"INSERT INTO {QUARANTINE} ({names}) VALUES ({', '.join('?' * len(_STORED))})"  # noqa: S608
    carried = 0
    with reading(source):
        cursor = source.execute(f"SELECT {names} FROM {QUARANTINE} ORDER BY id")  # noqa: S608
    while True:
        with reading(source):
            rows = cursor.fetchmany(_BATCH)
        if not rows:
            return carried
        connection.executemany(insert, rows)
        carried += len(rows)


def add_entries(connection: sqlite3.Connection, entries: Iterable[Entry], *, run_id: str, quarantined_at: str) -> None:
    connection.executemany(
        f"INSERT INTO {QUARANTINE} (run_id, quarantined_at, {', '.join(Entry._fields)})"  # noqa: S608
        f" VALUES ({', '.join('?' * (2 + len(Entry._fields)))})",
        ((run_id, quarantined_at, *entry) for entry in entries),
    )


@dataclass(frozen=True, slots=True)
class Waiting:
    """The entries of a run until all tables are written: what follows them in the file would have gaps otherwise."""

    connection: sqlite3.Connection
    run_id: str
    quarantined_at: str

    def __post_init__(self) -> None:
        self.connection.execute(f"CREATE TEMP TABLE waiting ({', '.join(Entry._fields)})")

    def add(self, entries: Iterable[Entry]) -> None:
        places = ", ".join("?" * len(Entry._fields))
        self.connection.executemany(f"INSERT INTO temp.waiting VALUES ({places})", entries)  # noqa: S608

    def store(self) -> None:
        """Puts them into the quarantine, in the order in which they came."""
        names = ", ".join(Entry._fields)
        self.connection.execute(
            f"INSERT INTO main.{QUARANTINE} (run_id, quarantined_at, {names})"  # noqa: S608
            f" SELECT ?, ?, {names} FROM temp.waiting ORDER BY rowid",
            (self.run_id, self.quarantined_at),
        )
        self.connection.execute("DROP TABLE temp.waiting")


def quarantined_rows(connection: sqlite3.Connection, table: str, *, after_id: int = 0) -> int:
    """How many whole rows of a table are held back by entries with a greater id."""
    query = f"SELECT count(*) FROM {QUARANTINE} WHERE table_name = ? AND column_name IS NULL AND id > ?"  # noqa: S608
    return int(connection.execute(query, (table, after_id)).fetchone()[0])


def last_id(connection: sqlite3.Connection) -> int:
    return int(connection.execute(f"SELECT coalesce(max(id), 0) FROM {QUARANTINE}").fetchone()[0])  # noqa: S608


def findings(connection: sqlite3.Connection) -> tuple[Finding, ...]:
    """What is in the quarantine of a clean file, most entries first."""
    rows = connection.execute(
        f"SELECT table_name, column_name, rule, severity, count(*) FROM {QUARANTINE}"  # noqa: S608
        " GROUP BY 1, 2, 3, 4 ORDER BY count(*) DESC, 1, 2, 3"
    )
    return tuple(Finding(*row) for row in rows)


def read_entries(
    connection: sqlite3.Connection, *, table: str | None = None, limit: int = -1
) -> Iterator[dict[str, object]]:
    """The entries as they are loaded, in order; `limit` -1 = all."""
    cursor = connection.execute(
        f"SELECT {', '.join(map(quote, _COLUMNS))} FROM {QUARANTINE}"  # noqa: S608
        " WHERE ?1 IS NULL OR table_name = ?1 ORDER BY id LIMIT ?2",
        (table, limit),
    )
    for row in cursor:
        yield dict(zip(_COLUMNS, row, strict=True))


def safe_cell(value: object) -> str:
    """A CSV cell that no spreadsheet runs and no terminal obeys: control characters escaped, formulas prefixed by '."""
    text = "" if value is None else str(value)
    if not text.isprintable():
        text = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
    return "'" + text if _FORMULA.match(text) and not isinstance(value, int) else text


def export_csv(connection: sqlite3.Connection, path: Path) -> int:
    """Writes all entries as CSV (UTF-8, RFC 4180), private and whole or not at all; returns how many.

    Raises UsageError for a path that is refused and OperationFailed when it cannot be written.
    """
    entries = 0
    with new_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for entry in read_entries(connection):
            writer.writerow([safe_cell(value) for value in entry.values()])
            entries += 1
    return entries


def copy_quarantine(connection: sqlite3.Connection, path: Path) -> None:
    """Writes a file that holds the quarantine and nothing else, private and whole or not at all.

    Raises UsageError for a path that is refused and OperationFailed when it cannot be written.
    """
    names = ", ".join(_STORED)
    with new_file(path) as temporary, closing(sqlite3.connect(temporary)) as copy, copy:
        create_quarantine(copy)
        copy.executemany(
            f"INSERT INTO {QUARANTINE} ({names}) VALUES ({', '.join('?' * len(_STORED))})",  # noqa: S608
            connection.execute(f"SELECT {names} FROM {QUARANTINE} ORDER BY id"),  # noqa: S608
        )


def to_csv(entries: Iterable[Mapping[str, object]]) -> str:
    """The same CSV as text, for a console."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    writer.writerows([safe_cell(value) for value in entry.values()] for entry in entries)
    return out.getvalue()
