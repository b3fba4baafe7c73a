"""The audit trail names every changed cell and every row that was not carried over, and costs nothing unless asked."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sdconsole.contract.load import load_contract
from sdconsole.errors import GateFailed
from sdconsole.quality.clean.audit import Change, audit_trail, read_audit
from sdconsole.source.generate import generate
from tests.unit.quality_exports import Cleaned, clean, clean_rows, content, perfect, write


def audited(source: Path, trail: Path) -> tuple[Cleaned, list[Change]]:
    with audit_trail(trail) as audit:
        cleaned = clean(source, source.with_name("audited.db"), audit=audit)
    return cleaned, list(read_audit(trail))


def test_the_trail_holds_what_was_and_what_became_of_it(tmp_path: Path) -> None:
    rows = perfect()
    rows["tickets"][4] |= {"TKT-Title": " Printer\r\n", "TKT-Closure Date": "31/02/2025", "TKT-Account Id": "nan"}
    rows["tickets"] += [{"TKT-Ticket ID": "ABC"}, rows["tickets"][3]]
    trail = tmp_path / "audit.jsonl.gz"
    cleaned, changes = audited(write(tmp_path / "export.db", rows), trail)
    number = str(rows["tickets"][4]["TKT-Ticket ID"])
    cells = {change.column: change for change in changes if change.column is not None}
    assert cells["TKT-Title"][1:] == (5, number, "TKT-Title", " Printer\r\n", "Printer", "line ends, trimmed")
    assert cells["TKT-Closure Date"][1:] == (5, number, "TKT-Closure Date", "31/02/2025", None, "corrupt-date")
    assert cells["TKT-Account Id"][1:] == (5, number, "TKT-Account Id", "nan", None, "missing nan")
    assert [(each.row, each.rule) for each in changes if each.column is None] == [
        (4, "duplicate"),
        (21, "not-a-number"),
    ]
    assert stat.S_IMODE(trail.stat().st_mode) == 0o600
    assert content(cleaned.output) == content(clean_rows(tmp_path, rows).output)


def test_a_generated_export_has_a_line_for_each_cell_that_the_report_counts(tmp_path: Path) -> None:
    source = tmp_path / "export.db"
    generate(source, contract=load_contract(None), rows=5_000, dirt="heavy")
    cleaned, changes = audited(source, tmp_path / "audit.jsonl.gz")
    set_aside = {(change.table, change.row) for change in changes if change.column is None}
    kept = [change for change in changes if change.column and (change.table, change.row) not in set_aside]
    assert len(set_aside) == cleaned.report.rows_quarantined
    assert len(kept) == cleaned.report.changed + cleaned.report.values_quarantined


def test_a_cleaning_that_fails_leaves_no_trail(tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise GateFailed("score", "too low")

    source = write(tmp_path / "export.db", perfect())
    with pytest.raises(GateFailed), audit_trail(tmp_path / "audit.jsonl.gz") as audit:
        clean(source, audit=audit, inspect=refuse)
    assert [path.name for path in tmp_path.iterdir()] == ["export.db"]
