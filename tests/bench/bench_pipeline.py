"""The whole deployment and each of its stages, against reading every row of the export once."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from sdconsole import service
from sdconsole.config import load_settings
from sdconsole.core.events import Record, StageFinished, StageStarted
from sdconsole.core.gates import FlagGate
from sdconsole.core.model import Mode, StageName
from sdconsole.errors import Verdict
from sdconsole.service import DeployRequest
from tests.bench.cost import Cost, Meter, Report, least
from tests.bench.measure import read_every_row


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", default="baseline")
    arguments.add_argument("--turns", type=int, default=2)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SDCONSOLE_EMBEDDED_ROOT"] = str(Path(folder) / "postgres")
        settings = load_settings(state_dir=Path(folder) / "state")
        server = service.embedded_server(settings)
        try:
            export = service.generate_demo(settings, size=asked.size)
            postmaster = server.start().pid
            assert postmaster is not None
            meter = Meter(postmaster)
            yardstick = least([meter.cost(lambda: read_every_row(export)) for _ in range(3)])
            turns: dict[StageName, list[Cost]] = {}

            def deploy() -> float:
                request = DeployRequest(source=export, mode=Mode.COMPLETE, demo=True)
                with service.prepare_deploy(settings, request) as prepared:
                    state = prepared.execute(FlagGate("bench", yes=True), (_stage_costs(meter, turns),))
                assert state.verdict is Verdict.OK, state.finished
                return state.elapsed_seconds

            whole = [meter.cost(deploy) for _ in range(asked.turns)]
            report = Report("reading every row")
            report.head(f"the least of {asked.turns} deployments")
            for stage, costs in turns.items():
                report.row(stage, least(costs), yardstick)
            report.row("all ten stages", least(whole), yardstick)
            report.end(sum(cost.others for cost in whole) / len(whole))
        finally:
            server.stop()


def _stage_costs(meter: Meter, turns: dict[StageName, list[Cost]]) -> Callable[[Record], None]:
    """A view that adds what each stage of a run cost."""
    began = Cost(0.0, 0.0)

    def look(record: Record) -> None:
        nonlocal began
        if isinstance(record.event, StageStarted):
            began = Cost(record.elapsed_seconds, meter.cpu_seconds())
        elif isinstance(record.event, StageFinished):
            spent = Cost(record.elapsed_seconds - began.wall, meter.cpu_seconds() - began.cpu)
            turns.setdefault(record.event.stage, []).append(spent)

    return look


if __name__ == "__main__":
    main()
