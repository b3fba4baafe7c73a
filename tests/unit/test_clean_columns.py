"""A column cleaned in chunks gives what its cells give one by one, however the chunk is mixed."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Column, DateOrder
from sdconsole.quality.clean.cells import compile_reader
from sdconsole.quality.clean.columns import ColumnCleaner
from sdconsole.quality.dates.reading import DateReader

CONTRACT = load_contract(None)
DATES = DateReader("UTC", datetime(2020, 1, 1), datetime(2025, 12, 21))
COLUMNS = [
    Column("id", "bigint", positive=True),
    Column("number", "bigint"),
    Column("small", "smallint", minimum=1, maximum=5, checked=True),
    Column("hours", "numeric(8,3)"),
    Column("real", "double precision"),
    Column("text", "text"),
    Column("padded", "text", keep_padding=True),
    Column("root", "text", keep_tokens=("--None--",)),
    Column("mood", "text", values=("positive", "mixed"), checked=True),
    Column("moment", "timestamp"),
    Column("flag", "text", flag=("yes", "no")),
    Column("tags", "jsonb"),
]
VALUES = [
    *(None, None, None, 1, 5, 7, -5, 0, 2**40, 1.0, 7.6, 45797.3625, b"\0"),
    *("1", "1.0", " 7 ", "7,6", "1,250", "ABC", "", "  ", "nan", "None", "?", "--None--", " nan"),
    *(
        "plain",
        " padded ",
        " PendingAssignment",
        "a\r\nb",
        "a\0b",
        "a\n\n\n\n\nb",
        "é",
        "\ufeffé",
        "caf\udce9",
        "x" * 90,
    ),
    *("positive", "Mixed", "yes", "NO", "maybe", '["a"]', "[1", "2025-07-15 08:42:00", "2025-02-31 00:00:00"),
    *("15/07/2025 8:42", "5/07/2025", "31/02/2025", "2025-07-15"),
]


def cleaner(column: Column, order: DateOrder = DateOrder.DMY) -> ColumnCleaner:
    return ColumnCleaner(column, CONTRACT, dates=DATES, order=order, is_key=column.name == "id")


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
@settings(max_examples=120, deadline=None)
@given(chunks=st.lists(st.lists(st.sampled_from(VALUES), max_size=12), max_size=4))
def test_a_chunk_gives_what_its_cells_give(column: Column, chunks: list[list[object]]) -> None:
    by_chunk = cleaner(column)
    read = compile_reader(column, CONTRACT, dates=DATES, order=DateOrder.DMY, is_key=column.name == "id")
    changed = 0
    for chunk in chunks:
        values, faults = by_chunk.clean(tuple(chunk))
        outcomes = [read(raw) for raw in chunk]
        assert [(type(value), value) for value in values] == [(type(each.value), each.value) for each in outcomes]
        assert dict(faults) == {at: each for at, each in enumerate(outcomes) if each.fault is not None}
        changed += sum(bool(each.operations) for each in outcomes)
    assert by_chunk.tally.changed == changed


def test_every_value_alone_gives_what_it_gives_in_a_crowd() -> None:
    for column in COLUMNS:
        for value in VALUES:
            alone, faults = cleaner(column).clean((value,))
            crowd, crowd_faults = cleaner(column).clean((None, value, *VALUES))
            assert alone[0] == crowd[1]
            assert faults.get(0) == crowd_faults.get(1)


def test_a_chunk_of_canonical_values_is_passed_through_untouched() -> None:
    for name, chunk in {
        "number": (1, None, 2**63 - 1),
        "text": ("a", None, "b\n\n\nc", "é"),
        "moment": ("2025-07-15 08:42:00", None),
        "padded": (" PendingAssignment", "Mika Tanaka"),
    }.items():
        column = next(column for column in COLUMNS if column.name == name)
        assert cleaner(column).clean(chunk)[0] is chunk


def test_changes_are_counted_by_operation_with_one_sample_of_each_kind() -> None:
    text = cleaner(Column("text", "text"))
    text.clean((" a", " b", "c\r\n d", "nan", "", None, "e"))
    assert text.tally.changed == 5
    assert dict(text.tally.operations) == {"trimmed": 2, "line ends": 1, "missing nan": 1, "missing ''": 1}
    assert [(sample.operation, sample.before, sample.after) for sample in text.tally.samples] == [
        ("trimmed", " a", "a"),
        ("line ends", "c\\r\\n d", "c\\n d"),
        ("missing nan", "nan", None),
        ("missing ''", "", None),
    ]


def test_samples_are_few_and_short() -> None:
    text = cleaner(Column("text", "text"))
    text.clean(tuple(f" {number}\r\n{'x' * 500}" for number in range(50)))
    assert len(text.tally.samples) == 1
    assert len(text.tally.samples[0].before) < 100


def test_memory_stays_bounded_whatever_the_number_of_different_values() -> None:
    text = cleaner(Column("text", "text"))
    for start in range(0, 60_000, 5_000):
        text.clean(tuple(f" {number}" for number in range(start, start + 5_000)))
    assert text.tally.changed == 60_000
    assert len(text._known) + len(text._same) <= 26_000
