"""The 23 dashboard metrics on a small set of rows whose figures were worked out by hand."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from importlib import resources
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole.analytics.catalog import Kind, MetricStatus, load_catalog
from sdconsole.analytics.compose import Scope, compose, readable_sql
from sdconsole.analytics.panel_check import PanelQuery, check_panels
from sdconsole.analytics.parameters import MetricParameters
from sdconsole.analytics.run import MetricResult, present_names, run_metrics
from sdconsole.analytics.side_by_side import side_by_side
from sdconsole.contract.load import load_contract
from sdconsole.errors import Interrupted, TargetUnreachable
from sdconsole.target.connect import Connection
from tests.conftest import Database
from tests.patience import within

SCHEMA = 'odd "name"; --'
PARAMETERS = MetricParameters(("Closed", "Incident Resolved"), ("flowbot",), team_minimum=2, cell_minimum=1)

FIGURES = load_catalog().of_kind(Kind.METRIC, Kind.TEMPLATE)
"""What needs the tables only; the panels also read views that a deployment makes."""

TICKET = (
    "TKT-Ticket ID",
    "TKT-Status",
    "TKT-Team",
    "TKT-Category",
    "TKT-Root Cause Category",
    "TKT-Severity",
    "TKT-SLA Met",
    "TKT-Created Time",
    "TKT-Actual Resolution Date",
)
TICKETS = [
    # two hours; one day; three days; ten days; unresolved; resolved before it was created
    (1, "Closed", "A", "Support Tickets", "Security", "Priority 1", "yes", "2025-07-01 00:00", "2025-07-01 02:00"),
    (2, "Closed", "A", "Support Tickets", "Security", "Priority 2", "yes", "2025-07-02 00:00", "2025-07-03 00:00"),
    (3, "Incident Resolved", "A", "Alert", "Account", "Priority 3", "no", "2025-07-03 00:00", "2025-07-06 00:00"),
    (4, "Closed", "B", "Support Tickets", "--None--", "Priority 3", "yes", "2025-08-01 00:00", "2025-08-11 00:00"),
    (5, "Closed", "B", "Support Tickets", None, "Priority 4", None, "2025-08-02 00:00", None),
    (6, "Closed", "B", None, "", "Priority 4", "maybe", "2025-08-05 00:00", "2025-08-04 00:00"),
    # open ones, the second with a resolution date all the same; a team with one ticket
    (7, "In Progress", "A", "Support Tickets", "Security", "Priority 1", "yes", "2025-10-20 00:00", None),
    (8, "Resolved", "B", "Support Tickets", "Security", "Priority 1", "no", "2025-07-10 00:00", "2025-07-12 00:00"),
    (9, "Closed", "C", "Alert", "Software", None, "yes", "2025-10-01 00:00", "2025-10-03 00:00"),
]
COMMENT = (
    "comment_id",
    "ticket_id",
    "user_name",
    "visible_to_customer",
    "comment_type",
    "comment_text",
    "created_time",
)
COMMENTS = [
    (1, 1, "anna", "Yes", "comments", "hello"),
    (2, 2, "flowbot", "Yes", "comments", "state changed"),
    (3, 2, "ben", "No", "worknotes", "looked at it"),
    (4, 3, "anna", "Yes", "comments", "done"),
    (5, 3, "ben", "Yes", "comments", "ok"),
    (6, 4, "anna", "Yes", "worknotes", "one"),
    (7, 4, "anna", "Yes", "comments", "two"),
    (8, 4, "anna", "Yes", "system", "three"),
    (9, 4, "anna", "Yes", "comments", "four"),
    (10, 5, None, "Yes", "comments", "five"),
    (11, 7, "anna", "Yes", "comments", ""),
    (12, 9, "anna", None, "comments", None),
    (13, 999, "anna", "Yes", "comments", "an orphan"),
]
QUALITY = (
    "comment_id",
    "professionalism_score",
    "clarity_score",
    "empathy_score",
    "actionability_score",
    "quality_score",
    "quality_tier",
    "intent_summary",
)
ANALYSES = [
    (1, 5, 4, 4, 5, 4.5, "excellent", "greets"),
    (4, 3, 4, 4, 3, 3.5, "good", "closes"),
    (5, 2, 2, 3, 1, 2.0, "good", "the tier is wrong"),
    (6, 3, 3, 3, 3, 3.0, "acceptable", "four equal scores"),
    (7, 1, 2, 3, 4, 2.5, "acceptable", "Analysis failed - manual review needed"),
]
SHEET = ("TS-User Username", "TS-User Full Name", "TS-Hours", "TS-Crm ID")
SHEETS = [
    ("anna", "Anna A", 1.5, 1),
    ("ben", "Ben B", 2.0, 1),
    ("anna", "Anna A", 0.5, 2),
    ("anna", "Anna A", 0.5, 2),
    ("anna", "Anna A", 1.0, 4),
    ("ben", "Ben B", 1.0, 4),
    ("cara", "Cara C", 1.0, 4),
    ("dora", "Dora D", 1.0, 4),
    ("anna", "Anna A", 3.0, 0),
    ("ben", "Ben B", 7.6, 777777),
    (None, None, 1.0, 7),
]


def create_tables(connection: Connection, schema: str) -> None:
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    for table in load_contract(None).tables:
        columns = [sql.SQL("{} " + each.type).format(sql.Identifier(each.name)) for each in table.columns]
        statement = sql.SQL("CREATE TABLE {} ({})")
        connection.execute(statement.format(sql.Identifier(schema, table.name), sql.SQL(", ").join(columns)))


def insert(connection: Connection, schema: str, table: str, columns: tuple[str, ...], rows: list[Any]) -> None:
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(schema, table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
    )
    connection.cursor().executemany(statement, rows)


@pytest.fixture(scope="module")
def filled(pg_server: str) -> Iterator[str]:
    """A database that holds the rows above; read by every test that changes nothing."""
    name = f"t_{secrets.token_hex(5)}"
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    dsn = make_conninfo(pg_server, dbname=name)
    with psycopg.connect(dsn) as connection:
        create_tables(connection, SCHEMA)
        insert(connection, SCHEMA, "tickets", TICKET, TICKETS)
        insert(connection, SCHEMA, "comments", COMMENT, [(*row, "2025-07-01") for row in COMMENTS])
        insert(connection, SCHEMA, "comment_quality", QUALITY, ANALYSES)
        insert(connection, SCHEMA, "timesheets", SHEET, SHEETS)
    yield dsn
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def results(filled: str) -> dict[str, MetricResult]:
    with psycopg.connect(filled) as connection:
        return {
            result.metric.id: result
            for result in run_metrics(connection, SCHEMA, reader_role=None, parameters=PARAMETERS)
        }


def rows_of(result: MetricResult) -> list[tuple[str, float | None, int]]:
    return [(point.label, point.value and round(point.value, 4), point.n) for point in result.points]


def rounded(details: Any) -> dict[str, float | str | None]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in details.items()}


HEADLINES = {
    "1.1": (100 * 5 / 7, 7, "red"),
    "1.2": ((2 / 24 + 1 + 3 + 10 + 2) / 5, 5, "yellow"),
    "1.3": (100 * 5 / 7, 7, "green"),
    "1.4": (100 * 4 / 7, 7, "red"),
    "1.5": ((4.5 + 3.5 + 2.0) / 3, 3, "yellow"),
    "2.1": (100 * 2 / 4, 4, "red"),
    "2.2": (50.0, 4, "none"),
    "2.3": (100 * 3 / 7, 7, "red"),
    "2.4": (2.5, 2, "green"),
    "2.5": (60.0, 5, "yellow"),
    "2.6": (3.0, 9, "none"),
    "2.7": ((2 / 24 + 1 + 3) / 3, 3, "green"),
    "2.8": (100 * 2 / 3, 3, "red"),
    "3.1": (0.0, 6, "none"),
    "3.2": (10.6, 11, "none"),
    "3.3": (2.0, 5, "none"),
    "3.4": (100 * 3 / 7, 7, "none"),
    "3.5": (50.0, 4, "none"),
    "3.6": (None, 0, "no-data"),
    "3.7": (100 * 2 / 3, 3, "yellow"),
    "4.1": (100 * 4 / 7, 7, "none"),
    "4.2": (100 * 3 / 7, 7, "red"),
    "4.3": (9.0, 9, "none"),
}


def test_there_are_23_metrics_in_order() -> None:
    assert [metric.id for metric in load_catalog().of_kind(Kind.METRIC)] == list(HEADLINES)


def test_there_are_28_templates_in_six_groups() -> None:
    found = [metric.id for metric in load_catalog().of_kind(Kind.TEMPLATE)]
    groups = {"E": 4, "O": 7, "Q": 7, "T": 4, "A": 3, "M": 3}
    assert found == [f"{letter}{number}" for letter, count in groups.items() for number in range(1, count + 1)]


def test_every_entry_says_what_it_means_and_how_it_is_shown() -> None:
    metrics = load_catalog().metrics
    assert len({metric.id.lower() for metric in metrics}) == len(metrics)
    for metric in metrics:
        assert len(metric.definition) > 10, metric.id
        assert re.fullmatch(r"live|\d+[hdm]", metric.refresh), metric.id
        assert metric.unavailable or re.search(r"\bn\b", metric.sql), f"{metric.id} has no sample size"


@pytest.mark.parametrize("metric_id", HEADLINES)
def test_the_headline_is_the_one_worked_out_by_hand(results: dict[str, MetricResult], metric_id: str) -> None:
    value, n, status = HEADLINES[metric_id]
    result = results[metric_id]
    assert result.error == ""
    assert result.value == (None if value is None else pytest.approx(value))
    assert (result.n, result.status.value) == (n, status)


def test_the_single_figures_come_with_what_explains_them(results: dict[str, MetricResult]) -> None:
    details = {key: rounded(results[key].points[0].details) for key in ("1.1", "1.2", "1.3", "1.4", "1.5", "2.1")}
    assert details["1.1"] == {"met": 5, "missed": 2, "unknown": 2}
    assert details["1.2"] == {
        "median_days": 2,
        "p90_days": 7.2,
        "p1_p2_within_4_hours_percent": 50,
        "p3_p4_within_3_days_percent": 0,
        "closed_without_a_valid_time": 2,
    }
    assert details["1.3"] == {"no_comment_percent": 42.8571, "one_comment_percent": 28.5714}
    assert details["1.4"] == {"tickets_without": 3}
    assert details["1.5"] == {
        "median_score": 3.5,
        "p90_score": 4.3,
        "professionalism": 3.3333,
        "clarity": 3.3333,
        "empathy": 3.6667,
        "actionability": 3,
        "failed_analyses": 1,
        "uniform_scores": 1,
        "tier_contradictions": 1,
    }
    assert details["2.1"] == {"reassigned": 2}


def test_doubtful_analyses_are_announced(results: dict[str, MetricResult]) -> None:
    assert results["1.5"].warnings == (
        "1 failed analyses left out",
        "1 analyses with four equal scores left out",
        "1 analyses whose tier contradicts their score",
    )
    assert results["2.5"].warnings[-1] == "1 analyses whose tier contradicts their score"
    assert results["1.1"].warnings == ()


def test_distributions_hold_the_rows_worked_out_by_hand(results: dict[str, MetricResult]) -> None:
    assert rows_of(results["2.2"]) == [("Security", 50, 2), ("Account", 25, 1), ("Software", 25, 1)]
    assert rows_of(results["2.5"]) == [("excellent", 20, 1), ("good", 40, 2), ("acceptable", 40, 2)]
    assert rows_of(results["2.6"]) == [("2025-07", 4, 4), ("2025-08", 3, 3), ("2025-10", 2, 2)]
    assert rows_of(results["3.4"]) == [("0", 42.8571, 3), ("1", 28.5714, 2), ("2-3", 14.2857, 1), ("4+", 14.2857, 1)]
    assert rows_of(results["3.5"]) == [("1", 50, 2), ("2", 25, 1), ("3", 0, 0), ("4+", 25, 1)]
    assert rows_of(results["4.1"]) == [
        ("Support Tickets", 57.1429, 4),
        ("Alert", 28.5714, 2),
        ("(no category)", 14.2857, 1),
    ]


def test_team_figures_leave_small_teams_out_and_judge_each_team(results: dict[str, MetricResult]) -> None:
    assert rows_of(results["2.3"]) == [("A", 42.8571, 3), ("B", 42.8571, 3), ("(smaller teams)", 14.2857, 1)]
    assert [point.status.value for point in results["2.3"].points] == ["red", "red", "none"]
    assert rows_of(results["2.4"]) == [("A", 1.5, 2), ("B", 2.5, 2)]
    assert rounded(results["2.4"].points[0].details) == {"median_comments": 1.5, "p90_comments": 1.9}
    assert rows_of(results["2.7"]) == [("A", 1.3611, 3)]
    assert rounded(results["2.7"].points[0].details) == {"median_days": 1, "p90_days": 2.6}
    assert rows_of(results["2.8"]) == [("A", 66.6667, 3), ("B", 66.6667, 3)]
    assert rows_of(results["3.7"]) == [("A", 66.6667, 3), ("B", 66.6667, 3)]
    assert [point.status.value for point in results["3.7"].points] == ["yellow", "yellow"]


def test_the_heatmap_has_a_share_for_each_team_and_category(results: dict[str, MetricResult]) -> None:
    cells = [(point.label, point.series, round(point.value or 0, 4), point.n) for point in results["3.1"].points]
    assert cells == [
        ("A", "Support Tickets", 66.6667, 2),
        ("A", "Alert", 33.3333, 1),
        ("B", "Support Tickets", 66.6667, 2),
        ("B", "(no category)", 33.3333, 1),
    ]


def test_agents_come_with_tickets_and_admin_time(results: dict[str, MetricResult]) -> None:
    points = results["3.2"].points
    assert [point.label for point in points] == ["Ben B", "Anna A", "(no name)", "Cara C", "Dora D"]
    assert rounded(points[0].details) == {"tickets": 3, "hours_per_ticket": 3.5333, "admin_percent": 0}
    assert (points[1].value, points[1].n) == (6.5, 5)
    assert rounded(points[1].details) == {"tickets": 3, "hours_per_ticket": 1.1667, "admin_percent": 46.1538}


def test_the_trend_shows_a_month_of_creation_only_when_its_slow_tickets_had_time(
    results: dict[str, MetricResult],
) -> None:
    trend = [(point.series, point.label, point.value, point.n) for point in results["3.3"].points]
    assert trend == [
        ("by month of resolution", "2025-07", 1, 3),
        ("by month of resolution", "2025-08", 10, 1),
        ("by month of resolution", "2025-10", 2, 1),
        ("by month of creation", "2025-07", 1, 3),
    ]
    assert rounded(results["3.3"].points[-1].details) == {"mean_days": 1.3611, "p90_days": 2.6, "open_percent": 25}


def test_data_quality_judges_three_shares_and_shows_a_fourth(results: dict[str, MetricResult]) -> None:
    points = results["4.2"].points
    assert [(round(point.value or 0, 4), point.n, point.status.value) for point in points] == [
        (42.8571, 7, "red"),
        (57.1429, 7, "red"),
        (57.1429, 7, "red"),
        (38.4615, 13, "none"),
    ]


def test_totals_come_with_the_first_and_last_creation(results: dict[str, MetricResult]) -> None:
    assert [point.value for point in results["4.3"].points] == [9, 13, 11, 7]
    assert results["4.3"].points[0].details == {
        "first_created": "2025-07-01 00:00:00",
        "last_created": "2025-10-20 00:00:00",
    }


def test_a_metric_that_people_judge_says_that_it_has_no_data_and_why(results: dict[str, MetricResult]) -> None:
    result = results["3.6"]
    assert result.value is None
    assert result.status is MetricStatus.NO_DATA
    assert "judged by a person" in result.reason
    assert result.error == ""


def test_a_scope_counts_only_the_rows_of_its_range_and_its_teams(filled: str) -> None:
    def value(metric_id: str, **scope: Any) -> tuple[float, int]:
        metric = load_catalog().metric(metric_id)
        assert metric is not None
        (result,) = run_metrics(
            connection, SCHEMA, reader_role=None, parameters=PARAMETERS, metrics=[metric], scope=Scope(**scope)
        )
        assert result.error == ""
        assert result.value is not None
        return round(result.value, 6), result.n

    july = {"begins": datetime(2025, 7, 1), "ends": datetime(2025, 8, 1)}
    with psycopg.connect(filled) as connection:
        assert value("E1") == (9, 9)
        assert value("E1", **july) == (4, 4)
        assert value("E1", teams=("B",)) == (4, 4)
        assert value("E1", teams=("A", "C"), begins=datetime(2025, 10, 1)) == (2, 2)
        assert value("1.2", **july) == (1.361111, 3)
        assert value("1.2", begins=datetime(2025, 8, 1)) == (6, 2)
        assert value("O4", begins=datetime(2025, 7, 1), ends=datetime(2025, 7, 6)) == (0.666667, 2)
        assert value("1.4", **july) == (66.666667, 3)


def test_a_default_window_reaches_back_from_the_newest_row(filled: str) -> None:
    with psycopg.connect(filled) as connection:
        found = {r.metric.id: r for r in run_metrics(connection, SCHEMA, reader_role=None, parameters=PARAMETERS)}
    assert found["O3"].points[0].label == "2025-08-01"
    assert len(found["O3"].points) == 81
    assert sum(point.n for point in found["O3"].points) == found["O3"].n == 5
    assert [point.details["average_of_7_days"] for point in found["A1"].points[:7]] == [None] * 6 + [
        pytest.approx(3 / 7)
    ]


def test_many_open_tickets_are_a_warning_and_never_red() -> None:
    metric = load_catalog().metric("e2")
    assert metric is not None
    assert [metric.judge(value).value for value in (100, 101, 10**6)] == ["green", "yellow", "yellow"]
    assert metric.limits == "green <= 100, else yellow"


def test_automation_counts_as_visible_when_asked_for(filled: str) -> None:
    metric = load_catalog().metric("1.4")
    assert metric is not None
    with psycopg.connect(filled) as connection:
        switched = replace(PARAMETERS, automation_accounts=())
        (result,) = run_metrics(connection, SCHEMA, reader_role=None, parameters=switched, metrics=[metric])
    assert result.value == pytest.approx(100 * 5 / 7)


def test_small_teams_and_cells_are_left_out_by_default(filled: str) -> None:
    with psycopg.connect(filled) as connection:
        found = {result.metric.id: result for result in run_metrics(connection, SCHEMA, reader_role=None)}
    assert rows_of(found["2.3"]) == [("(smaller teams)", 100, 7)]
    for metric_id in ("2.3", "2.4", "2.7", "2.8", "3.1", "3.7"):
        assert found[metric_id].status is MetricStatus.NO_DATA
        assert "too few" in found[metric_id].reason
    assert found["1.1"].value == pytest.approx(100 * 5 / 7)


def test_the_query_shown_to_people_gives_the_same_rows(filled: str) -> None:
    with psycopg.connect(filled) as connection:
        for metric in FIGURES:
            if not metric.unavailable:
                shown = connection.execute(readable_sql(metric, SCHEMA, PARAMETERS).encode()).fetchall()
                values = {**PARAMETERS.values(), **Scope().values()}
                asked = connection.execute(compose(metric, SCHEMA), values).fetchall()
                assert shown == asked or metric.id == "M3"


def test_no_query_names_a_schema_or_could_be_broken_by_a_parameter() -> None:
    texts = [metric.sql for metric in load_catalog().metrics if not metric.unavailable]
    texts += load_catalog().parts.values()
    assert len(texts) > 50
    for text in texts:
        assert "%" not in text
        assert not re.findall(r"\b(?:FROM|JOIN) (?:servicedesk|public)\b", text)
        tables = re.findall(r"\{schema\}\.(\w+)", text)
        known = {table.name for table in load_contract(None).tables}
        assert set(tables) <= known | {"v_orphaned_data", "v_data_freshness"}
    metrics = load_catalog().metrics
    asked = [metric for metric in metrics if not metric.unavailable and not metric.same_as]
    names = {f"{metric.file or metric.id}.sql" for metric in asked}
    folder = resources.files("sdconsole.analytics").joinpath("sql")
    assert {file.name for file in folder.iterdir() if file.is_file()} == names


def test_an_empty_database_has_no_data_and_no_errors(pg: Database) -> None:
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        create_tables(connection, "empty")
        names = present_names(connection, "empty")
        asked = load_catalog().for_tables(names)
        found = {
            result.metric.id: result for result in run_metrics(connection, "empty", reader_role=None, metrics=asked)
        }
    left_out = {metric.id for metric in load_catalog().metrics} - set(found)
    assert {key for key in left_out if not key.startswith("tier")} == {"orphans", "freshness"}
    assert [result.error for result in found.values() if result.error] == []
    counts = {"sla-risk", "open-age", "resolution-bands"}
    assert {key for key, result in found.items() if result.status is not MetricStatus.NO_DATA} == {"4.3", "E1", *counts}
    assert {found[key].value for key in counts} == {0}
    assert found["4.3"].value == 0


@pytest.mark.parametrize(
    ("months", "headline"), [(["2025-03"], 1), (["2025-01", "2025-02", "2025-02", "2025-02", "2025-03", "2025-03"], 3)]
)
def test_the_volume_is_told_by_the_newest_complete_month(pg: Database, months: list[str], headline: float) -> None:
    metric = load_catalog().metric("2.6")
    assert metric is not None
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        create_tables(connection, "live")
        columns = ("TKT-Ticket ID", "TKT-Created Time")
        insert(connection, "live", "tickets", columns, [(n, f"{month}-15") for n, month in enumerate(months)])
        (result,) = run_metrics(connection, "live", reader_role=None, metrics=[metric])
    assert (result.value, result.n) == (headline, len(months))


def test_the_headline_of_teams_comes_with_the_size_of_the_team_it_is_about(pg: Database) -> None:
    metric = load_catalog().metric("2.7")
    assert metric is not None
    rows = [(n, "Closed", "fast", "2025-01-01", "2025-01-02") for n in range(5)]
    rows += [(9 + n, "Closed", "slow", "2025-01-01", "2025-01-11") for n in range(2)]
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        create_tables(connection, "live")
        columns = ("TKT-Ticket ID", "TKT-Status", "TKT-Team", "TKT-Created Time", "TKT-Actual Resolution Date")
        insert(connection, "live", "tickets", columns, rows)
        (result,) = run_metrics(connection, "live", reader_role=None, parameters=PARAMETERS, metrics=[metric])
    assert (result.value, result.n, result.status.value) == (10, 2, "red")
    assert [(point.label, point.n, point.status.value) for point in result.points] == [
        ("fast", 5, "green"),
        ("slow", 2, "red"),
    ]


def test_a_missing_table_is_an_error_of_its_metrics_only(pg: Database) -> None:
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        create_tables(connection, "part")
        connection.execute("DROP TABLE part.comment_quality")
        results = run_metrics(connection, "part", reader_role=None, metrics=FIGURES)
        failed = {result.metric.id: result for result in results if result.error}
    of_metrics = {metric.id for metric in load_catalog().of_kind(Kind.METRIC)}
    assert set(failed) & of_metrics == {"1.5", "2.5", "4.2"}
    assert all(result.status is MetricStatus.NO_DATA for result in failed.values())
    assert "comment_quality" in failed["1.5"].error
    present = {table.name for table in load_contract(None).tables} - {"comment_quality"}
    expected = {result.metric.id for result in results} - set(failed)
    assert {metric.id for metric in load_catalog().for_tables(present)} & {one.id for one in FIGURES} == expected


def test_a_metric_cannot_write(pg: Database) -> None:
    metric = load_catalog().metrics[0]
    writing = replace(metric, sql="WITH gone AS (DELETE FROM {schema}.tickets RETURNING 1) SELECT 1 AS value, 1 AS n")
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        create_tables(connection, "kept")
        connection.execute('INSERT INTO kept.tickets ("TKT-Ticket ID") VALUES (1)')
        (result,) = run_metrics(connection, "kept", reader_role=None, metrics=[writing])
        assert "read-only" in result.error or "accepts no changes" in result.error
        assert connection.execute("SELECT count(*) FROM kept.tickets").fetchone() == (1,)


def test_the_reader_role_is_what_reads_and_only_for_the_query(pg: Database) -> None:
    metric = load_catalog().metrics[0]
    role = f"reader_of_{pg.name}"
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        try:
            create_tables(connection, "live")
            (refused,) = run_metrics(connection, "live", reader_role=role, metrics=[metric])
            assert "permission denied" in refused.error
            grant = "GRANT USAGE ON SCHEMA live TO {role}; GRANT SELECT ON live.tickets TO {role}"
            connection.execute(sql.SQL(grant).format(role=sql.Identifier(role)))
            (allowed,) = run_metrics(connection, "live", reader_role=role, metrics=[metric])
            assert allowed.error == ""
            assert connection.execute(
                "SELECT current_user = session_user, current_setting('statement_timeout')"
            ).fetchone() == (True, "0")
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {role}; DROP ROLE {role}").format(role=sql.Identifier(role)))


def test_a_query_that_takes_too_long_is_ended_and_the_others_run(pg: Database) -> None:
    first, second = load_catalog().metrics[:2]
    slow = replace(first, sql="SELECT 1 AS value, 1 AS n FROM pg_sleep(20)")
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        create_tables(connection, "live")
        began = time.monotonic()
        ended, fine = run_metrics(connection, "live", reader_role=None, timeout_seconds=0.2, metrics=[slow, second])
        assert time.monotonic() - began < within(5)
    assert "longer than allowed" in ended.error
    assert 0.2 <= ended.duration_seconds < within(5)
    assert fine.error == ""


def test_a_lost_connection_is_not_mistaken_for_a_failed_metric(pg: Database) -> None:
    with psycopg.connect(pg.dsn, autocommit=True) as admin, psycopg.connect(pg.dsn, autocommit=True) as connection:
        create_tables(admin, "live")
        admin.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        with pytest.raises(TargetUnreachable) as lost:
            run_metrics(connection, "live", reader_role=None)
        assert lost.value.slug == "connection-lost"


def test_queries_on_several_sessions_give_the_same_results_in_the_same_order(filled: str) -> None:
    with ExitStack() as stack:
        one, *several = (stack.enter_context(psycopg.connect(filled)) for _ in range(4))
        alone = run_metrics(one, SCHEMA, reader_role=None, parameters=PARAMETERS, metrics=FIGURES)
        together = run_metrics(several, SCHEMA, reader_role=None, parameters=PARAMETERS, metrics=FIGURES)
        texts = [PanelQuery("d", f"p{number}", f"SELECT {number % 5} AS value") for number in range(20)]
        panels = check_panels(several, texts, reader_role=None, timeout_seconds=30)
    assert [replace(one, duration_seconds=0) for one in alone if one.metric.id != "M3"] == [
        replace(one, duration_seconds=0) for one in together if one.metric.id != "M3"
    ]
    assert [(one.query.panel, one.rows[0]["value"]) for one in panels] == [(f"p{n}", n % 5) for n in range(20)]


def test_sessions_work_at_the_same_time_and_stop_together(filled: str) -> None:
    both, begun = threading.Barrier(2), list[str]()

    def meet(connection: psycopg.Connection) -> str:
        both.wait(60)  # nobody passes alone
        return str(connection.info.backend_pid)

    def quick(_: psycopg.Connection) -> str:
        begun.append("quick")
        return "done"

    def endless(connection: psycopg.Connection) -> str:
        begun.append("endless")
        connection.execute("SELECT pg_sleep(600)")
        return "never"

    def halt() -> None:
        if "endless" in begun and "quick" in begun:
            raise Interrupted(cause="enough")

    with psycopg.connect(filled) as first, psycopg.connect(filled) as second:
        assert len(set(side_by_side([first, second], [meet, meet]))) == 2
        with pytest.raises(Interrupted):
            side_by_side([first, second], [endless, quick, *[quick] * 50], halt)
        assert begun.count("quick") < 50, "nothing is begun after the halt"
        assert {one.info.transaction_status.name for one in (first, second)} <= {"IDLE", "INERROR"}


def test_the_run_can_be_stopped_between_two_metrics(filled: str) -> None:
    calls = 0

    def stop_at_the_third() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Interrupted

    with psycopg.connect(filled) as connection:
        with pytest.raises(Interrupted):
            run_metrics(connection, SCHEMA, reader_role=None, check=stop_at_the_third)
        connection.execute("SELECT 1")
        with pytest.raises(ValueError, match="in one already"):
            run_metrics(connection, SCHEMA, reader_role=None)


BANDS = [
    ("1.1", {95: "green", 94.9: "yellow", 90: "yellow", 89.9: "red"}),
    ("1.2", {3: "green", 3.1: "yellow", 5: "yellow", 5.1: "red"}),
    ("1.3", {70: "green", 69.9: "yellow", 60: "yellow", 59.9: "red"}),
    ("1.4", {90: "green", 89.9: "yellow", 80: "yellow", 79.9: "red"}),
    ("1.5", {4: "green", 3.9: "yellow", 3: "yellow", 2.9: "red"}),
    ("2.1", {20: "green", 20.1: "yellow", 30: "yellow", 30.1: "red"}),
    ("2.3", {19.9: "green", 20: "yellow", 30: "yellow", 30.1: "red"}),
    ("2.4", {12: "green", 12.1: "yellow", 18: "yellow", 18.1: "red"}),
    ("2.5", {60.1: "green", 60: "yellow", 40: "yellow", 39.9: "red"}),
    ("2.7", {3: "green", 3.1: "yellow", 7: "yellow", 7.1: "red"}),
    ("2.8", {90: "green", 89.9: "yellow", 75: "yellow", 74.9: "red"}),
    ("3.6", {90: "green", 89.9: "yellow", 80: "yellow", 79.9: "red"}),
    ("3.7", {70: "green", 69.9: "yellow", 60: "yellow", 59.9: "red"}),
    ("4.2", {90: "green", 89.9: "yellow", 70: "yellow", 69.9: "red"}),
]


@pytest.mark.parametrize(("metric_id", "bands"), BANDS, ids=[metric_id for metric_id, _ in BANDS])
def test_the_bands_have_no_gaps(metric_id: str, bands: dict[float, str]) -> None:
    metric = load_catalog().metric(metric_id)
    assert metric is not None
    assert {value: metric.judge(value).value for value in bands} == bands
    assert metric.judge(None) is MetricStatus.NO_DATA


def test_the_other_metrics_are_not_judged() -> None:
    judged = {metric_id for metric_id, _ in BANDS}
    assert len(BANDS) == 14
    others = [metric for metric in load_catalog().of_kind(Kind.METRIC) if metric.id not in judged]
    assert len(others) == 9
    assert {metric.judge(1.0) for metric in others} == {MetricStatus.NONE}
    assert set(load_catalog().palette) == set(MetricStatus)
