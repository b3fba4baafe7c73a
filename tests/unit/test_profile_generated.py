"""The profile of a generated export finds the defects that were put in, column by column, and no others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from sdconsole.contract.model import DateOrder, Kind
from sdconsole.errors import UsageError
from sdconsole.quality.profile.breaker import ReasonKind, judge
from sdconsole.quality.profile.database import profile_database
from sdconsole.quality.profile.model import ColumnProfile, IssueKind, Profile, Recommendation
from sdconsole.source.generate import Manifest, generate, read_defects, read_manifest
from tests.unit.small_databases import CONTRACT, profile_of

ROWS = 20_000


class Generated:
    """An export, what was put in, and what the profile says."""

    def __init__(self, path: Path, dirt: str) -> None:
        self.manifest: Manifest = generate(path, contract=CONTRACT, rows=ROWS, dirt=dirt, seed=7)
        self.defects: list[dict[str, Any]] = list(read_defects(path))
        self.profile: Profile = profile_of(path)

    def put_in(self, kind: str, keep: Callable[[dict[str, Any]], bool] = lambda _: True) -> Counter[tuple[str, str]]:
        return Counter((d["table"], d["column"]) for d in self.defects if d["kind"] == kind and keep(d))

    def found(self, count: Callable[[ColumnProfile], int]) -> Counter[tuple[str, str]]:
        return +Counter({(column.table, column.name): count(column) for column in self.profile.columns()})


@pytest.fixture(scope="module", params=["baseline", "heavy"])
def generated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    return Generated(tmp_path_factory.mktemp("generated") / "export.db", request.param)


def test_rows_and_columns_are_those_of_the_manifest(generated: Generated) -> None:
    assert {table.name: table.rows for table in generated.profile.tables} == generated.manifest.rows
    filled = sum(1 for column in generated.profile.columns() if column.non_missing)
    assert filled == generated.manifest.columns_with_values


def test_missing_cells_are_found_in_every_spelling(generated: Generated) -> None:
    def is_blank(defect: dict[str, Any]) -> bool:
        return not str(defect["value"]).strip()

    blanks = generated.put_in("D2") + generated.put_in("D3", is_blank) + generated.put_in("D9", is_blank)
    assert generated.found(lambda column: column.empty + column.blank) == blanks
    words = generated.put_in("D3", lambda defect: not is_blank(defect)) + generated.put_in("D4")
    assert generated.found(lambda column: column.tokens) == words


def test_corrupt_dates_are_found_and_only_they(generated: Generated) -> None:
    expected = generated.put_in("D15", lambda defect: defect["expect"].endswith("quarantined"))
    assert generated.found(lambda column: column.dates.corrupt if column.dates else 0) == expected
    assert generated.found(lambda column: column.dates.impossible if column.dates else 0) == expected


def test_ambiguous_and_foreign_orders_are_found(generated: Generated) -> None:
    assert generated.found(lambda column: column.dates.ambiguous if column.dates else 0) == generated.put_in("D13")
    assert generated.found(lambda column: column.dates.month_first if column.dates else 0) == generated.put_in("D14")
    conflicts = {place for place, order in generated.profile.orders.items() if order is DateOrder.CONFLICT}
    assert conflicts == set(generated.put_in("D14"))


def test_damaged_texts_and_ids_are_found(generated: Generated) -> None:
    assert generated.found(lambda column: column.nul_characters) == generated.put_in("D6")
    unusable = generated.found(
        lambda column: column.non_missing - column.convertible if column.intended is Kind.INTEGER else 0
    )
    assert unusable == generated.put_in("D9", lambda defect: str(defect["value"]).startswith("ABC-"))


def test_repeated_and_missing_keys_and_orphans_are_found(generated: Generated) -> None:
    for table, column in (("tickets", "TKT-Ticket ID"), ("comments", "comment_id")):
        found = generated.profile.table(table)
        assert found is not None
        assert found.duplicate_rows == generated.put_in("D19")[table, column] > 0
        assert found.key_missing == generated.put_in("D9")[table, column] > 0
    comments = generated.profile.table("comments")
    assert comments is not None
    assert comments.references[0].orphans == generated.put_in("D20")["comments", "ticket_id"] > 0


def test_nothing_else_is_called_unclear_and_the_breaker_proceeds(generated: Generated) -> None:
    assert not [column.name for column in generated.profile.columns() if column.mismatch]
    review = [c.name for c in generated.profile.columns() if c.recommendation is Recommendation.MANUAL_REVIEW]
    assert review == []
    assert not judge(generated.profile).should_halt


@pytest.mark.parametrize(("percent", "halts"), [(19.0, False), (20.0, False), (21.0, True), (100.0, True)])
def test_an_export_with_too_many_corrupt_creation_times_halts(tmp_path: Path, percent: float, halts: bool) -> None:
    path = tmp_path / "export.db"
    generate(path, contract=CONTRACT, rows=3_000, dirt="clean", corrupt_created_percent=percent)
    verdict = judge(profile_of(path))
    assert verdict.should_halt is halts
    kinds = {reason.kind for reason in verdict.reasons}
    assert (ReasonKind.CORRUPT_REQUIRED_DATE in kinds) is halts


def test_one_corrupt_creation_time_above_the_limit_halts(tmp_path: Path) -> None:
    verdicts = []
    for corrupt in (25, 26):
        path = tmp_path / f"{corrupt}.db"
        manifest = generate(path, contract=CONTRACT, rows=3_000, dirt="clean", corrupt_created_rows=corrupt)
        tickets = manifest.rows["tickets"]
        verdicts.append((corrupt * 100 > 20 * tickets, judge(profile_of(path)).should_halt))
    assert verdicts == [(False, False), (True, True)]


@pytest.mark.parametrize(("mistyped", "halts"), [(13, False), (14, True)])
def test_an_export_with_too_many_mistyped_columns_halts(tmp_path: Path, mistyped: int, halts: bool) -> None:
    path = tmp_path / "export.db"
    manifest = generate(path, contract=CONTRACT, rows=3_000, dirt="clean", mistyped_columns=mistyped)
    assert manifest.columns_with_values == 130, "13 columns are exactly 10 percent"
    kinds = {reason.kind: reason for reason in judge(profile_of(path)).reasons}
    assert (ReasonKind.MISMATCHING_COLUMNS in kinds) is halts
    if halts:
        assert kinds[ReasonKind.MISMATCHING_COLUMNS].numerator == mistyped


def test_a_clean_export_has_no_issue_but_its_orphans(tmp_path: Path) -> None:
    path = tmp_path / "export.db"
    generate(path, contract=CONTRACT, rows=3_000, dirt="clean")
    profile = profile_of(path)
    assert {issue.kind.value for issue in profile.issues} <= {"ORPHANS"}
    assert profile.status == "ok"


def test_future_dates_are_warned_about_as_of_the_day_that_the_manifest_names(tmp_path: Path) -> None:
    path = tmp_path / "export.db"
    manifest = generate(path, contract=CONTRACT, rows=20_000, seed=7, as_of=date(2027, 11, 21))
    assert manifest.as_of == "2027-11-21"
    assert read_manifest(path) == manifest
    now = datetime.combine(date.fromisoformat(manifest.as_of), time(), UTC)
    profile = profile_database(path, CONTRACT, progress=lambda _done, _total: None, now=now)
    dates = profile.column("timesheets", "TS-Date").dates
    assert dates is not None
    assert dates.out_of_range == manifest.count("D17") > 0
    assert str(dates.last) > "2028"
    assert IssueKind.OUT_OF_RANGE_DATE in {issue.kind for issue in profile.issues if issue.column == "TS-Date"}


def test_a_day_before_the_export_was_taken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        generate(tmp_path / "export.db", contract=CONTRACT, rows=1_000, as_of=date(2025, 11, 9))
    assert refused.value.slug == "generate-as-of"
    assert not list(tmp_path.iterdir())


def test_keys_that_are_none_come_in_every_form(generated: Generated) -> None:
    stored = {defect["value"] for defect in generated.defects if defect["kind"] == "D9"}
    assert "" in stored
    assert any(str(value).startswith("ABC-") for value in stored)
    if generated.manifest.dirt == "heavy":
        assert any(isinstance(value, int) and value < 0 for value in stored)
