"""Fill one version schema from a clean file: the same way for the canary and for the whole."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from sdconsole.contract.model import Table
from sdconsole.core.other_process import cores
from sdconsole.errors import OperationFailed, SdconsoleError
from sdconsole.source.open import open_source
from sdconsole.stages.deployment import Context
from sdconsole.stages.indexing import Indexing
from sdconsole.target.connect import Connection, connect
from sdconsole.target.ledger.record import Actor, begin, move, record_step
from sdconsole.target.ledger.rows import Deployment, VersionState, find_deployment
from sdconsole.target.load.ddl import create_version, drop_version
from sdconsole.target.load.loader import load_piece
from sdconsole.target.load.order import Order, Piece, divided, whole_tables
from sdconsole.target.load.pool import LoaderPool
from sdconsole.target.load.throttle import throttle
from sdconsole.target.names import target_table_name

FEW_ROWS: Final = 50_000
"""Up to here a second session costs more than it saves."""
MANY_ROWS: Final = 500_000
"""From here on a loading process beside this one pays for being started."""
DEFAULT_JOBS: Final = 2


@dataclass(frozen=True, slots=True)
class Loaded:
    deployment: Deployment
    rows: Mapping[str, int]
    skipped_indexes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lanes:
    """How a load is spread: processes that send rows, this one among them, and sessions at work on the server."""

    processes: int
    sessions: int


def lanes(jobs: int | None, rows: int) -> Lanes:
    """`jobs` None = as many as pay for so many rows; never more than there are cores."""
    if jobs is None and rows < MANY_ROWS:
        return Lanes(1, min(1 if rows < FEW_ROWS else DEFAULT_JOBS, cores()))
    chosen = min(jobs or DEFAULT_JOBS, cores())
    return Lanes(chosen, chosen)


def actor(ctx: Context) -> Actor:
    return Actor(ctx.run_id, ctx.deployment.operator, ctx.deployment.host)


def load_version(
    ctx: Context,
    connection: Connection,
    version: str,
    clean: Path,
    tables: tuple[Table, ...],
    *,
    clean_digest: str,
    canary: bool = False,
) -> Loaded:
    """Make the schema, copy the tables, each in one transaction together with its step, and build their indexes.

    A table cut into ranges gets its step when all of them are committed and counted; a version in which a table has no
    step never becomes ready.
    """
    target, settings = ctx.deployment.needed_target(), ctx.deployment.settings
    _, intake = ctx.deployment.needed_source()
    row = begin(
        connection,
        live_schema=target.live_schema,
        version=version,
        mode=ctx.deployment.mode,
        actor=actor(ctx),
        source=str(ctx.deployment.source),
        source_digest=intake.digest,
        clean_digest=clean_digest,
        canary=canary,
    )
    create_version(
        connection,
        version,
        tables,
        comment=f"sdconsole run {ctx.run_id}",
        reader_role=target.reader_role,
        automation_accounts=ctx.deployment.contract.automation_accounts,
    )
    with closing(open_source(clean)) as rows:
        pieces = whole_tables(rows, tables)
        spread = lanes(settings.load_jobs, sum(piece.rows for piece in pieces))
        ctx.log(f"{version} is loaded by {spread.processes} processes in {spread.sessions} sessions at once", "debug")
        pieces = divided(rows, pieces, spread.processes)
    limit = settings.load_throttle and settings.load_throttle / spread.processes
    order = Order(target, ctx.deployment.application, clean, version, row.id, limit)
    prefix = "canary " if canary else ""
    with Indexing(ctx, version, tables, task=f"{prefix}indexes") as indexing:
        work = _Work(ctx, connection, order, pieces, indexing, spread.sessions, prefix)
        with _rows_unnamed(settings.no_samples), LoaderPool(min(spread.processes, len(pieces)) - 1, order) as pool:
            pool.load(pieces, work, work.loader(pool))
        skipped = indexing.finish(spread.sessions)
    return Loaded(row, {table.name: work.loaded[table.name] for table in tables}, skipped)


@contextmanager
def _rows_unnamed(wanted: bool) -> Iterator[None]:
    """Where wanted, a refused row is told of without its key and its value."""
    try:
        yield
    except OperationFailed as failure:
        if not wanted or failure.slug not in ("value", "constraint"):
            raise
        cause = "which row and which value is left out, as the settings say (no_samples)"
        raise OperationFailed(
            failure.slug, failure.message, cause=cause, state=failure.state, next_step=failure.next_step
        ) from None


class _Work:
    """Follows the pieces of one load: progress, the steps of divided tables, indexes as soon as a table is there."""

    def __init__(
        self,
        ctx: Context,
        connection: Connection,
        order: Order,
        pieces: Sequence[Piece],
        indexing: Indexing,
        sessions: int,
        prefix: str,
    ) -> None:
        self._ctx, self._connection, self._order = ctx, connection, order
        self._indexing, self._sessions, self._prefix = indexing, sessions, prefix
        self._left = Counter(piece.table.name for piece in pieces)
        self._total: Counter[str] = Counter()
        for piece in pieces:
            self._total[piece.table.name] += piece.rows
        self._sent: dict[str, dict[tuple[int, int] | None, tuple[int, int]]] = {}
        self._without_step: deque[Table] = deque()
        self._sending = False
        self.loaded: Counter[str] = Counter()

    def loader(self, pool: LoaderPool) -> Callable[[Piece], int]:
        """What loads a piece from this process, on the stage's connection, and looks after all else meanwhile."""
        pace = throttle(self._order.rows_per_second, self._ctx.cancellation.wait)

        def load(piece: Piece) -> int:
            def progress(rows: int, size_bytes: int) -> None:
                self.copied(piece, rows, size_bytes)
                pool.listen(self)
                self.waiting(pool.busy + 1)

            self._sending = True
            try:
                return load_piece(self._connection, self._order, piece, progress=progress, pace=pace)
            finally:
                self._sending = False

        return load

    def copied(self, piece: Piece, rows: int, size_bytes: int) -> None:
        name = piece.table.name
        sent = self._sent.setdefault(name, {})
        sent[piece.numbers] = rows, size_bytes
        rows, size_bytes = (sum(each) for each in zip(*sent.values(), strict=True))
        self._ctx.progress(f"{self._prefix}{name}", rows, self._total[name], size_bytes=size_bytes)

    def committed(self, piece: Piece, rows: int) -> None:
        name = piece.table.name
        self._left[name] -= 1
        self.loaded[name] += rows
        if piece.numbers is None:
            self._indexing.add(piece.table)
        elif self._left[name] == 0:
            self._without_step.append(piece.table)
        while self._without_step and not self._sending:  # only then is the stage's connection free
            table = self._without_step.popleft()
            self._record_divided(table, self.loaded[table.name])
            self._indexing.add(table)

    def waiting(self, busy: int) -> None:
        self._ctx.checkpoint()
        self._indexing.advance(self._sessions - busy)

    def _record_divided(self, table: Table, rows: int) -> None:
        """The step of a table that several transactions loaded: what they committed is counted in the step's own."""
        name = sql.Identifier(self._order.version, target_table_name(table.name))
        with self._connection.transaction():
            found = self._connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
            if found != (rows,) or rows != self._total[table.name]:
                raise OperationFailed(
                    "load-incomplete",
                    f"{table.name} is not completely loaded",
                    cause=f"{found and found[0]} rows are there, {rows} were sent, {self._total[table.name]} were read",
                    next_step="run the load again: it starts a new version",
                )
            record_step(self._connection, self._order.deployment_id, table.name, rows)


def discard(ctx: Context, connection: Connection, version: str, reason: str) -> None:
    """Drop a version that this run made and that never became live; its row stays in the ledger as failed.

    A canary's row goes one step further: all attempts of a run give their canary the same name, and only a dropped
    version leaves its name to another.
    """
    row = find_deployment(connection, version)
    with connection.transaction():
        drop_version(connection, version)
        if row is None:
            return
        if row.state in (VersionState.LOADING, VersionState.READY):
            row = move(connection, version, VersionState.FAILED, actor=actor(ctx), reason=reason[:500])
        if row.canary and row.state is VersionState.FAILED:
            move(connection, version, VersionState.DROPPED, actor=actor(ctx))


def discard_apart(ctx: Context, version: str, reason: str) -> None:
    """`discard` on a connection of its own: the one that failed may be broken or cancelled.

    Never raises, so that the first error is the one that is told; what stays behind is said in the log.
    """
    target = ctx.deployment.needed_target()
    try:
        with closing(connect(target, application=ctx.deployment.application)) as connection:
            discard(ctx, connection, version, reason)
    except (SdconsoleError, psycopg.Error) as error:
        ctx.log(f"{version} was left half-loaded and is not live: {error}; another attempt drops it", "warning")
