"""What can become of one cell: a canonical value, NULL, or a fault; and the words for what changed it.

Knows no column and no file.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class Fault(StrEnum):
    """Why a value, or with the last three a whole row, is not carried over. The value is the rule's name."""

    BAD_TEXT = "bad-utf8"
    BINARY = "binary"
    NOT_A_NUMBER = "not-a-number"
    NOT_WHOLE = "not-whole"
    NOT_EXACT = "not-exact"
    AMBIGUOUS_NUMBER = "ambiguous-number"
    TOO_LARGE = "too-large"
    NOT_FINITE = "not-finite"
    CORRUPT_DATE = "corrupt-date"
    AMBIGUOUS_DATE = "ambiguous-date"
    UNKNOWN_FLAG = "unknown-flag"
    BAD_JSON = "bad-json"
    NOT_ALLOWED = "not-allowed"
    NOT_POSITIVE = "not-positive"
    KEY_MISSING = "key-missing"
    REQUIRED_MISSING = "required-missing"
    DUPLICATE = "duplicate"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Fault.BAD_TEXT: "the bytes are not valid UTF-8",
    Fault.BINARY: "binary data where a value is expected",
    Fault.NOT_A_NUMBER: "not a number",
    Fault.NOT_WHOLE: "not a whole number",
    Fault.NOT_EXACT: "a floating-point number too large to be an exact integer",
    Fault.AMBIGUOUS_NUMBER: "the comma may be a decimal comma or a thousands separator",
    Fault.TOO_LARGE: "does not fit the column's type",
    Fault.NOT_FINITE: "infinite, or not a number",
    Fault.CORRUPT_DATE: "not a date that exists",
    Fault.AMBIGUOUS_DATE: "day and month cannot be told apart; the order of the column is not known",
    Fault.UNKNOWN_FLAG: "neither a known yes nor a known no",
    Fault.BAD_JSON: "not JSON that PostgreSQL can hold",
    Fault.NOT_ALLOWED: "outside the values that the contract allows",
    Fault.NOT_POSITIVE: "a key must be greater than zero",
    Fault.KEY_MISSING: "the key is missing",
    Fault.REQUIRED_MISSING: "a value that may not be missing is missing",
    Fault.DUPLICATE: "a newer row has the same key",
}


class Outcome(NamedTuple):
    """What became of a value. `operations` says what changed it; () and no fault = it was canonical already.

    `value` is None for a missing value and for a faulty one. `flags` are remarks on a converted date.
    """

    value: object
    operations: tuple[str, ...] = ()
    fault: Fault | None = None
    flags: tuple[str, ...] = ()


Reader = Callable[[object], Outcome]

NUL_REMOVED = "NUL removed"
LINE_ENDS = "line ends"
BLANK_LINES = "blank lines"
TRIMMED = "trimmed"
NUMBER = "number"
DECIMAL_COMMA = "decimal comma"
ROUNDED = "rounded"
FLAG = "flag"
DATE = "date "
"""Followed by the DateShape, e.g. "date slash-time"."""
MISSING = "missing "
"""Followed by what stood there: "''", "blanks" or the token in lower case."""

NOTHING = Outcome(None)


def faulty(fault: Fault) -> Outcome:
    return Outcome(None, (), fault)
