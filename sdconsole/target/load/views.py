"""The views every version carries beside its tables: orphans, freshness, user activity, visible comments.

A view is built only where the tables and columns it reads are there, so a file of another shape simply has fewer of
them. They live in the version schema; what publishes a version gives them the same names in the live schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from psycopg import sql

from sdconsole.contract.model import Column, Reference, Table
from sdconsole.target.names import target_column_names, target_table_name

ACTIVITY_DAYS = 30

Query = Callable[[str, datetime], sql.Composed]


@dataclass(frozen=True, slots=True)
class View:
    """A view by its name and columns; `query(schema, loaded_at)` is its SELECT over that version's tables."""

    name: str
    columns: tuple[str, ...]
    description: str
    query: Query


def product_views(tables: Sequence[Table], *, automation_accounts: Sequence[str] = ()) -> tuple[View, ...]:
    """The views these tables allow. A table of the export that has a view's name keeps it; that view is left out.

    What `automation_accounts` wrote is no comment that a customer sees; names and columns do not depend on it.
    """
    taken = {target_table_name(table.name) for table in tables}
    return tuple(view for view in _views(tables, automation_accounts) if view.name not in taken)


def _views(tables: Sequence[Table], automation_accounts: Sequence[str]) -> Iterator[View]:
    by_name = {table.name: table for table in tables}
    if not tables:
        return
    references = [
        (table, reference, by_name[reference.table])
        for table in tables
        for reference in table.references
        if reference.table in by_name
        and table.column(reference.column)
        and by_name[reference.table].column(reference.parent_column)
    ]
    if references:
        yield View(
            "v_orphaned_data",
            (
                "table_name",
                "column_name",
                "parent_table",
                "rows_checked",
                "rows_ignored",
                "orphans",
                "orphan_percent",
                "expected_max_percent",
                "verdict",
            ),
            "Rows that name a parent which is not in the data, against the share that is expected",
            lambda schema, _loaded_at: _union([_orphans(schema, *reference) for reference in references]),
        )
    yield View(
        "v_data_freshness",
        ("table_name", "rows_loaded", "newest_data", "loaded_at"),
        "Per table: when it was loaded, how many rows it has and how far its data reach",
        lambda schema, loaded_at: _union([_freshness(schema, table, loaded_at) for table in tables]),
    )
    activity = _wanted(tables, {"tickets": ("TKT-Assigned To User", "TKT-Created Time")})
    worked = _wanted(tables, {"timesheets": ("TS-User Full Name", "TS-Date", "TS-Hours")})
    if activity and worked:
        yield View(
            "v_user_activity",
            ("user_name", "tickets_assigned", "hours_booked", "days_worked", "period_start", "period_end"),
            f"Per user, in the {ACTIVITY_DAYS} days before the newest ticket: tickets assigned, hours and days booked",
            _user_activity,
        )
    visible = _wanted(tables, {"tickets": ("TKT-Ticket ID",), "comments": ("ticket_id", "visible_to_customer")})
    flag = _column(tables, "comments", "visible_to_customer")
    accounts = automation_accounts if _column(tables, "comments", "user_name") is not None else ()
    if visible and flag is not None:
        yield View(
            "v_visible_comments",
            ("ticket_id", "visible_comments"),
            "Per ticket: how many of its comments the customer can see; those of automation accounts are left out",
            partial(_visible_comments, flag.flag[0] if flag.flag else "Yes", accounts),
        )


def _column(tables: Sequence[Table], table_name: str, column_name: str) -> Column | None:
    return next((table.column(column_name) for table in tables if table.name == table_name), None)


def _wanted(tables: Sequence[Table], needed: dict[str, tuple[str, ...]]) -> bool:
    return all(_column(tables, table, column) is not None for table, columns in needed.items() for column in columns)


def _union(parts: Sequence[sql.Composed]) -> sql.Composed:
    return sql.SQL("\nUNION ALL\n").join(parts)


def _named(table: Table, column: str) -> sql.Identifier:
    return sql.Identifier(target_column_names(item.name for item in table.columns)[column])


def _orphans(schema: str, table: Table, reference: Reference, parent: Table) -> sql.Composed:
    child_column, parent_column = table.column(reference.column), parent.column(reference.parent_column)
    assert child_column is not None
    assert parent_column is not None
    child_value = sql.SQL("child.{}").format(_named(table, reference.column))
    parent_value = _named(parent, reference.parent_column)
    if child_column.kind is not parent_column.kind:
        child_value, parents = sql.SQL("{}::text").format(child_value), sql.SQL("{}::text").format(parent_value)
    else:
        parents = sql.SQL("{}").format(parent_value)
    counted = sql.SQL("{} IS NOT NULL").format(child_value)
    ignored: sql.Composable = sql.SQL("false")
    if reference.ignore_value is not None:
        ignored = sql.SQL("{} = {}").format(child_value, sql.Literal(reference.ignore_value))
        counted = sql.SQL("{} <> {}").format(child_value, sql.Literal(reference.ignore_value))
    verdict: sql.Composable = sql.SQL("'no band'::text")
    if reference.max_orphan_percent is not None:
        within = "CASE WHEN counts.orphans * 100.0 <= {} * counts.rows_checked THEN 'within band' ELSE 'above band' END"
        verdict = sql.SQL(within).format(sql.Literal(reference.max_orphan_percent))
    return sql.SQL(
        """SELECT {table}::text AS table_name, {column}::text AS column_name, {parent}::text AS parent_table,
       counts.rows_checked, counts.rows_ignored, counts.orphans,
       round(100.0 * counts.orphans / nullif(counts.rows_checked, 0), 2) AS orphan_percent,
       {limit}::numeric AS expected_max_percent,
       {verdict} AS verdict
  FROM (SELECT count(*) FILTER (WHERE {counted}) AS rows_checked,
               count(*) FILTER (WHERE {ignored}) AS rows_ignored,
               count(*) FILTER (WHERE {counted} AND parent.value IS NULL) AS orphans
          FROM {child} AS child
          LEFT JOIN (SELECT DISTINCT {parents} AS value FROM {parent_table}) AS parent
            ON parent.value = {child_value}) AS counts"""
    ).format(
        table=sql.Literal(table.name),
        column=sql.Literal(reference.column),
        parent=sql.Literal(reference.table),
        limit=sql.Literal(reference.max_orphan_percent),
        verdict=verdict,
        counted=counted,
        ignored=ignored,
        child=sql.Identifier(schema, target_table_name(table.name)),
        parents=parents,
        parent_table=sql.Identifier(schema, target_table_name(parent.name)),
        child_value=child_value,
    )


def _freshness(schema: str, table: Table, loaded_at: datetime) -> sql.Composed:
    newest = _newest_column(table)
    value = sql.SQL("NULL") if newest is None else sql.SQL("max({})").format(_named(table, newest.name))
    return sql.SQL(
        "SELECT {name}::text AS table_name, count(*) AS rows_loaded, {value}::timestamp AS newest_data,\n"
        "       {loaded}::timestamptz AS loaded_at\n  FROM {table}"
    ).format(
        name=sql.Literal(table.name),
        value=value,
        loaded=sql.Literal(loaded_at.isoformat()),
        table=sql.Identifier(schema, target_table_name(table.name)),
    )


def _newest_column(table: Table) -> Column | None:
    dates = table.date_columns
    by_name = next((column for column in dates if column.name == table.newest_by), None)
    return by_name or next((column for column in dates if column.required), None) or (dates[0] if dates else None)


def _user_activity(schema: str, _loaded_at: datetime) -> sql.Composed:
    return sql.SQL(
        """WITH period AS (
    SELECT max("TKT-Created Time") - {days} * interval '1 day' AS period_start, max("TKT-Created Time") AS period_end
      FROM {tickets}),
assigned AS (
    SELECT trim("TKT-Assigned To User") AS user_name, count(*) AS tickets
      FROM {tickets}, period
     WHERE "TKT-Created Time" > period_start AND trim("TKT-Assigned To User") <> 'PendingAssignment'
     GROUP BY 1),
booked AS (
    SELECT trim("TS-User Full Name") AS user_name, sum("TS-Hours") AS hours, count(DISTINCT "TS-Date"::date) AS days
      FROM {timesheets}, period
     WHERE "TS-Date" > period_start AND "TS-Date" <= period_end AND "TS-User Full Name" IS NOT NULL
     GROUP BY 1)
SELECT user_name, coalesce(tickets, 0) AS tickets_assigned, coalesce(hours, 0)::numeric AS hours_booked,
       coalesce(days, 0) AS days_worked, period_start, period_end
  FROM (assigned FULL JOIN booked USING (user_name)), period"""
    ).format(
        days=sql.Literal(ACTIVITY_DAYS),
        tickets=sql.Identifier(schema, "tickets"),
        timesheets=sql.Identifier(schema, "timesheets"),
    )


def _visible_comments(yes: str, accounts: Sequence[str], schema: str, _loaded_at: datetime) -> sql.Composed:
    written = [sql.Literal(account) for account in accounts]
    by_people = sql.SQL(" AND coalesce(comment.user_name, '') NOT IN ({})").format(sql.SQL(", ").join(written))
    return sql.SQL(
        """SELECT ticket."TKT-Ticket ID" AS ticket_id, count(comment.ticket_id) AS visible_comments
  FROM {tickets} AS ticket
  LEFT JOIN {comments} AS comment
    ON comment.ticket_id = ticket."TKT-Ticket ID" AND comment.visible_to_customer = {yes}{by_people}
 GROUP BY 1"""
    ).format(
        tickets=sql.Identifier(schema, "tickets"),
        comments=sql.Identifier(schema, "comments"),
        yes=sql.Literal(yes),
        by_people=by_people if written else sql.SQL(""),
    )
