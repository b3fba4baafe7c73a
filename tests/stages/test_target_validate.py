"""Validation finds every kind of damage, names its table and column, and lets an intact version pass."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from sdconsole.core.model import CheckStatus
from sdconsole.errors import Interrupted, OperationFailed
from sdconsole.target.connect import Connection, Target, connect
from sdconsole.target.proof.validate import Finding, validate_version
from tests.conftest import Database
from tests.patience import within
from tests.stages.target_clean_file import COMMENTS, TABLES, TICKETS, VERSION, load, sample_rows, write_clean


@dataclass(frozen=True, slots=True)
class Loaded:
    connection: Connection
    clean: Path

    def validate(self) -> tuple[Finding, ...]:
        return validate_version(self.connection, VERSION, TABLES, self.clean)

    def failures(self) -> list[Finding]:
        return [finding for finding in self.validate() if finding.status is CheckStatus.FAIL]

    def run(self, statement: str) -> None:
        """Executes a statement that may name the version schema as {v}."""
        done = self.connection.execute(statement.replace("{v}", VERSION).encode())
        assert done.rowcount != 0, "the damage was not done"


@pytest.fixture
def loaded(pg: Database, tmp_path: Path) -> Iterator[Loaded]:
    clean = write_clean(tmp_path / "clean.db", TABLES, sample_rows())
    with closing(connect(Target("test", pg.dsn, "servicedesk", ""), application="test")) as connection:
        load(connection, clean, TABLES)
        yield Loaded(connection, clean)


def test_an_intact_version_passes_every_check(loaded: Loaded) -> None:
    findings = loaded.validate()
    assert {finding.status for finding in findings} == {CheckStatus.PASS}
    checks = {(finding.check, finding.table) for finding in findings}
    for table in TABLES:
        assert {(check, table.name) for check in ("columns", "primary_key", "indexes", "rows", "content")} <= checks
    assert {("grants", ""), ("references", "comments"), ("references", "timesheets"), ("views", "")} <= checks
    orphans = next(finding for finding in findings if finding.check == "references" and finding.table == "comments")
    assert orphans.measured == "1 of 61, 1.64 %"
    assert all(finding.detail for finding in findings)


DAMAGES = {
    "one character": (
        "UPDATE {v}.comments SET comment_text = overlay(comment_text placing 'Q' from 3 for 1) WHERE comment_id = 31",
        ("content", "comments", "comment_text"),
    ),
    "one letter's case": (
        'UPDATE {v}.tickets SET "TKT-Title" = lower("TKT-Title") WHERE "TKT-Ticket ID" = 7',
        ("content", "tickets", "TKT-Title"),
    ),
    "one second": (
        """UPDATE {v}.timesheets SET "TS-Date" = "TS-Date" + interval '1 second' WHERE row_id = 5""",
        ("content", "timesheets", "TS-Date"),
    ),
    "a thousandth of an hour": (
        'UPDATE {v}.timesheets SET "TS-Hours" = "TS-Hours" + 0.001 WHERE row_id = 5',
        ("content", "timesheets", "TS-Hours"),
    ),
    "a NULL": (
        "UPDATE {v}.comments SET visible_to_customer = NULL WHERE comment_id = 31",
        ("content", "comments", "visible_to_customer"),
    ),
    "an empty text instead of NULL": (
        "UPDATE {v}.comments SET visible_to_customer = '' WHERE comment_id = 12",
        ("content", "comments", "visible_to_customer"),
    ),
    "JSON with another number": (
        """UPDATE {v}.tickets SET tags = jsonb_set(tags, '{a}', '1') WHERE "TKT-Ticket ID" = 1""",
        ("content", "tickets", "tags"),
    ),
    "a deleted row": ("DELETE FROM {v}.timesheets WHERE row_id = 5", ("rows", "timesheets", "")),
    "an added row": (
        'INSERT INTO {v}.timesheets ("TS-User Full Name", "TS-Crm ID") SELECT \'Ana\', 0',
        ("rows", "timesheets", ""),
    ),
    "a changed type": (
        'DROP VIEW {v}.v_user_activity; ALTER TABLE {v}.timesheets ALTER "TS-Hours" TYPE text',
        ("columns", "timesheets", "TS-Hours"),
    ),
    "a changed scale": (
        'DROP VIEW {v}.v_user_activity; ALTER TABLE {v}.timesheets ALTER "TS-Hours" TYPE numeric(9,4)',
        ("columns", "timesheets", "TS-Hours"),
    ),
    "a dropped column": (
        "ALTER TABLE {v}.tickets DROP COLUMN weight",
        ("columns", "tickets", "weight"),
    ),
    "an added column": ("ALTER TABLE {v}.comments ADD COLUMN extra int", ("columns", "comments", "extra")),
    "a lost NOT NULL": (
        'ALTER TABLE {v}.tickets ALTER "TKT-Status" DROP NOT NULL',
        ("columns", "tickets", "TKT-Status"),
    ),
    "a lost default": (
        "ALTER TABLE {v}.comments ALTER created_time DROP DEFAULT",
        ("columns", "comments", "created_time"),
    ),
    "a lost key": ("ALTER TABLE {v}.comments DROP CONSTRAINT comments_pkey", ("primary_key", "comments", "")),
    "a dropped index": ("DROP INDEX {v}.comments_ticket_id_idx", ("indexes", "comments", "")),
    "a dropped partial index": ("DROP INDEX {v}.comments_ticket_id_part_idx", ("indexes", "comments", "")),
    "a dropped trigram index": ('DROP INDEX {v}."tickets_TKT-Title_gin_idx"', ("indexes", "tickets", "")),
    "an index that is not valid": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{v}.comments_ticket_id_idx'::regclass",
        ("indexes", "comments", ""),
    ),
    "a lost check": ("ALTER TABLE {v}.tickets DROP CONSTRAINT tickets_score_check", ("checks", "tickets", "score")),
    "a lost comment": ("COMMENT ON TABLE {v}.tickets IS NULL", ("comments", "tickets", "")),
    "a lost comment on a column": (
        """COMMENT ON COLUMN {v}.tickets."TKT-Ticket ID" IS NULL""",
        ("comments", "tickets", "TKT-Ticket ID"),
    ),
    "another comment on a column": (
        "COMMENT ON COLUMN {v}.comments.comment_text IS 'something else'",
        ("comments", "comments", "comment_text"),
    ),
    "a right for everybody": ("GRANT SELECT ON {v}.tickets TO PUBLIC", ("grants", "", "")),
    "a missing view": ("DROP VIEW {v}.v_visible_comments", ("views", "", "")),
    "a table too many": ("CREATE TABLE {v}.other ()", ("relations", "", "")),
    "a missing table": ("DROP TABLE {v}.timesheets CASCADE", ("tables", "timesheets", "")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_named(loaded: Loaded, damage: str) -> None:
    statement, place = DAMAGES[damage]
    if statement.startswith("UPDATE pg_index"):
        loaded.run("SET allow_system_table_mods = on")
    loaded.run(statement)
    failures = loaded.failures()
    assert place in [(finding.check, finding.table, finding.column) for finding in failures]
    named = next(finding for finding in failures if (finding.check, finding.table, finding.column) == place)
    assert ".".join(part for part in place[1:] if part) in named.detail
    assert named.measured != named.expected
    if place[0] in ("content", "rows"):
        assert {finding.table for finding in failures} == {place[1]}
    if place[0] == "content":
        assert {finding.column for finding in failures} == {place[2]}


def test_a_view_that_fails_on_some_row_is_found(loaded: Loaded) -> None:
    loaded.run(
        "CREATE OR REPLACE VIEW {v}.v_visible_comments AS"
        ' SELECT "TKT-Ticket ID" AS ticket_id, 1 / ("TKT-Ticket ID" - 15) AS visible_comments FROM {v}.tickets'
    )
    failures = loaded.failures()
    assert [(finding.check, finding.measured) for finding in failures] == [("views", "division by zero")]
    assert "v_visible_comments" in failures[0].detail


def test_a_lost_reference_is_found_on_both_sides_count(loaded: Loaded) -> None:
    loaded.run("UPDATE {v}.comments SET ticket_id = 888888 WHERE comment_id = 31")
    places = [(finding.check, finding.table, finding.column) for finding in loaded.failures()]
    assert ("references", "comments", "ticket_id") in places
    assert ("content", "comments", "ticket_id") in places


def test_more_orphans_than_expected_in_the_file_itself_is_a_warning(pg: Database, tmp_path: Path) -> None:
    rows = dict(sample_rows())
    rows["comments"] = [*rows["comments"], *([number, 777_000, "orphan", "No", None] for number in range(900, 910))]
    clean = write_clean(tmp_path / "clean.db", TABLES, rows)
    with closing(connect(Target("test", pg.dsn, "servicedesk", ""), application="test")) as connection:
        load(connection, clean, TABLES)
        findings = validate_version(connection, VERSION, TABLES, clean)
    warned = [finding for finding in findings if finding.status is not CheckStatus.PASS]
    assert [(finding.status, finding.table, finding.column) for finding in warned] == [
        (CheckStatus.WARN, "comments", "ticket_id")
    ]
    assert "at most 5 %" in warned[0].detail


def test_a_missing_schema_is_a_finding(loaded: Loaded) -> None:
    missing = validate_version(loaded.connection, f"{VERSION}_9", TABLES, loaded.clean)
    assert [(finding.check, finding.status) for finding in missing] == [("schema", CheckStatus.FAIL)]


def test_a_trigram_index_is_not_expected_where_the_extension_is_missing(pg: Database, tmp_path: Path) -> None:
    clean = write_clean(tmp_path / "clean.db", TABLES, sample_rows())
    with closing(connect(Target("test", pg.dsn, "servicedesk", ""), application="test")) as connection:
        connection.execute("DROP SCHEMA public")
        load(connection, clean, TABLES)
        findings = validate_version(connection, VERSION, TABLES, clean)
    told = [finding for finding in findings if finding.status is not CheckStatus.PASS]
    assert [(finding.check, finding.status) for finding in told] == [("indexes", CheckStatus.INFO)]
    assert "pg_trgm" in told[0].detail


def test_a_clean_file_of_another_shape_is_refused(loaded: Loaded, tmp_path: Path) -> None:
    other = write_clean(tmp_path / "other.db", [TICKETS, COMMENTS], {})
    with pytest.raises(OperationFailed) as caught:
        validate_version(loaded.connection, VERSION, TABLES, other)
    assert caught.value.slug == "clean-file"


def test_validation_can_be_stopped_while_the_server_is_busy(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(connection: Connection, *_arguments: object, **_options: object) -> None:
        with suppress(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(60)")
        connection.execute("SELECT pg_sleep(60)")

    def stop(_done: int, _total: int | None) -> None:
        if time.monotonic() - started > 0.5:
            raise Interrupted(cause="the operator")

    monkeypatch.setattr("sdconsole.target.proof.validate.target_fingerprint", slow)
    started = time.monotonic()
    with pytest.raises(Interrupted):
        validate_version(loaded.connection, VERSION, TABLES, loaded.clean, progress=stop)
    assert time.monotonic() - started < within(10)
    assert loaded.connection.execute("SELECT 1").fetchone() == (1,)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fingerprint")]


def test_a_lost_connection_is_no_finding(loaded: Loaded, pg: Database) -> None:
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", (loaded.connection.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        loaded.validate()


def test_progress_counts_the_rows_of_the_clean_file(loaded: Loaded) -> None:
    seen: list[tuple[int, int | None]] = []
    validate_version(loaded.connection, VERSION, TABLES, loaded.clean, progress=lambda *at: seen.append(at))
    total = 20 + 61 + 100
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_rights_given_to_a_role_are_told_by_its_name(loaded: Loaded) -> None:
    role = f"reader_{secrets.token_hex(4)}"
    name = sql.Identifier(role)
    loaded.connection.execute(sql.SQL("CREATE ROLE {}").format(name))
    try:
        grant = sql.SQL("GRANT USAGE ON SCHEMA {} TO {}")
        loaded.connection.execute(grant.format(sql.Identifier(VERSION), name))
        assert [finding.measured for finding in loaded.failures()] == [role]
    finally:
        loaded.connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
        loaded.connection.execute(sql.SQL("DROP ROLE {}").format(name))
