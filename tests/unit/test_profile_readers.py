"""Two processes read one file: the same profile as from one, and none of them is left behind."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sdconsole.errors import Interrupted, OperationFailed, SourceRefused
from sdconsole.quality.profile import part_readers, table_parts
from sdconsole.quality.profile.database import profile_database
from sdconsole.quality.profile.model import Profile
from sdconsole.quality.profile.part_order import Order
from sdconsole.quality.profile.part_readers import readers_for
from sdconsole.quality.profile.table_parts import Part, cut
from sdconsole.source.catalog import read_catalog
from sdconsole.source.file_check import identity
from sdconsole.source.generate import generate
from tests.unit.small_databases import CONTRACT, NOW, write_table

Progress = Callable[[int, int | None], None]


def silent(_done: int, _total: int | None) -> None:
    pass


def profile_with(path: Path, processes: int, progress: Progress = silent) -> Profile:
    profile = profile_database(path, CONTRACT, progress=progress, now=NOW, processes=processes)
    return replace(profile, duration_seconds=0.0)


def reader_ids() -> list[int]:
    """The reading processes that this one has started and that still run."""
    return [
        child.pid
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "sdconsole.quality.profile.part_reader" in child.cmdline()
    ]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cuts small files the way large ones are cut."""
    monkeypatch.setattr(table_parts, "SMALLEST_PART", 5_000)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("readers") / "export.db"
    generate(path, contract=CONTRACT, rows=6_000, dirt="heavy", seed=3)
    return path


def wholes(path: Path) -> list[Part]:
    with closing(sqlite3.connect(path)) as connection:
        return [Part(table, CONTRACT.table(table.name), 6_000) for table in read_catalog(connection).tables]


def test_two_processes_find_what_one_finds(export: Path) -> None:
    helped: list[int] = []

    def look(_done: int, _total: int | None) -> None:
        helped.extend(reader_ids())

    alone = profile_with(export, 1)
    assert profile_with(export, 2, look) == alone
    assert helped, "no second process was there"
    assert not reader_ids()


def test_a_table_cut_into_parts_gives_the_profile_of_the_whole(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_parts = profile_with(export, 1)
    assert max(map(len, cut(wholes(export)))) > 1
    monkeypatch.setattr(table_parts, "SMALLEST_PART", 10**9)
    assert max(map(len, cut(wholes(export)))) == 1
    assert profile_with(export, 1) == in_parts


def test_the_first_part_keeps_the_key_and_the_dates_together_and_no_column_is_lost(export: Path) -> None:
    for whole, parts in zip(wholes(export), cut(wholes(export)), strict=True):
        names = [name for part in parts for name in part.names]
        assert sorted(names) == sorted(whole.names)
        assert whole.table is not None
        kept = {*whole.table.row_key, *(column.name for column in whole.table.date_columns)} & set(whole.names)
        assert kept <= set(parts[0].names)
        assert [part.key for part in parts] == [whole.key, *(() for _ in parts[1:])]


def test_progress_grows_to_all_rows(export: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    profile = profile_with(export, 2, lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (profile.rows, profile.rows)


def test_a_stopped_profile_leaves_no_process(export: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        if done * 2 > (total or 0):
            assert reader_ids()
            raise Interrupted

    with pytest.raises(Interrupted):
        profile_with(export, 2, stop)
    assert not reader_ids()


def test_a_reader_that_is_killed_ends_the_profile_with_its_signal(export: Path) -> None:
    def kill(_done: int, _total: int | None) -> None:
        for pid in reader_ids():
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(OperationFailed, match="ended") as refused:
        profile_with(export, 2, kill)
    assert refused.value.slug == "reader-died"
    assert "signal 9" in refused.value.cause
    assert not reader_ids()


def test_damage_that_the_second_process_meets_is_the_refusal_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    for name in ("a", "b"):
        write_table(path, name, ["x TEXT", "y TEXT"], [(f"{row} {name}" * 20, "y") for row in range(4_000)])
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 4)
        file.write(b"\xff" * 40_000)
        file.seek(path.stat().st_size * 3 // 4)
        file.write(b"\xff" * 40_000)
    with pytest.raises(SourceRefused) as refused:
        profile_with(path, 2)
    assert refused.value.slug == "source-damaged"
    assert not reader_ids()


def test_a_file_that_is_not_the_one_held_open_is_not_read_by_the_second_process(
    export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = profile_with(export, 1)
    monkeypatch.setattr("sdconsole.quality.profile.database.identity", lambda _path: None)
    assert profile_with(export, 2) == alone


def test_broken_utf8_is_the_same_in_any_part(tmp_path: Path) -> None:
    path = write_table(tmp_path / "raw.db", "t", [f"c{n} TEXT" for n in range(8)], [["v"] * 8 for _ in range(2_000)])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE t SET c6 = CAST(x'61ff' AS TEXT) WHERE rowid = 1500")
    profile = profile_with(path, 2)
    assert profile == profile_with(path, 1)
    assert [column.bad_utf8 for column in profile.tables[0].columns] == [0, 0, 0, 0, 0, 0, 1, 0]


def test_rows_are_read_in_the_order_of_the_table_although_an_index_holds_the_key(tmp_path: Path) -> None:
    rows = [(9_000 - row, f"text {row}") for row in range(3_000)] + [(9_000, "again"), (7_000, "again")]
    path = write_table(tmp_path / "indexed.db", "tickets", ["TKT-Ticket ID INTEGER", "TKT-Title TEXT"], rows)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('CREATE INDEX i ON tickets ("TKT-Ticket ID", "TKT-Title")')
    table = profile_with(path, 1).tables[0]
    assert (table.duplicate_rows, table.key_samples) == (2, ("9000", "7000"))


@pytest.mark.parametrize(
    ("size", "cores", "journal", "processes"),
    [
        (30_000_000, 2, "DELETE", 2),
        (9_000_000, 2, "DELETE", 1),
        (30_000_000, 1, "DELETE", 1),
        (30_000_000, 2, "WAL", 1),
    ],
)
def test_a_second_process_reads_large_files_that_nobody_can_change_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, cores: int, journal: str, processes: int
) -> None:
    path = write_table(tmp_path / "t.db", "t", ["c BLOB"], [(bytes(size),)])
    monkeypatch.setattr(part_readers, "cores", lambda: cores)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert readers_for(connection, Order(path, identity(path), CONTRACT, NOW, {}, 3)) == processes


def test_a_reader_ends_when_its_owner_is_killed() -> None:
    script = (
        "import sys, time\n"
        "from sdconsole.core.other_process import start_process\n"
        "print(start_process('sdconsole.quality.profile.part_reader').process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        reader = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
    gone, alive = psutil.wait_procs([reader], timeout=30)
    assert gone
    assert not alive
