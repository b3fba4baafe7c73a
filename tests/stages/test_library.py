"""The library without any interface: the public names, and a deployment in five lines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg

import sdconsole
from sdconsole.contract.load import load_contract
from sdconsole.source.generate import generate
from tests.conftest import Database


def test_the_public_names_exist_and_are_all_there_is() -> None:
    for name in sdconsole.__all__:
        assert getattr(sdconsole, name).__name__ == name
    assert set(dir(sdconsole)) == {*sdconsole.__all__, "__version__"}
    assert set(sdconsole._HOME) == set(sdconsole.__all__)


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = "import sys, sdconsole; sys.exit(bool({'psycopg', 'pydantic', 'textual', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_deployment_through_the_library(tmp_path: Path, pg: Database) -> None:
    export = tmp_path / "export.db"
    generate(export, rows=1_000, contract=load_contract())
    settings = sdconsole.load_settings(state_dir=tmp_path / "state", dsn=pg.dsn, space_local_bytes=0)
    with sdconsole.prepare_deploy(settings, sdconsole.DeployRequest(source=export)) as run:
        state = run.execute(sdconsole.FlagGate("ann", confirm="servicedesk"))
    assert state.verdict is sdconsole.Verdict.OK, state.finished
    with psycopg.connect(pg.dsn) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM servicedesk.tickets").fetchone() == (True,)


def test_a_prepared_run_that_is_not_executed_leaves_nothing(tmp_path: Path, pg: Database) -> None:
    export = tmp_path / "export.db"
    generate(export, rows=1_000, contract=load_contract())
    settings = sdconsole.load_settings(state_dir=tmp_path / "state", dsn=pg.dsn)
    with sdconsole.prepare_deploy(settings, sdconsole.DeployRequest(source=export)) as run:
        folder = run.folder
        assert folder.exists()
    assert not folder.exists()
    with sdconsole.prepare_deploy(settings, sdconsole.DeployRequest(source=export)):
        pass
