"""The built-in rules: all there, worth 100 points together, and each with what a reader needs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest

from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Dimension, Severity
from sdconsole.quality.score.rule_groups import rule_ids
from sdconsole.quality.score.rules import CHECK_KINDS, GROUP_KINDS

CONTRACT = load_contract(None)
RULES = {rule.id: rule for rule in CONTRACT.rules}


def test_all_49_rules_are_there() -> None:
    assert {f"R{number}" for number in range(1, 50)} <= set(RULES)


def test_the_points_of_the_five_dimensions_are_40_30_20_5_5() -> None:
    points: dict[Dimension, float] = defaultdict(float)
    for rule in CONTRACT.rules:
        points[rule.dimension] += rule.points
    assert {dimension: round(value, 9) for dimension, value in points.items()} == {
        Dimension.COMPLETENESS: 40.0,
        Dimension.VALIDITY: 30.0,
        Dimension.CONSISTENCY: 20.0,
        Dimension.UNIQUENESS: 5.0,
        Dimension.INTEGRITY: 5.0,
    }


@pytest.mark.parametrize(("table", "points"), [("comments", 16.0), ("tickets", 14.0), ("timesheets", 10.0)])
def test_completeness_is_shared_among_the_tables(table: str, points: float) -> None:
    filled = [rule for rule in CONTRACT.rules if rule.dimension is Dimension.COMPLETENESS and rule.table == table]
    assert sum(rule.points for rule in filled) == points


def test_rules_about_rules_cost_nothing_so_that_nothing_counts_twice() -> None:
    for rule in CONTRACT.rules:
        if rule.check in GROUP_KINDS:
            assert rule.points == 0.0, rule.id
    for whole, members in {"R10": "R1-R9", "R34": "R27-R33", "R38": "R35-R37"}.items():
        assert rule_ids(str(RULES[whole].options["rules"])) == rule_ids(members)


def test_no_two_scored_rules_look_at_the_same_thing() -> None:
    seen = [(rule.check, rule.table, rule.columns) for rule in CONTRACT.rules if rule.points]
    assert len(seen) == len(set(seen))


def test_what_stops_a_deployment_stops_it() -> None:
    blockers = {rule.id for rule in CONTRACT.rules if rule.severity is Severity.BLOCKER}
    assert blockers == {f"R{number}" for number in (1, 2, 3, 7, 8, 9, 17, 19, 20, 21, 31, 32, 33, 41, 42)}


def test_every_rule_says_what_and_why_and_names_a_known_check() -> None:
    for rule in CONTRACT.rules:
        assert all((rule.title, rule.reason)), rule.id
        assert rule.check in CHECK_KINDS, rule.id
        assert 0 <= rule.tolerance_percent < 100


@pytest.mark.parametrize(
    ("text", "ids"),
    [("R1-R3", ("R1", "R2", "R3")), ("R44a, R44b", ("R44a", "R44b")), (" R9 ,S1-S2,", ("R9", "S1", "S2")), ("", ())],
)
def test_lists_of_rules(text: str, ids: tuple[str, ...]) -> None:
    assert rule_ids(text) == ids


def test_the_contract_still_has_7_tables_and_133_columns() -> None:
    assert (len(CONTRACT.tables), len(list(CONTRACT.columns()))) == (7, 133)
    assert replace(CONTRACT, rules=()).tables == CONTRACT.tables
