"""The canonical text of cells that SQLite does not already return as such: decimals, floating point and JSON.

The texts are those PostgreSQL prints (trim_scale, float8send in hex, jsonb), written down a second time from its
documentation, so that what the server computes can be compared with what is computed here.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sdconsole.contract.model import Column, Kind

Canonical = Callable[[Any], bytes]


def canonical_cell(column: Column) -> Canonical | None:
    """What turns a cell of the clean file, as bytes or float, into its canonical text; None where it is that already.

    The function leaves the mark for NULL (no number and no JSON) as it is.
    """
    if column.kind is Kind.DECIMAL:
        return canonical_decimal
    if column.kind is Kind.REAL:
        return canonical_real
    if column.kind is Kind.JSON:
        return canonical_json
    return None


@lru_cache(65_536)
def canonical_decimal(cell: bytes) -> bytes:
    """As `trim_scale(numeric)::text`: no exponent, no trailing zeros, no minus before zero."""
    if cell[:1] not in b"+-.0123456789" or (cell.isdigit() and not cell.startswith(b"0")):
        return cell
    text = format(Decimal(cell.decode()), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return b"0" if text == "-0" else text.encode()


def canonical_real(cell: float | bytes) -> bytes:
    """As `encode(float8send(...), 'hex')`: the eight bytes of the IEEE 754 number, most significant first."""
    return cell if isinstance(cell, bytes) else struct.pack(">d", cell).hex().encode()


def canonical_json(cell: bytes) -> bytes:
    """As `jsonb::text`: the last of repeated keys, keys by length and then by bytes, one space after , and :."""
    if len(cell) == 1 and cell[0] < 0x20:
        return cell
    return _json(json.loads(cell, parse_float=Decimal, parse_int=Decimal)).encode()


def _json(value: Any) -> str:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return "{" + ", ".join(f"{_json(key)}: {_json(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.removeprefix("-") if value == 0 else text
    return json.dumps(value, ensure_ascii=False)
