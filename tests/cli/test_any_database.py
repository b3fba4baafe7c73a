"""Databases that no contract was written for: each ends live, row for row, or with a refusal that says why."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from sdconsole.source.catalog import count_rows, read_catalog
from sdconsole.source.open import open_source, source_digest
from sdconsole.target.names import target_table_name
from tests.cli.conftest import Cli, Ended
from tests.conftest import Database

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
KEPT_INCIDENTS = 8
"""One of so many incidents of the log is deployed here, with all its events."""
REFUSED = {
    "pgloader-type-mismatch.db": (5, "breaker"),
    "sqlitetest-fts3aa.db": (4, "source-no-tables"),
    "sqlitetest-nan.db": (4, "source-empty"),
}
DATABASES = sorted(path for folder in ("classic", "odd") for path in (SHARED / "sqlite" / folder).glob("*"))


def deploy(cli: Cli, source: Path, pg: Database, *more: str) -> Ended:
    confirmed = ("--yes", "--confirm", "servicedesk", "--json", "--progress", "none")
    return cli("deploy", str(source), "--dsn", pg.dsn, *confirmed, *more)


def types(pg: Database, table: str) -> Mapping[str, str]:
    with psycopg.connect(pg.dsn) as connection:
        rows = connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'servicedesk' AND table_name = %s",
            [target_table_name(table)],
        ).fetchall()
    return dict(rows)


def live_rows(pg: Database, table: str) -> int:
    view = sql.Identifier("servicedesk", target_table_name(table))
    with psycopg.connect(pg.dsn) as connection:
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(view)).fetchone()
    assert row is not None
    return int(row[0])


def assert_every_row_is_accounted_for(source: Path, ended: Ended, pg: Database) -> None:
    with closing(open_source(source, text="surrogateescape")) as db:
        expected = {table.name: count_rows(db, table.name) for table in read_catalog(db).tables}
    counts = ended.json["rows"]["tables"]
    assert {name: count["in"] for name, count in counts.items()} == expected
    for name, count in counts.items():
        assert live_rows(pg, name) == count["loaded"] == count["in"] - count["quarantined"]


@pytest.mark.skipif(not DATABASES, reason="the classic and odd databases are not beside this checkout")
@pytest.mark.parametrize("source", DATABASES, ids=lambda path: path.name)
def test_a_database_that_nobody_described_ends_live_or_with_a_reason(cli: Cli, source: Path, pg: Database) -> None:
    before = source_digest(source) if source.stat().st_size else ""
    ended = deploy(cli, source, pg)
    if source.name in REFUSED:
        assert (ended.code, ended.json["error"]["slug"]) == REFUSED[source.name]
        assert all(ended.json["error"][part] for part in ("message", "cause", "state", "next"))
    else:
        assert ended.code == 0, ended.err
        assert_every_row_is_accounted_for(source, ended, pg)
    assert (source_digest(source) if source.stat().st_size else "") == before


def test_a_draft_deploys_the_database_as_no_contract_does(cli: Cli, pg: Database) -> None:
    source = SHARED / "sqlite" / "classic" / "chinook.sqlite"
    if not source.exists():
        pytest.skip("the classic databases are not beside this checkout")
    draft = cli.folder / "chinook.toml"
    assert cli("contract", "init", "--from", str(source), "--output", str(draft)).code == 0
    assert cli("contract", "lint", str(draft)).code == 0
    drafted = deploy(cli, source, pg, "--contract", str(draft))
    assert drafted.code == 0, drafted.err
    assert_every_row_is_accounted_for(source, drafted, pg)
    with_draft = types(pg, "Invoice")
    assert with_draft["InvoiceDate"] == "timestamp without time zone"
    assert with_draft["InvoiceId"] == "bigint"
    plain = deploy(cli, source, pg)
    assert plain.code == 0, plain.err
    assert (plain.json["rows"], plain.json["score"]) == (drafted.json["rows"], drafted.json["score"])
    assert types(pg, "Invoice") == with_draft


@pytest.fixture(scope="session")
def incident_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    script = SHARED / "make_incident_db.py"
    if not script.exists():
        pytest.skip("the incident log is not beside this checkout")
    path = tmp_path_factory.mktemp("log") / "log.db"
    subprocess.run([sys.executable, str(script), str(path), "--shape", "log"], check=True, capture_output=True)
    with closing(sqlite3.connect(path)) as db:
        for table in ("incidents", "incident_events"):
            db.execute(f"DELETE FROM {table} WHERE CAST(substr(number, 4) AS INTEGER) % ? <> 0", [KEPT_INCIDENTS])
        db.commit()
        db.execute("VACUUM")
    return path


def test_a_real_log_is_typed_by_proof_and_its_draft_proves_key_reference_and_date_orders(
    cli: Cli, incident_log: Path, pg: Database
) -> None:
    ended = deploy(cli, incident_log, pg)
    assert ended.code == 0, ended.err
    assert_every_row_is_accounted_for(incident_log, ended, pg)
    assert ended.json["rows"]["quarantined"] == 0
    found = types(pg, "incident_events")
    dates = {name for name, kind in found.items() if kind.startswith("timestamp")}
    assert dates == {"opened_at", "sys_created_at", "sys_updated_at", "resolved_at", "closed_at"}
    assert found["reassignment_count"] == "bigint"
    with closing(sqlite3.connect(incident_log)) as db:
        written = db.execute("SELECT opened_at FROM incidents ORDER BY number LIMIT 1").fetchone()[0]
    with psycopg.connect(pg.dsn) as connection:
        row = connection.execute("SELECT opened_at FROM servicedesk.incidents ORDER BY number LIMIT 1").fetchone()
        missing = connection.execute(
            "SELECT count(*) FROM servicedesk.incident_events WHERE sys_created_at IS NULL"
        ).fetchone()
    assert row is not None
    assert missing is not None
    day, month, year = written.split()[0].split("/")
    assert (row[0].day, row[0].month, row[0].year) == (int(day), int(month), int(year))
    assert missing[0] > 0

    draft = cli("contract", "init", "--from", str(incident_log)).out
    assert 'key = ["number"]' in draft
    assert '{ column = "number", table = "incidents", parent_column = "number" }' in draft
    assert '{ name = "opened_at", type = "timestamp", date_order = "DMY" }' in draft
