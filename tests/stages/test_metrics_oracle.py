"""The whole catalogue on a generated export that went through the pipeline, against figures worked out in Python."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole.analytics.catalog import Kind, load_catalog
from sdconsole.analytics.run import MetricResult, run_metrics
from sdconsole.contract.load import load_contract
from sdconsole.core.model import Mode, StageName
from sdconsole.source.generate import generate
from tests.cli.library_runs import LIVE, deployed
from tests.stages.metric_oracle import answers, newest_ticket
from tests.stages.metric_rows import Answer

ROWS = 20_000
BY_HAND = {"3.6", "M3"}
"""What a person judges, and what depends on the clock."""
ASKED = [metric.id for metric in load_catalog().of_kind(Kind.METRIC, Kind.TEMPLATE) if metric.id not in BY_HAND]


@dataclass(frozen=True, slots=True)
class Proved:
    """A deployed export: what live answers, and what its clean file says."""

    dsn: str
    clean: Path
    results: dict[str, MetricResult]
    expected: dict[str, Answer]


@pytest.fixture(scope="module")
def proved(pg_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proved]:
    folder, name = tmp_path_factory.mktemp("oracle"), f"t_{secrets.token_hex(5)}"
    generate(folder / "export.db", rows=ROWS, seed=3, contract=load_contract())
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    dsn = make_conninfo(pg_server, dbname=name)
    state = deployed(folder, folder / "export.db", dsn, mode=Mode.SIMPLE)
    clean = Path(state.results[StageName.CLEAN].artifact("clean").path)
    with psycopg.connect(dsn) as connection:
        results = {result.metric.id: result for result in run_metrics(connection, LIVE, reader_role=None)}
    yield Proved(dsn, clean, results, answers(clean))
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


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


def unequal(result: MetricResult, expected: Answer) -> list[str]:
    """Where a result differs from what was worked out, in the digits that its unit shows."""
    shown = result.metric.shown
    wrong = [] if not result.error else [result.error]
    if shown(result.value) != shown(expected.value):
        wrong.append(f"value {result.value}, not {expected.value}")
    if result.n != expected.n:
        wrong.append(f"n {result.n}, not {expected.n}")
    found = [(point.label, point.series, shown(point.value), point.n) for point in result.points]
    wanted = [(label, series, shown(value), n) for label, series, value, n in expected.rows]
    wrong += [f"row {one}, not {other}" for one, other in zip(found, wanted, strict=False) if one != other]
    if len(found) != len(wanted):
        wrong.append(f"{len(found)} rows, not {len(wanted)}")
    return wrong
