"""A deployment, a rollback and a restore on an installed server of another major version than the embedded one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sdconsole import FlagGate, RunState, service
from sdconsole.contract.load import load_contract
from sdconsole.core.model import StageName
from sdconsole.errors import Verdict
from sdconsole.source.generate import generate
from sdconsole.target.binaries import SETTING, find_programs
from sdconsole.target.embedded.server import EmbeddedServer
from tests.cli.library_runs import LIVE, contents, deployed, settings_of, states, version_of
from tests.conftest import Database
from tests.faults.checker import check_against_export


def other_majors() -> list[Path]:
    """The folder that SDCONSOLE_PG_BIN names, else every installed server of another major version, oldest first."""
    if os.environ.get(SETTING):
        return [Path(os.environ[SETTING])]
    default = find_programs(environ={}).major
    installed = sorted((*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")))
    return [folder for folder in installed if (folder / "initdb").exists() and folder.parent.name != str(default)]


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    found = other_majors()
    if not found:
        pytest.skip("needs an installed PostgreSQL of another major version, or SDCONSOLE_PG_BIN")
    monkeypatch.setenv(SETTING, str(found[0]))
    server = EmbeddedServer(tmp_path / "other", durable=False)
    try:
        server.start()
        yield Database(server.dsn("postgres", superuser=True), "postgres")
    finally:
        server.remove()


def test_deploy_rollback_and_restore_work_there_as_they_do_here(other: Database, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    exports = [tmp_path / "first.db", tmp_path / "second.db"]
    for seed, export in enumerate(exports):
        generate(export, rows=1_000, seed=seed, contract=load_contract())
    settings = settings_of(folder, other.dsn)

    first = deployed(folder, exports[0], other.dsn)
    old = version_of(first)
    check_against_export(other.dsn, exports[0])
    before = contents(other.dsn, old)
    second = deployed(folder, exports[1], other.dsn, load_jobs=2)
    new = version_of(second)
    check_against_export(other.dsn, exports[1])
    assert states(other) | {new: "live", old: "previous"} == states(other)

    with service.prepare_rollback(settings) as run:
        well(run.execute(FlagGate("ann", confirm=LIVE)))
    check_against_export(other.dsn, exports[0])
    assert contents(other.dsn, old) == before

    [dump] = (folder / ".sdconsole" / "backups").glob("*.dump")
    with service.prepare_restore(settings, dump) as run:
        restored = well(run.execute(FlagGate("ann", confirm=LIVE)))
    version = str(restored.results[StageName.RESTORE].facts["version"])
    assert version not in (old, new)
    assert contents(other.dsn, version) == before
    check_against_export(other.dsn, exports[0])
    with psycopg.connect(other.dsn) as connection:
        major = connection.info.server_version // 10_000
    assert major == find_programs().major, "the server that was asked for"


def well(state: RunState) -> RunState:
    assert state.verdict is Verdict.OK, state.finished
    return state
