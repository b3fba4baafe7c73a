"""A backup reported done is whole, private, provable by its own manifest, and can be restored."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sdconsole.core.stage import Cancellation
from sdconsole.errors import CheckFailed, DeadlineExceeded, Interrupted, OperationFailed, SdconsoleError
from sdconsole.target.backup.backups import (
    Backup,
    BackupToolMissing,
    backup_source,
    dump_version,
    expired_backups,
    find_client,
    list_backups,
    remove_backup,
    verify_backup,
)
from sdconsole.target.clients import client_environment
from sdconsole.target.connect import Target
from tests.conftest import Database
from tests.patience import within

RUN = "r-20261121-031500-7f3a"
WHEN = datetime(2026, 11, 21, 3, 15, tzinfo=UTC)
VERSION = "servicedesk_v20261121_031500"


def nothing(_done: int, _total: int | None) -> None:
    """Progress nobody looks at."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "backups"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "quarter 4.db"
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("CREATE TABLE tickets (id INTEGER PRIMARY KEY, title TEXT)")
        writer.execute('CREATE TABLE "two words" (a)')
        writer.executemany("INSERT INTO tickets (title) VALUES (?)", ((f"ticket {n}",) for n in range(500)))
        writer.commit()
    return path


@pytest.fixture
def target(pg: Database) -> Target:
    with psycopg.connect(pg.dsn) as connection:
        connection.execute(f'CREATE SCHEMA "{VERSION}"'.encode())
        connection.execute(f'CREATE TABLE "{VERSION}"."TKT / tickets" (id bigint PRIMARY KEY, title text)'.encode())
        connection.execute(
            f'INSERT INTO "{VERSION}"."TKT / tickets" SELECT n, md5(n::text) FROM generate_series(1, 5000) n'.encode()
        )
        connection.execute(f'CREATE TABLE "{VERSION}".empty (a text)'.encode())
        connection.execute("CREATE SCHEMA servicedesk_v20261121_031500_2")
        connection.execute("CREATE TABLE servicedesk_v20261121_031500_2.other (a text)")
    return Target("test", pg.dsn, "servicedesk", "")


def copied(export: Path, folder: Path, *, run_id: str = RUN, created: datetime = WHEN) -> Backup:
    return backup_source(export, folder, run_id=run_id, created=created, progress=nothing)


def dumped(target: Target, folder: Path) -> Backup:
    return dump_version(target, VERSION, folder, run_id=RUN, created=WHEN)


def slug_of(error: pytest.ExceptionInfo[SdconsoleError]) -> str:
    return error.value.slug


def test_a_copy_is_named_after_its_export_time_and_run_and_is_private(export: Path, folder: Path) -> None:
    backup = copied(export, folder)
    assert backup.path == folder / f"quarter 4.20261121T031500Z-{RUN}.db"
    assert {entry.name for entry in folder.iterdir()} == {backup.path.name, backup.path.name + ".manifest.json"}
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in folder.iterdir()} == {0o600}
    assert dict(backup.rows) == {"tickets": 500, "two words": 0}


def test_the_manifest_says_what_the_backup_is(export: Path, folder: Path) -> None:
    backup = copied(export, folder)
    document = json.loads(backup.manifest_path.read_text())
    printed = subprocess.run(["sha256sum", backup.path], check=True, capture_output=True, text=True).stdout
    assert document["sha256"] == printed.split()[0]
    assert document["size_bytes"] == backup.path.stat().st_size
    assert (document["schema"], document["kind"], document["run_id"]) == (1, "sqlite", RUN)
    assert document["created"] == "2026-11-21T03:15:00Z"
    assert document["rows"] == {"tickets": 500, "two words": 0}
    assert document["tools"]["sqlite"] == sqlite3.sqlite_version
    assert str(export.parent) not in backup.manifest_path.read_text()
    other = copied(Path(shutil.copy(export, export.with_name("elsewhere.db"))), folder)
    assert json.loads(other.manifest_path.read_text())["source_path_sha256"] != document["source_path_sha256"]
    assert backup.created == WHEN


def test_a_copy_holds_what_is_only_in_the_wal(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "live.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE t (a)")
        writer.execute("BEGIN")
        writer.executemany("INSERT INTO t VALUES (?)", ((n,) for n in range(1000)))
        writer.execute("COMMIT")
        assert path.stat().st_size <= 4096, "the rows are not in the main file yet"
        backup = copied(path, folder)
    assert dict(backup.rows) == {"t": 1000}
    assert verify_backup(backup.path).backup == backup


def test_two_backups_of_one_second_have_names_of_their_own(export: Path, folder: Path) -> None:
    first, second = copied(export, folder), copied(export, folder)
    assert first.path != second.path
    assert [backup.path for backup in list_backups(folder)] == sorted([first.path, second.path])
    assert verify_backup(first.path).proofs == verify_backup(second.path).proofs


def test_verification_looks_at_the_manifest_and_never_at_the_source(export: Path, folder: Path) -> None:
    backup = copied(export, folder)
    with closing(sqlite3.connect(export)) as writer:
        writer.execute("DELETE FROM tickets")
        writer.commit()
    assert "500 rows" in verify_backup(backup.path).proofs[1]
    export.unlink()
    assert "500 rows" in verify_backup(backup.path).proofs[1]


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_one_flipped_bit_in_the_backup_or_its_manifest_is_always_found(
    export: Path, target: Target, folder: Path
) -> None:
    choice = random.Random(20261121)
    for backup in (copied(export, folder), dumped(target, folder)):
        verify_backup(backup.path)
        for path in (backup.path, backup.manifest_path):
            for _ in range(25):
                bit = choice.randrange(path.stat().st_size * 8)
                flip(path, bit)
                with pytest.raises(CheckFailed) as caught:
                    verify_backup(backup.path)
                assert slug_of(caught) in {"backup-damaged", "backup-manifest-damaged"}, (path, bit)
                flip(path, bit)
        verify_backup(backup.path)


def test_a_backup_without_its_manifest_its_file_or_its_end_is_refused(export: Path, folder: Path) -> None:
    backup = copied(export, folder)
    manifest = backup.manifest_path.read_bytes()
    backup.manifest_path.unlink()
    with pytest.raises(CheckFailed) as caught:
        verify_backup(backup.path)
    assert slug_of(caught) == "backup-manifest-missing"
    assert list_backups(folder) == ()
    backup.manifest_path.write_bytes(manifest)
    os.truncate(backup.path, 4096)
    with pytest.raises(CheckFailed) as caught:
        verify_backup(backup.path)
    assert slug_of(caught) == "backup-damaged"
    assert list_backups(folder) == ()
    backup.path.unlink()
    with pytest.raises(CheckFailed) as caught:
        verify_backup(backup.path)
    assert slug_of(caught) == "backup-missing"


def test_a_manifest_of_another_backup_proves_nothing(export: Path, folder: Path) -> None:
    first, second = copied(export, folder), copied(export, folder)
    shutil.copy(first.manifest_path, second.manifest_path)
    with pytest.raises(CheckFailed) as caught:
        verify_backup(second.path)
    assert slug_of(caught) == "backup-manifest-damaged"


def test_a_manifest_that_cannot_be_written_leaves_no_backup(
    export: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sdconsole.target.backup.manifest._encode", refuse)
    with pytest.raises(OperationFailed) as caught:
        copied(export, folder)
    assert slug_of(caught) == "disk-full"
    assert list(folder.iterdir()) == []


def test_a_dump_restores_to_the_same_rows_and_to_nothing_else(target: Target, pg: Database, folder: Path) -> None:
    backup = dumped(target, folder)
    assert backup.path == folder / f"{VERSION}.20261121T031500Z-{RUN}.dump"
    assert stat.S_IMODE(backup.path.stat().st_mode) == 0o600
    assert dict(backup.rows) == {"TKT / tickets": 5000, "empty": 0}
    assert backup.kind == "postgresql"
    assert set(backup.manifest.tools) == {"pg_dump", "server", "sdconsole"}
    verified = verify_backup(backup.path)
    assert "pg_restore" in verified.proofs[1]
    with psycopg.connect(pg.dsn) as connection:
        digest = _digest(connection)
        connection.execute(f'DROP SCHEMA "{VERSION}" CASCADE'.encode())
        connection.execute("DROP SCHEMA servicedesk_v20261121_031500_2 CASCADE")
    settings = conninfo_to_dict(pg.dsn)
    password = str(settings.pop("password", ""))
    pg_restore, _ = find_client("pg_restore", int(backup.manifest.tools["pg_dump"].split(".")[0]))
    subprocess.run(
        [pg_restore, "--exit-on-error", f"--dbname={make_conninfo('', **settings)}", backup.path],
        check=True,
        env={**os.environ, "PGPASSWORD": password},
    )
    with psycopg.connect(pg.dsn) as connection:
        assert _digest(connection) == digest
        schemas = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'servicedesk%'").fetchall()
        assert schemas == [(VERSION,)]


def _digest(connection: psycopg.Connection[tuple[object, ...]]) -> tuple[object, ...] | None:
    query = f"""SELECT count(*), md5(string_agg(id || title, ',' ORDER BY id)) FROM "{VERSION}"."TKT / tickets" """
    return connection.execute(query.encode()).fetchone()


def test_the_rows_in_the_manifest_are_those_of_the_dump_while_others_write(
    target: Target, pg: Database, folder: Path
) -> None:
    def insert() -> None:
        with psycopg.connect(pg.dsn) as writer:
            writer.execute(f"INSERT INTO \"{VERSION}\".empty SELECT 'x' FROM generate_series(1, 10)".encode())

    backup = dump_version(target, VERSION, folder, run_id=RUN, created=WHEN, check=insert)
    pg_restore, _ = find_client("pg_restore", int(backup.manifest.tools["pg_dump"].split(".")[0]))
    script = subprocess.run(
        [pg_restore, "--data-only", "--table=empty", "--file=-", backup.path],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    with psycopg.connect(pg.dsn) as connection:
        now = connection.execute(f'SELECT count(*) FROM "{VERSION}".empty'.encode()).fetchone()
    assert now is not None
    assert now[0] > backup.rows["empty"]
    assert script.splitlines().count("x") == backup.rows["empty"]


def test_a_schema_that_is_not_there_is_no_empty_dump(target: Target, folder: Path) -> None:
    with pytest.raises(CheckFailed) as caught:
        dump_version(target, "servicedesk_v20200101_000000", folder, run_id=RUN, created=WHEN)
    assert slug_of(caught) == "backup-schema-missing"
    assert list(folder.iterdir()) == []


def dumps_running() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            if child.name() == "pg_dump":
                found.append(child)
    return found


@pytest.fixture
def locked(target: Target, pg: Database) -> Iterator[Target]:
    """A table that pg_dump has to wait for, although its rows were counted: the wait is 5 seconds at most."""
    with psycopg.connect(pg.dsn) as holder:
        holder.execute(f'CREATE VIEW "{VERSION}".seen AS SELECT 1 AS one'.encode())
        holder.commit()
        holder.execute(f'LOCK TABLE "{VERSION}".seen IN ACCESS EXCLUSIVE MODE'.encode())
        yield target


def test_a_stop_ends_pg_dump_within_a_second_and_leaves_nothing(locked: Target, folder: Path) -> None:
    cancellation = Cancellation()
    asked_at = 0.0

    def press() -> None:
        nonlocal asked_at
        deadline = time.monotonic() + 10
        while not dumps_running() and time.monotonic() < deadline:
            time.sleep(0.02)
        asked_at = time.monotonic()
        cancellation.cancel("Ctrl-C")

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(Interrupted):
        dump_version(locked, VERSION, folder, run_id=RUN, created=WHEN, check=cancellation.check)
    assert time.monotonic() - asked_at < within(1)
    presser.join()
    assert list(folder.iterdir()) == []
    assert dumps_running() == []


def test_a_killed_pg_dump_leaves_nothing_and_is_named(locked: Target, folder: Path) -> None:
    def kill() -> None:
        for process in dumps_running():
            process.send_signal(signal.SIGKILL)

    with pytest.raises(OperationFailed) as caught:
        dump_version(locked, VERSION, folder, run_id=RUN, created=WHEN, check=kill)
    assert slug_of(caught) == "dump-failed"
    assert "signal 9" in caught.value.cause
    assert list(folder.iterdir()) == []


def test_a_time_limit_ends_pg_dump(locked: Target, folder: Path) -> None:
    with pytest.raises(DeadlineExceeded):
        dump_version(locked, VERSION, folder, run_id=RUN, created=WHEN, deadline_seconds=0.3)
    assert list(folder.iterdir()) == []
    assert dumps_running() == []


def test_a_backend_that_is_ended_fails_the_dump(locked: Target, pg: Database, folder: Path) -> None:
    def end() -> None:
        with psycopg.connect(pg.dsn, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = %s AND wait_event_type = 'Lock'",
                [f"sdconsole:{RUN}"],
            )

    with pytest.raises(OperationFailed) as caught:
        dump_version(locked, VERSION, folder, run_id=RUN, created=WHEN, check=end)
    assert slug_of(caught) == "dump-failed"
    assert "terminat" in caught.value.cause
    assert list(folder.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_named_and_leaves_nothing(target: Target, small_disk: Path) -> None:
    with pytest.raises(OperationFailed) as caught:
        dumped(target, small_disk)
    assert slug_of(caught) == "disk-full"
    assert str(small_disk) in caught.value.next_step
    assert list(small_disk.iterdir()) == []


def test_the_password_is_in_no_argument_file_or_error(target: Target, pg: Database, folder: Path) -> None:
    canary = "c4nary-passw0rd"
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute("CREATE ROLE backup_canary LOGIN SUPERUSER PASSWORD 'c4nary-passw0rd'")
    try:
        login = make_conninfo(pg.dsn, user="backup_canary", password=canary)
        arguments: list[str] = []

        def look() -> None:
            arguments.extend(part for process in dumps_running() for part in process.cmdline())

        with psycopg.connect(pg.dsn) as holder:
            holder.execute(f'CREATE VIEW "{VERSION}".seen AS SELECT 1 AS one'.encode())
            holder.commit()
            holder.execute(f'LOCK TABLE "{VERSION}".seen IN ACCESS EXCLUSIVE MODE'.encode())
            own = Target("test", login, "servicedesk", "")
            with pytest.raises(DeadlineExceeded):
                dump_version(own, VERSION, folder, run_id=RUN, created=WHEN, check=look, deadline_seconds=0.5)
        assert any("user=backup_canary" in part for part in arguments), "pg_dump was seen running"
        assert canary not in " ".join(arguments)
        backup = dumped(own, folder)
        assert canary not in backup.manifest_path.read_text()
        assert canary.encode() not in backup.path.read_bytes()
        with psycopg.connect(pg.dsn, autocommit=True) as admin:
            admin.execute("ALTER ROLE backup_canary NOSUPERUSER")
        with pytest.raises(SdconsoleError) as caught:
            dumped(own, folder)
        error = caught.value
        assert canary not in f"{error!r} {error} {error.cause} {error.state} {error.next_step}"
    finally:
        with psycopg.connect(pg.dsn, autocommit=True) as admin:
            admin.execute("DROP ROLE backup_canary")


def test_login_settings_from_files_and_the_environment_reach_pg_dump(
    target: Target, pg: Database, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {key: str(value) for key, value in conninfo_to_dict(pg.dsn).items()}
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    service = tmp_path / "pg_service.conf"
    service.write_text("\n".join(["[desk]", *(f"{key}={value}" for key, value in settings.items())]) + "\n")
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    assert dict(dumped(Target("t", "service=desk", "servicedesk", ""), folder).rows)["TKT / tickets"] == 5000
    password = settings.pop("password", "")
    if "passfile" in settings:  # the embedded server's own
        lines = Path(settings.pop("passfile")).read_text().splitlines()
        password = next(line.split(":")[4] for line in lines if line.split(":")[3] == settings["user"])
    passfile = tmp_path / "pass"
    passfile.write_text(f"*:*:*:*:{password}\n")
    passfile.chmod(0o600)
    by_file = make_conninfo("", **settings, passfile=str(passfile))
    assert dict(dumped(Target("t", by_file, "servicedesk", ""), folder).rows)["TKT / tickets"] == 5000
    assert len(list_backups(folder)) == 2


def test_a_client_sees_no_setting_of_the_caller_but_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGOPTIONS", "PGPASSWORD", "PGPASSFILE", "PGSERVICE", "LD_LIBRARY_PATH", "MY_TOKEN"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("HOME", "/home/me")
    environment = client_environment("pw")
    assert {name for name in environment if name.startswith("PG")} == {"PGPASSWORD"}
    assert environment["PGPASSWORD"] == "pw"
    assert environment["HOME"] == "/home/me"
    assert not {"LD_LIBRARY_PATH", "MY_TOKEN"} & set(environment)
    assert "PGPASSWORD" not in client_environment()


def fake(folder: Path, program: str, version: str) -> Path:
    folder.mkdir(parents=True)
    (folder / program).write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n")
    (folder / program).chmod(0o755)
    return folder


@pytest.fixture
def no_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any PostgreSQL program."""
    monkeypatch.setattr("sdconsole.target.clients._INSTALLED", ())
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)


@pytest.mark.usefixtures("no_clients")
def test_the_oldest_client_that_is_not_older_than_the_server_is_taken(tmp_path: Path) -> None:
    folders = [fake(tmp_path / version, "pg_dump", version) for version in ("15.7", "17.2", "19beta1", "16.4", "16.1")]
    environ = {"PATH": os.pathsep.join(map(str, folders))}
    assert find_client("pg_dump", 16, environ=environ) == (tmp_path / "16.4" / "pg_dump", "16.4")
    assert find_client("pg_dump", 13, environ=environ) == (tmp_path / "15.7" / "pg_dump", "15.7")
    assert find_client("pg_dump", 18, environ=environ)[1] == "19beta1"
    own = fake(tmp_path / "own", "pg_dump", "16.0")
    assert find_client("pg_dump", 16, programs=own, environ=environ)[0].parent == own
    assert find_client("pg_dump", 16, environ={**environ, "SDCONSOLE_PG_BIN": str(own)})[0].parent == own


@pytest.mark.usefixtures("no_clients")
def test_a_missing_or_too_old_client_says_what_was_found_and_what_to_install(tmp_path: Path) -> None:
    old = fake(tmp_path / "old", "pg_dump", "15.7")
    broken = fake(tmp_path / "broken", "pg_dump", "18.0")
    (broken / "pg_dump").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(BackupToolMissing) as caught:
        find_client("pg_dump", 18, environ={"PATH": f"{old}{os.pathsep}{broken}"})
    assert slug_of(caught) == "pg-dump-missing"
    assert "15.7" in caught.value.cause
    assert "18.0" not in caught.value.cause
    assert "postgresql-client-18" in caught.value.next_step
    with pytest.raises(BackupToolMissing) as caught:
        find_client("pg_restore", 18, environ={"PATH": str(old)})
    assert slug_of(caught) == "pg-restore-missing"


def test_a_dump_without_a_fitting_client_is_refused_before_anything_is_written(
    target: Target, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdconsole.target.clients._INSTALLED", ())
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("SDCONSOLE_PG_BIN", raising=False)
    with pytest.raises(BackupToolMissing):
        dumped(target, folder)
    assert list(folder.iterdir()) == []


def test_only_expired_own_backups_may_be_removed_and_never_the_newest_or_a_used_one(export: Path, folder: Path) -> None:
    def at(days_ago: int, run_id: str, source: Path = export) -> Backup:
        return copied(source, folder, run_id=run_id, created=WHEN - timedelta(days=days_ago))

    (folder / "servicedesk.20200101T000000Z-r-20200101-000000-0000.db").write_text("somebody else's")
    old = at(30, "r-20261022-031500-0001")
    used = at(20, "r-20261101-031500-0002")
    fresh = at(1, "r-20261120-031500-0003")
    lonely = at(40, "r-20261012-031500-0004", Path(shutil.copy(export, export.with_name("other.db"))))
    listed = list_backups(folder)
    assert listed == (lonely, old, used, fresh)
    gone = expired_backups(listed, now=WHEN, keep=timedelta(days=7), in_use={used.manifest.run_id})
    assert gone == (old,)
    for backup in gone:
        remove_backup(backup)
    assert list_backups(folder) == (lonely, used, fresh)
    assert (folder / "servicedesk.20200101T000000Z-r-20200101-000000-0000.db").exists()


def test_a_killed_console_leaves_no_backup_and_the_next_one_cleans_up(export: Path, folder: Path) -> None:
    script = f"""
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from sdconsole.target.backup.backups import backup_source

def die(done, total):
    if done:
        os.kill(os.getpid(), signal.SIGKILL)

backup_source(Path(sys.argv[1]), Path(sys.argv[2]), run_id="{RUN}", created=datetime.now(UTC), progress=die)
"""
    died = subprocess.run([sys.executable, "-c", script, str(export), str(folder)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert [entry.name[0] for entry in folder.iterdir()] == ["."]
    assert list_backups(folder) == ()
    backup = copied(export, folder)
    assert set(folder.iterdir()) == {backup.path, backup.manifest_path}
