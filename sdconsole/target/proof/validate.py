"""Proves that a version schema is what the clean file says: structure, every value, references, and working views.

Any difference fails; only a share of orphans outside its expected band, which both sides agree on, is a warning. The
clean file and PostgreSQL are read at the same time, each by its own code: this thread hashes the clean file's rows, one
waits for SQLite's own figures about them, one for the server. Changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as StillRunning
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar, TypeVarTuple

import psycopg
from psycopg import sql

from sdconsole.contract.model import Reference, Table
from sdconsole.core.model import CheckStatus
from sdconsole.source.catalog import count_rows
from sdconsole.source.open import SourceConnection
from sdconsole.target.catalog import extension_schema, read_schema
from sdconsole.target.connect import Connection
from sdconsole.target.load.blueprint import plan_tables
from sdconsole.target.load.clean_file import open_clean
from sdconsole.target.load.views import View, product_views
from sdconsole.target.proof.aggregates import source_figures
from sdconsole.target.proof.finding import Finding, failed, passed
from sdconsole.target.proof.fingerprint import (
    Difference,
    TableFingerprint,
    differences,
    source_fingerprint,
    target_fingerprint,
)
from sdconsole.target.proof.references import Orphans, references_between, source_orphans, target_orphans
from sdconsole.target.proof.structure import comparable, structure_findings

__all__ = ["Finding", "validate_version"]

Progress = Callable[[int, int | None], None]
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

VIEW_SECONDS: Final = 30.0
"""How long a view may take to answer; dashboards want half a second, the validation only wants to know it works."""
_SECONDS_BETWEEN_REPORTS: Final = 0.25
_BEYOND_ALL_ROWS: Final = (1 << 63) - 1


def validate_version(
    connection: Connection,
    schema: str,
    tables: Sequence[Table],
    clean_path: Path,
    *,
    progress: Progress | None = None,
) -> tuple[Finding, ...]:
    """Everything that was checked; a finding whose status is FAIL means the version must not go live.

    `connection` is in autocommit and idle. `progress(rows done, rows in all)` is called several times a second and may
    raise: then the server's statement is cancelled. Raises psycopg.Error when the connection fails, and what opening
    and reading the clean file raise.
    """
    report = progress or (lambda _done, _total: None)
    plans = plan_tables(tables)
    views = product_views(tables)
    shape = read_schema(connection, schema)
    if shape is None:
        return (failed("schema", f"the schema {schema}", measured="missing", expected="there"),)
    wanted = {index.needs_extension for plan in plans for index in plan.indexes if index.needs_extension}
    extensions = {name for name in wanted if extension_schema(connection, name) is not None}
    findings = list(structure_findings(shape, plans, views, extensions))
    readable = [plan.source for plan in plans if comparable(shape, plan)]
    there = [view for view in views if shape.view(view.name) is not None]
    with open_clean(clean_path, tables) as clean:
        findings += _contents(connection, clean, clean_path, schema, readable, there, report)
    return tuple(findings)


def _contents(
    connection: Connection,
    clean: SourceConnection,
    clean_path: Path,
    schema: str,
    tables: Sequence[Table],
    views: Sequence[View],
    progress: Progress,
) -> list[Finding]:
    """Rows, values, references and views. The other threads get all their work at once and do it in its order."""
    counts = {table.name: count_rows(clean, table.name) for table in tables}
    total = sum(counts.values())
    links = list(references_between(tables))
    done = reached = 0

    def rows_done(rows: int, _total: int | None) -> None:
        nonlocal reached
        reached = max(reached, done + rows)
        progress(reached, total)

    pulse = _Pulse(lambda: progress(reached, total))
    expected: dict[str, TableFingerprint] = {}
    with _Server(connection) as server, _CleanFile(clean_path, tables) as file:
        stored = {table.name: server.submit(target_fingerprint, connection, schema, table) for table in tables}
        linked = [server.submit(target_orphans, connection, schema, *link) for link in links]
        answers = [server.submit(_view, connection, schema, view) for view in views]
        figures = {table.name: file.ask(source_figures, table) for table in tables}
        held = [file.ask(source_orphans, table, reference) for table, reference, _ in links]
        for table in tables:
            known = partial(_result, figures[table.name], pulse)
            with clean.checking(pulse):
                expected[table.name] = source_fingerprint(clean, table, progress=rows_done, figures=known)
            done += counts[table.name]
        measured = {name: _result(pending, pulse) for name, pending in stored.items()}
        orphans = [(_result(one, pulse), _result(two, pulse)) for one, two in zip(held, linked, strict=True)]
        working = [_result(pending, pulse) for pending in answers]
    found = [
        finding
        for table in tables
        for finding in _compared(connection, clean, schema, table, expected[table.name], measured[table.name])
    ]
    found += [_reference(*link, *both) for link, both in zip(links, orphans, strict=True)]
    return found + working


class _Thread:
    """One thread that does what it is given, in order. Leaving the block early interrupts what it is doing."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._pending: list[Future[Any]] = []

    def submit(self, work: Callable[[*Ts], T], *arguments: *Ts) -> Future[T]:
        pending = self._pool.submit(work, *arguments)
        self._pending.append(pending)
        return pending

    def interrupt(self) -> None:
        """Ends what is running right now; between two statements it ends nothing, so it is called again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        running = [pending for pending in self._pending if not pending.cancel()]
        while wait(running, timeout=0).not_done:
            self.interrupt()
            wait(running, timeout=_SECONDS_BETWEEN_REPORTS)
        self._pool.shutdown()


class _Server(_Thread):
    def __init__(self, connection: Connection) -> None:
        super().__init__("server")
        self._connection = connection

    def interrupt(self) -> None:
        with suppress(psycopg.Error):  # what stopped the validation is the error to report, not this
            self._connection.cancel_safe(timeout=3)


class _CleanFile(_Thread):
    """Has a connection to the clean file of its own: SQLite computes there while this thread's Python goes on."""

    def __init__(self, path: Path, tables: Sequence[Table]) -> None:
        super().__init__("clean-file")
        self._stack = ExitStack()
        self._opened = self.submit(lambda: self._stack.enter_context(open_clean(path, tables)))

    def ask(self, work: Callable[[SourceConnection, *Ts], T], *arguments: *Ts) -> Future[T]:
        return self.submit(lambda: work(self._opened.result(), *arguments))

    def interrupt(self) -> None:
        if self._opened.done() and self._opened.exception() is None:
            self._opened.result().interrupt()

    def __exit__(self, *details: object) -> None:
        self._pool.submit(self._stack.close)
        super().__exit__(*details)


class _Pulse:
    """Calls a function a few times a second at most, however often it is called itself."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._called_at = time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._called_at >= _SECONDS_BETWEEN_REPORTS:
            self._called_at = now
            self._function()


def _result(pending: Future[T], pulse: Callable[[], None]) -> T:
    while True:
        try:
            return pending.result(timeout=_SECONDS_BETWEEN_REPORTS)
        except StillRunning:
            if pending.done():
                raise
            pulse()


def _compared(
    connection: Connection,
    clean: SourceConnection,
    schema: str,
    table: Table,
    expected: TableFingerprint,
    measured: TableFingerprint,
) -> Iterator[Finding]:
    found = differences(expected, measured)
    if not found:
        yield passed("rows", "row count", table=table.name, measured=f"{measured.rows:,}")
        about = f"every value of {len(table.columns)} columns is the same"
        yield passed("content", about, table=table.name, measured=f"digest {measured.digest}")
        return
    if expected.rows != measured.rows:
        yield failed(
            "rows", "the number of rows", table=table.name, measured=f"{measured.rows:,}", expected=f"{expected.rows:,}"
        )
        return
    yield passed("rows", "row count", table=table.name, measured=f"{measured.rows:,}")
    closer = differences(
        source_fingerprint(clean, table, column_digests=True),
        target_fingerprint(connection, schema, table, column_digests=True),
    )
    found = closer or found
    in_columns = [one for one in found if one.column]
    yield from map(_content_finding, in_columns or found)


def _content_finding(one: Difference) -> Finding:
    return failed("content", one.what, table=one.table, column=one.column, measured=one.measured, expected=one.expected)


def _reference(table: Table, reference: Reference, parent: Table, expected: Orphans, measured: Orphans) -> Finding:
    about = f"orphans, of rows that name a row of {parent.name}"
    counted = f"{measured.orphans:,} of {measured.checked:,}, {measured.percent:.2f} %"
    if measured != expected:
        there = f"{expected.orphans:,} of {expected.checked:,}"
        return failed("references", about, table=table.name, column=reference.column, measured=counted, expected=there)
    if not measured.within(reference):
        limit = f"at most {reference.max_orphan_percent:g} %"
        return Finding("references", table.name, reference.column, CheckStatus.WARN, counted, limit, about)
    return passed("references", about, table=table.name, column=reference.column, measured=counted)


def _view(connection: Connection, schema: str, view: View) -> Finding:
    """Runs the whole view once, without fetching its rows.

    A statement that somebody cancelled is passed on, one that took too long is a finding.
    """
    query = sql.SQL("SELECT * FROM {} OFFSET {}").format(
        sql.Identifier(schema, view.name), sql.Literal(_BEYOND_ALL_ROWS)
    )
    started = time.monotonic()
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('statement_timeout', %s, true)", (str(round(VIEW_SECONDS * 1000)),))
            connection.execute(query)
    except psycopg.Error as error:
        elapsed = time.monotonic() - started
        if error.sqlstate is None or (error.sqlstate == "57014" and elapsed < VIEW_SECONDS):
            raise
        return failed(
            "views",
            f"the view {view.name}",
            measured=error.diag.message_primary or "not readable",
            expected="readable",
        )
    return passed("views", f"the view {view.name} answers", measured=f"{(time.monotonic() - started) * 1000:.0f} ms")
