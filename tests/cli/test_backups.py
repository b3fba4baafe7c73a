"""Backups are listed, proved, thinned out and brought back; one wrong bit is refused before anything happens."""

from __future__ import annotations

import os
import random
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import sdconsole
from sdconsole import service
from sdconsole.contract.load import load_contract
from sdconsole.core.events import Progress, Record
from sdconsole.core.gates import FlagGate
from sdconsole.core.model import RunKind
from sdconsole.errors import CheckFailed, TargetUnreachable, Verdict
from sdconsole.service import upkeep
from sdconsole.source.generate import generate
from sdconsole.stages.deployment import now
from sdconsole.target.backup.backups import Backup, backup_source, dump_version, manifest_path, remove_backup
from sdconsole.target.backup.manifest import free_path, record
from sdconsole.target.connect import Target
from tests.cli.conftest import Command, environment, listing
from tests.cli.library_runs import LIVE, contents, deployed, schemas, settings_of, states, version_of
from tests.cli.test_refusals import refused
from tests.conftest import Database
from tests.stages.live_world import World


@dataclass(frozen=True, slots=True)
class Shop:
    """A folder and a database in which two exports were deployed: `first` was dumped and is kept. Shared by all tests
    that leave both the dump and the copy of its export where they are."""

    cli: Command
    pg: Database
    first: str
    first_run: str
    rows: Mapping[str, str]
    dump: Path
    copy: Path

    @property
    def folder(self) -> Path:
        return self.cli.folder

    @property
    def settings(self) -> sdconsole.Settings:
        return settings_of(self.folder, self.pg.dsn)

    @property
    def live(self) -> str:
        return next(version for version, state in states(self.pg).items() if state == "live")


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two different exports. Never written by any test."""
    folder = tmp_path_factory.mktemp("exports")
    for seed in (1, 2):
        generate(folder / f"q{seed}.db", rows=1_000, seed=seed, contract=load_contract())
    return folder / "q1.db", folder / "q2.db"


@pytest.fixture(scope="module")
def shop(exports: tuple[Path, Path], pg_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    cli = Command(tmp_path_factory.mktemp("work"), environment(tmp_path_factory.mktemp("home")))
    name = f"t_{secrets.token_hex(5)}"
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    pg = Database(make_conninfo(pg_server, dbname=name), name)
    first, _ = (deployed(cli.folder, export, pg.dsn) for export in exports)
    version = version_of(first)
    backups = cli.folder / ".sdconsole" / "backups"
    [dump] = backups.glob(f"{version}.*.dump")
    [copy] = backups.glob("q1.*.db")
    yield Shop(cli, pg, version, first.run_id, contents(pg.dsn, version), dump, copy)
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_dump_comes_back_as_a_version_of_its_own_and_can_be_taken_back(shop: Shop) -> None:
    cli, pg, live = shop.cli, shop.pg, shop.live
    there = schemas(pg)
    assert shop.rows != contents(pg.dsn, live)
    listed = cli("backups", "list", "--json").json["backups"]
    assert shop.dump in {Path(one["path"]) for one in listed if one["kind"] == "postgresql"}
    refused(cli("restore", shop.dump.name, "--dsn", pg.dsn, "--json"), 6, "confirmation-missing")
    assert schemas(pg) == there
    restored = cli("restore", shop.dump.name, "--dsn", pg.dsn, "--confirm", LIVE, "--json")
    assert restored.code == 0, restored.err
    document = restored.json
    assert [stage["name"] for stage in document["stages"]] == ["restore", "cutover", "verify"]
    version = document["version"]
    assert schemas(pg) == there | {version} != there
    assert document["previous_version"] == live
    assert contents(pg.dsn, version) == shop.rows
    assert states(pg)[version] == "live"
    with psycopg.connect(pg.dsn) as connection:
        row = connection.execute(
            "SELECT d.mode, d.score = o.score, d.rows = o.rows, d.previous, e.kind FROM sdconsole.deployment d"
            " JOIN sdconsole.deployment o ON o.version = %s"
            " JOIN sdconsole.event e ON e.version = d.version AND e.kind = 'restore' WHERE d.version = %s",
            [shop.first, version],
        ).fetchone()
    assert row == ("restored", True, True, live, "restore")
    with service.prepare_rollback(shop.settings) as rollback:
        assert rollback.execute(FlagGate("ann", confirm=LIVE)).verdict is Verdict.OK
    assert shop.live == live


def test_a_dump_whose_version_is_gone_waits_until_it_is_switched_to(shop: Shop) -> None:
    live = shop.live
    with psycopg.connect(shop.pg.dsn) as connection:
        connection.execute(f"ALTER SCHEMA {shop.first} RENAME TO elsewhere".encode())
    try:
        with service.prepare_restore(shop.settings, shop.dump) as run:
            held = run.execute(FlagGate("ann"))
        assert held.verdict is Verdict.HELD
        assert held.started is not None
        assert held.started.kind is RunKind.RESTORE
        assert shop.live == live
        approved = shop.cli("approve", "--confirm", LIVE, "--json")
        assert approved.code == 0, approved.err
        version = approved.json["version"]
        assert version != shop.first
        assert contents(shop.pg.dsn, version) == shop.rows
        assert shop.live == version
    finally:
        with psycopg.connect(shop.pg.dsn) as connection:
            connection.execute(f"ALTER SCHEMA elsewhere RENAME TO {shop.first}".encode())


def test_a_restore_that_is_stopped_leaves_nothing_and_starts_anew_when_it_is_resumed(shop: Shop) -> None:
    there, live, before = schemas(shop.pg), shop.live, states(shop.pg)
    with service.prepare_restore(shop.settings, shop.dump) as run:

        def stop(record: Record) -> None:
            if isinstance(record.event, Progress) and record.event.done:
                run.cancellation.cancel("stopped by the test")

        stopped = run.execute(FlagGate("ann", confirm=LIVE), (stop,))
    assert stopped.verdict is Verdict.INTERRUPTED
    assert (schemas(shop.pg), shop.live) == (there, live)
    [left] = set(states(shop.pg)) - set(before)
    assert states(shop.pg)[left] == "failed"
    with service.prepare_resume(shop.settings, stopped.run_id) as run:
        state = run.execute(FlagGate("ann", confirm=LIVE))
    assert state.verdict is Verdict.OK, state.finished
    assert shop.live not in there | {left}
    assert contents(shop.pg.dsn, shop.live) == shop.rows


def test_a_dump_that_the_dashboards_cannot_read_never_becomes_ready(pg: Database, tmp_path: Path) -> None:
    world = World(Target("test", pg.dsn, LIVE, ""), "")
    with world.connect() as connection:
        version = world.deploy(connection)
    dump = dump_version(world.target, version, tmp_path, run_id="r-20260101-000000-0001", created=now())
    with service.prepare_restore(settings_of(tmp_path, pg.dsn), dump.path) as run:
        state = run.execute(FlagGate("ann", confirm=LIVE))
    assert state.finished is not None
    assert state.finished.error is not None
    assert (state.verdict, state.finished.error.slug) == (Verdict.CHECK_FAILED, "restore-queries")
    assert schemas(pg) == {version}
    assert sorted(states(pg).values()) == ["failed", "live"]


def test_the_copy_of_an_export_comes_back_by_being_deployed(shop: Shop) -> None:
    bytes_before, live = shop.copy.read_bytes(), shop.live
    with service.prepare_restore(shop.settings, shop.copy) as run:
        state = run.execute(FlagGate("ann", confirm=LIVE))
    assert state.verdict is Verdict.OK
    assert len(state.stages) == 10
    assert contents(shop.pg.dsn, version_of(state))["tickets"] == shop.rows["tickets"]
    assert [change.from_version for change in state.live_changes] == [live]
    assert shop.copy.read_bytes() == bytes_before


def test_one_wrong_bit_is_refused_before_anything_happens(shop: Shop) -> None:
    cli, pg = shop.cli, shop.pg
    dice = random.Random(20261121)
    before, there = states(pg), schemas(pg)
    for number in range(50):
        victim = (shop.dump, manifest_path(shop.dump), shop.copy, manifest_path(shop.copy))[number % 4]
        good = victim.read_bytes()
        bit = dice.randrange(len(good) * 8)
        wrong = bytearray(good)
        wrong[bit // 8] ^= 1 << bit % 8
        victim.write_bytes(wrong)
        left = listing(cli.folder)
        backup = shop.dump if number % 4 < 2 else shop.copy
        with pytest.raises(CheckFailed) as caught:
            service.prepare_restore(shop.settings, backup)
        assert caught.value.slug in {"backup-damaged", "backup-manifest-damaged"}, (victim.name, bit)
        assert listing(cli.folder) == left
        if number < 1:
            error = refused(
                cli("restore", str(backup), "--dsn", pg.dsn, "--confirm", LIVE, "--json"), 4, caught.value.slug
            )
            assert victim.name in error["message"] + error["cause"]
            refused(cli("backups", "verify", str(backup), "--json"), 4, caught.value.slug)
            assert listing(cli.folder) == left
        victim.write_bytes(good)
    assert states(pg) == before
    assert schemas(pg) == there
    verified = cli("backups", "verify", shop.dump.name, "--rehearse", "--dsn", pg.dsn, "--json")
    assert verified.code == 0, verified.err
    assert "and taken back" in verified.json["proofs"][-1]
    assert schemas(pg) == there
    refused(cli("restore", "missing.dump", "--dsn", pg.dsn, "--confirm", LIVE, "--json"), 4, "backup-missing")


def test_a_backup_that_changes_after_it_was_proved_is_refused_all_the_same(shop: Shop) -> None:
    there, good = schemas(shop.pg), shop.dump.read_bytes()
    with service.prepare_restore(shop.settings, shop.dump) as run:
        shop.dump.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        state = run.execute(FlagGate("ann", confirm=LIVE))
    shop.dump.write_bytes(good)
    assert state.finished is not None
    assert state.finished.error is not None
    assert (state.verdict, state.finished.error.slug) == (Verdict.CHECK_FAILED, "backup-damaged")
    assert schemas(shop.pg) == there


MakeOld = Callable[..., Backup]


@pytest.fixture
def make_old(shop: Shop, exports: tuple[Path, Path]) -> Iterator[MakeOld]:
    """A copy of an export as if it was made some days ago; gone after the test."""
    made: list[Backup] = []

    def make(days: float, *, run: str = "r-20260101-000000-0000") -> Backup:
        created = now() - timedelta(days=days)
        made.append(
            backup_source(
                exports[0], shop.dump.parent, run_id=run, created=created, progress=lambda _done, _total: None
            )
        )
        return made[-1]

    yield make
    for backup in made:
        remove_backup(backup)


def test_pruning_takes_what_is_expired_and_nothing_else(
    shop: Shop, make_old: MakeOld, exports: tuple[Path, Path]
) -> None:
    folder, dsn = shop.dump.parent, shop.pg.dsn
    expired, needed, younger = make_old(40), make_old(41, run=shop.first_run), make_old(6)
    foreign = [folder / name for name in ("q1.20200101T000000Z-r-20200101-000000-0000.db", "notes.txt", "x.dump")]
    for path in foreign:
        shutil.copyfile(exports[1], path)
        os.utime(path, (0, 0))
    broken = make_old(50)
    broken.manifest_path.write_bytes(broken.manifest_path.read_bytes().replace(b'"kind"', b'"king"'))
    everything = listing(folder)
    dry = shop.cli("backups", "prune", "--keep", "1", "--dry-run", "--dsn", dsn, "--json")
    assert dry.code == 0, dry.err
    assert [one["path"] for one in dry.json["removed"]] == [str(expired.path)]
    reasons = {Path(one["path"]): one["reason"] for one in dry.json["kept"]}
    assert reasons[needed.path] == f"run {shop.first_run} still needs it"
    assert reasons[younger.path] == "younger than 7 days"
    assert shop.dump in reasons
    assert listing(folder) == everything
    pruned = shop.cli("backups", "prune", "--keep", "1", "--dsn", dsn)
    assert pruned.code == 0, pruned.err
    assert set(everything) - set(listing(folder)) == {expired.path.name, expired.manifest_path.name}


def test_pruning_leaves_what_another_target_may_need(shop: Shop, make_old: MakeOld) -> None:
    kept = make_old(40, run=shop.first_run)
    dump = free_path(kept.path.parent, "warehouse_v20260101_000000", "r-20260101-000000-0001", kept.created, ".dump")
    dump.write_bytes(b"x")
    elsewhere = record(
        dump,
        kind="postgresql",
        subject="warehouse_v20260101_000000",
        origin="x",
        sha256="",
        rows={},
        tools={"pg_dump": "18.1"},
        run_id="r-20260101-000000-0001",
        created=kept.created,
    )
    settings = settings_of(shop.folder, shop.pg.dsn, live_schema="archive")
    judged = {one.backup.path: one.reason for one in upkeep.prune_backups(settings, keep=1, keep_days=0)}
    assert judged[kept.path].startswith("made for servicedesk at ")
    assert judged[elsewhere.path] == "not a version of archive"
    assert kept.path.exists()
    assert elsewhere.path.exists()


def test_nothing_is_pruned_while_the_target_cannot_be_asked(shop: Shop, make_old: MakeOld) -> None:
    old = [make_old(40), make_old(41)]
    unreachable = settings_of(shop.folder, "host=127.0.0.1 port=1 dbname=x user=y")
    with pytest.raises(TargetUnreachable):
        upkeep.prune_backups(unreachable, keep=1)
    assert all(backup.path.exists() for backup in old)
