"""Cleans one table of the snapshot into the new file: values by column, then rows, then repeated keys.

A row without a usable key, or without a value that may not be missing, goes into quarantine as a whole. Row numbers
are kept, so a quarantine entry finds its row. Knows one table; the file and its safety are in `clean.py`.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sdconsole.contract.model import Column, Contract, DateOrder, Kind, Table
from sdconsole.errors import CheckFailed, OperationFailed
from sdconsole.quality.clean_report import TableReport, column_report, plain_counts
from sdconsole.quality.columns import ColumnCleaner, column_cleaners
from sdconsole.quality.dates import DateReader
from sdconsole.quality.duplicates import duplicate_rows
from sdconsole.quality.outcome import Fault, Outcome
from sdconsole.quality.quarantine import QUARANTINE, Entry, add_entries, cleaned_record, record_of, storable
from sdconsole.quality.raw_rows import Chunk, read_chunks, read_row
from sdconsole.quality.values import shown
from sdconsole.source.catalog import SourceTable, quote

STORED_TYPES = {Kind.INTEGER: "INTEGER", Kind.REAL: "REAL"}
"""Everything else is TEXT, decimals included: SQLite has no exact ones."""
_ROWID_NAMES = ("rowid", "_rowid_", "oid")
_ROWS_BETWEEN_REPORTS = 1_000
_Faults = dict[int, dict[int, Outcome]]
"""Row position in the chunk -> column position -> outcome."""


@dataclass(frozen=True, slots=True)
class Run:
    """What all tables of one run share."""

    contract: Contract
    orders: Mapping[tuple[str, str], DateOrder]
    dates: DateReader
    run_id: str
    quarantined_at: str


@dataclass(slots=True)
class TableCleaner:
    """Cleans `table`, whose values are in `stored`, the table of the snapshot with the same name."""

    run: Run
    table: Table
    stored: SourceTable
    source: sqlite3.Connection
    output: sqlite3.Connection
    first_id: int
    """The last quarantine entry that an earlier run has left."""
    rowid: str = field(init=False)
    names: tuple[str | None, ...] = field(init=False)
    """For each column its name in the snapshot, None where the snapshot lacks it."""
    cleaners: tuple[ColumnCleaner, ...] = field(init=False)
    held: Counter[str] = field(init=False, default_factory=Counter)
    rows_in: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.rowid = rowid_name(self.table)
        spelled = {name.lower(): name for name in self.stored.column_names}
        self.names = tuple(spelled.get(column.name.lower()) for column in self.table.columns)
        self.cleaners = column_cleaners(self.table, self.run.contract, self.run.orders, self.run.dates)

    def clean(self, progress: Callable[[int], None]) -> TableReport:
        """Fills the table of the new file. `progress` gets the rows read so far and may raise."""
        create_table(self.output, self.table)
        insert = self._insert()
        required = self._required()
        for chunk in read_chunks(self.source, self.stored, self.names):
            self.rows_in += chunk.rows
            columns, faults = self._clean_values(chunk)
            held = _incomplete(columns, required)
            entries = [
                self._row_entry(chunk, columns, faults.pop(row, {}), row, reason) for row, reason in held.items()
            ]
            entries += self._value_entries(chunk, columns, faults)
            add_entries(self.output, entries, run_id=self.run.run_id, quarantined_at=self.run.quarantined_at)
            row_ids: Sequence[int] = chunk.row_ids
            if held:
                kept = [row for row in range(chunk.rows) if row not in held]
                row_ids = [row_ids[row] for row in kept]
                columns = [[column[row] for row in kept] for column in columns]
            self.output.executemany(insert, zip(row_ids, *columns, strict=True))
            progress(self.rows_in)
        self._hold_back_duplicates(progress)
        return self._report()

    def _insert(self) -> str:
        names = [self.rowid, *(quote(column.name) for column in self.table.columns)]
        return f"INSERT INTO {quote(self.table.name)} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608

    def _required(self) -> list[tuple[int, Column, Fault]]:
        """Columns that may not be NULL, those of the key first."""
        numbered = list(enumerate(self.table.columns))
        keys = [(at, column, Fault.KEY_MISSING) for at, column in numbered if column.name in self.table.key]
        return keys + [
            (at, column, Fault.REQUIRED_MISSING)
            for at, column in numbered
            if column.not_null and column.name not in self.table.key
        ]

    def _clean_values(self, chunk: Chunk) -> tuple[list[Sequence[object]], _Faults]:
        columns: list[Sequence[object]] = []
        faults: _Faults = {}
        for at, (cleaner, raw) in enumerate(zip(self.cleaners, chunk.columns, strict=True)):
            values, bad = cleaner.clean(raw)
            columns.append(values)
            for row, outcome in bad.items():
                faults.setdefault(row, {})[at] = outcome
        return columns, faults

    def _row_entry(
        self,
        chunk: Chunk,
        columns: Sequence[Sequence[object]],
        faults: Mapping[int, Outcome],
        row: int,
        reason: tuple[int, Column, Fault],
    ) -> Entry:
        at, column, missing = reason
        raw = tuple(values[row] for values in chunk.columns)
        for cleaner, value in zip(self.cleaners, raw, strict=True):
            cleaner.uncount(value)
        outcome = faults.get(at)
        fault = outcome.fault if outcome is not None and outcome.fault is not None else missing
        said = f"{column.name}: " + (f"{shown(raw[at])!r} is " if outcome is not None else "") + fault.sentence
        cleaned = [values[row] for values in columns]
        return self._held_entry(chunk.row_ids[row], raw, cleaned, {place: raw[place] for place in faults}, said, fault)

    def _held_entry(
        self,
        row_id: int,
        raw: Sequence[object],
        cleaned: Sequence[object],
        faults: Mapping[int, object],
        reason: str,
        fault: Fault,
    ) -> Entry:
        self.held[fault] += 1
        named = [
            (name or column.name, value)
            for name, column, value in zip(self.names, self.table.columns, raw, strict=True)
        ]
        return Entry(
            table_name=self.table.name,
            row_id=row_id,
            row_key=self._key_text(row_id, raw, cleaned),
            column_name=None,
            original_value=None,
            record_json=record_of([name for name, _ in named], [value for _, value in named]),
            reason=reason,
            rule=fault,
            severity="warn" if fault is Fault.DUPLICATE else "error",
            cleaned_json=cleaned_record(cleaned, faults),
        )

    def _value_entries(self, chunk: Chunk, columns: Sequence[Sequence[object]], faults: _Faults) -> list[Entry]:
        entries = []
        for row in sorted(faults):
            cleaned = [values[row] for values in columns]
            raw = tuple(values[row] for values in chunk.columns)
            key = self._key_text(chunk.row_ids[row], raw, cleaned)
            for at, outcome in faults[row].items():
                assert outcome.fault is not None
                self.cleaners[at].tally.faults[outcome.fault] += 1
                entries.append(
                    Entry(
                        table_name=self.table.name,
                        row_id=chunk.row_ids[row],
                        row_key=key,
                        column_name=self.table.columns[at].name,
                        original_value=storable(raw[at]),
                        record_json=None,
                        reason=outcome.fault.sentence,
                        rule=outcome.fault,
                        severity="error",
                    )
                )
        return entries

    def _key_text(self, row_id: int, raw: Sequence[object], cleaned: Sequence[object]) -> str:
        """The key of a row in words, as cleaned where that was possible; 'row 17' for a table without a key."""
        if not self.table.row_key:
            return f"row {row_id}"
        parts = []
        for name in self.table.row_key:
            at = next((place for place, column in enumerate(self.table.columns) if column.name == name), None)
            value = None if at is None else cleaned[at] if cleaned[at] is not None else raw[at]
            parts.append("" if value is None else storable(value) or "")
        return " | ".join(parts)

    def _hold_back_duplicates(self, progress: Callable[[int], None]) -> None:
        """Moves all but the newest row of each key out of the new table, with the values they have in quarantine."""
        names = ", ".join(quote(column.name) for column in self.table.columns)
        place = f"FROM {quote(self.table.name)} WHERE {self.rowid} = ?"
        repeated = duplicate_rows(self.output, self.table, self.rowid)
        faulty = self._take_value_entries(repeated)
        reason = f"{', '.join(self.table.row_key)}: {Fault.DUPLICATE.sentence}"
        for number, row_id in enumerate(repeated):
            cleaned = self.output.execute(f"SELECT {names} {place}", (row_id,)).fetchone()
            self.output.execute(f"DELETE {place}", (row_id,))
            raw = read_row(self.source, self.stored, self.names, row_id)
            if raw is None:
                raw = cleaned
            else:
                for cleaner, value in zip(self.cleaners, raw, strict=True):
                    cleaner.uncount(value)
            faults = {at: raw[at] for at in faulty.get(row_id, ())}
            entry = self._held_entry(row_id, raw, cleaned, faults, reason, Fault.DUPLICATE)
            add_entries(self.output, [entry], run_id=self.run.run_id, quarantined_at=self.run.quarantined_at)
            if number % _ROWS_BETWEEN_REPORTS == 0:
                progress(self.rows_in)

    def _take_value_entries(self, row_ids: Collection[int]) -> dict[int, list[int]]:
        """Takes this run's value entries of some rows out of the quarantine; returns the column positions by row."""
        if not row_ids or not any(cleaner.tally.faults for cleaner in self.cleaners):
            return {}
        wanted = set(row_ids)
        places = {column.name: at for at, column in enumerate(self.table.columns)}
        taken: dict[int, list[int]] = {}
        ids = []
        for entry_id, row_id, column_name, rule in self.output.execute(
            f"SELECT id, row_id, column_name, rule FROM {QUARANTINE}"  # noqa: S608
            " WHERE id > ? AND table_name = ? AND column_name IS NOT NULL ORDER BY id",
            (self.first_id, self.table.name),
        ):
            if row_id in wanted:
                taken.setdefault(row_id, []).append(places[column_name])
                self.cleaners[places[column_name]].tally.faults[rule] -= 1
                ids.append((entry_id,))
        self.output.executemany(f"DELETE FROM {QUARANTINE} WHERE id = ?", ids)  # noqa: S608
        return taken

    def _report(self) -> TableReport:
        rows_out = int(self.output.execute(f"SELECT count(*) FROM {quote(self.table.name)}").fetchone()[0])  # noqa: S608
        if self.rows_in != rows_out + self.held.total():
            raise OperationFailed(
                "clean-accounting",
                f"{self.table.name}: {self.rows_in} rows came in, {rows_out} went out",
                cause=f"{self.held.total()} are in quarantine, so the sum does not hold",
                state="the unfinished clean file was removed",
                next_step="this is a defect of sdconsole: please report it with the run's log",
            )
        absent = tuple(column.name for column, name in zip(self.table.columns, self.names, strict=True) if name is None)
        columns = tuple(column_report(cleaner.column.name, cleaner.tally) for cleaner in self.cleaners)
        return TableReport(self.table.name, self.rows_in, rows_out, plain_counts(self.held), columns, absent)


def _incomplete(
    columns: Sequence[Sequence[object]], required: Sequence[tuple[int, Column, Fault]]
) -> dict[int, tuple[int, Column, Fault]]:
    """The rows where a required column is NULL, with the first such column."""
    held: dict[int, tuple[int, Column, Fault]] = {}
    for reason in required:
        values = columns[reason[0]]
        if None in values:
            for row, value in enumerate(values):
                if value is None:
                    held.setdefault(row, reason)
    return dict(sorted(held.items()))


def create_table(connection: sqlite3.Connection, table: Table) -> None:
    """The table of the clean file: canonical storage, no constraints."""
    columns = ", ".join(f"{quote(column.name)} {STORED_TYPES.get(column.kind, 'TEXT')}" for column in table.columns)
    connection.execute(f"CREATE TABLE {quote(table.name)} ({columns})")


def rowid_name(table: Table) -> str:
    """The name that selects the row number. Raises CheckFailed when columns hide all three that SQLite knows."""
    taken = {column.name.lower() for column in table.columns}
    free = next((name for name in _ROWID_NAMES if name not in taken), None)
    if free is None:
        raise CheckFailed(
            "row-number-hidden",
            f"the rows of table {table.name!r} cannot be numbered",
            cause="its columns take all the names of SQLite's row number: rowid, _rowid_ and oid",
            next_step="rename one of these columns in the source",
        )
    return free
