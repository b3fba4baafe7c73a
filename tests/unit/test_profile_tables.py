"""Keys, references, dates of whole tables, and the issues that follow."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sdconsole.contract.model import DateOrder
from sdconsole.errors import UsageError
from sdconsole.quality import row_codes
from sdconsole.quality.dates.reading import DateShape
from sdconsole.quality.profile import date_account
from sdconsole.quality.profile.model import DateFacts, Issue, IssueKind, IssueSeverity, Profile, TableProfile
from tests.unit.small_databases import CONTRACT, profile_of, write_export, write_table

Cells = dict[tuple[str, str], Sequence[object]]


def table_of(profile: Profile, name: str) -> TableProfile:
    found = profile.table(name)
    assert found is not None
    return found


def facts_of(profile: Profile, table: str, column: str) -> DateFacts:
    facts = profile.column(table, column).dates
    assert facts is not None
    return facts


def issue_of(profile: Profile, kind: IssueKind) -> Issue:
    (found,) = [issue for issue in profile.issues if issue.kind is kind]
    return found


# -- keys -------------------------------------------------------------------------------------------------------


def test_one_id_in_several_spellings_is_one_key(tmp_path: Path) -> None:
    cells: Cells = {("tickets", "TKT-Ticket ID"): [7, "7.0", " 7 ", 7.0, 8, "ABC-12", -5, "", None, "nan", 9]}
    profile = profile_of(write_export(tmp_path / "e.db", {"tickets": 11}, cells=cells, declared="BLOB"))
    tickets = table_of(profile, "tickets")
    assert (tickets.duplicate_rows, tickets.key_missing, tickets.key_is_unique) == (3, 5, False)
    assert tickets.key_samples == ("7.0",)
    assert issue_of(profile, IssueKind.DUPLICATE_KEY).rows == 3
    missing = issue_of(profile, IssueKind.MISSING_KEY)
    assert (missing.rows, missing.severity, missing.fixable) == (5, IssueSeverity.ERROR, False)


def test_large_ids_are_not_confused(tmp_path: Path) -> None:
    cells: Cells = {("tickets", "TKT-Ticket ID"): [2**53, 2**53 + 1, str(2**53 + 2), 2**63 - 1, -(2**63)]}
    tickets = table_of(profile_of(write_export(tmp_path / "e.db", {"tickets": 5}, cells=cells)), "tickets")
    assert (tickets.duplicate_rows, tickets.key_missing) == (0, 1)


def test_a_key_of_several_parts_is_compared_as_cleaning_will_write_it(tmp_path: Path) -> None:
    cells: Cells = {
        ("timesheets", "TS-User Username"): ["ann", " ann ", "ann", "ann", None, "ann"],
        ("timesheets", "TS-Date"): ["5/07/2025", "2025-07-05", "2025-05-07", "2025-07-05 00:00:00", "x", "15/07/2025"],
        ("timesheets", "TS-Time From"): ["09:00"] * 6,
        ("timesheets", "TS-Crm ID"): [1, "1.0", 1, 1.0, 1, 1],
    }
    path = write_export(tmp_path / "e.db", {"timesheets": 6}, cells=cells, declared="BLOB")
    sheets = table_of(profile_of(path), "timesheets")
    assert (sheets.duplicate_rows, sheets.key_missing) == (2, 1), "5/07 is 5 July, as 15/07 proves"
    answered = profile_of(path, answers={("timesheets", "TS-Date"): DateOrder.MDY})
    assert table_of(answered, "timesheets").duplicate_rows == 2, "by answer 5/07 is 7 May"
    assert [issue.kind for issue in answered.issues if issue.kind is IssueKind.MISSING_KEY] == []


def test_repeated_keys_are_found_among_many_rows_in_bounded_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_codes, "_AT_ONCE", 1_000)
    ids = list(range(1, 10_001))
    random.Random(7).shuffle(ids)
    cells: Cells = {("tickets", "TKT-Ticket ID"): [*ids, 77, 5_000, 77]}
    path = tmp_path / "e.db"
    write_table(path, "tickets", ["TKT-Ticket ID INTEGER"], [(cell,) for cell in cells["tickets", "TKT-Ticket ID"]])
    tickets = table_of(profile_of(path), "tickets")
    assert (tickets.duplicate_rows, tickets.key_missing) == (3, 0)
    assert set(tickets.key_samples) == {"77", "5000"}


def test_candidate_keys_are_columns_with_another_value_in_every_row(tmp_path: Path) -> None:
    path = write_table(
        tmp_path / "t.db",
        "t",
        ["id INTEGER", "code TEXT", "half TEXT", "gap TEXT"],
        [(1, "a", "x", "p"), (2, "b", "x", None), (3, "c", "y", "q")],
    )
    assert table_of(profile_of(path), "t").candidate_keys == ("id", "code")


def test_an_unknown_table_has_the_key_it_declares(tmp_path: Path) -> None:
    path = write_table(
        tmp_path / "t.db", "t", ["a TEXT", "b INTEGER"], [("x", 1), ("x", 2)], constraints=", PRIMARY KEY (b, a)"
    )
    found = table_of(profile_of(path), "t")
    assert (found.key, found.key_is_unique) == (("b", "a"), True)


# -- references -------------------------------------------------------------------------------------------------


def test_orphans_are_counted_by_row_and_admin_time_apart(tmp_path: Path) -> None:
    cells: Cells = {
        ("tickets", "TKT-Ticket ID"): [1, "2.0", 3],
        ("tickets", "TKT-Parent ID"): [3.0, None, 99.0],
        ("comments", "ticket_id"): [1, "1", "2", 2.0, 5, 5, "x", None],
        ("timesheets", "TS-Crm ID"): [0, 0, "0", 1, 900, 900, 900, 901],
    }
    profile = profile_of(
        write_export(tmp_path / "e.db", {"comments": 8, "timesheets": 8}, cells=cells, declared="BLOB")
    )
    (comments,) = table_of(profile, "comments").references
    assert (comments.values, comments.ignored, comments.orphans) == (6, 0, 2), "x is no ticket id at all"
    (sheets,) = table_of(profile, "timesheets").references
    assert (sheets.values, sheets.ignored, sheets.orphans, sheets.orphan_share) == (5, 3, 4, 0.8)
    (parents,) = table_of(profile, "tickets").references
    assert (parents.values, parents.orphans) == (2, 1)


def test_references_between_text_and_number_columns_are_followed(tmp_path: Path) -> None:
    cells: Cells = {("comments", "comment_id"): [1, 2, 3], ("comment_quality", "comment_id"): ["1", "2.0", "4"]}
    profile = profile_of(write_export(tmp_path / "e.db", cells=cells, declared="TEXT"))
    (reference,) = table_of(profile, "comment_quality").references
    assert (reference.values, reference.orphans) == (3, 1)


@pytest.mark.parametrize(("orphans", "severity"), [(5, IssueSeverity.INFO), (6, IssueSeverity.WARN)])
def test_orphans_warn_above_the_contract_s_limit_only(tmp_path: Path, orphans: int, severity: IssueSeverity) -> None:
    ids = [*[1] * (100 - orphans), *[77] * orphans]
    profile = profile_of(write_export(tmp_path / "e.db", {"comments": 100}, cells={("comments", "ticket_id"): ids}))
    issue = issue_of(profile, IssueKind.ORPHANS)
    assert (issue.rows, issue.severity) == (orphans, severity)


def test_without_the_parent_table_every_reference_is_an_orphan(tmp_path: Path) -> None:
    profile = profile_of(write_export(tmp_path / "e.db", without=("tickets",)))
    (reference,) = table_of(profile, "comments").references
    assert (reference.parent_present, reference.orphans) == (False, 3)


# -- dates ------------------------------------------------------------------------------------------------------


def test_a_date_column_is_counted_by_format_and_fate(tmp_path: Path) -> None:
    values = [
        "2025-07-15 08:42:00", "2025-07-16", "15/07/2025 8:42", "5/07/2025 8:42 PM", "17/07/25", 45797.3625,
        "31/02/2025", "tbc", "", None, "nan", "2031-01-01 00:00:00",
    ]  # fmt: skip
    path = write_export(tmp_path / "e.db", {"tickets": 12}, cells={("tickets", "TKT-Closure Date"): values})
    profile = profile_of(path)
    facts = facts_of(profile, "tickets", "TKT-Closure Date")
    assert facts.shapes == {
        DateShape.ISO: 2,
        DateShape.ISO_DATE: 1,
        DateShape.SLASH_TIME: 1,
        DateShape.SLASH_AMPM: 1,
        DateShape.SHORT_YEAR: 1,
        DateShape.EXCEL_SERIAL: 1,
    }
    assert (facts.canonical, facts.fixable, facts.unresolved, facts.corrupt, facts.impossible) == (2, 5, 0, 2, 1)
    assert (facts.order, facts.ambiguous, facts.out_of_range) == (DateOrder.DMY, 1, 1)
    assert (facts.first, facts.last) == ("2025-05-20 08:42:00", "2031-01-01 00:00:00")
    assert facts.values == profile.column("tickets", "TKT-Closure Date").non_missing == 9
    assert facts.corrupt_samples == ("31/02/2025", "tbc")
    kinds = {issue.kind for issue in profile.issues if issue.column == "TKT-Closure Date"}
    assert kinds == {
        IssueKind.INCONSISTENT_DATE_FORMAT,
        IssueKind.AMBIGUOUS_DATE,
        IssueKind.CORRUPT_DATE,
        IssueKind.LOW_CONFIDENCE,
        IssueKind.OUT_OF_RANGE_DATE,
        IssueKind.EMPTY_STRINGS,
        IssueKind.NULL_MARKER,
    }


def test_a_doubtful_type_is_told_without_contradiction(tmp_path: Path) -> None:
    """Values of one type that the column is not for, and values of which nearly all are of one type."""
    cells: Cells = {("comment_quality", "content_tags"): ["no list"] * 40}
    path = write_export(tmp_path / "e.db", {"comment_quality": 40}, cells=cells, declared="JSON")
    issue = issue_of(profile_of(path), IssueKind.LOW_CONFIDENCE)
    assert (issue.rows, issue.share) == (40, 1.0)
    assert issue.impact == "100.0% of the values are text, and the column is for json"
    path = write_table(tmp_path / "t.db", "t", ["c TEXT"], [(value,) for value in [*range(180), *(["x"] * 20)]])
    issue = issue_of(profile_of(path), IssueKind.LOW_CONFIDENCE)
    assert (issue.rows, issue.impact) == (20, "only 90.0% of the values are integer")


def test_an_ambiguous_column_waits_for_an_answer(tmp_path: Path) -> None:
    cells: Cells = {("comments", "created_time"): ["5/07/2025", "6/07/2025"]}
    path = write_export(tmp_path / "e.db", cells=cells)
    asked = profile_of(path)
    assert [column.name for column in asked.needs_answer] == ["created_time"]
    assert asked.orders["comments", "created_time"] is DateOrder.AMBIGUOUS
    issue = issue_of(asked, IssueKind.AMBIGUOUS_DATE)
    assert (issue.rows, issue.severity, issue.fixable) == (2, IssueSeverity.ERROR, False)
    assert "--date-format 'comments.created_time=DMY'" in issue.recommendation
    assert "5/07/2025" in issue.impact
    answered = profile_of(path, answers={("comments", "created_time"): DateOrder.MDY})
    facts = facts_of(answered, "comments", "created_time")
    assert (facts.order, facts.inferred, facts.unresolved) == (DateOrder.MDY, DateOrder.AMBIGUOUS, 0)
    assert facts.first == "2025-05-07 00:00:00"
    assert answered.needs_answer == ()


def test_the_contract_can_name_the_order_and_the_operator_overrules_it(tmp_path: Path) -> None:
    tables = tuple(
        replace(
            table,
            columns=tuple(
                replace(column, date_order=DateOrder.DMY) if column.name == "created_time" else column
                for column in table.columns
            ),
        )
        for table in CONTRACT.tables
    )
    contract = replace(CONTRACT, tables=tables)
    path = write_export(tmp_path / "e.db", cells={("comments", "created_time"): ["5/07/2025"]})
    assert profile_of(path, contract=contract).orders["comments", "created_time"] is DateOrder.DMY
    answers = {("comments", "created_time"): DateOrder.MDY}
    assert profile_of(path, contract=contract, answers=answers).orders["comments", "created_time"] is DateOrder.MDY


@pytest.mark.parametrize(
    ("place", "order", "said"),
    [
        (("comments", "created_tme"), DateOrder.DMY, "did you mean comments.created_time?"),
        (("zz", "q"), DateOrder.DMY, "sdconsole profile"),
        (("tickets", "TKT-Title"), DateOrder.DMY, "name a column that holds dates"),
        (("comments", "created_time"), DateOrder.CONFLICT, "answer DMY or MDY"),
    ],
)
def test_an_answer_that_names_nothing_is_refused(
    tmp_path: Path, place: tuple[str, str], order: DateOrder, said: str
) -> None:
    path = write_export(tmp_path / "e.db")
    with pytest.raises(UsageError) as refused:
        profile_of(path, answers={place: order})
    assert refused.value.slug == "date-answer"
    assert said in refused.value.next_step


def test_an_answer_about_a_column_that_only_the_contract_has_is_fine(tmp_path: Path) -> None:
    path = write_export(tmp_path / "e.db", without=("comment_sentiment",))
    assert profile_of(path, answers={("comment_sentiment", "created_time"): DateOrder.DMY}).status == "ok"


def test_evidence_for_both_orders_is_a_conflict_and_nothing_is_guessed(tmp_path: Path) -> None:
    cells: Cells = {("comments", "created_time"): ["25/07/2025", "7/25/2025", "5/07/2025"]}
    path = write_export(tmp_path / "e.db", cells=cells)
    profile = profile_of(path)
    facts = facts_of(profile, "comments", "created_time")
    assert (facts.order, facts.fixable, facts.unresolved) == (DateOrder.CONFLICT, 2, 1)
    assert issue_of(profile, IssueKind.CONFLICTING_DATE_ORDER).rows == 1
    against = facts_of(
        profile_of(path, answers={("comments", "created_time"): DateOrder.DMY}), "comments", "created_time"
    )
    assert (against.order, against.against_answer, against.unresolved) == (DateOrder.DMY, 1, 0)


def test_date_columns_are_found_by_content_too(tmp_path: Path) -> None:
    dates = [f"{day}/07/2025 8:42" for day in range(1, 21)]
    rows = list(zip(dates, [*dates[:-1], "never"], [*dates[:-2], "never", "ever"], strict=True))
    path = write_table(tmp_path / "t.db", "t", ["sure TEXT", "nearly TEXT", "hardly TEXT"], rows)
    profile = profile_of(path)
    assert facts_of(profile, "t", "sure").order is DateOrder.DMY
    nearly = facts_of(profile, "t", "nearly")
    assert (nearly.corrupt, nearly.fixable, nearly.ambiguous) == (1, 19, 12)
    assert profile.column("t", "hardly").dates is None


def test_whole_numbers_are_never_dates_by_content(tmp_path: Path) -> None:
    rows = [(serial, str(serial), serial) for serial in range(45797, 45806)]
    path = write_table(tmp_path / "t.db", "t", ["n INTEGER", "x TEXT", "d DATE"], rows)
    profile = profile_of(path)
    assert profile.column("t", "n").dates is profile.column("t", "x").dates is None
    assert facts_of(profile, "t", "d").shapes == {DateShape.EXCEL_SERIAL: 9}


def test_a_row_with_several_corrupt_dates_counts_once(tmp_path: Path) -> None:
    cells: Cells = {
        ("tickets", "TKT-Created Time"): ["x", "2025-07-15", "31/02/2025"],
        ("tickets", "TKT-Closure Date"): ["y", "2025-07-15", "2025-07-15", "z"],
        ("comments", "created_time"): ["x", "x", "15/07/2025"],
    }
    profile = profile_of(write_export(tmp_path / "e.db", {"tickets": 6, "comments": 5}, cells=cells))
    assert table_of(profile, "tickets").rows_with_corrupt_date == 3
    assert table_of(profile, "comments").rows_with_corrupt_date == 2
    assert table_of(profile, "timesheets").rows_with_corrupt_date == 0


def test_corrupt_rows_are_counted_when_there_are_too_many_values_to_keep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(date_account, "MAX_CORRUPT_VALUES", 2)
    cells: Cells = {
        ("tickets", "TKT-Created Time"): [f"x{row}" for row in range(5)],
        ("tickets", "TKT-Closure Date"): ["", "nan", "2025-07-15", "y", "y", "y"],
    }
    profile = profile_of(write_export(tmp_path / "e.db", {"tickets": 8}, cells=cells))
    assert table_of(profile, "tickets").rows_with_corrupt_date == 6


def test_issues_come_gravest_first(tmp_path: Path) -> None:
    cells: Cells = {("tickets", "TKT-Ticket ID"): [None, 1, 1], ("tickets", "TKT-Closure Date"): [""]}
    profile = profile_of(write_export(tmp_path / "e.db", cells=cells, without=("comments",)))
    order = list(IssueSeverity)
    severities = [order.index(issue.severity) for issue in profile.issues]
    assert severities == sorted(severities)
    assert len(set(severities)) == 4
