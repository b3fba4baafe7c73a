"""The source is never written, created beside or touched, whatever state its writer left it in."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from sdconsole.errors import OperationFailed, SourceRefused
from sdconsole.source.open import changed_since, inspect_source, open_source, quick_check, snapshot, source_digest

ROWS = 500


def state(folder: Path) -> dict[str, tuple[int, ...]]:
    """Size, time, inode, mode and owner of every file in a folder."""
    return {
        entry.name: (found.st_size, found.st_mtime_ns, found.st_ino, found.st_mode, found.st_uid, found.st_gid)
        for entry in sorted(folder.iterdir())
        for found in [entry.stat()]
    }


def nothing(_done: int, _total: int | None) -> None:
    """Progress nobody looks at."""


@contextmanager
def wal_writer(path: Path) -> Iterator[sqlite3.Connection]:
    """A program that has the file open in WAL mode; half of its rows are only in the -wal."""
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT)")
        writer.execute("BEGIN")
        writer.executemany("INSERT INTO t (word) VALUES (?)", [(f"word {n}",) for n in range(ROWS // 2)])
        writer.execute("COMMIT")
        writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
        writer.execute("BEGIN")
        writer.executemany("INSERT INTO t (word) VALUES (?)", [(f"word {n}",) for n in range(ROWS // 2)])
        writer.execute("COMMIT")
        yield writer


@contextmanager
def rollback_mode(folder: Path) -> Iterator[None]:
    with closing(sqlite3.connect(folder / "export.db")) as writer:
        writer.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT)")
        writer.executemany("INSERT INTO t (word) VALUES (?)", [(f"word {n}",) for n in range(ROWS)])
        writer.commit()
    yield


@contextmanager
def wal_with_live_writer(folder: Path) -> Iterator[None]:
    """The writer is another process: within one process SQLite shares its -shm between connections."""
    with wal_writer(folder / "export.db"):
        pass
    script = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA wal_autocheckpoint = 0")
connection.execute("UPDATE t SET word = 'changed, and not in the main file'")
print("ready", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder / "export.db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        assert (folder / "export.db-wal").stat().st_size > 0
        yield


@contextmanager
def wal_closed_cleanly(folder: Path) -> Iterator[None]:
    with wal_writer(folder / "export.db"):
        pass
    assert [entry.name for entry in folder.iterdir()] == ["export.db"]
    yield


@contextmanager
def wal_left_by_a_crash(folder: Path) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as other:
        with wal_writer(Path(other) / "export.db"):
            shutil.copytree(other, folder, dirs_exist_ok=True)
        yield


@contextmanager
def wal_without_shm(folder: Path) -> Iterator[None]:
    with wal_left_by_a_crash(folder):
        (folder / "export.db-shm").unlink()
        yield


STATES = [rollback_mode, wal_with_live_writer, wal_closed_cleanly, wal_left_by_a_crash, wal_without_shm]


@pytest.mark.parametrize("prepare", STATES)
def test_every_row_is_read_and_nothing_in_the_folder_is_touched(
    tmp_path: Path,
    prepare: Callable[[Path], AbstractContextManager[None]],
) -> None:
    folder, scratch, elsewhere = tmp_path / "export", tmp_path / "scratch", tmp_path / "work"
    for made in (folder, scratch, elsewhere):
        made.mkdir()
    path = folder / "export.db"
    with prepare(folder):
        before, digest = state(folder), source_digest(path)
        with closing(open_source(path, scratch=scratch)) as connection:
            assert quick_check(connection) == ()
            assert connection.execute("SELECT count(*), count(DISTINCT id) FROM t").fetchone() == (ROWS, ROWS)
            assert state(folder) == before
            assert list(scratch.iterdir()) == [], "a private copy has no name while it is open"
            assert connection.execute("SELECT max(id) FROM t").fetchone() == (ROWS,)
        facts = inspect_source(path, scratch=scratch)
        copied = snapshot(path, elsewhere / "copy.db", progress=nothing, scratch=scratch)
        assert state(folder) == before
        assert source_digest(path) == digest == facts.digest
        assert changed_since(facts, path) is None
        assert facts.journal_mode == ("delete" if prepare is rollback_mode else "wal")
    assert dict(copied.rows) == {"t": ROWS}
    assert list(scratch.iterdir()) == []
    assert [entry.name for entry in elsewhere.iterdir()] == ["copy.db"]


def test_the_copy_is_not_in_wal_mode_and_needs_no_other_file(tmp_path: Path) -> None:
    with wal_writer(tmp_path / "export.db"):
        snapshot(tmp_path / "export.db", tmp_path / "copy.db", progress=nothing)
    assert (tmp_path / "copy.db").read_bytes()[18:20] == b"\x01\x01"
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(tmp_path / "copy.db", alone)
    with closing(open_source(alone / "copy.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (ROWS,)
    assert [entry.name for entry in alone.iterdir()] == ["copy.db"]


@contextmanager
def without_root_rights() -> Iterator[None]:
    """Runs the block as a user whom file modes hold back."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that any user may enter; pytest's own folders belong to one user."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.parametrize("prepare", [wal_closed_cleanly, wal_left_by_a_crash, wal_without_shm])
def test_a_wal_file_in_a_read_only_folder_is_read_whole(
    shared_folder: Path, prepare: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with prepare(shared_folder):
        for entry in shared_folder.iterdir():
            entry.chmod(0o444)
        shared_folder.chmod(0o555)
        before = state(shared_folder)
        with without_root_rights():
            with pytest.raises(OSError, match="denied"):
                (shared_folder / "x").touch()
            with closing(open_source(shared_folder / "export.db")) as connection:
                assert connection.execute("SELECT count(*) FROM t").fetchone() == (ROWS,)
        assert state(shared_folder) == before


def test_a_wal_file_that_cannot_be_copied_aside_says_what_to_do(shared_folder: Path) -> None:
    with wal_without_shm(shared_folder), pytest.raises(OperationFailed) as caught:
        open_source(shared_folder / "export.db", scratch=shared_folder / "absent")
    assert caught.value.slug == "scratch-unwritable"
    assert "-shm" in caught.value.cause
    assert "TMPDIR" in caught.value.next_step
    assert "-wal and -shm" in caught.value.next_step


def test_a_file_that_this_user_may_not_read_is_refused(shared_folder: Path) -> None:
    with rollback_mode(shared_folder):
        (shared_folder / "export.db").chmod(0o600)
        if os.geteuid() != 0:
            (shared_folder / "export.db").chmod(0)
        with without_root_rights(), pytest.raises(SourceRefused) as caught:
            open_source(shared_folder / "export.db")
    assert caught.value.slug == "source-unreadable"


def test_a_file_whose_writer_died_half_way_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    script = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 5")
connection.execute("CREATE TABLE t (a)")
connection.execute("BEGIN")
connection.executemany("INSERT INTO t VALUES (?)", [("x" * 3000,)] * 200)
connection.execute("COMMIT")
connection.execute("BEGIN")
connection.execute("UPDATE t SET a = 'y' || a")
os.kill(os.getpid(), signal.SIGKILL)
"""
    died = subprocess.run([sys.executable, "-c", script, str(tmp_path / "export.db")], check=False)
    assert died.returncode == -signal.SIGKILL
    assert (tmp_path / "export.db-journal").stat().st_size > 0
    before = state(tmp_path)
    with pytest.raises(SourceRefused) as caught:
        open_source(tmp_path / "export.db")
    assert caught.value.slug == "source-hot-journal"
    assert "-journal" in caught.value.cause
    assert state(tmp_path) == before


def _row(path: Path) -> None:
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("UPDATE t SET word = 'other' WHERE id = 1")
        writer.commit()


def _row_with_the_old_time(path: Path) -> None:
    found = path.stat()
    _row(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def _more_rows(path: Path) -> None:
    with closing(sqlite3.connect(path)) as writer:
        writer.executemany("INSERT INTO t (word) VALUES (?)", [("x" * 100,)] * 1000)
        writer.commit()


def _touch(path: Path) -> None:
    os.utime(path, (1, 1))


def _replace(path: Path) -> None:
    shutil.copy2(path, path.with_suffix(".new"))
    path.with_suffix(".new").rename(path)


def _truncate(path: Path) -> None:
    os.truncate(path, 4096)


def _remove(path: Path) -> None:
    path.unlink()


def _wal(path: Path) -> None:
    # The -wal stays when its writer dies, so the change is in no other file.
    with tempfile.TemporaryDirectory() as other:
        shutil.copy2(path, other)
        with closing(sqlite3.connect(Path(other) / path.name)) as writer:
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("UPDATE t SET word = 'other'")
            writer.commit()
            shutil.copy2(Path(other) / f"{path.name}-wal", path.with_name(f"{path.name}-wal"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_row, "content changed"),
        (_row_with_the_old_time, "content changed"),
        (_more_rows, "grew"),
        (_touch, "touched"),
        (_replace, "replaced"),
        (_truncate, "cut off"),
        (_remove, "gone"),
        (_wal, "-wal"),
    ],
)
def test_a_changed_source_is_noticed_and_named(tmp_path: Path, change: Callable[[Path], None], said: str) -> None:
    path = tmp_path / "export.db"
    with rollback_mode(tmp_path):
        facts = inspect_source(path)
        assert changed_since(facts, path) is None
        change(path)
        answer = changed_since(facts, path)
        assert answer is not None
        assert said in answer


def test_the_digest_of_a_plain_file_is_what_sha256sum_prints(tmp_path: Path) -> None:
    with rollback_mode(tmp_path):
        printed = subprocess.run(
            ["sha256sum", tmp_path / "export.db"], check=True, capture_output=True, text=True
        ).stdout.split()[0]
        assert source_digest(tmp_path / "export.db") == printed


def test_the_digest_covers_the_wal(tmp_path: Path) -> None:
    path = tmp_path / "export.db"
    with wal_writer(path) as writer:
        before, main = source_digest(path), path.read_bytes()
        writer.execute("UPDATE t SET word = 'other' WHERE id = 1")
        assert path.read_bytes() == main
        assert source_digest(path) != before


def test_facts_describe_the_file(tmp_path: Path) -> None:
    path = tmp_path / "export.db"
    with closing(sqlite3.connect(path)) as writer:
        writer.executescript("PRAGMA page_size = 8192; PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a)")
    facts = inspect_source(path)
    found = path.stat()
    assert (facts.page_size, facts.page_count, facts.encoding) == (8192, 2, "UTF-16le")
    assert (facts.size_bytes, facts.inode, facts.device) == (found.st_size, found.st_ino, found.st_dev)
    assert (facts.modified_ns, facts.wal_bytes, facts.path) == (found.st_mtime_ns, 0, str(path))
    assert stat.S_ISREG(found.st_mode)
