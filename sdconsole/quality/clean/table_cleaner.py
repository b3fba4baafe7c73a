"""Cleans one table of the snapshot into the new file: values by column, then rows, then repeated keys.

A row without a usable key, or without a value that may not be missing, goes into quarantine as a whole. Row numbers
are kept, so a quarantine entry finds its row. Knows one table; the file and its safety are in `clean.py`.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sdconsole.contract.model import Column, Contract, DateOrder, Kind, Table
from sdconsole.errors import CheckFailed, OperationFailed
from sdconsole.quality.clean.audit import AuditTrail
from sdconsole.quality.clean.columns import ColumnCleaner, column_cleaners
from sdconsole.quality.clean.duplicates import KeyCodes, duplicate_rows
from sdconsole.quality.clean.entry_maker import EntryMaker
from sdconsole.quality.clean.quarantine import QUARANTINE, Entry, add_entries
from sdconsole.quality.clean.report import TableReport, column_report, plain_counts
from sdconsole.quality.clean.settled import has_unique_key, settled_columns
from sdconsole.quality.clean.sieve import Sieve, SieveMaker
from sdconsole.quality.clean.table_audit import TableAudit
from sdconsole.quality.clean.table_writer import CopyWriter, RowWriter, StoredAlike, TableWriter, Write, can_copy
from sdconsole.quality.dates.reading import DateReader
from sdconsole.quality.lane import Lane
from sdconsole.quality.outcome import Fault, Outcome
from sdconsole.quality.profile.model import TableProfile
from sdconsole.quality.raw_rows import Chunk, read_chunks, read_row, read_sieved
from sdconsole.quality.values import shown
from sdconsole.source.catalog import SourceTable, quote

STORED_TYPES = {Kind.INTEGER: "INTEGER", Kind.REAL: "REAL"}
"""Everything else is TEXT, decimals included: SQLite has no exact ones."""
_ROWID_NAMES = ("rowid", "_rowid_", "oid")
_ROWS_BETWEEN_REPORTS = 1_000
_Faults = dict[int, dict[int, Outcome]]
"""Row position in the chunk -> column position in the table -> outcome."""
_Missing = tuple[int, Column, Fault]


@dataclass(frozen=True, slots=True)
class Run:
    """What all tables of one run share."""

    contract: Contract
    orders: Mapping[tuple[str, str], DateOrder]
    dates: DateReader
    run_id: str
    quarantined_at: str
    attached: Path | None = None
    """The snapshot, where the connection of the new file can read it too."""
    audit: AuditTrail | None = None
    """Takes every changed cell and every row that is not carried over."""


@dataclass(slots=True)
class TableCleaner:
    """Cleans `table`, whose values are in `stored`, the table of the snapshot with the same name."""

    run: Run
    table: Table
    stored: SourceTable
    source: sqlite3.Connection
    output: sqlite3.Connection
    """Used by the lane while a chunk is under way, and by this object only after waiting for it."""
    lane: Lane
    first_id: int
    """The last quarantine entry that an earlier run has left."""
    proven: TableProfile | None = None
    """What the profile says of these very bytes; None = look at every cell."""
    rowid: str = field(init=False)
    names: tuple[str | None, ...] = field(init=False)
    """For each column its name in the snapshot, None where the snapshot lacks it."""
    cleaners: tuple[ColumnCleaner, ...] = field(init=False)
    looked_at: tuple[int, ...] = field(init=False)
    """The positions of the columns whose cells are read; the others hold nothing to change."""
    entries: EntryMaker = field(init=False)
    codes: KeyCodes | None = field(init=False)
    audit: TableAudit | None = field(init=False, default=None)
    held: Counter[str] = field(init=False, default_factory=Counter)
    rows_in: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.rowid = rowid_name(self.table)
        spelled = {name.lower(): name for name in self.stored.column_names}
        self.names = tuple(spelled.get(column.name.lower()) for column in self.table.columns)
        self.cleaners = column_cleaners(self.table, self.run.contract, self.run.orders, self.run.dates)
        self.entries = EntryMaker(self.table, self.names)
        compared = bool(self.table.row_key) and all(self.table.column(name) for name in self.table.row_key)
        self.codes = KeyCodes() if compared and not has_unique_key(self.table, self.proven) else None
        self.looked_at = self._looked_at()
        if self.run.audit is not None:
            self.audit = TableAudit(self.run.audit, self.entries, self.cleaners, self.looked_at)

    @property
    def _copies(self) -> bool:
        return self.run.attached is not None and can_copy(self.stored)

    def _looked_at(self) -> tuple[int, ...]:
        numbered = range(len(self.names))
        if not self._copies:
            return tuple(numbered)
        settled = settled_columns(self.table, self.proven)
        if self.run.audit is not None:
            settled -= set(self.table.row_key)
        required = {column.name for _, column, _ in self._required()}
        return tuple(
            at
            for at in numbered
            if (name := self.table.columns[at].name) not in settled and (self.names[at] is not None or name in required)
        )

    def clean(self, progress: Callable[[int], None]) -> TableReport:
        """Fills the table of the new file. `progress` gets the rows read so far and may raise."""
        create_table(self.output, self.table)
        with closing(StoredAlike()) as alike:
            writer = self._writer(alike)
            place_of = {at: place for place, at in enumerate(self.looked_at)}
            required = [(place_of[at], column, fault) for at, column, fault in self._required() if at in place_of]
            for chunk in self._chunks(alike):
                self.rows_in += chunk.rows_passed
                columns, faults = self._clean_values(chunk)
                held = _incomplete(columns, required)
                entries = [self._row_entry(chunk, faults.pop(row, {}), row, reason) for row, reason in held.items()]
                entries += self._value_entries(chunk, faults)
                if self.audit is not None:
                    self.audit.cells(chunk, columns, held)
                    self.audit.rows(entries)
                self.lane.do(self._storing(chunk, entries, writer.prepare(chunk, columns, held)))
                progress(self.rows_in)
            self.lane.wait()
            writer.close()
        self._hold_back_duplicates(progress)
        return self._report()

    def _chunks(self, alike: StoredAlike) -> Iterator[Chunk]:
        names = [self.names[at] for at in self.looked_at]
        sieve = self._sieve(alike)
        if sieve is None:
            return read_chunks(self.source, self.stored, names)
        return read_sieved(self.source, self.stored, names, lambda: (sieve.condition, sieve.values))

    def _sieve(self, alike: StoredAlike) -> Sieve | None:
        if self.proven is None or not self._copies:
            return None

        def stores_as_cleaned(cleaner: ColumnCleaner, raw: object) -> bool:
            outcome = cleaner.read(raw)
            changed = outcome.operations or outcome.flags or outcome.fault is not None
            return not changed and alike.is_alike(cleaner.column.kind, raw, outcome.value)

        profiled = {column.name.lower(): column for column in self.proven.columns}
        needed = {at for at, _, _ in self._required()}
        columns = [
            (self.cleaners[at], name, profiled.get((name or "").lower()), at in needed)
            for at in self.looked_at
            for name in [self.names[at]]
        ]
        return SieveMaker(self.source, self.stored, self.run.contract, stores_as_cleaned).make(columns)

    def _writer(self, alike: StoredAlike) -> TableWriter:
        attached = self.run.attached
        if attached is None or not self._copies:
            return RowWriter(self.output, self.table, self.rowid)
        return CopyWriter(self.output, self.table, self.stored, self.names, self.rowid, self.looked_at, attached, alike)

    def _storing(self, chunk: Chunk, entries: Sequence[Entry], write: Write) -> Write:
        # Joined parts may look alike where the keys are not, which costs a comparison later, and no row.
        key = " || char(31) || ".join(map(quote, self.table.row_key))
        stored = f"SELECT {self.rowid}, {key} FROM main.{quote(self.table.name)} WHERE {self.rowid} BETWEEN ? AND ?"  # noqa: S608

        def store() -> None:
            self._add(entries)
            write()
            if self.codes is not None:
                self.codes.take(self.output.execute(stored, (chunk.first, chunk.last)).fetchall())

        return store

    def _add(self, entries: Sequence[Entry]) -> None:
        if entries:
            add_entries(self.output, entries, run_id=self.run.run_id, quarantined_at=self.run.quarantined_at)

    def _required(self) -> list[_Missing]:
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
        for at, raw in zip(self.looked_at, chunk.columns, strict=True):
            values, bad = self.cleaners[at].clean(raw)
            columns.append(values)
            for row, outcome in bad.items():
                faults.setdefault(row, {})[at] = outcome
        return columns, faults

    def _whole_row(self, chunk: Chunk, row: int) -> tuple[list[object], list[object]]:
        """A row as it stands in the snapshot and as cleaned, the columns that were not looked at included."""
        if len(self.looked_at) == len(self.names):
            raw: Sequence[object] = [values[row] for values in chunk.columns]
        else:
            raw = self._stored_row(chunk.row_ids[row]) or ()
        return list(raw), [cleaner.read(value).value for cleaner, value in zip(self.cleaners, raw, strict=True)]

    def _stored_row(self, row_id: int) -> tuple[object, ...] | None:
        return read_row(self.source, self.stored, self.names, row_id)

    def _row_entry(self, chunk: Chunk, faults: Mapping[int, Outcome], row: int, reason: _Missing) -> Entry:
        place, column, missing = reason
        at = self.looked_at[place]
        raw, cleaned = self._whole_row(chunk, row)
        for cleaner, value in zip(self.cleaners, raw, strict=True):
            cleaner.uncount(value)
        outcome = faults.get(at)
        fault = outcome.fault if outcome is not None and outcome.fault is not None else missing
        said = f"{column.name}: " + (f"{shown(raw[at])!r} is " if outcome is not None else "") + fault.sentence
        self.held[fault] += 1
        originals = {position: raw[position] for position in faults}
        return self.entries.row(chunk.row_ids[row], raw, cleaned, originals, said, fault)

    def _value_entries(self, chunk: Chunk, faults: _Faults) -> list[Entry]:
        made = []
        for row in sorted(faults):
            raw, cleaned = self._whole_row(chunk, row)
            row_id = chunk.row_ids[row]
            key = self.entries.key_text(row_id, raw, cleaned)
            for at, outcome in faults[row].items():
                assert outcome.fault is not None
                self.cleaners[at].tally.faults[outcome.fault] += 1
                made.append(self.entries.value(row_id, key, at, raw[at], outcome.fault))
        return made

    def _hold_back_duplicates(self, progress: Callable[[int], None]) -> None:
        """Moves all but the newest row of each key out of the new table, with the values they have in quarantine."""
        if self.codes is None:
            return
        names = ", ".join(quote(column.name) for column in self.table.columns)
        place = f"FROM main.{quote(self.table.name)} WHERE {self.rowid} = ?"
        repeated = duplicate_rows(self.output, self.table, self.rowid, self.codes.shared())
        faulty = self._take_value_entries(repeated)
        reason = f"{', '.join(self.table.row_key)}: {Fault.DUPLICATE.sentence}"
        for number, row_id in enumerate(repeated):
            cleaned = self.output.execute(f"SELECT {names} {place}", (row_id,)).fetchone()
            self.output.execute(f"DELETE {place}", (row_id,))
            raw = self._stored_row(row_id)
            if raw is None:
                raw = cleaned
            else:
                for cleaner, value in zip(self.cleaners, raw, strict=True):
                    cleaner.uncount(value)
            faults = {at: raw[at] for at in faulty.get(row_id, ())}
            self.held[Fault.DUPLICATE] += 1
            entry = self.entries.row(row_id, raw, cleaned, faults, reason, Fault.DUPLICATE)
            self._add([entry])
            if self.audit is not None:
                self.audit.rows([entry])
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
        rows_out = int(self.output.execute(f"SELECT count(*) FROM main.{quote(self.table.name)}").fetchone()[0])  # noqa: S608
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


def _incomplete(columns: Sequence[Sequence[object]], required: Sequence[_Missing]) -> dict[int, _Missing]:
    """The rows where a required column is NULL, with the first such column."""
    held: dict[int, _Missing] = {}
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
    connection.execute(f"CREATE TABLE main.{quote(table.name)} ({columns})")


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
