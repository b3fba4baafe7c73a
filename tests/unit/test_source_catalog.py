"""What the catalogue says about a file: tables, columns, and what is listed but not read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sdconsole.errors import SourceRefused
from sdconsole.source.catalog import Catalog, count_rows, quote, read_catalog
from sdconsole.source.open import open_source


def catalog_of(path: Path, script: str) -> Catalog:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    with closing(open_source(path)) as connection:
        return read_catalog(connection)


@pytest.mark.parametrize("name", ["plain", "two words", 'a"b', "select", "[x]", "a'b", "TKT-Ticket ID", "ü/#?%", ""])
def test_a_quoted_name_is_read_back_as_the_same_name(name: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE {quote(name)} ({quote(name)} TEXT)")
        connection.execute(f"INSERT INTO {quote(name)} ({quote(name)}) VALUES ('v')")
        assert connection.execute("SELECT name FROM sqlite_master").fetchone() == (name,)
        assert connection.execute(f"SELECT {quote(name)} FROM {quote(name)}").fetchone() == ("v",)


@pytest.mark.parametrize("name", ["a\0b", "a\udcffb"])
def test_a_name_that_cannot_be_read_back_is_refused(name: str) -> None:
    with pytest.raises(SourceRefused) as caught:
        quote(name)
    assert caught.value.slug == "source-name"


def test_columns_carry_type_key_and_generation(tmp_path: Path) -> None:
    catalog = catalog_of(
        tmp_path / "a.db",
        """
        CREATE TABLE t ("Ticket ID" INTEGER NOT NULL, part TEXT, loose, twice INT AS (part || part) STORED,
                        thrice AS (part), PRIMARY KEY (part, "Ticket ID"));
        """,
    )
    table = catalog.table("T")
    assert table is not None
    assert table.column_names == ("Ticket ID", "part", "loose", "twice", "thrice")
    assert [column.declared_type for column in table.columns] == ["INTEGER", "TEXT", "", "INT", ""]
    assert [column.key_position for column in table.columns] == [2, 1, 0, 0, 0]
    assert [column.generated for column in table.columns] == [False, False, False, True, True]
    assert [column.not_null for column in table.columns] == [True, False, False, False, False]
    assert not table.without_rowid
    assert not table.strict


def test_strict_and_without_rowid_tables_are_told_apart(tmp_path: Path) -> None:
    catalog = catalog_of(
        tmp_path / "a.db",
        """
        CREATE TABLE plain (rowid TEXT, oid TEXT);
        CREATE TABLE keyed (a TEXT PRIMARY KEY) WITHOUT ROWID;
        CREATE TABLE typed (a INTEGER) STRICT;
        CREATE TABLE hidden (rowid, _rowid_, oid);
        """,
    )
    found = {table.name: (table.without_rowid, table.strict, table.rowid_name) for table in catalog.tables}
    assert found == {
        "plain": (False, False, "_rowid_"),
        "keyed": (True, False, None),
        "typed": (False, True, "rowid"),
        "hidden": (False, False, None),
    }


def test_what_is_not_a_table_of_data_is_listed_with_its_kind(tmp_path: Path) -> None:
    catalog = catalog_of(
        tmp_path / "a.db",
        """
        CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT);
        CREATE VIEW v AS SELECT a FROM t;
        CREATE VIRTUAL TABLE f USING fts5(words);
        CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END;
        CREATE TABLE f_not_shadow (a);
        """,
    )
    assert {table.name for table in catalog.tables} == {"t", "f_not_shadow"}
    kinds = {skipped.name: skipped.kind for skipped in catalog.skipped}
    assert kinds["v"] == "view"
    assert kinds["f"] == "virtual"
    assert kinds["f_data"] == "shadow"
    assert kinds["g"] == "trigger"
    assert kinds["sqlite_sequence"] == "internal"
    assert all(skipped.reason for skipped in catalog.skipped)


def test_a_virtual_table_of_an_unknown_module_does_not_stop_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "INSERT INTO sqlite_master VALUES ('table', 'geo', 'geo', 0, 'CREATE VIRTUAL TABLE geo USING nowhere(a)')"
        )
        connection.commit()
    with closing(open_source(path)) as connection:
        catalog = read_catalog(connection)
    assert [table.name for table in catalog.tables] == ["t"]
    assert [(skipped.name, skipped.kind) for skipped in catalog.skipped] == [("geo", "virtual")]


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("PRAGMA user_version = 7", "a valid, empty SQLite database"),
        ("CREATE VIEW only AS SELECT 1", "only (view)"),
    ],
)
def test_a_file_without_tables_is_refused_and_says_what_it_holds(tmp_path: Path, script: str, cause: str) -> None:
    with pytest.raises(SourceRefused) as caught:
        catalog_of(tmp_path / "a.db", script)
    assert caught.value.slug == "source-no-tables"
    assert cause in caught.value.cause


def test_a_table_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute('CREATE TABLE "n@me" (a)')
        connection.commit()
    path.write_bytes(path.read_bytes().replace(b"n@me", b"n\xffme"))
    for text in ("strict", "surrogateescape"):
        with pytest.raises(SourceRefused) as caught, closing(open_source(path, text=text)) as connection:
            read_catalog(connection)
        assert caught.value.slug in {"source-encoding", "source-name", "source-schema"}


def test_rows_are_counted_by_their_quoted_table(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("""CREATE TABLE "order by" (a); INSERT INTO "order by" VALUES (1), (2), (NULL)""")
    with closing(open_source(path)) as connection:
        assert count_rows(connection, "order by") == 3
        with pytest.raises(SourceRefused):
            count_rows(connection, "absent")
