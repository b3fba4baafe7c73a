"""Databases from elsewhere: odd, classic and malformed ones are cleaned with every row accounted for, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdconsole.errors import SourceRefused
from tests.unit.quality_exports import clean, content

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = sorted(
    path
    for folder in ("odd", "classic", "hostile")
    for path in (SHARED / "sqlite" / folder).glob("*")
    if path.suffix in (".db", ".sqlite")
)


@pytest.mark.skipif(not FILES, reason="the shared test data is not beside this checkout")
def test_every_database_is_cleaned_and_scored_or_refused_with_a_reason(tmp_path: Path) -> None:
    cleaned_files = 0
    refusals: list[SourceRefused] = []
    for number, path in enumerate(FILES):
        try:
            once = clean(path, tmp_path / f"{number}.db")
        except SourceRefused as error:
            refusals.append(error)
            continue
        cleaned_files += 1
        assert once.report.rows_in == once.report.rows_out + once.report.rows_quarantined
        twice = clean(once.output, tmp_path / f"{number}.again.db")
        assert (twice.report.changed, twice.report.rows_quarantined, twice.report.values_quarantined) == (0, 0, 0), path
        assert content(twice.output) == content(once.output), path
        before, after = once.score("before"), once.score("after")
        assert before.total <= after.total, path
    assert cleaned_files >= 20
    assert len(refusals) >= 40
    assert all(error.cause and error.next_step for error in refusals)
    assert len(list(tmp_path.iterdir())) == 2 * cleaned_files
