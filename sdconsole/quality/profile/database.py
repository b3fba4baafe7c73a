"""The profile: one read of a SQLite file, all tables and all rows, that tells what is in it.

Every statement it sends is a SELECT on a read-only connection. What it finds is plain data (`profile_model.py`); what
follows from it is decided elsewhere.
"""

from __future__ import annotations

import sqlite3
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sdconsole.contract.model import Contract, DateOrder, Reference, Table
from sdconsole.quality.dates.answers import check_answers
from sdconsole.quality.profile.findings import find_issues
from sdconsole.quality.profile.model import IssueSeverity, Profile, ReferenceProfile, TableProfile
from sdconsole.quality.profile.part_order import Order
from sdconsole.quality.profile.part_readers import read_parts, readers_for, second_reader
from sdconsole.quality.profile.table_parts import Part, PartFacts, column_weights, cut, parent_columns
from sdconsole.quality.row_codes import MISSING
from sdconsole.source.catalog import Catalog, SourceTable, count_rows, read_catalog
from sdconsole.source.file_check import identity
from sdconsole.source.open import open_source, reading

QUARANTINE_TABLE = "data_quarantine"
"""What cleaning wrote beside the data; in a file that was cleaned before it is listed, and not read as data."""


def profile_database(
    path: Path,
    contract: Contract,
    *,
    answers: Mapping[tuple[str, str], DateOrder] | None = None,
    progress: Callable[[int, int | None], None],
    now: datetime | None = None,
    sample_count: int = 3,
    processes: int | None = None,
    digest: str = "",
    corrupt_percent: int = 20,
) -> Profile:
    """Profiles every table of the file.

    `answers` name the order of date columns, by (table, column), and win over the contract. `now` (UTC) bounds the
    plausible dates. `sample_count` 0 keeps sample values out of the result. `progress` is called with rows done and
    rows in all at least every 10,000 rows, and may raise. `processes` (1 or 2; None = as many as pay) changes the time
    it takes and nothing else. `digest` is the SHA-256 of the file, by which cleaning knows that these findings are
    about the same bytes. Over `corrupt_percent` of corrupt dates a column's finding is an error. Raises what
    `open_source` raises, SourceRefused for a file that turns out to be damaged, and UsageError "date-answer" for an
    answer about a column that is not there.
    """
    started = time.monotonic()
    as_of = (now or datetime.now(UTC)).replace(microsecond=0)
    order = Order(path, identity(path), contract, as_of, dict(answers or {}), sample_count)
    with closing(open_source(path)) as connection, reading(connection, str(path)):
        connection.execute("BEGIN")
        catalog = read_catalog(connection)
        with second_reader(order, wanted=(processes or readers_for(connection, order)) > 1) as other:
            wholes = _tables(connection, catalog, contract)
            check_answers(order.answers, contract, {_name(whole): whole.names for whole in wholes})
            parts = cut(wholes)
            flat = [part for table in parts for part in table]
            found = iter(read_parts(connection, order, flat, _telling(progress, wholes), other=other))
    facts = {_name(whole): [next(found) for _ in table] for whole, table in zip(wholes, parts, strict=True)}
    tables = tuple(_table_profile(whole, facts) for whole in wholes)
    present = {table.name for table in tables}
    missing = tuple(table.name for table in contract.tables if table.name not in present)
    issues = find_issues(contract, tables, missing, corrupt_percent=corrupt_percent)
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
        digest=digest,
    )


def _quarantines(catalog: Catalog) -> list[SourceTable]:
    return [table for table in catalog.tables if table.name.lower() == QUARANTINE_TABLE]


def _tables(connection: sqlite3.Connection, catalog: Catalog, contract: Contract) -> list[Part]:
    """Every table whole: the contract's first, in its order; then the unknown ones, in the file's."""
    found: list[tuple[SourceTable, Table | None]] = []
    for table in contract.tables:
        source = catalog.table(table.name)
        if source is not None:
            found.append((source, table))
    known = {source.name for source, _ in found} | {table.name for table in _quarantines(catalog)}
    found += [(source, None) for source in catalog.tables if source.name not in known]
    return [_whole(connection, contract, source, table) for source, table in found]


def _whole(connection: sqlite3.Connection, contract: Contract, source: SourceTable, table: Table | None) -> Part:
    rows = count_rows(connection, source.name)
    referred = parent_columns(contract, table.name) if table else ()
    return Part(source, table, rows, referred, column_weights(connection, source, rows))


def _telling(progress: Callable[[int, int | None], None], tables: Sequence[Part]) -> Callable[[int], None]:
    """Turns cells read into rows done and rows in all: the columns of a large table are read in several goes."""
    rows, cells = sum(table.rows for table in tables), sum(table.cells for table in tables)
    return lambda done: progress(done * rows // cells if cells else rows, rows)


def _name(part: Part) -> str:
    return part.table.name if part.table else part.source.name


def _table_profile(whole: Part, facts: Mapping[str, Sequence[PartFacts]]) -> TableProfile:
    table = whole.table
    mine = facts[_name(whole)]
    keyed = next((one for one in mine if one.key), mine[0])
    by_name = {column.name: column for one in mine for column in one.columns}
    columns = tuple(by_name[name] for name in whole.names)
    candidates = tuple(column.name for column in columns if column.unique)
    if keyed.key_is_unique and keyed.rows and len(keyed.key) == 1 and keyed.key[0] not in candidates:
        candidates = (*keyed.key, *candidates)
    known_names = {column.name for column in table.columns} if table else set[str]()
    return TableProfile(
        name=_name(whole),
        known=table is not None,
        big=table.big if table else False,
        rows=keyed.rows,
        columns=columns,
        key=keyed.key,
        key_is_unique=keyed.key_is_unique,
        duplicate_rows=keyed.duplicate_rows,
        key_missing=keyed.key_missing,
        key_samples=keyed.key_samples,
        rows_sharing_a_key=keyed.rows_sharing_a_key,
        candidate_keys=candidates,
        references=tuple(
            _reference_profile(reference, children, facts.get(reference.table, ()))
            for reference in (table.references if table else ())
            for one in mine
            if (children := one.children.get(reference.column)) is not None
        ),
        rows_with_corrupt_date=sum(one.rows_with_corrupt_date for one in mine),
        missing_columns=tuple(c.name for c in table.columns if c.name not in by_name) if table else (),
        unknown_columns=tuple(name for name in whole.names if name not in known_names) if table else (),
    )


def _reference_profile(
    reference: Reference, children: array[int], parent_table: Sequence[PartFacts]
) -> ReferenceProfile:
    parent = next(
        (one.parents[reference.parent_column] for one in parent_table if reference.parent_column in one.parents), None
    )
    codes = set(parent) if parent is not None else set[int]()
    codes.discard(MISSING)
    missing = children.count(MISSING)
    ignored = 0
    if reference.ignore_value is not None:
        codes.discard(reference.ignore_value)
        ignored = children.count(reference.ignore_value)
    values = len(children) - missing - ignored
    return ReferenceProfile(
        column=reference.column,
        table=reference.table,
        parent_column=reference.parent_column,
        values=values,
        ignored=ignored,
        orphans=values - sum(map(codes.__contains__, children)),
        max_orphan_percent=reference.max_orphan_percent,
        parent_present=parent is not None,
    )


def _status(severities: set[IssueSeverity]) -> str:
    if IssueSeverity.BLOCKER in severities:
        return "blocked"
    return "issues" if severities & {IssueSeverity.ERROR, IssueSeverity.WARN} else "ok"
