"""A drafted contract says what the values prove and no more, and loads as it is, whatever is in the file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sdconsole.contract.load import parse_contract
from sdconsole.contract.model import Contract, DateOrder, Reference, Table
from sdconsole.errors import SourceRefused, UsageError
from sdconsole.quality.drift.shape import deployed_tables
from sdconsole.quality.profile.draft import draft_contract
from sdconsole.quality.score.contract_lint import lint_text
from sdconsole.source.claim import claimed
from tests.unit.small_databases import profile_of, write_table


def drafted(path: Path) -> tuple[Contract, str]:
    text = draft_contract(path, progress=lambda _done, _total: None)
    assert lint_text(text.encode()) == ()
    return parse_contract(text.encode(), source="draft"), text


def table(contract: Contract, name: str) -> Table:
    found = contract.table(name)
    assert found is not None
    return found


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    customers = [(n, f"c{n % 7}") for n in range(1, 31)]
    write_table(path, "customers", ["id INTEGER", "name TEXT"], customers, constraints=", PRIMARY KEY (id)")
    orders = [
        (f"O-{n:04}", n % 30 + 1, f"{n % 28 + 1}/{n % 12 + 1}/2025", f"{n % 9 + 1}/{n % 9 + 1}/2025", f"{n}.5", "nan")
        for n in range(200)
    ]
    columns = ["order_no TEXT", "customer_id INTEGER", "sold TEXT", "sent TEXT", "price TEXT", "note TEXT"]
    write_table(path, "orders", columns, orders)
    return write_table(path, "log", ["id INTEGER", "customer_id INTEGER"], [(n % 5, n % 50) for n in range(60)])


def test_types_keys_orders_and_references_are_those_that_values_prove(shop: Path) -> None:
    contract, text = drafted(shop)
    orders = table(contract, "orders")
    assert {column.name: (column.type, column.date_order) for column in orders.columns} == {
        "order_no": ("text", None),
        "customer_id": ("bigint", None),
        "sold": ("timestamp", DateOrder.DMY),
        "sent": ("text", None),
        "price": ("double precision", None),
        "note": ("text", None),
    }
    assert (orders.key, table(contract, "customers").key, table(contract, "log").key) == (("order_no",), ("id",), ())
    assert orders.references == (Reference("customer_id", "customers", "id"),)
    assert table(contract, "log").references == (), "some of its values name nobody"
    assert "either way" in text
    assert "can only be day first, 0 only month first" in text
    assert "'nan' 200" in text


def test_the_draft_gives_the_shape_that_no_contract_gives(shop: Path) -> None:
    contract, _ = drafted(shop)
    plain = {
        one.name: [(column.name, column.type) for column in one.columns]
        for one in deployed_tables(contract, profile_of(shop, contract=Contract("none", "1", ())))
    }
    described = {
        one.name: [(column.name, column.type) for column in one.columns]
        for one in deployed_tables(contract, profile_of(shop, contract=contract))
    }
    assert described == plain


def test_declared_foreign_keys_are_taken_only_where_the_values_bear_them_out(tmp_path: Path) -> None:
    path = tmp_path / "staff.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            "CREATE TABLE staff (nr INTEGER PRIMARY KEY, boss INTEGER REFERENCES staff, room REFERENCES rooms (id))"
        )
        db.execute("CREATE TABLE rooms (id INTEGER PRIMARY KEY)")
        db.executemany("INSERT INTO staff VALUES (?, ?, ?)", [(n, n // 2 or None, n) for n in range(1, 40)])
        db.executemany("INSERT INTO rooms VALUES (?)", [(n,) for n in range(1, 39)])
        db.commit()
    contract, _ = drafted(path)
    assert table(contract, "staff").references == (Reference("boss", "staff", "nr"),)


def test_equal_ids_of_unrelated_tables_are_no_reference(tmp_path: Path) -> None:
    path = tmp_path / "two.db"
    key = ", PRIMARY KEY (id)"
    write_table(path, "cats", ["id INTEGER"], [(n,) for n in range(1, 30)], constraints=key)
    write_table(path, "dogs", ["id INTEGER", "age INTEGER"], [(n, n % 9 + 1) for n in range(1, 20)], constraints=key)
    contract, _ = drafted(path)
    assert [one.references for one in contract.tables] == [(), ()]


def test_names_and_values_cannot_break_out_of_the_draft(tmp_path: Path) -> None:
    path = tmp_path / 'x"]\n[evil].db'
    name = 'a "table" \\ with\n[[rule]]\t#\u2028'
    write_table(path, name, ['co"l]umn\n TEXT', "' TEXT"], [('"""\n[[rule]]\nid = "x"', "\x1b[31m\x07")] * 3)
    contract, text = drafted(path)
    [found] = contract.tables
    assert found.name == name
    assert [column.name for column in found.columns] == ['co"l]umn\n', "'"]
    assert len(contract.rules) == text.count("\n[[rule]]\n") == 1
    assert all(sign.isprintable() for sign in text.replace("\n", ""))


def test_a_key_needs_a_name_like_one_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    write_table(path, "a", ["colour TEXT", "caseId TEXT"], [(f"c{n}", f"{n:03}") for n in range(30)])
    write_table(path, "b", ["Humid TEXT"], [(f"h{n}",) for n in range(30)])
    write_table(path, "c", ["id TEXT"], [(str(n),) for n in range(1, 60)] + [("x",)])
    contract, _ = drafted(path)
    assert [one.key for one in contract.tables] == [("caseId",), (), ()]
    assert contract.tables[2].columns[0].type == "bigint"


def test_an_empty_table_and_a_file_without_tables(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    write_table(path, "t", ["a INTEGER", "b"], [])
    contract, text = drafted(path)
    assert [column.type for column in contract.tables[0].columns] == ["text", "text"]
    assert "no values in 0 rows" in text
    bare = tmp_path / "bare.db"
    with closing(sqlite3.connect(bare)) as db:
        db.execute("PRAGMA user_version = 1")
    with pytest.raises(SourceRefused):
        draft_contract(bare, progress=lambda _done, _total: None)


def test_a_claimed_name_is_never_somebody_elses_and_is_given_back_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    with pytest.raises(ZeroDivisionError), claimed(path):
        path.write_text(str(1 / (path.stat().st_size)))
    assert not path.exists()
    with claimed(path):
        path.write_text("mine")
    link = tmp_path / "link.toml"
    link.symlink_to(tmp_path / "elsewhere")
    for taken in (path, link, tmp_path):
        with pytest.raises(UsageError) as refused, claimed(taken):
            pass
        assert refused.value.slug == "output-exists"
    assert path.read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(UsageError), claimed(tmp_path / "none" / "x"):
        pass
