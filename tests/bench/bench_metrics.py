"""Every metric, template and panel query: its rows against plain Python, its time against what a panel may take.

Without arguments there are four databases: a baseline export, tables without a row, the canary's sample of that
export, and a real incident log where the data for it lie beside this checkout. With `EXPORT...` those files are
deployed. Times are the shortest of several runs. The server works without helpers (no parallel workers), so CPU and
wall agree on an idle machine; on a busy one the CPU column is the one to read.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import TypeAdapter

from sdconsole import service
from sdconsole.analytics.catalog import Metric, load_catalog
from sdconsole.analytics.parameters import MetricParameters
from sdconsole.analytics.run import MetricResult, present_names, run_metrics
from sdconsole.config import Settings, load_settings
from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Table
from sdconsole.core.gates import FlagGate
from sdconsole.core.model import Mode, StageName
from sdconsole.core.projection import RunState
from sdconsole.errors import Verdict
from sdconsole.quality.clean.quarantine import QUARANTINE_TABLE
from sdconsole.service import DeployRequest
from sdconsole.source.catalog import count_rows
from sdconsole.target.connect import Connection, connect
from sdconsole.target.proof.canary import build_canary
from tests.stages.loading_world import context, load
from tests.stages.metric_oracle import answers
from tests.stages.panel_oracle import RATES, panel_answers
from tests.stages.people_oracle import people_answers
from tests.stages.target_clean_file import write_clean
from tests.stages.test_metrics_oracle import BY_HAND, unequal

RUNS = 3

INCIDENTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "make_incident_db.py"

BUDGET_SECONDS = Settings.model_construct().query_budget_ms / 1000


def timed(connection: Connection, schema: str, metric: Metric, known: MetricParameters) -> tuple[MetricResult, float]:
    """The result of the quickest run, and the least CPU time of the server's process, in seconds."""
    backend = psutil.Process(connection.info.backend_pid)
    best, least = None, float("inf")
    for _ in range(RUNS):
        before = backend.cpu_times()
        (result,) = run_metrics(connection, schema, reader_role=None, metrics=[metric], parameters=known)
        after = backend.cpu_times()
        least = min(least, after.user + after.system - before.user - before.system)
        if best is None or result.duration_seconds < best.duration_seconds:
            best = result
    assert best is not None
    return best, least


def measure(connection: Connection, schema: str, name: str, clean: Path, rates: Path) -> int:
    """Prints the table of one database; returns how many queries failed, differ or take too long."""
    catalog = load_catalog()
    expected = answers(clean) | panel_answers(clean, tiers=False) | people_answers(clean)
    known = MetricParameters.of(load_contract(), rates=rates)
    names = present_names(connection, schema)
    connection.execute("SET max_parallel_workers_per_gather = 0")
    failed = differing = slow = 0
    times: list[tuple[float, str]] = []
    print(f"{'id':<24} {'value':>14} {'unit':<13} {'n':>8} {'ms':>7} {'cpu ms':>7}  equal")
    for metric in catalog.for_tables(names):
        result, cpu = timed(connection, schema, metric, known)
        if metric.id in expected:
            verdict = "; ".join(unequal(result, expected[metric.id])[:2]) or "yes"
        else:
            verdict = "by hand" if metric.id in BY_HAND else "no answer to compare with"
        failed += bool(result.error)
        differing += not result.error and verdict not in ("yes", "by hand")
        slow += min(result.duration_seconds, max(cpu, 0.01)) > BUDGET_SECONDS
        times.append((result.duration_seconds, metric.id))
        print(
            f"{metric.id:<24} {metric.shown(result.value):>14} {metric.unit:<13} {result.n:>8,}"
            f" {result.duration_seconds * 1000:>7.1f} {cpu * 1000:>7.0f}  {result.error or verdict}"
        )
    seconds, slowest = max(times)
    print(
        f"{name}: {len(times)} queries, {failed} failed, {differing} differ, {slow} slower than"
        f" {BUDGET_SECONDS * 1000:.0f} ms; the slowest took {seconds * 1000:.1f} ms ({slowest})\n"
    )
    return failed + differing + slow


@dataclass(frozen=True, slots=True)
class Bench:
    """A server of its own, what is measured on it and where its files lie."""

    settings: Settings
    folder: Path
    rates: Path

    def deployed(self, export: Path) -> tuple[int, RunState]:
        """An export goes live and is measured there."""
        request = DeployRequest(source=export, mode=Mode.SIMPLE, demo=True)
        with service.prepare_deploy(self.settings, request) as prepared:
            state = prepared.execute(FlagGate("bench", yes=True))
        assert state.verdict is Verdict.OK, state.finished
        rows = sum(state.results[StageName.LOAD].facts["rows"].values())
        print(f"{export.name}: {rows:,} rows")
        target = service.resolve_target(self.settings)
        with closing(connect(target, application="bench")) as connection:
            return measure(connection, target.live_schema, export.name, clean_of(state), self.rates), state

    def loaded(self, name: str, clean: Path, tables: Sequence[Table]) -> int:
        """A clean file that no deployment would take is loaded into a schema of its own and measured there."""
        place = self.folder / name
        place.mkdir()
        target = service.resolve_target(self.settings)
        version = f"{target.live_schema}_canary_{name}"
        load(context(place, target.conninfo, clean), clean, tables, version)
        with closing(connect(target, application="bench")) as connection:
            connection.execute("ANALYZE")
            with closing(sqlite3.connect(clean)) as rows:
                total = sum(count_rows(rows, table.name) for table in tables)
            print(f"{name}: {total:,} rows")
            return measure(connection, version, name, clean, self.rates)

    def four(self) -> int:
        export = service.generate_demo(self.settings)
        wrong, state = self.deployed(export)
        recorded = Path(state.results[StageName.PROFILE].artifact("tables").path)
        tables = (*TypeAdapter(tuple[Table, ...]).validate_json(recorded.read_bytes()), QUARANTINE_TABLE)
        empty, sample = self.folder / "empty.db", self.folder / "sample.db"
        write_clean(empty, tables, {})
        wrong += self.loaded("empty", empty, tables)
        build_canary(clean_of(state), sample, tables)
        wrong += self.loaded("sample", sample, tables)
        if not INCIDENTS.exists():
            print(f"incidents: absent ({INCIDENTS.name} is not beside this checkout)")
            return wrong
        incidents = self.folder / "incidents.db"
        subprocess.run([sys.executable, str(INCIDENTS), str(incidents)], check=True, capture_output=True)
        return wrong + self.deployed(incidents)[0]


def clean_of(state: RunState) -> Path:
    return Path(state.results[StageName.CLEAN].artifact("clean").path)


def main(exports: list[str]) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["SDCONSOLE_EMBEDDED_ROOT"] = str(folder / "postgres")
        rates = folder / "rates.toml"
        rates.write_text(RATES, encoding="utf-8")
        bench = Bench(load_settings(state_dir=folder / "state"), folder, rates)
        try:
            wrong = sum(bench.deployed(Path(export))[0] for export in exports) if exports else bench.four()
        finally:
            service.embedded_server(bench.settings).stop()
    print(f"{wrong} failed, differ or are slower than {BUDGET_SECONDS * 1000:.0f} ms")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
