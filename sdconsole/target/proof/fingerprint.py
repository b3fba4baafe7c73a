"""A table's content in a few numbers, computed on both sides by code that shares nothing but this description.

Of each row the canonical texts of its cells, joined by U+001F with U+0002 for NULL, are hashed with SHA-256; the sum
of the first 64 bits over all rows, modulo 2^64, is the table's digest, whatever order the rows are in. The clean
file's side is built here in Python from what SQLite returns, PostgreSQL's side by the server in SQL. Canonical texts:
integers in decimal; decimals without trailing zeros; timestamps as YYYY-MM-DD HH:MM:SS; floating point as the 16 hex
digits of its IEEE bits; JSON as jsonb prints it; texts as they are. Digests of single columns, which tell where two
tables differ, are computed only when asked for: they bind each cell to its row's key.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from psycopg import sql

from sdconsole.contract.model import Column, Kind, Table
from sdconsole.errors import OperationFailed
from sdconsole.source.catalog import quote
from sdconsole.target.connect import Connection
from sdconsole.target.names import target_column_names, target_table_name
from sdconsole.target.proof.aggregates import Figures, source_figures, target_figures
from sdconsole.target.proof.canonical import canonical_cell

Progress = Callable[[int, int | None], None]

SEPARATOR: Final = b"\x1f"
MISSING: Final = b"\x02"

_ROWS_PER_FETCH: Final = 500
_ROWS_PER_REPORT: Final = 10_000
_ARGUMENTS_PER_CALL: Final = 90
_MODULUS: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class ColumnFingerprint:
    """`count` are the cells that are not NULL. `total` is a sum, of seconds for timestamps, of characters for texts."""

    name: str
    count: int
    nulls: int
    minimum: str | None
    maximum: str | None
    total: str | None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class TableFingerprint:
    """`digest` are 16 hex digits that do not depend on the order of the rows."""

    table: str
    rows: int
    digest: str
    columns: tuple[ColumnFingerprint, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; holds no value of a text column."""
        return {
            "table": self.table,
            "rows": self.rows,
            "digest": self.digest,
            "columns": [
                {field.name: getattr(column, field.name) for field in fields(column)} for column in self.columns
            ],
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same on both sides. `column` is "" when it is about the table as a whole."""

    table: str
    column: str
    what: str
    expected: str
    measured: str

    def __str__(self) -> str:
        where = f"{self.table}.{self.column}" if self.column else self.table
        return f"{where}: {self.what} is {self.measured} in PostgreSQL and {self.expected} in the clean file"


def source_fingerprint(
    connection: sqlite3.Connection,
    table: Table,
    *,
    column_digests: bool = False,
    progress: Progress | None = None,
    figures: Callable[[], tuple[int, tuple[Figures, ...]]] | None = None,
) -> TableFingerprint:
    """The clean file's side. `progress(done, total)` is called every 10,000 rows and may raise; `total` may be None.

    `figures` brings what `source_figures` returns, once the rows are hashed, when somebody else computes it meanwhile.
    Raises sqlite3.Error, and OperationFailed "clean-file" for a cell of another kind than its column.
    """
    expected = None
    if figures is None:
        computed = source_figures(connection, table)
        figures, expected = (lambda: computed), computed[0]
    total, sums = _source_sums(connection, table, column_digests, expected, progress or (lambda _done, _total: None))
    rows, found = figures()
    return _fingerprint(table, rows, total, found, sums)


def target_fingerprint(
    connection: Connection, schema: str, table: Table, *, column_digests: bool = False
) -> TableFingerprint:
    """PostgreSQL's side. Raises psycopg.Error."""
    style = connection.info.parameter_status("DateStyle") or ""
    if not style.startswith("ISO"):
        raise ValueError(f"fingerprints need a session with ISO dates, this one has {style!r}")
    rows, figures = target_figures(connection, schema, table)
    names = target_column_names(column.name for column in table.columns)
    cells = {column.name: _target_cell(column, sql.Identifier(names[column.name])) for column in table.columns}
    relation = sql.Identifier(schema, target_table_name(table.name))
    (total,) = _target_sums(connection, relation, [list(cells.values())])
    sums: list[int] = []
    if column_digests:
        key = [cells[name] for name in table.key]
        sums = _target_sums(connection, relation, [[*key, cells[column.name]] for column in table.columns])
    return _fingerprint(table, rows, total, figures, sums)


def _fingerprint(
    table: Table, rows: int, total: int, figures: Sequence[Figures], sums: Sequence[int]
) -> TableFingerprint:
    digests: list[str | None] = [_hex(part) for part in sums] or [None] * len(table.columns)
    columns = tuple(
        ColumnFingerprint(
            column.name, found.count, rows - found.count, found.minimum, found.maximum, found.total, digest
        )
        for column, found, digest in zip(table.columns, figures, digests, strict=True)
    )
    return TableFingerprint(table.name, rows, _hex(total), columns)


def _hex(total: int) -> str:
    return f"{total % _MODULUS:016x}"


def differences(expected: TableFingerprint, measured: TableFingerprint) -> tuple[Difference, ...]:
    """What differs between the clean file (`expected`) and PostgreSQL (`measured`); () = the same content."""
    name = expected.table
    found: list[Difference] = []
    if expected.rows != measured.rows:
        found.append(Difference(name, "", "the number of rows", f"{expected.rows:,}", f"{measured.rows:,}"))
    of_target = {column.name: column for column in measured.columns}
    for column in expected.columns:
        other = of_target.get(column.name)
        if other is None:
            found.append(Difference(name, column.name, "the column", "there", "missing"))
            continue
        for attribute, what in _COMPARED.items():
            one, two = getattr(column, attribute), getattr(other, attribute)
            if one != two and not (attribute == "digest" and None in (one, two)):
                found.append(Difference(name, column.name, what, _shown(one), _shown(two)))
    if expected.digest != measured.digest:
        found.append(Difference(name, "", "the digest of all rows", expected.digest, measured.digest))
    return tuple(found)


def difference(expected: TableFingerprint, measured: TableFingerprint) -> tuple[str, ...]:
    """The differences as sentences that name table and column; () = the same content."""
    return tuple(str(found) for found in differences(expected, measured))


_COMPARED: Final = {
    "count": "the number of filled cells",
    "nulls": "the number of NULLs",
    "minimum": "the minimum",
    "maximum": "the maximum",
    "total": "the sum",
    "digest": "the digest of its values",
}


def _shown(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "none" if value is None else str(value)


def _source_sums(
    connection: sqlite3.Connection, table: Table, column_digests: bool, rows: int | None, progress: Progress
) -> tuple[int, list[int]]:
    """The sum over the rows' hashes, and over the cells' hashes of each column when asked for."""
    columns = ", ".join(_source_cell(column) for column in table.columns)
    special = [(place, canonical_cell(column)) for place, column in enumerate(table.columns)]
    converters = [(place, convert) for place, convert in special if convert is not None]
    key = [place for place, column in enumerate(table.columns) if column.name in table.key]
    key.sort(key=lambda place: table.key.index(table.columns[place].name))
    total, done = 0, 0
    sums = [0] * len(table.columns) if column_digests else []
    texts = connection.text_factory
    connection.text_factory = bytes
    try:
        cursor = connection.execute(f"SELECT {columns} FROM {quote(table.name)}")  # noqa: S608
        while cells := cursor.fetchmany(_ROWS_PER_FETCH):
            by_column: list[Sequence[Any]] = list(zip(*cells, strict=True)) if converters or sums else []
            for place, convert in converters:
                by_column[place] = [convert(cell) for cell in by_column[place]]
            total += _sum(map(SEPARATOR.join, zip(*by_column, strict=True) if converters else cells))
            for place in range(len(sums)):
                bound = [by_column[part] for part in key]
                sums[place] += _sum(map(SEPARATOR.join, zip(*bound, by_column[place], strict=True)))
            done += len(cells)
            if done % _ROWS_PER_REPORT == 0:
                progress(done, rows)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise OperationFailed(
            "clean-file",
            f"{table.name} in the clean file holds a value of another kind than its column",
            cause=str(error),
            next_step="run the clean stage again",
        ) from error
    finally:
        connection.text_factory = texts
    progress(done, rows)
    return total, sums


def _sum(texts: Iterator[bytes]) -> int:
    sha256 = hashlib.sha256
    heads = b"".join([sha256(text).digest()[:8] for text in texts])
    return sum(struct.unpack(f">{len(heads) // 8}q", heads))


def _source_cell(column: Column) -> str:
    """The cell as the bytes of its text, by SQLite: integers are printed exactly, texts are returned as they are."""
    name = quote(column.name)
    if column.kind in (Kind.INTEGER, Kind.DECIMAL):
        name = f"CAST({name} AS TEXT)"
    return f"ifnull({name}, x'{MISSING.hex()}')"


def _target_cell(column: Column, name: sql.Identifier) -> sql.Composed:
    expression = "{}::text"
    if column.kind is Kind.DECIMAL:
        expression = "trim_scale({})::text"
    elif column.kind is Kind.REAL:
        expression = "encode(float8send({}), 'hex')"
    return sql.SQL("coalesce({}, chr({}))").format(
        sql.SQL(expression).format(name), sql.Literal(int.from_bytes(MISSING))
    )


def _target_sums(
    connection: Connection, relation: sql.Identifier, rows: Sequence[Sequence[sql.Composable]]
) -> list[int]:
    """One sum of hashes for each way of writing a row."""
    results: list[int] = []
    for start in range(0, len(rows), _ARGUMENTS_PER_CALL):
        sums = [_target_sum(_joined(cells)) for cells in rows[start : start + _ARGUMENTS_PER_CALL]]
        found = connection.execute(sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(sums), relation)).fetchone()
        assert found is not None
        results.extend(int(part or 0) for part in found)
    return results


def _joined(cells: Sequence[sql.Composable]) -> sql.Composable:
    """concat_ws over any number of cells; a function takes at most 100 arguments."""
    parts = list(cells)
    while True:
        groups = [parts[at : at + _ARGUMENTS_PER_CALL] for at in range(0, len(parts), _ARGUMENTS_PER_CALL)]
        parts = [
            sql.SQL("concat_ws(chr({}), {})").format(sql.Literal(int.from_bytes(SEPARATOR)), sql.SQL(", ").join(group))
            for group in groups
        ]
        if len(parts) == 1:
            return parts[0]


def _target_sum(text: sql.Composable) -> sql.Composed:
    return sql.SQL("sum(('x' || encode(substr(sha256(convert_to({}, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint)").format(
        text
    )
