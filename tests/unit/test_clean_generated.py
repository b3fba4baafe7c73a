"""Generated exports against their manifests: every defect becomes what is expected, and nothing else changes."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from sdconsole.contract.load import load_contract
from sdconsole.quality.clean.quarantine import QUARANTINE
from sdconsole.quality.score.model import Phase
from sdconsole.source.catalog import quote
from sdconsole.source.generate import Expect, generate, read_defects
from tests.unit.quality_exports import Cleaned, clean, select

CONTRACT = load_contract(None)
ROWS = 12_000


@pytest.fixture(scope="module", params=["baseline", "heavy"])
def dirty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cleaned:
    path = tmp_path_factory.mktemp("generated") / f"{request.param}.db"
    generate(path, contract=CONTRACT, rows=ROWS, dirt=request.param)
    return clean(path)


def defects(dirty: Cleaned) -> list[dict[str, Any]]:
    return [dict(defect) for defect in read_defects(dirty.source)]


def row_by_number(dirty: Cleaned, table: str) -> dict[int, dict[str, Any]]:
    names = [name for (name,) in dirty.rows("SELECT name FROM pragma_table_info(?)", table)]
    rows = dirty.rows(f"SELECT rowid, * FROM {quote(table)}")
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}


def test_every_defect_becomes_what_the_generator_expects(dirty: Cleaned) -> None:
    wrong: list[dict[str, Any]] = []
    kinds: Counter[str] = Counter()
    stored = {table.name: row_by_number(dirty, table.name) for table in dirty.report.tables}
    held = set(dirty.rows(f"SELECT table_name, row_id FROM {QUARANTINE} WHERE column_name IS NULL"))
    kept_aside = set(dirty.rows(f"SELECT table_name, row_id, column_name FROM {QUARANTINE}"))
    for defect in defects(dirty):
        table, column, row_id = defect["table"], defect["column"], defect["rowid"]
        kinds[defect["kind"]] += 1
        row = stored[table].get(row_id)
        found = [] if row is None else [row[column]]
        expect = Expect(defect["expect"])
        if expect is Expect.ROW_QUARANTINED:
            right = not found and (table, row_id) in held
        elif expect is Expect.VALUE_QUARANTINED:
            right = found == [None] and (table, row_id, column) in kept_aside
        elif "clean_length" in defect:
            right = len(found) == 1 and len(str(found[0])) == defect["clean_length"]
        else:
            clean_value = None if expect is Expect.NULL else defect["clean"]
            right = len(found) == 1 and _same(found[0], clean_value)
        if not right:
            wrong.append(defect | {"found": found})
    assert wrong == []
    assert len(kinds) >= 19


def _same(stored: object, expected: object) -> bool:
    """Hours are exact text in the clean file and a number in the manifest."""
    if isinstance(expected, float) and isinstance(stored, str):
        return float(stored) == expected
    return stored == expected


def test_the_report_counts_every_column_as_the_manifest_does(dirty: Cleaned) -> None:
    expected: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    rows: Counter[str] = Counter()
    for defect in defects(dirty):
        expected[defect["table"], defect["column"]][defect["expect"]] += 1
        rows[defect["table"]] += defect["expect"] == Expect.ROW_QUARANTINED
    for report in dirty.report.tables:
        assert report.rows_quarantined == rows[report.name]
        for column in report.columns:
            wanted = expected[report.name, column.name]
            changed = wanted[Expect.CONVERTED] + wanted[Expect.NULL]
            assert column.changed == changed, (report.name, column)
            assert column.values_quarantined == wanted[Expect.VALUE_QUARANTINED], (report.name, column)


def test_cleaning_again_changes_nothing(dirty: Cleaned, tmp_path: Path) -> None:
    again = clean(dirty.output, tmp_path / "again.db")
    assert (again.report.changed, again.report.rows_quarantined, again.report.values_quarantined) == (0, 0, 0)
    assert again.output.read_bytes() == dirty.output.read_bytes()


def test_the_score_is_not_lower_after_cleaning(dirty: Cleaned) -> None:
    before, after = dirty.score("before"), dirty.score("after")
    assert 95.0 < before.total <= after.total < 100.0
    for sooner, later in zip(before.ledger, after.ledger, strict=True):
        assert later.lost <= sooner.lost, later
    assert after.blockers == ()


def test_every_point_that_a_generated_export_loses_can_be_opened(dirty: Cleaned) -> None:
    phases: tuple[tuple[Phase, Path], ...] = (("before", dirty.source), ("after", dirty.output))
    for phase, path in phases:
        lost = [result for result in dirty.score(phase).ledger if result.lost]
        assert lost, phase
        for result in lost:
            assert select(path, result.sql), (phase, result.id)


def test_a_flawless_export_is_not_changed_and_scores_a_hundred(tmp_path: Path) -> None:
    path = tmp_path / "clean.db"
    generate(path, contract=CONTRACT, rows=ROWS, dirt="clean")
    flawless = clean(path)
    assert (flawless.report.changed, flawless.report.rows_quarantined, flawless.report.values_quarantined) == (0, 0, 0)
    assert (flawless.score("before").total, flawless.score("after").total) == (100.0, 100.0)


def test_a_fifth_of_corrupt_creation_times_holds_as_many_rows_back(tmp_path: Path) -> None:
    path = tmp_path / "hostile.db"
    manifest = generate(path, contract=CONTRACT, rows=ROWS, dirt="hostile")
    hostile = clean(path)
    tickets = hostile.report.table("tickets")
    assert tickets.held["corrupt-date"] >= manifest.count("D25", "tickets", "TKT-Created Time") > 0
    assert hostile.report.quarantined_percent > 1.0
    assert hostile.score("after").result("R46").failed == manifest.count("D24", "comments", "created_time")
