"""`sdconsole metrics` on a target that shows one version and has another waiting, and the gate before the cutover."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole.analytics.catalog import load_catalog
from sdconsole.contract.load import load_contract
from sdconsole.core.model import Mode, StageName
from sdconsole.core.runs import read_records
from sdconsole.errors import Verdict
from sdconsole.source.generate import generate
from tests.cli.conftest import environment
from tests.cli.in_process import InProcess
from tests.cli.library_runs import deployed, version_of

IDS = [metric.id for metric in load_catalog().metrics if metric.kind != "panel"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Live shows 3,000 rows of one export, the candidate holds twice as many of another."""

    cli: InProcess
    dsn: str
    role: str
    live: str
    candidate: str
    run_id: str


@pytest.fixture(scope="module")
def place(pg_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waiting]:
    folder, name, role = tmp_path_factory.mktemp("metrics"), f"t_{secrets.token_hex(5)}", f"r_{secrets.token_hex(4)}"
    for seed, rows in ((1, 3_000), (2, 6_000)):
        generate(folder / f"{seed}.db", rows=rows, seed=seed, contract=load_contract())
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    dsn = make_conninfo(pg_server, dbname=name)
    first = deployed(folder, folder / "1.db", dsn, reader_role=role)
    assert first.verdict is Verdict.OK, first.finished
    second = deployed(folder, folder / "2.db", dsn, mode=Mode.BLUE_GREEN, reader_role=role)
    assert second.verdict is Verdict.OK, second.finished
    (folder / "home").mkdir()
    cli = InProcess(folder, environment(folder / "home", SDCONSOLE_READER_ROLE=role))
    yield Waiting(cli, dsn, role, version_of(first), version_of(second), second.run_id)
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_the_list_says_what_every_entry_means(place: Waiting) -> None:
    listed = place.cli("metrics", "list", "--json").json["metrics"]
    assert [one["id"] for one in listed if one["kind"] != "panel"] == IDS
    assert all(one["definition"] and one["unit"] for one in listed)
    text = place.cli("metrics", "list", "--kind", "metric")
    assert "green >= 95, yellow >= 90" in text.out
    assert "not computable: reopen rate" in text.err


def test_live_is_read_with_the_rights_of_the_readers(place: Waiting) -> None:
    found = place.cli("metrics", "run", "--dsn", place.dsn, "--json").json
    assert (found["version"], found["read_as"]) == (place.live, place.role)
    assert [one["id"] for one in found["metrics"]] == IDS
    keys = {"id", "name", "value", "unit", "n", "band", "seconds", "error"}
    assert all(keys <= set(one) and one["error"] == "" for one in found["metrics"])
    tickets = next(one for one in found["metrics"] if one["id"] == "E1")
    with psycopg.connect(place.dsn) as connection:
        assert connection.execute("SELECT count(*) FROM servicedesk.tickets").fetchone() == (tickets["value"],)


def test_a_query_that_readers_may_not_ask_fails_with_its_reason(place: Waiting) -> None:
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        grantee = sql.Identifier(place.role)
        connection.execute(sql.SQL("REVOKE SELECT ON servicedesk.comment_quality FROM {}").format(grantee))
        try:
            ended = place.cli("metrics", "run", "1.1", "1.5", "--dsn", place.dsn, "--json")
        finally:
            connection.execute(sql.SQL("GRANT SELECT ON servicedesk.comment_quality TO {}").format(grantee))
    assert ended.code == 4
    assert "permission denied" in ended.err
    assert [bool(one["error"]) for one in ended.json["metrics"]] == [False, True]
    assert ended.json["error"]["slug"] == "metrics-failed"


def test_the_candidate_and_a_version_by_name_are_read_by_the_deployer(place: Waiting) -> None:
    waiting = place.cli("metrics", "run", "E1", "--on", "candidate", "--dsn", place.dsn, "--json").json
    named = place.cli("metrics", "run", "E1", "--on", place.candidate, "--dsn", place.dsn, "--json").json
    live = place.cli("metrics", "run", "E1", "--on", place.live, "--dsn", place.dsn, "--json").json
    assert (waiting["version"], waiting["read_as"]) == (place.candidate, None)
    assert waiting["metrics"][0]["value"] == named["metrics"][0]["value"]
    assert live["metrics"][0]["value"] < waiting["metrics"][0]["value"]


@pytest.mark.parametrize("other", ["servicedesk_v20200101_000000", "public", "pg_catalog", "x; drop schema y"])
def test_what_is_no_version_is_not_read(place: Waiting, other: str) -> None:
    ended = place.cli("metrics", "run", "E1", "--on", other, "--dsn", place.dsn, "--json")
    assert (ended.code, ended.json["error"]["slug"]) == (2, "version-unknown")


def test_csv_has_a_line_for_each_metric_and_no_formula(place: Waiting) -> None:
    ended = place.cli("metrics", "run", "--dsn", place.dsn, "--csv")
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert [row["id"] for row in rows] == IDS
    assert set(rows[0]) == {"id", "name", "value", "unit", "n", "band", "seconds", "error"}
    assert float(rows[0]["value"]) > 50
    listed = list(csv.reader(io.StringIO(place.cli("metrics", "list", "--csv").out)))
    assert not [cell for row in listed for cell in row if cell[:1] in ("=", "+", "-", "@") and len(cell) > 1]


def test_a_range_and_a_team_change_the_figure(place: Waiting) -> None:
    def tickets(*options: str) -> float:
        ended = place.cli("metrics", "run", "E1", *options, "--dsn", place.dsn, "--json")
        return float(ended.json["metrics"][0]["value"])

    whole = tickets()
    august = tickets("--from", "2025-08-01", "--to", "2025-09-01")
    team = tickets("--team", "Cloud - Infrastructure")
    assert 0 < august < whole
    assert 0 < team < whole
    ended = place.cli("metrics", "run", "E1", "--from", "2025-08-01", "--to", "2025-07-01", "--dsn", place.dsn)
    assert ended.code == 2


def test_a_metric_is_drawn_with_its_thresholds_and_its_seven_days(place: Waiting) -> None:
    ended = place.cli("metrics", "run", "1.1", "--trend", "--dsn", place.dsn)
    lines = ended.out.splitlines()
    assert "green >= 95, yellow >= 90" in lines[2]
    assert sum(line.startswith("    2025-") for line in lines) == 7
    assert any("█┃" in line for line in lines)
    poor = place.cli("metrics", "run", "1.1", "--trend", "--dsn", place.dsn, LC_ALL="C")
    assert poor.out.isascii()
    assert any("##|" in line for line in poor.out.splitlines())


def test_the_days_of_a_trend_are_those_before_the_newest_ticket(place: Waiting) -> None:
    found = place.cli("metrics", "run", "E1", "M3", "--trend", "--dsn", place.dsn, "--json").json["metrics"]
    with psycopg.connect(place.dsn) as connection:
        days: dict[str, int] = dict(
            connection.execute(
                'SELECT "TKT-Created Time"::date::text, count(*) FROM servicedesk.tickets GROUP BY 1'
            ).fetchall()
        )
    trend = found[0]["trend"]
    assert [one["day"] for one in trend][-1] == max(days)
    assert [one["value"] for one in trend] == [days.get(one["day"], 0) for one in trend]
    assert "trend" not in found[1]


def test_the_sql_that_is_shown_gives_the_same_number_by_hand(place: Waiting) -> None:
    shown = place.cli("metrics", "sql", "1.1")
    assert shown.code == 0
    value = place.cli("metrics", "run", "1.1", "--dsn", place.dsn, "--json").json["metrics"][0]["value"]
    with psycopg.connect(place.dsn) as connection:
        row = connection.execute(shown.out.encode()).fetchone()
    assert row is not None
    assert float(row[0]) == value
    assert place.cli("metrics", "sql", "3.6").code == 2
    assert place.cli("metrics", "sql", "9.9").code == 2


def test_compare_tells_what_moved_and_refuses_what_moved_too_far(place: Waiting) -> None:
    found = place.cli("metrics", "compare", "--dsn", place.dsn, "--json").json
    assert (found["before"], found["after"]) == (place.live, place.candidate)
    tickets = next(one for one in found["changes"] if one["id"] == "E1")
    assert tickets["state"] == "moved"
    assert tickets["change_percent"] == pytest.approx(100 * (tickets["after"] / tickets["before"] - 1))
    assert tickets["change_percent"] > 50
    assert "M3" not in {one["id"] for one in found["changes"]}
    refused = place.cli("metrics", "compare", "--max-metric-change", "50", "--dsn", place.dsn)
    assert refused.code == 5
    assert "E1 total tickets" in refused.err
    same = place.cli("metrics", "compare", place.live, "live", "--max-metric-change", "0", "--dsn", place.dsn, "--json")
    assert same.code == 0
    assert {one["state"] for one in same.json["changes"]} <= {"same", "empty"}


def test_the_gate_before_the_cutover_refuses_and_is_on_record_then_lets_go(place: Waiting) -> None:
    arguments = ("cutover", place.run_id, "--yes", "--confirm", "servicedesk", "--json")
    refused = place.cli(*arguments, "--max-metric-change", "50")
    assert (refused.code, refused.json["error"]["slug"]) == (5, "metric-changed")
    assert "E1 total tickets" in refused.json["error"]["cause"]
    assert place.cli("metrics", "run", "E1", "--dsn", place.dsn, "--json").json["version"] == place.live
    records = [record.event for record in read_records(place.cli.folder / ".sdconsole", place.run_id)]
    failed = [one for one in records if one.type == "check_result" and one.check == "metric E1"]
    assert [(one.stage, one.status, one.threshold) for one in failed] == [(StageName.CUTOVER, "fail", "50 %")]
    assert records[-1].type == "run_finished"
    assert records[-1].verdict is Verdict.GATE_FAILED
    allowed = place.cli(*arguments, "--max-metric-change", "1000")
    assert allowed.code == 0, allowed.err
    (asked,) = [
        one
        for one in (record.event for record in read_records(place.cli.folder / ".sdconsole", place.run_id))
        if one.type == "waiting"
    ]
    assert any(line.startswith("metrics: ") and "differ from live" in line for line in asked.details)
    assert any(line.strip().startswith("E1 total tickets") or "%)" in line for line in asked.details)
