"""Fingerprints: equal for equal content in any order, different for any change, and told by column where."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb

from sdconsole.contract.model import Column, Table
from sdconsole.target.connect import Connection, Target, connect
from sdconsole.target.load.clean_file import open_clean
from sdconsole.target.proof.fingerprint import (
    TableFingerprint,
    difference,
    differences,
    source_fingerprint,
    target_fingerprint,
)
from tests.conftest import Database
from tests.stages.target_clean_file import TABLES, TICKETS, TIMESHEETS, VERSION, load, sample_rows, ticket, write_clean


@pytest.fixture
def connection(pg: Database) -> Iterator[Connection]:
    with closing(connect(Target("test", pg.dsn, "servicedesk", ""), application="test")) as connection:
        yield connection


def source(path: Path, table: Table, *, column_digests: bool = False) -> TableFingerprint:
    with open_clean(path, [table]) as clean:
        return source_fingerprint(clean, table, column_digests=column_digests)


def test_both_sides_agree_on_every_kind_of_value_and_say_what_they_saw(connection: Connection, tmp_path: Path) -> None:
    rows = sample_rows()
    path = write_clean(tmp_path / "clean.db", TABLES, rows)
    load(connection, path, TABLES)
    for table in TABLES:
        expected = source(path, table, column_digests=True)
        measured = target_fingerprint(connection, VERSION, table, column_digests=True)
        assert difference(expected, measured) == ()
        assert expected == measured
        assert measured.rows == len(rows[table.name])
        assert all(column.digest for column in measured.columns)
    hours = source(path, TIMESHEETS).columns[2]
    values = [str(row[2]) for row in rows["timesheets"]]
    assert (hours.count, hours.nulls, hours.minimum, hours.maximum) == (100, 0, "0.25", "7.6")
    assert float(hours.total or 0) == pytest.approx(sum(map(float, values)))
    flag = source(path, TICKETS).columns[6]
    assert flag.nulls == sum(row[6] is None for row in rows["tickets"])


def test_the_order_of_the_rows_does_not_matter(connection: Connection, tmp_path: Path) -> None:
    rows = list(sample_rows()["tickets"])
    forward = source(write_clean(tmp_path / "a.db", [TICKETS], {"tickets": rows}), TICKETS)
    random.Random(1).shuffle(rows)
    assert source(write_clean(tmp_path / "b.db", [TICKETS], {"tickets": rows}), TICKETS) == forward


def test_a_text_column_shows_no_value(tmp_path: Path) -> None:
    path = write_clean(tmp_path / "clean.db", [TICKETS], {"tickets": [ticket(1, TKT_Title="patient name")]})
    assert "patient name" not in str(source(path, TICKETS, column_digests=True).to_dict())


CHANGES: list[tuple[str, Any]] = [
    ("TKT-Parent ID", 3),
    ("TKT-Created Time", "2025-07-05 08:04:01"),
    ("TKT-Title", "Ticket 5"),
    ("TKT-Title", "ticket 4"),
    ("TKT-Title", "Ticket 4 "),
    ("TKT-Title", None),
    ("TKT-Title", ""),
    ("TKT-Assigned To User", "PendingAssignment"),
    ("TKT-SLA Met", "yes"),
    ("Effort (%)", math.nextafter(4 / 7, 1)),
    ("Effort (%)", -4 / 7),
    ("tags", Jsonb({"a": "x", "b": [1, 2.5]})),
    ("score", 4),
    ("mood", "good"),
    ("weight", "4.250000000000000000000000000001"),
]


@pytest.mark.parametrize(("column", "value"), CHANGES)
def test_one_changed_cell_is_found_and_named(
    connection: Connection, tmp_path: Path, column: str, value: object
) -> None:
    rows = [ticket(number) for number in range(1, 9)]
    rows[3] = ticket(4, TKT_SLA_Met="no", tags=None, mood="it's bad")
    path = write_clean(tmp_path / "clean.db", [TICKETS], {"tickets": rows})
    load(connection, path, [TICKETS])
    statement = sql.SQL('UPDATE {} SET {} = %s WHERE "TKT-Ticket ID" = 4')
    changed = connection.execute(
        statement.format(sql.Identifier(VERSION, "tickets"), sql.Identifier(column.replace("%", "%%"))), (value,)
    )
    assert changed.rowcount == 1
    if column == "score":
        assert value != rows[3][9]
    plain = differences(source(path, TICKETS), target_fingerprint(connection, VERSION, TICKETS))
    assert plain, "the digest of the rows alone must tell"
    found = differences(
        source(path, TICKETS, column_digests=True),
        target_fingerprint(connection, VERSION, TICKETS, column_digests=True),
    )
    assert {one.column for one in found} == {column, ""}
    assert all("tickets" in str(one) for one in found)
    assert any(f"tickets.{column}:" in sentence for sentence in map(str, found))


def test_values_that_change_places_between_two_rows_are_found_and_named(connection: Connection, tmp_path: Path) -> None:
    path = write_clean(tmp_path / "clean.db", [TICKETS], {"tickets": [ticket(number) for number in (1, 2)]})
    load(connection, path, [TICKETS])
    connection.execute(
        f"""UPDATE {VERSION}.tickets AS one SET "TKT-Title" = other."TKT-Title"
              FROM {VERSION}.tickets AS other WHERE one."TKT-Ticket ID" <> other."TKT-Ticket ID" """
    )
    found = differences(
        source(path, TICKETS, column_digests=True),
        target_fingerprint(connection, VERSION, TICKETS, column_digests=True),
    )
    assert {one.column for one in found} == {"TKT-Title", ""}
    assert {one.what for one in found} == {"the digest of its values", "the digest of all rows"}


def test_json_is_compared_by_what_it_means(connection: Connection, tmp_path: Path) -> None:
    table = Table("t", (Column("id", "bigint"), Column("json", "jsonb")), key=("id",))
    documents = [
        '{"bb": 1, "a": 2, "a": 3, "ä": null, "c": {"z": [], "y": {}}}',
        '[1.0, 1.50, 1e2, 1E-3, -0, -0.0, 0.10, 123456789012345678901234567890, true, false, null, ""]',
        '"\\u00e4 \\" \\\\ \\/ \\b\\f\\n\\r\\t\\u0001\\u001f\\u007f \\ud83d\\ude00"',
        "  7  ",
        '"\\u2028"',
        '{"long key": 1, "k\\"": 2, "\\n": 3, "": 4}',
    ]
    path = write_clean(tmp_path / "clean.db", [table], {"t": list(enumerate(documents))})
    load(connection, path, [table])
    expected = source(path, table, column_digests=True)
    assert difference(expected, target_fingerprint(connection, VERSION, table, column_digests=True)) == ()


def test_a_table_wider_than_a_function_has_arguments_is_compared(connection: Connection, tmp_path: Path) -> None:
    kinds = ["bigint", "text", "numeric(8,3)", "timestamp", "double precision"]
    table = Table("wide", tuple(Column(f"c {place}", kinds[place % 5]) for place in range(450)))
    cells: list[object] = [7, "x", "1.5", "2025-01-01 00:00:00", 0.5]
    path = write_clean(tmp_path / "clean.db", [table], {"wide": [cells * 90, [None] * 450]})
    load(connection, path, [table])
    assert difference(source(path, table), target_fingerprint(connection, VERSION, table)) == ()
    connection.execute(f'UPDATE {VERSION}.wide SET "c 446" = \'y\' WHERE "c 0" IS NOT NULL')
    found = differences(
        source(path, table, column_digests=True), target_fingerprint(connection, VERSION, table, column_digests=True)
    )
    assert {one.column for one in found} == {"c 446", ""}


def test_sums_beyond_64_bits_and_beyond_15_digits_are_exact(connection: Connection, tmp_path: Path) -> None:
    table = Table("t", (Column("big", "bigint"), Column("long", "numeric(30,10)"), Column("free", "numeric")))
    rows = [[2**63 - 1, "12345678901234567890.1234567891", f"{'9' * 50}.{number}"] for number in range(1, 10)]
    path = write_clean(tmp_path / "clean.db", [table], {"t": [*rows, [-(2**63), None, "-0.5"]]})
    load(connection, path, [table])
    expected = source(path, table)
    assert difference(expected, target_fingerprint(connection, VERSION, table)) == ()
    assert expected.columns[0].total == str(9 * (2**63 - 1) - 2**63)
    assert expected.columns[1].total == "111111110111111111011.1111111019"


def test_a_session_without_iso_dates_is_refused(connection: Connection, tmp_path: Path) -> None:
    load(connection, write_clean(tmp_path / "clean.db", TABLES, {}), TABLES)
    connection.execute("SET DateStyle = 'German'")
    with pytest.raises(ValueError, match="ISO"):
        target_fingerprint(connection, VERSION, TICKETS)


def test_empty_tables_have_the_same_fingerprint_on_both_sides(connection: Connection, tmp_path: Path) -> None:
    path = write_clean(tmp_path / "clean.db", TABLES, {})
    load(connection, path, TABLES)
    for table in TABLES:
        assert source(path, table) == target_fingerprint(connection, VERSION, table)


def test_a_column_that_only_one_side_knows_is_a_difference(tmp_path: Path) -> None:
    path = write_clean(tmp_path / "clean.db", [TICKETS], {"tickets": [ticket(1)]})
    whole = source(path, TICKETS)
    assert any("missing" in text for text in difference(whole, replace(whole, columns=whole.columns[1:])))


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
DECIMAL = st.decimals(-99999, 99999, places=3).map(lambda value: format(value.normalize(), "f"))
ROW = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | TEXT,
    st.none() | st.floats(allow_nan=False),
    st.none() | DECIMAL,
    st.none() | st.datetimes(max_value=datetime(9999, 12, 31)).map(lambda moment: f"{moment.replace(microsecond=0)}"),
    st.none() | st.recursive(st.none() | st.booleans() | st.integers() | TEXT, st.lists).map(json.dumps),
)
GENERATED = Table(
    "generated",
    tuple(
        Column(f"c{place}", kind)
        for place, kind in enumerate(["bigint", "text", "double precision", "numeric(8,3)", "timestamp", "jsonb"])
    ),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=6))
def test_whatever_is_loaded_has_the_same_fingerprint_on_both_sides(
    connection: Connection, tmp_path: Path, rows: list[tuple[object, ...]]
) -> None:
    path = write_clean(tmp_path / "clean.db", [GENERATED], {"generated": rows})
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(VERSION)))
    load(connection, path, [GENERATED])
    expected = source(path, GENERATED, column_digests=True)
    assert difference(expected, target_fingerprint(connection, VERSION, GENERATED, column_digests=True)) == ()
