"""What one cell of the export becomes: its canonical value, NULL, or a fault that keeps it out.

One reader for each column, compiled from the contract once and called for each different value. A reader is
idempotent: what it returns, read again, comes back unchanged. It never invents a value and never repairs by guessing.
Knows no table, no file and no neighbour cell; whole columns are in `columns.py`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import NoReturn

from sdconsole.contract.model import Column, Contract, DateOrder, Kind
from sdconsole.quality.clean.numbers import decimal_reader, integer_reader, read_real
from sdconsole.quality.dates.reading import DateReader, DateShape
from sdconsole.quality.outcome import (
    DATE,
    FLAG,
    MISSING,
    NOTHING,
    TRIMMED,
    Fault,
    Outcome,
    Reader,
    faulty,
)
from sdconsole.quality.texts import BLANKS, Words, has_surrogate, missing, text_reader, words_of
from sdconsole.quality.values import read_flag

FLAG_WORDS = ("yes", "no")
"""How a flag is spelt whose contract does not say."""
_MOST_DIGITS = 1000
"""PostgreSQL keeps the numbers of jsonb as numeric, which ends at 131,072 digits."""


def compile_reader(
    column: Column, contract: Contract, *, dates: DateReader, order: DateOrder, is_key: bool = False
) -> Reader:
    """The reader of one column. `is_key`: part of the table's primary key, so that `positive` is enforced."""
    words = words_of(column, contract)
    read = _reader_of_kind(column, words, dates, order)
    if column.checked or (is_key and column.positive):
        read = _bounded(read, column, is_key=is_key)
    return _guarded(read, words, text=column.kind is Kind.TEXT)


def _reader_of_kind(column: Column, words: Words, dates: DateReader, order: DateOrder) -> Reader:
    match column.kind:
        case Kind.INTEGER:
            return integer_reader(column)
        case Kind.DECIMAL:
            return decimal_reader(column)
        case Kind.REAL:
            return read_real
        case Kind.TEXT:
            return text_reader(column, words)
        case Kind.TIMESTAMP:
            return _date_reader(dates, order)
        case Kind.FLAG:
            return _flag_reader(column)
        case Kind.JSON:
            return _read_json


def _guarded(read: Reader, words: Words, *, text: bool) -> Reader:
    """Takes out what no kind can hold, and for typed columns what means that there is no value."""

    def guarded(value: object) -> Outcome:
        if value is None:
            return NOTHING
        if isinstance(value, bytes):
            return Outcome(None, (), Fault.BINARY)
        if isinstance(value, str):
            if not value.isascii() and has_surrogate(value):
                return Outcome(None, (), Fault.BAD_TEXT)
            if not text:
                absent = missing(value, value.strip(BLANKS), words)
                if absent is not None:
                    return absent
        return read(value)

    return guarded


def _bounded(read: Reader, column: Column, *, is_key: bool) -> Reader:
    minimum = None if column.minimum is None or not column.checked else Decimal(str(column.minimum))
    maximum = None if column.maximum is None or not column.checked else Decimal(str(column.maximum))
    allowed = frozenset(column.values) if column.checked else frozenset()

    def bounded(raw: object) -> Outcome:
        outcome = read(raw)
        value = outcome.value
        if value is None:
            return outcome
        if allowed and value not in allowed:
            return faulty(Fault.NOT_ALLOWED)
        if column.kind in (Kind.INTEGER, Kind.DECIMAL, Kind.REAL):
            number = Decimal(str(value))
            if column.positive and number <= 0:
                return faulty(Fault.NOT_POSITIVE if is_key else Fault.NOT_ALLOWED)
            if (minimum is not None and number < minimum) or (maximum is not None and number > maximum):
                return faulty(Fault.NOT_ALLOWED)
        return outcome

    return bounded


def _date_reader(dates: DateReader, order: DateOrder) -> Reader:
    def read(value: object) -> Outcome:
        moment, shape, ambiguous, flags, _ = parsed = dates.read(value, order)
        if moment is not None:
            text = parsed.text
            return Outcome(text, () if text == value else (DATE + shape,), None, flags)
        if ambiguous:
            return faulty(Fault.AMBIGUOUS_DATE)
        if shape is DateShape.MISSING:
            return Outcome(None, (MISSING + "blanks",))
        return faulty(Fault.CORRUPT_DATE)

    return read


def _flag_reader(column: Column) -> Reader:
    yes, no = column.flag or FLAG_WORDS

    def read(value: object) -> Outcome:
        word = value.strip(BLANKS).lower() if isinstance(value, str) else value
        meant = word == yes.lower() if word in (yes.lower(), no.lower()) else read_flag(word)
        if meant is None:
            return faulty(Fault.UNKNOWN_FLAG)
        spelled = yes if meant else no
        return Outcome(spelled, () if spelled == value else (FLAG,))

    return read


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse_huge(text: str) -> Decimal:
    number = Decimal(text)
    if number.is_finite() and abs(number.adjusted()) > _MOST_DIGITS:
        raise ValueError(f"{text[:20]} is out of range")
    return number


def _read_json(value: object) -> Outcome:
    text = str(value).strip(BLANKS) if isinstance(value, str) else repr(value)
    try:
        parsed = json.loads(text, parse_constant=_refuse_constant, parse_float=_refuse_huge)
        # jsonb refuses \u0000 and lone surrogates; as text both are plain escapes, so look at what they decode to.
        loose = json.dumps(parsed, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return faulty(Fault.BAD_JSON)
    if "\\u0000" in loose and "\0" in "".join(_strings(parsed)):
        return faulty(Fault.BAD_JSON)
    if not loose.isascii() and has_surrogate(loose):
        return faulty(Fault.BAD_JSON)
    return Outcome(text, (TRIMMED,) if isinstance(value, str) and text != value else ())


def _strings(parsed: object) -> list[str]:
    """Every text and every name inside a JSON value."""
    found: list[str] = []
    waiting = [parsed]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            waiting += item
    return found
