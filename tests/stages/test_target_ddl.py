"""A version schema as it is built: types, keys, checks, indexes, comments, rights; never one that was there before."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg import sql

from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Column, Index, Table
from sdconsole.errors import OperationFailed, UsageError
from sdconsole.target.catalog import SchemaShape, read_schema, schema_names
from sdconsole.target.connect import Connection, Target, connect
from sdconsole.target.load.blueprint import plan_table, plan_tables
from sdconsole.target.load.ddl import create_indexes, create_version, drop_version
from tests.conftest import Database
from tests.stages.target_clean_file import COMMENTS, TABLES, TICKETS, TIMESHEETS, VERSION


@pytest.fixture
def connection(pg: Database) -> Iterator[Connection]:
    with closing(connect(Target("test", pg.dsn, "servicedesk", ""), application="test")) as connection:
        yield connection


def shape_of(connection: Connection, schema: str = VERSION) -> SchemaShape:
    shape = read_schema(connection, schema)
    assert shape is not None
    return shape


def test_every_column_of_the_built_in_contract_gets_its_type_in_the_contracts_order(connection: Connection) -> None:
    tables = load_contract().tables
    create_version(connection, VERSION, tables, comment="the first one")
    for table in tables:
        create_indexes(connection, VERSION, table)
    shape = shape_of(connection)
    assert shape.comment == "the first one"
    for table in tables:
        built = shape.table(table.name)
        assert built is not None
        names = [column.name for column in table.columns]
        assert [column.name for column in built.columns][: len(names)] == names
        for column in table.columns:
            found = built.column(column.name)
            assert found is not None
            assert found.type == {"timestamp": "timestamp without time zone"}.get(column.type, column.type)
            assert found.not_null == (column.not_null or column.name in table.key)
            assert found.comment == column.description
        assert len(built.indexes) == len(table.indexes) + 1
        assert all(index.valid for index in built.indexes)
        assert built.comment
    assert {view.name for view in shape.views} == {
        "v_orphaned_data",
        "v_data_freshness",
        "v_user_activity",
        "v_visible_comments",
    }
    for view in shape.views:
        query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(VERSION, view.name))
        assert connection.execute(query).description


def test_a_table_without_a_key_is_numbered_in_its_last_column(connection: Connection) -> None:
    create_version(connection, VERSION, [TIMESHEETS], comment="")
    create_indexes(connection, VERSION, TIMESHEETS)
    table = shape_of(connection).table("timesheets")
    assert table is not None
    assert [column.identity for column in table.columns] == [False, False, False, False, True]
    assert table.primary_key == ("row_id",)


def test_a_surrogate_key_gives_way_to_a_column_of_its_name(connection: Connection) -> None:
    table = Table("t", (Column("row_id", "text"),), surrogate_key="row_id")
    create_version(connection, VERSION, [table], comment="")
    built = shape_of(connection).table("t")
    assert built is not None
    assert [(column.name, column.identity) for column in built.columns] == [("row_id", False), ("row_id_2", True)]


@pytest.mark.parametrize(
    ("column", "value"), [("score", 0), ("score", 6), ("mood", "awful"), ("TKT-Status", None), ("TKT-Ticket ID", None)]
)
def test_checked_columns_refuse_what_the_contract_excludes(connection: Connection, column: str, value: object) -> None:
    create_version(connection, VERSION, TABLES, comment="")
    row: dict[str, object] = {"TKT-Ticket ID": 1, "TKT-Created Time": "2025-01-01", "TKT-Status": "Open", "score": 5}
    insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})")

    def add(row: dict[str, object]) -> None:
        names = sql.SQL(", ").join(map(sql.Identifier, row))
        places = sql.SQL(", ").join(sql.Placeholder() * len(row))
        connection.execute(insert.format(sql.Identifier(VERSION, "tickets"), names, places), list(row.values()))

    add({**row, "mood": "it's bad"})
    create_indexes(connection, VERSION, TICKETS)
    with pytest.raises(psycopg.IntegrityError):
        add({**row, "TKT-Ticket ID": 2, column: value})


def test_a_default_fills_rows_that_later_writers_add(connection: Connection) -> None:
    create_version(connection, VERSION, TABLES, comment="")
    connection.execute(f"INSERT INTO {VERSION}.comments (comment_id, ticket_id) VALUES (1, 1)")
    row = connection.execute(f"SELECT created_time IS NOT NULL FROM {VERSION}.comments").fetchone()
    assert row == (True,)


def test_a_partial_index_has_the_contracts_condition(connection: Connection) -> None:
    create_version(connection, VERSION, TABLES, comment="")
    built = create_indexes(connection, VERSION, COMMENTS)
    assert built.skipped == ()
    table = shape_of(connection).table("comments")
    assert table is not None
    partial = [index for index in table.indexes if index.predicate]
    assert [index.columns for index in partial] == [("ticket_id",)]
    assert partial[0].predicate == "(visible_to_customer = 'Yes'::text)"


@pytest.mark.parametrize(
    "condition",
    [
        "visible_to_customer = 'Yes'); DROP SCHEMA public; --",
        "true",
        "1 = 1",
        "ticket_id IN (SELECT 1)",
        "nobody = 'Yes'",
        "visible_to_customer = 'Yes' OR ticket_id = 1",
        "visible_to_customer = 'Yes' AND",
        "pg_sleep(10) IS NULL",
        "",
    ],
)
def test_a_condition_that_is_no_plain_comparison_is_refused(condition: str) -> None:
    table = Table("t", COMMENTS.columns, indexes=(Index(("ticket_id",), where=condition or " "),))
    with pytest.raises(UsageError) as caught:
        plan_table(table)
    assert caught.value.slug == "contract-sql"


def test_conditions_may_compare_quoted_columns_and_join_with_and(connection: Connection) -> None:
    where = '"a ""b""" = \'it\'\'s\' AND n >= -1.5 and "a ""b""" IS NOT NULL'
    table = Table("t", (Column('a "b"', "text"), Column("n", "integer")), indexes=(Index(("n",), where=where),))
    create_version(connection, VERSION, [table], comment="")
    create_indexes(connection, VERSION, table)
    built = shape_of(connection).table("t")
    assert built is not None
    assert "it''s" in built.indexes[0].predicate
    assert "IS NOT NULL" in built.indexes[0].predicate


@pytest.mark.parametrize(
    "table",
    [
        Table("t", (Column("a", "text", default="(SELECT passwd FROM pg_shadow)"),)),
        Table("t", (Column("a", "text", default="now(); DROP SCHEMA public"),)),
        Table("t", (Column("a", "text"),), indexes=(Index(("a",), method="btree (a); --"),)),
        Table("t", (Column("a", "text"),), indexes=(Index(("a",), method="gin", needs_extension="plpython3u"),)),
    ],
)
def test_a_contract_cannot_carry_sql(connection: Connection, table: Table) -> None:
    with pytest.raises(UsageError, match="cannot be used in PostgreSQL"):
        create_version(connection, VERSION, [table], comment="")
    assert VERSION not in schema_names(connection)


def test_a_missing_extension_is_said_and_does_not_stop_the_load(connection: Connection) -> None:
    connection.execute("DROP SCHEMA public")
    create_version(connection, VERSION, TABLES, comment="")
    built = create_indexes(connection, VERSION, TICKETS)
    assert len(built.skipped) == 1
    assert "pg_trgm" in built.skipped[0]
    assert len(built.indexes) == len(TICKETS.indexes)


def test_an_extension_that_the_server_offers_is_installed_and_used(connection: Connection) -> None:
    create_version(connection, VERSION, TABLES, comment="")
    assert create_indexes(connection, VERSION, TICKETS).skipped == ()
    table = shape_of(connection).table("tickets")
    assert table is not None
    assert ("gin", ("TKT-Title",)) in [(index.method, index.columns) for index in table.indexes]


def test_a_schema_that_is_there_already_is_never_used(connection: Connection) -> None:
    connection.execute(f"CREATE SCHEMA {VERSION}")
    connection.execute(f"CREATE TABLE {VERSION}.tickets (wrong int)")
    with pytest.raises(OperationFailed) as caught:
        create_version(connection, VERSION, TABLES, comment="")
    assert caught.value.slug == "schema-exists"
    table = shape_of(connection).table("tickets")
    assert table is not None
    assert [column.name for column in table.columns] == ["wrong"]


@pytest.mark.parametrize("name", ["x; drop schema y", "X-y", "public; --", "pg_catalog", "sdconsole"])
def test_a_schema_name_that_could_be_sql_is_refused(connection: Connection, name: str) -> None:
    with pytest.raises(UsageError):
        create_version(connection, name, TABLES, comment="")
    with pytest.raises(UsageError):
        drop_version(connection, name)


def test_a_version_that_cannot_be_finished_leaves_nothing(connection: Connection) -> None:
    too_wide = Table("wide", tuple(Column(f"c{number}", "bigint") for number in range(1601)))
    with pytest.raises(psycopg.errors.TooManyColumns):
        create_version(connection, VERSION, [TICKETS, too_wide], comment="")
    assert VERSION not in schema_names(connection)


def test_odd_and_long_names_are_built_as_they_are_spelt(connection: Connection) -> None:
    long = "ä" * 50
    columns = tuple(
        Column(name, "text") for name in ('a" = 1; --', "select", "TKT-Job#/Ref#", "ctid", long, f"{long}b")
    )
    table = Table(
        'my "odd" t-1', columns, key=("select",), indexes=(Index((long, f"{long}b")), Index(("TKT-Job#/Ref#",)))
    )
    create_version(connection, VERSION, [table], comment="it's '; DROP SCHEMA public; --")
    create_indexes(connection, VERSION, table)
    built = shape_of(connection).table('my "odd" t-1')
    assert built is not None
    names = [column.name for column in built.columns]
    assert names[:4] == ['a" = 1; --', "select", "TKT-Job#/Ref#", "ctid_"]
    assert len(set(names)) == 6
    assert all(len(name.encode()) <= 63 for name in names)
    comments = [column.comment for column in built.columns]
    assert long in comments[4]
    assert "ctid" in comments[3]
    assert built.primary_key == ("select",)
    assert shape_of(connection).comment == "it's '; DROP SCHEMA public; --"


def test_two_tables_that_would_get_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two tables"):
        plan_tables([Table("t", (Column("a", "text"),)), Table("t", (Column("b", "text"),))])


def test_indexes_that_would_get_the_name_of_a_table_get_another(connection: Connection) -> None:
    first = Table("a", (Column("b_c", "text"),), indexes=(Index(("b_c",)),))
    second = Table("a_b", (Column("c", "text"),), indexes=(Index(("c",)),))
    third = Table("a_b_c_idx", (Column("c", "text"),))
    create_version(connection, VERSION, [first, second, third], comment="")
    built = [create_indexes(connection, VERSION, table).indexes for table in (first, second)]
    assert built == [("a_b_c_idx_2",), ("a_b_c_idx_3",)]


def test_default_privileges_of_the_database_give_nobody_rights_in_a_version(connection: Connection) -> None:
    role = f"reader_{secrets.token_hex(4)}"
    name = sql.Identifier(role)
    connection.execute(sql.SQL("CREATE ROLE {}").format(name))
    try:
        for what in ("USAGE ON SCHEMAS", "SELECT ON TABLES"):
            statement = sql.SQL("ALTER DEFAULT PRIVILEGES GRANT {} TO {}, PUBLIC")
            connection.execute(statement.format(sql.SQL(what), name))
        create_version(connection, VERSION, TABLES, comment="", reader_role=role)
        assert shape_of(connection).grantees == ()
    finally:
        connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
        connection.execute(sql.SQL("DROP ROLE {}").format(name))


def test_a_version_in_use_elsewhere_is_not_dropped(connection: Connection) -> None:
    create_version(connection, VERSION, TABLES, comment="")
    connection.execute(f"CREATE VIEW public.mine AS SELECT ticket_id FROM {VERSION}.comments")
    with pytest.raises(OperationFailed) as caught:
        drop_version(connection, VERSION)
    assert caught.value.slug == "in-use"
    assert "mine" in caught.value.cause
    assert len(shape_of(connection).tables) == len(TABLES)
    connection.execute("DROP VIEW public.mine")
    assert drop_version(connection, VERSION)
    assert VERSION not in schema_names(connection)
    assert not drop_version(connection, VERSION)


def test_a_schema_with_anything_else_in_it_is_not_dropped(connection: Connection) -> None:
    create_version(connection, VERSION, TABLES, comment="")
    connection.execute(f"CREATE FUNCTION {VERSION}.f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    with pytest.raises(OperationFailed, match="not dropped"):
        drop_version(connection, VERSION)
    assert len(shape_of(connection).tables) == len(TABLES)
