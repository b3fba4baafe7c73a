"""A load in several processes: the same version as in one, and nothing of it when any part of it fails or dies."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sdconsole.contract.model import Column, Index, Table
from sdconsole.core.bus import Bus
from sdconsole.core.events import Event, Paused, Progress, Record
from sdconsole.core.model import CheckStatus
from sdconsole.core.stage import Wish
from sdconsole.errors import CheckFailed, Interrupted, OperationFailed, TargetUnreachable
from sdconsole.source.open import open_source
from sdconsole.stages import loading
from sdconsole.stages.loading import FEW_ROWS, MANY_ROWS, Lanes, actor, discard_apart, lanes
from sdconsole.target import connect as connecting
from sdconsole.target.connect import Connection, Target, connect
from sdconsole.target.ledger.record import mark_ready, steps
from sdconsole.target.ledger.rows import VersionState, deployment_of
from sdconsole.target.load import order as load_order
from sdconsole.target.load.order import divided, whole_tables
from sdconsole.target.load.pool import LoaderPool
from sdconsole.target.load.throttle import throttle
from sdconsole.target.proof.validate import validate_version
from tests.conftest import Database
from tests.patience import within
from tests.stages.loading_world import LARGE, TABLES, VERSION, children, clean_file, context, load
from tests.stages.target_clean_file import write_clean

OTHER = f"{VERSION}_2"
SLOW = 4_000
"""Rows a second that make a load of the large table take seconds."""


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return clean_file(tmp_path / "clean.db")


@pytest.fixture
def connection(pg: Database) -> Iterator[Connection]:
    with closing(connect(Target("test", pg.dsn, "servicedesk", ""), application="test")) as connection:
        yield connection


@pytest.fixture
def three_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "cores", lambda: 3)


def test_a_load_may_rest_longer_than_a_session_may_be_idle_in_its_transaction(
    clean: Path, pg: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connecting._SESSION, "idle_in_transaction_session_timeout", "150")
    ctx = context(tmp_path, pg.dsn, clean)
    who = Wish("anna", "sdconsole pause")
    heard: list[Event] = []

    def resting(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Paused):
            time.sleep(0.4)
            ctx.cancellation.unpause(who)
        elif isinstance(event, Progress) and event.done in (0, event.total):
            ctx.cancellation.pause(who)

    ctx.publish = resting
    loaded = load(ctx, clean)
    assert loaded.rows == {"small": 8_000, "large": 12_000, "keyless": 9_000}
    assert sum(isinstance(event, Paused) for event in heard) >= 3


def until(condition: Callable[[], object], *, seconds: float = 10.0) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it never came to that"
        time.sleep(0.02)


def sessions(connection: Connection) -> int:
    """How many of this load's sessions there are: the stage's own and those of the processes beside it."""
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'sdconsole:%'"
        " AND datname = current_database()"
    ).fetchone()
    assert row is not None
    return int(row[0])


def schemas(connection: Connection) -> set[str]:
    rows = connection.execute("SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'servicedesk%'").fetchall()
    return {row[0] for row in rows}


def wrong(connection: Connection, version: str, clean: Path) -> list[str]:
    findings = validate_version(connection, version, TABLES, clean)
    assert len(findings) > 10
    return [finding.detail for finding in findings if finding.status is CheckStatus.FAIL]


def indexes(connection: Connection, version: str) -> set[str]:
    rows = connection.execute("SELECT indexdef FROM pg_indexes WHERE schemaname = %s", [version]).fetchall()
    return {row[0].replace(version, "") for row in rows}


def test_two_processes_load_the_same_version_as_one(
    connection: Connection, pg: Database, clean: Path, tmp_path: Path, three_cores: None
) -> None:
    alone = load(context(tmp_path, pg.dsn, clean, load_jobs=1), clean)
    seen: list[Event] = []
    beside = load(context(tmp_path, pg.dsn, clean, seen, load_jobs=2), clean, version=OTHER)
    assert alone.rows == beside.rows == {"small": 8_000, "large": 12_000, "keyless": 9_000}
    assert list(beside.rows) == [table.name for table in TABLES]
    assert wrong(connection, VERSION, clean) == wrong(connection, OTHER, clean) == []
    assert indexes(connection, VERSION) == indexes(connection, OTHER)
    assert len(indexes(connection, OTHER)) == 7
    assert steps(connection, beside.deployment.id) == beside.rows
    ctx = context(tmp_path, pg.dsn, clean)
    assert mark_ready(connection, OTHER, actor=actor(ctx)).state is VersionState.READY
    ends = {event.task: event for event in seen if isinstance(event, Progress)}
    assert {task: (event.done, event.total) for task, event in ends.items()} == {
        "small": (8_000, 8_000),
        "large": (12_000, 12_000),
        "keyless": (9_000, 9_000),
        "indexes": (10, 10),
    }
    assert children() == set()


def test_rows_of_a_table_in_one_piece_arrive_in_the_order_of_the_key(
    connection: Connection, pg: Database, clean: Path, tmp_path: Path, three_cores: None
) -> None:
    load(context(tmp_path, pg.dsn, clean, load_jobs=2), clean)
    found = [row[0] for row in connection.execute(f"SELECT id FROM {VERSION}.large ORDER BY ctid")]
    steps_back = sum(after < before for before, after in pairwise(found))
    assert steps_back < 100, "the server may fill its pages in any order, but the rows of a page follow each other"
    numbered = connection.execute(f"SELECT row_id, word FROM {VERSION}.keyless ORDER BY row_id").fetchall()
    assert numbered == [(number + 1, f"row {number}") for number in range(9_000)]


def test_a_table_cut_into_ranges_gets_its_step_when_all_of_them_are_committed(
    connection: Connection,
    pg: Database,
    clean: Path,
    tmp_path: Path,
    three_cores: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(load_order, "SMALLEST_RANGE", 1_000)
    monkeypatch.setattr(load_order, "LARGEST_SHARE", 1.0)
    with closing(open_source(clean)) as rows:
        pieces = divided(rows, whole_tables(rows, TABLES), 3)
        assert [(piece.table.name, piece.rows, piece.numbers) for piece in pieces] == [
            ("keyless", 9_000, None),
            ("small", 8_000, None),
            ("large", 6_000, (1, 6_000)),
            ("large", 6_000, (6_001, 12_000)),
        ]
    seen: list[Event] = []
    loaded = load(context(tmp_path, pg.dsn, clean, seen, load_jobs=3), clean)
    assert loaded.rows == steps(connection, loaded.deployment.id) == {"small": 8_000, "large": 12_000, "keyless": 9_000}
    assert wrong(connection, VERSION, clean) == []
    done = [event.done for event in seen if isinstance(event, Progress) and event.task == "large"]
    assert max(done) == 12_000


def test_ranges_hold_every_row_once_whatever_the_gaps_in_the_row_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_order, "SMALLEST_RANGE", 500)
    path = clean_file(tmp_path / "clean.db", small=0, keyless=0)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM large WHERE rowid BETWEEN 100 AND 5000 OR rowid % 3 = 0")
        db.commit()
        left = [row[0] for row in db.execute("SELECT rowid FROM large ORDER BY rowid")]
    with closing(open_source(path)) as rows:
        parts = [part for part in divided(rows, whole_tables(rows, TABLES), 5) if part.table is LARGE]
    assert len(parts) == 5
    spans = [part.numbers for part in parts if part.numbers]
    covered = [number for number in left for first, last in spans if first <= number <= last]
    assert covered == left
    assert [part.rows for part in parts] == [sum(first <= number <= last for number in left) for first, last in spans]


def test_a_table_is_cut_only_when_it_is_both_too_large_for_one_process_and_large_at_all(tmp_path: Path) -> None:
    path = clean_file(tmp_path / "clean.db", small=500, large=12_000, keyless=10_000)
    with closing(open_source(path)) as rows:
        whole = whole_tables(rows, TABLES)
        assert [piece.table.name for piece in whole] == ["large", "keyless", "small"]
        assert divided(rows, whole, 2) == whole
        assert divided(rows, whole, 8) == whole, "ranges of so few rows do not pay"
        assert divided(rows, (), 2) == ()


@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_is_killed_fails_the_load_and_nothing_half_loaded_can_become_ready(
    connection: Connection, pg: Database, clean: Path, tmp_path: Path, three_cores: None, victim: int
) -> None:
    seen: list[Event] = []
    ctx = context(tmp_path, pg.dsn, clean, seen, load_jobs=3, load_throttle=SLOW)

    def kill() -> None:
        until(lambda: len(children()) == 2 and sessions(connection) == 3)
        until(lambda: any(isinstance(event, Progress) for event in seen))
        os.kill(sorted(children())[victim], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(OperationFailed) as caught:
        load(ctx, clean)
    killer.join()
    died_at = time.monotonic()
    until(lambda: not children())
    assert time.monotonic() - died_at < within(2)
    assert caught.value.slug == "loader-died"
    assert "signal 9" in caught.value.cause
    assert any(f"while it loaded {name}" in caught.value.message for name in ("small", "keyless"))
    until(lambda: sessions(connection) == 0)
    for table in ("large", "keyless"):
        assert connection.execute(f"SELECT count(*) FROM {VERSION}.{table}").fetchone() == (0,)
    with pytest.raises(CheckFailed) as refused:
        mark_ready(connection, VERSION, actor=actor(ctx))
    assert refused.value.slug == "load-incomplete"
    discard_apart(ctx, VERSION, str(caught.value))
    assert schemas(connection) == set()
    assert deployment_of(connection, VERSION).state is VersionState.FAILED


def test_a_stop_request_ends_the_processes_within_two_seconds_and_leaves_no_row(
    connection: Connection, pg: Database, clean: Path, tmp_path: Path, three_cores: None
) -> None:
    ctx = context(tmp_path, pg.dsn, clean, load_jobs=3, load_throttle=SLOW)
    stopped: list[float] = []

    def stop() -> None:
        until(lambda: len(children()) == 2 and sessions(connection) == 3)
        stopped.append(time.monotonic())
        ctx.cancellation.cancel("the operator")

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(Interrupted):
        load(ctx, clean)
    stopper.join()
    assert children() == set()
    discard_apart(ctx, VERSION, "stopped")
    assert time.monotonic() - stopped[0] < within(2)
    until(lambda: sessions(connection) == 0)
    assert schemas(connection) == set()


def test_no_password_is_in_the_arguments_or_the_environment_of_a_loading_process(
    connection: Connection, pg: Database, clean: Path, tmp_path: Path, three_cores: None
) -> None:
    password = "canary-7f3a-secret"
    role = f"loader_{os.getpid()}"
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
        )
    try:
        dsn = make_conninfo(pg.dsn, user=role, password=password)
        assert conninfo_to_dict(dsn)["password"] == password
        ctx = context(tmp_path, dsn, clean, load_jobs=3, load_throttle=SLOW)
        shown: list[bytes] = []

        def look() -> None:
            until(lambda: len(children()) == 2 and sessions(connection) == 3)
            for pid in children():
                shown.extend((Path(f"/proc/{pid}") / part).read_bytes() for part in ("cmdline", "environ"))
            ctx.cancellation.cancel("seen enough")

        looker = threading.Thread(target=look)
        looker.start()
        with pytest.raises(Interrupted):
            load(ctx, clean)
        looker.join()
        assert len(shown) == 4
        assert all(part and password.encode() not in part for part in shown)
        discard_apart(ctx, VERSION, "seen enough")
    finally:
        with psycopg.connect(pg.dsn, autocommit=True) as admin:
            admin.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(sql.Identifier(role)))
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_a_value_that_does_not_fit_is_named_by_the_process_that_meets_it(
    connection: Connection, pg: Database, tmp_path: Path, three_cores: None
) -> None:
    path = clean_file(tmp_path / "clean.db")
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE large SET hours = '7.60001' WHERE id = 11000")
        db.commit()
    with pytest.raises(OperationFailed) as caught:
        load(context(tmp_path, pg.dsn, path, load_jobs=2), path)
    assert caught.value.slug == "value"
    assert "large.hours" in caught.value.message
    assert "id = '11000'" in caught.value.cause
    assert children() == set()


def test_a_process_that_cannot_connect_says_why(pg: Database, clean: Path, tmp_path: Path, three_cores: None) -> None:
    order = load_order.Order(
        Target("test", make_conninfo(pg.dsn, dbname="no_such_database"), "servicedesk", ""), "x", clean, VERSION, 1
    )
    with closing(open_source(clean)) as rows:
        pieces = whole_tables(rows, TABLES)
    with pytest.raises(TargetUnreachable) as caught, LoaderPool(2, order) as pool:
        pool.load(pieces, Nobody(), lambda piece: piece.rows)
    assert caught.value.slug == "database-missing"
    assert children() == set()


class Nobody:
    """A watcher that does not care."""

    def copied(self, piece: load_order.Piece, rows: int, size_bytes: int) -> None:
        """Nothing to do."""

    def committed(self, piece: load_order.Piece, rows: int) -> None:
        """Nothing to do."""

    def waiting(self, busy: int) -> None:
        """Nothing to do."""


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_key_that_is_not_unique_fails_the_load_while_other_indexes_are_built(
    pg: Database, tmp_path: Path, three_cores: None, jobs: int
) -> None:
    path = clean_file(tmp_path / "clean.db")
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE small SET id = 1 WHERE id < 3")
        db.commit()
    with pytest.raises(psycopg.errors.UniqueViolation):
        load(context(tmp_path, pg.dsn, path, load_jobs=jobs), path)
    assert children() == set()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("indexes")]


def test_tables_whose_index_names_meet_get_all_their_indexes(
    connection: Connection, pg: Database, tmp_path: Path, three_cores: None
) -> None:
    first = Table("a", (Column("id", "bigint"), Column("b_c", "bigint")), key=("id",), indexes=(Index(("b_c",)),))
    second = Table("a_b", (Column("id", "bigint"), Column("c", "bigint")), key=("id",), indexes=(Index(("c",)),))
    rows = [[number, number] for number in range(3_000)]
    path = write_clean(tmp_path / "clean.db", [first, second], {"a": rows, "a_b": rows})
    load(context(tmp_path, pg.dsn, path, load_jobs=2), path, [first, second])
    found = connection.execute("SELECT indexname FROM pg_indexes WHERE schemaname = %s ORDER BY 1", [VERSION])
    assert [row[0] for row in found] == ["a_b_c_idx", "a_b_c_idx_2", "a_b_pkey", "a_pkey"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_throttled_load_keeps_below_its_rows_a_second(
    pg: Database, tmp_path: Path, three_cores: None, jobs: int
) -> None:
    path = clean_file(tmp_path / "clean.db", small=0, large=3_000, keyless=3_000)
    ctx = context(tmp_path, pg.dsn, path, load_jobs=jobs, load_throttle=5_000)
    started = time.monotonic()
    load(ctx, path)
    assert time.monotonic() - started >= (6_000 - 1_000) / 5_000


def test_a_throttle_waits_as_long_as_its_limit_asks_for_and_makes_good_one_second_at_most() -> None:
    now = 100.0
    waits: list[float] = []

    def wait(seconds: float) -> None:
        nonlocal now
        waits.append(round(seconds, 6))
        now += seconds

    pace = throttle(1_000, wait, monotonic=lambda: now)
    assert pace is not None
    for _ in range(3):
        pace(500)
    assert waits == [0.5, 0.5]
    now += 60
    for _ in range(4):
        pace(500)
    assert waits[2:] == [0.5]
    assert throttle(None, wait) is None


@pytest.mark.parametrize(
    ("jobs", "rows", "there", "expected"),
    [
        (None, FEW_ROWS - 1, 8, Lanes(1, 1)),
        (None, FEW_ROWS, 8, Lanes(1, 2)),
        (None, MANY_ROWS - 1, 8, Lanes(1, 2)),
        (None, MANY_ROWS, 8, Lanes(2, 2)),
        (None, MANY_ROWS, 1, Lanes(1, 1)),
        (1, MANY_ROWS, 8, Lanes(1, 1)),
        (4, 10, 8, Lanes(4, 4)),
        (4, 10, 2, Lanes(2, 2)),
        (4, 10, 1, Lanes(1, 1)),
    ],
)
def test_how_a_load_is_spread(
    monkeypatch: pytest.MonkeyPatch, jobs: int | None, rows: int, there: int, expected: Lanes
) -> None:
    monkeypatch.setattr(loading, "cores", lambda: there)
    assert lanes(jobs, rows) == expected


def size_of_copy(pg: Database, table: str) -> int:
    """Bytes of the same rows as the server sends them: the same header, fields and end."""
    query = sql.SQL("COPY (SELECT {} FROM {} ORDER BY 1) TO STDOUT (FORMAT binary)")
    columns = next(each.columns for each in TABLES if each.name == table)
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    whole = query.format(names, sql.Identifier(VERSION, table))
    with psycopg.connect(pg.dsn) as admin, admin.cursor() as cursor, cursor.copy(whole) as copy:
        return sum(len(block) for block in copy)


def test_each_table_of_a_load_shows_its_rate_its_size_and_what_is_left(
    pg: Database, clean: Path, tmp_path: Path, three_cores: None
) -> None:
    shown: list[Record] = []
    bus = Bus("r", journal=shown.append)
    ctx = context(tmp_path, pg.dsn, clean, load_jobs=2, load_throttle=20_000)
    ctx.publish = bus.publish
    load(ctx, clean)
    for table in ("large", "keyless"):
        steps_shown = [r.event for r in shown if isinstance(r.event, Progress) and r.event.task == table]
        assert steps_shown[-1].done == steps_shown[-1].total
        assert steps_shown[-1].eta_seconds == 0.0
        sizes = [event.size_bytes for event in steps_shown if event.size_bytes is not None]
        assert sizes == sorted(sizes)
        assert len(sizes) == len(steps_shown)
        assert sizes[-1] == size_of_copy(pg, table)
        assert any(event.rate_per_second and event.eta_seconds for event in steps_shown[:-1])
