"""The views a version carries: the figures they show, and what is left out where tables are missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Column, Table
from sdconsole.target.connect import Connection, Target, connect
from sdconsole.target.load.ddl import create_version
from sdconsole.target.load.views import product_views
from tests.conftest import Database
from tests.stages.target_clean_file import (
    COMMENTS,
    TABLES,
    TICKETS,
    TIMESHEETS,
    VERSION,
    Rows,
    load,
    ticket,
    write_clean,
)


@pytest.fixture
def connection(pg: Database) -> Iterator[Connection]:
    with closing(connect(Target("test", pg.dsn, "servicedesk", ""), application="test")) as connection:
        yield connection


ROWS: Rows = {
    "tickets": [
        ticket(1, TKT_Created_Time="2025-05-01 10:00:00", TKT_Assigned_To_User="Ana", TKT_Parent_ID=77),
        ticket(2, TKT_Created_Time="2025-07-20 10:00:00", TKT_Assigned_To_User=" Ana ", TKT_Parent_ID=1),
        ticket(3, TKT_Created_Time="2025-08-01 10:00:00", TKT_Assigned_To_User=" PendingAssignment"),
    ],
    "comments": [
        [1, 2, "a", "Yes", "2025-07-21 00:00:00"],
        [2, 2, "b", "Yes", None],
        [3, 2, "c", "No", None],
        [4, 3, "d", None, None],
        [5, 99, "orphan", "Yes", None],
    ],
    "timesheets": [
        ["Ana", "2025-07-30 00:00:00", "7.6", 2],
        ["Ana", "2025-07-30 00:00:00", "0.25", 500],
        ["Ana", "2025-07-31 00:00:00", "1", 0],
        ["Bo", "2025-07-31 00:00:00", "2", 600],
        ["Bo", "2025-01-01 00:00:00", "5", 600],
        ["Bo", "2026-07-01 00:00:00", "5", None],
    ],
}


def rows_of(connection: Connection, view: str, columns: str = "*") -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT {columns} FROM {VERSION}.{view} ORDER BY 1, 2".encode()).fetchall()


def test_orphans_are_counted_against_their_band(connection: Connection, tmp_path: Path) -> None:
    load(connection, write_clean(tmp_path / "clean.db", TABLES, ROWS), TABLES)
    assert rows_of(connection, "v_orphaned_data") == [
        ("comments", "ticket_id", "tickets", 5, 0, 1, Decimal("20.00"), Decimal("5.0"), "above band"),
        ("tickets", "TKT-Parent ID", "tickets", 2, 0, 1, Decimal("50.00"), None, "no band"),
        ("timesheets", "TS-Crm ID", "tickets", 4, 1, 3, Decimal("75.00"), Decimal("95.0"), "within band"),
    ]


def test_freshness_tells_rows_newest_data_and_the_time_of_the_load(connection: Connection, tmp_path: Path) -> None:
    before = connection.execute("SELECT clock_timestamp()").fetchone()
    load(connection, write_clean(tmp_path / "clean.db", TABLES, ROWS), TABLES)
    found = rows_of(connection, "v_data_freshness", "table_name, rows_loaded, newest_data::text")
    assert found == [
        ("comments", 5, "2025-07-21 00:00:00"),
        ("tickets", 3, "2025-08-01 10:00:00"),
        ("timesheets", 6, "2026-07-01 00:00:00"),
    ]
    loaded = {row[0] for row in rows_of(connection, "v_data_freshness", "loaded_at, table_name")}
    assert before is not None
    assert len(loaded) == 1
    assert loaded.pop() > before[0]


def test_activity_covers_the_30_days_before_the_newest_ticket(connection: Connection, tmp_path: Path) -> None:
    load(connection, write_clean(tmp_path / "clean.db", TABLES, ROWS), TABLES)
    found = rows_of(
        connection, "v_user_activity", "user_name, tickets_assigned, hours_booked, days_worked, period_end::text"
    )
    assert found == [
        ("Ana", 1, Decimal("8.850"), 2, "2025-08-01 10:00:00"),
        ("Bo", 0, Decimal("2.000"), 1, "2025-08-01 10:00:00"),
    ]


def test_visible_comments_are_counted_for_every_ticket(connection: Connection, tmp_path: Path) -> None:
    load(connection, write_clean(tmp_path / "clean.db", TABLES, ROWS), TABLES)
    assert rows_of(connection, "v_visible_comments") == [(1, 0), (2, 2), (3, 0)]


def test_what_an_automation_account_wrote_is_no_visible_comment(connection: Connection) -> None:
    tables = load_contract().tables
    create_version(connection, VERSION, tables, comment="test", automation_accounts=("robot", "o'bot"))
    connection.execute(
        f'INSERT INTO {VERSION}.tickets ("TKT-Ticket ID", "TKT-Status", "TKT-Created Time")'.encode()
        + b" VALUES (1, 'Open', '2025-07-01')"
    )
    for number, name in enumerate(("ann", "robot", "o'bot", None), 1):
        connection.execute(
            f"INSERT INTO {VERSION}.comments (comment_id, ticket_id, user_name, visible_to_customer,".encode()
            + b" created_time) VALUES (%s, 1, %s, 'Yes', '2025-07-01')",
            [number, name],
        )
    assert rows_of(connection, "v_visible_comments") == [(1, 2)]


def test_a_file_of_another_shape_has_the_views_its_tables_allow(connection: Connection, tmp_path: Path) -> None:
    stock = Table("stock 100%", (Column("item", "text"), Column("counted at", "timestamp")))
    load(
        connection, write_clean(tmp_path / "clean.db", [stock], {"stock 100%": [["a", "2025-01-02 00:00:00"]]}), [stock]
    )
    assert [view.name for view in product_views([stock])] == ["v_data_freshness"]
    found = rows_of(connection, "v_data_freshness", "table_name, rows_loaded, newest_data::text")
    assert found == [("stock 100%", 1, "2025-01-02 00:00:00")]


def test_views_need_their_tables_and_give_way_to_a_table_of_their_name() -> None:
    names = {view.name for view in product_views(TABLES)}
    assert names == {"v_orphaned_data", "v_data_freshness", "v_user_activity", "v_visible_comments"}
    assert {view.name for view in product_views([TICKETS, COMMENTS])} == names - {"v_user_activity"}
    assert {view.name for view in product_views([TIMESHEETS])} == {"v_data_freshness"}
    assert product_views([]) == ()
    taken = Table("v_data_freshness", (Column("a", "text"),))
    assert "v_data_freshness" not in {view.name for view in product_views([*TABLES, taken])}


def test_each_view_has_the_columns_it_announces(connection: Connection, tmp_path: Path) -> None:
    load(connection, write_clean(tmp_path / "clean.db", TABLES, ROWS), TABLES)
    for view in product_views(TABLES):
        cursor = connection.execute(f"SELECT * FROM {VERSION}.{view.name}".encode())
        assert tuple(column.name for column in cursor.description or ()) == view.columns
