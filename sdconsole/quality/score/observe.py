"""Shows the export, before cleaning, in the form in which the rules look at a file.

Writes a private temporary database with the columns that the rules need: canonical values where there are any, faults
in a quarantine, no row left out and texts as they stand. So both phases of a score are measured by the same SQL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sdconsole.contract.model import Contract, DateOrder, Kind, Table
from sdconsole.quality.clean.columns import ColumnCleaner, column_cleaners
from sdconsole.quality.clean.quarantine import Entry, add_entries, create_quarantine, storable
from sdconsole.quality.clean.stored_forms import create_table, rowid_name
from sdconsole.quality.dates.reading import DateReader
from sdconsole.quality.outcome import Outcome
from sdconsole.quality.raw_rows import Chunk, read_chunks
from sdconsole.quality.scratch import scratch_database
from sdconsole.source.catalog import SourceTable, count_rows, quote, read_catalog
from sdconsole.source.open import open_source

EVERY_VALUE = "*"


@dataclass(frozen=True, slots=True)
class Observed:
    """A temporary database with the tables as far as the rules need them.

    `filled` says which columns of the export hold values, `values` how many usable cells a table has, where that was
    asked for.
    """

    connection: sqlite3.Connection
    tables: tuple[Table, ...]
    filled: Mapping[tuple[str, str], bool]
    values: Mapping[str, int]
    stored: Mapping[str, SourceTable]


@contextmanager
def observing(
    path: Path,
    contract: Contract,
    tables: Sequence[Table],
    needed: Mapping[str, Collection[str]],
    *,
    orders: Mapping[tuple[str, str], DateOrder],
    dates: DateReader,
    progress: Callable[[int, int | None], None],
) -> Iterator[Observed]:
    """Reads the `needed` columns (by table) of the export; the others are only asked for a value.

    EVERY_VALUE among the columns of a table asks for the faults and the number of usable cells of all its columns.
    Raises what `open_source` raises, SourceRefused for a table that cannot be read, and OperationFailed "disk-full".
    """
    with scratch_database() as connection:
        with closing(open_source(path)) as source:
            observed = _observe(source, connection, contract, tables, needed, orders, dates, progress)
        yield observed


def _observe(
    source: sqlite3.Connection,
    connection: sqlite3.Connection,
    contract: Contract,
    tables: Sequence[Table],
    needed: Mapping[str, Collection[str]],
    orders: Mapping[tuple[str, str], DateOrder],
    dates: DateReader,
    progress: Callable[[int, int | None], None],
) -> Observed:
    create_quarantine(connection)
    catalog = read_catalog(source)
    found = [(table, stored) for table in tables if (stored := catalog.table(table.name)) is not None]
    total = sum(count_rows(source, stored.name) for _, stored in found)
    done = 0
    filled: dict[tuple[str, str], bool] = {}
    values: dict[str, int] = {}
    seen = []
    for table, stored in found:
        before = done

        def report_rows(rows: int, before: int = before) -> None:
            progress(before + rows, total)

        view = _Observer(source, connection, contract, table, stored, needed.get(table.name, ()), orders, dates)
        done += view.run(report_rows)
        filled.update(view.filled)
        if view.every_value:
            values[table.name] = view.usable
        seen.append(view.kept_table)
    return Observed(connection, tuple(seen), filled, values, {table.name: stored for table, stored in found})


class _Observer:
    """Copies one table. Columns beyond the needed ones are read only until they show a value."""

    def __init__(
        self,
        source: sqlite3.Connection,
        output: sqlite3.Connection,
        contract: Contract,
        table: Table,
        stored: SourceTable,
        needed: Collection[str],
        orders: Mapping[tuple[str, str], DateOrder],
        dates: DateReader,
    ) -> None:
        self._source, self._output, self._stored, self._table = source, output, stored, table
        spelled = {name.lower(): name for name in stored.column_names}
        self._names = [spelled.get(column.name.lower()) for column in table.columns]
        self._cleaners = column_cleaners(table, contract, orders, dates)
        self.every_value = EVERY_VALUE in needed
        self.usable = 0
        kept = [column for column in table.columns if column.name in {*needed, *table.row_key}]
        # A table without columns cannot be made, and its rows are counted all the same.
        self.kept_table = replace(table, columns=tuple(kept or table.columns[:1]))
        self.filled = {(table.name, column.name): False for column in table.columns}

    def run(self, progress: Callable[[int], None]) -> int:
        """Returns the rows of the table."""
        create_table(self._output, self.kept_table)
        kept = {column.name for column in self.kept_table.columns}
        names = [rowid_name(self.kept_table), *map(quote, kept_names := [c.name for c in self.kept_table.columns])]
        table = quote(self._table.name)
        insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
        self._look_at_the_start()
        wanted = [at for at, cleaner in enumerate(self._cleaners) if self._is_wanted(cleaner.column.name, kept)]
        rows = 0
        for chunk in read_chunks(self._source, self._stored, [self._names[at] for at in wanted]):
            rows += chunk.rows
            columns: dict[str, Sequence[object]] = {}
            for at, raw in zip(wanted, chunk.columns, strict=True):
                cleaner = self._cleaners[at]
                if self.every_value or cleaner.column.name in kept:
                    columns[cleaner.column.name] = self._observe(chunk, cleaner, raw)
                elif not self.filled[self._table.name, cleaner.column.name]:
                    self._note_value(cleaner, raw)
            ordered = (columns[name] for name in kept_names)
            self._output.executemany(insert, zip(chunk.row_ids, *ordered, strict=True))
            progress(rows)
        return rows

    def _is_wanted(self, name: str, kept: Collection[str]) -> bool:
        return self.every_value or name in kept or not self.filled[self._table.name, name]

    def _look_at_the_start(self) -> None:
        """Most columns show a value in the first rows; the others have to be read to the end."""
        for chunk in read_chunks(self._source, self._stored, self._names):
            for cleaner, raw in zip(self._cleaners, chunk.columns, strict=True):
                self._note_value(cleaner, raw)
            break

    def _note_value(self, cleaner: ColumnCleaner, raw: Sequence[object]) -> None:
        values, faults = cleaner.clean(raw)
        if faults or any(value is not None for value in values):
            self.filled[self._table.name, cleaner.column.name] = True

    def _observe(self, chunk: Chunk, cleaner: ColumnCleaner, raw: Sequence[object]) -> Sequence[object]:
        values, faults = cleaner.clean(raw)
        if self.every_value:
            self.usable += len(values) - values.count(None)
        place = (self._table.name, cleaner.column.name)
        if not self.filled[place]:
            self.filled[place] = bool(faults) or any(value is not None for value in values)
        if faults:
            self._keep_faults(chunk, cleaner, raw, faults)
        if cleaner.column.kind is Kind.TEXT and values is not raw:
            return [
                old if isinstance(old, str) and new is not None else new for old, new in zip(raw, values, strict=True)
            ]
        return values

    def _keep_faults(
        self, chunk: Chunk, cleaner: ColumnCleaner, raw: Sequence[object], faults: Mapping[int, Outcome]
    ) -> None:
        entries = [
            Entry(
                table_name=self._table.name,
                row_id=chunk.row_ids[row],
                row_key="",
                column_name=cleaner.column.name,
                original_value=storable(raw[row]),
                record_json=None,
                reason=outcome.fault.sentence if outcome.fault is not None else "",
                rule=outcome.fault or "",
                severity="error",
            )
            for row, outcome in faults.items()
        ]
        add_entries(self._output, entries, run_id="", quarantined_at="")
