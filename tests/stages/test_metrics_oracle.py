"""The whole catalogue on a generated export that went through the pipeline, against figures worked out in Python."""

from __future__ import annotations

import math
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole.analytics.catalog import load_catalog
from sdconsole.analytics.classes import class_of, load_classification
from sdconsole.analytics.dashboards import load_dashboards
from sdconsole.analytics.grafana import dashboard_model
from sdconsole.analytics.panel_check import PanelQuery, PanelResult, check_panels, panel_queries
from sdconsole.analytics.parameters import MetricParameters
from sdconsole.analytics.rates import NOT_SET
from sdconsole.analytics.run import MetricResult, present_names, run_metrics
from sdconsole.contract.load import load_contract
from sdconsole.core.model import Mode, StageName
from sdconsole.source.generate import generate
from tests.cli.library_runs import LIVE, deployed
from tests.conftest import Database
from tests.stages.loading_world import VERSION, context, load
from tests.stages.metric_oracle import answers, newest_ticket
from tests.stages.metric_rows import Answer
from tests.stages.panel_oracle import RATES, panel_answers
from tests.stages.people_oracle import people_answers
from tests.stages.target_clean_file import write_clean

ROWS = 20_000
BY_HAND = {"3.6", "M3"}
"""What a person judges, and what depends on the clock."""
ASKED = [metric.id for metric in load_catalog().metrics if metric.id not in BY_HAND]


@dataclass(frozen=True, slots=True)
class Proved:
    """A deployed export: what live answers, and what its clean file says."""

    dsn: str
    clean: Path
    rates: Path
    results: dict[str, MetricResult]
    expected: dict[str, Answer]


@pytest.fixture(scope="module")
def proved(pg_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proved]:
    folder, name = tmp_path_factory.mktemp("oracle"), f"t_{secrets.token_hex(5)}"
    generate(folder / "export.db", rows=ROWS, seed=3, contract=load_contract())
    more = with_tiers(folder)
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    dsn = make_conninfo(pg_server, dbname=name)
    state = deployed(folder, folder / "export.db", dsn, mode=Mode.SIMPLE, **more)
    clean = Path(state.results[StageName.CLEAN].artifact("clean").path)
    with psycopg.connect(dsn) as connection:
        found = run_metrics(connection, LIVE, reader_role=None, parameters=parameters(folder / "rates.toml"))
    results = {result.metric.id: result for result in found}
    yield Proved(
        dsn, clean, folder / "rates.toml", results, answers(clean) | panel_answers(clean) | people_answers(clean)
    )
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def with_tiers(folder: Path, *, export: bool = True) -> dict[str, Any]:
    """Gives the export's tickets a tier and a pod, and names the settings that go with it."""
    shipped = resources.files("sdconsole.contract").joinpath("servicedesk.toml").read_text(encoding="utf-8")
    first = '    { name = "TKT-Ticket ID"'
    own = "".join(
        f'    {{ name = "{name}", type = "text", description = "of the ticket" }},\n'
        for name in ("support_tier", "assigned_pod")
    )
    (folder / "contract.toml").write_text(shipped.replace(first, own + first, 1), encoding="utf-8")
    (folder / "rates.toml").write_text(RATES, encoding="utf-8")
    if not export:
        return {}
    with closing(sqlite3.connect(folder / "export.db")) as database, database:
        for name in ("support_tier", "assigned_pod"):
            database.execute(f"ALTER TABLE tickets ADD COLUMN {name} TEXT")
        number = 'CAST("TKT-Ticket ID" AS INTEGER)'
        database.execute(
            f"UPDATE tickets SET support_tier = CASE WHEN {number} % 50 = 0 THEN NULL WHEN {number} % 10 < 6 THEN 'L1'"
            f" WHEN {number} % 10 < 9 THEN 'L2' ELSE 'L3' END,"
            f" assigned_pod = CASE WHEN {number} % 7 = 0 THEN NULL ELSE 'pod ' || ({number} % 3) END"
        )
    return {"contract": folder / "contract.toml", "rates": folder / "rates.toml"}


def parameters(rates: Path | None = None) -> MetricParameters:
    return MetricParameters.of(load_contract(), rates=rates)


@pytest.mark.parametrize("metric_id", ASKED)
def test_the_answer_is_the_one_that_plain_python_works_out(proved: Proved, metric_id: str) -> None:
    assert unequal(proved.results[metric_id], proved.expected[metric_id]) == []


def test_the_oracle_has_an_answer_for_everything_and_most_answers_say_something(proved: Proved) -> None:
    assert set(proved.expected) == set(ASKED)
    assert [key for key, answer in proved.expected.items() if answer.value is None] == []


def test_a_figure_that_is_one_digit_off_is_noticed(proved: Proved) -> None:
    result = proved.results["1.1"]
    assert result.value is not None
    assert unequal(replace(result, value=result.value + 0.1), proved.expected["1.1"]) != []
    assert unequal(replace(result, n=result.n + 1), proved.expected["1.1"]) != []


def test_the_age_of_the_newest_ticket_is_told_by_the_clock(proved: Proved) -> None:
    result = proved.results["M3"]
    hours = (datetime.now(UTC).replace(tzinfo=None) - newest_ticket(proved.clean)).total_seconds() / 3600
    assert result.value == pytest.approx(hours, abs=1)


FEW: dict[str, list[dict[str, Any]]] = {
    "tickets": [
        {"TKT-Ticket ID": 1, "TKT-Created Time": "2025-03-03 08:00:00", "TKT-Status": "Open"},
        {"TKT-Ticket ID": 2, "TKT-Created Time": "2025-08-04 08:00:00", "TKT-Status": "Open", "TKT-Title": "no sound"},
    ],
    "comments": [
        {"comment_id": 1, "ticket_id": 1, "visible_to_customer": "No", "created_time": "2025-03-04 08:00:00"},
    ],
}
"""Tickets of which none is closed, assigned, an alert or booked on, and nothing that anybody could have analysed."""


@pytest.mark.parametrize("rows", [{}, FEW], ids=["nothing", "few"])
def test_where_there_is_next_to_nothing_no_figure_is_made_up(
    pg: Database, tmp_path: Path, rows: dict[str, list[dict[str, Any]]]
) -> None:
    tables = load_contract().tables
    stored = {
        table.name: [[row.get(column.name) for column in table.columns] for row in rows.get(table.name, [])]
        for table in tables
    }
    clean = write_clean(tmp_path / "clean.db", tables, stored)
    load(context(tmp_path, pg.dsn, clean), clean, tables)
    found = assert_everything_is_as_worked_out(pg.dsn, VERSION, clean, tmp_path / "rates.toml")
    assert [result.metric.id for result in found if result.value is None and not result.reason] == []


def assert_everything_is_as_worked_out(dsn: str, schema: str, clean: Path, rates: Path) -> tuple[MetricResult, ...]:
    """Every metric that can be asked for in the schema says what its clean file does."""
    rates.write_text(RATES, encoding="utf-8")
    with psycopg.connect(dsn, autocommit=True) as connection:
        asked = load_catalog().for_tables(present_names(connection, schema))
        found = run_metrics(connection, schema, reader_role=None, parameters=parameters(rates), metrics=asked)
    expected = answers(clean) | panel_answers(clean, tiers=False) | people_answers(clean)
    compared = {result.metric.id: result for result in found if result.metric.id not in BY_HAND}
    assert set(compared) == set(expected)
    wrong = {key: unequal(result, expected[key]) for key, result in compared.items()}
    assert {key: differences for key, differences in wrong.items() if differences} == {}
    return found


def unequal(result: MetricResult, expected: Answer) -> list[str]:
    """Where a result differs from what was worked out, in the digits that its unit shows."""
    shown = result.metric.shown
    wrong = [] if not result.error else [result.error]
    if shown(result.value) != shown(expected.value) and not _close(result.value, expected.value):
        wrong.append(f"value {result.value}, not {expected.value}")
    if result.n != expected.n:
        wrong.append(f"n {result.n}, not {expected.n}")
    found = [(point.label, point.series, shown(point.value), point.n) for point in result.points]
    wanted = [(label, series, shown(value), n) for label, series, value, n in expected.rows]
    wrong += [
        f"row {one}, not {other}"
        for point, one, row, other in zip(result.points, found, expected.rows, wanted, strict=False)
        if one != other and not (one[:2] == other[:2] and one[3] == other[3] and _close(point.value, row[2]))
    ]
    if len(found) != len(wanted):
        wrong.append(f"{len(found)} rows, not {len(wanted)}")
    return wrong


def _close(value: float | None, other: float | None) -> bool:
    """Whether two figures differ by nothing but the order of their additions: one between two digits may be either."""
    return value is not None and other is not None and math.isclose(value, other, rel_tol=1e-12)


def models(proved: Proved) -> list[dict[str, Any]]:
    return [dashboard_model(each, LIVE, parameters(proved.rates)) for each in load_dashboards().dashboard]


def asked(proved: Proved, queries: list[PanelQuery], **options: Any) -> dict[str, PanelResult]:
    with psycopg.connect(proved.dsn) as connection:
        results = check_panels(connection, queries, reader_role=None, timeout_seconds=30, **options)
    assert [one.error for one in results if one.error] == []
    return {f"{one.query.dashboard} {one.query.panel}": one for one in results}


def test_every_panel_and_every_variable_answers_on_a_deployed_export(proved: Proved) -> None:
    queries = [query for model in models(proved) for query in panel_queries(model)]
    found = asked(proved, queries)
    assert len(found) > 30
    assert [name for name, one in found.items() if not one.rows] == []


def test_a_panel_shows_what_the_catalogue_says(proved: Proved) -> None:
    executive = list(panel_queries(models(proved)[0]))
    found = asked(proved, executive)
    for metric_id in ("1.1", "1.2", "1.3", "1.4", "1.5"):
        result = proved.results[metric_id]
        (row,) = found[f"servicedesk-executive {result.metric.title}"].rows
        assert float(row["value"]) == result.value
        assert row["n"] == result.n


def test_every_panel_with_a_range_changes_its_numbers_with_the_range(proved: Proved) -> None:
    queries = [query for model in models(proved) for query in panel_queries(model) if "$__timeFilter" in query.text]
    whole = asked(proved, queries)
    month = asked(proved, queries, begins=datetime(2025, 8, 1), ends=datetime(2025, 8, 31))
    assert [name for name in whole if whole[name].rows == month[name].rows] == []


def test_without_rates_no_figure_is_in_money_and_the_reason_is_told(proved: Proved) -> None:
    metrics = [metric for metric in load_catalog().metrics if metric.unit == "money"]
    metrics += [metric for metric in load_catalog().metrics if metric.id in ("auto-before", "auto-after")]
    with psycopg.connect(proved.dsn) as connection:
        *money, before, after = run_metrics(connection, LIVE, reader_role=None, metrics=metrics)
    assert [(one.value, one.error, one.reason) for one in money] == [(None, "", NOT_SET)] * len(money)
    assert before.n == proved.results["auto-candidates"].value
    assert (after.value, after.reason) == (None, "no ticket came since a day that the rates call a pattern automated")


def test_the_teams_add_up_to_all(proved: Proved) -> None:
    operations = list(panel_queries(models(proved)[1]))
    variable = next(query for query in operations if query.panel == "variable team")
    counted = [query for query in operations if query.panel in ("monthly volume", "age of open tickets")]
    (column,) = {key for row in asked(proved, [variable])["servicedesk-operations variable team"].rows for key in row}
    with psycopg.connect(proved.dsn) as connection:
        teams = [str(row[0]) for row in connection.execute(variable.text.encode()).fetchall()]
    assert len(teams) > 5, column

    def total(**options: Any) -> dict[str, int]:
        return {
            name: sum(int(row["value"]) for row in one.rows) for name, one in asked(proved, counted, **options).items()
        }

    every = total()
    each = [total(teams=[team]) for team in teams]
    assert all(value > 0 for value in every.values())
    assert every == {name: sum(one[name] for one in each) for name in every}
    assert every == total(teams=teams)


def test_words_classify_in_sql_as_they_do_in_python(proved: Proved) -> None:
    with psycopg.connect(proved.dsn) as connection:
        for of in load_classification().lists:
            columns = [of.column, *([of.also] if of.also else [])]
            query = sql.SQL("SELECT {}, {} FROM {}").format(
                class_of(of), sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(LIVE, of.table)
            )
            rows = connection.execute(query).fetchall()
            assert len({row[0] for row in rows}) > 1, of.name
            assert [row for row in rows if row[0] != of.classify(*row[1:])] == []


def test_a_view_that_is_gone_is_named(proved: Proved) -> None:
    queries = [query for model in models(proved) for query in panel_queries(model)]
    with psycopg.connect(proved.dsn, autocommit=True) as connection:
        connection.execute("ALTER VIEW servicedesk.v_orphaned_data RENAME TO hidden")
        try:
            results = check_panels(connection, queries, reader_role=None, timeout_seconds=30)
        finally:
            connection.execute("ALTER VIEW servicedesk.hidden RENAME TO v_orphaned_data")
    failed = {(one.query.dashboard, one.query.panel) for one in results if one.error}
    assert failed == {
        ("servicedesk-operations", "rows without their parent"),
        ("servicedesk-etl-pipeline", "rows without their parent"),
    }
    assert all("v_orphaned_data" in one.error for one in results if one.error)
