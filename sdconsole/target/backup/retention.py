"""Which backups may go: by age and by count, and never the last good one. Decides only; removes nothing.

Backups are looked at in series: copies of exports are one, dumps of a live schema's versions another, because only a
backup of the same kind can stand in for one that goes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sdconsole.target.backup.manifest import Backup


@dataclass(frozen=True, slots=True)
class Judged:
    """A backup and why it stays; `reason` "" = it may go."""

    backup: Backup
    reason: str

    @property
    def may_go(self) -> bool:
        return not self.reason


def judge_backups(
    backups: Iterable[Backup],
    *,
    now: datetime,
    keep_age: timedelta,
    keep_count: int,
    needed_by: Collection[str],
    is_intact: Callable[[Backup], bool],
) -> tuple[Judged, ...]:
    """Every backup of one target, oldest first, with the reason why it stays.

    needed_by: the ids of runs whose version still exists, or that can still be carried on. is_intact: reads the whole
    backup; it is asked from the newest of a series on until one is good, and only where something else would go.
    """
    newest_first = sorted(backups, key=lambda backup: (backup.kind, backup.created, backup.path.name), reverse=True)
    judged: list[Judged] = []
    for _, group in groupby(newest_first, key=lambda backup: backup.kind):
        series = [
            Judged(backup, _reason(number, backup, now, keep_age, keep_count, needed_by))
            for number, backup in enumerate(group)
        ]
        judged += _with_the_newest_intact(series, is_intact)
    return tuple(sorted(judged, key=lambda one: (one.backup.created, one.backup.path.name)))


def _reason(
    number: int, backup: Backup, now: datetime, keep_age: timedelta, keep_count: int, needed_by: Collection[str]
) -> str:
    if number < keep_count:
        return f"one of the newest {keep_count}"
    if now - backup.created <= keep_age:
        return f"younger than {keep_age.days} days"
    if backup.manifest.run_id in needed_by:
        return f"run {backup.manifest.run_id} still needs it"
    return ""


def _with_the_newest_intact(series: list[Judged], is_intact: Callable[[Backup], bool]) -> list[Judged]:
    """The series with its newest good backup kept; where none is good, all of them are."""
    if not any(one.may_go for one in series):
        return series
    for number, one in enumerate(series):
        if is_intact(one.backup):
            series[number] = Judged(one.backup, one.reason or "the newest that is intact")
            return series
    return [Judged(one.backup, one.reason or "none of its kind is intact") for one in series]
