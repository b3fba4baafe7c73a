"""The types that builders and defects share: a cell, a row, a batch of rows of one table."""

from __future__ import annotations

from dataclasses import dataclass, field

Cell = str | int | float | None
Row = list[Cell]


@dataclass(slots=True)
class Batch:
    """Consecutive rows of a table, before they are stored. Row numbers and positions in `rows` differ by `start`.

    `touched` holds (place in `rows`, column position) of cells with a defect or that none may get; `doomed` the rows
    that cannot be loaded; `vanished` the rows whose own key is lost, be it by quarantine or by being overwritten.
    """

    table: str
    start: int
    rows: list[Row]
    touched: set[tuple[int, int]] = field(default_factory=set)
    doomed: set[int] = field(default_factory=set)
    vanished: set[int] = field(default_factory=set)

    @property
    def stop(self) -> int:
        return self.start + len(self.rows)
