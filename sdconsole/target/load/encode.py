"""Turns the values of a clean file into what PostgreSQL's binary COPY takes, strictly: what does not fit raises.

Knows no connection. Days and decimals repeat a lot, so their conversions are remembered; timestamps are sent as the
64-bit number of microseconds since 2000-01-01 that PostgreSQL stores (documentation, "Binary Format" and
`timestamp_recv`), which no server setting can reinterpret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache, partial
from typing import Final

from psycopg.types.numeric import DecimalBinaryDumper

from sdconsole.contract.model import Column, Kind

Convert = Callable[[object], object]

_REMEMBERED: Final = 65_536
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EPOCH: Final = date(2000, 1, 1).toordinal()
_MICROSECONDS: Final = 1_000_000
_INTEGER_BITS: Final = {"smallint": 16, "integer": 32, "bigint": 64}
_WIRE_TYPES: Final = {
    "bigint": "int8",
    "integer": "int4",
    "smallint": "int2",
    "text": "text",
    "double precision": "float8",
    "timestamp": "int8",
    "jsonb": "bytea",
}
"""jsonb and numeric are sent as the bytes that they are in binary form: a `bytea` goes out as it is."""
_NUMERIC: Final = DecimalBinaryDumper(Decimal)


def wire_type(column: Column) -> str:
    """The type whose binary form the column's values are sent in."""
    return _WIRE_TYPES.get(column.type, "bytea")


def converter(column: Column) -> Convert | None:
    """What turns a cell into the value to send; None where the cell is sent as it is.

    The function raises ValueError or TypeError for a cell that the column cannot hold unchanged.
    """
    if column.kind is Kind.TIMESTAMP:
        return _timestamp
    if column.kind is Kind.DECIMAL:
        remember = lru_cache(_REMEMBERED, typed=True)
        return remember(partial(_numeric, limits=column.numeric_scale))
    if column.kind is Kind.REAL:
        return _real
    if column.kind is Kind.INTEGER and column.type != "bigint":
        return partial(_bounded, bits=_INTEGER_BITS[column.type])  # the driver cuts off what does not fit, silently
    if column.kind is Kind.JSON:
        return lambda cell: None if cell is None else b"\x01" + _text(cell).encode()
    return None


def refusal_of(column: Column, cell: object) -> str:
    """Why the column cannot hold this cell; "" when it can. Tells kinds and limits, never the value itself."""
    convert = converter(column)
    try:
        if convert is not None:
            convert(cell)
        elif cell is None:
            return ""
        elif column.kind is Kind.INTEGER:
            _integer(cell, _INTEGER_BITS[column.type])
        else:
            _text(cell).encode()
            if "\0" in _text(cell):
                return "it holds a NUL character"
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    except (ValueError, TypeError) as error:
        return str(error)
    return ""


def _text(cell: object) -> str:
    if not isinstance(cell, str):
        raise TypeError(f"it is stored as {type(cell).__name__}, not as text")
    return cell


def _bounded(cell: object, *, bits: int) -> object:
    if cell is not None:
        _integer(cell, bits)
    return cell


def _integer(cell: object, bits: int) -> None:
    if not isinstance(cell, int):
        raise TypeError(f"it is stored as {type(cell).__name__}, not as a whole number")
    if not -(1 << bits - 1) <= cell < 1 << bits - 1:
        raise ValueError(f"it is outside the range of a {bits}-bit integer")


class _Days(dict[str, int]):
    """Microseconds from the epoch to a day, by its text; remembers the days it has met."""

    def __missing__(self, text: str) -> int:
        if not _DAY.fullmatch(text):
            raise KeyError(text)
        if len(self) >= _REMEMBERED:
            self.clear()
        self[text] = (date.fromisoformat(text).toordinal() - _EPOCH) * 86_400 * _MICROSECONDS
        return self[text]


_DAYS: Final = _Days()
_MINUTES: Final = {
    f" {hour:02d}:{minute:02d}": (hour * 60 + minute) * 60 * _MICROSECONDS for hour in range(24) for minute in range(60)
}
_SECONDS: Final = {f":{second:02d}": second * _MICROSECONDS for second in range(60)}


def _timestamp(cell: object) -> int | None:
    if cell is None:
        return None
    text = _text(cell)
    try:
        return _DAYS[text[:10]] + _MINUTES[text[10:16]] + _SECONDS[text[16:]]
    except KeyError:
        raise ValueError("it is not a timestamp of the form YYYY-MM-DD HH:MM:SS") from None


def _numeric(cell: object, *, limits: tuple[int, int] | None) -> object:
    value = _decimal(cell, limits=limits)
    return None if value is None else _NUMERIC.dump(value)


def _decimal(cell: object, *, limits: tuple[int, int] | None) -> Decimal | None:
    if cell is None:
        return None
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        raise TypeError(f"it is stored as {type(cell).__name__}, not as an exact decimal")
    try:
        value = Decimal(cell)
    except InvalidOperation:
        raise ValueError("it is not a decimal number") from None
    if not value.is_finite():
        raise ValueError("it is not a finite number")
    if limits is not None:
        precision, scale = limits
        if value != 0 and value.adjusted() >= precision - scale:
            raise ValueError(f"it has more than {precision - scale} digits before the decimal point")
        _, digits, exponent = value.as_tuple()
        if isinstance(exponent, int) and -exponent > scale and any(digits[exponent + scale :]):
            raise ValueError(f"it has more than {scale} decimals and would be rounded")
    return value


def _real(cell: object) -> float | None:
    if cell is None or isinstance(cell, float):
        return cell
    if not isinstance(cell, int):
        raise TypeError(f"it is stored as {type(cell).__name__}, not as a number")
    if int(float(cell)) != cell:
        raise ValueError("it is a whole number too large for a floating-point column")
    return float(cell)
