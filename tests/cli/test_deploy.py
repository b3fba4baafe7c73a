"""The main job from the command line: deploy, modes, rollback, resume, interruption."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from sdconsole.core.journal import read_journal
from sdconsole.core.model import StageName
from sdconsole.core.plan import DEPLOY_STAGES
from sdconsole.source.open import source_digest
from tests.cli.conftest import Cli, Ended, MakeExport
from tests.cli.test_refusals import wait_for
from tests.conftest import Database
from tests.patience import within

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
BIG_TABLES = ("tickets", "comments", "timesheets")


def deploy(cli: Cli, source: Path, pg: Database, *more: str) -> Ended:
    return cli("deploy", str(source), "--dsn", pg.dsn, "--yes", "--confirm", "servicedesk", "--json", *more)


def live_rows(pg: Database, table: str) -> int:
    with psycopg.connect(pg.dsn) as connection:
        row = connection.execute(
            sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("servicedesk", table))
        ).fetchone()
    assert row is not None
    return int(row[0])


def source_rows(source: Path, table: str) -> int:
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_a_deployment_is_live_typed_accounted_for_and_the_source_is_as_it_was(
    cli: Cli, export: Path, pg: Database
) -> None:
    before = source_digest(export), export.stat().st_mtime_ns
    ended = deploy(cli, export, pg)
    assert ended.code == 0, ended.err
    document = ended.json
    assert [stage["name"] for stage in document["stages"]] == list(DEPLOY_STAGES)
    assert all(stage["status"] in ("passed", "warned") and stage["duration_s"] > 0 for stage in document["stages"])
    assert document["verdict"] == "ok"
    assert document["live_changed"] is True
    assert document["score"] >= 80
    for table in BIG_TABLES:
        counts = document["rows"]["tables"][table]
        assert counts["in"] == source_rows(export, table)
        assert counts["loaded"] == live_rows(pg, table)
        assert counts["in"] == counts["loaded"] + counts["quarantined"]
    with psycopg.connect(pg.dsn) as connection:
        types: dict[str, str] = dict(
            connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns"
                " WHERE table_schema = 'servicedesk' AND table_name = 'tickets'"
            ).fetchall()
        )
    assert types["TKT-Created Time"] == "timestamp without time zone"
    assert types["TKT-Ticket ID"] == "bigint"
    assert (source_digest(export), export.stat().st_mtime_ns) == before
    folder = cli.folder / ".sdconsole" / "runs" / document["run"]
    assert json.loads((folder / "run.json").read_text())["version"] == document["version"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


def test_a_second_deployment_replaces_the_first_and_rollback_brings_it_back_in_under_a_second(
    cli: Cli, export: Path, make_export: MakeExport, pg: Database
) -> None:
    first = deploy(cli, export, pg).json
    other = make_export(rows=2_000, seed=9)
    second = deploy(cli, other, pg).json
    assert second["version"] != first["version"]
    assert second["previous_version"] == first["version"]
    assert live_rows(pg, "comments") == second["rows"]["tables"]["comments"]["loaded"]
    back = cli("rollback", "--dsn", pg.dsn, "--yes", "--confirm", "servicedesk", "--json")
    assert back.code == 0, back.err
    assert back.json["version"] == first["version"]
    assert live_rows(pg, "comments") == first["rows"]["tables"]["comments"]["loaded"]
    folder = cli.folder / ".sdconsole" / "runs" / back.json["run"]
    changes = [r.event for r in read_journal(folder / "events.jsonl") if r.event.type == "live_changed"]
    assert [change.duration_seconds < 1.0 for change in changes] == [True]
    versions = cli("versions", "list", "--dsn", pg.dsn, "--json").json["versions"]
    assert {row["version"]: row["state"] for row in versions} == {
        first["version"]: "live",
        second["version"]: "previous",
    }
    counted = {row["version"]: (row["rows"], row["quarantine_entries"]) for row in versions}
    assert counted[first["version"]] == (first["rows"]["loaded"], live_rows(pg, "data_quarantine"))
    assert counted[first["version"]][1] > 0


@pytest.mark.parametrize("stage", ["rollback", "restore", "nothing"])
def test_until_names_a_stage_that_a_deployment_has(cli: Cli, export: Path, stage: str) -> None:
    ended = cli("deploy", str(export), "--until", stage, "--json")
    assert (ended.code, ended.json["error"]["slug"]) == (2, "bad-value")
    assert "preflight, backup, profile" in ended.err
    assert not (cli.folder / ".sdconsole").exists()


@pytest.mark.parametrize("mode", ["simple", "canary", "complete"])
def test_a_mode_can_be_repeated_and_leaves_the_same_rows(cli: Cli, export: Path, pg: Database, mode: str) -> None:
    counts = []
    for _ in range(2):
        ended = deploy(cli, export, pg, "--mode", mode)
        assert ended.code == 0, ended.err
        counts.append({table: live_rows(pg, table) for table in BIG_TABLES})
    assert counts[0] == counts[1]
    states = {row["state"] for row in cli("versions", "list", "--dsn", pg.dsn, "--json").json["versions"]}
    assert states == ({"live"} if mode == "simple" else {"live", "previous"})


def test_blue_green_stops_when_ready_and_cutover_is_a_command_of_its_own(cli: Cli, export: Path, pg: Database) -> None:
    ready = cli("deploy", str(export), "--dsn", pg.dsn, "--mode", "blue-green", "--no-input", "--json")
    assert ready.code == 0, ready.err
    assert [stage["name"] for stage in ready.json["stages"]][-1] == "validate"
    cutover = cli("cutover", ready.json["run"], "--confirm", "servicedesk", "--json")
    assert cutover.code == 0, cutover.err
    assert cutover.json["version"] == ready.json["version"]
    assert live_rows(pg, "tickets") == ready.json["rows"]["tables"]["tickets"]["loaded"]
    verified = cli("verify", ready.json["run"], "--json")
    assert verified.code == 0, verified.err


def test_plan_prints_the_stages_that_deploy_runs(cli: Cli, export: Path, pg: Database) -> None:
    for mode in ("simple", "blue-green", "complete"):
        planned = cli("plan", str(export), "--mode", mode, "--json").json
        ran = deploy(cli, export, pg, "--mode", mode).json
        assert [stage["name"] for stage in planned["stages"]] == [stage["name"] for stage in ran["stages"]]
        assert planned["rows"]["tickets"] == ran["rows"]["tables"]["tickets"]["in"]


def test_every_source_stage_runs_by_itself(cli: Cli, export: Path, pg: Database) -> None:
    for stage in ("profile", "clean", "score"):
        ended = cli(stage, str(export), "--json")
        assert ended.code == 0, ended.err
        assert ended.json["stages"][-1]["name"] == stage
    for stage in ("preflight", "backup"):
        ended = cli(stage, str(export), "--dsn", pg.dsn, "--json")
        assert ended.code == 0, ended.err
    output = cli.folder / "clean.db"
    assert cli("clean", str(export), "--to", str(output), "--json").code == 0
    assert source_rows(output, "tickets") > 0


def test_every_target_stage_carries_the_run_on(cli: Cli, export: Path, pg: Database) -> None:
    run = cli("deploy", str(export), "--dsn", pg.dsn, "--until", "score", "--no-input", "--json").json["run"]
    for stage in ("canary", "load", "validate", "cutover", "verify"):
        confirmed = ("--confirm", "servicedesk") if stage in ("cutover", "verify") else ()
        ended = cli(stage, run, *confirmed, "--json")
        assert ended.code == 0, ended.err
        assert ended.json["stages"][-1]["name"] == stage
    assert live_rows(pg, "tickets") > 0


def test_jsonl_is_the_journal_and_stderr_has_no_json(cli: Cli, export: Path, pg: Database) -> None:
    ended = cli(
        "deploy", str(export), "--dsn", pg.dsn, "--until", "profile", "--no-input", "--output", "jsonl",
        "--progress", "none",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    streamed = [json.loads(line) for line in ended.out.splitlines()]
    [journal] = cli.folder.glob(".sdconsole/runs/*/events.jsonl")
    assert streamed == [json.loads(line) for line in journal.read_text().splitlines()]
    assert [record["seq"] for record in streamed] == list(range(1, len(streamed) + 1))


def test_plain_progress_goes_to_stderr_and_the_result_to_stdout(cli: Cli, export: Path) -> None:
    ended = cli("score", str(export), "--progress", "plain")
    assert ended.code == 0
    assert "profile    started" in ended.err
    assert "\x1b" not in ended.err + ended.out
    assert ended.out.startswith("run ")
    assert "score " in ended.out


def test_looking_commands_answer_without_and_with_runs(cli: Cli, export: Path) -> None:
    assert "no runs yet" in cli("status").out
    assert cli("runs", "list", "--json").json == {"schema": 1, "runs": []}
    run = cli("profile", str(export), "--json").json["run"]
    assert cli("status", "--json").json["runs"][0]["run_id"] == run
    assert cli("runs", "show", run, "--json").json["run"] == run
    assert "profile" in cli("runs", "show", run).out
    assert cli("runs", "show", "r-20260101-000000-0000", "--json").json["error"]["slug"] == "run-unknown"
    assert cli("runs", "show", "../../etc", "--json").json["error"]["slug"] == "run-id"
    assert cli("version").out.startswith("sdconsole ")
    assert cli().code == 2


def test_a_gate_can_be_lowered_by_the_operator_and_the_run_carries_on(cli: Cli, export: Path, pg: Database) -> None:
    refused = deploy(cli, export, pg, "--min-quality", "100")
    assert refused.code == 5
    assert refused.json["error"]["slug"] == "score-below-minimum"
    assert "of" in refused.json["error"]["cause"]
    carried_on = cli(
        "resume", refused.json["run"], "--min-quality", "80", "--yes", "--confirm", "servicedesk", "--json"
    )
    assert carried_on.code == 0, carried_on.err
    first, again = (
        next(stage for stage in ended.json["stages"] if stage["name"] == "profile") for ended in (refused, carried_on)
    )
    assert again["duration_s"] == first["duration_s"], "the profile was made twice"
    assert live_rows(pg, "tickets") > 0


@pytest.mark.parametrize(("percent", "extra", "code"), [(100, 0, 5), (20, 0, 0), (20, 1, 5)])
def test_corrupt_created_times_halt_at_profile_above_exactly_20_percent(
    cli: Cli, make_export: MakeExport, percent: int, extra: int, code: int
) -> None:
    source = make_export(rows=4_000, dirt="clean")
    with closing(sqlite3.connect(source)) as db:
        total = db.execute("SELECT count(*) FROM tickets").fetchone()[0]
        surplus = total % 5
        db.execute("DELETE FROM tickets WHERE rowid > ?", [total - surplus])
        wrong = (total - surplus) * percent // 100 + extra
        db.execute("UPDATE tickets SET \"TKT-Created Time\" = '31/02/2025 25:99' WHERE rowid <= ?", [wrong])
        db.commit()
    ended = cli("profile", str(source), "--json")
    assert ended.code == code, ended.err
    if code:
        assert ended.json["error"]["slug"] == "breaker"
        assert f"{wrong:,}" in ended.json["error"]["cause"].replace(".0", "")


@pytest.mark.parametrize("stage", [stage for stage in DEPLOY_STAGES if stage is not StageName.PREFLIGHT])
def test_ctrl_c_in_a_stage_ends_with_130_and_resume_finishes(
    cli: Cli, make_export: MakeExport, pg: Database, stage: StageName
) -> None:
    source = make_export(rows=12_000)
    running = cli.start("deploy", str(source), "--dsn", pg.dsn, "--yes", "--confirm", "servicedesk", "--json")
    wait_for(cli, f'"stage":"{stage}"', '"type":"stage_started"')
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=within(5))
    assert "Traceback" not in err
    document = json.loads(out)
    if running.returncode == 0:
        assert stage is StageName.VERIFY, "only the last stage may be over before the signal arrives"
        return
    assert running.returncode == 130, err
    assert document["verdict"] == "interrupted"
    with psycopg.connect(pg.dsn) as connection:
        live = connection.execute("SELECT to_regclass('servicedesk.tickets')").fetchone()
    assert (live != (None,)) == document["live_changed"]
    resumed = cli("resume", "--yes", "--confirm", "servicedesk", "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.json["run"] == document["run"]
    for table in BIG_TABLES:
        counts = resumed.json["rows"]["tables"][table]
        assert counts["in"] == source_rows(source, table) == live_rows(pg, table) + counts["quarantined"]
    states = [row["state"] for row in cli("versions", "list", "--dsn", pg.dsn, "--json").json["versions"]]
    assert states.count("live") == 1
    assert set(states) <= {"live", "failed", "previous"}


def test_sigterm_ends_with_143(cli: Cli, make_export: MakeExport, pg: Database) -> None:
    source = make_export(rows=12_000)
    running = cli.start("deploy", str(source), "--dsn", pg.dsn, "--until", "load", "--no-input", "--json")
    wait_for(cli, '"stage":"profile"', '"type":"stage_started"')
    running.terminate()
    out, _ = running.communicate(timeout=within(5))
    assert running.returncode == 143
    assert json.loads(out)["exit_code"] == 143


@pytest.fixture(scope="session")
def incidents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    script = SHARED / "make_incident_db.py"
    if not script.exists():
        pytest.skip("the incident log is not beside this checkout")
    path = tmp_path_factory.mktemp("incidents") / "incidents.db"
    subprocess.run([sys.executable, str(script), str(path)], check=True, capture_output=True)
    return path


def test_a_real_incident_log_goes_live_row_for_row(cli: Cli, incidents: Path, pg: Database) -> None:
    before = source_digest(incidents)
    ended = deploy(cli, incidents, pg)
    if ended.code == 5:
        assert ended.json["error"]["slug"] in ("score-below-minimum", "quarantine-limit")
        assert ended.json["error"]["cause"]
        ended = cli(
            "resume", "--min-quality", "0", "--max-quarantine", "100", "--yes", "--confirm", "servicedesk", "--json"
        )
    assert ended.code == 0, ended.err
    expected = {"tickets": 24_918, "comments": 141_712, "timesheets": 78_083}
    for table, rows in expected.items():
        counts = ended.json["rows"]["tables"][table]
        assert counts["in"] == rows == live_rows(pg, table) + counts["quarantined"]
    with psycopg.connect(pg.dsn) as connection:
        span = connection.execute(
            'SELECT min("TKT-Created Time")::text, max("TKT-Created Time")::text FROM servicedesk.tickets'
        ).fetchone()
    assert span == ("2016-02-29 01:16:00", "2017-02-16 14:17:00")
    assert source_digest(incidents) == before
