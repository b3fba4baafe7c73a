"""Answers about the order of day and month: how they are written, which column they mean, whose word counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdconsole.config import load_settings
from sdconsole.contract.date_answers import DateAnswer, answers_from, merged, read_date_formats, spelt_by_contract
from sdconsole.contract.model import DateOrder
from sdconsole.errors import UsageError
from sdconsole.stages.date_orders import changed_answer, gather_answers
from tests.unit.small_databases import CONTRACT, write_export, write_table

TABLES = {"visits": ("id", "Seen.At Time", "a=b"), "my.table": ("at",)}


def answers(*texts: str) -> tuple[tuple[str, str, DateOrder], ...]:
    found = answers_from(read_date_formats(texts), TABLES, CONTRACT, by="me", via="flag")
    return tuple((answer.table, answer.column, answer.order) for answer in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("visits.Seen.At Time=DMY", ("visits", "Seen.At Time", "DMY")),
        ("VISITS.seen.at time=mdy", ("visits", "Seen.At Time", "MDY")),
        ("visits.a=b=YMD", ("visits", "a=b", "YMD")),
        ("my.table.at=DMY", ("my.table", "at", "DMY")),
    ],
)
def test_names_may_hold_dots_blanks_and_equals_signs(text: str, expected: tuple[str, str, str]) -> None:
    assert answers(text) == (expected,)


@pytest.mark.parametrize("text", ["visits.id", "=DMY", "id=DMY", "visits.id=", "visits.id=AMBIGUOUS", "visits.id=DYM"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        answers(text)
    assert refused.value.slug == "date-format"


def test_a_column_answered_twice_is_refused_and_the_same_answer_twice_is_one() -> None:
    for texts in (("visits.id=DMY", "visits.id=MDY"), ("visits.id=DMY", "visits.ID=MDY")):
        with pytest.raises(UsageError, match="answered twice"):
            answers(*texts)
    assert len(answers("visits.id=DMY", "visits.ID=DMY")) == 1


def test_the_contract_spells_names_and_says_what_is_no_date(tmp_path: Path) -> None:
    spelt = spelt_by_contract(CONTRACT, {"TICKETS": ("tkt-created time", "extra"), "other": ("X",)})
    assert spelt == {"tickets": ("TKT-Created Time", "extra"), "other": ("X",)}
    with pytest.raises(UsageError) as refused:
        answers_from({"tickets.TKT-Title": "DMY"}, {"tickets": ("TKT-Title",)}, CONTRACT, by="me", via="flag")
    assert "text" in refused.value.cause


def test_a_flag_wins_over_the_record_and_the_record_over_the_settings(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export.db")
    recorded = (
        DateAnswer("tickets", "TKT-Created Time", DateOrder.MDY, "ann", "flag"),
        DateAnswer("comments", "created_time", DateOrder.MDY, "ann", "flag"),
    )
    found = gather_answers(
        export,
        CONTRACT,
        given={"comments.created_time": "DMY"},
        settings={"tickets.TKT-Created Time": "DMY", "timesheets.TS-Date": "DMY"},
        operator="bob",
        recorded=recorded,
    )
    assert {answer.place: (answer.order.value, answer.by) for answer in found} == {
        "tickets.TKT-Created Time": ("MDY", "ann"),
        "comments.created_time": ("DMY", "bob"),
        "timesheets.TS-Date": ("DMY", "bob"),
    }
    assert merged(found, found) == found


def test_settings_may_name_what_only_the_contract_has_a_flag_may_not(tmp_path: Path) -> None:
    other = write_table(tmp_path / "other.db", "visits", ["at TEXT"], [("1/2/2025",)])
    place = {"tickets.TKT-Created Time": "DMY"}
    [kept] = gather_answers(other, CONTRACT, given={}, settings=place, operator="me")
    assert kept.via == "date_formats"
    with pytest.raises(UsageError) as refused:
        gather_answers(other, CONTRACT, given=place, settings={}, operator="me")
    assert refused.value.slug == "date-format-unknown"
    with pytest.raises(UsageError, match="no table 'visit'"):
        gather_answers(other, CONTRACT, given={}, settings={"visit.at": "DMY"}, operator="me")


def test_a_changed_answer_is_noticed() -> None:
    answer = DateAnswer("t", "c", DateOrder.DMY, "me", "flag")
    assert changed_answer({"t.c": "DMY"}, [answer]) is None
    assert changed_answer({"t.c": "MDY"}, [answer]) == "the order of t.c is DMY now"
    assert changed_answer({}, [answer]) == "the order of t.c is DMY now"
    assert changed_answer({"t.c": "DMY"}, []) == "the order of t.c is not answered now"


def test_settings_take_orders_from_their_file_and_refuse_another_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sdconsole.toml").write_text('[date_formats]\n"t.my col" = "DMY"\n"t.b" = "MDY"\n')
    assert load_settings(date_formats={"t.b": "YMD"}).date_formats == {"t.my col": "DMY", "t.b": "YMD"}
    (tmp_path / "sdconsole.toml").write_text('[date_formats]\n"t.c" = "day first"\n')
    with pytest.raises(UsageError, match="settings") as refused:
        load_settings()
    assert "date_formats.t.c" in refused.value.cause
