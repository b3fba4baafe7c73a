"""The export is not left alone: changed while it is deployed, locked, or written to by a program that still runs."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.faults import checker
from tests.faults.trials import Site, Sites, pause_when_started
from tests.patience import within

ANSWERS_WITHIN_SECONDS = 10.0
MOMENTS = ("backup", "profile", "load", "validate", "cutover")


def delete_a_row(site: Site) -> None:
    with closing(sqlite3.connect(site.source)) as db:
        assert db.execute("DELETE FROM comments WHERE rowid = 7").rowcount == 1
        db.commit()


def touch(site: Site) -> None:
    later = site.source.stat().st_mtime_ns + 1_000_000_000
    os.utime(site.source, ns=(later, later))


def replace_inode(site: Site) -> None:
    copy = site.source.with_name("copy.db")
    shutil.copy2(site.source, copy)
    copy.replace(site.source)


def truncate(site: Site) -> None:
    os.truncate(site.source, site.source.stat().st_size // 2)


CHANGES: dict[str, tuple[Callable[[Site], None], str]] = {
    "row": (delete_a_row, "its content changed, the size did not"),
    "touch": (touch, "the file was touched"),
    "replaced": (replace_inode, "the file was replaced"),
    "truncated": (truncate, "is cut off"),
}


def source_changed(site: Site, rng: random.Random, what: str, *, moment: str = "") -> None:
    """The run halts before the cutover and says what changed; with the changed file it starts over or is refused."""
    change, words = CHANGES[what]
    moment = moment or rng.choice(MOMENTS)
    process = site.start_deploy(fault=pause_when_started(moment))
    site.wait_until_fired(process)
    change(site)
    site.source_digest = checker.digest_of_source(site.source)
    site.go()
    ended = process.wait()
    document = site.told(ended)
    assert ended.code, "it deployed a source that had changed"
    error = document["error"]
    if moment == "backup" and what == "truncated":
        assert (ended.code, error["slug"]) == (4, "source-truncated"), ended.err
    else:
        assert (ended.code, error["slug"]) == (1, "source-changed"), ended.err
        assert words in error["cause"], error
    site.check_standing(site.rehearsed.old)
    ended = site.start_resume().wait()
    if what in ("touch", "replaced"):
        site.check_deployed(ended)
    elif what == "row":
        site.check_done(ended, checker.shown(site.admin_dsn).tables)
        checker.check_against_export(site.admin_dsn, site.source)
    else:
        assert (ended.code, site.told(ended)["error"]["slug"]) == (4, "source-truncated"), ended.err
        site.check_standing(site.rehearsed.old)


@pytest.mark.parametrize("what", CHANGES)
def test_a_source_that_changes_under_a_run_halts_it_before_live_changes(
    sites: Sites, first_seed: int, what: str
) -> None:
    sites.run(lambda site, rng: source_changed(site, rng, what), range(first_seed, first_seed + 3))


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("what", CHANGES)
def test_many_sources_that_change(sites: Sites, first_seed: int, what: str) -> None:
    sites.run(lambda site, rng: source_changed(site, rng, what), range(first_seed, first_seed + 50))


def locked_by_a_writer(site: Site, _rng: random.Random) -> None:
    with closing(sqlite3.connect(site.source, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        ended = site.start_deploy().wait()
        assert time.monotonic() - began <= within(ANSWERS_WITHIN_SECONDS)
        assert (ended.code, site.told(ended)["error"]["slug"]) == (4, "source-locked"), ended.err
        writer.execute("ROLLBACK")
    assert not site.journals(), "a refusal leaves nothing behind"
    site.check_standing(site.rehearsed.old)
    site.check_deployed(site.start_deploy().wait())


def open_in_wal_mode(site: Site, _rng: random.Random) -> None:
    """The exporting program is still open: its last rows are in the -wal only. They are deployed."""
    with closing(sqlite3.connect(site.source, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("UPDATE comments SET user_name = 'written to the wal' WHERE rowid < 20")
        site.source_digest = checker.digest_of_source(site.source)
        ended = site.start_deploy().wait()
        site.check_done(ended, checker.shown(site.admin_dsn).tables)
        checker.check_against_export(site.admin_dsn, site.source)
        assert checker.shown(site.admin_dsn).tables != site.rehearsed.new, "the rows of the -wal are not there"


def written_to_all_the_time(site: Site, _rng: random.Random) -> None:
    """The exporting program is still at work: the run is refused or halts, and says so."""
    over = threading.Event()
    written: list[int] = []

    def write() -> None:
        with closing(sqlite3.connect(site.source, isolation_level=None, timeout=30)) as writer:
            writer.execute("PRAGMA journal_mode = WAL")
            while not over.wait(0.002):
                writer.execute("UPDATE comments SET user_name = ? WHERE rowid = 9", (f"writer {len(written)}",))
                written.append(1)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        began = time.monotonic()
        ended = site.start_deploy().wait()
        assert time.monotonic() - began <= within(ANSWERS_WITHIN_SECONDS)
        document = site.told(ended)
        outcomes = {(4, "source-changing"), (4, "source-changed"), (1, "source-changed"), (4, "source-locked")}
        assert (ended.code, document["error"]["slug"]) in outcomes, ended.err
    finally:
        over.set()
        thread.join()
    assert len(written) > 10, "nobody wrote"
    site.source_digest = checker.digest_of_source(site.source)
    site.check_standing(site.rehearsed.old)
    site.check_done(site.start_deploy().wait(), checker.shown(site.admin_dsn).tables)
    checker.check_against_export(site.admin_dsn, site.source)


def beside_a_stale_wal(site: Site, _rng: random.Random) -> None:
    """The -wal of an earlier moment lies beside the export, as after a careless copy. What SQLite reads counts."""
    wal, kept = site.source.with_name(site.source.name + "-wal"), site.folder.parent / "kept"
    with closing(sqlite3.connect(site.source, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE comments SET user_name = 'in the wal' WHERE rowid < 20")
        shutil.copyfile(wal, kept)
    assert not wal.exists(), "SQLite did not tidy up after itself"
    kept.replace(wal)
    site.source_digest = checker.digest_of_source(site.source)
    began = time.monotonic()
    ended = site.start_deploy().wait()
    assert time.monotonic() - began <= within(ANSWERS_WITHIN_SECONDS)
    site.check_done(ended, checker.shown(site.admin_dsn).tables)
    checker.check_against_export(site.admin_dsn, site.source)


@pytest.mark.parametrize("trial", [locked_by_a_writer, open_in_wal_mode, written_to_all_the_time, beside_a_stale_wal])
def test_a_source_in_use_gives_a_consistent_copy_or_a_clear_refusal(
    sites: Sites, first_seed: int, trial: Callable[[Site, random.Random], None]
) -> None:
    sites.run(trial, range(first_seed, first_seed + 3), workers=3)
