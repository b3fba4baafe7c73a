"""The clean file: every row and value accounted for, the snapshot untouched, whole or not there at all."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from sqlite3 import OperationalError
from typing import Any

import pytest

from sdconsole.contract.model import Column, Contract, Table
from sdconsole.errors import CheckFailed, GateFailed, Interrupted, OperationFailed, SourceRefused, UsageError
from sdconsole.quality.clean.quarantine import QUARANTINE
from sdconsole.quality.clean.report import CleanReport, clean_report_from_dict
from sdconsole.quality.clean.writing import clean_database
from tests.unit.quality_exports import AS_OF, CONTRACT, clean, clean_rows, perfect, profiled, select, write

KINDS = Contract(
    "kinds",
    "1",
    (
        Table(
            "things",
            (
                Column("id", "bigint", positive=True),
                Column("name", "text"),
                Column("born", "timestamp", not_null=True),
                Column("price", "numeric(8,3)"),
                Column("size", "double precision"),
                Column("works", "text", flag=("yes", "no")),
                Column("tags", "jsonb"),
            ),
            key=("id",),
            newest_by="born",
        ),
    ),
    missing_tokens=("nan", "n/a", "-"),
)
BOOKING = ("TS-User Username", "TS-Date", "TS-Time From", "TS-Crm ID")


def thing(number: object, **cells: Any) -> dict[str, Any]:
    return {"id": number, "born": "2025-07-15 08:00:00"} | cells


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_all_seven_tables_and_133_columns_are_there_in_the_order_of_the_contract(tmp_path: Path) -> None:
    cleaned = clean_rows(tmp_path, perfect())
    columns = {
        table.name: [name for (name,) in cleaned.rows("SELECT name FROM pragma_table_info(?)", table.name)]
        for table in CONTRACT.tables
    }
    assert columns == {table.name: [column.name for column in table.columns] for table in CONTRACT.tables}
    assert sum(map(len, columns.values())) == 133


def test_values_are_stored_canonically(tmp_path: Path) -> None:
    row = thing("7.0", name=" Lamp ", born="15/07/2025 8:42 PM", price="7,60", size="0,5", works="TRUE", tags=" [1] ")
    cleaned = clean_rows(tmp_path, {"things": [row, thing(8, price=8, size=2)]}, contract=KINDS)
    assert cleaned.rows("SELECT *, typeof(id), typeof(price), typeof(size) FROM things") == [
        (7, "Lamp", "2025-07-15 20:42:00", "7.6", 0.5, "yes", "[1]", "integer", "text", "real"),
        (8, None, "2025-07-15 08:00:00", "8", 2.0, None, None, "integer", "text", "real"),
    ]


def test_large_ids_and_decimals_survive(tmp_path: Path) -> None:
    rows = [thing(9007199254740993, price=7.6), thing(2**63 - 1, price="0.001")]
    cleaned = clean_rows(tmp_path, {"things": rows}, contract=KINDS)
    assert cleaned.rows("SELECT id, price FROM things") == [(9007199254740993, "7.6"), (2**63 - 1, "0.001")]


def test_nothing_is_invented_where_something_is_missing(tmp_path: Path) -> None:
    rows = perfect()
    for ticket in rows["tickets"][:5]:
        ticket |= {"TKT-SLA Met": None, "TKT-Team": "", "TKT-Account Id": "nan"}
    rows["timesheets"][1] |= {"TS-Crm ID": None, "TS-Hours": " ", "TS-Title": "fixed 3664092"}
    cleaned = clean_rows(tmp_path, rows)
    for column in ("TKT-SLA Met", "TKT-Team", "TKT-Account Id"):
        assert cleaned.column("tickets", column)[:5] == [None] * 5
    assert (cleaned.column("timesheets", "TS-Crm ID")[1], cleaned.column("timesheets", "TS-Hours")[1]) == (None, None)
    assert cleaned.column("timesheets", "TS-Title")[1] == "fixed 3664092"
    assert cleaned.column("comments", "visible_to_customer").count("Yes") == 26


def test_no_typed_column_of_any_table_keeps_an_empty_text_or_a_word_for_nothing(tmp_path: Path) -> None:
    rows = perfect()
    typed = [
        (table.name, column.name)
        for table, column in CONTRACT.columns()
        if column.kind != "text" and column.name not in table.key and not column.not_null and table.name in rows
    ]
    assert len({column for table, column in typed if table == "tickets"}) == 23
    for number, (table, column) in enumerate(typed):
        rows[table][number % len(rows[table])][column] = ("", "  ", "NaN", "N/A", "?", "--")[number % 6]
    cleaned = clean_rows(tmp_path, rows)
    assert cleaned.report.values_quarantined == 0
    for table, column in typed:
        report = cleaned.report.table(table).column(column)
        assert (report.changed, report.emptied) == (1, 1), (table, column)


def test_rows_without_a_usable_key_go_into_quarantine_as_a_whole(tmp_path: Path) -> None:
    bad = [thing(None), thing("ABC-12", name="=1+1"), thing(-5), thing(""), thing(7.5), thing(b"\1")]
    cleaned = clean_rows(tmp_path, {"things": [thing(1), *bad, thing(2)]}, contract=KINDS)
    assert cleaned.column("things", "id") == [1, 2]
    entries = cleaned.rows(f"SELECT row_id, column_name, rule, severity, record_json FROM {QUARANTINE} ORDER BY id")
    assert [entry[:3] for entry in entries] == [
        (2, None, "key-missing"),
        (3, None, "not-a-number"),
        (4, None, "not-positive"),
        (5, None, "key-missing"),
        (6, None, "not-whole"),
        (7, None, "binary"),
    ]
    assert {entry[3] for entry in entries} == {"error"}
    assert json.loads(entries[1][4]) == thing("ABC-12", name="=1+1") | dict.fromkeys(("price", "size", "works", "tags"))
    assert cleaned.report.table("things").held == {
        "binary": 1, "key-missing": 2, "not-a-number": 1, "not-positive": 1, "not-whole": 1
    }  # fmt: skip


def test_a_missing_or_corrupt_value_that_may_not_be_missing_takes_its_row_along(tmp_path: Path) -> None:
    rows = [thing(1), thing(2, born=None), thing(3, born="31/02/2025", price="two"), thing(4, born="n/a")]
    cleaned = clean_rows(tmp_path, {"things": rows}, contract=KINDS)
    assert cleaned.column("things", "id") == [1]
    assert cleaned.rows(f"SELECT row_key, column_name, rule, reason FROM {QUARANTINE} ORDER BY id") == [
        ("2", None, "required-missing", "born: a value that may not be missing is missing"),
        ("3", None, "corrupt-date", "born: '31/02/2025' is not a date that exists"),
        ("4", None, "required-missing", "born: a value that may not be missing is missing"),
    ]
    assert cleaned.report.values_quarantined == 0


def test_a_value_without_a_valid_form_becomes_null_and_is_kept_aside(tmp_path: Path) -> None:
    row = thing(1, name=b"\x89PNG", price="two", size="1,250", works="maybe", tags="[1,")
    cleaned = clean_rows(tmp_path, {"things": [row]}, contract=KINDS)
    assert cleaned.rows("SELECT name, price, size, works, tags FROM things") == [(None,) * 5]
    entries = f"SELECT row_id, row_key, column_name, original_value, rule FROM {QUARANTINE} ORDER BY id"
    assert cleaned.rows(entries) == [
        (1, "1", "name", "x'89504e47'", "binary"),
        (1, "1", "price", "two", "not-a-number"),
        (1, "1", "size", "1,250", "ambiguous-number"),
        (1, "1", "works", "maybe", "unknown-flag"),
        (1, "1", "tags", "[1,", "bad-json"),
    ]
    assert cleaned.report.values_quarantined == 5
    assert cleaned.report.table("things").column("price").quarantined == {"not-a-number": 1}


def test_text_that_is_not_utf8_is_kept_aside_byte_for_byte_and_the_rest_is_read(tmp_path: Path) -> None:
    source = write(
        tmp_path / "bytes.db",
        {"things": [thing(number, name=f"n{number}") for number in range(1, 200)]},
        contract=KINDS,
    )
    with closing(sqlite3.connect(source)) as connection, connection:
        connection.execute("UPDATE things SET name = CAST(x'636166e9' AS TEXT) WHERE id = 120")
    cleaned = clean(source, contract=KINDS)
    names = cleaned.column("things", "name")
    assert names[119] is None
    assert [name for name in names if name is not None] == [f"n{number}" for number in range(1, 200) if number != 120]
    assert cleaned.rows(f"SELECT row_id, original_value, rule FROM {QUARANTINE}") == [(120, "caf\\xe9", "bad-utf8")]


def test_dates_nobody_can_read_for_certain_wait_in_quarantine(tmp_path: Path) -> None:
    rows = perfect()
    for ticket in rows["tickets"]:
        ticket["TKT-Closure Date"] = None
    rows["tickets"][0]["TKT-Closure Date"] = "5/07/2025 9:00"
    waiting = clean_rows(tmp_path, rows)
    assert waiting.column("tickets", "TKT-Closure Date") == [None] * 20
    assert waiting.report.ambiguous_dates == 1
    rows["tickets"][1]["TKT-Closure Date"] = "25/07/2025 9:00"
    proven = clean_rows(tmp_path, rows)
    assert proven.column("tickets", "TKT-Closure Date")[:2] == ["2025-07-05 09:00:00", "2025-07-25 09:00:00"]
    report = proven.report.table("tickets").column("TKT-Closure Date")
    assert (report.dates_standardised, report.flags, report.ambiguous_dates) == (2, {"inferred": 1}, 0)


@pytest.mark.parametrize(
    ("versions", "kept"),
    [
        ((("2025-07-15 08:00:00", "a"), ("2025-07-16 08:00:00", "b")), "b"),
        ((("2025-07-16 08:00:00", "a"), ("2025-07-15 08:00:00", "b")), "a"),
        ((("2025-07-15 08:00:00", "a"), ("2025-07-15 08:00:00", "b")), "b"),
        ((("16/07/2025 8:00", "a"), ("2025-07-15 08:00:00", "b")), "a"),
    ],
)
def test_of_rows_with_the_same_key_the_newest_is_kept(
    tmp_path: Path, versions: tuple[tuple[str, str], ...], kept: str
) -> None:
    rows = [thing(number, born=born, name=name) for number, (born, name) in zip((7, "7.0"), versions, strict=True)]
    cleaned = clean_rows(tmp_path, {"things": rows}, contract=KINDS)
    assert cleaned.rows("SELECT id, name FROM things") == [(7, kept)]
    [(row_id, key, rule, record)] = cleaned.rows(f"SELECT row_id, row_key, rule, record_json FROM {QUARANTINE}")
    assert (row_id, key, rule) == (2 if kept == "a" else 1, "7", "duplicate")
    assert json.loads(record)["name"] == ({"a", "b"} - {kept}).pop()


def test_what_was_counted_for_a_repeated_row_goes_with_it(tmp_path: Path) -> None:
    rows = [thing(7, name=" old ", price="two"), thing(7, name=" new ", price="7,6")]
    cleaned = clean_rows(tmp_path, {"things": rows}, contract=KINDS)
    report = cleaned.report.table("things")
    assert (report.column("name").changed, report.column("price").changed) == (1, 1)
    assert (report.rows_quarantined, report.values_quarantined) == (1, 0)
    [(column, cleaned_json)] = cleaned.rows(f"SELECT column_name, cleaned_json FROM {QUARANTINE}")
    assert column is None
    assert json.loads(cleaned_json)["faults"] == {"3": "two"}


def test_what_was_counted_for_a_row_without_a_key_goes_with_it(tmp_path: Path) -> None:
    rows = [thing("ABC", name=" x ", price="two", born="16/07/2025 8:00"), thing(1, name=" y ")]
    report = clean_rows(tmp_path, {"things": rows}, contract=KINDS).report.table("things")
    assert (report.column("name").changed, report.column("born").changed, report.values_quarantined) == (1, 0, 0)


def test_bookings_repeat_by_their_four_part_key_and_never_by_a_missing_part(tmp_path: Path) -> None:
    rows = perfect()
    first = rows["timesheets"][0]
    rows["timesheets"] += [first | {"TS-Title": "again"}, first | {"TS-Time From": None}, first | {"TS-Time From": ""}]
    cleaned = clean_rows(tmp_path, rows)
    assert cleaned.report.table("timesheets").held == {"duplicate": 1}
    assert cleaned.column("timesheets", "TS-Title")[0] == "Paper"
    assert cleaned.rows('SELECT count(*), sum("TS-Title" = ?) FROM timesheets', "again") == [(42, 1)]
    [(key,)] = cleaned.rows(f"SELECT row_key FROM {QUARANTINE}")
    assert key == " | ".join(str(first[name]) for name in BOOKING)


def test_many_repeated_keys_are_resolved_like_few(tmp_path: Path) -> None:
    rows = [thing(number, name=f"{copy}") for copy in range(3) for number in range(1, 701)]
    cleaned = clean_rows(tmp_path, {"things": rows}, contract=KINDS)
    assert cleaned.rows("SELECT count(*), count(DISTINCT id), min(name) FROM things") == [(700, 700, "2")]
    assert cleaned.report.table("things").held == {"duplicate": 1400}


def test_rows_in_are_rows_out_and_rows_in_quarantine(tmp_path: Path) -> None:
    rows = perfect()
    rows["tickets"] += [rows["tickets"][3], {"TKT-Ticket ID": "ABC"}, {}]
    rows["comments"][4]["created_time"] = "31/02/2025"
    cleaned = clean_rows(tmp_path, rows)
    for report in cleaned.report.tables:
        stored = cleaned.rows(f'SELECT count(*) FROM "{report.name}"')[0][0]
        held = cleaned.rows(
            f"SELECT count(*) FROM {QUARANTINE} WHERE table_name = ? AND column_name IS NULL", report.name
        )
        assert (stored, held[0][0]) == (report.rows_out, report.rows_quarantined)
        assert report.rows_in == report.rows_out + report.rows_quarantined
    assert (cleaned.report.rows_in, cleaned.report.rows_quarantined) == (104, 4)
    assert round(cleaned.report.quarantined_percent, 2) == 3.85


def test_cleaning_the_clean_file_changes_nothing(tmp_path: Path) -> None:
    rows = perfect()
    rows["tickets"] += [rows["tickets"][3] | {"TKT-Title": "  again\r\n"}, {"TKT-Ticket ID": "ABC"}]
    rows["tickets"][5]["TKT-Closure Date"] = "31/02/2025"
    rows["timesheets"][5]["TS-Hours"] = "7,6"
    rows["extra"] = [{"code": 1.5, "note": " x "}, {"code": "2", "note": b"\0"}]
    first = clean_rows(tmp_path, rows)
    assert first.report.changed > 0
    second = clean(first.output)
    assert (second.report.changed, second.report.rows_quarantined, second.report.values_quarantined) == (0, 0, 0)
    assert second.report.carried_over == 4
    assert second.output.read_bytes() == first.output.read_bytes()


def test_the_same_snapshot_gives_the_same_bytes(tmp_path: Path) -> None:
    rows = perfect() | {"extra": [{"note": f" {number}"} for number in range(300)]}
    source = write(tmp_path / "export.db", rows)
    first, second = clean(source, tmp_path / "first.db"), clean(source, tmp_path / "second.db")
    assert digest(first.output) == digest(second.output)
    assert first.report.to_dict() | {"output": "", "duration_seconds": 0} == second.report.to_dict() | {
        "output": "",
        "duration_seconds": 0,
    }


def test_the_snapshot_is_not_touched_and_the_output_is_private(tmp_path: Path) -> None:
    source = write(tmp_path / "export.db", perfect())
    before = (digest(source), source.stat().st_mtime_ns)
    cleaned = clean(source)
    assert (digest(source), source.stat().st_mtime_ns) == before
    assert stat.S_IMODE(cleaned.output.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export.clean.db", "export.db"]


def test_a_dry_run_counts_the_same_and_writes_nothing(tmp_path: Path) -> None:
    rows = perfect()
    rows["tickets"] += [rows["tickets"][3], {"TKT-Ticket ID": "ABC"}]
    rows["tickets"][5] |= {"TKT-Closure Date": "31/02/2025", "TKT-Title": " x "}
    source = write(tmp_path / "export.db", rows)
    seen: list[int] = []

    def inspect(connection: sqlite3.Connection, report: CleanReport) -> None:
        seen.append(connection.execute("SELECT count(*) FROM tickets").fetchone()[0])

    dry = clean(source, dry_run=True, inspect=inspect)
    assert [path.name for path in tmp_path.iterdir()] == ["export.db"]
    wet = clean(source)
    assert (dry.report.dry_run, wet.report.dry_run) == (True, False)
    assert dry.report.tables == wet.report.tables
    assert seen == [20]


def test_the_report_is_json_and_reads_back(tmp_path: Path) -> None:
    rows = perfect()
    rows["tickets"][5]["TKT-Title"] = " x\0 "
    report = clean_rows(tmp_path, rows).report
    assert clean_report_from_dict(json.loads(json.dumps(report.to_dict()))) == report
    with pytest.raises(ValueError, match="schema 99"):
        clean_report_from_dict(report.to_dict() | {"schema": 99})


@pytest.mark.parametrize("failing", ["inspect", "progress"])
def test_an_earlier_output_survives_a_failure_and_nothing_is_left_behind(tmp_path: Path, failing: str) -> None:
    source = write(tmp_path / "export.db", perfect())
    good = digest(clean(source).output)
    later = write(tmp_path / "later.db", perfect(30))

    def refuse(connection: sqlite3.Connection, report: CleanReport) -> None:
        assert connection.execute("SELECT count(*) FROM tickets").fetchone() == (30,)
        raise GateFailed("score", "too low")

    def stop(done: int, total: int | None) -> None:
        if done > 40:
            raise Interrupted()

    options: dict[str, Any] = {"inspect": refuse} if failing == "inspect" else {"progress": stop}
    with pytest.raises((GateFailed, Interrupted)):
        clean(later, tmp_path / "export.clean.db", **options)
    assert digest(tmp_path / "export.clean.db") == good
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export.clean.db", "export.db", "later.db"]


def test_a_failure_leaves_no_file_where_there_was_none(tmp_path: Path) -> None:
    def refuse(connection: sqlite3.Connection, report: CleanReport) -> None:
        raise GateFailed("score", "too low")

    source = write(tmp_path / "export.db", perfect())
    with pytest.raises(GateFailed):
        clean(source, inspect=refuse)
    assert [path.name for path in tmp_path.iterdir()] == ["export.db"]


def test_a_kill_in_the_middle_keeps_the_earlier_output(tmp_path: Path) -> None:
    source = write(tmp_path / "export.db", perfect())
    good = digest(clean(source).output)
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tests.unit.quality_exports import clean\n"
        "def stay(connection, report):\n"
        "    print('filled', flush=True)\n"
        "    time.sleep(60)\n"
        f"clean(Path({str(source)!r}), inspect=stay)\n"
    )
    root = Path(__file__).resolve().parents[2]
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=root, text=True)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "filled\n"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert digest(tmp_path / "export.clean.db") == good
    leftovers = {path.name for path in tmp_path.iterdir()} - {"export.db", "export.clean.db"}
    assert all(".tmp-" in name for name in leftovers), leftovers
    assert digest(clean(source).output) == good


def test_progress_reaches_the_total_in_steps_of_at_most_ten_thousand_rows(tmp_path: Path) -> None:
    rows = {"log": [{"number": number} for number in range(23_000)], "small": [{"a": 1}]}
    calls: list[tuple[int, int | None]] = []
    clean(write(tmp_path / "log.db", rows), progress=lambda done, total: calls.append((done, total)))
    steps = [0, *(done for done, _ in calls)]
    assert max(later - sooner for sooner, later in pairwise(steps)) <= 10_000
    assert calls[-1] == (23_001, 23_001)
    assert steps == sorted(steps)


@pytest.mark.parametrize("link", ["same", "relative", "symlink", "hardlink"])
def test_the_snapshot_is_refused_as_output_by_whatever_name(tmp_path: Path, link: str) -> None:
    source = write(tmp_path / "export.db", perfect())
    other = tmp_path / "other.db"
    if link == "symlink":
        other.symlink_to(source)
    elif link == "hardlink":
        other.hardlink_to(source)
    output = {"same": source, "relative": tmp_path / "x" / ".." / "export.db"}.get(link, other)
    before = digest(source)
    with pytest.raises(UsageError, match="is the source itself"):
        clean(source, output)
    assert digest(source) == before


def test_a_full_disk_is_said_in_words_and_leaves_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "export.db", perfect(400))
    script = (
        "import resource, signal\n"
        "from pathlib import Path\n"
        "from sdconsole.errors import OperationFailed\n"
        "from tests.unit.quality_exports import clean\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try:\n"
        f"    clean(Path({str(source)!r}))\n"
        "except OperationFailed as error:\n"
        "    print(error.slug)\n"
    )
    root = Path(__file__).resolve().parents[2]
    ended = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert ended.stdout.strip() in {"disk-full", "output-unwritable"}, ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["export.db"]


def test_a_damaged_snapshot_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    rows = {"log": [{"text": "x" * 300, "number": number} for number in range(500)]}
    source = write(tmp_path / "log.db", rows)
    profile = profiled(source)
    damaged = bytearray(source.read_bytes())
    damaged[40_960:49_152] = b"\xff" * 8192
    source.write_bytes(damaged)
    with pytest.raises(SourceRefused):
        clean_database(source, tmp_path / "out.db", CONTRACT, profile, run_id="r", progress=lambda done, total: None)
    assert [path.name for path in tmp_path.iterdir()] == ["log.db"]


def test_columns_and_tables_the_export_lacks_are_null_and_named(tmp_path: Path) -> None:
    rows = perfect()
    cleaned = clean(write(tmp_path / "export.db", rows, without=["TKT-Platform", "team"]))
    assert cleaned.report.table("tickets").absent_columns == ("TKT-Platform",)
    assert cleaned.report.table("comments").absent_columns == ("team",)
    assert cleaned.column("comments", "team") == [None] * 40
    assert len(cleaned.report.table("comment_sentiment").absent_columns) == 13
    assert cleaned.rows("SELECT count(*) FROM comment_sentiment") == [(0,)]


def test_unknown_tables_and_columns_are_carried_over_with_odd_names(tmp_path: Path) -> None:
    odd = 'my "odd" t-1'
    rows = perfect() | {odd: [{'a" = 1; --': 1, "select": "x", "rowid": 7, "a{b}": None}]}
    rows["tickets"][0]["Neue Spalte %"] = "5"
    cleaned = clean_rows(tmp_path, rows)
    assert cleaned.rows('SELECT _rowid_, * FROM "my ""odd"" t-1"') == [(1, 1, "x", 7, None)]
    assert cleaned.column("tickets", "Neue Spalte %")[0] == 5


def test_columns_in_another_order_and_case_land_where_they_belong(tmp_path: Path) -> None:
    source = tmp_path / "export.db"
    with closing(sqlite3.connect(source)) as connection, connection:
        connection.execute("CREATE TABLE THINGS (Name, BORN, id)")
        connection.execute("INSERT INTO things VALUES ('lamp', '15/07/2025 8:00', '7')")
    cleaned = clean(source, contract=KINDS)
    assert cleaned.rows("SELECT id, name, born FROM things") == [(7, "lamp", "2025-07-15 08:00:00")]


def test_tables_without_row_numbers_are_cleaned_too(tmp_path: Path) -> None:
    source = tmp_path / "export.db"
    with closing(sqlite3.connect(source)) as connection, connection:
        connection.execute("CREATE TABLE things (id TEXT, born, name, PRIMARY KEY (id)) WITHOUT ROWID")
        connection.executemany(
            "INSERT INTO things VALUES (?, ?, ?)",
            [("7", "2025-07-15 08:00:00", "old"), ("7.0", "2025-07-16 08:00:00", "new"), ("x", None, "bad")],
        )
    cleaned = clean(source, contract=KINDS)
    assert cleaned.rows("SELECT id, name FROM things") == [(7, "new")]
    assert cleaned.report.table("things").held == {"duplicate": 1, "not-a-number": 1}


def test_a_table_that_hides_every_row_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed) as refused:
        clean_rows(tmp_path, {"t": [{"rowid": 1, "oid": 2, "_rowid_": 3}]})
    assert refused.value.slug == "row-number-hidden"


def test_a_foreign_table_with_the_name_of_the_quarantine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed) as refused:
        clean_rows(tmp_path, perfect() | {QUARANTINE: [{"mine": 1}]})
    assert refused.value.slug == "reserved-table"


def test_nobody_can_write_to_the_snapshot_while_it_is_copied(tmp_path: Path) -> None:
    source = write(tmp_path / "export.db", {"log": [{"number": number} for number in range(12_000)]})
    refused: list[str] = []

    def lose_a_row(done: int, total: int | None) -> None:
        if done > 5_000:
            with closing(sqlite3.connect(source, timeout=0, isolation_level=None)) as connection:
                with pytest.raises(OperationalError) as locked:
                    connection.execute("DELETE FROM log WHERE number = 5")
                refused.append(str(locked.value))

    assert clean(source, progress=lose_a_row).report.rows_out == 12_000
    assert set(refused) == {"database is locked"}


def test_rows_that_change_while_they_are_read_are_noticed(tmp_path: Path) -> None:
    source = write(tmp_path / "export.db", {"log": [{"number": number} for number in range(100)]})
    writer = sqlite3.connect(source)
    writer.execute("PRAGMA journal_mode = WAL")

    def steal(connection: sqlite3.Connection, report: CleanReport) -> None:
        """Not called: the accounts are checked before."""
        raise AssertionError

    def lose_a_row(done: int, total: int | None) -> None:
        if done == 100:
            writer.execute("DELETE FROM log WHERE number = 5")
            writer.commit()

    with closing(writer):
        writer.execute("UPDATE log SET number = 7 WHERE number = 7")
        writer.commit()
        with pytest.raises(OperationFailed) as refused:
            clean(source, progress=lose_a_row, inspect=steal)
    assert refused.value.slug == "snapshot-changed"
    assert not (tmp_path / "export.clean.db").exists()


def test_findings_about_other_bytes_are_not_believed(tmp_path: Path) -> None:
    source = write(tmp_path / "export.db", perfect())
    profile = profiled(source)
    with closing(sqlite3.connect(source)) as connection, connection:
        connection.execute("UPDATE tickets SET \"TKT-Status\" = ' Closed ' WHERE rowid = 3")
    output = tmp_path / "out.db"
    with pytest.raises(OperationFailed) as refused:
        clean_database(source, output, CONTRACT, profile, run_id="r", progress=lambda done, total: None)
    assert refused.value.slug == "snapshot-changed"
    assert not output.exists()


def test_the_entries_of_a_run_say_which_and_when(tmp_path: Path) -> None:
    cleaned = clean_rows(tmp_path, {"things": [thing("x")]}, contract=KINDS)
    stamps = select(cleaned.output, f"SELECT run_id, quarantined_at FROM {QUARANTINE}")
    assert stamps == [("r-20251121-000000-0001", AS_OF.strftime("%Y-%m-%d %H:%M:%S"))]


def test_a_dry_run_that_finds_no_room_for_its_temporary_database_says_so(tmp_path: Path) -> None:
    source = write(tmp_path / "export.db", {"log": [{"text": f"{number}" * 100_000} for number in range(10, 400)]})
    script = (
        "import resource, signal\n"
        "from pathlib import Path\n"
        "from sdconsole.errors import OperationFailed\n"
        "from tests.unit.quality_exports import clean\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try:\n"
        f"    clean(Path({str(source)!r}), dry_run=True)\n"
        "except OperationFailed as error:\n"
        "    print(error.slug)\n"
    )
    root = Path(__file__).resolve().parents[2]
    ended = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert ended.stdout.strip() in {"disk-full", "output-unwritable"}, ended.stderr
