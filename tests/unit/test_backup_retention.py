"""Backups go by age and count; the newest good one of its kind never does, nor one that a version needs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sdconsole.target.backup.manifest import Backup, Kind, Manifest
from sdconsole.target.backup.retention import judge_backups

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def backup(name: str, days: float, *, kind: Kind = "sqlite", run: str = "r-1") -> Backup:
    created = (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Backup(Path(name), Manifest(1, kind, name, "export.db", "", 1, "", {}, {}, run, created))


def stays(
    *backups: Backup, keep_days: int = 7, keep: int = 1, needed: tuple[str, ...] = (), damaged: tuple[str, ...] = ()
) -> dict[str, str]:
    judged = judge_backups(
        backups,
        now=NOW,
        keep_age=timedelta(days=keep_days),
        keep_count=keep,
        needed_by=needed,
        is_intact=lambda one: one.path.name not in damaged,
    )
    assert [one.backup.created for one in judged] == sorted(one.backup.created for one in judged)
    return {one.backup.path.name: one.reason for one in judged}


def test_what_is_old_and_not_among_the_newest_goes() -> None:
    found = stays(backup("a", 1), backup("b", 8), backup("c", 30), backup("d", 6.9), keep=2)
    assert found == {"a": "one of the newest 2", "d": "one of the newest 2", "b": "", "c": ""}


def test_the_newest_stays_however_old_it_is() -> None:
    assert stays(backup("a", 400), backup("b", 500)) == {"b": "", "a": "one of the newest 1"}


def test_exactly_at_the_limit_stays() -> None:
    assert stays(backup("new", 0), backup("limit", 7), backup("over", 7.01))["limit"] == "younger than 7 days"
    assert stays(backup("new", 0), backup("limit", 7), backup("over", 7.01))["over"] == ""


def test_copies_and_dumps_are_counted_apart() -> None:
    found = stays(backup("copy", 30), backup("dump", 40, kind="postgresql"), backup("older", 50, kind="postgresql"))
    assert found == {"copy": "one of the newest 1", "dump": "one of the newest 1", "older": ""}


def test_a_run_whose_version_exists_keeps_its_backups() -> None:
    found = stays(backup("a", 1), backup("b", 30, run="r-2"), backup("c", 31, run="r-3"), needed=("r-2",))
    assert found["b"] == "run r-2 still needs it"
    assert found["c"] == ""


def test_the_newest_that_is_intact_stays_behind_damaged_ones() -> None:
    found = stays(backup("a", 9), backup("b", 10), backup("c", 11), backup("d", 12), damaged=("a", "b"))
    assert found == {"a": "one of the newest 1", "b": "", "c": "the newest that is intact", "d": ""}


def test_nothing_goes_when_nothing_is_intact() -> None:
    found = stays(backup("a", 9), backup("b", 10), damaged=("a", "b"))
    assert found["b"] == "none of its kind is intact"


def test_no_backup_is_read_when_none_would_go() -> None:
    def unread(_: Backup) -> bool:
        raise AssertionError

    def judged(backups: Iterator[Backup]) -> list[str]:
        found = judge_backups(
            backups, now=NOW, keep_age=timedelta(days=7), keep_count=3, needed_by=(), is_intact=unread
        )
        return [one.reason for one in found]

    assert judged(iter([backup("a", 1), backup("b", 30)])) == ["one of the newest 3"] * 2
