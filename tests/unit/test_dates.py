"""The vocabulary of dates: what each written form means, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil import parser as dateutil_parser  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from sdconsole.contract.load import load_contract
from sdconsole.contract.model import DateOrder
from sdconsole.quality.dates.reading import (
    FRACTION_CUT,
    IMPOSSIBLE,
    INFERRED,
    NOT_A_DATE,
    OTHER_ORDER,
    PADDED,
    TWO_DIGIT_YEAR,
    UNICODE_BLANK,
    ZONE_CONVERTED,
    DateReader,
    DateShape,
    Parsed,
    canonical_texts,
    date_reader,
    read_date,
)

PERTH = "Australia/Perth"
DMY, MDY, YMD, NONE = DateOrder.DMY, DateOrder.MDY, DateOrder.YMD, DateOrder.NONE


def read(value: object, order: DateOrder = NONE) -> Parsed:
    return read_date(value, order, timezone=PERTH, tokens=frozenset({"nan", "n/a"}))


@pytest.mark.parametrize(
    ("value", "moment", "shape"),
    [
        ("2025-07-15 08:42:37", "2025-07-15 08:42:37", DateShape.ISO),
        ("2025-07-15 8:42:37", "2025-07-15 08:42:37", DateShape.ISO),
        ("2025-07-15 08:42", "2025-07-15 08:42:00", DateShape.ISO_MINUTES),
        ("2025-07-15", "2025-07-15 00:00:00", DateShape.ISO_DATE),
        ("2025-07-15T08:42", "2025-07-15 08:42:00", DateShape.ISO_T),
        ("2025-07-15T08:42:37", "2025-07-15 08:42:37", DateShape.ISO_T),
        ("2025-07-15T08:42:37.999", "2025-07-15 08:42:37", DateShape.ISO_FRACTION),
        ("2025-07-15 08:42:37,5", "2025-07-15 08:42:37", DateShape.ISO_FRACTION),
        ("2025-07-15T08:42:37Z", "2025-07-15 16:42:37", DateShape.ISO_ZONE),
        ("2025-07-15T08:42:37.25Z", "2025-07-15 16:42:37", DateShape.ISO_ZONE),
        ("2025-07-15 08:42:37+08:00", "2025-07-15 08:42:37", DateShape.ISO_ZONE),
        ("2025-07-15 08:42 -0330", "2025-07-15 20:12:00", DateShape.ISO_ZONE),
        ("2025-07-15T20:00:00-05", "2025-07-16 09:00:00", DateShape.ISO_ZONE),
        ("2025/07/15", "2025-07-15 00:00:00", DateShape.YEAR_FIRST),
        ("2025/7/15 8:42", "2025-07-15 08:42:00", DateShape.YEAR_FIRST),
        ("2025-7-5", "2025-07-05 00:00:00", DateShape.YEAR_FIRST),
        ("15/07/2025", "2025-07-15 00:00:00", DateShape.SLASH_DATE),
        ("15/7/2025 8:42", "2025-07-15 08:42:00", DateShape.SLASH_TIME),
        ("15/07/2025 20:42:37", "2025-07-15 20:42:37", DateShape.SLASH_SECONDS),
        ("15/07/2025 8:42 PM", "2025-07-15 20:42:00", DateShape.SLASH_AMPM),
        ("15/07/2025 8:42:37 p.m.", "2025-07-15 20:42:37", DateShape.SLASH_AMPM),
        ("15/07/2025 12:05 AM", "2025-07-15 00:05:00", DateShape.SLASH_AMPM),
        ("15/07/2025 12:05pm", "2025-07-15 12:05:00", DateShape.SLASH_AMPM),
        ("7/25/2025 8:42", "2025-07-25 08:42:00", DateShape.SLASH_TIME),
        ("15-07-2025", "2025-07-15 00:00:00", DateShape.DASH),
        ("15-07-2025 08:42:37", "2025-07-15 08:42:37", DateShape.DASH),
        ("15.07.2025 8:42", "2025-07-15 08:42:00", DateShape.DOT),
        ("15/07/25 8:42", "2025-07-15 08:42:00", DateShape.SHORT_YEAR),
        ("15-07-25", "2025-07-15 00:00:00", DateShape.SHORT_YEAR),
        ("15 Jul 2025", "2025-07-15 00:00:00", DateShape.MONTH_NAME),
        ("5 JULY 2025 8:42 PM", "2025-07-05 20:42:00", DateShape.MONTH_NAME),
        ("15-Jul-25 8:42", "2025-07-15 08:42:00", DateShape.MONTH_NAME),
        ("July 5, 2025 08:42", "2025-07-05 08:42:00", DateShape.MONTH_NAME),
        ("29/02/2024", "2024-02-29 00:00:00", DateShape.SLASH_DATE),
        (45797.3625, "2025-05-20 08:42:00", DateShape.EXCEL_SERIAL),
        ("45797.3625", "2025-05-20 08:42:00", DateShape.EXCEL_SERIAL),
        (45797, "2025-05-20 00:00:00", DateShape.EXCEL_SERIAL),
        (1752568957, "2025-07-15 16:42:37", DateShape.EPOCH_SECONDS),
        ("1752568957", "2025-07-15 16:42:37", DateShape.EPOCH_SECONDS),
        (1752568957999, "2025-07-15 16:42:37", DateShape.EPOCH_MILLISECONDS),
    ],
)
def test_each_written_form_means_its_moment(value: object, moment: str, shape: DateShape) -> None:
    parsed = read(value)
    assert (parsed.text, parsed.shape) == (moment, shape)
    assert parsed.date_like


@pytest.mark.parametrize(
    "value",
    [
        "31/02/2025 10:15", "29/02/2023", "2025-02-30 00:00:00", "2025-13-01", "00/13/2025", "0/5/2025", "32/01/2025",
        "13/13/2025", "15/07/2025 25:99", "15/07/2025 24:00", "2025-07-15 08:60:00", "2025-07-15 08:42:60",
        "15/07/2025 13:05 PM", "15/07/2025 0:05 AM", "31 Feb 2025", "0000-01-01", "2025-07-15T08:42+16:00",
        "2025-07-15T08:42+08:75", "0001-01-01T00:00:00+10:00",
    ],
)  # fmt: skip
def test_a_date_that_no_calendar_has_is_corrupt_and_never_mended(value: str) -> None:
    for order in (NONE, DMY, MDY, YMD):
        parsed = read(value, order)
        assert parsed.moment is None
        assert parsed.shape is DateShape.CORRUPT
        assert parsed.flags == (IMPOSSIBLE,)
        assert parsed.date_like


@pytest.mark.parametrize(
    "value",
    [
        "tbc", "15/07/2025 8:42 approx", "on 15/07/2025", "15/07/2025 8", "15/07-2025", "15/07/2025T08:42", "8:42",
        "15/07/202", "15/7", "2025-07", "2025-07-15T", "2025-07-15 ?", "15 Juli 2025", "15 Foo 2025", "Smarch 5, 2025",
        "1/2/3/2025", "3664092", "-45797", "4.5797e4", "1,752,568,957", "٣/٠٧/٢٠٢٥", "x" * 500, "2025-07-15\x0008:42",
        3664092, 0, -1, 43829.9, 99999999999999, float("inf"), float("-inf"), float("nan"), True, b"2025-07-15",
    ],
)  # fmt: skip
def test_what_is_no_date_is_corrupt_and_not_date_like(value: object) -> None:
    parsed = read(value, DMY)
    assert (parsed.moment, parsed.shape, parsed.flags) == (None, DateShape.CORRUPT, (NOT_A_DATE,))
    assert not parsed.date_like


@pytest.mark.parametrize("value", [None, "", "   ", "\t\n", "\u00a0\u2009", "\ufeff", "\u200b"])
def test_blank_cells_are_missing(value: object) -> None:
    assert read(value).shape is DateShape.MISSING


@pytest.mark.parametrize("value", ["nan", "NaN", " N/A "])
def test_words_for_a_missing_value_are_tokens(value: str) -> None:
    assert read(value).shape is DateShape.TOKEN
    assert read_date(value, NONE, timezone=PERTH).shape is DateShape.CORRUPT


@pytest.mark.parametrize("blank", ["\u00a0", "\u2009", "\u202f", "\u3000", "\u2003", "\t"])
def test_blanks_of_all_kinds_do_not_matter(blank: str) -> None:
    for value in (f"{blank}15/07/2025 8:42", f"15/07/2025{blank}8:42", f"15/07/2025 8:42{blank * 3}"):
        parsed = read(value)
        assert parsed.text == "2025-07-15 08:42:00"
        assert parsed.flags == ((PADDED,) if blank == "\t" else (UNICODE_BLANK,))


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        ("15/07/25", TWO_DIGIT_YEAR),
        (" 2025-07-15 08:42:00", PADDED),
        ("\ufeff15/07/2025", UNICODE_BLANK),
        ("2025-07-15T08:42:00.001", FRACTION_CUT),
        ("2025-07-15T08:42:00Z", ZONE_CONVERTED),
        (1752568957.5, FRACTION_CUT),
    ],
)
def test_what_reading_took_is_flagged(value: object, flag: str) -> None:
    assert read(value).flags == (flag,)


def test_a_fraction_of_zero_loses_nothing() -> None:
    assert read("2025-07-15T08:42:00.000").flags == ()


def test_an_ambiguous_day_needs_the_order_of_its_column() -> None:
    for order in (NONE, YMD, DateOrder.AMBIGUOUS, DateOrder.CONFLICT):
        assert read("5/07/2025 8:42", order) == Parsed(None, DateShape.SLASH_TIME, True, ())
    assert read("5/07/2025 8:42", DMY) == Parsed(datetime(2025, 7, 5, 8, 42), DateShape.SLASH_TIME, True, (INFERRED,))
    assert read("5/07/2025 8:42", MDY).moment == datetime(2025, 5, 7, 8, 42)


def test_a_day_that_can_be_read_one_way_only_is_read_so_whatever_the_order() -> None:
    for order in (NONE, DMY, MDY, DateOrder.CONFLICT):
        day_first, month_first = read("25/7/2025", order), read("7/25/2025", order)
        assert day_first.moment == month_first.moment == datetime(2025, 7, 25)
        assert (day_first.evidence, month_first.evidence) == (DMY, MDY)
        assert (OTHER_ORDER in day_first.flags) == (order is MDY)
        assert (OTHER_ORDER in month_first.flags) == (order is DMY)


def test_three_two_digit_numbers_are_year_first_only_by_answer() -> None:
    assert read("25/07/05", YMD).moment == datetime(2025, 7, 5)
    assert read("25/07/05", NONE).moment == datetime(2005, 7, 25)
    assert read("30/02/15", YMD).moment == datetime(2030, 2, 15)
    assert read("30/02/15", DMY).shape is read("30/02/15", NONE).shape is DateShape.CORRUPT
    assert read("30/02/30", YMD).shape is DateShape.CORRUPT


def test_iso_is_never_read_day_first() -> None:
    for order in DateOrder:
        assert read("2025-05-07", order).moment == datetime(2025, 5, 7)
        assert read("2025/05/07", order).moment == datetime(2025, 5, 7)


def test_offsets_follow_the_business_zone_through_a_clock_change() -> None:
    newyork = DateReader("America/New_York")
    assert newyork.read("2025-03-09T06:59:00Z", NONE).text == "2025-03-09 01:59:00"
    assert newyork.read("2025-03-09T07:00:00Z", NONE).text == "2025-03-09 03:00:00"


def test_numbers_are_dates_only_inside_the_contract_s_range() -> None:
    reader = date_reader(load_contract(None), datetime(2025, 11, 1, tzinfo=UTC))
    first = (date(2020, 1, 1) - date(1899, 12, 30)).days
    last = (date(2025, 12, 1) - date(1899, 12, 30)).days
    assert reader.read(first, NONE).moment == datetime(2020, 1, 1)
    assert reader.read(first - 1, NONE).moment is None
    assert reader.read(last, NONE).moment == datetime(2025, 12, 1)
    assert reader.read(last + 1, NONE).moment is None
    assert reader.read(int(datetime(2019, 12, 31, tzinfo=UTC).timestamp()), NONE).moment is None
    assert reader.read("1/1/1999", NONE).moment is None
    assert reader.read("31/1/1999", NONE).moment == datetime(1999, 1, 31), "text dates are read whatever their year"


def test_canonical_texts_are_exactly_those_that_read_as_themselves() -> None:
    values = ["2025-07-15 08:42:37", "2025-02-29 00:00:00", "2025-07-15T08:42:37", "2025-07-15", " 2025-07-15 08:42:37",
              "2025-W27-6 08:42:00", "2025-07-15 24:00:00"]  # fmt: skip
    assert canonical_texts(values) == ["2025-07-15 08:42:37"]
    assert all((read(value).text == value) == (value in canonical_texts(values)) for value in values)


MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2068, 12, 31)).map(lambda moment: moment.replace(microsecond=0))
UNAMBIGUOUS = MOMENTS.filter(lambda moment: moment.day > 12)
DAY_FIRST_FORMS = st.sampled_from(
    ["%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %I:%M %p", "%d/%m/%Y %I:%M:%S %p", "%d-%m-%Y",
     "%d-%m-%Y %H:%M", "%d.%m.%Y", "%d.%m.%Y %H:%M:%S", "%d %b %Y", "%d %B %Y %H:%M", "%d-%b-%Y", "%b %d, %Y %I:%M %p"]
)  # fmt: skip
MONTH_FIRST_FORMS = st.sampled_from(["%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%m-%d-%Y", "%m.%d.%Y"])
ISO_FORMS = st.sampled_from(
    ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d %H:%M"]
)


@settings(max_examples=300, deadline=None)
@given(UNAMBIGUOUS, DAY_FIRST_FORMS | MONTH_FIRST_FORMS | ISO_FORMS, st.sampled_from(list(DateOrder)))
def test_unambiguous_texts_agree_with_an_independent_parser(moment: datetime, form: str, order: DateOrder) -> None:
    text = moment.strftime(form)
    expected = dateutil_parser.parse(text, dayfirst=not form.startswith("%Y"), default=datetime(2000, 1, 1))
    assert read(text, order).moment == expected


@settings(max_examples=150, deadline=None)
@given(MOMENTS, DAY_FIRST_FORMS)
def test_with_the_order_known_every_day_first_text_agrees_with_an_independent_parser(
    moment: datetime, form: str
) -> None:
    text = moment.strftime(form)
    assert read(text, DMY).moment == dateutil_parser.parse(text, dayfirst=True, default=datetime(2000, 1, 1))


@settings(max_examples=150, deadline=None)
@given(MOMENTS, st.sampled_from(["UTC", PERTH, "America/St_Johns", "Asia/Kathmandu"]), st.integers(-14 * 60, 14 * 60))
def test_offsets_agree_with_an_independent_parser(moment: datetime, zone: str, minutes: int) -> None:
    sign = "-" if minutes < 0 else "+"
    text = f"{moment.isoformat()}{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    expected = dateutil_parser.isoparse(text).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert read_date(text, NONE, timezone=zone).moment == expected


@settings(max_examples=150, deadline=None)
@given(st.datetimes(datetime(2020, 1, 3), datetime(2098, 12, 31)), st.sampled_from(["UTC", PERTH, "America/New_York"]))
def test_serials_and_epochs_come_back_as_the_moment_they_were_made_of(moment: datetime, zone: str) -> None:
    moment = moment.replace(microsecond=0)
    serial = (moment - datetime(1899, 12, 30)) / timedelta(days=1)
    assert read_date(serial, NONE, timezone=zone).moment == moment
    assert read_date(repr(serial), NONE, timezone=zone).moment == moment
    instant = moment.replace(tzinfo=UTC)
    local = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    for number in (int(instant.timestamp()), int(instant.timestamp()) * 1000):
        assert read_date(number, NONE, timezone=zone).moment == local
        assert read_date(str(number), NONE, timezone=zone).moment == local


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789/-.: TZapmJul,+", max_size=24), st.sampled_from(list(DateOrder)))
def test_no_text_is_ever_mended_into_a_date_and_reading_is_idempotent(text: str, order: DateOrder) -> None:
    parsed = read(text, order)
    if parsed.moment is None:
        return
    assert read(parsed.text, order).moment == parsed.moment
    digits = [int(part) for part in "".join(sign if sign.isdigit() else " " for sign in text).split()]
    if parsed.shape in (DateShape.SLASH_DATE, DateShape.DASH, DateShape.DOT, DateShape.ISO_DATE, DateShape.YEAR_FIRST):
        assert {parsed.moment.day, parsed.moment.month, parsed.moment.year} <= set(digits)
