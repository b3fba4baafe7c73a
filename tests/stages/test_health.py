"""Disk, memory and server are looked at in every stage that moves rows, and a shortage halts it with nothing half made.

The shortage comes from psutil, the one place the watch asks; the product has no switch for it.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import psycopg
import pytest

import sdconsole
from sdconsole.contract.load import load_contract
from sdconsole.core.events import Record, StageStarted
from sdconsole.core.model import StageName, StageStatus
from sdconsole.core.projection import RunState
from sdconsole.core.stage import StageContext
from sdconsole.errors import OperationFailed, TargetUnreachable, Verdict
from sdconsole.observe.health import HealthWatch
from sdconsole.quality.scratch import temporary_folder
from sdconsole.service import running
from sdconsole.source.generate import generate
from sdconsole.target.ledger.lock import RunLock
from tests.cli.library_runs import LIVE, schemas, settings_of, states
from tests.conftest import Database

MOVING = (
    StageName.BACKUP,
    StageName.PROFILE,
    StageName.CLEAN,
    StageName.SCORE,
    StageName.CANARY,
    StageName.LOAD,
    StageName.VALIDATE,
)
FREE = SimpleNamespace(free=50_000_000_000, total=100_000_000_000)
FULL = SimpleNamespace(free=1_000_000, total=100_000_000_000)


@dataclass
class Machine:
    """What psutil and the server tell, and who asked when. `short` names what runs out, in which stage."""

    stage: StageName | None = None
    short: tuple[str, StageName] | None = None
    asked: Counter[tuple[str, StageName | None]] = field(default_factory=Counter)
    rows: dict[tuple[StageName, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    folders: set[Path] = field(default_factory=set)

    def _out_of(self, what: str) -> bool:
        self.asked[what, self.stage] += 1
        return self.short == (what, self.stage) and self.asked[what, self.stage] > 1

    def disk_usage(self, path: str) -> SimpleNamespace:
        self.folders.add(Path(path))
        return FULL if self._out_of("disk") else FREE

    def virtual_memory(self) -> SimpleNamespace:
        return SimpleNamespace(percent=97.0 if self._out_of("memory") else 40.0, available=8_000_000_000)

    def ping(self) -> None:
        if self._out_of("server"):
            raise TargetUnreachable("server-lost", "the server does not answer any more", state="live is unchanged")

    def view(self, record: Record) -> None:
        if isinstance(record.event, StageStarted):
            self.stage = record.event.stage


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Each second that the stages look at the clock is a full one, so that every point to halt at is used."""
    machine = Machine()
    monkeypatch.setattr("sdconsole.observe.health.psutil.disk_usage", machine.disk_usage)
    monkeypatch.setattr("sdconsole.observe.health.psutil.virtual_memory", machine.virtual_memory)
    monkeypatch.setattr(RunLock, "check", machine.ping)
    clock = itertools.count()
    monkeypatch.setattr("sdconsole.core.stage.time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    told = StageContext.progress

    def progress(
        self: StageContext[Any], task: str, done: int, total: int | None, unit: Any = "rows", **more: Any
    ) -> None:
        if unit == "rows":
            machine.rows[self.stage, task].append(done)
        told(self, task, done, total, unit, **more)

    monkeypatch.setattr(StageContext, "progress", progress)
    return machine


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("health") / "export.db"
    generate(path, rows=26_000, contract=load_contract(), dirt="baseline", seed=5)
    return path


def run_on(machine: Machine, prepared: sdconsole.PreparedRun) -> RunState:
    with prepared as run:
        return run.execute(sdconsole.FlagGate("ann", confirm=LIVE), (machine.view,))


def half_made(folder: Path) -> set[str]:
    """Files under no final name. What the run keeps of its own record is none."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if ".tmp" in path.name or ".part" in path.name}


def test_every_moving_stage_is_watched_and_halts_when_the_disk_runs_low(
    tmp_path: Path, pg: Database, export: Path, machine: Machine
) -> None:
    """One run: it is halted in each stage in turn and resumed, and deploys in the end."""
    settings = settings_of(tmp_path, pg.dsn)
    settings = settings.model_copy(update={"min_free_bytes": 1_000_000_000})
    made = {
        StageName.BACKUP: "backups/*.db",
        StageName.PROFILE: "runs/*/profile.json",
        StageName.CLEAN: "runs/*/clean.db",
        StageName.SCORE: "runs/*/score.json",
        StageName.CANARY: "runs/*/canary.*",
    }
    prepared = sdconsole.prepare_deploy(settings, sdconsole.DeployRequest(source=export))
    for stage in MOVING:
        machine.short = ("disk", stage)
        state = run_on(machine, prepared)
        assert state.finished is not None
        assert (state.verdict, machine.stage) == (Verdict.FAILED, stage), state.finished
        assert state.finished.error is not None
        assert state.finished.error.slug == "disk-low", state.finished.error
        assert [done.name for done in state.stages if done.status is StageStatus.FAILED] == [stage]
        if stage in made:
            assert not list(settings.state_dir.glob(made[stage])), f"{stage} left {made[stage]}"
        assert not half_made(settings.state_dir)
        assert not any("canary" in name for name in schemas(pg))
        assert "ready" not in states(pg).values() if schemas(pg) else True
        with psycopg.connect(pg.dsn) as connection:
            assert connection.execute("SELECT to_regclass('servicedesk.tickets')").fetchone() == (None,)
        prepared = sdconsole.prepare_resume(settings)
    machine.short = None
    assert run_on(machine, prepared).verdict is Verdict.OK


@pytest.mark.parametrize(("what", "slug"), [("memory", "memory-high"), ("server", "server-lost")])
def test_full_memory_and_a_silent_server_halt_a_stage_too(
    tmp_path: Path, pg: Database, export: Path, machine: Machine, what: str, slug: str
) -> None:
    machine.short = (what, StageName.CLEAN)
    settings = settings_of(tmp_path, pg.dsn)
    state = run_on(machine, sdconsole.prepare_deploy(settings, sdconsole.DeployRequest(source=export)))
    assert state.finished is not None
    assert state.finished.error is not None
    assert (state.finished.error.slug, machine.stage) == (slug, StageName.CLEAN)
    assert not list(settings.state_dir.glob("runs/*/clean.db"))
    assert not half_made(settings.state_dir)


def test_no_more_than_10_000_rows_go_by_between_two_points_to_halt_at(
    tmp_path: Path, pg: Database, export: Path, machine: Machine
) -> None:
    settings = settings_of(tmp_path, pg.dsn)
    state = run_on(machine, sdconsole.prepare_deploy(settings, sdconsole.DeployRequest(source=export)))
    assert state.verdict is Verdict.OK
    for (stage, task), done in machine.rows.items():
        steps = [later - earlier for earlier, later in itertools.pairwise([0, *done])]
        assert max(steps) <= 10_000, f"{stage}, {task}: {done}"
    for stage in MOVING:
        for what in ("disk", "memory", "server"):
            assert machine.asked[what, stage], f"{what} is not looked at in {stage}"
    run = settings.state_dir / "runs" / state.run_id
    watched = machine.folders
    for folder in (run, settings.state_dir / "backups", temporary_folder()):
        assert any(_same_file_system(folder, seen) for seen in watched), folder


def _same_file_system(folder: Path, seen: Path) -> bool:
    return folder.stat().st_dev == seen.stat().st_dev


def test_the_watch_of_a_run_covers_its_folder_the_backups_the_temporary_files_and_the_embedded_server(
    tmp_path: Path,
) -> None:
    settings = sdconsole.load_settings(state_dir=tmp_path / "state", embedded_root=tmp_path / "server")
    deployment: Any = SimpleNamespace(
        settings=settings,
        folder=tmp_path / "state" / "runs" / "r-1",
        backups=tmp_path / "state" / "backups",
        target=SimpleNamespace(name="embedded"),
        lock=None,
    )
    watch = running._watch(deployment)
    assert set(watch.paths) == {deployment.folder, deployment.backups, temporary_folder(), settings.embedded_root}


def test_the_fullest_of_several_file_systems_halts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = next((part.mountpoint for part in psutil.disk_partitions(all=True) if _apart(part, tmp_path)), None)
    if other is None:
        pytest.skip("this machine has one file system only")
    monkeypatch.setattr(
        "sdconsole.observe.health.psutil.disk_usage", lambda path: FULL if Path(path) == Path(other) else FREE
    )
    HealthWatch((tmp_path,), 1_000_000_000, 100.0)()
    with pytest.raises(OperationFailed) as halted:
        HealthWatch((tmp_path, Path(other)), 1_000_000_000, 100.0)()
    assert halted.value.slug == "disk-low"
    assert other in halted.value.message


def _apart(part: Any, folder: Path) -> bool:
    path = Path(part.mountpoint)
    return path.is_dir() and path.stat().st_dev != folder.stat().st_dev
