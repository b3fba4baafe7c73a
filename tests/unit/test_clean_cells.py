"""What a single cell becomes: one table of values for each kind of column."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Column, DateOrder
from sdconsole.quality.clean.cells import compile_reader
from sdconsole.quality.clean.numbers import canonical_decimal
from sdconsole.quality.dates.reading import DateReader
from sdconsole.quality.outcome import Fault, Outcome, Reader
from sdconsole.quality.texts import normalise

CONTRACT = load_contract(None)
DATES = DateReader("Australia/Perth", datetime(2020, 1, 1), datetime(2025, 12, 21))
MISSING = object()


def reader(type_name: str, *, order: DateOrder = DateOrder.DMY, is_key: bool = False, **options: Any) -> Reader:
    return compile_reader(Column("c", type_name, **options), CONTRACT, dates=DATES, order=order, is_key=is_key)


def check(read: Reader, raw: object, expected: object) -> Outcome:
    """The outcome is the value, a Fault, or MISSING; and what came out, read again, stays as it is."""
    outcome = read(raw)
    if isinstance(expected, Fault):
        assert (outcome.value, outcome.fault) == (None, expected)
        assert not outcome.operations
    elif expected is MISSING:
        assert (outcome.value, outcome.fault) == (None, None)
    else:
        assert outcome.fault is None
        assert (type(outcome.value), outcome.value) == (type(expected), expected)
        assert read(outcome.value) == Outcome(expected)
    return outcome


TYPED = ["bigint", "numeric(8,3)", "double precision", "timestamp", "jsonb"]


@pytest.mark.parametrize("type_name", TYPED)
@pytest.mark.parametrize(
    "raw", [None, "", " ", "\u00a0\u2003", "\ufeff", "nan", "NaN", " NULL ", "n/a", "NaT", "?", "-", "--", "None", "na"]
)
def test_blanks_and_words_for_nothing_are_null_in_every_typed_column(type_name: str, raw: object) -> None:
    outcome = check(reader(type_name), raw, MISSING)
    assert bool(outcome.operations) == (raw is not None)
    check(reader("text", flag=("yes", "no")), raw, MISSING)


@pytest.mark.parametrize(
    ("raw", "operation"),
    [("", "missing ''"), ("  ", "missing blanks"), ("NaN", "missing nan"), (" N/A", "missing n/a")],
)
def test_emptied_cells_are_told_apart_by_what_stood_there(raw: str, operation: str) -> None:
    assert reader("bigint")(raw).operations == (operation,)
    assert reader("text")(raw).operations == (operation,)
    assert reader("timestamp")(raw).operations == (operation,)


@pytest.mark.parametrize("type_name", [*TYPED, "text"])
def test_binary_data_and_bytes_that_are_no_text_are_faults_everywhere(type_name: str) -> None:
    check(reader(type_name), b"\x89PNG", Fault.BINARY)
    check(reader(type_name), "caf\udce9", Fault.BAD_TEXT)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (3664092, 3664092),
        (3664092.0, 3664092),
        ("3664092.0", 3664092),
        (" 3664092 ", 3664092),
        ("\u00a03664092", 3664092),
        ("+7", 7),
        ("-5", -5),
        (0, 0),
        (9007199254740993, 9007199254740993),
        ("9007199254740993", 9007199254740993),
        (2**63 - 1, 2**63 - 1),
        ("9223372036854775808", Fault.TOO_LARGE),
        (9007199254740994.0, Fault.NOT_EXACT),
        (7.5, Fault.NOT_WHOLE),
        ("7,6", Fault.NOT_WHOLE),
        ("1,250", Fault.AMBIGUOUS_NUMBER),
        ("ABC-12", Fault.NOT_A_NUMBER),
        ("12abc", Fault.NOT_A_NUMBER),
        ("1_000", Fault.NOT_A_NUMBER),
        ("٣", Fault.NOT_A_NUMBER),
        (math.inf, Fault.NOT_FINITE),
        ("inf", Fault.NOT_FINITE),
        ("9" * 5000, Fault.NOT_A_NUMBER),
    ],
)
def test_whole_numbers(raw: object, expected: object) -> None:
    check(reader("bigint"), raw, expected)


@pytest.mark.parametrize(
    ("type_name", "fits", "too_large"),
    [("smallint", 32767, 32768), ("integer", 2**31 - 1, 2**31), ("integer", -(2**31), -(2**31) - 1)],
)
def test_whole_numbers_fit_their_type(type_name: str, fits: int, too_large: int) -> None:
    check(reader(type_name), fits, fits)
    check(reader(type_name), too_large, Fault.TOO_LARGE)


def test_only_a_key_must_be_positive() -> None:
    check(reader("bigint", positive=True, is_key=True), -5, Fault.NOT_POSITIVE)
    check(reader("bigint", positive=True, is_key=True), "0", Fault.NOT_POSITIVE)
    check(reader("bigint", positive=True, is_key=True), 1, 1)
    check(reader("bigint", positive=True), -5, -5)
    check(reader("numeric(8,3)", positive=True, maximum=24), "25", "25")


@pytest.mark.parametrize(
    ("raw", "expected", "operations"),
    [
        (7.6, "7.6", ()),
        (8, "8", ()),
        (8.0, "8", ()),
        ("7.6", "7.6", ()),
        ("7,6", "7.6", ("decimal comma",)),
        ("7.60", "7.6", ("number",)),
        (" 7.6 ", "7.6", ("number",)),
        (".5", "0.5", ("number",)),
        ("-0.0", "0", ("number",)),
        (0.1 + 0.2, "0.3", ("rounded",)),
        ("1.0005", "1", ("rounded",)),
        ("1.0015", "1.002", ("rounded",)),
        (99999.9994, "99999.999", ("rounded",)),
    ],
)
def test_exact_numbers_are_text_without_loss(raw: object, expected: str, operations: tuple[str, ...]) -> None:
    assert check(reader("numeric(8,3)"), raw, expected).operations == operations


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (100000, Fault.TOO_LARGE),
        (99999.9996, Fault.TOO_LARGE),
        (1e300, Fault.TOO_LARGE),
        ("1,250", Fault.AMBIGUOUS_NUMBER),
        ("1.2.3", Fault.NOT_A_NUMBER),
        ("two hours", Fault.NOT_A_NUMBER),
        (-math.inf, Fault.NOT_FINITE),
    ],
)
def test_exact_numbers_that_do_not_fit_are_faults(raw: object, fault: Fault) -> None:
    check(reader("numeric(8,3)"), raw, fault)


def test_an_unbounded_numeric_keeps_every_digit() -> None:
    check(reader("numeric"), "12345678901234567890.123456789", "12345678901234567890.123456789")
    check(reader("numeric"), 0.1, "0.1")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_a_canonical_decimal_is_the_same_number_in_plain_digits(number: Decimal) -> None:
    text = canonical_decimal(number)
    assert Decimal(text) == number
    assert "e" not in text.lower()
    assert canonical_decimal(Decimal(text)) == text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (0.25, 0.25),
        (1, 1.0),
        ("0.5", 0.5),
        ("0,5", 0.5),
        (math.inf, Fault.NOT_FINITE),
        ("Infinity", Fault.NOT_FINITE),
        ("high", Fault.NOT_A_NUMBER),
    ],
)
def test_floating_point_numbers_are_finite(raw: object, expected: object) -> None:
    check(reader("double precision"), raw, expected)


def test_checked_bounds_and_values_are_enforced_and_others_are_not() -> None:
    check(reader("smallint", minimum=1, maximum=5, checked=True), 6, Fault.NOT_ALLOWED)
    check(reader("smallint", minimum=1, maximum=5, checked=True), "5.0", 5)
    check(reader("smallint", minimum=1, maximum=5), 6, 6)
    check(reader("double precision", minimum=0, maximum=1, checked=True), 1.0000001, Fault.NOT_ALLOWED)
    check(reader("numeric(4,2)", maximum=5, checked=True), "5.01", Fault.NOT_ALLOWED)
    check(reader("text", values=("positive", "mixed"), checked=True), " mixed", "mixed")
    check(reader("text", values=("positive", "mixed"), checked=True), "Mixed", Fault.NOT_ALLOWED)
    check(reader("text", values=("positive", "mixed")), "odd", "odd")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("yes", "yes"),
        ("Yes", "yes"),
        (" YES ", "yes"),
        ("y", "yes"),
        ("true", "yes"),
        (1, "yes"),
        (1.0, "yes"),
        ("1", "yes"),
        ("NO", "no"),
        ("False", "no"),
        (0, "no"),
        ("maybe", Fault.UNKNOWN_FLAG),
        (2, Fault.UNKNOWN_FLAG),
    ],
)
def test_flags_get_the_spelling_of_their_column(raw: object, expected: object) -> None:
    check(reader("text", flag=("yes", "no")), raw, expected)
    capital = expected.capitalize() if type(expected) is str else expected
    check(reader("text", flag=("Yes", "No")), raw, capital)


@pytest.mark.parametrize(
    ("raw", "order", "expected"),
    [
        ("2025-07-15 08:42:37", DateOrder.NONE, "2025-07-15 08:42:37"),
        ("15/07/2025 8:42", DateOrder.DMY, "2025-07-15 08:42:00"),
        ("5/07/2025 8:42 PM", DateOrder.DMY, "2025-07-05 20:42:00"),
        ("5/07/2025 8:42 PM", DateOrder.MDY, "2025-05-07 20:42:00"),
        ("5/07/2025", DateOrder.AMBIGUOUS, Fault.AMBIGUOUS_DATE),
        ("5/07/2025", DateOrder.CONFLICT, Fault.AMBIGUOUS_DATE),
        ("15/07/2025", DateOrder.CONFLICT, "2025-07-15 00:00:00"),
        ("2025-07-15T00:42:00Z", DateOrder.NONE, "2025-07-15 08:42:00"),
        (45797.3625, DateOrder.NONE, "2025-05-20 08:42:00"),
        ("29/02/2024", DateOrder.DMY, "2024-02-29 00:00:00"),
        ("29/02/2023", DateOrder.DMY, Fault.CORRUPT_DATE),
        ("31/02/2025", DateOrder.DMY, Fault.CORRUPT_DATE),
        ("2025-02-31 00:00:00", DateOrder.DMY, Fault.CORRUPT_DATE),
        ("15/07/2025 25:99", DateOrder.DMY, Fault.CORRUPT_DATE),
        ("15/07/2025 8:42 approx", DateOrder.DMY, Fault.CORRUPT_DATE),
        ("tbc", DateOrder.DMY, Fault.CORRUPT_DATE),
        (-5, DateOrder.DMY, Fault.CORRUPT_DATE),
    ],
)
def test_moments(raw: object, order: DateOrder, expected: object) -> None:
    outcome = check(reader("timestamp", order=order), raw, expected)
    assert bool(outcome.operations) == (
        isinstance(expected, str) and not isinstance(expected, Fault) and expected != raw
    )


def test_a_converted_date_says_its_shape_and_what_was_inferred() -> None:
    outcome = reader("timestamp")("5/07/2025 8:42")
    assert outcome.operations == ("date slash-time",)
    assert outcome.flags == ("inferred",)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('["slow", "rude"]', '["slow", "rude"]'),
        (' {"a": 1.5e3} ', '{"a": 1.5e3}'),
        (5, "5"),
        ('"\\\\u0000"', '"\\\\u0000"'),
        ('"\\u0000"', Fault.BAD_JSON),
        ('{"\\u0000": 1}', Fault.BAD_JSON),
        ('"\\ud800"', Fault.BAD_JSON),
        ('"\\ud83d\\ude00"', '"\\ud83d\\ude00"'),
        ("[NaN]", Fault.BAD_JSON),
        ("[-Infinity]", Fault.BAD_JSON),
        ("[1e999999]", Fault.BAD_JSON),
        ("['slow']", Fault.BAD_JSON),
        ("[1,]", Fault.BAD_JSON),
        ("[" * 100_000, Fault.BAD_JSON),
    ],
)
def test_json_is_what_postgresql_can_hold(raw: object, expected: object) -> None:
    check(reader("jsonb"), raw, expected)


@pytest.mark.parametrize(
    ("raw", "expected", "operations"),
    [
        ("plain", "plain", ()),
        ("  padded\u00a0", "padded", ("trimmed",)),
        ("\ufeffmark", "mark", ("trimmed",)),
        ("a\r\nb\rc", "a\nb\nc", ("line ends",)),
        ("a\n\n\n\n\nb", "a\n\n\nb", ("blank lines",)),
        ("a\n\n\nb", "a\n\n\nb", ()),
        ("a\0b", "ab", ("NUL removed",)),
        ("\0 a\r\n\r\n\r\n\r\nb", "a\n\n\nb", ("NUL removed", "line ends", "blank lines", "trimmed")),
        ("=SUM(A1)", "=SUM(A1)", ()),
        ("100% 👨‍💻", "100% 👨‍💻", ()),
        (12, "12", ()),
        (7.6, "7.6", ()),
        (math.inf, Fault.NOT_FINITE, ()),
    ],
)
def test_text_is_tidied_and_otherwise_kept(raw: object, expected: object, operations: tuple[str, ...]) -> None:
    assert check(reader("text"), raw, expected).operations == operations


@pytest.mark.parametrize("word", ["nan", "NaN", "NaT", "None", "NULL", "N/A", " nan ", "n\0an"])
def test_text_columns_know_the_words_of_a_dataframe(word: str) -> None:
    check(reader("text"), word, MISSING)


@pytest.mark.parametrize("word", ["?", "-", "--", "na", "NA", "--None--", "nanny", "none of them"])
def test_text_columns_keep_what_people_write(word: str) -> None:
    check(reader("text"), word, word)


def test_a_column_may_name_its_own_words_and_keep_some() -> None:
    check(reader("text", missing_tokens=("?", "tbc")), "?", MISSING)
    check(reader("text", missing_tokens=("?", "tbc")), "TBC", MISSING)
    check(reader("text", missing_tokens=("?", "tbc")), "nan", "nan")
    check(reader("text", keep_tokens=("None",)), "None", "None")
    check(reader("text", keep_tokens=("--None--",)), " --None--", "--None--")


def test_padding_stays_where_the_contract_says_so() -> None:
    check(reader("text", keep_padding=True), " PendingAssignment", " PendingAssignment")
    check(reader("text", keep_padding=True), "   ", MISSING)
    check(reader("text", keep_padding=True), " nan", MISSING)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab \n\r\0\t\u00a0\ufeff\u200bé"), max_size=30))
def test_tidying_twice_is_tidying_once(text: str) -> None:
    once, _ = normalise(text)
    assert normalise(once) == (once, ())
    assert "\r" not in once
    assert "\0" not in once
    assert "\n\n\n\n" not in once
    kept, _ = normalise(text, keep_padding=True)
    assert normalise(kept, keep_padding=True) == (kept, ())
