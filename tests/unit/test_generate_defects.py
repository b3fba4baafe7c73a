"""Defects of generated exports: each one is in the file, is written down, and stands alone."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Kind
from sdconsole.source.catalog import quote
from sdconsole.source.generate import DIRT_PROFILES, Expect, Manifest, generate, read_defects

CONTRACT = load_contract(None)
KINDS = [f"D{number}" for number in range(1, 24) if number not in (14, 22)]
IMPOSSIBLE = {
    "31/02/2025 10:15",
    "29/02/2023 8:00",
    "25/07/2025 25:99",
    "00/13/2025 9:30",
    "31/02/2025",
    "29/02/2023",
    "31/09/2025",
    "00/13/2025",
}
LEAP_DAY = "29/02/2024 9:15"
TOKENS = {"nan", "none", "null", "n/a"}
CANONICAL = re.compile(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d").fullmatch
SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})( .*)?").fullmatch


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return generate(tmp_path_factory.mktemp("dirty") / "dirty.db", contract=CONTRACT)


@pytest.fixture(scope="module")
def dirty(manifest: Manifest) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{manifest.path.as_uri()}?mode=ro", uri=True)
    connection.create_function("ident", 1, ident, deterministic=True)
    yield connection
    connection.close()


def ident(value: Any) -> int | None:
    """The id that a cell means, however it is written."""
    text = str(value).strip().removesuffix(".0")
    return int(text) if text.isdigit() else None


def one(connection: sqlite3.Connection, query: str) -> Any:
    return connection.execute(query).fetchone()[0]


def test_the_amounts_are_those_of_the_observed_export(manifest: Manifest) -> None:
    assert list(manifest.counts) == KINDS
    tickets = manifest.counts["D2"]["tickets"]
    assert manifest.counts["D1"]["tickets"] == {"TKT-Actual Resolution Date": 4, "TKT-Actual Response Date": 5}
    assert (tickets["TKT-Closure Date"], tickets["Chg-Planned Start Date"]) == (1_094, 328)
    counts = {kind: manifest.count(kind) for kind in KINDS}
    assert (counts["D4"], counts["D6"], counts["D9"], counts["D10"], counts["D11"]) == (231, 20, 5, 50, 50)
    assert counts["D5"] == manifest.figures.unassigned == pytest.approx(3_131, abs=10)
    assert counts["D12"] == pytest.approx(20, abs=3)
    assert counts["D13"] / sum(counts[kind] for kind in ("D1", "D10", "D13")) == pytest.approx(0.4, abs=0.02)
    assert manifest.expected["D15"] == {"converted": 1, "row-quarantined": 3, "value-quarantined": 7}
    assert (counts["D16"], counts["D17"], counts["D18"], counts["D20"], counts["D21"]) == (9, 40, 30, 1_081, 15)
    assert {table: sum(columns.values()) for table, columns in manifest.counts["D19"].items()} == {
        "tickets": 10,
        "comments": 10,
        "timesheets": 10,
    }
    assert manifest.count("D8", "comments", "comment_id") == 1_081
    assert manifest.count("D7", "comments") == 5_406
    assert sum(of.get("row-quarantined", 0) for of in manifest.expected.values()) / manifest.total_rows < 0.01


def test_every_date_that_is_not_plain_is_a_counted_defect(dirty: sqlite3.Connection, manifest: Manifest) -> None:
    for table, column in CONTRACT.columns():
        if column.kind is not Kind.TIMESTAMP:
            continue
        found = Counter(
            _date_kind(value, column.name)
            for (value,) in dirty.execute(f"SELECT {quote(column.name)} FROM {quote(table.name)}")
            if value is not None and not (isinstance(value, str) and CANONICAL(value))
        )
        expected = {
            kind: tables[table.name][column.name]
            for kind, tables in manifest.counts.items()
            if column.name in tables.get(table.name, {}) and kind not in ("D17", "D19", "D21")
        }
        assert dict(found) == expected, column.name


def _date_kind(value: Any, column: str) -> str:
    if value == "":
        return "D2"
    if not isinstance(value, str) or re.fullmatch(r"\d{5}(\.\d+)?", value):
        return "D12"
    if not value.strip() or value.lower() in TOKENS:
        return "D3"
    if value in IMPOSSIBLE or value == LEAP_DAY:
        return "D15"
    if value != value.strip() or re.fullmatch(r"\d{1,2}/\d\d/\d\d", value):
        return "D16"
    if slashed := SLASHED(value):
        if int(slashed[1]) <= 12 and int(slashed[2]) <= 12:
            return "D13"
        if value.count(":") == 2 or value[-1] == "M":
            return "D10"
        return "D1" if column in ("TKT-Actual Response Date", "TKT-Actual Resolution Date") else "D16"
    return "D11"


def test_empty_texts_and_words_for_missing_values(dirty: sqlite3.Connection, manifest: Manifest) -> None:
    empty_keys = {"comment_id": 1}
    """Keys that are none come as ABC-12, -5 and ''."""
    for table, column in CONTRACT.columns():
        name = quote(column.name)
        empty, words = dirty.execute(
            f"SELECT sum({name} = ''), sum({name} <> '' AND (trim({name}) = '' OR lower({name})"
            f" IN ('nan', 'none', 'null', 'n/a'))) FROM {quote(table.name)} WHERE typeof({name}) = 'text'"
        ).fetchone()
        of_keys = empty_keys.get(column.name, 0) if table.name == "comments" else 0
        assert (empty or 0) == manifest.count("D2", table.name, column.name) + of_keys, column.name
        assert (words or 0) == manifest.count("D3", table.name, column.name), column.name


def test_texts_and_markers(dirty: sqlite3.Connection, manifest: Manifest) -> None:
    cause, assignee, title = '"TKT-Root Cause Category"', '"TKT-Assigned To User"', '"TKT-Title"'
    assert one(dirty, f"SELECT count(*) FROM tickets WHERE {cause} = '--None--'") == manifest.count("D4")
    assert one(dirty, f"SELECT count(*) FROM tickets WHERE {assignee} = ' PendingAssignment'") == manifest.count("D5")
    assert one(dirty, "SELECT count(*) FROM comments WHERE instr(comment_text, char(0)) > 0") == manifest.count("D6")
    for table, columns in manifest.counts["D7"].items():
        for column, count in columns.items():
            name = quote(column)
            untidy = (
                f"SELECT count(*) FROM {quote(table)} WHERE {name} <> trim({name}) OR instr({name}, char(13)) > 0"
                f" OR instr({name}, char(10, 10, 10, 10)) > 0"
            )
            assert one(dirty, untidy) == count, column
    special = [
        one(dirty, f"SELECT count(*) FROM tickets WHERE {title} = '[TKT-Key] TKT-Summary'"),
        one(dirty, f"SELECT count(*) FROM tickets WHERE {title} LIKE '%100\\%s done%' ESCAPE '\\'"),
        one(dirty, f"SELECT count(*) FROM tickets WHERE {title} LIKE '%O''Brien%'"),
        one(dirty, 'SELECT count(*) FROM tickets WHERE length("TKT-Description") = 100000'),
        one(dirty, "SELECT count(*) FROM comments WHERE length(comment_text) = 100000"),
        one(dirty, "SELECT count(*) FROM comments WHERE instr(comment_text, '\U0001f44d') > 0"),
    ]
    assert special == [10, 10, 10, 5, 5, 10]
    assert sum(special) == manifest.count("D23")


def test_ids_and_hours(dirty: sqlite3.Connection, manifest: Manifest) -> None:
    for table, column in (
        ("tickets", "TKT-Ticket ID"),
        ("comments", "comment_id"),
        ("comments", "ticket_id"),
        ("timesheets", "TS-Crm ID"),
        ("comment_quality", "comment_id"),
        ("comment_quality", "ticket_id"),
    ):
        name = quote(column)
        odd = f"SELECT count(*) FROM {quote(table)} WHERE typeof({name}) = 'text' AND {name} GLOB '*[^0-9]*'"
        assert one(dirty, f"{odd} AND ident({name}) IS NOT NULL") == manifest.count("D8", table, column), column
        unusable = f"SELECT count(*) FROM {quote(table)} WHERE {name} IS NOT NULL AND ident({name}) IS NULL"
        assert one(dirty, unusable) == manifest.count("D9", table, column), column
    hours = Counter(
        "words" if isinstance(value, str) and "," not in value else value
        for (value,) in dirty.execute('SELECT "TS-Hours" FROM timesheets')
        if value not in (None, 0.25, 0.5, 1.0, 2.0, 7.6, "   ") and str(value).lower() not in TOKENS
    )
    assert hours == {0.0: 6, -1.5: 6, 25.0: 6, "7,6": 6, "words": 6}
    assert hours.total() == manifest.count("D18")


def test_doubled_keys_orphans_and_dates_out_of_order(dirty: sqlite3.Connection, manifest: Manifest) -> None:
    for table, key in (
        ("tickets", 'ident("TKT-Ticket ID")'),
        ("comments", "ident(comment_id)"),
        ("timesheets", '"TS-User Username", "TS-Date", "TS-Time From", ident("TS-Crm ID")'),
    ):
        usable = key.rpartition("ident(")[2]
        doubled = (
            f"SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM {quote(table)}"
            f" WHERE ident({usable} IS NOT NULL GROUP BY {key})"
        )
        assert one(dirty, doubled) == manifest.count("D19", table), table
    orphans = (
        "SELECT count(*) FROM comments WHERE ident(ticket_id) NOT IN"
        ' (SELECT ident("TKT-Ticket ID") FROM tickets WHERE ident("TKT-Ticket ID") IS NOT NULL)'
    )
    assert one(dirty, orphans) == manifest.count("D20") == manifest.figures.comment_orphans
    early = (
        'SELECT count(*) FROM tickets WHERE "TKT-Actual Resolution Date" < "TKT-Created Time"'
        " AND \"TKT-Actual Resolution Date\" GLOB '20??-*' AND typeof(\"TKT-Created Time\") = 'text'"
        " AND \"TKT-Created Time\" GLOB '20??-*'"
    )
    assert one(dirty, early) == manifest.count("D21")
    assert one(dirty, "SELECT count(*) FROM timesheets WHERE \"TS-Date\" GLOB '2026-*'") == manifest.count("D17")


def test_figures_are_those_of_the_file_without_the_rows_to_be_refused(
    dirty: sqlite3.Connection, manifest: Manifest
) -> None:
    refused: dict[str, set[int]] = {"tickets": set(), "comments": set(), "timesheets": set()}
    for defect in read_defects(manifest.path):
        if defect["expect"] == Expect.ROW_QUARANTINED:
            refused[defect["table"]].add(defect["rowid"])
    tickets = {
        ident(key): (status, assigned)
        for rowid, key, status, assigned in dirty.execute(
            'SELECT rowid, "TKT-Ticket ID", "TKT-Status", "TKT-Assigned To User" FROM tickets'
        )
        if rowid not in refused["tickets"]
    }
    comments = [
        (ident(ticket), visible)
        for rowid, ticket, visible in dirty.execute("SELECT rowid, ticket_id, visible_to_customer FROM comments")
        if rowid not in refused["comments"]
    ]
    seen = Counter(ticket for ticket, visible in comments if visible == "Yes")
    closed = [key for key, (status, _) in tickets.items() if status in ("Closed", "Incident Resolved")]
    figures = manifest.figures
    assert figures.tickets == len(tickets)
    assert figures.closed == len(closed)
    assert figures.unassigned == sum(assigned.strip() == "PendingAssignment" for _, assigned in tickets.values())
    assert figures.closed_without_visible_comment == sum(seen[key] == 0 for key in closed)
    assert figures.closed_with_one_visible_comment == sum(seen[key] == 1 for key in closed)
    assert figures.closed_with_more_visible_comments == sum(seen[key] > 3 for key in closed)
    assert (figures.comments, figures.visible_comments) == (len(comments), seen.total())
    assert figures.first_contact_resolution == pytest.approx(0.758, abs=0.001)
    assert figures.coverage == pytest.approx(0.650, abs=0.002)
    crm = Counter(
        "admin" if number == 0 else "own" if number in tickets else "orphan"
        for rowid, value in dirty.execute('SELECT rowid, "TS-Crm ID" FROM timesheets')
        if rowid not in refused["timesheets"]
        for number in [ident(value)]
        if number is not None
    )
    found = (figures.timesheets_of_tickets, figures.timesheets_admin, figures.timesheet_orphans)
    assert found == (crm["own"], crm["admin"], crm["orphan"])


@pytest.mark.parametrize("profile", DIRT_PROFILES)
def test_the_list_of_defects_is_true_and_no_cell_has_two(tmp_path: Path, profile: str) -> None:
    manifest = generate(tmp_path / "a.db", contract=CONTRACT, rows=9_000, dirt=profile)
    counted: Counter[tuple[str, str, str]] = Counter()
    cells: Counter[tuple[str, int, str]] = Counter()
    rows: dict[str, Counter[int]] = {}
    refused: set[tuple[str, int]] = set()
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        for defect in read_defects(tmp_path / "a.db"):
            table, column, rowid = defect["table"], defect["column"], defect["rowid"]
            counted[defect["kind"], table, column] += 1
            cells[table, rowid, column] += 1
            rows.setdefault(table, Counter())[rowid] += 1
            if defect["expect"] == Expect.ROW_QUARANTINED:
                refused.add((table, rowid))
                assert defect["clean"] is None
            stored = one(connection, f"SELECT {quote(column)} FROM {quote(table)} WHERE rowid = {rowid}")
            value = stored[:2_000] if isinstance(stored, str) else stored
            assert (value, type(value)) == (defect["value"], type(defect["value"])), defect
    assert dict(counted) == {
        (kind, table, column): count
        for kind, tables in manifest.counts.items()
        for table, columns in tables.items()
        for column, count in columns.items()
    }
    assert set(cells.values()) <= {1}
    assert all(rows[table][rowid] == 1 for table, rowid in refused)
    assert bool(counted) == (profile != "clean")


def test_heavy_has_about_ten_times_as_much_and_two_more_kinds(tmp_path: Path) -> None:
    usual = generate(tmp_path / "a.db", contract=CONTRACT, rows=40_000)
    heavy = generate(tmp_path / "b.db", contract=CONTRACT, rows=40_000, dirt="heavy")
    for kind in ("D3", "D6", "D7", "D8", "D20"):
        assert heavy.count(kind) == pytest.approx(10 * usual.count(kind), rel=0.1), kind
    for kind in ("D1", "D9", "D10", "D13", "D15", "D19"):
        assert heavy.count(kind) > 2 * usual.count(kind), kind
    assert set(heavy.counts) - set(usual.counts) == {"D14", "D22"}
    assert heavy.counts["D14"] == {"tickets": {"TKT-SLA Closure Date": pytest.approx(5, abs=1)}}
    assert heavy.expected["D13"]["value-quarantined"] == heavy.count("D13", "tickets", "TKT-SLA Closure Date") > 0
    assert heavy.count("D22") == pytest.approx(0.965 * 517 * 40_000 / 260_130, abs=1)
    with closing(sqlite3.connect(tmp_path / "b.db")) as connection:
        contradictions = one(
            connection,
            "SELECT count(*) FROM comment_quality WHERE quality_tier <> CASE WHEN quality_score >= 4.5 THEN 'excellent'"
            " WHEN quality_score >= 3.5 THEN 'good' WHEN quality_score >= 2.5 THEN 'acceptable' ELSE 'poor' END",
        )
        failed = one(
            connection, "SELECT count(*) FROM comment_quality WHERE intent_summary LIKE 'Analysis failed - manual%'"
        )
    assert contradictions == heavy.count("D22")
    assert failed == heavy.count("D22") // 3


def test_hostile_shifts_comments_and_keeps_their_ids_as_text(tmp_path: Path) -> None:
    manifest = generate(tmp_path / "a.db", contract=CONTRACT, rows=20_000, dirt="hostile")
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        types = {name: kind for _, name, kind, *_ in connection.execute("PRAGMA table_info(comments)")}
        shifted = one(
            connection, "SELECT count(*) FROM comments WHERE typeof(user_id) = 'text' AND user_id = 'flowbot'"
        )
        cut = one(connection, "SELECT count(*) FROM comments WHERE length(comment_text) < 10")
        forms = one(connection, "SELECT count(*) FROM comments WHERE comment_id GLOB '*.0' OR comment_id GLOB ' *'")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert (types["comment_id"], types["ticket_id"], types["user_id"]) == ("TEXT", "TEXT", "INTEGER")
    assert shifted == manifest.count("D24", "comments", "created_time") == pytest.approx(0.02 * 8_313, abs=2)
    assert cut >= manifest.count("D24", "comments", "comment_text") > 100
    assert forms == manifest.count("D8", "comments", "comment_id")
    assert manifest.count("D25") == 841 * 21 // 100


@pytest.mark.parametrize(
    ("profile", "wish", "expected"),
    [
        ("clean", {"corrupt_created_percent": 20}, 168),
        ("clean", {"corrupt_created_rows": 169}, 169),
        ("clean", {"corrupt_created_percent": 33.3}, 280),
        ("clean", {"corrupt_created_percent": 100}, 841),
        ("baseline", {"corrupt_created_percent": 19}, 159),
        ("baseline", {"corrupt_created_percent": 0}, 0),
        ("hostile", {"corrupt_created_percent": 100}, 841),
    ],
)
def test_corrupt_creation_times_are_exactly_as_many_as_asked_for(
    tmp_path: Path, profile: str, wish: dict[str, Any], expected: int
) -> None:
    manifest = generate(tmp_path / "a.db", contract=CONTRACT, rows=20_000, dirt=profile, **wish)
    corrupt = {"31/02/2025 10:15", "2025-02-30 10:00:00", "29/02/2023 8:00", "2025-07-15 25:99:00"}
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        values = [value for (value,) in connection.execute('SELECT "TKT-Created Time" FROM tickets')]
    assert len(values) == 841
    assert sum(value in corrupt for value in values) == expected
    assert manifest.count("D25") == expected
    assert manifest.figures.tickets <= 841 - expected


def test_exactly_as_many_columns_are_mistyped_as_asked_for(tmp_path: Path) -> None:
    manifest = generate(tmp_path / "a.db", contract=CONTRACT, rows=20_000, dirt="clean", mistyped_columns=13)
    assert manifest.columns_with_values >= 130
    mistyped = set()
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        for table, column in CONTRACT.columns():
            name = quote(column.name)
            query = f"SELECT count({name}), sum({name} = 'see notes') FROM {quote(table.name)}"
            filled, wrong = connection.execute(query).fetchone()
            if wrong:
                mistyped.add((table.name, column.name))
                assert wrong == filled == manifest.count("D25", table.name, column.name)
                assert column.kind in (Kind.INTEGER, Kind.DECIMAL, Kind.TIMESTAMP)
    assert len(mistyped) == 13
