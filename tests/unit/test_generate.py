"""Synthetic exports: their shape, their reproducibility, and that they appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from sdconsole.contract.load import load_contract
from sdconsole.errors import Interrupted, OperationFailed, UsageError
from sdconsole.source.catalog import quote, read_catalog
from sdconsole.source.generate import Manifest, defects_path, generate, manifest_path, read_defects, read_manifest

CONTRACT = load_contract(None)
BIG = ("tickets", "comments", "timesheets")


def logical_digest(path: Path) -> str:
    """A digest of every value of every table, in the order of the rows."""
    found = hashlib.sha256()
    with closing(sqlite3.connect(path)) as connection:
        for table in read_catalog(connection).tables:
            found.update(f"{table.name} {table.column_names}\n".encode())
            for row in connection.execute(f"SELECT * FROM {quote(table.name)} ORDER BY rowid"):
                found.update(repr(row).encode())
    return found.hexdigest()


def count_rows(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            table.name: connection.execute(f"SELECT count(*) FROM {quote(table.name)}").fetchone()[0]
            for table in read_catalog(connection).tables
        }


def small(path: Path, *, rows: int = 3_000, seed: int = 1, dirt: str = "baseline") -> Manifest:
    return generate(path, contract=CONTRACT, rows=rows, seed=seed, dirt=dirt)


def test_the_tables_and_columns_are_those_of_the_contract_in_its_order_with_the_declared_types(tmp_path: Path) -> None:
    small(tmp_path / "a.db")
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        catalog = read_catalog(connection)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert {table.name: table.column_names for table in catalog.tables} == {
        table.name: tuple(column.name for column in table.columns) for table in CONTRACT.tables
    }
    assert sum(len(table.columns) for table in catalog.tables) == 133
    declared = {(table.name, column.name): column.declared_type for table in catalog.tables for column in table.columns}
    assert set(declared.values()) == {"INTEGER", "REAL", "TEXT", "TIMESTAMP"}
    assert declared["tickets", "TKT-Parent ID"] == "REAL"
    assert declared["tickets", "TKT-Actual Response Date"] == "TEXT"
    assert declared["tickets", "TKT-SLA Closure Date"] == "TIMESTAMP"
    assert declared["timesheets", "TS-Sub Category"] == "REAL"
    assert declared["comment_quality", "comment_id"] == "TEXT"
    assert sum(kind == "TIMESTAMP" for (table, _), kind in declared.items() if table == "tickets") == 3
    keys = {table.name: [c.name for c in table.columns if c.key_position] for table in catalog.tables}
    assert [keys[table] for table in BIG] == [[], [], []]
    assert keys["comment_quality"] == ["comment_id"]
    assert keys["cloud_team_roster"] == ["username"]
    assert "sqlite_sequence" in {skipped.name for skipped in catalog.skipped}


def test_the_column_order_follows_the_contract(tmp_path: Path) -> None:
    turned = replace(CONTRACT, tables=tuple(replace(table, columns=table.columns[::-1]) for table in CONTRACT.tables))
    generate(tmp_path / "a.db", contract=turned, rows=500)
    small(tmp_path / "b.db", rows=500)
    query = 'SELECT "TKT-Title", "TKT-Created Time", "TKT-Group" FROM tickets'
    with closing(sqlite3.connect(tmp_path / "a.db")) as a, closing(sqlite3.connect(tmp_path / "b.db")) as b:
        assert read_catalog(a).tables[0].column_names[0] == "TKT-Group"
        assert a.execute(query).fetchall() == b.execute(query).fetchall()


def test_a_contract_of_other_data_is_refused(tmp_path: Path) -> None:
    other = replace(CONTRACT, name="fleet", tables=CONTRACT.tables[:2])
    with pytest.raises(UsageError) as refused:
        generate(tmp_path / "a.db", contract=other, rows=500)
    assert refused.value.slug == "generate-contract"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [(26_013, (1_094, 10_813, 14_106)), (1_000, (42, 416, 542)), (100, (4, 42, 54))],
)
def test_any_number_of_rows_keeps_the_proportions(tmp_path: Path, rows: int, expected: tuple[int, int, int]) -> None:
    manifest = small(tmp_path / "a.db", rows=rows)
    found = count_rows(tmp_path / "a.db")
    assert tuple(found[table] for table in BIG) == expected
    assert found == dict(manifest.rows)
    assert found["cloud_team_roster"] == 48
    assert found["import_metadata"] == 16


def test_the_large_shape_has_few_comments_a_ticket_and_more_teams(tmp_path: Path) -> None:
    manifest = generate(tmp_path / "a.db", contract=CONTRACT, size="large", rows=60_000, dirt="clean")
    found = count_rows(tmp_path / "a.db")
    assert tuple(found[table] for table in BIG) == (8_334, 14_045, 37_621)
    assert manifest.figures.open == pytest.approx(8_334 * 10_653 / 188_452, abs=3)
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        severities = {row[0] for row in connection.execute('SELECT DISTINCT "TKT-Severity" FROM tickets')}
        internal = connection.execute("SELECT count(*) FROM tickets WHERE \"TKT-Team\" = 'Internal Support'").fetchone()
        first, last = connection.execute('SELECT min("TS-Date"), max("TS-Date") FROM timesheets').fetchone()
        short, long = connection.execute(
            'SELECT avg(days < 1.0 / 24), avg(days > 7) FROM (SELECT julianday("TKT-Actual Resolution Date")'
            ' - julianday("TKT-Created Time") AS days FROM tickets) WHERE days IS NOT NULL'
        ).fetchone()
    assert {"Alert", "Service Request", "Incident"} < severities
    assert internal[0] == pytest.approx(811 * 8_334 / 188_452, abs=1)
    assert (first[:4], last[:7]) == ("2024", "2026-01")
    assert short == pytest.approx(0.125, abs=0.02)
    assert long == pytest.approx(0.416, abs=0.03)


@pytest.mark.parametrize(
    ("arguments", "slug"),
    [
        ({"size": "huge"}, "generate-size"),
        ({"rows": 99}, "generate-size"),
        ({"dirt": "muddy"}, "generate-dirt"),
        ({"rows": 1_000, "corrupt_created_rows": 43}, "generate-dirt"),
        ({"rows": 1_000, "corrupt_created_rows": 1, "corrupt_created_percent": 1.0}, "generate-dirt"),
        ({"rows": 1_000, "mistyped_columns": 99}, "generate-dirt"),
    ],
)
def test_impossible_wishes_are_refused(tmp_path: Path, arguments: dict[str, object], slug: str) -> None:
    with pytest.raises(UsageError) as refused:
        generate(tmp_path / "a.db", contract=CONTRACT, **arguments)  # type: ignore[arg-type]
    assert refused.value.slug == slug
    assert list(tmp_path.iterdir()) == []


def test_equal_arguments_make_equal_content_in_any_process(tmp_path: Path) -> None:
    small(tmp_path / "a.db", dirt="heavy", seed=7)
    script = (
        "import sys; from pathlib import Path; from sdconsole.contract.load import load_contract\n"
        "from sdconsole.source.generate import generate\n"
        "generate(Path(sys.argv[1]), contract=load_contract(None), rows=3_000, dirt='heavy', seed=7)\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "TZ": "America/New_York"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "b.db")], check=True, env=environment, timeout=60)
    assert logical_digest(tmp_path / "a.db") == logical_digest(tmp_path / "b.db")
    for beside in (manifest_path, defects_path):
        assert beside(tmp_path / "a.db").read_bytes() == beside(tmp_path / "b.db").read_bytes()
    small(tmp_path / "c.db", dirt="heavy", seed=8)
    assert logical_digest(tmp_path / "a.db") != logical_digest(tmp_path / "c.db")


def test_the_manifest_reads_back_as_it_was_returned(tmp_path: Path) -> None:
    made = small(tmp_path / "a.db")
    assert read_manifest(tmp_path / "a.db") == made
    assert sum(1 for _ in read_defects(tmp_path / "a.db")) == sum(made.count(kind) for kind in made.counts) > 100


def test_the_files_are_private(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    small(path)
    assert sorted(tmp_path.iterdir()) == sorted([path, manifest_path(path), defects_path(path)])
    assert {stat.S_IMODE(made.stat().st_mode) for made in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("taken", [lambda path: path, manifest_path, defects_path])
def test_nothing_is_overwritten(tmp_path: Path, taken: Callable[[Path], Path]) -> None:
    path = tmp_path / "a.db"
    taken(path).write_text("precious")
    with pytest.raises(UsageError) as refused:
        small(path)
    assert refused.value.slug == "generate-exists"
    assert [made.read_text() for made in tmp_path.iterdir()] == ["precious"]


def test_progress_comes_at_least_every_ten_thousand_rows_and_ends_at_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    manifest = generate(
        tmp_path / "a.db", contract=CONTRACT, rows=40_000, progress=lambda done, total: seen.append((done, total))
    )
    counts = [0, *(done for done, _ in seen)]
    assert {total for _, total in seen} == {manifest.total_rows}
    assert counts[-1] == manifest.total_rows
    assert all(0 <= later - earlier <= 10_000 for earlier, later in pairwise(counts))


@pytest.mark.parametrize("error", [Interrupted(), KeyboardInterrupt(), OperationFailed("disk-low", "under 1 GB")])
def test_nothing_remains_of_an_export_that_was_stopped(tmp_path: Path, error: BaseException) -> None:
    def stop(done: int, total: int | None) -> None:
        if done > 2_000:
            raise error

    with pytest.raises(type(error)):
        generate(tmp_path / "a.db", contract=CONTRACT, rows=4_000, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_nothing_remains_of_an_export_that_did_not_fit(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from sdconsole.contract.load import load_contract\n"
        "from sdconsole.errors import OperationFailed; from sdconsole.source.generate import generate\n"
        "contract = load_contract(None)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "try:\n    generate(Path(sys.argv[1]), contract=contract, rows=20_000)\n"
        "except OperationFailed as error:\n    print(error.slug)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-B", "-c", script, str(tmp_path / "a.db")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.strip() == "output-unwritable"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        small(tmp_path / "none" / "a.db")
    assert refused.value.slug == "output-folder-missing"
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_export(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from sdconsole.contract.load import load_contract\n"
        "from sdconsole.source.generate import generate\n"
        "generate(Path(sys.argv[1]), contract=load_contract(None), rows=int(sys.argv[2]))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )

    def peak_kib(rows: int) -> int:
        command = [sys.executable, "-c", script, str(tmp_path / f"{rows}.db"), str(rows)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)

    assert peak_kib(150_000) - peak_kib(50_000) < 6_000
