"""Writes the clean file: a new SQLite file that holds only values PostgreSQL can take as they are.

The snapshot is only read. The new file appears under its name when everything is written, checked and on disk; when
anything fails before, an earlier file of that name is still there. Cleaning the clean file again changes nothing.
How a table is cleaned is in `table_cleaner.py`, what a value becomes in `cells.py`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sdconsole.contract.model import Contract, Table
from sdconsole.errors import OperationFailed
from sdconsole.quality.clean_report import CleanReport, TableReport
from sdconsole.quality.dates import DATE_FORMAT, date_reader
from sdconsole.quality.profile_model import Profile
from sdconsole.quality.quarantine import (
    QUARANTINE,
    carry_over,
    create_quarantine,
    is_quarantine,
    last_id,
    quarantined_rows,
)
from sdconsole.quality.scratch import hurry, scratch_database
from sdconsole.quality.shape import deployed_tables
from sdconsole.quality.table_cleaner import Run, TableCleaner, create_table
from sdconsole.source.catalog import Catalog, count_rows, read_catalog
from sdconsole.source.open import open_source
from sdconsole.source.output import new_file, refuse_same_file


def clean_database(
    snapshot: Path,
    output: Path,
    contract: Contract,
    profile: Profile,
    *,
    run_id: str,
    progress: Callable[[int, int | None], None],
    inspect: Callable[[sqlite3.Connection], None] | None = None,
    dry_run: bool = False,
    quarantined_at: datetime | None = None,
) -> CleanReport:
    """Cleans every deployed table of `snapshot` into `output` and says what it changed.

    `progress(rows done, rows in all)` is called at least every 5,000 rows; `inspect` gets the connection that holds the
    finished tables before they are committed and renamed. Both may raise, which leaves nothing behind. `dry_run` does
    the same work in a private temporary database, so that `output` is neither looked at nor written.
    `quarantined_at` (UTC, default now) stamps the entries of the quarantine.
    Raises UsageError for an output that is the snapshot or no plain file, SourceRefused for a snapshot that cannot be
    read, CheckFailed "reserved-table" or "row-number-hidden", and OperationFailed "disk-full", "output-unwritable" or
    "clean-accounting".
    """
    started = time.monotonic()
    stamp = (quarantined_at or datetime.now(UTC)).astimezone(UTC).strftime(DATE_FORMAT)
    run = Run(contract, profile.orders, date_reader(contract, datetime.fromisoformat(profile.as_of)), run_id, stamp)
    tables = tuple(table for table in deployed_tables(contract, profile) if table.name != QUARANTINE)
    with closing(open_source(snapshot)) as source:
        if dry_run:
            with scratch_database() as connection:
                reports, carried = _fill(connection, source, tables, run, progress, inspect)
        else:
            refuse_same_file(snapshot, output)
            with new_file(output) as temporary, closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
                hurry(connection)
                reports, carried = _fill(connection, source, tables, run, progress, inspect)
                connection.execute("COMMIT")
    return CleanReport(run_id, str(output), dry_run, reports, carried, time.monotonic() - started)


def _fill(
    connection: sqlite3.Connection,
    source: sqlite3.Connection,
    tables: tuple[Table, ...],
    run: Run,
    progress: Callable[[int, int | None], None],
    inspect: Callable[[sqlite3.Connection], None] | None,
) -> tuple[tuple[TableReport, ...], int]:
    """Writes all tables within the connection's transaction."""
    catalog = read_catalog(source)
    create_quarantine(connection)
    carried = carry_over(source, connection) if is_quarantine(catalog) else 0
    first_id = last_id(connection)
    reports = _clean_tables(source, connection, catalog, tables, run, first_id, progress)
    _check_accounts(source, connection, catalog, reports, first_id)
    if inspect is not None:
        inspect(connection)
    return reports, carried


def _clean_tables(
    source: sqlite3.Connection,
    connection: sqlite3.Connection,
    catalog: Catalog,
    tables: tuple[Table, ...],
    run: Run,
    first_id: int,
    progress: Callable[[int, int | None], None],
) -> tuple[TableReport, ...]:
    stored = {table.name: catalog.table(table.name) for table in tables}
    total = sum(count_rows(source, found.name) for found in stored.values() if found is not None)
    done = 0
    reports: list[TableReport] = []
    for table in tables:
        found = stored[table.name]
        if found is None:
            create_table(connection, table)
            absent = tuple(column.name for column in table.columns)
            reports.append(TableReport(table.name, 0, 0, {}, (), absent))
            continue
        before = done

        def report_rows(rows: int, before: int = before) -> None:
            progress(before + rows, total)

        report = TableCleaner(run, table, found, source, connection, first_id).clean(report_rows)
        done += report.rows_in
        progress(done, total)
        reports.append(report)
    return tuple(reports)


def _check_accounts(
    source: sqlite3.Connection,
    connection: sqlite3.Connection,
    catalog: Catalog,
    reports: tuple[TableReport, ...],
    first_id: int,
) -> None:
    """Counts again, on both files: rows of the snapshot = rows of the clean file + rows in quarantine."""
    for report in reports:
        found = catalog.table(report.name)
        stored = 0 if found is None else count_rows(source, found.name)
        held = quarantined_rows(connection, report.name, after_id=first_id)
        if stored != report.rows_out + held or held != report.rows_quarantined:
            raise OperationFailed(
                "clean-accounting",
                f"{report.name}: {stored} rows of the snapshot are not accounted for",
                cause=f"{report.rows_out} rows were written and {held} are in quarantine",
                state="the unfinished clean file was removed",
                next_step="this is a defect of sdconsole: please report it with the run's log",
            )
