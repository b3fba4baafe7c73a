"""Defects of whole rows: keys that occur twice, and rows shifted by one column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from sdconsole.source.generate.cells import Batch, Cell, Row
from sdconsole.source.generate.declared import COMMENTS, POSITION, ROW_KEY
from sdconsole.source.generate.defects import DefectLog, Expect
from sdconsole.source.generate.inject import Dose

Expendable = Callable[[Row, int], bool]
"""Whether the row (given with its number) can go without anything else losing its meaning."""


@dataclass(slots=True)
class Duplicate:
    """Overwrites an expendable row by a copy of another one: two rows with the same key, in the same batch.

    The one with the greatest `newest_by` stays, in a tie the last; in turn the copy is newer, older and as new. Tables
    without `newest_by` keep the last row. The other row of the pair is to be refused.
    """

    table: str
    key_column: str
    newest_by: str | None
    dose: Dose
    expendable: Expendable
    source: Expendable

    def apply(self, batch: Batch, total: int, log: DefectLog, rng: Random) -> None:
        wanted = self.dose.due(batch.stop, total)
        if wanted <= 0:
            return
        free = [place for place in range(len(batch.rows)) if place not in batch.doomed]
        targets = [place for place in free if self.expendable(batch.rows[place], batch.start + place)]
        chosen = rng.sample(targets, min(wanted, len(targets)))
        taken = set(chosen)
        sources = [
            place
            for place in free
            if place not in taken
            and self._has_key(batch.rows[place])
            and self.source(batch.rows[place], batch.start + place)
        ]
        for target, source in zip(chosen, rng.sample(sources, min(len(chosen), len(sources))), strict=False):
            self._pair(batch, source, target, log)

    def _has_key(self, row: list[Cell]) -> bool:
        """A row that lacks a part of its key repeats nothing."""
        return all(row[POSITION[self.table][column]] not in (None, "") for column in ROW_KEY[self.table])

    def _pair(self, batch: Batch, source: int, target: int, log: DefectLog) -> None:
        copy = list(batch.rows[source])
        batch.rows[target] = copy
        refused = min(source, target)
        if self.newest_by is not None:
            position = POSITION[self.table][self.newest_by]
            newer = (1, -1, 0)[self.dose.placed % 3]
            moment = datetime.fromisoformat(str(copy[position])) + newer * timedelta(seconds=45)
            copy[position] = moment.isoformat(" ")
            if newer:
                refused = source if newer > 0 else target
        kept = source + target - refused
        for column in (*ROW_KEY[self.table], *([self.newest_by] if self.newest_by else ())):
            batch.touched.add((kept, POSITION[self.table][column]))
        position = POSITION[self.table][self.key_column]
        log.add(batch, refused, self.key_column, "D19", batch.rows[refused][position], Expect.ROW_QUARANTINED)
        batch.doomed.add(refused)
        batch.vanished.add(target)
        self.dose.placed += 1


@dataclass(slots=True)
class ShiftedComment:
    """A comment cut at an unquoted comma: every cell behind its text stands one column too far to the right."""

    dose: Dose
    expendable: Expendable
    table: str = COMMENTS

    def apply(self, batch: Batch, total: int, log: DefectLog, rng: Random) -> None:
        wanted = self.dose.due(batch.stop, total)
        text, team = POSITION[COMMENTS]["comment_text"], POSITION[COMMENTS]["team"]
        fit = [
            place
            for place, row in enumerate(batch.rows)
            if place not in batch.doomed and self._can_shift(row[text], row[team])
            if self.expendable(row, batch.start + place)
        ]
        for place in sorted(rng.sample(fit, max(0, min(wanted, len(fit))))):
            row = batch.rows[place]
            whole = str(row[text])
            cut = whole.index(" ", len(whole) // 3)
            batch.rows[place] = [*row[:text], whole[:cut], whole[cut + 1 :], *row[text + 1 : -1]]
            log.add(batch, place, "created_time", "D24", row[team], Expect.ROW_QUARANTINED)
            batch.doomed.add(place)
            batch.vanished.add(place)
            self.dose.placed += 1

    @staticmethod
    def _can_shift(text: Cell, team: Cell) -> bool:
        return isinstance(text, str) and team is not None and " " in text[len(text) // 3 : -1]
