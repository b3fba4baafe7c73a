"""The canary keeps references, is the same for the same seed, and loads and validates like any clean file."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdconsole.contract.model import Column, Reference, Table
from sdconsole.core.model import CheckStatus
from sdconsole.errors import Interrupted, UsageError
from sdconsole.source.catalog import quote
from sdconsole.target.connect import Target, connect
from sdconsole.target.proof.canary import build_canary
from sdconsole.target.proof.validate import validate_version
from tests.conftest import Database
from tests.stages.target_clean_file import TABLES, TICKETS, VERSION, Rows, load, sample_rows, ticket, write_clean

ROSTER = Table("roster", (Column("username", "text"),), key=("username",))


def read(path: Path, table: Table) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        columns = ", ".join(quote(column.name) for column in table.columns)
        return connection.execute(f"SELECT {columns} FROM {quote(table.name)} ORDER BY rowid").fetchall()


def desk(path: Path, *, tickets: int = 600) -> Path:
    rows: dict[str, Sequence[Sequence[object]]] = dict(sample_rows(tickets))
    rows["tickets"] = [
        ticket(number, TKT_Parent_ID=number - 1 if number % 5 == 0 else None) for number in range(1, tickets + 1)
    ]
    rows["comments"] = [*rows["comments"], *([10**6 + n, 10**7 + n, "orphan", None, None] for n in range(100))]
    rows["roster"] = [[f"user{number}"] for number in range(48)]
    return write_clean(path, [*TABLES, ROSTER], rows)


def test_about_a_tenth_is_chosen_with_everything_that_belongs_to_it(tmp_path: Path) -> None:
    clean = desk(tmp_path / "clean.db")
    sample = build_canary(clean, tmp_path / "canary.db", [*TABLES, ROSTER], seed=7)
    tickets, comments, timesheets = (read(sample.path, table) for table in TABLES)
    chosen = {row[0] for row in tickets}
    assert 40 <= len(chosen) <= 100
    assert sample.rows == {
        "tickets": len(tickets),
        "comments": len(comments),
        "timesheets": len(timesheets),
        "roster": 48,
    }
    assert sample.total_rows == sum(sample.rows.values())
    assert sample.full_rows["tickets"] == 600
    every = {row[0] for row in read(clean, TABLES[0])}
    own_comments = [row for row in read(clean, TABLES[1]) if row[1] in chosen]
    assert [row for row in comments if row[1] in every] == own_comments, "all comments of the chosen tickets, no others"
    own_timesheets = [row for row in read(clean, TABLES[2]) if row[3] in chosen]
    assert [row for row in timesheets if row[3] in every] == own_timesheets
    assert {row[1] for row in tickets if row[1] is not None} <= chosen, "parents come along"
    admin = [row for row in timesheets if row[3] == 0]
    assert 0 < len(admin) < sum(row[3] == 0 for row in read(clean, TABLES[2])) / 3


def test_the_share_of_orphans_is_that_of_the_whole_file(tmp_path: Path) -> None:
    sample = build_canary(desk(tmp_path / "clean.db", tickets=3000), tmp_path / "canary.db", [*TABLES, ROSTER], seed=3)
    by_column = {reference.column: reference for reference in sample.references}
    assert set(by_column) == {"TKT-Parent ID", "ticket_id", "TS-Crm ID"}
    for reference in by_column.values():
        assert abs(reference.full.percent - reference.sample.percent) < 1, reference
    told = {one["column"]: one for one in sample.to_dict()["references"]}
    assert told["TS-Crm ID"]["orphan_percent"] == pytest.approx(by_column["TS-Crm ID"].full.percent, abs=0.001)


def test_each_stratum_has_its_share_and_at_least_one_row(tmp_path: Path) -> None:
    tickets = replace(TICKETS, canary_strata="TKT-Assigned To User")
    counts = {"many": 1480, "some": 300, "few": 21, "one": 1, None: 8}
    users = [user for user, count in counts.items() for _ in range(count)]
    rows = [ticket(number, TKT_Assigned_To_User=user) for number, user in enumerate(users, start=1)]
    clean = write_clean(tmp_path / "clean.db", [tickets], {"tickets": rows})
    sample = build_canary(clean, tmp_path / "canary.db", [tickets], seed=5)
    place = [column.name for column in tickets.columns].index("TKT-Assigned To User")
    assert Counter(row[place] for row in read(sample.path, tickets)) == {
        "many": 148,
        "some": 30,
        "few": 2,
        "one": 1,
        None: 1,
    }


def test_the_same_seed_chooses_the_same_rows_and_another_seed_others(tmp_path: Path) -> None:
    clean = desk(tmp_path / "clean.db")
    chosen = []
    for place, seed in enumerate((1, 1, 2)):
        path = build_canary(clean, tmp_path / f"canary{place}.db", [*TABLES, ROSTER], seed=seed).path
        chosen.append([read(path, table) for table in TABLES])
    assert chosen[0] == chosen[1]
    assert chosen[0][0] != chosen[2][0]
    assert chosen[0][2] != chosen[2][2]


def test_the_canary_is_loaded_and_validated_like_any_clean_file(pg: Database, tmp_path: Path) -> None:
    tables = [*TABLES, ROSTER]
    sample = build_canary(desk(tmp_path / "clean.db"), tmp_path / "canary.db", tables)
    with closing(connect(Target("test", pg.dsn, "servicedesk", ""), application="test")) as connection:
        assert load(connection, sample.path, tables) == sample.rows
        findings = validate_version(connection, VERSION, tables, sample.path)
    assert not [finding.detail for finding in findings if finding.status is CheckStatus.FAIL]


def test_every_table_that_has_rows_keeps_at_least_one(tmp_path: Path) -> None:
    rows: Rows = {"tickets": [ticket(1)], "comments": [[1, 1, "a", None, None]], "timesheets": [["A", None, None, 9]]}
    clean = write_clean(tmp_path / "clean.db", TABLES, rows)
    for seed in range(5):
        sample = build_canary(clean, tmp_path / f"c{seed}.db", TABLES, rate_percent=0.001, seed=seed)
        assert sample.rows == {"tickets": 1, "comments": 1, "timesheets": 1}
    empty = write_clean(tmp_path / "empty.db", TABLES, {})
    assert build_canary(empty, tmp_path / "e.db", TABLES).total_rows == 0


def test_a_whole_canary_is_the_whole_file(tmp_path: Path) -> None:
    clean = desk(tmp_path / "clean.db", tickets=50)
    sample = build_canary(clean, tmp_path / "canary.db", [*TABLES, ROSTER], rate_percent=100)
    for table in (*TABLES, ROSTER):
        assert read(sample.path, table) == read(clean, table)


SHOP = (
    Table("customers", (Column("id", "bigint"), Column("name", "text")), key=("id",)),
    Table("products", (Column("code", "text"),), key=("code",)),
    Table(
        "orders",
        (Column("id", "bigint"), Column("customer", "bigint")),
        key=("id",),
        references=(Reference("customer", "customers", "id"),),
    ),
    Table(
        "lines",
        (Column("order", "bigint"), Column("product", "text"), Column("n", "bigint")),
        references=(Reference("order", "orders", "id"), Reference("product", "products", "code")),
    ),
    Table("log", (Column("text", "text"),)),
)


def test_any_database_is_sampled_along_its_references(tmp_path: Path) -> None:
    rows: Rows = {
        "customers": [[number, f"c{number}"] for number in range(300)],
        "products": [[f"p{number}"] for number in range(200)],
        "orders": [[number, number % 300] for number in range(900)],
        "lines": [[number % 900, f"p{number % 200}", number] for number in range(2700)],
        "log": [[f"line {number}"] for number in range(3000)],
    }
    clean = write_clean(tmp_path / "shop.db", SHOP, rows)
    sample = build_canary(clean, tmp_path / "canary.db", SHOP, seed=11)
    customers, products, orders, lines, log = (read(sample.path, table) for table in SHOP)
    customer_ids = {row[0] for row in customers}
    order_ids = {row[0] for row in orders}
    assert 10 <= len(customer_ids) <= 60
    assert order_ids == {number for number, customer in rows["orders"] if customer in customer_ids}
    assert [row[2] for row in lines] == [number for order, _, number in rows["lines"] if order in order_ids]
    assert {row[1] for row in lines} <= {row[0] for row in products}
    assert 200 <= len(log) <= 400
    assert all(reference.sample.orphans == 0 for reference in sample.references)


def test_tables_that_refer_to_each_other_in_a_circle_are_sampled(tmp_path: Path) -> None:
    def table(name: str, other: str) -> Table:
        columns = (Column("id", "bigint"), Column("other", "bigint"))
        return Table(name, columns, key=("id",), references=(Reference("other", other, "id"),))

    tables = (table("a", "b"), table("b", "c"), table("c", "a"))
    rows: Rows = {name: [[number, (number + 1) % 2000] for number in range(2000)] for name in "abc"}
    sample = build_canary(write_clean(tmp_path / "ring.db", tables, rows), tmp_path / "canary.db", tables)
    assert all(count > 0 for count in sample.rows.values())
    assert all(reference.sample.orphans == 0 for reference in sample.references)


@pytest.mark.parametrize("rate", [0, -1, 100.1, float("nan")])
def test_a_rate_that_is_none_is_refused(tmp_path: Path, rate: float) -> None:
    with pytest.raises(UsageError) as caught:
        build_canary(desk(tmp_path / "clean.db", tickets=5), tmp_path / "canary.db", TABLES, rate_percent=rate)
    assert caught.value.slug == "canary-rate"


def test_the_clean_file_itself_is_never_written(tmp_path: Path) -> None:
    clean = desk(tmp_path / "clean.db", tickets=5)
    before = clean.read_bytes()
    link = tmp_path / "link.db"
    link.hardlink_to(clean)
    for output in (clean, link):
        with pytest.raises(UsageError):
            build_canary(clean, output, TABLES)
    assert clean.read_bytes() == before


def test_a_stopped_choice_leaves_no_file(tmp_path: Path) -> None:
    def stop(done: int, _total: int | None) -> None:
        if done:
            raise Interrupted

    with pytest.raises(Interrupted):
        build_canary(desk(tmp_path / "clean.db"), tmp_path / "canary.db", [*TABLES, ROSTER], progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean.db"]


def test_the_canary_is_private(tmp_path: Path) -> None:
    path = build_canary(desk(tmp_path / "clean.db", tickets=5), tmp_path / "canary.db", TABLES).path
    assert path.stat().st_mode & 0o777 == 0o600
