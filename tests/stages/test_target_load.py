"""Loading: every value arrives as it is, or the load fails naming table, column and row, and leaves nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from sdconsole.contract.model import Column, Table
from sdconsole.errors import Interrupted, OperationFailed, TargetUnreachable
from sdconsole.target.connect import Connection, Target, classify, connect
from sdconsole.target.load.copy import load_table
from sdconsole.target.load.ddl import create_version
from sdconsole.target.proof.fingerprint import target_fingerprint
from tests.conftest import Database
from tests.stages.target_clean_file import TABLES, TICKETS, VERSION, load, sample_rows, ticket, write_clean

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

EVERY_KIND = Table(
    "kinds",
    (
        Column("big", "bigint"),
        Column("mid", "integer"),
        Column("small", "smallint"),
        Column("text", "text"),
        Column("real", "double precision"),
        Column("exact", "numeric"),
        Column("hours", "numeric(8,3)"),
        Column("at", "timestamp"),
        Column("json", "jsonb"),
    ),
)


@pytest.fixture
def connection(pg: Database) -> Iterator[Connection]:
    with closing(connect(Target("test", pg.dsn, "servicedesk", ""), application="test")) as connection:
        yield connection


def rows_in(connection: Connection, table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(VERSION, table))).fetchone()
    assert row is not None
    return int(row[0])


def load_kinds(connection: Connection, path: Path, *rows: list[object]) -> list[tuple[object, ...]]:
    write_clean(path, [EVERY_KIND], {"kinds": rows})
    assert load(connection, path, [EVERY_KIND]) == {"kinds": len(rows)}
    return connection.execute(f"SELECT * FROM {VERSION}.kinds").fetchall()


def test_values_at_the_edges_of_every_type_arrive_unchanged(connection: Connection, tmp_path: Path) -> None:
    high = [2**63 - 1, 2**31 - 1, 2**15 - 1, "", 1.7976931348623157e308, "9" * 40 + "." + "1" * 40, "99999.999"]
    low = [-(2**63), -(2**31), -(2**15), "\x01\x1f\x7f", 5e-324, "-0.000000000000000000001", "-0.001"]
    odd = [9007199254740993, 0, 0, "\\N\t\r\n\"'%s\\.", -0.1, "0", "7.6"]
    found = load_kinds(
        connection,
        tmp_path / "clean.db",
        [*high, "9999-12-31 23:59:59", '{"a": 1}'],
        [*low, "0001-01-01 00:00:00", "[]"],
        [*odd, "2024-02-29 20:42:37", '"text"'],
        [None] * 9,
    )
    assert [row[:7] for row in found] == [
        (*high[:5], Decimal(str(high[5])), Decimal(str(high[6]))),
        (*low[:5], Decimal(str(low[5])), Decimal(str(low[6]))),
        (*odd[:5], Decimal(0), Decimal("7.600")),
        (None,) * 7,
    ]
    times = connection.execute(f"SELECT at::text, json FROM {VERSION}.kinds").fetchall()
    assert times == [
        ("9999-12-31 23:59:59", {"a": 1}),
        ("0001-01-01 00:00:00", []),
        ("2024-02-29 20:42:37", "text"),
        (None, None),
    ]


def test_infinities_of_a_floating_point_column_arrive(connection: Connection, tmp_path: Path) -> None:
    empty: list[object] = [None] * 9
    found = load_kinds(
        connection,
        tmp_path / "clean.db",
        [*empty[:4], float("inf"), *empty[5:]],
        [*empty[:4], float("-inf"), *empty[5:]],
    )
    assert [row[4] for row in found] == [float("inf"), float("-inf")]


def test_naughty_strings_arrive_unchanged(connection: Connection, tmp_path: Path) -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared test data are not beside this checkout")
    texts = (SHARED / "text" / "blns.txt").read_text(encoding="utf-8").split("\n")
    texts += ["x" * 100_000, "\U0001f600" * 1000, "‮", "﻿", "a̐éö̲", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘"]
    empty: list[object] = [None] * 9
    found = load_kinds(connection, tmp_path / "clean.db", *[[*empty[:3], text, *empty[4:]] for text in texts])
    assert [row[3] for row in found] == texts


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("big", "12abc", "not as a whole number"),
        ("big", 1.5, "not as a whole number"),
        ("mid", 2**31, "32-bit"),
        ("small", -(2**15) - 1, "16-bit"),
        ("text", 7, "not as text"),
        ("text", b"raw", "not as text"),
        ("text", "a\0b", "NUL"),
        ("real", "7", "not as a number"),
        ("real", 2**53 + 1, "too large"),
        ("exact", "seven", "not a decimal"),
        ("exact", "NaN", "finite"),
        ("exact", "Infinity", "finite"),
        ("exact", 7.5, "exact decimal"),
        ("hours", "7.6001", "rounded"),
        ("hours", "0.00000000000000000000000000000000001", "rounded"),
        ("hours", "100000", "5 digits"),
        ("at", "2025-02-30 00:00:00", "day"),
        ("at", "2025-02-03", "YYYY"),
        ("at", "2025-02-03T00:00:00", "YYYY"),
        ("at", "2025-02-03 24:00:00", "YYYY"),
        ("at", "2025-02-03 00:00:00.5", "YYYY"),
        ("at", "05/07/2025 08:42", "YYYY"),
        ("json", "{broken", "json"),
        ("json", '"\\u0000"', "Unicode"),
    ],
)
def test_a_value_that_does_not_fit_fails_the_load_and_is_named(
    connection: Connection, tmp_path: Path, column: str, value: object, reason: str
) -> None:
    table = Table("t", (Column("id", "bigint"), next(c for c in EVERY_KIND.columns if c.name == column)), key=("id",))
    # The clean file's columns have types of their own, so a foreign value has to be put past them.
    free = Table("t", (Column("id", "bigint"), Column(column, "jsonb")), key=("id",))
    path = write_clean(tmp_path / "clean.db", [free], {"t": [[1, None], [2, None], [3, value], [4, None]]})
    if isinstance(value, int | float):
        _store(path, column, value)
    create_version(connection, VERSION, [table], comment="")
    with pytest.raises(OperationFailed) as caught, connection.transaction():
        load_table(connection, path, table, VERSION)
    error = caught.value
    assert error.slug == "value"
    assert f"t.{column}" in error.message
    assert "id = '3'" in error.cause
    assert reason in error.cause
    assert rows_in(connection, "t") == 0


def _store(path: Path, column: str, value: float) -> None:
    with closing(sqlite3.connect(path)) as clean:
        clean.execute("DROP TABLE t")
        clean.execute(f'CREATE TABLE t (id INTEGER, "{column}")')
        clean.executemany("INSERT INTO t VALUES (?, ?)", [(1, None), (2, None), (3, value), (4, None)])
        clean.commit()


@pytest.mark.parametrize(("change", "column"), [({"score": 9}, "score"), ({"TKT_Status": None}, "TKT-Status")])
def test_a_row_that_breaks_a_constraint_is_named_without_its_content(
    connection: Connection, tmp_path: Path, change: dict[str, object], column: str
) -> None:
    rows = [ticket(1), ticket(2, TKT_Title="secret words", **change), ticket(3)]
    path = write_clean(tmp_path / "clean.db", [TICKETS], {"tickets": rows})
    create_version(connection, VERSION, [TICKETS], comment="")
    with pytest.raises(OperationFailed) as caught, connection.transaction():
        load_table(connection, path, TICKETS, VERSION)
    assert caught.value.slug == "constraint"
    shown = f"{caught.value.message} {caught.value.cause}"
    assert "TKT-Ticket ID = '2'" in shown
    assert column in shown
    assert "secret words" not in shown
    assert rows_in(connection, "tickets") == 0


def test_rows_arrive_in_the_order_of_the_key(connection: Connection, tmp_path: Path) -> None:
    rows = [ticket(number) for number in (5, 3, 9, 1)]
    path = write_clean(tmp_path / "clean.db", [TICKETS], {"tickets": rows})
    load(connection, path, [TICKETS])
    found = connection.execute(f'SELECT "TKT-Ticket ID" FROM {VERSION}.tickets ORDER BY ctid').fetchall()
    assert found == [(1,), (3,), (5,), (9,)]


def test_the_servers_date_style_has_no_influence(pg: Database, tmp_path: Path) -> None:
    path = write_clean(tmp_path / "clean.db", TABLES, sample_rows())
    digests = set()
    for place, style in enumerate(("ISO, MDY", "SQL, DMY", "German, YMD", "Postgres, MDY")):
        with psycopg.connect(pg.dsn, autocommit=True) as admin:
            statement = sql.SQL("ALTER DATABASE {} SET datestyle = {}")
            admin.execute(statement.format(sql.Identifier(pg.name), sql.Literal(style)))
        with closing(connect(Target("test", pg.dsn, "servicedesk", ""), application="test")) as connection:
            schema = f"{VERSION}_{place + 2}"
            load(connection, path, TABLES, schema)
            digests.add(tuple(target_fingerprint(connection, schema, table).digest for table in TABLES))
            first = connection.execute(
                f'SELECT extract(month FROM "TKT-Created Time") FROM {schema}.tickets WHERE "TKT-Ticket ID" = 4'
            ).fetchone()
            assert first == (7,)
    assert len(digests) == 1


def test_progress_is_reported_every_10_000_rows_and_at_both_ends(connection: Connection, tmp_path: Path) -> None:
    table = Table("t", (Column("id", "bigint"),), key=("id",))
    path = write_clean(tmp_path / "clean.db", [table], {"t": [[number] for number in range(25_001)]})
    create_version(connection, VERSION, [table], comment="")
    seen: list[tuple[int, int]] = []
    assert load_table(connection, path, table, VERSION, progress=lambda *at: seen.append(at)) == 25_001
    assert [rows for rows, _ in seen] == [0, 10_000, 20_000, 25_001]
    sizes = [size_bytes for _, size_bytes in seen]
    assert sizes == sorted(sizes)
    assert sizes[0] == 0
    assert sizes[-1] == 19 + 25_001 * 14 + 2, "a header, rows of a count, a length and eight bytes, an end"
    assert rows_in(connection, "t") == 25_001


def test_a_load_that_is_stopped_half_way_leaves_no_row_and_a_usable_connection(
    connection: Connection, tmp_path: Path
) -> None:
    table = Table("t", (Column("id", "bigint"),), key=("id",))
    path = write_clean(tmp_path / "clean.db", [table], {"t": [[number] for number in range(25_000)]})
    create_version(connection, VERSION, [table], comment="")

    def stop(done: int, _bytes: int) -> None:
        if done == 10_000:
            raise Interrupted(cause="the operator")

    with pytest.raises(Interrupted, match="stopped"), connection.transaction():
        load_table(connection, path, table, VERSION, progress=stop)
    assert rows_in(connection, "t") == 0
    with connection.transaction():
        load_table(connection, path, table, VERSION)
    assert rows_in(connection, "t") == 25_000


def test_a_backend_that_dies_half_way_is_a_lost_connection_and_leaves_no_row(
    connection: Connection, pg: Database, tmp_path: Path
) -> None:
    table = Table("t", (Column("id", "bigint"), Column("text", "text")), key=("id",))
    path = write_clean(tmp_path / "clean.db", [table], {"t": [[number, "x" * 100] for number in range(40_000)]})
    create_version(connection, VERSION, [table], comment="")
    with psycopg.connect(pg.dsn, autocommit=True) as admin:

        def kill(done: int, _bytes: int) -> None:
            if done == 10_000:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))

        with pytest.raises(psycopg.Error) as caught, connection.transaction():
            load_table(connection, path, table, VERSION, progress=kill)
        found = classify(caught.value)
        assert isinstance(found, TargetUnreachable)
        assert found.slug == "connection-lost"
        row = admin.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(VERSION, "t"))).fetchone()
        assert row == (0,)


def test_a_clean_file_without_the_column_is_refused_instead_of_loading_its_name(
    connection: Connection, tmp_path: Path
) -> None:
    table = Table("t", (Column("id", "bigint"), Column("missing", "text")))
    path = write_clean(tmp_path / "clean.db", [Table("t", (Column("id", "bigint"),))], {"t": [[1]]})
    create_version(connection, VERSION, [table], comment="")
    with pytest.raises(OperationFailed) as caught:
        load_table(connection, path, table, VERSION)
    assert caught.value.slug == "clean-file"
    assert "missing" in caught.value.message


def test_odd_and_colliding_names_are_loaded_into_the_right_columns(connection: Connection, tmp_path: Path) -> None:
    long = "ö" * 40
    names = [f"{long}1", f"{long}2", 'a" = 1; --', "select", "", "xmin", "ΣΩ"]
    table = Table('my "odd" t-1', tuple(Column(name, "text") for name in names))
    path = write_clean(
        tmp_path / "clean.db", [table], {table.name: [[f"value {place}" for place in range(len(names))]]}
    )
    load(connection, path, [table])
    row = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(VERSION, table.name))).fetchone()
    assert row == tuple(f"value {place}" for place in range(len(names)))


def test_json_is_stored_as_json(connection: Connection, tmp_path: Path) -> None:
    document = {"tags": ["ä", "b\nc"], "n": 1.5, "deep": {"x": None}}
    empty: list[object] = [None] * 8
    load_kinds(connection, tmp_path / "clean.db", [*empty, json.dumps(document)])
    row = connection.execute(f"SELECT json, json -> 'deep' ? 'x' FROM {VERSION}.kinds").fetchone()
    assert row == (document, True)
