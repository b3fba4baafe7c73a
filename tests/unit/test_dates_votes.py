"""How a column votes on the order of its dates, and that counting in bulk is counting."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdconsole.contract.model import DateOrder
from sdconsole.quality.dates.reading import OTHER_ORDER, TWO_DIGIT_YEAR, DateReader, DateShape
from sdconsole.quality.dates.votes import Votes

READER = DateReader("UTC", datetime(2020, 1, 1), datetime(2025, 12, 1))


def votes(*values: object, answer: DateOrder | None = None) -> Votes:
    counted = Votes(READER, answer=answer, tokens=frozenset({"nan"}))
    for value in values:
        counted.add(value)
    return counted


@pytest.mark.parametrize(
    ("values", "order"),
    [
        ((), DateOrder.NONE),
        ((None, "", "nan", "tbc"), DateOrder.NONE),
        (("2025-07-15 08:42:00", "2025/7/5", "5 Jul 2025", 45797.5), DateOrder.NONE),
        (("5/07/2025",), DateOrder.AMBIGUOUS),
        (("5/07/2025", "15/07/2025"), DateOrder.DMY),
        (("5/07/2025", "7/15/2025"), DateOrder.MDY),
        (("5/07/2025", "15/07/2025", "7/25/2025"), DateOrder.CONFLICT),
        (("15-07-2025", "5.7.2025"), DateOrder.DMY),
        (("15/07/25",), DateOrder.DMY),
    ],
)
def test_the_evidence_decides_the_order(values: tuple[object, ...], order: DateOrder) -> None:
    counted = votes(*values)
    assert (counted.inferred, counted.order) == (order, order)


def test_one_value_of_evidence_is_enough_for_a_million_ambiguous_ones() -> None:
    counted = Votes(READER)
    counted.add("5/07/2025", 1_000_000)
    counted.add("15/07/2025")
    assert (counted.order, counted.ambiguous, counted.unresolved, counted.fixable) == (
        DateOrder.DMY,
        1_000_000,
        0,
        1_000_001,
    )


def test_dates_that_do_not_exist_prove_nothing() -> None:
    counted = votes("31/02/2025", "2/31/2025", "5/07/2025")
    assert (counted.day_first, counted.month_first, counted.corrupt, counted.impossible) == (0, 0, 2, 2)
    assert counted.order is DateOrder.AMBIGUOUS


def test_ambiguous_values_stay_unresolved_until_the_order_is_known() -> None:
    assert votes("5/07/2025", "6/07/2025").unresolved == 2
    assert votes("5/07/2025", "15/07/2025", "7/15/2025").unresolved == 1
    assert votes("5/07/2025", "15/07/2025").unresolved == 0
    assert votes("5/07/2025", answer=DateOrder.MDY).unresolved == 0


def test_an_answer_decides_and_the_evidence_against_it_is_still_counted() -> None:
    counted = votes("5/07/2025", "7/25/2025", "15/07/2025", answer=DateOrder.DMY)
    assert (counted.order, counted.inferred, counted.against_answer) == (DateOrder.DMY, DateOrder.CONFLICT, 1)
    assert votes("15/07/2025", answer=DateOrder.MDY).against_answer == 1
    assert OTHER_ORDER in READER.read("7/25/2025", DateOrder.DMY).flags


def test_the_span_is_that_of_the_order() -> None:
    span = votes("5/07/2025 10:00", "1/12/2025", "15/07/2025").span
    assert (span.first, span.last) == (datetime(2025, 7, 5, 10), datetime(2025, 12, 1))
    span = votes("5/07/2025 10:00", "1/12/2025", "7/15/2025").span
    assert (span.first, span.last) == (datetime(2025, 1, 12), datetime(2025, 7, 15))
    assert votes("5/07/2025").span.first is None


def test_implausible_dates_are_counted_in_the_order_of_the_column() -> None:
    assert votes("1/12/2025 00:00:01", "13/1/2025").span.implausible == 1
    assert votes("1/12/2025 00:00:01", "1/13/2025").span.implausible == 0
    assert votes("31/12/2019 23:59:59", "2020-01-01 00:00:00", "2019-12-31 23:59:59").span.implausible == 2


def test_canonical_is_only_what_the_clean_file_would_write() -> None:
    counted = votes("2025-07-15 08:42:00", " 2025-07-15 08:42:00", "2025-07-15 8:42:00", "2025-07-15")
    assert (counted.canonical, counted.fixable, counted.shapes[DateShape.ISO]) == (1, 3, 3)


CELLS = st.one_of(
    st.datetimes(datetime(2019, 6, 1), datetime(2026, 6, 1)).flatmap(
        lambda moment: st.sampled_from(
            ["%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y", "%d/%m/%Y %I:%M:%S %p", "%d-%m-%Y", "%d.%m.%y %H:%M",
             "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.5", "%d %b %Y %H:%M", "%d/%m/%Y ",
             "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:00.000", "%d/%m/%Y  %H:%M"]
        ).map(moment.strftime)
    ),
    st.sampled_from(["31/02/2025", "2025-02-30 00:00:00", "15/07/2025 25:99", "tbc", "nan", "", "  ", "5/07/2025 x"]),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(CELLS, max_size=40))
def test_counting_in_bulk_is_the_same_as_counting_one_by_one(cells: list[str]) -> None:
    singly = Votes(READER, tokens=frozenset({"nan"}))
    in_bulk = Votes(READER, tokens=frozenset({"nan"}))
    tally = Counter(cells)
    for text, count in tally.items():
        singly.add(text, count)
    rest = dict(tally)
    canonical = in_bulk.take_canonical(rest)
    timed, clockless = in_bulk.take_written(rest)
    assert canonical + timed + clockless + sum(rest.values()) == len(cells)
    for text, count in rest.items():
        in_bulk.add(text, count)
    for name in ("day_first", "month_first", "ambiguous", "corrupt", "impossible", "canonical", "missing", "tokens",
                 "inferred", "unresolved", "dated", "fixable", "span"):  # fmt: skip
        assert getattr(in_bulk, name) == getattr(singly, name), name
    assert +in_bulk.shapes == +singly.shapes
    assert in_bulk.flags == singly.flags


def test_plain_dates_are_all_taken_in_bulk() -> None:
    tally = {"2025-07-15 08:42:00": 3, "15/07/2025 8:42": 2, "5/07/2025": 1, "15.07.2025 8:42 PM": 1, "31/02/2025": 1,
             "15/07/25": 1}  # fmt: skip
    counted = Votes(READER)
    assert counted.take_canonical(tally) == 3
    assert counted.take_written(tally) == (3, 1)
    assert tally == {"31/02/2025": 1, "15/07/25": 1}
    assert counted.ambiguous_texts == ["5/07/2025"]
    counted.add("15/07/25")
    assert counted.flags == {TWO_DIGIT_YEAR: 1}
