"""Turns the values of a clean file into what PostgreSQL's binary COPY takes, strictly: what does not fit raises.

Knows no connection. Texts, whole numbers of 64 bits and NULL go out as the driver writes them; everything else gets a
dumper of its own, which the driver calls cell by cell. Texts that a column repeats are remembered. Timestamps are sent
as the 64-bit number of microseconds since 2000-01-01 that PostgreSQL stores (documentation, "Binary Format" and
`timestamp_recv`), which no server setting can reinterpret.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Final, cast

from psycopg import pq
from psycopg.adapt import AdaptersMap, Buffer, Dumper
from psycopg.types.numeric import DecimalBinaryDumper

from sdconsole.contract.model import Column, Kind

Encode = Callable[[object], Buffer]
"""A cell that is not NULL as the bytes that PostgreSQL stores."""

REFUSALS: Final = (ValueError, TypeError, OverflowError, struct.error)
"""What an `Encode` raises for a cell that its column cannot hold unchanged."""
_REMEMBERED_CELLS: Final = 4_096
"""A column that repeats its values has fewer; one that does not should not hold them all in memory."""
_REMEMBERED_DAYS: Final = 65_536
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EPOCH: Final = date(2000, 1, 1).toordinal()
_MICROSECONDS: Final = 1_000_000
_INTEGER_BITS: Final = {"smallint": 16, "integer": 32, "bigint": 64}
_DRIVERS_OWN: Final = {"bigint": "int8", "text": "text"}
_FIRST_OID: Final = 1 << 31
"""Numbers by which the driver finds a column's dumper. They never reach the server: COPY says nothing about types."""
_NUMERIC: Final = DecimalBinaryDumper(Decimal)


def register(adapters: AdaptersMap, columns: Sequence[Column]) -> list[int | str]:
    """Makes the dumpers of these columns known, and returns the types to announce for a COPY of them."""
    types: list[int | str] = []
    for place, column in enumerate(columns):
        encode = encoder(column)
        if encode is None:
            types.append(_DRIVERS_OWN[column.type])
            continue
        number = _FIRST_OID + place
        body = {"oid": number, "format": pq.Format.BINARY, "dump": staticmethod(encode)}
        adapters.register_dumper(None, cast("type[Dumper]", type("ColumnDumper", (Dumper,), body)))
        types.append(number)
    return types


def encoder(column: Column) -> Encode | None:
    """How to write the cells of a column; None where the driver does it. Raises one of `REFUSALS`."""
    if column.kind is Kind.TIMESTAMP:
        return _Timestamps().__getitem__
    if column.kind is Kind.DECIMAL:
        return _Remembered(partial(_numeric, limits=column.numeric_scale)).__getitem__
    if column.kind is Kind.REAL:
        return _real
    if column.kind is Kind.INTEGER and column.type != "bigint":
        # The driver would cut off what does not fit, silently.
        return cast("Encode", struct.Struct(">h" if column.type == "smallint" else ">i").pack)
    if column.kind is Kind.JSON:
        return lambda cell: b"\x01" + _text(cell).encode()
    return None


def refusal_of(column: Column, cell: object) -> str:
    """Why the column cannot hold this cell; "" when it can. Tells kinds and limits, never the value itself."""
    if cell is None:
        return ""
    encode = encoder(column)
    try:
        if column.kind is Kind.INTEGER:
            _integer(cell, _INTEGER_BITS[column.type])
        elif encode is not None:
            encode(cell)
        else:
            _text(cell).encode()
            if "\0" in _text(cell):
                return "it holds a NUL character"
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    except REFUSALS as error:
        return str(error)
    return ""


class _Remembered(dict[object, Buffer]):
    """What texts were written as, looked up without a call for those that a column repeats.

    Other kinds are written anew each time: 7 and 7.0 are the same key, but not the same cell.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode = encode

    def __missing__(self, cell: object) -> Buffer:
        written = self._encode(cell)
        if len(self) < _REMEMBERED_CELLS and isinstance(cell, str):
            self[cell] = written
        return written


def _text(cell: object) -> str:
    if not isinstance(cell, str):
        raise TypeError(f"it is stored as {type(cell).__name__}, not as text")
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
        if len(self) >= _REMEMBERED_DAYS:
            self.clear()
        self[text] = (date.fromisoformat(text).toordinal() - _EPOCH) * 86_400 * _MICROSECONDS
        return self[text]


_DAYS: Final = _Days()
_MINUTES: Final = {
    f" {hour:02d}:{minute:02d}": (hour * 60 + minute) * 60 * _MICROSECONDS for hour in range(24) for minute in range(60)
}
_SECONDS: Final = {f":{second:02d}": second * _MICROSECONDS for second in range(60)}
_PACKED: Final = struct.Struct(">q").pack


class _Timestamps(dict[object, Buffer]):
    """As `_Remembered`, in a single call for those that a column does not repeat, as most of its times are."""

    def __missing__(self, cell: object) -> bytes:
        if not isinstance(cell, str):
            raise TypeError(f"it is stored as {type(cell).__name__}, not as text")
        try:
            written = _PACKED(_DAYS[cell[:10]] + _MINUTES[cell[10:16]] + _SECONDS[cell[16:]])
        except KeyError:
            raise ValueError("it is not a timestamp of the form YYYY-MM-DD HH:MM:SS") from None
        if len(self) < _REMEMBERED_CELLS:
            self[cell] = written
        return written


def _numeric(cell: object, *, limits: tuple[int, int] | None) -> Buffer:
    written = _NUMERIC.dump(_decimal(cell, limits=limits))
    assert written is not None
    return written


def _decimal(cell: object, *, limits: tuple[int, int] | None) -> Decimal:
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


def _real(cell: object) -> bytes:
    if isinstance(cell, float):
        return struct.pack(">d", cell)
    if not isinstance(cell, int):
        raise TypeError(f"it is stored as {type(cell).__name__}, not as a number")
    if int(float(cell)) != cell:
        raise ValueError("it is a whole number too large for a floating-point column")
    return struct.pack(">d", float(cell))
