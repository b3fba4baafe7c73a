"""What monitoring gets: counters that only grow, a last success that no failure changes, labels from fixed sets."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sdconsole.config import Settings, load_settings
from sdconsole.core import runs
from sdconsole.core.bus import Bus
from sdconsole.core.events import (
    CheckResult,
    ErrorReport,
    Event,
    LiveChanged,
    LogLine,
    Measured,
    RunFinished,
    RunStarted,
    ScoreReported,
    StageFinished,
    StageStarted,
)
from sdconsole.core.journal import Journal
from sdconsole.core.model import CheckStatus, RunKind, StageName, StageStatus
from sdconsole.errors import UsageError, Verdict
from sdconsole.observe.exposition import Place, exposition, samples
from sdconsole.observe.families import BY_NAME, FAMILIES, FREE, OTHER, label_values
from sdconsole.service.monitoring import metrics_view, read_metrics, serve_metrics, write_metrics

PROMTOOL = shutil.which("promtool")
BEGAN = datetime(2026, 11, 21, 3, 15, tzinfo=UTC)
S = StageName
TABLES = {"tickets": {"in": 100, "out": 97, "quarantined": 3}, "<mine>": {"in": 5, "out": 5, "quarantined": 0}}
Key = tuple[str, frozenset[tuple[str, str]]]


def key(name: str, **labels: str) -> Key:
    return name, frozenset(labels.items())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(state_dir=tmp_path / "state", dsn="host=nowhere")


def recorded(settings: Settings, day: int, *events: Event) -> Path:
    """A run of November `day` with these events, one minute apart."""
    run = f"r-202611{day:02d}-031500-0000"
    folder = runs.private_folder(runs.runs_folder(settings.state_dir) / run)
    times = iter(BEGAN.replace(day=day) + timedelta(minutes=minute) for minute in range(1000))
    started = RunStarted(
        RunKind.DEPLOY, "complete", tuple(S), "e.db", "embedded", "servicedesk", "ann", "ops", 1, "0.1.0"
    )
    with Journal(folder / runs.JOURNAL) as journal:
        bus = Bus(run, journal=journal, clock=lambda: next(times))
        for event in (started, *events):
            bus.publish(event)
    return folder


def finished(stage: StageName, seconds: float = 10.0, **facts: object) -> StageFinished:
    return StageFinished(stage, StageStatus.PASSED, seconds, facts=facts)


def failed(stage: StageName, slug: str = "disk-low", verdict: Verdict = Verdict.FAILED) -> StageFinished:
    return StageFinished(stage, StageStatus.FAILED, 1.0, error=ErrorReport(slug, "no", "", "", "", verdict))


def success(score: float = 90.0, version: str = "servicedesk_v1", load_seconds: float = 10.0) -> tuple[Event, ...]:
    return (
        StageStarted(S.CLEAN),
        finished(S.CLEAN, tables=TABLES),
        ScoreReported(S.SCORE, "before", score - 10, 80.0, "GOOD", ()),
        ScoreReported(S.SCORE, "after", score, 80.0, "GOOD", ()),
        finished(S.SCORE),
        finished(S.LOAD, load_seconds, rows={"tickets": 97, "<mine>": 5}, version=version),
        Measured(S.VALIDATE, "dashboard_query", 0.25, "seconds", {"metric": "1.1"}),
        Measured(S.VALIDATE, "metric_value", 96.0, "percent", {"metric": "1.1"}),
        finished(S.VALIDATE),
        LiveChanged(S.CUTOVER, "servicedesk", None, version, 1, 0.05),
        RunFinished(Verdict.OK, 60.0),
    )


def found(settings: Settings) -> Mapping[Key, float]:
    text = read_metrics(settings).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_deployment_becomes_the_metrics_that_the_board_shows(settings: Settings) -> None:
    recorded(settings, 1, *success())
    values = found(settings)
    assert values[key("etl_last_run_success")] == 1
    assert (
        values[key("etl_last_import_timestamp_seconds")] == (BEGAN.replace(day=1) + timedelta(minutes=11)).timestamp()
    )
    assert values[key("etl_quality_score_ratio", phase="post_migration")] == 0.9
    assert values[key("etl_quality_score", phase="before")] == 80
    assert values[key("etl_rows_per_second", stage="migration")] == 10.2
    assert values[key("etl_rows_quarantined", table="tickets")] == 3
    assert values[key("etl_rows_migrated", table="tickets")] == 97
    assert values[key("etl_dashboard_query_seconds", dashboard="critical", panel="1.1")] == 0.25
    assert values[key("etl_dashboard_value", panel="1.1")] == 96
    assert values[key("etl_active_schema_info", schema="servicedesk_v1")] == 1
    assert values[key("etl_lock_held")] == 0


def test_a_failure_changes_no_last_success(settings: Settings) -> None:
    recorded(settings, 1, *success(90.0))
    before = found(settings)
    recorded(settings, 2, finished(S.CLEAN, tables=TABLES), failed(S.LOAD), RunFinished(Verdict.FAILED, 9.0))
    values = found(settings)
    kept = [name for name, _ in before if name.startswith(("etl_last_import", "etl_rows_migrated", "etl_active"))]
    assert len(set(kept)) == 3
    assert all(values[one] == value for one, value in before.items() if one[0] in kept)
    assert values[key("etl_last_run_success")] == 0
    assert values[key("etl_stage_success", stage="migration")] == 0
    assert values[key("etl_errors_total", gate="migration")] == 1


def test_the_score_of_a_run_that_its_gate_stops_is_seen(settings: Settings) -> None:
    score = ScoreReported(S.CLEAN, "after", 42.0, 80.0, "POOR", ())
    recorded(settings, 1, score, failed(S.CLEAN, "breaker", Verdict.GATE_FAILED), RunFinished(Verdict.GATE_FAILED, 1.0))
    assert found(settings)[key("etl_quality_score", phase="after")] == 42


def test_counters_only_grow_whatever_is_read_twice_resumed_or_pruned(settings: Settings) -> None:
    folder = recorded(
        settings, 1, failed(S.SCORE, "breaker", Verdict.GATE_FAILED), RunFinished(Verdict.GATE_FAILED, 1.0)
    )
    errors, halts = key("etl_errors_total", gate="quality"), key("etl_circuit_breaker_halts_total", reason="breaker")
    for _ in range(3):
        write_metrics(settings)
        assert (found(settings)[errors], found(settings)[halts]) == (1, 1)
    shutil.rmtree(folder)
    assert (found(settings)[errors], found(settings)[halts]) == (1, 1)
    recorded(settings, 2, CheckResult(S.SCORE, "x", CheckStatus.FAIL, "no"), *success())
    assert (found(settings)[errors], found(settings)[halts]) == (2, 1)


def test_many_runs_are_put_together_and_nothing_is_lost(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdconsole.observe.metric_store._MOST_PARTS", 3)
    for day in range(1, 9):
        recorded(settings, day, failed(S.LOAD), *(success(80.0 + day) if day == 2 else ()))
        write_metrics(settings)
    values = found(settings)
    assert values[key("etl_errors_total", gate="migration")] == 8
    assert values[key("etl_active_schema_info", schema="servicedesk_v1")] == 1
    state = json.loads((settings.state_dir / "metrics" / "state.json").read_bytes())
    assert len(state["runs"]) == 3
    write_metrics(settings)
    assert found(settings)[key("etl_errors_total", gate="migration")] == 8, "old runs were counted again"


def test_the_usual_time_and_the_score_before_come_from_earlier_runs(settings: Settings) -> None:
    for day, seconds in enumerate((10.0, 12.0, 14.0, 90.0), start=1):
        recorded(settings, day, *success(80.0 + day, load_seconds=seconds))
    values = found(settings)
    assert values[key("etl_stage_duration_seconds", stage="migration")] == 90
    assert values[key("etl_stage_duration_median_seconds", stage="migration")] == 12
    assert values[key("etl_quality_score_previous")] == 83


def test_every_sample_is_of_a_known_family_with_labels_of_its_set(settings: Settings) -> None:
    recorded(settings, 1, *success())
    (settings.state_dir / "runs" / "r-20261101-031500-0000" / "clean.json").write_text(
        json.dumps({"tables": [{"name": "<mine>", "columns": [{"name": "x\ny", "operations": {"date iso": 7}}]}]})
    )
    for name, labels in found(settings):
        family = BY_NAME[name]
        assert {label for label, _ in labels} == set(family.labels)
        assert all(label in FREE or value in label_values(label) | {OTHER} for label, value in labels), (name, labels)
    assert found(settings)[key("etl_dates_standardized_total", table=OTHER, column=OTHER)] == 7
    assert found(settings)[key("etl_rows_source", table=OTHER)] == 5


def test_the_file_is_whole_documented_and_replaced_in_one_step(settings: Settings, tmp_path: Path) -> None:
    recorded(settings, 1, *success())
    own = write_metrics(settings)
    assert own.stat().st_mode & 0o777 == 0o600
    target = tmp_path / "textfile" / "sdconsole.prom"
    target.parent.mkdir()
    target.write_text("old")
    inode = target.stat().st_ino
    assert write_metrics(settings, target) == target
    assert target.stat().st_ino != inode
    assert target.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in target.parent.iterdir()] == ["sdconsole.prom"]
    lines = target.read_text(encoding="utf-8")
    assert lines.endswith("\n")
    for family in text_string_to_metric_families(lines):
        name = next(iter(family.samples)).name
        assert (family.documentation, family.type) == (BY_NAME[name].help, BY_NAME[name].kind)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_promtool_finds_nothing_wrong(settings: Settings) -> None:
    recorded(settings, 1, failed(S.LOAD), *success())
    assert PROMTOOL is not None
    ended = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=read_metrics(settings), capture_output=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_a_damaged_state_is_refused_and_a_damaged_journal_is_an_error_of_its_own(settings: Settings) -> None:
    folder = recorded(settings, 1, *success())
    with (folder / runs.JOURNAL).open("ab") as file:
        file.write(b"{}\n")
    assert found(settings)[key("etl_errors_total", gate=OTHER)] == 1
    assert found(settings)[key("etl_quality_score", phase="after")] == 90


def test_every_family_is_exposed_when_there_is_something_to_say(settings: Settings) -> None:
    everything = [(family.name, tuple("x" for _ in family.labels), 1.0) for family in FAMILIES]
    text = exposition(everything).decode()
    assert all(f"\n# TYPE {family.name} {family.kind}\n" in f"\n{text}" for family in FAMILIES)


@pytest.fixture
def port(settings: Settings) -> Iterator[int]:
    recorded(settings, 1, *success())
    server = serve_metrics(settings, 0, lambda _: None)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield server.server_address[1]
    server.shutdown()
    serving.join()
    server.server_close()


def asked(port: int, path: str, host: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_the_server_answers_on_this_machine_to_its_own_name_only(settings: Settings, port: int) -> None:
    status, content = asked(port, "/metrics", f"127.0.0.1:{port}")
    assert (status, b"etl_last_run_success 1.0\n" in content) == (200, True)
    recorded(settings, 2, failed(S.LOAD), RunFinished(Verdict.FAILED, 1.0))
    assert b"etl_last_run_success 0.0\n" in asked(port, "/metrics", f"localhost:{port}")[1], "a new run is not seen"
    for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1:{port + 1}", "127.0.0.1.evil.example", ""):
        status, content = asked(port, "/metrics", host)
        assert (status, b"etl_" in content) == (421, False), host
    assert asked(port, "/../state.json", f"127.0.0.1:{port}")[0] == 404
    assert not (settings.state_dir / "metrics").exists(), "serving writes nothing"


def test_a_gateway_address_with_a_password_is_refused() -> None:
    for url in ("http://ann:secret@gateway:9091", "ftp://gateway", "http://gateway?x=1", "gateway"):
        with pytest.raises(UsageError) as raised:
            load_settings(pushgateway_url=url)
        assert "secret" not in str(raised.value.cause)
    assert load_settings(pushgateway_url="http://gateway:9091/base").pushgateway_url


class _Gateway(BaseHTTPRequestHandler):
    """Keeps what it gets; answers as the first part of the address says."""

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.pushed.append((self.command, self.path, self.headers["Content-Type"], body))  # type: ignore[attr-defined]
        if self.path.startswith("/torn"):
            self.wfile.write(b"no HTTP at all\r\n\r\n")
        elif not self.path.startswith("/silent"):
            self.send_response(500 if self.path.startswith("/bad") else 200)
            self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Gateway)
    server.pushed = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_gateway_gets_all_metrics_when_a_run_ends(settings: Settings, gateway: HTTPServer) -> None:
    address = f"http://127.0.0.1:{gateway.server_port}"
    pushing = settings.model_copy(update={"pushgateway_url": f"{address}/base"})
    run = recorded(settings, 1, *success())
    bus = Bus(run.name, journal=lambda _: None, views=(metrics_view(pushing),))
    bus.publish(StageStarted(S.VERIFY))
    bus.publish(finished(S.VERIFY))
    assert gateway.pushed == []  # type: ignore[attr-defined]
    bus.publish(RunFinished(Verdict.OK, 1.0))
    ((method, path, kind, body),) = gateway.pushed  # type: ignore[attr-defined]
    assert (method, path) == ("PUT", "/base/metrics/job/sdconsole")
    assert kind.startswith("text/plain")
    sent = {sample.name for family in text_string_to_metric_families(body.decode()) for sample in family.samples}
    assert {"etl_last_run_success", "etl_quality_score", "etl_rows_migrated"} <= sent
    assert b"etl_last_run_success 1.0\n" in body


@pytest.mark.parametrize("way", ["bad", "torn", "silent", "nobody"])
def test_a_push_that_fails_is_told_and_changes_nothing_else(settings: Settings, gateway: HTTPServer, way: str) -> None:
    port = 1 if way == "nobody" else gateway.server_port
    pushing = settings.model_copy(update={"pushgateway_url": f"http://127.0.0.1:{port}/{way}"})
    run = recorded(settings, 1, *success())
    written: list[Event] = []
    bus = Bus(run.name, journal=lambda record: written.append(record.event), views=(metrics_view(pushing),))
    bus.publish(RunFinished(Verdict.OK, 1.0))
    assert isinstance(written[0], RunFinished)
    (told,) = (event for event in written if isinstance(event, LogLine))
    assert (told.level, "metrics" in told.message) == ("error", True)
    assert found(settings)[key("etl_last_run_success")] == 1
    assert len(gateway.pushed) == (0 if way == "nobody" else 1)  # type: ignore[attr-defined]


def test_a_version_that_never_went_live_changes_no_dashboard_value(settings: Settings) -> None:
    recorded(settings, 1, *success())
    value = Measured(S.VALIDATE, "metric_value", 12.0, "percent", {"metric": "1.1"})
    recorded(settings, 2, value, finished(S.VALIDATE), RunFinished(Verdict.HELD, 1.0))
    assert found(settings)[key("etl_dashboard_value", panel="1.1")] == 96
    verified = Measured(S.VERIFY, "metric_value", 95.0, "percent", {"metric": "1.1"})
    recorded(settings, 3, verified, finished(S.VERIFY), RunFinished(Verdict.OK, 1.0))
    assert found(settings)[key("etl_dashboard_value", panel="1.1")] == 95


def test_what_can_only_be_measured_now_is_measured(settings: Settings, tmp_path: Path) -> None:
    there = Place(settings.state_dir, (tmp_path,), tmp_path / "backups", BEGAN)
    values = {name: value for name, _, value in samples(there)}
    assert values["etl_disk_free_bytes"] == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)
    assert 0 < values["etl_memory_used_ratio"] < 1
