"""The copy appears whole under its name or not at all, and is consistent while others write."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sdconsole.core.stage import Cancellation
from sdconsole.errors import Interrupted, OperationFailed, SourceRefused, UsageError
from sdconsole.source.open import file_sha256, new_file, open_source, refuse_same_file, snapshot
from tests.patience import within

Progress = Callable[[int, int | None], None]


def nothing(_done: int, _total: int | None) -> None:
    """Progress nobody looks at."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """About 10 MB in two tables."""
    path = tmp_path / "in" / "export.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as writer:
        writer.execute('CREATE TABLE "big one" (id INTEGER PRIMARY KEY, text TEXT)')
        writer.execute("CREATE TABLE small (a)")
        writer.execute("INSERT INTO small VALUES (1)")
        writer.executemany('INSERT INTO "big one" (text) VALUES (?)', (("x" * 1000,) for _ in range(10_000)))
        writer.commit()
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_the_copy_holds_every_row_and_its_facts_are_true(source: Path, out: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    facts = snapshot(source, out / "copy.db", progress=lambda done, total: seen.append((done, total)))
    copy = out / "copy.db"
    assert dict(facts.rows) == {"big one": 10_000, "small": 1}
    assert (facts.path, facts.size_bytes, facts.sha256) == (str(copy), copy.stat().st_size, file_sha256(copy))
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [entry.name for entry in out.iterdir()] == ["copy.db"]
    with closing(open_source(copy)) as connection:
        assert connection.execute('SELECT sum(length(text)) FROM "big one"').fetchone() == (10_000_000,)
    done = [pair for pair in seen if pair[1] is not None]
    assert done == sorted(done)
    assert done[0][0] < (done[0][1] or 0), "progress is told while pages are still missing"
    assert done[-1][0] == done[-1][1] == facts.size_bytes // 4096


@pytest.mark.parametrize("call", [1, 2, 3, 4, 6, 9])
def test_what_progress_raises_ends_the_copy_and_leaves_the_old_one(source: Path, out: Path, call: int) -> None:
    (out / "copy.db").write_text("yesterday's")
    calls = 0

    def stop(_done: int, _total: int | None) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Interrupted(cause="asked to")

    with pytest.raises(Interrupted) as caught:
        snapshot(source, out / "copy.db", progress=stop)
    assert caught.value.cause == "asked to"
    assert [entry.name for entry in out.iterdir()] == ["copy.db"]
    assert (out / "copy.db").read_text() == "yesterday's"


def test_a_stop_from_another_thread_ends_the_copy_within_a_second(source: Path, out: Path) -> None:
    cancellation = Cancellation()
    started = threading.Event()
    asked_at = 0.0

    def press() -> None:
        nonlocal asked_at
        started.wait(10)
        asked_at = time.monotonic()
        cancellation.cancel("Ctrl-C")

    def progress(_done: int, _total: int | None) -> None:
        started.set()
        cancellation.wait(0.02)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(Interrupted):
        snapshot(source, out / "copy.db", progress=progress)
    assert time.monotonic() - asked_at < within(1)
    presser.join()
    assert list(out.iterdir()) == []


def test_the_copy_is_one_moment_of_a_file_that_is_written_to_all_the_time(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "live.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER, filler TEXT)")
        writer.execute("BEGIN")
        writer.executemany(
            "INSERT INTO account (balance, filler) VALUES (100, ?)", (("x" * 3000,) for _ in range(4000))
        )
        writer.execute("COMMIT")
        transfers = 0

        def transfer(_done: int, _total: int | None) -> None:
            nonlocal transfers
            transfers += 1
            writer.execute("BEGIN")
            writer.execute("UPDATE account SET balance = balance - 1 WHERE id = ?", (transfers,))
            writer.execute("UPDATE account SET balance = balance + 1 WHERE id = ?", (4001 - transfers,))
            writer.execute("COMMIT")

        snapshot(path, out / "copy.db", progress=transfer)
    assert 3 < transfers < 200, "a copy that starts over at each change would go on for ever"
    with closing(open_source(out / "copy.db")) as connection:
        assert connection.execute("SELECT sum(balance) FROM account").fetchone() == (400_000,)


def test_a_damaged_source_gives_no_copy(source: Path, out: Path) -> None:
    with source.open("r+b") as file:
        file.seek(4096 * 1000)
        file.write(b"\xff" * 4096)
    with pytest.raises(SourceRefused) as caught:
        snapshot(source, out / "copy.db", progress=nothing)
    assert caught.value.slug == "source-damaged"
    assert str(source) in caught.value.message
    assert list(out.iterdir()) == []


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("megabytes", [0, 1, 5])
def test_a_file_size_limit_leaves_nothing_behind(source: Path, out: Path, megabytes: int) -> None:
    with file_size_limit(megabytes * 1024 * 1024), pytest.raises(OperationFailed) as caught:
        snapshot(source, out / "copy.db", progress=nothing)
    assert caught.value.slug == "output-unwritable"
    assert str(out / "copy.db") in caught.value.message
    assert list(out.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_named_and_leaves_nothing_behind(source: Path, small_disk: Path) -> None:
    with pytest.raises(OperationFailed) as caught:
        snapshot(source, small_disk / "copy.db", progress=nothing)
    assert caught.value.slug == "disk-full"
    assert str(small_disk) in caught.value.next_step
    assert list(small_disk.iterdir()) == []


def _itself(source: Path, _out: Path) -> Path:
    return source


def _roundabout(source: Path, out: Path) -> Path:
    return out / ".." / source.parent.name / source.name


def _symlink(source: Path, out: Path) -> Path:
    (out / "link.db").symlink_to(source)
    return out / "link.db"


def _hard_link(source: Path, out: Path) -> Path:
    (out / "link.db").hardlink_to(source)
    return out / "link.db"


def _linked_folder(source: Path, out: Path) -> Path:
    (out / "folder").symlink_to(source.parent)
    return out / "folder" / source.name


def _wal(source: Path, _out: Path) -> Path:
    return source.with_name(source.name + "-wal")


@pytest.mark.parametrize("alias", [_itself, _roundabout, _symlink, _hard_link, _linked_folder, _wal])
def test_the_source_is_never_taken_as_output(source: Path, out: Path, alias: Callable[[Path, Path], Path]) -> None:
    output, before = alias(source, out), source.read_bytes()
    with pytest.raises(UsageError) as caught:
        refuse_same_file(source, output)
    assert caught.value.slug == "source-is-output"
    with pytest.raises(UsageError):
        snapshot(source, output, progress=nothing)
    assert source.read_bytes() == before


def test_another_file_beside_the_source_is_a_fine_output(source: Path) -> None:
    refuse_same_file(source, source.with_name("copy.db"))


def _planted_symlink(path: Path) -> None:
    path.with_name("victim").write_text("mine")
    path.symlink_to(path.with_name("victim"))


def _planted_hard_link(path: Path) -> None:
    path.with_name("victim").write_text("mine")
    path.hardlink_to(path.with_name("victim"))


@pytest.mark.parametrize("plant", [_planted_symlink, _planted_hard_link, os.mkfifo, Path.mkdir])
def test_an_output_that_is_no_plain_file_is_refused(source: Path, out: Path, plant: Callable[[Path], object]) -> None:
    plant(out / "copy.db")
    with pytest.raises(UsageError) as caught:
        snapshot(source, out / "copy.db", progress=nothing)
    assert caught.value.slug == "output-refused"
    if (out / "victim").exists():
        assert (out / "victim").read_text() == "mine"
    assert {entry.name for entry in out.iterdir()} <= {"copy.db", "victim"}


def test_an_output_folder_that_does_not_exist_is_a_usage_error(source: Path, out: Path) -> None:
    with pytest.raises(UsageError) as caught:
        snapshot(source, out / "absent" / "copy.db", progress=nothing)
    assert caught.value.slug == "output-folder-missing"


def test_a_new_file_appears_only_when_its_block_has_ended(out: Path) -> None:
    with new_file(out / "report.json") as temporary:
        temporary.write_text("{}")
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        assert not (out / "report.json").exists()
    assert (out / "report.json").read_text() == "{}"
    with pytest.raises(ZeroDivisionError), new_file(out / "report.json") as temporary:
        temporary.write_text(str(1 // 0))
    assert (out / "report.json").read_text() == "{}"
    assert [entry.name for entry in out.iterdir()] == ["report.json"]


def test_a_link_that_appears_under_the_final_name_meanwhile_is_refused(out: Path) -> None:
    with pytest.raises(UsageError) as caught, new_file(out / "report.json"):
        (out / "report.json").symlink_to(out / "elsewhere")
    assert caught.value.slug == "output-refused"
    assert (out / "report.json").is_symlink()
    assert [entry.name for entry in out.iterdir()] == ["report.json"]


def test_a_new_file_that_was_swapped_for_another_is_not_used(out: Path) -> None:
    (out / "planted").write_text("planted")
    with pytest.raises(OperationFailed) as caught, new_file(out / "report.json") as temporary:
        (out / "planted").rename(temporary)
    assert caught.value.slug == "output-replaced"
    assert list(out.iterdir()) == []


def test_a_killed_copy_leaves_no_file_under_the_final_name(source: Path, out: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from sdconsole.source.open import snapshot

def die(done, total):
    if done:
        os.kill(os.getpid(), signal.SIGKILL)

snapshot(Path(sys.argv[1]), Path(sys.argv[2]), progress=die)
"""
    done = subprocess.run([sys.executable, "-c", script, str(source), str(out / "copy.db")], check=False)
    assert done.returncode == -9
    left = [entry.name for entry in out.iterdir()]
    assert "copy.db" not in left
    assert all(name.startswith(".copy.db.tmp-") for name in left)
    assert left, "the process died while it was copying"
    snapshot(source, out / "copy.db", progress=nothing)
    assert [entry.name for entry in out.iterdir()] == ["copy.db"]


def test_a_temporary_file_that_is_still_written_to_is_not_taken_for_a_leftover(out: Path) -> None:
    (out / ".notes.tmp-draft").write_text("somebody else's")
    with new_file(out / "first") as first:
        with new_file(out / "second") as second:
            second.write_text("2")
        first.write_text("1")
    assert {entry.name for entry in out.iterdir()} == {"first", "second", ".notes.tmp-draft"}
