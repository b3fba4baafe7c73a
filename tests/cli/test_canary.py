"""The canary: what it says no to, what it cannot judge, and where it is afterwards."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

import sdconsole
from sdconsole.core.model import StageName
from sdconsole.core.projection import RunState
from sdconsole.errors import Verdict
from sdconsole.stages import canary
from tests.cli.conftest import Cli, MakeExport
from tests.cli.library_runs import LIVE, deployed, schemas, settings_of, states, version_of
from tests.cli.test_refusals import refused
from tests.conftest import Database


@pytest.fixture
def source(make_export: MakeExport) -> Path:
    return make_export(rows=1_000)


def canary_only(folder: Path, source: Path, dsn: str, **more: object) -> RunState:
    request = sdconsole.DeployRequest(source=source, until=StageName.CANARY)
    with sdconsole.prepare_deploy(settings_of(folder, dsn, **more), request) as run:
        return run.execute(sdconsole.FlagGate("ann"), ())


def counted(pg: Database, schema: str) -> dict[str, int]:
    with psycopg.connect(pg.dsn) as connection:
        counts = {}
        for table in ("tickets", "comments", "timesheets"):
            query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
            row = connection.execute(query).fetchone()
            assert row is not None
            counts[table] = int(row[0])
        return counts


def test_a_sample_too_small_to_say_anything_holds_with_exit_code_5(cli: Cli, source: Path, pg: Database) -> None:
    ended = cli("deploy", str(source), "--dsn", pg.dsn, "--confirm", LIVE, "--canary-rate", "20", "--json")
    error = refused(ended, 5, "canary-inconclusive")
    assert "1,000 rows" in error["cause"]
    assert f"sdconsole resume {ended.json['run']} --canary-rate 100" in error["next"]
    assert schemas(pg) == set()


def test_a_dashboard_query_that_takes_too_long_fails_the_canary(cli: Cli, source: Path, pg: Database) -> None:
    """The limit is so short that no query meets it; a kept canary says in the ledger why it failed."""
    state = canary_only(cli.folder, source, pg.dsn, query_timeout_seconds=0.001, keep_canary=True)
    assert state.verdict is Verdict.GATE_FAILED
    assert state.finished is not None
    assert state.finished.error is not None
    assert state.finished.error.slug == "canary-failed"
    assert "time limit" in state.finished.error.cause or "timeout" in state.finished.error.cause
    [(canary, kept_as)] = states(pg).items()
    assert schemas(pg) == {canary}
    assert kept_as == "failed"
    with psycopg.connect(pg.dsn) as connection:
        row = connection.execute("SELECT canary, reason FROM sdconsole.deployment").fetchone()
    assert row is not None
    assert row[0]
    assert "the canary found" in row[1]


def test_a_critical_query_without_a_row_on_the_sample_is_inconclusive_and_holds(
    cli: Cli, source: Path, pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No ticket says whether its SLA was met. A sample cannot tell that from bad luck; the whole file can."""
    with closing(sqlite3.connect(source)) as export:
        export.execute('UPDATE tickets SET "TKT-SLA Met" = NULL')
        export.commit()
    monkeypatch.setattr(canary, "MINIMUM_ROWS", 10)
    state = canary_only(cli.folder, source, pg.dsn, canary_percent=50, min_quality=0)
    assert state.verdict is Verdict.GATE_FAILED
    assert state.finished is not None
    assert state.finished.error is not None
    assert state.finished.error.slug == "canary-inconclusive"
    assert "SLA compliance" in state.finished.error.cause
    assert state.finished.error.next_step.endswith(f"sdconsole resume {state.run_id} --canary-rate 100")
    assert schemas(pg) == set()
    given = settings_of(cli.folder, pg.dsn)
    with sdconsole.prepare_resume(given, state.run_id, overrides={"canary_percent": 100}) as run:
        assert run.execute(sdconsole.FlagGate("ann"), ()).verdict is Verdict.OK


def test_a_canary_that_is_over_is_gone(cli: Cli, source: Path, pg: Database) -> None:
    state = canary_only(cli.folder, source, pg.dsn)
    assert state.verdict is Verdict.OK
    assert schemas(pg) == set()
    assert list(states(pg).values()) == ["dropped"]


def test_a_kept_canary_outlives_its_deployment_is_listed_and_is_dropped_by_prune(
    cli: Cli, source: Path, pg: Database
) -> None:
    state = deployed(cli.folder, source, pg.dsn, keep_canary=True)
    version = version_of(state)
    [canary] = schemas(pg) - {version}
    assert states(pg) == {canary: "ready", version: "live"}
    assert counted(pg, canary) == {
        table: state.results[StageName.CANARY].facts["rows"][table] for table in ("tickets", "comments", "timesheets")
    }
    lines = cli("versions", "list", "--dsn", pg.dsn).out.splitlines()
    [shown] = [line for line in lines if canary in line]
    assert "canary, ready" in shown
    found = cli("versions", "list", "--dsn", pg.dsn, "--json").json["versions"]
    assert {row["version"]: row["canary"] for row in found} == {canary: True, version: False}
    assert cli("versions", "prune", "--dsn", pg.dsn, "--confirm", LIVE).code == 0
    assert schemas(pg) == {version}
    assert states(pg) == {canary: "dropped", version: "live"}
