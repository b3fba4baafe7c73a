"""Finds the rows that repeat a key: the newest of them is kept, the others are named.

Works on cleaned values, so '3664092.0' repeats 3664092. A key with a missing part repeats nothing. While the rows pass
by, a 64-bit code of each key is kept; only rows that share a code are compared, in the clean file. Knows neither the
export nor the quarantine.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Sequence

from sdconsole.contract.model import Kind, Table
from sdconsole.source.catalog import quote

_AT_ONCE = 250_000


class KeyCodes:
    """Sixteen bytes for each row: its number and the code of its key."""

    def __init__(self) -> None:
        self._row_ids = array("q")
        self._codes = array("q")

    def take(self, rows: Sequence[tuple[int, object]]) -> None:
        """Adds rows: their number and their key in one value, None where a part of it is missing."""
        if rows:
            row_ids: Sequence[int]
            keys: Sequence[object]
            row_ids, keys = zip(*rows, strict=True)
            if None in keys:
                rows = [row for row in rows if row[1] is not None]
                row_ids, keys = [row_id for row_id, _ in rows], [key for _, key in rows]
            self._row_ids.extend(row_ids)
            self._codes.extend(map(hash, keys))

    def shared(self) -> list[int]:
        """The numbers of the rows whose code another row has too. Works in parts, in bounded memory."""
        parts = 1 + len(self._codes) // _AT_ONCE
        twice: set[int] = set()
        for part in range(parts):
            mine = self._codes if parts == 1 else [code for code in self._codes if code % parts == part]
            different = set(mine)
            if len(different) != len(mine):
                for code in mine:
                    if code in different:
                        different.remove(code)
                    else:
                        twice.add(code)
        return (
            [row_id for row_id, code in zip(self._row_ids, self._codes, strict=True) if code in twice] if twice else []
        )


def duplicate_rows(connection: sqlite3.Connection, table: Table, rowid: str, suspects: Sequence[int]) -> list[int]:
    """The row numbers of all but the newest row of each key, ascending, among the rows that share a code.

    Newest = greatest `newest_by` (a missing one is the oldest), then the last in the file.
    """
    if not suspects:
        return []
    connection.execute("CREATE TEMP TABLE suspects (row_id INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO temp.suspects VALUES (?)", ((row_id,) for row_id in suspects))
    keys = ", ".join(map(quote, table.row_key))
    rows = connection.execute(
        f"SELECT {rowid} FROM (SELECT {rowid}, row_number() OVER"  # noqa: S608
        f" (PARTITION BY {keys} ORDER BY {_newest_first(table)}{rowid} DESC) AS place"
        f" FROM main.{quote(table.name)} WHERE {rowid} IN (SELECT row_id FROM temp.suspects))"
        f" WHERE place > 1 ORDER BY {rowid}"
    ).fetchall()
    connection.execute("DROP TABLE temp.suspects")
    return [row_id for (row_id,) in rows]


def _newest_first(table: Table) -> str:
    column = table.column(table.newest_by) if table.newest_by else None
    if column is None:
        return ""
    value = f"CAST({quote(column.name)} AS REAL)" if column.kind is Kind.DECIMAL else quote(column.name)
    return f"{value} DESC NULLS LAST, "
