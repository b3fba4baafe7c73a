"""A real Prometheus scrapes a deployment: it takes every metric and evaluates every rule and the board's panels."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from sdconsole.core.model import StageName
from sdconsole.core.projection import RunState
from sdconsole.observe import alerts
from sdconsole.observe.families import FAMILIES
from tests.cli.conftest import Cli, Command
from tests.cli.library_runs import deployed, version_of
from tests.conftest import Database

PROMETHEUS = shutil.which("prometheus")
BOARDS = resources.files("sdconsole.analytics").joinpath("dashboards.toml")
PIPELINE = "servicedesk-etl-pipeline"
SECONDS = 60.0

pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed")


@dataclass(frozen=True, slots=True)
class Scraped:
    """A running Prometheus that has scraped a deployment at least twice."""

    address: str
    state: RunState

    def ask(self, path: str, **parameters: str) -> Any:
        with urlopen(f"{self.address}/api/v1/{path}?{urlencode(parameters)}", timeout=10) as answer:
            document = json.load(answer)
        assert document["status"] == "success"
        return document["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        return [(one["metric"], float(one["value"][1])) for one in self.ask("query", query=expression)["result"]]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
def scraped(cli: Cli, pg: Database, export: Path, tmp_path: Path) -> Iterator[Scraped]:
    assert isinstance(cli, Command)
    state = deployed(cli.folder, export, pg.dsn)
    server = cli.start("observe", "serve", "--port", "0")
    assert server.stdout is not None
    target = server.stdout.readline().strip().removeprefix("http://").removesuffix("/metrics")
    (tmp_path / alerts.RULES).write_text(alerts.rule_file(), encoding="utf-8")
    job = {"job_name": "sdconsole", "static_configs": [{"targets": [target]}]}
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config = tmp_path / "prometheus.yml"  # JSON is YAML
    config.write_text(json.dumps({"global": every, "rule_files": [alerts.RULES], "scrape_configs": [job]}))
    port = free_port()
    process = subprocess.Popen(
        [
            str(PROMETHEUS),
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        found = Scraped(f"http://127.0.0.1:{port}", state)
        wait_for(found)
        yield found
    finally:
        for one in (process, server):
            one.terminate()
            one.communicate(timeout=30)


def wait_for(found: Scraped) -> None:
    """Until two scrapes are stored and every rule was evaluated."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            groups = found.ask("rules")["groups"]
            health = {rule["health"] for group in groups for rule in group["rules"]}
            if health and "unknown" not in health and found.query("increase(etl_errors_total[1m])"):
                return
        except (URLError, OSError):
            pass  # it is not listening yet
        time.sleep(0.2)
    raise AssertionError("Prometheus has not scraped the deployment")


def test_prometheus_takes_every_metric_and_evaluates_every_rule_and_panel(scraped: Scraped) -> None:
    (target,) = scraped.ask("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    rules = [rule for group in scraped.ask("rules")["groups"] for rule in group["rules"]]
    assert len(rules) == len(alerts.load_alerts())
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"] == []
    firing = {rule["name"] for rule in rules if rule["state"] == "firing" and rule["labels"]["severity"] == "critical"}
    assert not firing & {"ETL_Migration_Failed", "ETL_Quality_Gate_Failed", "ETL_PostMigration_Quality"}

    rows = scraped.state.results[StageName.LOAD].facts["rows"]
    migrated = {labels["table"]: value for labels, value in scraped.query("etl_rows_migrated")}
    assert migrated == rows
    ((labels, _),) = scraped.query("etl_active_schema_info")
    assert labels["schema"] == version_of(scraped.state)
    ((_, score),) = scraped.query('etl_quality_score{phase="post_migration"}')
    assert score == scraped.state.scores["after"].total
    types = scraped.ask("metadata")
    exposed = {family.name: family for family in FAMILIES if family.name in types or scraped.query(family.name)}
    assert len(exposed) > 25
    assert all(types[name][0]["type"] == family.kind for name, family in exposed.items())

    expressions = pipeline_expressions()
    assert len(expressions) > 10
    assert [text for text in expressions if [*alerts.selector_problems(text)]] == []
    assert [text for text in expressions if not scraped.query(text)] == []


def pipeline_expressions() -> list[str]:
    """What the board about the deployments asks Prometheus."""
    (board,) = (one for one in tomllib.loads(BOARDS.read_text())["dashboard"] if one["uid"] == PIPELINE)
    return [text for panel in board["panels"] for text in panel.get("expressions", {}).values()]
