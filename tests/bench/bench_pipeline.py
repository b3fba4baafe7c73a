"""The whole deployment and each of its stages, against reading every row of the export once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sdconsole import service
from sdconsole.config import load_settings
from sdconsole.core.gates import FlagGate
from sdconsole.core.model import Mode
from sdconsole.errors import Verdict
from sdconsole.service import DeployRequest
from tests.bench.measure import read_every_row, seconds, show


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SDCONSOLE_EMBEDDED_ROOT"] = str(Path(folder) / "postgres")
        settings = load_settings(state_dir=Path(folder) / "state")
        try:
            export = service.generate_demo(settings)
            yardstick = seconds(lambda: read_every_row(export))
            with service.prepare_deploy(
                settings, DeployRequest(source=export, mode=Mode.COMPLETE, demo=True)
            ) as prepared:
                state = prepared.execute(FlagGate("bench", yes=True))
            assert state.verdict is Verdict.OK, state.finished
            print(f"reading every row of the export: {yardstick:.2f} s")
            for stage in state.stages:
                show(stage.name, stage.duration_seconds or 0.0, yardstick)
            show("all ten stages", state.elapsed_seconds, yardstick)
        finally:
            service.embedded_server(settings).stop()


if __name__ == "__main__":
    main()
