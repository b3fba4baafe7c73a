"""Cleans one table of the snapshot into the new file: first which rows repeat a key, then all rows, then the accounts.

A row without a usable key, or without a value that may not be missing, goes into quarantine as a whole. Row numbers
are kept, so a quarantine entry finds its row. Knows one table; the file and its safety are in `writing.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sdconsole.contract.model import Contract, DateOrder, Table
from sdconsole.errors import OperationFailed, SourceRefused
from sdconsole.quality.clean.aside import Aside, required_columns
from sdconsole.quality.clean.audit import AuditTrail
from sdconsole.quality.clean.columns import ColumnCleaner, column_cleaners
from sdconsole.quality.clean.copy_way import CopyWay, can_copy
from sdconsole.quality.clean.duplicates import Duplicates, Numbered
from sdconsole.quality.clean.entry_maker import EntryMaker
from sdconsole.quality.clean.odd_cells import OddCells
from sdconsole.quality.clean.quarantine import Waiting
from sdconsole.quality.clean.report import TableReport, column_report, plain_counts
from sdconsole.quality.clean.row_way import RowWay
from sdconsole.quality.clean.settled import rows_sharing_a_key, settled_columns
from sdconsole.quality.clean.sieve import LookedAt, Sieve, SieveMaker
from sdconsole.quality.clean.stored_forms import StoredAlike, create_table, rowid_name
from sdconsole.quality.dates.reading import DateReader
from sdconsole.quality.profile.model import TableProfile
from sdconsole.quality.raw_rows import read_row
from sdconsole.source.catalog import SourceTable, quote
from sdconsole.source.refusal import EXPORT_AGAIN


@dataclass(frozen=True, slots=True)
class Run:
    """What all tables of one run share."""

    contract: Contract
    orders: Mapping[tuple[str, str], DateOrder]
    dates: DateReader
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
    waiting: Waiting
    """Takes the entries of the quarantine."""
    proven: TableProfile | None = None
    """What the profile says of these very bytes; None = look at every cell."""
    rowid: str = field(init=False)
    names: tuple[str | None, ...] = field(init=False)
    """For each column its name in the snapshot, None where the snapshot lacks it."""
    cleaners: tuple[ColumnCleaner, ...] = field(init=False)
    trial: tuple[ColumnCleaner, ...] = field(init=False)
    """The same once more, for looking ahead: what they count is nobody's."""
    aside: Aside = field(init=False)
    rows_in: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.rowid = rowid_name(self.table)
        spelled = {name.lower(): name for name in self.stored.column_names}
        self.names = tuple(spelled.get(column.name.lower()) for column in self.table.columns)
        self.cleaners, self.trial = self._column_cleaners(), self._column_cleaners()
        entries = EntryMaker(self.table, self.names)
        self.aside = Aside(self.table, self.cleaners, entries, self.waiting.add, self.run.audit)

    def _column_cleaners(self) -> tuple[ColumnCleaner, ...]:
        return column_cleaners(self.table, self.run.contract, self.run.orders, self.run.dates)

    def clean(self, progress: Callable[[int], None]) -> TableReport:
        """Fills the table of the new file. `progress` gets the rows read so far and may raise."""
        create_table(self.output, self.table)
        repeated = self._repeated(progress)
        for row_id, raw in repeated:
            self.aside.repeated(row_id, raw)
        for rows in self._copied([row_id for row_id, _ in repeated]):
            self.rows_in += rows
            progress(self.rows_in)
        return self._report()

    def _repeated(self, progress: Callable[[int], None]) -> list[Numbered]:
        if not self.table.row_key or not all(self.table.column(name) for name in self.table.row_key):
            return []
        duplicates = Duplicates(self.source, self.output, self.table, self.stored, self.names, self.trial)
        suspects: Sequence[int] | None = None
        if self.stored.rowid_name is not None:
            suspects = rows_sharing_a_key(self.table, self.proven)
        if suspects is None:
            suspects = duplicates.suspects(lambda: progress(0))
        return duplicates.among(suspects)

    def _copied(self, left_out: Sequence[int]) -> Iterator[int]:
        """Carries the rows over, chunk by chunk: how many rows the snapshot has there."""
        sieve = self._sieve()
        if sieve is None or self.run.attached is None:
            way = RowWay(
                self.source,
                self.output,
                self.table,
                self.stored,
                self.names,
                self.cleaners,
                self.trial,
                self.aside,
                self.rowid,
                frozenset(left_out),
            )
            yield from way.chunks()
            return
        copy = CopyWay(
            self.output,
            self.table,
            self.stored,
            self.names,
            sieve=sieve,
            cells=OddCells(self.cleaners, name_changed=self.run.audit is not None),
            rowid=self.rowid,
            left_out=left_out,
            snapshot=self.run.attached,
        )
        for rows, odd in copy.chunks():
            for row_id in sorted(odd.lacking):
                self.aside.incomplete(row_id, self._stored_row(row_id))
            for row_id in sorted(odd.faults):
                self.aside.values(row_id, self._stored_row(row_id), odd.faults[row_id])
            for row_id in sorted(odd.changed):
                self.aside.changed(row_id, self._stored_row(row_id))
            yield rows

    def _stored_row(self, row_id: int) -> Sequence[object]:
        row = read_row(self.source, self.stored, self.names, row_id)
        if row is None:
            raise SourceRefused(
                "source-damaged",
                f"{self.run.attached} is damaged",
                cause=f"table {self.table.name!r} has a row {row_id} that cannot be found by its number",
                next_step=EXPORT_AGAIN,
            )
        return row

    def _sieve(self) -> Sieve | None:
        if self.proven is None or self.run.attached is None or not can_copy(self.stored):
            return None
        settled = settled_columns(self.table, self.proven)
        profiled = {column.name.lower(): column for column in self.proven.columns}
        needed = {at for at, _, _ in required_columns(self.table)}
        looked_at = [
            LookedAt(at, cleaner, name, profiled.get((name or "").lower()), at in needed)
            for at, (cleaner, name) in enumerate(zip(self.cleaners, self.names, strict=True))
            if cleaner.column.name not in settled and (name is not None or at in needed)
        ]
        with closing(StoredAlike()) as alike:

            def stores_as_cleaned(cleaner: ColumnCleaner, raw: object) -> bool:
                outcome = cleaner.read(raw)
                changed = outcome.operations or outcome.flags or outcome.fault is not None
                return not changed and alike.is_alike(cleaner.column.kind, raw, outcome.value)

            return SieveMaker(self.source, self.stored, self.run.contract, stores_as_cleaned).make(looked_at)

    def _report(self) -> TableReport:
        rows_out = int(self.output.execute(f"SELECT count(*) FROM main.{quote(self.table.name)}").fetchone()[0])  # noqa: S608
        held = self.aside.held
        if self.rows_in != rows_out + held.total():
            raise OperationFailed(
                "clean-accounting",
                f"{self.table.name}: {self.rows_in} rows came in, {rows_out} went out",
                cause=f"{held.total()} are in quarantine, so the sum does not hold",
                state="the unfinished clean file was removed",
                next_step="this is a defect of sdconsole: please report it with the run's log",
            )
        absent = tuple(column.name for column, name in zip(self.table.columns, self.names, strict=True) if name is None)
        columns = tuple(column_report(cleaner.column.name, cleaner.tally) for cleaner in self.cleaners)
        return TableReport(self.table.name, self.rows_in, rows_out, plain_counts(held), columns, absent)
