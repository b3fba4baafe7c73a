"""What is loaded side by side, as data: the order that a loading process gets, its pieces, and what it answers.

A piece is a whole table, which is loaded in one transaction together with its step. Only a table so large that one
process would still be busy with it long after the others are done is cut into ranges of the clean file's row numbers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from sdconsole.contract.model import Table
from sdconsole.errors import SdconsoleError
from sdconsole.source.catalog import count_rows, quote, read_catalog
from sdconsole.target.connect import Target

LARGEST_SHARE: Final = 1.25
"""A table is cut when it has more than this many times the rows that each process should load."""
SMALLEST_RANGE: Final = 100_000


@dataclass(frozen=True, slots=True)
class Piece:
    """`numbers` are the first and the last row number of a range; None = the whole table."""

    table: Table
    rows: int
    numbers: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What all pieces of one load share. `rows_per_second` is this process's limit; None = as fast as it can."""

    target: Target
    application: str
    clean: Path
    version: str
    deployment_id: int
    rows_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Copied:
    """So much of the piece in work was sent; nothing of it is committed."""

    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Committed:
    """The piece is committed, for a whole table together with its step."""

    rows: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The piece is not loaded, and the process has ended."""

    error: SdconsoleError


Answer = Copied | Committed | Failed


def whole_tables(clean: sqlite3.Connection, tables: Iterable[Table]) -> tuple[Piece, ...]:
    """Every table as one piece, the largest first."""
    pieces = [Piece(table, count_rows(clean, table.name)) for table in tables]
    return tuple(sorted(pieces, key=lambda piece: piece.rows, reverse=True))


def divided(clean: sqlite3.Connection, pieces: Sequence[Piece], processes: int) -> tuple[Piece, ...]:
    """The pieces with those too large for one of so many processes cut into ranges; the largest first.

    A table whose row numbers cannot be selected stays whole.
    """
    share = max(1, -(-sum(piece.rows for piece in pieces) // processes))
    cut: list[Piece] = []
    for piece in pieces:
        parts = min(-(-piece.rows // share), piece.rows // SMALLEST_RANGE)
        cut += _ranges(clean, piece, parts) if parts > 1 and piece.rows > share * LARGEST_SHARE else [piece]
    return tuple(sorted(cut, key=lambda piece: piece.rows, reverse=True))


def _ranges(clean: sqlite3.Connection, piece: Piece, parts: int) -> list[Piece]:
    held = read_catalog(clean).table(piece.table.name)
    number = held.rowid_name if held is not None else None
    if number is None:
        return [piece]
    query = f"SELECT {number} FROM {quote(piece.table.name)} ORDER BY {number} LIMIT 1 OFFSET ?"  # noqa: S608
    edges = [piece.rows * part // parts for part in range(parts + 1)]
    firsts = [int(clean.execute(query, (edge,)).fetchone()[0]) for edge in edges[:-1]]
    last = int(clean.execute(query, (piece.rows - 1,)).fetchone()[0])
    lasts = [first - 1 for first in firsts[1:]] + [last]
    counts = [after - before for before, after in pairwise(edges)]
    return [Piece(piece.table, rows, span) for rows, span in zip(counts, zip(firsts, lasts, strict=True), strict=True)]
