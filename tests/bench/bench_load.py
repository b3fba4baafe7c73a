"""The load against the server's own binary COPY of the same rows, pgloader, ADBC and DuckDB, on the same file.

Also validation against load, the whole pipeline, how it grows to a million rows, memory, and how long a rollback takes.
Everything is measured in one run, in turns, and the least of several turns counts. Ends with 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import psutil
import psycopg
from psycopg import sql
from pydantic import TypeAdapter

from sdconsole import service
from sdconsole.config import Settings, load_settings
from sdconsole.contract.model import Table
from sdconsole.core.gates import FlagGate
from sdconsole.core.model import Mode, StageName
from sdconsole.core.projection import RunState
from sdconsole.errors import Verdict
from sdconsole.quality.clean.quarantine import QUARANTINE_TABLE
from sdconsole.service import DeployRequest
from sdconsole.source.open import open_source
from sdconsole.stages.deployment import Context
from sdconsole.stages.loading import actor
from sdconsole.target.connect import Connection, Target, connect
from sdconsole.target.embedded.postmaster import find_postmaster
from sdconsole.target.ledger.record import begin, live_deployment, mark_ready
from sdconsole.target.live.switch import cut_over
from sdconsole.target.load.blueprint import column_list, plan_table
from sdconsole.target.load.ddl import create_indexes, create_version, drop_version
from sdconsole.target.load.loader import load_piece
from sdconsole.target.load.order import Order, Piece, divided, whole_tables
from sdconsole.target.load.pool import LoaderPool
from sdconsole.target.proof.validate import validate_version
from tests.bench.cost import Cost, Meter, Report, in_turns, least
from tests.bench.peers import PACKAGES, PeerLeftOut, Peers
from tests.stages.loading_world import context, load

ROWS_BAR, VALIDATION_BAR, LINEAR_BAR, ROLLBACK_BAR_SECONDS, MEMORY_BAR_MB = 1.8, 1.0, 1.1, 1.0, 150
PGLOADER_BAR, PIPELINE_BAR = 0.30, 1.2
_NUMBERS = count(os.getpid() % 1_000 * 1_000)


@dataclass(frozen=True, slots=True)
class Proved:
    """A clean file, what is in it, and how the deployment that made it went."""

    clean: Path
    tables: tuple[Table, ...]
    rows: int
    state: RunState


def deployed(settings: Settings, export: Path, until: StageName | None = None) -> Proved:
    """A deployment of an export, whole or up to a stage."""
    request = DeployRequest(source=export, mode=Mode.COMPLETE, demo=True, until=until)
    with service.prepare_deploy(settings, request) as prepared:
        state = prepared.execute(FlagGate("bench", yes=True))
    assert state.verdict is Verdict.OK, state.finished
    shapes = Path(state.results[StageName.PROFILE].artifact("tables").path).read_bytes()
    tables = (*TypeAdapter(tuple[Table, ...]).validate_json(shapes), QUARANTINE_TABLE)
    clean = Path(state.results[StageName.CLEAN].artifact("clean").path)
    with closing(open_source(clean)) as rows:
        return Proved(clean, tables, sum(piece.rows for piece in whole_tables(rows, tables)), state)


@dataclass(slots=True)
class Bench:
    """One server and one clean file. Each method does its work once and returns the seconds it took."""

    settings: Settings
    target: Target
    superuser: str
    proved: Proved
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)

    def context(self, jobs: int | None) -> Context:
        ctx = context(self.folder, self.target.conninfo, self.proved.clean, load_jobs=jobs)
        ctx.deployment.target = self.target
        return ctx

    @contextmanager
    def version(self) -> Iterator[tuple[Connection, str, int]]:
        """An empty version of the proved tables; dropped in the end."""
        name = f"servicedesk_v20200101_{next(_NUMBERS):06d}"
        with closing(connect(self.target, application="sdconsole:bench")) as connection:
            row = begin(connection, live_schema="servicedesk", version=name, mode="bench", actor=actor(self.context(1)))
            create_version(connection, name, self.proved.tables, comment="bench")
            yield connection, name, row.id
            drop_version(connection, name)

    def write_files(self) -> None:
        """The rows as the server itself writes them: what its COPY reads back is the yardstick."""
        with self.version() as (connection, name, row), psycopg.connect(self.superuser, autocommit=True) as admin:
            self._rows_here(connection, name, row)
            found = admin.execute("SHOW data_directory").fetchone()
            assert found is not None
            for table in self.proved.tables:
                plan = plan_table(table)
                path = Path(found[0]) / f"bench-{plan.name}.copy"
                admin.execute(
                    sql.SQL("COPY {} ({}) TO {} (FORMAT binary)").format(
                        sql.Identifier(name, plan.name), self._columns(table), sql.Literal(str(path))
                    )
                )
                self.files[table.name] = path

    @staticmethod
    def _columns(table: Table) -> sql.Composed:
        return column_list([name for name, _ in plan_table(table).columns])

    def server_copy(self, *, indexes: bool = False) -> float:
        with self.version() as (connection, name, _), psycopg.connect(self.superuser, autocommit=True) as admin:
            started = time.perf_counter()
            for table in self.proved.tables:
                admin.execute(
                    sql.SQL("COPY {} ({}) FROM {} (FORMAT binary)").format(
                        sql.Identifier(name, plan_table(table).name),
                        self._columns(table),
                        sql.Literal(str(self.files[table.name])),
                    )
                )
            if indexes:
                for table in self.proved.tables:
                    create_indexes(connection, name, table)
            return time.perf_counter() - started

    def rows(self, processes: int) -> float:
        """Rows only, without indexes; processes are started within the time."""
        with self.version() as (connection, name, row):
            started = time.perf_counter()
            if processes:
                self._rows_in_processes(connection, name, row, processes)
            else:
                self._rows_here(connection, name, row)
            return time.perf_counter() - started

    def _order(self, name: str, row: int) -> Order:
        return Order(self.target, "sdconsole:bench", self.proved.clean, name, row)

    def _pieces(self) -> tuple[Piece, ...]:
        with closing(open_source(self.proved.clean)) as rows:
            return whole_tables(rows, self.proved.tables)

    def _rows_here(self, connection: Connection, name: str, row: int) -> None:
        for piece in self._pieces():
            load_piece(connection, self._order(name, row), piece, progress=lambda _rows, _bytes: None, pace=None)

    def _rows_in_processes(self, connection: Connection, name: str, row: int, processes: int) -> None:
        order = self._order(name, row)

        def here(piece: Piece) -> int:
            return load_piece(connection, order, piece, progress=lambda _rows, _bytes: pool.listen(watcher), pace=None)

        watcher = _Nobody()
        with closing(open_source(self.proved.clean)) as rows:
            pieces = divided(rows, whole_tables(rows, self.proved.tables), processes)
        with LoaderPool(processes, order) as pool:
            pool.load(pieces, watcher, here)

    def whole(self, jobs: int | None) -> float:
        """The load stage's work: schema, rows, steps, keys, indexes, statistics."""
        name = f"servicedesk_v20200101_{next(_NUMBERS):06d}"
        started = time.perf_counter()
        load(self.context(jobs), self.proved.clean, self.proved.tables, name)
        took = time.perf_counter() - started
        with closing(connect(self.target, application="sdconsole:bench")) as connection:
            drop_version(connection, name)
        return took

    def loaded(self) -> str:
        """A version that is loaded and ready."""
        name = f"servicedesk_v20200101_{next(_NUMBERS):06d}"
        load(self.context(None), self.proved.clean, self.proved.tables, name)
        with closing(connect(self.target, application="sdconsole:bench")) as connection:
            mark_ready(connection, name, actor=actor(self.context(1)))
        return name

    def validation(self, version: str) -> float:
        with closing(connect(self.target, application="sdconsole:bench")) as connection:
            started = time.perf_counter()
            findings = validate_version(connection, version, self.proved.tables, self.proved.clean)
            took = time.perf_counter() - started
        assert not [finding for finding in findings if finding.status == "fail"]
        return took

    def rollbacks(self, turns: int) -> list[float]:
        """Seconds of each switch back and forth between two versions."""
        versions = [self.loaded(), self.loaded()]
        took: list[float] = []
        with closing(connect(self.target, application="sdconsole:bench")) as connection:
            for turn in range(turns + 2):
                live = live_deployment(connection, "servicedesk")
                done = cut_over(
                    connection,
                    self.target,
                    versions[turn % 2],
                    previous=live.version if live else None,
                    actor=actor(self.context(1)),
                    kind="rollback" if turn > 1 else "cutover",
                )
                took += [done.duration_seconds] if turn > 1 else []
        return took


class _Nobody:
    """A watcher that does not care."""

    def copied(self, piece: Piece, rows: int, size_bytes: int) -> None:
        """Nothing to do."""

    def committed(self, piece: Piece, rows: int) -> None:
        """Nothing to do."""

    def waiting(self, busy: int) -> None:
        """Nothing to do."""


@contextmanager
def watched_memory() -> Iterator[dict[int, float]]:
    """The most memory, in MB by pid, that each loading process held while the block ran."""
    peaks: dict[int, float] = {}
    over = threading.Event()

    def look() -> None:
        me = psutil.Process()
        while not over.wait(0.05):
            for child in me.children():
                try:
                    if any("sdconsole.target.load.loader" in word for word in child.cmdline()):
                        peaks[child.pid] = max(peaks.get(child.pid, 0.0), child.memory_info().rss / 1e6)
                except psutil.NoSuchProcess:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", default="baseline", help="the file that everything is measured on")
    arguments.add_argument("--large", default="1000000", help="the file that growth is measured on; 0 = none")
    arguments.add_argument("--turns", type=int, default=4)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SDCONSOLE_EMBEDDED_ROOT"] = str(Path(folder) / "postgres")
        settings = load_settings(state_dir=Path(folder) / "state")
        server = service.embedded_server(settings)
        try:
            missed = measure(settings, Path(folder), asked.size, asked.large, asked.turns)
        finally:
            server.stop()
    sys.exit(1 if missed else 0)


def measure(settings: Settings, folder: Path, size: str, large: str, turns: int) -> list[str]:
    """Measures everything, prints it, and returns the bars that were missed."""
    export = service.generate_demo(settings, size=size)
    proved = deployed(settings, export)
    server = service.embedded_server(settings)
    target, superuser = service.resolve_target(settings), server.dsn(superuser=True)
    bench = Bench(settings, target, superuser, proved, folder)
    bench.write_files()
    version = bench.loaded()
    with psycopg.connect(superuser) as admin:
        data = Path(admin.execute("SHOW data_directory").fetchone()[0])  # type: ignore[index]
    postmaster = find_postmaster(data)
    assert postmaster is not None
    meter, report = Meter(postmaster.pid), Report("server COPY")
    peers = Peers(folder, proved.clean, proved.tables, target.conninfo, superuser)
    works: dict[str, Callable[[], float | None]] = {
        "server COPY": bench.server_copy,
        "rows, this process": lambda: bench.rows(0),
        "rows, 2 processes": lambda: bench.rows(2),
        "server COPY and indexes": lambda: bench.server_copy(indexes=True),
        "load, 1 job": lambda: bench.whole(1),
        "load, 2 jobs": lambda: bench.whole(2),
        "load": lambda: bench.whole(None),
        "validation": lambda: bench.validation(version),
        "all ten stages": lambda: deployed(settings, export).state.elapsed_seconds,
    }
    took = in_turns(meter, works | runnable(peers, report), turns)
    yardstick, load = took["server COPY"], took["load"]
    report.head(f"{proved.rows:,} rows, {os.cpu_count()} cores, the least of {turns} turns each")
    for name, cost in took.items():
        report.row(name, cost, yardstick)
    print()
    rows = least([took["rows, this process"], took["rows, 2 processes"]])
    report.ratio("rows / server COPY", rows, yardstick, ROWS_BAR)
    report.ratio("load / server COPY and indexes", load, took["server COPY and indexes"], ROWS_BAR)
    report.ratio("validation / load", took["validation"], load, VALIDATION_BAR)
    if "pgloader" in took:
        report.ratio("rows / pgloader", rows, took["pgloader"], PGLOADER_BAR)
        times = load.wall / took["pgloader"].wall
        print(f"        the load with keys and indexes, which pgloader does not make: {times:.2f} x")
        report.ratio("all ten stages / pgloader", took["all ten stages"], took["pgloader"], PIPELINE_BAR)
    report.bar("slowest of 10 rollbacks", max(bench.rollbacks(10)), ROLLBACK_BAR_SECONDS, "s")
    if large != "0":
        more = service.generate_demo(settings, size=large)
        took["growth"] = growth(bench, version, deployed(settings, more, StageName.CLEAN), meter, report, yardstick)
    report.end(sum(cost.others for cost in took.values()) / len(took))
    return report.missed


def runnable(peers: Peers, report: Report) -> dict[str, Callable[[], float | None]]:
    """The peers that can load the file here: each has done it once. The others are reported with the reason."""
    found: dict[str, Callable[[], float | None]] = {}
    try:
        peers.pgloader()
        found["pgloader"] = peers.pgloader
    except PeerLeftOut as reason:
        report.skip("pgloader", str(reason))
    for name in PACKAGES:
        try:
            python = peers.prepared(name)
            peers.tool(name, python)
            found[name] = partial(peers.tool, name, python)
        except PeerLeftOut as reason:
            report.skip(name, str(reason))
    return found


def growth(small: Bench, known: str, proved: Proved, meter: Meter, report: Report, yardstick: Cost) -> Cost:
    """Cost of each row at this size against that at the small one, in the same turns; the memory of each process.

    `known` is a loaded version of the small file.
    """
    bench = Bench(small.settings, small.target, small.superuser, proved, small.folder)
    version = bench.loaded()
    works: dict[str, Callable[[], float | None]] = {
        "load, few rows": lambda: small.whole(None),
        "validation, few rows": lambda: small.validation(known),
        "load, 1 job": lambda: bench.whole(1),
        "load, 2 jobs": lambda: bench.whole(2),
        "load": lambda: bench.whole(None),
        "validation": lambda: bench.validation(version),
    }
    with watched_memory() as peaks:
        took = in_turns(meter, works, 2)
    factor = proved.rows / small.proved.rows
    report.head(f"{proved.rows:,} rows, {factor:.2f} times as many, the least of 2 turns")
    for name, cost in took.items():
        report.row(name, cost, yardstick)
    print()
    for name in ("load", "validation"):
        before = took[f"{name}, few rows"]
        same = Cost(before.wall * factor, before.cpu * factor)
        report.ratio(f"growth of the {name} for each row", took[name], same, LINEAR_BAR)
    report.bar("the largest loading process", max(peaks.values()), MEMORY_BAR_MB, "MB")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as fresh:
        report.bar("a process that loads all of it", fresh.submit(_loading_mb, bench).result(), MEMORY_BAR_MB, "MB")
        report.bar("a process that validates", fresh.submit(_proving_mb, bench, version).result(), MEMORY_BAR_MB, "MB")
    return took["load"]


def _loading_mb(bench: Bench) -> float:
    bench.whole(1)
    return _peak_mb()


def _proving_mb(bench: Bench, version: str) -> float:
    bench.validation(version)
    return _peak_mb()


def _peak_mb() -> float:
    """The most that this process held; what `getrusage` says begins with what its parent held."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
