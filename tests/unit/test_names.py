"""Schema names from a strict pattern; names of the export that PostgreSQL cannot hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdconsole.core.model import RUN_ID, new_run_id
from sdconsole.errors import UsageError
from sdconsole.target.names import (
    MAX_LIVE_SCHEMA_BYTES,
    MAX_NAME_BYTES,
    canary_name,
    check_live_schema,
    check_schema_name,
    derived_name,
    fitted,
    is_version_of,
    new_version_name,
    target_column_names,
    target_table_name,
)

NOON = datetime(2026, 11, 21, 3, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize("name", ["servicedesk", "_", "a1_b2", "x" * 63])
def test_a_plain_lower_case_name_is_a_schema_name(name: str) -> None:
    assert check_schema_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "X",
        "1a",
        "a-b",
        "a b",
        'a"b',
        "x; drop schema y",
        "a\n",
        "é",
        "aé",
        "a١",
        "x" * 64,
        "pg_temp",
        "pg_anything",
        "information_schema",
        "sdconsole",
    ],
)
def test_anything_else_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_schema_name(name)
    assert caught.value.slug == "schema-name"


def test_a_live_schema_leaves_room_for_its_versions_and_canaries() -> None:
    longest = "x" * MAX_LIVE_SCHEMA_BYTES
    run_id = new_run_id(NOON)
    assert RUN_ID.fullmatch(run_id)
    assert len(canary_name(longest, run_id)) == MAX_NAME_BYTES
    assert len(new_version_name(longest, NOON, {f"{longest}_v20261121_031500"})) <= MAX_NAME_BYTES
    with pytest.raises(UsageError, match="too long"):
        check_live_schema(longest + "x")


def test_runs_of_one_second_sort_by_age() -> None:
    ids = [new_run_id(NOON + timedelta(microseconds=microseconds)) for microseconds in (0, 16, 999_984, 1_000_000)]
    assert ids == sorted(set(ids))
    assert all(RUN_ID.fullmatch(run_id) for run_id in ids)


def test_versions_of_one_second_get_different_names() -> None:
    first = new_version_name("servicedesk", NOON, ())
    second = new_version_name("servicedesk", NOON, {first})
    third = new_version_name("servicedesk", NOON, {first, second})
    assert (first, second, third) == (
        "servicedesk_v20261121_031500",
        "servicedesk_v20261121_031500_2",
        "servicedesk_v20261121_031500_3",
    )
    assert all(is_version_of(name, "servicedesk") for name in (first, second, third))


def test_a_version_is_named_in_utc_and_refuses_a_naive_time() -> None:
    perth = timezone(timedelta(hours=8))
    assert new_version_name("a", NOON.astimezone(perth), ()) == "a_v20261121_031500"
    with pytest.raises(ValueError, match="aware"):
        new_version_name("a", NOON.replace(tzinfo=None), ())


@pytest.mark.parametrize(
    "name",
    ["servicedesk", "servicedesk_vold", "servicedesk_v20261121_0315", "servicedesk_canary", "other_v20261121_031500"],
)
def test_foreign_schemas_are_not_taken_for_versions(name: str) -> None:
    assert not is_version_of(name, "servicedesk")


def test_a_tenant_whose_name_looks_like_a_version_keeps_its_own_versions() -> None:
    version = "a_v20260101_000000_v20261121_031500"
    assert is_version_of(version, "a_v20260101_000000")
    assert not is_version_of(version, "a")


def test_a_canary_is_named_after_its_run() -> None:
    assert canary_name("servicedesk", "r-20261121-031500-7f3a") == "servicedesk_canary_r_20261121_031500_7f3a"


def test_names_that_fit_stay_exactly_as_they_are() -> None:
    names = ["TKT-Job#/Ref#", 'a" = 1; --', "select", "Ünï", "x" * 63, "é" * 31]
    assert target_column_names(names) == {name: name for name in names}


def test_long_names_with_the_same_start_stay_apart_and_fit_in_bytes() -> None:
    long = [f"{'ä' * 40}{tail}" for tail in "abc"]
    names = target_column_names(["id", *long])
    assert len(set(names.values())) == 4
    assert all(len(names[name].encode()) <= MAX_NAME_BYTES for name in long)
    assert all(names[name].startswith("ä" * 20) for name in long)
    assert target_table_name(long[0]) != target_table_name(long[1])


def test_a_name_that_happens_to_be_the_short_form_of_another_keeps_itself() -> None:
    long = "y" * 80
    taken = fitted(long)
    names = target_column_names([long, taken])
    assert names[taken] == taken
    assert names[long] not in (taken, long)
    assert len(names[long].encode()) <= MAX_NAME_BYTES


def test_system_columns_and_the_empty_name_are_renamed() -> None:
    names = target_column_names(["ctid", "xmin", "", "ctid_"])
    assert names["ctid_"] == "ctid_"
    assert names["ctid"] == "ctid__2"
    assert names["xmin"] == "xmin_"
    assert names[""]


@given(st.lists(st.text(max_size=90), unique=True, max_size=12))
def test_any_names_become_different_names_of_1_to_63_bytes_and_always_the_same(names: list[str]) -> None:
    names = [name.encode(errors="ignore").decode() for name in names]
    names = list(dict.fromkeys(names))
    mapped = target_column_names(names)
    assert list(mapped) == names
    assert len(set(mapped.values())) == len(names)
    assert all(1 <= len(name.encode()) <= MAX_NAME_BYTES for name in mapped.values())
    assert target_column_names(names) == mapped


def test_derived_names_fit_and_avoid_those_in_use() -> None:
    first = derived_name(["tickets", "x" * 80], "idx", ())
    second = derived_name(["tickets", "x" * 80], "idx", {first})
    assert first != second
    assert max(len(first), len(second)) <= MAX_NAME_BYTES
