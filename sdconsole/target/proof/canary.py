"""Chooses the canary: a small clean file in which every row still has the rows it refers to.

Tables that refer to nothing are sampled by a hash of their rows' keys, the same share of each stratum that the contract
names; a row of any other table follows its parent, and where it has none (an orphan, or a value that means "no parent")
its own hash decides. Small tables that stand alone are taken whole. Same file, rate and seed: same sample. Knows no
table by name; reads and writes SQLite only.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sdconsole.contract.model import Reference, Table
from sdconsole.errors import UsageError
from sdconsole.quality.clean.stored_forms import create_table, rowid_name
from sdconsole.source.catalog import count_rows, quote
from sdconsole.source.open import new_file, refuse_same_file
from sdconsole.target.load.clean_file import open_clean, select_columns
from sdconsole.target.proof.references import Orphans, references_between, source_orphans

Progress = Callable[[int, int | None], None]

WHOLE_TABLE_ROWS: Final = 1_000
"""A table without references, in either direction, is taken whole up to this size."""
_ROWS_PER_BATCH: Final = 2_000
_HASHES: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class SampledReference:
    """Orphans of one reference in the whole file and in the sample."""

    table: str
    column: str
    parent: str
    full: Orphans
    sample: Orphans


@dataclass(frozen=True, slots=True)
class CanarySample:
    """What was chosen. `rows` and `full_rows` are counted per table."""

    path: Path
    rate_percent: float
    seed: int
    rows: Mapping[str, int]
    full_rows: Mapping[str, int]
    references: tuple[SampledReference, ...]

    @property
    def total_rows(self) -> int:
        return sum(self.rows.values())

    def to_dict(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "rate_percent": self.rate_percent,
            "seed": self.seed,
            "rows": dict(self.rows),
            "full_rows": dict(self.full_rows),
            "references": [
                {
                    "table": one.table,
                    "column": one.column,
                    "parent": one.parent,
                    "orphan_percent": round(one.full.percent, 3),
                    "sample_orphan_percent": round(one.sample.percent, 3),
                }
                for one in self.references
            ],
        }


def build_canary(
    clean_path: Path,
    output_path: Path,
    tables: Sequence[Table],
    *,
    rate_percent: float = 10.0,
    seed: int = 1,
    progress: Progress | None = None,
) -> CanarySample:
    """Writes the sample as a clean file of the same shape (0600, whole or not at all) and says what is in it.

    Every table that has rows keeps at least one. `progress(rows looked at, rows in all)` is called at least every 2,000
    rows and may raise: then no file is left. Raises UsageError "canary-rate" for a rate outside 0 < rate <= 100 and for
    an output that is refused, and what opening and reading the clean file raise.
    """
    if not 0 < rate_percent <= 100:
        raise UsageError(
            "canary-rate",
            f"{rate_percent:g} % cannot be the size of a canary",
            cause="a share is above 0 and at most 100 percent",
            next_step="give a rate above 0 and up to 100, e.g. 10",
        )
    refuse_same_file(clean_path, output_path)
    report = progress or (lambda _done, _total: None)
    with open_clean(clean_path, tables) as clean:
        choice = _Choice(clean, tables, rate_percent, seed)
        choice.make(report)
        with new_file(output_path) as temporary, closing(sqlite3.connect(temporary, isolation_level=None)) as output:
            _write(clean, output, tables, choice.kept)
        full = _orphans(clean, tables)
    with open_clean(output_path, tables) as sample:
        rows = {table.name: count_rows(sample, table.name) for table in tables}
        sampled = _orphans(sample, tables)
    references = tuple(
        SampledReference(table.name, reference.column, parent.name, full[place], sampled[place])
        for place, (table, reference, parent) in enumerate(references_between(tables))
    )
    return CanarySample(output_path, rate_percent, seed, rows, choice.counts, references)


def _orphans(connection: sqlite3.Connection, tables: Sequence[Table]) -> list[Orphans]:
    return [source_orphans(connection, table, reference) for table, reference, _ in references_between(tables)]


@dataclass(slots=True)
class _Values:
    """The values of a column that others refer to, in the whole file and in the sample."""

    all: set[object] = field(default_factory=set)
    kept: set[object] = field(default_factory=set)


class _Choice:
    """The row numbers that are kept, per table."""

    def __init__(self, clean: sqlite3.Connection, tables: Sequence[Table], rate_percent: float, seed: int) -> None:
        self._clean = clean
        self._limit = int(rate_percent / 100 * _HASHES)
        self._seed = seed
        self._references: dict[str, list[Reference]] = {table.name: [] for table in tables}
        self._values: dict[tuple[str, str], _Values] = {}
        for table, reference, parent in references_between(tables):
            self._references[table.name].append(reference)
            self._values[parent.name, reference.parent_column] = _Values()
        self._tables = {table.name: table for table in tables}
        self._owners = _owners(self._references)
        self.kept: dict[str, set[int]] = {table.name: set() for table in tables}
        self.counts: dict[str, int] = {table.name: count_rows(clean, table.name) for table in tables}

    def make(self, progress: Progress) -> None:
        total, done = sum(self.counts.values()), 0
        for name in _parents_first(self._owners):
            done = self._scan(self._tables[name], done, total, progress)
            self._complete({name: self.kept[name]}, only_to=name)
        self._complete({name: set(rows) for name, rows in self.kept.items()}, only_to=None)
        progress(total, total)

    def _scan(self, table: Table, done: int, total: int, progress: Progress) -> int:
        """Decides for each row of one table, whose parent has been decided already."""
        owner = self._owners[table.name]
        watched = [column for name, column in self._values if name == table.name]
        counted_by = [table.canary_strata] if table.canary_strata else []
        wanted = list(dict.fromkeys([*table.key, *watched, *counted_by, *([owner.column] if owner else [])]))
        places = {name: place for place, name in enumerate(wanted, start=1)}
        columns = ", ".join([number := rowid_name(table), *map(quote, wanted)])
        whole = not self._references[table.name] and not watched and self.counts[table.name] <= WHOLE_TABLE_ROWS
        parents = self._values[owner.table, owner.parent_column] if owner else _Values()
        # Rows without a parent get the share that the parents have, so that the shares stay the same.
        limit = len(parents.kept) * _HASHES // len(parents.all) if parents.all else self._limit
        kept, nearest = self.kept[table.name], (_HASHES, 0)
        hashed, strata = self._hashing(table, places), dict[object, list[tuple[int, int]]]()
        cursor = self._clean.execute(f"SELECT {columns} FROM {quote(table.name)} ORDER BY {number}")  # noqa: S608
        while rows := cursor.fetchmany(_ROWS_PER_BATCH):
            for row in rows:
                parent = row[places[owner.column]] if owner else None
                if parent is not None and parent in parents.all and owner and parent != owner.ignore_value:
                    keep = parent in parents.kept
                elif table.canary_strata and not whole:
                    keep = False
                    strata.setdefault(row[places[table.canary_strata]], []).append((hashed(row), row[0]))
                else:
                    keep = whole or hashed(row) < limit
                if keep:
                    kept.add(row[0])
                elif not kept and not strata:
                    nearest = min(nearest, (hashed(row), row[0]))
                for column in watched:
                    values = self._values[table.name, column]
                    values.all.add(row[places[column]])
                    if keep:
                        values.kept.add(row[places[column]])
            done += len(rows)
            progress(done, total)
        for members in strata.values():
            wished = max(1, round(len(members) * limit / _HASHES))
            self._keep(table.name, {number for _, number in nsmallest(wished, members)})
        if not kept and nearest[0] < _HASHES:
            self._keep(table.name, {nearest[1]})
        return done

    def _hashing(self, table: Table, places: Mapping[str, int]) -> Callable[[Sequence[object]], int]:
        """What gives 0 to 2^64 - 1, from the seed, the table and a row's key (its number where it has none)."""
        key, start = [places[name] for name in table.key] or [0], hashlib.blake2b(digest_size=8)
        start.update(f"{self._seed}\x1f{table.name}".encode())

        def hashed(row: Sequence[object]) -> int:
            digest = start.copy()
            digest.update("".join([f"\x1f{row[place]}" for place in key]).encode())
            return int.from_bytes(digest.digest())

        return hashed

    def _keep(self, name: str, numbers: set[int]) -> None:
        """Adds rows to the sample and their values to those that are there to be referred to."""
        self.kept[name] |= numbers
        for (parent, column), values in self._values.items():
            if parent == name:
                values.kept |= self._cells(name, column, numbers)

    def _complete(self, pending: dict[str, set[int]], *, only_to: str | None) -> None:
        """Adds the rows that kept rows refer to and that are not kept yet, until none is missing."""
        while pending:
            name, numbers = pending.popitem()
            for reference in self._references[name]:
                if only_to is not None and reference.table != only_to:
                    continue
                values = self._values[reference.table, reference.parent_column]
                missing = (self._cells(name, reference.column, numbers) & values.all) - values.kept - {None}
                if missing:
                    added = self._holders(reference.table, reference.parent_column, missing)
                    self._keep(reference.table, added)
                    pending[reference.table] = pending.get(reference.table, set()) | added

    def _cells(self, name: str, column: str, numbers: set[int]) -> set[object]:
        number = rowid_name(self._tables[name])
        query = f"SELECT {quote(column)} FROM {quote(name)} WHERE {number} IN (SELECT value FROM json_each(?))"  # noqa: S608
        found: set[object] = set()
        for batch in _batches(sorted(numbers)):
            found.update(cell for (cell,) in self._clean.execute(query, (json.dumps(batch),)))
        return found

    def _holders(self, name: str, column: str, wanted: set[object]) -> set[int]:
        query = f"SELECT {rowid_name(self._tables[name])}, {quote(column)} FROM {quote(name)}"  # noqa: S608
        return {number for number, cell in self._clean.execute(query) if cell in wanted}


def _owners(references: Mapping[str, Sequence[Reference]]) -> dict[str, Reference | None]:
    """The reference each table's rows follow: its first one to another table, unless that leads round in a circle."""
    owners = {
        name: next((reference for reference in own if reference.table != name), None)
        for name, own in references.items()
    }
    for name in owners:
        seen, at = {name}, owners[name]
        while at is not None and at.table not in seen:
            seen.add(at.table)
            at = owners[at.table]
        if at is not None and at.table == name:
            owners[name] = None
    return owners


def _parents_first(owners: Mapping[str, Reference | None]) -> Iterator[str]:
    done: set[str] = set()
    waiting = list(owners)
    while waiting:
        name = waiting.pop(0)
        owner = owners[name]
        if owner is not None and owner.table not in done:
            waiting.append(name)
        else:
            done.add(name)
            yield name


def _write(
    clean: sqlite3.Connection, output: sqlite3.Connection, tables: Sequence[Table], kept: Mapping[str, set[int]]
) -> None:
    output.execute("PRAGMA journal_mode = OFF")
    output.execute("PRAGMA synchronous = OFF")
    output.execute("BEGIN")
    for table in tables:
        create_table(output, table)
        number = rowid_name(table)
        chosen = f"{number} IN (SELECT value FROM json_each(?)) ORDER BY {number}"  # noqa: S608
        query = f"{select_columns(table, ordered=False)} WHERE {chosen}"
        places = ", ".join("?" * len(table.columns))
        insert = f"INSERT INTO {quote(table.name)} VALUES ({places})"  # noqa: S608
        for batch in _batches(sorted(kept[table.name])):
            output.executemany(insert, clean.execute(query, (json.dumps(batch),)))
    output.execute("COMMIT")


def _batches(numbers: Iterable[int]) -> Iterator[list[int]]:
    remaining = iter(numbers)
    while batch := list(islice(remaining, _ROWS_PER_BATCH)):
        yield batch
