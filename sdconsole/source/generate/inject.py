"""Puts defects into batches of rows: which cells get one, how many, and that no cell gets two.

What a defect looks like is the business of `defect_*.py`; here are only places and numbers. A row that is going to be
refused as a whole carries no other defect, so that every count is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, Protocol

from sdconsole.source.generate.cells import Batch, Cell, Row
from sdconsole.source.generate.declared import POSITION
from sdconsole.source.generate.defects import DefectLog, Expect

_TRIES_PER_CELL = 12


class Changed(NamedTuple):
    """What a cell becomes, what is expected of cleaning, and what the cell then holds."""

    value: Cell
    expect: Expect
    clean: Cell = None


Change = Callable[[Cell, Row, int, Random], Changed]
"""From the cell, its row, how many were made before, and a source of chance."""

Eligible = Callable[[Cell, Row, int], bool]
"""Whether this cell of this row may get the defect; the third argument is the row's number in its table."""


class Injector(Protocol):
    """Something that makes its share of defects in each batch of one table."""

    table: str

    def apply(self, batch: Batch, total: int, log: DefectLog, rng: Random) -> None:
        """`total` = rows of the whole table."""


@dataclass(slots=True)
class Dose:
    """A number of defects spread evenly over the rows of a table. What finds no place is made up for later.

    `phase` (0..1) shifts where the first falls, so that rare defects do not all stand at the start.
    """

    amount: int
    phase: float
    placed: int = 0

    def due(self, stop: int, total: int) -> int:
        """How many are to be placed before row `stop`, beyond those that are."""
        return int(self.amount * stop / total + self.phase) - self.placed if stop < total else self.amount - self.placed


@dataclass(slots=True)
class CellDefect:
    """One kind of defect in one column. `dose` None = every eligible cell.

    `refuses` = the row cannot be loaded at all. `voters` are the defects that prove the column's date order: this one
    never outnumbers them.
    """

    kind: str
    table: str
    column: str
    dose: Dose | None
    change: Change
    eligible: Eligible
    refuses: bool = False
    voters: Sequence[CellDefect] = ()
    made: int = 0
    _position: int = field(init=False)

    def __post_init__(self) -> None:
        self._position = POSITION[self.table][self.column]

    def apply(self, batch: Batch, total: int, log: DefectLog, rng: Random) -> None:
        for place in self._places(batch, self._wanted(batch, total), rng):
            row = batch.rows[place]
            changed = self.change(row[self._position], row, self.made, rng)
            row[self._position] = changed.value
            log.add(batch, place, self.column, self.kind, changed.value, changed.expect, changed.clean)
            self.made += 1
            if self.dose is not None:
                self.dose.placed += 1
            if self.refuses:
                batch.doomed.add(place)
                batch.vanished.add(place)

    def _wanted(self, batch: Batch, total: int) -> int:
        if self.dose is None:
            return len(batch.rows)
        wanted = self.dose.due(batch.stop, total)
        if self.voters:
            wanted = min(wanted, sum(voter.made for voter in self.voters) - self.made)
        return wanted

    def _places(self, batch: Batch, wanted: int, rng: Random) -> Sequence[int]:
        if wanted <= 0:
            return ()
        size = len(batch.rows)
        if wanted * 8 > size:
            fit = [place for place in range(size) if self._fits(batch, place)]
            return fit if wanted >= len(fit) else sorted(rng.sample(fit, wanted))
        found: set[int] = set()
        for _ in range(wanted * _TRIES_PER_CELL):
            place = rng.randrange(size)
            if place not in found and self._fits(batch, place):
                found.add(place)
                if len(found) == wanted:
                    return sorted(found)
        rest = [place for place in range(size) if place not in found and self._fits(batch, place)]
        found.update(rng.sample(rest, min(len(rest), wanted - len(found))))
        return sorted(found)

    def _fits(self, batch: Batch, place: int) -> bool:
        if place in batch.doomed or (place, self._position) in batch.touched:
            return False
        row = batch.rows[place]
        return self.eligible(row[self._position], row, batch.start + place)


def inject(batch: Batch, injectors: Sequence[Injector], total: int, log: DefectLog, rng: Random) -> None:
    """Puts this batch's share of all defects into it, those that cost a whole row first, and writes them down."""
    for injector in injectors:
        injector.apply(batch, total, log, rng)
    log.flush(batch)
