"""Opening an untrusted file: every bad one has its own refusal, nothing is written, nothing runs for ever."""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.synchronize import Event as EventType
from pathlib import Path

import pytest

from sdconsole.errors import DeadlineExceeded, Interrupted, SdconsoleError, SourceRefused, UsageError, Verdict
from sdconsole.source import connection as connection_module
from sdconsole.source.catalog import quote, read_catalog
from sdconsole.source.open import check_source, damaged, inspect_source, open_source, quick_check, reading, snapshot
from tests.patience import within

SQLITE_FILES = Path(__file__).resolve().parents[3] / "shared" / "data" / "sqlite"
ENDLESS = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def make_database(path: Path, rows: int = 100) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT)")
        connection.executemany("INSERT INTO t (word) VALUES (?)", ((f"word {number}",) for number in range(rows)))
        connection.commit()
    return path


def listing(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Name, size, time and mode of everything in a folder."""
    found = ((entry.name, entry.lstat()) for entry in folder.iterdir())
    return {name: (stat.st_size, stat.st_mtime_ns, stat.st_mode) for name, stat in found}


def _missing(path: Path) -> None:
    path.unlink(missing_ok=True)


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def _text(path: Path) -> None:
    path.write_text("id,title\n1,printer\n")


def _workbook(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04" + bytes(400))


def _short(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\x00\x10\x00")


def _truncated(path: Path) -> None:
    make_database(path, 2000)
    os.truncate(path, 4096 * 3)


def _malformed_schema(path: Path) -> None:
    make_database(path)
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE t (id", b"CREATE TABLE t (((", 1))


def _broken_page(path: Path) -> None:
    make_database(path, 2000)
    with path.open("r+b") as file:
        file.seek(4096 + 100)
        file.write(b"\xff" * 200)
        file.seek(4096)
        file.write(b"\x77" * 40)


def _future_format(path: Path) -> None:
    make_database(path)
    with path.open("r+b") as file:
        file.seek(47)
        file.write(b"\x09")


BAD: list[tuple[Callable[[Path], object], type[SdconsoleError], str]] = [
    (_missing, UsageError, "source-missing"),
    (_dangling, UsageError, "source-missing"),
    (Path.mkdir, UsageError, "source-directory"),
    (os.mkfifo, UsageError, "source-not-a-file"),
    (Path.touch, SourceRefused, "source-empty"),
    (_text, SourceRefused, "source-not-sqlite"),
    (_workbook, SourceRefused, "source-not-sqlite"),
    (_short, SourceRefused, "source-truncated"),
    (_truncated, SourceRefused, "source-truncated"),
    (_malformed_schema, SourceRefused, "source-schema"),
    (_broken_page, SourceRefused, "source-damaged"),
    (_future_format, SourceRefused, "source-format"),
]


def use(path: Path) -> dict[str, int]:
    """What the pipeline does first; returns the rows read for each table."""
    check_source(path)
    with closing(open_source(path, deadline_seconds=10, text="surrogateescape")) as connection:
        findings = quick_check(connection)
        if findings:
            raise damaged(path, findings)
        with reading(connection):
            return {
                table.name: sum(1 for _ in connection.execute(f"SELECT * FROM {quote(table.name)}"))
                for table in read_catalog(connection).tables
            }


@pytest.mark.parametrize(("make", "kind", "slug"), BAD, ids=[f"{slug}-{make.__name__}" for make, _, slug in BAD])
def test_a_bad_source_is_refused_in_its_own_words_and_nothing_is_created(
    tmp_path: Path, make: Callable[[Path], object], kind: type[SdconsoleError], slug: str
) -> None:
    path = tmp_path / "export.db"
    make(path)
    before = listing(tmp_path)
    # Facts can be taken of a file with one bad page: only reading all of it finds that out.
    attempts: list[Callable[[Path], object]] = [
        use,
        lambda file: snapshot(file, tmp_path / "copy.db", progress=lambda *_: None),
    ]
    for attempt in attempts if make is _broken_page else [*attempts, inspect_source]:
        with pytest.raises(SdconsoleError) as caught:
            attempt(path)
        error = caught.value
        assert (type(error), error.slug) == (kind, slug), (attempt, error.cause)
        assert str(path) in error.message
        assert error.next_step
    assert listing(tmp_path) == before
    assert kind.verdict is (Verdict.USAGE if kind is UsageError else Verdict.CHECK_FAILED)


def test_a_path_with_a_nul_is_a_usage_error() -> None:
    with pytest.raises(UsageError) as caught:
        check_source(Path("a\0b.db"))
    assert caught.value.slug == "source-path"


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_a_pipe_or_link_in_the_place_of_a_companion_file_is_refused(tmp_path: Path, ending: str) -> None:
    path = make_database(tmp_path / "export.db")
    os.mkfifo(f"{path}{ending}")
    with pytest.raises(SourceRefused) as caught:
        open_source(path)
    assert caught.value.slug == "source-companion"


@pytest.mark.parametrize(
    "name", ["a?b.db", "a#b.db", "100%.db", "my export.db", "%41.db", "a&mode=rwc.db", "ü.db", "-x.db"]
)
def test_any_file_name_opens_the_file_of_that_name(tmp_path: Path, name: str) -> None:
    path = make_database(tmp_path / name, 7)
    with closing(open_source(path)) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (7,)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t (word) VALUES ('x')",
        "DELETE FROM t",
        "UPDATE sqlite_master SET sql = ''",
        "CREATE TABLE u (a)",
        "CREATE TEMP TABLE u (a)",
        "DROP TABLE t",
        "VACUUM",
        "ATTACH ':memory:' AS other",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = WAL",
        "PRAGMA wal_checkpoint",
        "PRAGMA user_version = 3",
        "SELECT load_extension('x')",
    ],
)
def test_nothing_but_reading_is_possible(tmp_path: Path, statement: str) -> None:
    path = make_database(tmp_path / "export.db")
    before = path.read_bytes(), listing(tmp_path)
    with closing(open_source(path)) as connection, pytest.raises(sqlite3.DatabaseError):
        connection.execute(statement)
    assert (path.read_bytes(), listing(tmp_path)) == before


def test_a_view_cannot_call_what_is_not_harmless(tmp_path: Path) -> None:
    path = make_database(tmp_path / "export.db")
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("CREATE VIEW v AS SELECT probe() FROM t")
        writer.commit()
    with closing(open_source(path)) as connection:
        called: list[int] = []
        connection.create_function("probe", 0, lambda: called.append(1))
        with pytest.raises(sqlite3.OperationalError, match="unsafe"):
            connection.execute("SELECT * FROM v").fetchall()
        assert called == []


def test_a_statement_that_never_ends_is_stopped_at_the_deadline(tmp_path: Path) -> None:
    path = make_database(tmp_path / "export.db")
    started = time.monotonic()
    with (
        closing(open_source(path, deadline_seconds=0.2)) as connection,
        pytest.raises(DeadlineExceeded) as caught,
        reading(connection),
    ):
        connection.execute(ENDLESS).fetchone()
    assert caught.value.slug == "source-deadline"
    assert time.monotonic() - started < within(2)


def test_a_check_that_raises_ends_the_statement_with_its_own_error(tmp_path: Path) -> None:
    path = make_database(tmp_path / "export.db", 50_000)
    calls = []

    def stop() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Interrupted(cause="the operator pressed Ctrl-C")

    with closing(open_source(path)) as connection:
        with pytest.raises(Interrupted, match="stopped") as caught:
            quick_check(connection, check=stop)
        assert caught.value.cause == "the operator pressed Ctrl-C"
        assert len(calls) == 3
        assert quick_check(connection) == ()


def test_bad_utf8_is_an_error_or_a_value_as_asked(tmp_path: Path) -> None:
    path = make_database(tmp_path / "export.db", 3)
    path.write_bytes(path.read_bytes().replace(b"word 1", b"w\xf6rd 1"))
    with closing(open_source(path)) as connection, pytest.raises(SourceRefused) as caught, reading(connection):
        connection.execute("SELECT word FROM t").fetchall()
    assert caught.value.slug == "source-encoding"
    assert "w" + "\ufffd" not in caught.value.cause
    with closing(open_source(path, text="surrogateescape")) as connection:
        words = [row[0] for row in connection.execute("SELECT word FROM t ORDER BY id")]
    assert words == ["word 0", "w\udcf6rd 1", "word 2"]
    assert words[1].encode("utf-8", "surrogateescape") == b"w\xf6rd 1"


def test_rows_that_break_their_own_constraint_are_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "export.db"
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("CREATE TABLE t (a INTEGER)")
        writer.execute("INSERT INTO t VALUES (NULL)")
        writer.execute("PRAGMA writable_schema = ON")
        writer.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE t (a INTEGER NOT NULL CHECK (a > 0))'")
        writer.commit()
    with closing(open_source(path)) as connection:
        assert quick_check(connection) == ()
        assert quick_check(connection, constraints=True) == ("NULL value in t.a",)


def test_only_the_thorough_check_compares_indexes_with_their_tables(tmp_path: Path) -> None:
    path = make_database(tmp_path / "export.db")
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("CREATE INDEX i ON t (word)")
        writer.execute("PRAGMA writable_schema = ON")
        writer.execute("UPDATE sqlite_master SET sql = 'CREATE INDEX i ON t (id)' WHERE name = 'i'")
        writer.commit()
    with closing(open_source(path)) as connection:
        assert quick_check(connection) == ()
        assert quick_check(connection, thorough=True) != ()


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connection_module.BUSY_SECONDS <= 5
    monkeypatch.setattr(connection_module, "BUSY_SECONDS", 0.3)


@pytest.mark.usefixtures("short_wait")
def test_a_source_locked_by_a_writer_is_refused_and_can_be_read_afterwards(tmp_path: Path) -> None:
    path = make_database(tmp_path / "export.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        with pytest.raises(SourceRefused) as caught:
            open_source(path)
        assert caught.value.slug == "source-locked"
        assert time.monotonic() - started < within(3)
        writer.execute("ROLLBACK")
    assert use(path) == {"t": 100}


def manifest() -> list[dict[str, str]]:
    path = SQLITE_FILES / "hostile" / "MANIFEST.json"
    if not path.exists():
        return []
    files: list[dict[str, str]] = json.loads(path.read_text())["files"]
    return files


@pytest.mark.skipif(not manifest(), reason="the shared test data is not beside the checkout")
def test_every_hostile_file_ends_in_a_refusal_or_a_correct_reading() -> None:
    files = manifest()
    outcomes: dict[str, str] = {}
    for entry in files:
        path = SQLITE_FILES / "hostile" / entry["file"]
        before = listing(path.parent)
        started = time.monotonic()
        try:
            rows = use(path)
        except SourceRefused as error:
            outcomes[entry["file"]] = error.slug if error.next_step and error.cause else "not explained"
        else:
            outcomes[entry["file"]] = "read"
            assert sum(rows.values()) > 0, path
        assert time.monotonic() - started < within(10), path
        assert listing(path.parent) == before
    assert len(outcomes) == len(files) == 63
    assert set(outcomes.values()) <= {
        "read",
        "source-damaged",
        "source-encoding",
        "source-format",
        "source-name",
        "source-not-sqlite",
        "source-schema",
        "source-truncated",
    }
    readable = {entry["file"] for entry in files if entry["class"] == "qc-ok+read-ok"}
    assert {name for name, outcome in outcomes.items() if outcome == "read"} == readable


@pytest.mark.skipif(not manifest(), reason="the shared test data is not beside the checkout")
@pytest.mark.parametrize(
    ("name", "tables", "rows"),
    [
        ("classic/chinook.sqlite", 11, 15607),
        ("classic/northwind.db", 4, 101),
        ("odd/datasette-fixtures.db", 24, 1462),
        ("odd/pgloader my db.sqlite", 1, 3),
        ("odd/pgloader-bad-utf8.db", 1, 3),
        ("odd/pgloader-collision.db", 1, 1),
        ("odd/pgloader-type-mismatch.db", 1, 3),
        ("odd/sqlitetest-autoinc.db", 7, 36),
        ("odd/sqlitetest-gencol1.db", 5, 12),
        ("odd/sqlitetest-quote.db", 1, 2),
        ("odd/sqlitetest-strict1.db", 3, 6),
        ("odd/sqlitetest-trigger1.db", 3, 2),
        ("odd/sqlitetest-view.db", 8, 28),
        ("odd/sqlitetest-without_rowid1.db", 15, 31),
    ],
)
def test_odd_but_intact_files_are_read_whole_and_copied_whole(
    tmp_path: Path, name: str, tables: int, rows: int
) -> None:
    path = SQLITE_FILES / name
    read = use(path)
    assert (len(read), sum(read.values())) == (tables, rows)
    copied = snapshot(path, tmp_path / "copy.db", progress=lambda *_: None)
    assert dict(copied.rows) == read


def _export_for_ever(path: str, go_on: EventType) -> None:
    while go_on.is_set():
        with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as writer:
            writer.execute("UPDATE t SET word = 'again' WHERE id = 3")


def test_a_program_that_opens_and_closes_the_export_all_the_time_is_named_as_such(tmp_path: Path) -> None:
    """The -wal and -shm come and go meanwhile; SQLite's answers to that are waited out or told as what they are."""
    file = make_database(tmp_path / "export.db")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    processes = multiprocessing.get_context("spawn")
    go_on = processes.Event()
    go_on.set()
    exporter = processes.Process(target=_export_for_ever, args=(str(file), go_on))
    exporter.start()
    opened, told = 0, set[str]()
    try:
        for _ in range(400):
            try:
                with closing(open_source(file)) as connection, reading(connection, str(file)):
                    assert connection.execute("SELECT count(*) FROM t").fetchone() == (100,)
                opened += 1
            except SourceRefused as error:
                told.add(error.slug)
    finally:
        go_on.clear()
        exporter.join()
    assert opened > 20
    assert told <= {"source-changing", "source-locked"}
