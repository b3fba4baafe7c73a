"""Every metric, template and panel query: its rows against plain Python, its time against what a panel may take.

Without arguments a baseline export is generated and deployed; with `EXPORT...` those files are. Times are the
shortest of several runs. The server works without helpers (no parallel workers), so CPU and wall agree on an idle
machine; on a busy one the CPU column is the one to read.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import psutil

from sdconsole import service
from sdconsole.analytics.catalog import Metric, load_catalog
from sdconsole.analytics.parameters import MetricParameters
from sdconsole.analytics.run import MetricResult, present_names, run_metrics
from sdconsole.config import Settings, load_settings
from sdconsole.contract.load import load_contract
from sdconsole.core.gates import FlagGate
from sdconsole.core.model import Mode, StageName
from sdconsole.errors import Verdict
from sdconsole.service import DeployRequest
from sdconsole.target.connect import Connection, connect
from tests.stages.metric_oracle import answers
from tests.stages.panel_oracle import RATES, panel_answers
from tests.stages.people_oracle import people_answers
from tests.stages.test_metrics_oracle import BY_HAND, unequal

RUNS = 3

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


def measure(connection: Connection, schema: str, clean: Path, rates: Path) -> int:
    """Prints the table of one deployed export; returns how many queries failed, differ or take too long."""
    catalog = load_catalog()
    expected = answers(clean) | panel_answers(clean, tiers=False) | people_answers(clean)
    known = MetricParameters.of(load_contract(), rates=rates)
    names = present_names(connection, schema)
    connection.execute("SET max_parallel_workers_per_gather = 0")
    wrong = 0
    print(f"{'id':<24} {'value':>14} {'unit':<13} {'n':>8} {'ms':>7} {'cpu ms':>7}  equal")
    for metric in catalog.for_tables(names):
        result, cpu = timed(connection, schema, metric, known)
        if metric.id in expected:
            verdict = "; ".join(unequal(result, expected[metric.id])[:2]) or "yes"
        else:
            verdict = "by hand" if metric.id in BY_HAND else "-"
        slow = min(result.duration_seconds, max(cpu, 0.01)) > BUDGET_SECONDS
        wrong += bool(result.error) or slow or verdict not in ("yes", "-", "by hand")
        print(
            f"{metric.id:<24} {metric.shown(result.value):>14} {metric.unit:<13} {result.n:>8,}"
            f" {result.duration_seconds * 1000:>7.1f} {cpu * 1000:>7.0f}  {result.error or verdict}"
        )
    return wrong


def main(exports: list[str]) -> int:
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SDCONSOLE_EMBEDDED_ROOT"] = str(Path(folder) / "postgres")
        settings = load_settings(state_dir=Path(folder) / "state")
        rates = Path(folder) / "rates.toml"
        rates.write_text(RATES, encoding="utf-8")
        try:
            for export in [Path(name) for name in exports] or [service.generate_demo(settings)]:
                request = DeployRequest(source=export, mode=Mode.SIMPLE, demo=True)
                with service.prepare_deploy(settings, request) as prepared:
                    state = prepared.execute(FlagGate("bench", yes=True))
                assert state.verdict is Verdict.OK, state.finished
                clean = Path(state.results[StageName.CLEAN].artifact("clean").path)
                rows = sum(state.results[StageName.LOAD].facts["rows"].values())
                print(f"{export.name}: {rows:,} rows")
                target = service.resolve_target(settings)
                with closing(connect(target, application="bench")) as connection:
                    wrong += measure(connection, target.live_schema, clean, rates)
        finally:
            service.embedded_server(settings).stop()
    print(f"{wrong} wrong or slower than {BUDGET_SECONDS * 1000:.0f} ms")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
