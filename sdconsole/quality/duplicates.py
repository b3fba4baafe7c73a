"""Finds the rows that repeat a key: the newest of them is kept, the others are named.

Works on cleaned values, so '3664092.0' repeats 3664092. A key with a missing part repeats nothing. Runs as SQL in
the clean file, whose sorter needs no memory for the keys. Knows neither the export nor the quarantine.
"""

from __future__ import annotations

import sqlite3

from sdconsole.contract.model import Kind, Table
from sdconsole.source.catalog import quote

_FEW = 500


def duplicate_rows(connection: sqlite3.Connection, table: Table, rowid: str) -> list[int]:
    """The row numbers of all but the newest row of each key, ascending.

    Newest = greatest `newest_by` (a missing one is the oldest), then the last in the file.
    """
    if not table.row_key or any(table.column(name) is None for name in table.row_key):
        return []
    name = quote(table.name)
    keys = ", ".join(map(quote, table.row_key))
    known = " AND ".join(f"{quote(part)} IS NOT NULL" for part in table.row_key)
    repeated = connection.execute(
        f"SELECT {keys} FROM {name} WHERE {known} GROUP BY {keys} HAVING count(*) > 1 LIMIT {_FEW + 1}"  # noqa: S608
    ).fetchall()
    if not repeated:
        return []
    if len(repeated) <= _FEW:
        # Looking only at the rows that can repeat saves the sorting of all the others.
        known += f" AND {quote(table.row_key[0])} IN ({', '.join('?' * len(repeated))})"
    rows = connection.execute(
        f"SELECT {rowid} FROM (SELECT {rowid}, row_number() OVER"  # noqa: S608
        f" (PARTITION BY {keys} ORDER BY {_newest_first(table)}{rowid} DESC) AS place"
        f" FROM {name} WHERE {known}) WHERE place > 1 ORDER BY {rowid}",
        [key[0] for key in repeated] if len(repeated) <= _FEW else [],
    )
    return [row_id for (row_id,) in rows]


def _newest_first(table: Table) -> str:
    column = table.column(table.newest_by) if table.newest_by else None
    if column is None:
        return ""
    value = f"CAST({quote(column.name)} AS REAL)" if column.kind is Kind.DECIMAL else quote(column.name)
    return f"{value} DESC NULLS LAST, "
