"""Small clean files for tests of loading and comparing, with a column of every kind."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from sdconsole.contract.model import Column, Index, Reference, Table
from sdconsole.quality.clean.stored_forms import create_table
from sdconsole.source.catalog import quote
from sdconsole.target.connect import Connection
from sdconsole.target.load.copy import load_table
from sdconsole.target.load.ddl import create_indexes, create_version

VERSION = "servicedesk_v20261121_031500"

TICKETS = Table(
    name="tickets",
    columns=(
        Column("TKT-Ticket ID", "bigint", required=True, positive=True, description="the number"),
        Column("TKT-Parent ID", "bigint"),
        Column("TKT-Created Time", "timestamp", required=True, not_null=True),
        Column("TKT-Title", "text", required=True),
        Column("TKT-Status", "text", not_null=True),
        Column("TKT-Assigned To User", "text"),
        Column("TKT-SLA Met", "text", flag=("yes", "no")),
        Column("Effort (%)", "double precision"),
        Column("tags", "jsonb"),
        Column("score", "smallint", minimum=1, maximum=5, checked=True),
        Column("mood", "text", values=("good", "it's bad"), checked=True),
        Column("weight", "numeric"),
    ),
    key=("TKT-Ticket ID",),
    newest_by="TKT-Created Time",
    references=(Reference("TKT-Parent ID", "tickets", "TKT-Ticket ID"),),
    indexes=(
        Index(("TKT-Status", "TKT-Assigned To User")),
        Index(("TKT-Created Time",)),
        Index(("TKT-Title",), method="gin", needs_extension="pg_trgm"),
    ),
    description="One row per ticket.",
)
COMMENTS = Table(
    name="comments",
    columns=(
        Column("comment_id", "bigint", required=True, positive=True),
        Column("ticket_id", "bigint", required=True),
        Column("comment_text", "text"),
        Column("visible_to_customer", "text", flag=("Yes", "No")),
        Column("created_time", "timestamp", default="now()"),
    ),
    key=("comment_id",),
    references=(Reference("ticket_id", "tickets", "TKT-Ticket ID", max_orphan_percent=5.0),),
    indexes=(Index(("ticket_id",)), Index(("ticket_id",), where="visible_to_customer = 'Yes'")),
)
TIMESHEETS = Table(
    name="timesheets",
    columns=(
        Column("TS-User Full Name", "text"),
        Column("TS-Date", "timestamp", required=True),
        Column("TS-Hours", "numeric(8,3)"),
        Column("TS-Crm ID", "bigint"),
    ),
    duplicate_key=("TS-User Full Name", "TS-Date", "TS-Crm ID"),
    surrogate_key="row_id",
    references=(Reference("TS-Crm ID", "tickets", "TKT-Ticket ID", max_orphan_percent=95.0, ignore_value=0),),
    indexes=(Index(("TS-Crm ID",)),),
)
TABLES = (TICKETS, COMMENTS, TIMESHEETS)

Rows = Mapping[str, Sequence[Sequence[object]]]


def ticket(number: int, **changes: object) -> list[object]:
    """A row of `tickets`, in the order of its columns; `changes` by column with _ for anything but letters."""
    row: dict[str, object] = {
        "TKT_Ticket_ID": number,
        "TKT_Parent_ID": None,
        "TKT_Created_Time": f"2025-07-{1 + number % 28:02d} 08:{number % 60:02d}:00",
        "TKT_Title": f"Ticket {number}",
        "TKT_Status": ("Closed", "Open")[number % 2],
        "TKT_Assigned_To_User": (" PendingAssignment", "Ana", "Bo")[number % 3],
        "TKT_SLA_Met": ("yes", "no", None)[number % 3],
        "Effort____": number / 7,
        "tags": '{"b": [1, 2.50], "a": "x"}' if number % 2 else None,
        "score": 1 + number % 5,
        "mood": ("good", "it's bad", None)[number % 3],
        "weight": f"{number}.25",
    }
    assert set(changes) <= set(row), changes
    return list((row | changes).values())


def sample_rows(tickets: int = 20) -> Rows:
    """Consistent rows: three comments a ticket (one orphan in all), and timesheets that mostly belong elsewhere."""
    numbers = range(1, tickets + 1)
    comments = [
        [ticket_id * 10 + place, ticket_id, f"text {place} of {ticket_id}", ("Yes", "No", None)[place], _moment(place)]
        for ticket_id in numbers
        for place in range(3)
    ]
    comments.append([5, 999_999, "orphan", "No", None])
    timesheets = [
        [
            "Ana" if number % 2 else "Bo",
            f"2025-07-{1 + number % 28:02d} 00:00:00",
            ("0.25", "7.6", "1")[number % 3],
            crm,
        ]
        for number in range(1, 5 * tickets + 1)
        for crm in [0 if number % 7 == 0 else number if number <= tickets else 500_000 + number]
    ]
    return {"tickets": [ticket(number) for number in numbers], "comments": comments, "timesheets": timesheets}


def _moment(place: int) -> str:
    return f"2025-08-01 10:00:{place:02d}"


def write_clean(path: Path, tables: Sequence[Table], rows: Rows) -> Path:
    """A clean file with these rows; a table without rows is made empty."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for table in tables:
            create_table(connection, table)
            places = ", ".join("?" * len(table.columns))
            connection.executemany(f"INSERT INTO {quote(table.name)} VALUES ({places})", rows.get(table.name, ()))
        connection.commit()
    return path


def load(connection: Connection, path: Path, tables: Sequence[Table], schema: str = VERSION) -> dict[str, int]:
    """A complete version schema from the clean file; returns the rows loaded per table."""
    create_version(connection, schema, tables, comment="test")
    loaded: dict[str, int] = {}
    for table in tables:
        with connection.transaction():
            loaded[table.name] = load_table(connection, path, table, schema)
    for table in tables:
        create_indexes(connection, schema, table)
    return loaded
