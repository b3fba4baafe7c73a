"""What a single value is, and what it becomes as a number, a yes/no or JSON. Nothing is guessed, nothing is rounded.

Dates are read in `dates.py`. Knows no column statistics and no file.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from decimal import Decimal

from sdconsole.contract.model import DateOrder, Kind
from sdconsole.quality.dates.reading import DateReader
from sdconsole.quality.dates.shapes import NUMERIC_SHAPES, DateShape
from sdconsole.quality.profile.model import ValueClass
from sdconsole.quality.texts import BLANKS

MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1
MAX_EXACT_FLOAT = 2**53
"""Beyond this a REAL no longer tells neighbouring whole numbers apart."""

YES_WORDS = frozenset({"yes", "y", "true", "t", "1", "1.0"})
NO_WORDS = frozenset({"no", "n", "false", "f", "0", "0.0"})
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters that have no place in a text; tab, line feed and carriage return do."""
SURROGATE = re.compile("[\ud800-\udfff]")

_CONTROL_BYTES = bytes([*range(9), 11, 12, *range(14, 32), 127])
_C1_CONTROL = re.compile(b"\xc2[\x80-\x9f]")
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}(?:\.0*)?").fullmatch
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,30}(?:[.,][0-9]{1,20})?|[.,][0-9]{1,20})").fullmatch
_PLAIN_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,18})").fullmatch
_PLAIN_REAL = re.compile(r"-?(?:0|[1-9][0-9]{0,15})\.[0-9]{1,17}").fullmatch
_TIME = re.compile(r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?").fullmatch
_BOOLEANS = frozenset({"yes", "no", "true", "false", "y", "n", "t", "f"})
_MONTH_INITIALS = frozenset("JFMASONDjfmasond")
_LONGEST_DATE = 60


def is_missing(value: object, tokens: Collection[str] = ()) -> bool:
    """NULL, '', blanks only, or one of the column's words for a missing value (`tokens` in lower case)."""
    if value is None:
        return True
    if not isinstance(value, str):
        return False
    text = value.strip(BLANKS)
    return not text or (bool(tokens) and text.lower() in tokens)


def read_integer(value: object) -> int | None:
    """The whole number that `value` stands for: 7, 7.0, ' 7 ', '7.0'; None for anything else.

    None as well outside 64 bits, and for a REAL beyond 2**53, which may already be another number than was meant.
    """
    if type(value) is int:
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= MAX_EXACT_FLOAT else None
    if not isinstance(value, str) or not _WHOLE(text := value.strip(BLANKS)):
        return None
    number = int(text.partition(".")[0])
    return number if MIN_INT64 <= number <= MAX_INT64 else None


def read_decimal(value: object) -> Decimal | None:
    """The exact number that `value` stands for; a decimal comma is accepted ('7,6'), thousands separators are not.

    '1,234' is None: it is either 1.234 or 1234, and nobody can tell. A REAL is taken as its shortest decimal.
    """
    if type(value) is int:
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(repr(value)) if math.isfinite(value) else None
    if not isinstance(value, str) or not _DECIMAL(text := value.strip(BLANKS)):
        return None
    whole, comma, fraction = text.partition(",")
    if comma and len(fraction) == 3 and whole.lstrip("+-") not in ("", "0"):
        return None
    return Decimal(text.replace(",", "."))


def read_flag(value: object) -> bool | None:
    """Yes or no, from yes/no, y/n, true/false, t/f, 1/0 in any case; None for anything else."""
    word = str(value).strip(BLANKS).lower() if isinstance(value, str | int | float) else ""
    return True if word in YES_WORDS else False if word in NO_WORDS else None


def is_json(value: object) -> bool:
    """Whether `value` is text that is valid JSON (RFC 8259, so neither NaN nor Infinity)."""
    if not isinstance(value, str):
        return False
    try:
        json.loads(value, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def is_detectable_date(shape: DateShape, text: str) -> bool:
    """Whether a text of this shape is a date by its looks alone, in a column that was not said to hold dates.

    Numbers could be anything, and 1.2.25 is as often a version as a day.
    """
    if not shape.has_moment or shape in NUMERIC_SHAPES:
        return False
    return shape is not DateShape.SHORT_YEAR or "/" in text or text[-3:-2] == " "


def classify(value: object, intended: Kind | None, reader: DateReader) -> ValueClass:
    """The class of a value that is not missing.

    Text that spells a number counts as that number if the column is meant for numbers, or if it is spelt exactly as
    the number would be written again ('007' and '1.10' are texts).
    """
    if type(value) is str:
        return classify_text(value, intended, reader)
    if type(value) is int:
        return ValueClass.INTEGER
    if isinstance(value, float):
        whole = intended is Kind.INTEGER and read_integer(value) is not None
        return ValueClass.INTEGER if whole else ValueClass.REAL
    return ValueClass.BLOB


def classify_text(text: str, intended: Kind | None, reader: DateReader) -> ValueClass:
    first = text[0]
    if first.isalpha():
        return _classify_word(text, first, reader)
    if first in "[{":
        return ValueClass.JSON if text.rstrip()[-1] in "]}" and is_json(text) else ValueClass.TEXT
    if len(text) > _LONGEST_DATE:
        return ValueClass.TEXT
    if intended in (Kind.INTEGER, Kind.DECIMAL, Kind.REAL):
        if read_integer(text) is not None:
            return ValueClass.INTEGER
        if read_decimal(text) is not None:
            return ValueClass.REAL
    elif first in "-0123456789":
        if _PLAIN_WHOLE(text) and MIN_INT64 <= int(text) <= MAX_INT64 and text != "-0":
            return ValueClass.INTEGER
        if _PLAIN_REAL(text) and repr(float(text)) == text:
            return ValueClass.REAL
    if first.isspace() or first in "0123456789":
        if _TIME(text):
            return ValueClass.TIME
        parsed = reader.read(text, DateOrder.NONE)
        if is_detectable_date(parsed.shape, text):
            return ValueClass.TIMESTAMP if ":" in text else ValueClass.DATE
    return ValueClass.TEXT


def _classify_word(text: str, first: str, reader: DateReader) -> ValueClass:
    if len(text) <= 5 and text.lower() in _BOOLEANS:
        return ValueClass.BOOLEAN
    if first in _MONTH_INITIALS and len(text) <= 40 and text[-1] in "0123456789mM." and "20" in text:
        parsed = reader.read(text, DateOrder.NONE)
        if parsed.shape is DateShape.MONTH_NAME:
            return ValueClass.TIMESTAMP if ":" in text else ValueClass.DATE
    return ValueClass.TEXT


def may_hold_control(text: str) -> bool:
    """False when the text surely holds neither a CONTROL character nor a SURROGATE; much faster than searching."""
    if text.isprintable():
        return False
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        return True
    if len(encoded.translate(None, _CONTROL_BYTES)) != len(encoded):
        return True
    return len(encoded) != len(text) and _C1_CONTROL.search(encoded) is not None


def shown(value: object, limit: int = 80) -> str:
    """The value as a short text that is valid UTF-8 and holds no control character, for samples and messages."""
    if isinstance(value, bytes):
        text = f"x'{value[: limit // 2].hex()}'"
        return text if len(value) <= limit // 2 else f"{text} ({len(value)} bytes)"
    text = str(value)
    short = text[:limit]
    if SURROGATE.search(short):
        short = short.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    short = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in short)
    return short if len(text) <= limit else short + "…"
