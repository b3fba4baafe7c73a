"""The profile: one read of a SQLite file, all tables and all rows, that tells what is in it.

Every statement it sends is a SELECT on a read-only connection. What it finds is plain data (`profile_model.py`); what
follows from it is decided elsewhere.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from sdconsole.contract.model import Contract, DateOrder, Reference
from sdconsole.quality.answers import check_answers
from sdconsole.quality.dates import date_reader
from sdconsole.quality.findings import find_issues
from sdconsole.quality.profile_model import IssueSeverity, Profile, ReferenceProfile, TableProfile
from sdconsole.quality.row_codes import MISSING
from sdconsole.quality.table_pass import Setting, TablePass
from sdconsole.source.catalog import Catalog, SourceTable, count_rows, read_catalog
from sdconsole.source.open import open_source, reading

QUARANTINE_TABLE = "data_quarantine"
"""What cleaning wrote beside the data; in a file that was cleaned before it is listed, and not read as data."""
_KEY_SAMPLES = 3
_ROWS_BETWEEN_REPORTS = 4_096
_UNDECODABLE = "Could not decode to UTF-8"


def profile_database(
    path: Path,
    contract: Contract,
    *,
    answers: Mapping[tuple[str, str], DateOrder] | None = None,
    progress: Callable[[int, int | None], None],
    now: datetime | None = None,
    sample_count: int = 3,
) -> Profile:
    """Profiles every table of the file.

    `answers` name the order of date columns, by (table, column), and win over the contract. `now` (UTC) bounds the
    plausible dates. `sample_count` 0 keeps sample values out of the result. `progress` is called with rows done and
    rows in all at least every 10,000 rows, and may raise. Raises what `open_source` raises, SourceRefused for a file
    that turns out to be damaged, and UsageError "date-answer" for an answer about a column that is not there.
    """
    started = time.monotonic()
    as_of = (now or datetime.now(UTC)).replace(microsecond=0)
    setting = Setting(contract, date_reader(contract, as_of), dict(answers or {}), sample_count)
    connection = open_source(path)
    try:
        with reading(connection, str(path)):
            connection.execute("BEGIN")
            catalog = read_catalog(connection)
            passes = _plan(catalog, setting)
            check_answers(setting.answers, contract, {one.name: one.names for one in passes})
            _run(connection, passes, progress)
            tables = tuple(_table_profile(connection, one, passes) for one in passes)
    finally:
        connection.close()
    present = {table.name for table in tables}
    missing = tuple(table.name for table in contract.tables if table.name not in present)
    issues = find_issues(contract, tables, missing)
    return Profile(
        status=_status({issue.severity for issue in issues}),
        source=str(path),
        as_of=as_of.isoformat(),
        contract=contract.name,
        contract_digest=contract.digest,
        timezone=contract.timezone,
        tables=tables,
        issues=issues,
        missing_tables=missing,
        unknown_tables=tuple(table.name for table in tables if not table.known),
        skipped=(
            *(f"{skipped.name}: {skipped.reason}" for skipped in catalog.skipped),
            *(f"{QUARANTINE_TABLE}: what an earlier cleaning put aside" for _ in _quarantines(catalog)),
        ),
        duration_seconds=round(time.monotonic() - started, 3),
    )


def _quarantines(catalog: Catalog) -> list[SourceTable]:
    return [table for table in catalog.tables if table.name.lower() == QUARANTINE_TABLE]


def _plan(catalog: Catalog, setting: Setting) -> list[TablePass]:
    """The contract's tables first, in its order; then the unknown ones, in the file's."""
    contract = setting.contract
    wanted: dict[str, list[str]] = {}
    for table in contract.tables:
        for reference in table.references:
            wanted.setdefault(reference.table, []).append(reference.parent_column)
    passes = []
    for table in contract.tables:
        source = catalog.table(table.name)
        if source is not None:
            passes.append(TablePass(source, table, setting, parent_columns=wanted.get(table.name, ())))
    known = {one.source.name for one in passes} | {table.name for table in _quarantines(catalog)}
    passes += [TablePass(source, None, setting) for source in catalog.tables if source.name not in known]
    return passes


def _run(connection: sqlite3.Connection, passes: list[TablePass], progress: Callable[[int, int | None], None]) -> None:
    rows = [count_rows(connection, one.source.name) for one in passes]
    total = sum(rows)
    done = reported = 0

    def advance(rows: int) -> None:
        nonlocal done, reported
        done += rows
        if not rows or done - reported >= _ROWS_BETWEEN_REPORTS:
            reported = done
            progress(done, total)

    for one, most_rows in zip(passes, rows, strict=True):
        before = done
        try:
            one.run(connection, most_rows, advance)
        except sqlite3.OperationalError as error:
            if not str(error).startswith(_UNDECODABLE) or connection.text_factory is not str:
                raise
            # The fast way decodes in C and stops at bytes that are no UTF-8; this way keeps them as lone surrogates.
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            done = reported = before
            one.run(connection, most_rows, advance)
    progress(done, total)


def _table_profile(connection: sqlite3.Connection, one: TablePass, passes: list[TablePass]) -> TableProfile:
    table = one.table
    repeated, positions, key_missing = 0, list[int](), 0
    if one.keys is not None:
        repeated, positions = one.keys.repeated(_KEY_SAMPLES)
        key_missing = one.keys.missing
    unique_key = one.keys is not None and not repeated and not key_missing
    candidates = tuple(column.name for column in one.columns if column.unique)
    if unique_key and one.rows and len(one.key) == 1 and one.key[0] not in candidates:
        candidates = (*one.key, *candidates)
    known_names = {column.name for column in table.columns} if table else set[str]()
    return TableProfile(
        name=one.name,
        known=table is not None,
        big=table.big if table else False,
        rows=one.rows,
        columns=one.columns,
        key=one.key,
        key_is_unique=unique_key,
        duplicate_rows=repeated,
        key_missing=key_missing,
        key_samples=one.key_samples(connection, positions) if positions else (),
        candidate_keys=candidates,
        references=tuple(
            _reference_profile(one, reference, passes)
            for reference in (table.references if table else ())
            if reference.column in one.children
        ),
        rows_with_corrupt_date=one.rows_with_corrupt_date,
        missing_columns=tuple(column.name for column in table.columns if column.name not in one.names) if table else (),
        unknown_columns=tuple(name for name in one.names if name not in known_names) if table else (),
    )


def _reference_profile(one: TablePass, reference: Reference, passes: list[TablePass]) -> ReferenceProfile:
    child = one.children[reference.column]
    parent = next((p.parents.get(reference.parent_column) for p in passes if p.name == reference.table), None)
    codes = set(parent.codes) if parent is not None else set[int]()
    codes.discard(MISSING)
    ignored = 0
    if reference.ignore_value is not None:
        codes.discard(reference.ignore_value)
        ignored = child.codes.count(reference.ignore_value)
    return ReferenceProfile(
        column=reference.column,
        table=reference.table,
        parent_column=reference.parent_column,
        values=len(child.codes) - child.missing - ignored,
        ignored=ignored,
        orphans=child.not_in(codes) - ignored,
        max_orphan_percent=reference.max_orphan_percent,
        parent_present=parent is not None,
    )


def _status(severities: set[IssueSeverity]) -> str:
    if IssueSeverity.BLOCKER in severities:
        return "blocked"
    return "issues" if severities & {IssueSeverity.ERROR, IssueSeverity.WARN} else "ok"
