"""How far a figure moved, and what of it is too far."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sdconsole.analytics.catalog import Metric, MetricStatus, load_catalog
from sdconsole.analytics.compare import (
    Change,
    ChangeState,
    by_weight,
    change_from_dict,
    comparable,
    compare,
)
from sdconsole.analytics.run import MetricResult


def metric(metric_id: str = "1.1") -> Metric:
    found = load_catalog().metric(metric_id)
    assert found is not None
    return found


def result(value: float | None, *, error: str = "", metric_id: str = "1.1") -> MetricResult:
    of = metric(metric_id)
    return MetricResult(of, value, 10, of.judge(value), error=error)


def change(before: MetricResult, after: MetricResult) -> Change:
    (found,) = compare([before], [after])
    return found


@pytest.mark.parametrize(
    ("before", "after", "state", "percent", "weight"),
    [
        (96.0, 96.0, ChangeState.SAME, 0.0, 0.0),
        (96.0, 48.0, ChangeState.MOVED, 50.0, 50.0),
        (48.0, 96.0, ChangeState.MOVED, 100.0, 100.0),
        (0.0, 0.0, ChangeState.SAME, 0.0, 0.0),
        (0.0, 1.0, ChangeState.MOVED, None, 100.0),
        (-2.0, -1.0, ChangeState.MOVED, 50.0, 50.0),
        (96.0, None, ChangeState.GONE, None, 100.0),
        (None, 96.0, ChangeState.NEW, None, 0.0),
        (None, None, ChangeState.EMPTY, None, 0.0),
    ],
)
def test_a_change_has_a_kind_and_a_size(
    before: float | None, after: float | None, state: ChangeState, percent: float | None, weight: float
) -> None:
    found = change(result(before), result(after))
    assert (found.state, found.percent, found.weight) == (state, percent, weight)
    assert found.exceeds(weight) is False
    assert found.exceeds(weight - 1) is True


def test_a_failed_query_exceeds_every_limit() -> None:
    for pair in ((result(None, error="refused"), result(1.0)), (result(1.0), result(None, error="refused"))):
        found = change(*pair)
        assert (found.state, found.error) == (ChangeState.FAILED, "refused")
        assert found.exceeds(1e9)


def test_what_left_its_band_for_a_worse_one_comes_first_among_what_moved() -> None:
    worse = change(result(96.0), result(92.0))
    larger = replace(change(result(80.0), result(40.0)), metric_id="1.3")
    gone = replace(change(result(96.0), result(None)), metric_id="1.4")
    assert worse.worse
    assert not larger.worse
    assert (worse.band_before, worse.band_after) == (MetricStatus.GREEN, MetricStatus.YELLOW)
    assert [one.metric_id for one in by_weight([larger, worse, gone])] == ["1.4", "1.1", "1.3"]


def test_a_change_survives_its_json() -> None:
    for one in (change(result(96.0), result(48.0)), change(result(None), result(None, error="x"))):
        assert change_from_dict(one.to_dict()) == one


def test_only_figures_that_both_versions_have_are_compared() -> None:
    assert compare([result(1.0)], [result(1.0, metric_id="1.3")]) == ()


def test_what_depends_on_the_clock_or_repeats_another_figure_is_not_compared() -> None:
    ids = {one.id for one in comparable(load_catalog())}
    assert not ids & {"M3", "E3", "E4", "O6", "3.6"}
    assert {"1.1", "E1", "A2"} <= ids
