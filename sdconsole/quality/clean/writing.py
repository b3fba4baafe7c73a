"""Writes the clean file: a new SQLite file that holds only values PostgreSQL can take as they are.

The snapshot is only read. The new file appears under its name when everything is written, checked and on disk; when
anything fails before, an earlier file of that name is still there. Cleaning the clean file again changes nothing.
How a table is cleaned is in `table_cleaner.py`, what a value becomes in `cells.py`.
"""

from __future__ import annotations

import shlex
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sdconsole.contract.model import Contract, Table
from sdconsole.errors import OperationFailed, SourceRefused, UsageError
from sdconsole.quality.clean.audit import AuditTrail
from sdconsole.quality.clean.copy_way import attach_snapshot
from sdconsole.quality.clean.quarantine import (
    QUARANTINE,
    Waiting,
    carry_over,
    create_quarantine,
    is_quarantine,
    last_id,
    quarantined_rows,
)
from sdconsole.quality.clean.report import CleanReport, TableReport
from sdconsole.quality.clean.stored_forms import create_table
from sdconsole.quality.clean.table_cleaner import Run, TableCleaner
from sdconsole.quality.dates.reading import DATE_FORMAT, date_reader
from sdconsole.quality.drift.shape import deployed_tables
from sdconsole.quality.profile.model import Profile
from sdconsole.quality.same_bytes import same_bytes
from sdconsole.quality.scratch import hurry, scratch_database
from sdconsole.source.catalog import Catalog, count_rows, read_catalog
from sdconsole.source.file_check import first_bytes
from sdconsole.source.open import open_source
from sdconsole.source.output import new_file, refuse_same_file

APPLICATION_ID = 0x53444343
"""Marks a clean file as written by sdconsole ("SDCC", PRAGMA application_id of SQLite's file format)."""
_APPLICATION_ID = slice(68, 72)
Inspect = Callable[[sqlite3.Connection, CleanReport], None]


def clean_database(
    snapshot: Path,
    output: Path,
    contract: Contract,
    profile: Profile,
    *,
    run_id: str,
    progress: Callable[[int, int | None], None],
    inspect: Inspect | None = None,
    dry_run: bool = False,
    quarantined_at: datetime | None = None,
    audit: AuditTrail | None = None,
) -> CleanReport:
    """Cleans every deployed table of `snapshot` into `output` and says what it changed.

    `progress(rows done, rows in all)` is called at least every 5,000 rows; `inspect` gets the connection that holds
    the finished tables, and the report, before they are committed and renamed. Both may raise, which leaves nothing
    behind. `dry_run` does the same work in a private temporary database, so that `output` is neither looked at nor
    written. `quarantined_at` (UTC, default now) stamps the entries of the quarantine. Where `profile` knows the digest
    of the snapshot, the columns in which it found nothing to change are copied without being looked at again.
    `audit` gets every changed cell, which takes its time.
    Raises UsageError for an output that is the snapshot, no plain file or not ours, SourceRefused for a snapshot that
    cannot be read, CheckFailed "reserved-table" or "row-number-hidden", and OperationFailed "disk-full",
    "output-unwritable", "snapshot-changed" or "clean-accounting".
    """
    started = time.monotonic()
    stamp = (quarantined_at or datetime.now(UTC)).astimezone(UTC).strftime(DATE_FORMAT)
    dates = date_reader(contract, datetime.fromisoformat(profile.as_of))
    with closing(open_source(snapshot)) as source:

        def fill(connection: sqlite3.Connection) -> CleanReport:
            attached = attach_snapshot(connection, snapshot, source)
            run = Run(contract, profile.orders, dates, snapshot if attached else None, audit)
            waiting = Waiting(connection, run_id, stamp)
            tables, carried = _Filling(source, connection, run, waiting, profile, snapshot, progress).fill()
            filled = CleanReport(run_id, str(output), dry_run, tables, carried, time.monotonic() - started)
            if inspect is not None:
                inspect(connection, filled)
            return filled

        if dry_run:
            with scratch_database() as connection:
                report = fill(connection)
        else:
            refuse_same_file(snapshot, output)
            refuse_foreign(output)
            with new_file(output) as temporary, closing(_writer(temporary)) as connection:
                connection.execute(f"PRAGMA main.application_id = {APPLICATION_ID}")
                hurry(connection)
                report = fill(connection)
                connection.execute("COMMIT")
    return replace(report, duration_seconds=time.monotonic() - started)


def refuse_foreign(output: Path) -> None:
    """Raises UsageError "output-foreign" for an existing file that no cleaning has written, unless it is empty."""
    try:
        header = first_bytes(output)
    except SourceRefused:
        if not output.exists():
            return
        raise
    if header and int.from_bytes(header[_APPLICATION_ID], "big") != APPLICATION_ID:
        raise UsageError(
            "output-foreign",
            f"{output} exists, and sdconsole did not write it",
            cause="only an earlier clean file is replaced, so that nothing of yours is lost",
            state="nothing was written",
            next_step=f"give another path, or remove it first: rm {shlex.quote(str(output))}",
        )


def _writer(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path.absolute(), isolation_level=None, uri=True, check_same_thread=False)


@dataclass(frozen=True, slots=True)
class _Filling:
    """Fills a new file within the transaction of its connection."""

    source: sqlite3.Connection
    connection: sqlite3.Connection
    run: Run
    waiting: Waiting
    profile: Profile
    snapshot: Path
    progress: Callable[[int, int | None], None]

    def fill(self) -> tuple[tuple[TableReport, ...], int]:
        """The reports of all tables, and how many entries of an earlier quarantine were carried over."""
        catalog = read_catalog(self.source)
        deployed = deployed_tables(self.run.contract, self.profile)
        tables = tuple(table for table in deployed if table.name != QUARANTINE)
        create_quarantine(self.connection)
        brought = is_quarantine(catalog)
        digest = self.profile.digest if self.run.attached else ""
        with same_bytes(self.snapshot, digest, self.source):
            reports = self._clean(tables, catalog, proven=bool(digest))
        carried = carry_over(self.source, self.connection) if brought else 0
        first_id = last_id(self.connection)
        self.waiting.store()
        self._check_accounts(catalog, reports, first_id)
        return reports, carried

    def _clean(self, tables: tuple[Table, ...], catalog: Catalog, *, proven: bool) -> tuple[TableReport, ...]:
        stored = {table.name: catalog.table(table.name) for table in tables}
        counted = {table.name: table.rows for table in self.profile.tables}
        total = sum(counted.get(found.name, 0) for found in stored.values() if found is not None)
        done = 0
        reports: list[TableReport] = []
        for table in tables:
            found = stored[table.name]
            if found is None:
                create_table(self.connection, table)
                absent = tuple(column.name for column in table.columns)
                reports.append(TableReport(table.name, 0, 0, {}, (), absent))
                continue
            before = done

            def report_rows(rows: int, before: int = before) -> None:
                self.progress(before + rows, total)

            known = self.profile.table(found.name) if proven else None
            cleaner = TableCleaner(self.run, table, found, self.source, self.connection, self.waiting, known)
            reports.append(cleaner.clean(report_rows))
            done += reports[-1].rows_in
            self.progress(done, total)
        return tuple(reports)

    def _check_accounts(self, catalog: Catalog, reports: tuple[TableReport, ...], first_id: int) -> None:
        """Counts again, on both files: rows of the snapshot = rows of the clean file + rows in quarantine."""
        for report in reports:
            found = catalog.table(report.name)
            stored = 0 if found is None else count_rows(self.source, found.name)
            held = quarantined_rows(self.connection, report.name, after_id=first_id)
            if stored != report.rows_out + held or held != report.rows_quarantined:
                raise OperationFailed(
                    "clean-accounting",
                    f"{report.name}: {stored} rows of the snapshot are not accounted for",
                    cause=f"{report.rows_out} rows were written and {held} are in quarantine",
                    state="the unfinished clean file was removed",
                    next_step="this is a defect of sdconsole: please report it with the run's log",
                )
