"""Counts, minima, maxima and sums per column, asked of SQLite itself and of PostgreSQL itself, in comparable form.

A digest alone would only prove that what an encoder made is what is stored; these figures come from the two database
engines. Sums are exact: integers are summed in two halves (SQLite's sum overflows), decimals as whole multiples of
their last digit, timestamps as seconds since 1970, texts as characters. Floating point has no exact sum, so its
total is left out; its bits are in the digest.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import MAX_PREC, Context, Decimal
from typing import Any, Final

from psycopg import sql

from sdconsole.contract.model import Column, Kind, Table
from sdconsole.source.catalog import quote
from sdconsole.target.connect import Connection
from sdconsole.target.names import target_column_names, target_table_name

_COLUMNS_PER_QUERY: Final = 200
"""SQLite returns at most 2,000 and PostgreSQL 1,664 expressions a query; a column takes up to five."""
_HALF: Final = 1_000_000_000
_EXACT_REAL_DIGITS: Final = 15
_EXACT: Final = Context(prec=min(MAX_PREC, 20_000))


@dataclass(frozen=True, slots=True)
class Figures:
    """One column's figures as text; None = there is none. A text's minimum and maximum are told by digest only."""

    count: int
    minimum: str | None
    maximum: str | None
    total: str | None


def source_figures(connection: sqlite3.Connection, table: Table) -> tuple[int, tuple[Figures, ...]]:
    """The number of rows and each column's figures, computed by SQLite. Raises sqlite3.Error."""
    figures: list[Figures] = []
    rows = int(connection.execute(f"SELECT count(*) FROM {quote(table.name)}").fetchone()[0])  # noqa: S608
    for columns in _portions(table.columns):
        parts = [_source_expressions(column) for column in columns]
        query = f"SELECT {', '.join(part for group in parts for part in group)} FROM {quote(table.name)}"  # noqa: S608
        answer = iter(connection.execute(query).fetchone())
        for column, group in zip(columns, parts, strict=True):
            cells = [next(answer) for _ in group]
            figures.append(_READ_SOURCE[column.kind](column, cells, connection, table))
    return rows, tuple(figures)


def target_figures(connection: Connection, schema: str, table: Table) -> tuple[int, tuple[Figures, ...]]:
    """The number of rows and each column's figures, computed by PostgreSQL. Raises psycopg.Error."""
    names = target_column_names(column.name for column in table.columns)
    relation = sql.Identifier(schema, target_table_name(table.name))
    figures: list[Figures] = []
    rows = 0
    for columns in _portions(table.columns):
        parts = [_target_expressions(column, sql.Identifier(names[column.name])) for column in columns]
        query = sql.SQL("SELECT count(*), {} FROM {}").format(
            sql.SQL(", ").join(part for group in parts for part in group), relation
        )
        found = connection.execute(query).fetchone()
        assert found is not None
        rows = int(found[0])
        answer = iter(found[1:])
        for column, group in zip(columns, parts, strict=True):
            figures.append(_read(column, [next(answer) for _ in group]))
    return rows, tuple(figures)


def _portions(columns: Sequence[Column]) -> Iterator[Sequence[Column]]:
    for start in range(0, len(columns), _COLUMNS_PER_QUERY):
        yield columns[start : start + _COLUMNS_PER_QUERY]


def _source_expressions(column: Column) -> list[str]:
    name = quote(column.name)
    count = f"count({name})"
    if column.kind is Kind.INTEGER:
        return [count, f"min({name})", f"max({name})", f"sum({name} / {_HALF})", f"sum({name} % {_HALF})"]
    if column.kind is Kind.DECIMAL:
        scale = _summable_scale(column)
        if scale is None:
            return [count]
        units = f"CAST(round(CAST({name} AS REAL) * {10**scale}) AS INTEGER)"
        return [count, f"min({units})", f"max({units})", f"sum({units})"]
    if column.kind is Kind.REAL:
        return [count, f"min({name})", f"max({name})"]
    if column.kind is Kind.TIMESTAMP:
        return [count, f"min({name})", f"max({name})", f"sum(unixepoch({name}))"]
    if column.kind is Kind.JSON:
        return [count]
    return [count, f"min({name} COLLATE BINARY)", f"max({name} COLLATE BINARY)", f"sum(length({name}))"]


def _target_expressions(column: Column, name: sql.Identifier) -> list[sql.Composed]:
    if column.kind is Kind.JSON:
        wanted = ["count({})"]
    elif column.kind is Kind.TIMESTAMP:
        wanted = ["count({})", "min({})::text", "max({})::text", "sum(date_part('epoch', {})::bigint)"]
    elif column.kind is Kind.REAL:
        wanted = ["count({})", "min({})", "max({})"]
    elif column.kind in (Kind.TEXT, Kind.FLAG):
        wanted = ["count({})", 'min({} COLLATE "C")', 'max({} COLLATE "C")', "sum(length({}))"]
    else:
        wanted = ["count({})", "min({})", "max({})", "sum({})"]
    return [sql.SQL(expression).format(name) for expression in wanted]


def _read(column: Column, cells: Sequence[Any]) -> Figures:
    """Figures from count, minimum, maximum and total as an engine returned them; missing ones are none."""
    count, minimum, maximum, total = (*cells, None, None, None)[:4]
    if column.kind in (Kind.TEXT, Kind.FLAG):
        return Figures(int(count), _masked(minimum), _masked(maximum), _plain(total))
    if column.kind is Kind.TIMESTAMP:
        return Figures(int(count), minimum, maximum, _plain(total))
    if column.kind is Kind.REAL:
        return Figures(int(count), _real(minimum), _real(maximum), None)
    return Figures(int(count), _plain(minimum), _plain(maximum), _plain(total))


def _read_integer(column: Column, cells: Sequence[Any], _connection: sqlite3.Connection, _table: Table) -> Figures:
    count, minimum, maximum, high, low = cells
    return _read(column, [count, minimum, maximum, None if high is None else high * _HALF + low])


def _read_decimal(column: Column, cells: Sequence[Any], connection: sqlite3.Connection, table: Table) -> Figures:
    scale = _summable_scale(column)
    if scale is None:
        return _read(column, [cells[0], *_exact_figures(connection, table, column)])
    return _read(column, [cells[0], *(None if cell is None else Decimal(cell).scaleb(-scale) for cell in cells[1:])])


def _read_plain(column: Column, cells: Sequence[Any], _connection: sqlite3.Connection, _table: Table) -> Figures:
    return _read(column, cells)


_READ_SOURCE: Final[dict[Kind, Callable[[Column, Sequence[Any], sqlite3.Connection, Table], Figures]]] = {
    **dict.fromkeys(Kind, _read_plain),
    Kind.INTEGER: _read_integer,
    Kind.DECIMAL: _read_decimal,
}


def _summable_scale(column: Column) -> int | None:
    """The decimals of a column whose values SQLite can turn into whole numbers without loss: up to 15 digits."""
    limits = column.numeric_scale
    return limits[1] if limits is not None and limits[0] <= _EXACT_REAL_DIGITS else None


def _exact_figures(connection: sqlite3.Connection, table: Table, column: Column) -> tuple[Decimal | None, ...]:
    """Minimum, maximum and sum of decimals of any length, which SQLite cannot compute without rounding."""
    name = quote(column.name)
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    total: Decimal | None = None
    query = f"SELECT CAST({name} AS TEXT) FROM {quote(table.name)} WHERE {name} IS NOT NULL"  # noqa: S608
    for (text,) in connection.execute(query):
        value = Decimal(text)
        minimum = value if minimum is None else min(minimum, value)
        maximum = value if maximum is None else max(maximum, value)
        total = value if total is None else _EXACT.add(total, value)
    return minimum, maximum, total


def _plain(value: Decimal | int | None) -> str | None:
    """A number without an exponent and without trailing zeros, so that 7.600 and 7.6 are the same text."""
    if value is None:
        return None
    text = format(Decimal(value), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _real(value: float | None) -> str | None:
    return None if value is None else repr(float(value))


def _masked(value: str | None) -> str | None:
    if value is None:
        return None
    return f"text of {len(value)} characters, sha256 {hashlib.sha256(value.encode()).hexdigest()[:12]}"
