"""The quarantine: entries with their reasons, a CSV that harms nobody, and a table that PostgreSQL can take."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from sdconsole.contract.model import Kind
from sdconsole.errors import UsageError
from sdconsole.quality.clean.quarantine import (
    QUARANTINE,
    QUARANTINE_TABLE,
    Finding,
    export_csv,
    findings,
    read_entries,
    record_of,
    safe_cell,
    storable,
    to_csv,
)
from tests.unit.quality_exports import Cleaned, clean, clean_rows, perfect

HOSTILE_NAMES = ("=HYPERLINK(1)", "+1", "-1+2", "@cmd", " =1", "\t=1", "＝1", "a\x1b[31mb\r\n", "x\u202ey", "plain")


@pytest.fixture
def held(tmp_path: Path) -> Cleaned:
    rows = perfect()
    rows["tickets"] += [{"TKT-Ticket ID": f"X{number}", "TKT-Title": name} for number, name in enumerate(HOSTILE_NAMES)]
    for number, name in enumerate(HOSTILE_NAMES):
        rows["timesheets"][number]["TS-Hours"] = f"{name} h"
    rows["comments"].append(rows["comments"][0])
    return clean_rows(tmp_path, rows)


def test_the_entries_of_a_clean_file_can_be_read_and_summed_up(held: Cleaned) -> None:
    with closing(sqlite3.connect(held.output)) as connection:
        entries = list(read_entries(connection))
        comments = list(read_entries(connection, table="comments"))
        first = list(read_entries(connection, limit=3))
        summary = findings(connection)
    assert len(entries) == 2 * len(HOSTILE_NAMES) + 1
    assert [entry["rule"] for entry in comments] == ["duplicate"]
    assert first == entries[:3]
    assert summary == (
        Finding("tickets", None, "not-a-number", "error", 10),
        Finding("timesheets", "TS-Hours", "not-a-number", "error", 10),
        Finding("comments", None, "duplicate", "warn", 1),
    )
    assert tuple(entries[0]) == tuple(column.name for column in QUARANTINE_TABLE.columns)


def test_every_entry_fits_the_columns_that_are_loaded(held: Cleaned) -> None:
    """What PostgreSQL refuses in a text is neither in an entry nor in the record of a row."""
    types = {Kind.INTEGER: int, Kind.TEXT: str, Kind.TIMESTAMP: str}
    with closing(sqlite3.connect(held.output)) as connection:
        for entry in read_entries(connection):
            for column in QUARANTINE_TABLE.columns:
                value = entry[column.name]
                assert value is None or type(value) is types[column.kind]
                assert not column.not_null or value is not None
                assert "\0" not in str(value)
            if entry["record_json"] is not None:
                assert json.loads(str(entry["record_json"]))[
                    "TKT-Title" if entry["table_name"] == "tickets" else "comment_id"
                ]


def test_the_csv_starts_no_formula_and_holds_no_control_character(held: Cleaned, tmp_path: Path) -> None:
    target = tmp_path / "quarantine.csv"
    with closing(sqlite3.connect(held.output)) as connection:
        written = export_csv(connection, target)
        assert to_csv(read_entries(connection)).splitlines() == target.read_text(encoding="utf-8").splitlines()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    content = target.read_bytes().decode("utf-8")
    assert all(sign.isprintable() or sign in "\r\n" for sign in content)
    rows = list(csv.DictReader(io.StringIO(content)))
    assert len(rows) == written == 2 * len(HOSTILE_NAMES) + 1
    for row in rows:
        for name, cell in row.items():
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝")), (name, cell)
    values = {row["original_value"] for row in rows}
    assert "'=HYPERLINK(1) h" in values
    assert "a\\x1b[31mb\\r\\n h" in values
    assert "plain h" in values


def test_a_failed_export_leaves_the_earlier_csv(held: Cleaned, tmp_path: Path) -> None:
    target = tmp_path / "quarantine.csv"
    target.write_text("earlier")
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(sqlite3.OperationalError):
        export_csv(connection, target)
    assert target.read_text() == "earlier"
    link = tmp_path / "link.csv"
    link.symlink_to(target)
    with closing(sqlite3.connect(held.output)) as connection, pytest.raises(UsageError):
        export_csv(connection, link)


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, ""), (5, "5"), (-5, "-5"), ("-5", "'-5"), ("a,b", "a,b"), ("'=1", "'=1"), ("\x85=1", "\\x85=1"), ("", "")],
)
def test_safe_cells(value: object, cell: str) -> None:
    assert safe_cell(value) == cell


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (7.5, "7.5"),
        (b"\x00\xff", "x'00ff'"),
        ("a\0b", "a\\x00b"),
        ("caf\udce9 é", "caf\\xe9 é"),
        (float("inf"), "inf"),
    ],
)
def test_originals_are_stored_as_text_that_every_database_takes(value: object, text: str | None) -> None:
    assert storable(value) == text


def test_a_long_binary_value_is_cut_and_says_so() -> None:
    text = storable(bytes(100_000))
    assert text is not None
    assert len(text) < 132_000
    assert text.endswith("… (100000 bytes)")


def test_a_record_keeps_numbers_and_is_strict_json() -> None:
    record = record_of(["a", "b", "c", "d", "e"], [2**63 - 1, 7.6, float("-inf"), b"\1", "é\0"])
    assert json.loads(record) == {"a": 2**63 - 1, "b": 7.6, "c": "-inf", "d": "x'01'", "e": "é\\x00"}


def test_entries_of_an_earlier_run_are_carried_over_unchanged(held: Cleaned) -> None:
    again = clean(held.output, run_id="r-20251122-000000-0002")
    query = f"SELECT * FROM {QUARANTINE} ORDER BY id"
    assert again.rows(query) == held.rows(query)
    assert again.report.carried_over == len(held.rows(query))
