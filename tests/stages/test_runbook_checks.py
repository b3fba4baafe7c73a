"""A runbook's check on a real server: it finds rows, it changes nothing, and it ends in time."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from sdconsole.runbook.checks import MAX_EVIDENCE_ROWS, Evidence, run_check
from sdconsole.runbook.model import Check
from sdconsole.target.connect import Connection, Target, connect
from tests.conftest import Database


@pytest.fixture
def connection(pg: Database) -> Iterator[Connection]:
    with connect(Target("test", pg.dsn, "live", ""), application="test") as opened:
        opened.execute("CREATE SCHEMA live")
        opened.execute("CREATE TABLE live.t (a int)")
        opened.execute("INSERT INTO live.t SELECT generate_series(1, 60)")
        yield opened


def ask(connection: Connection, query: str, *, seconds: float = 10.0, **values: str) -> Evidence:
    return run_check(connection, Check("c", query, 1), live_schema="live", timeout_seconds=seconds, values=values)


def count(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM live.t").fetchone()
    assert row is not None
    return int(row[0])


def test_no_row_passes_and_rows_are_kept_as_evidence(connection: Connection) -> None:
    assert ask(connection, "SELECT a FROM t WHERE a < 0").passed
    found = ask(connection, "SELECT a, 'x' AS \"a b\", NULL AS n FROM t WHERE a = 7 -- a comment at the end")
    assert not found.passed
    assert found.rows == ({"a": 7, "a b": "x", "n": None},)
    many = ask(connection, "TABLE t;")
    assert (len(many.rows), many.more) == (MAX_EVIDENCE_ROWS, True)


def test_parameters_are_values_and_never_sql(connection: Connection) -> None:
    hostile = "1'; DROP TABLE live.t; --"
    found = ask(connection, "SELECT current_setting('runbook.name') AS name", name=hostile)
    assert found.rows == ({"name": hostile},)
    assert count(connection) == 60


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1; COMMIT; DELETE FROM live.t",
        "SELECT 1) AS q; COMMIT; DELETE FROM live.t; SELECT * FROM (SELECT 1",
        "WITH gone AS (DELETE FROM live.t RETURNING a) SELECT * FROM gone",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT setval(pg_get_serial_sequence('live.s', 'id'), 9)",
    ],
)
def test_a_check_that_would_change_something_does_not_pass_and_changes_nothing(
    connection: Connection, query: str
) -> None:
    connection.execute("CREATE TABLE live.s (id bigint GENERATED ALWAYS AS IDENTITY)")
    found = ask(connection, query)
    assert not found.passed
    assert found.error
    assert count(connection) == 60
    assert connection.execute("SELECT last_value FROM live.s_id_seq").fetchone() == (1,)


def test_a_check_that_cannot_be_run_or_takes_too_long_never_passes(connection: Connection) -> None:
    assert "does not exist" in ask(connection, "SELECT a FROM missing").error
    slow = "SELECT count(*) FROM generate_series(1, 1000000000) AS a WHERE a < 0 HAVING count(*) > 0"
    assert "statement timeout" in ask(connection, slow, seconds=0.05).error
    assert ask(connection, "SELECT a FROM t WHERE false").passed, "the session is good for the next check"
    assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
