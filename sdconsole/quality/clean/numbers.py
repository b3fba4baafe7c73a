"""What a cell of a number column becomes, and which fault it has when it becomes nothing.

'3664092.0' and 3664092.0 are the whole number 3664092, '7,6' is 7.6; '1,250' may be either of two numbers and is
refused. Exact numbers never pass through a float. How a number is spelt is in `values.py`; knows no table and no file.
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_EVEN, Context, Decimal

from sdconsole.contract.model import Column
from sdconsole.quality.outcome import DECIMAL_COMMA, NUMBER, ROUNDED, Fault, Outcome, Reader, faulty
from sdconsole.quality.texts import BLANKS
from sdconsole.quality.values import read_decimal, read_integer

INTEGER_BITS = {"bigint": 63, "integer": 31, "smallint": 15}
"""Bits of the magnitude of PostgreSQL's integer types ("Numeric Types" of its documentation)."""
_INFINITE = re.compile(r"[+-]?(?:inf|infinity)", re.IGNORECASE).fullmatch
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+").fullmatch
_MOST_DIGITS = 1000
"""PostgreSQL's numeric holds 131,072 digits before the point; no export has a number near that."""
_EXACT = Context(prec=2 * _MOST_DIGITS + 100)


def integer_reader(column: Column) -> Reader:
    limit = 1 << INTEGER_BITS[column.type]

    def read(value: object) -> Outcome:
        number = read_integer(_core(value))
        if number is None:
            return faulty(_why_not_whole(value))
        if not -limit <= number < limit:
            return faulty(Fault.TOO_LARGE)
        # Another storage class alone is no change: 3664001.0 is how SQLite writes an id into a REAL column.
        return Outcome(number, (NUMBER,) if isinstance(value, str) and value != str(number) else ())

    return read


def _core(value: object) -> object:
    return value.strip(BLANKS) if isinstance(value, str) else value


def _why_not_whole(value: object) -> Fault:
    number = read_decimal(_core(value))
    if number is None:
        return _why_no_number(value)
    if number != number.to_integral_value():
        return Fault.NOT_WHOLE
    return Fault.NOT_EXACT if isinstance(value, float) else Fault.TOO_LARGE


def _why_no_number(value: object) -> Fault:
    core = _core(value)
    if isinstance(core, float) or (isinstance(core, str) and _INFINITE(core)):
        return Fault.NOT_FINITE
    return Fault.AMBIGUOUS_NUMBER if isinstance(core, str) and _COMMA(core) else Fault.NOT_A_NUMBER


def canonical_decimal(number: Decimal) -> str:
    """'7.6' for 7.60, '0' for -0.0: plain digits, no exponent, no zeros at the end of a fraction."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def decimal_reader(column: Column) -> Reader:
    """Text with the exact number. More decimals than the type has are rounded half to even, and that is said."""
    scale = column.numeric_scale

    def read(value: object) -> Outcome:
        number = read_decimal(_core(value))
        if number is None:
            return faulty(_why_no_number(value))
        if abs(number.adjusted()) > _MOST_DIGITS:
            return faulty(Fault.TOO_LARGE)
        operations: tuple[str, ...] = ()
        if scale is not None:
            rounded = number.quantize(Decimal(1).scaleb(-scale[1]), ROUND_HALF_EVEN, _EXACT)
            if rounded and rounded.adjusted() >= scale[0] - scale[1]:
                return faulty(Fault.TOO_LARGE)
            operations = (ROUNDED,) if rounded != number else ()
            number = rounded
        canonical = canonical_decimal(number)
        if isinstance(value, str) and canonical != value:
            operations = (DECIMAL_COMMA, *operations) if "," in value else operations or (NUMBER,)
        return Outcome(canonical, operations)

    return read


def read_real(value: object) -> Outcome:
    """A finite float."""
    number = value if isinstance(value, float) else read_decimal(_core(value))
    if number is None or not math.isfinite(real := float(number)):
        return faulty(_why_no_number(value) if number is None else Fault.NOT_FINITE)
    if not isinstance(value, str) or value in (repr(real), canonical_decimal(Decimal(repr(real)))):
        return Outcome(real)
    return Outcome(real, (DECIMAL_COMMA if "," in value else NUMBER,))
