"""Values that PostgreSQL cannot hold are decided about before anything is loaded; none of them stops a deployment."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from sdconsole.core.model import Mode
from sdconsole.errors import Verdict
from tests.cli.conftest import Cli, MakeExport
from tests.cli.library_runs import deployed, version_of
from tests.conftest import Database

DAMAGES = {
    "a BLOB as text": ("comments", "comment_text", "x'610062'"),
    "text that is not UTF-8": ("comments", "comment_text", "CAST(x'61ff62' AS TEXT)"),
    "text with a NUL": ("comments", "comment_text", "'a' || char(0) || 'b'"),
    "an integer beyond 64 bits": ("comments", "user_id", "'99999999999999999999'"),
    "a number without an end": ("comments", "user_id", "9e999"),
    "infinite hours": ("timesheets", "TS-Hours", "-9e999"),
}

SET_ASIDE = {
    "a BLOB as text": "binary data",
    "text that is not UTF-8": "not valid UTF-8",
    "an integer beyond 64 bits": "too large to be an exact integer",
    "a number without an end": "infinite",
    "infinite hours": "infinite",
}
"""Why the cell is in quarantine; its row is loaded without it."""


def damaged(source: Path) -> dict[str, int]:
    """Puts one of each into a row of its own; the row numbers by the damage's name."""
    chosen = {}
    with closing(sqlite3.connect(source)) as db:
        for number, (name, (table, column, value)) in enumerate(DAMAGES.items()):
            (row,) = db.execute(f"SELECT rowid FROM {table} ORDER BY rowid LIMIT 1 OFFSET {100 + number}").fetchone()
            db.execute(f'UPDATE {table} SET "{column}" = {value} WHERE rowid = {row}')
            chosen[name] = row
        db.commit()
    return chosen


def test_what_no_column_can_hold_is_set_aside_and_the_rest_goes_live(
    cli: Cli, make_export: MakeExport, pg: Database
) -> None:
    source = make_export(rows=1_000)
    rows = damaged(source)
    state = deployed(cli.folder, source, pg.dsn, mode=Mode.SIMPLE)
    assert state.verdict is Verdict.OK, state.finished
    with psycopg.connect(pg.dsn) as connection:
        aside = connection.execute(
            "SELECT table_name, row_id, column_name, reason FROM servicedesk.data_quarantine"
        ).fetchall()
        without_nul = connection.execute(
            "SELECT count(*) FROM servicedesk.comments WHERE comment_text = 'ab'"
        ).fetchone()
        [version] = connection.execute("SELECT version FROM sdconsole.deployment WHERE state = 'live'").fetchone() or [
            ""
        ]
    told = {(table, row, column): reason for table, row, column, reason in aside}
    for name, reason in SET_ASIDE.items():
        table, column, _ = DAMAGES[name]
        assert reason in told[table, rows[name], column], name
    assert without_nul == (1,), "only the NUL goes, the text stays"
    assert version == version_of(state)
