"""The date shapes that are put in mean, read by the product's own reader, what the list of defects says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdconsole.config import load_settings
from sdconsole.contract.load import load_contract
from sdconsole.contract.model import DateOrder, Kind
from sdconsole.quality.dates.reading import DateReader, read_date
from sdconsole.quality.dates.votes import Votes
from sdconsole.quality.profile.database import profile_database
from sdconsole.service import generate_demo
from sdconsole.source.catalog import quote
from sdconsole.source.generate import Expect, generate, read_defects
from sdconsole.source.generate import date_shapes as shapes

CONTRACT = load_contract(None)
ZONES = ("UTC", "Australia/Perth", "America/New_York")
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31)).map(lambda moment: moment.replace(microsecond=0))


@settings(max_examples=150, deadline=None)
@given(MOMENTS, st.integers(0, 47), st.sampled_from(ZONES))
def test_every_shape_says_the_moment_that_it_claims(moment: datetime, number: int, zone: str) -> None:
    made = [
        shapes.slash_minutes(moment, number),
        shapes.slash_precise(moment, number),
        shapes.slash_either(moment, number),
        shapes.iso_shape(zone)(moment, number),
        shapes.serial_before(moment, number),
        shapes.serial_after(moment, number),
    ]
    if moment.day > 12:
        made += [shapes.any_shape(zone)(moment, number), shapes.short_or_odd(moment, number)]
        assert read_date(shapes.month_first(moment, number)[0], DateOrder.MDY, timezone=zone).moment is not None
    for cell, meant in made:
        assert read_date(cell, DateOrder.DMY, timezone=zone).moment == meant, cell
        assert abs(meant - moment) < timedelta(days=1)


def test_the_known_examples() -> None:
    moment = datetime(2025, 5, 20, 8, 42)
    assert shapes.serial_before(moment, 0)[0] == 45797.3625
    assert shapes.slash_minutes(moment, 0)[0] == "20/05/2025 8:42"
    assert shapes.slash_either(datetime(2025, 7, 5, 20, 42), 1)[0] == "5/07/2025 8:42 PM"
    assert shapes.iso_shape("Australia/Perth")(moment, 1)[0] == "2025-05-20T00:42:00Z"
    assert shapes.iso_shape("Australia/Perth")(moment, 2)[0] == "2025-05-20T08:42:00+08:00"


@pytest.mark.parametrize("text", [*shapes.IMPOSSIBLE, *shapes.IMPOSSIBLE_DAYS, *shapes.CORRUPT])
def test_impossible_dates_are_read_by_nobody(text: str) -> None:
    for order in (DateOrder.DMY, DateOrder.MDY):
        assert read_date(text, order, timezone="UTC").moment is None


@pytest.mark.parametrize(("profile", "zone"), [("baseline", "UTC"), ("baseline", "Australia/Perth"), ("heavy", "UTC")])
def test_columns_vote_as_planned_and_every_date_defect_reads_as_expected(
    tmp_path: Path, profile: str, zone: str
) -> None:
    contract = replace(CONTRACT, timezone=zone)
    generate(tmp_path / "a.db", contract=contract, rows=30_000, dirt=profile)
    reader = DateReader(timezone=zone)
    orders: dict[tuple[str, str], DateOrder] = {}
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        for table, column in contract.columns():
            if column.kind is not Kind.TIMESTAMP:
                continue
            votes = Votes(reader, tokens=contract.tokens_of(column))
            query = f"SELECT {quote(column.name)}, count(*) FROM {quote(table.name)} GROUP BY 1"
            for value, count in connection.execute(query):
                votes.add(value, count)
            orders[table.name, column.name] = votes.order
            assert votes.order in (DateOrder.DMY, DateOrder.NONE, DateOrder.CONFLICT), column.name
    conflicts = {key for key, order in orders.items() if order is DateOrder.CONFLICT}
    assert conflicts == ({("tickets", "TKT-SLA Closure Date")} if profile == "heavy" else set())
    assert orders["tickets", "TKT-Created Time"] is DateOrder.DMY
    checked = 0
    for defect in read_defects(tmp_path / "a.db"):
        place = (defect["table"], defect["column"])
        if place not in orders or defect["kind"] in ("D19", "D25"):
            continue
        checked += 1
        parsed = reader.read(defect["value"], orders[place], contract.missing_tokens)
        if defect["expect"] in (Expect.CONVERTED, Expect.KEPT):
            assert parsed.text == defect["clean"], defect
        else:
            assert parsed.moment is None, defect
            missing = parsed.shape.value in ("missing", "token")
            assert missing == (defect["expect"] == Expect.NULL), defect
    assert checked > 400


def test_the_future_dates_of_the_demonstration_lie_in_the_future(tmp_path: Path) -> None:
    export = generate_demo(load_settings(state_dir=tmp_path), size="4000")
    profile = profile_database(export, CONTRACT, progress=lambda done, total: None)
    dates = profile.column("timesheets", "TS-Date").dates
    put_in = [defect for defect in read_defects(export) if defect["kind"] == "D17"]
    assert dates is not None
    assert dates.out_of_range == len(put_in) > 0
