"""Exact shares and reproducible orders, for any totals."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from sdconsole.source.generate.counts import Shuffle, Spread, apportion, chance, deal, diffuse, within

WEIGHTS = st.lists(st.integers(0, 10_000), min_size=1, max_size=40).filter(any)


@given(WEIGHTS, st.integers(0, 100_000))
def test_shares_add_up_and_are_never_more_than_one_off(weights: list[int], total: int) -> None:
    shares = apportion(weights, total)
    assert sum(shares) == total
    assert all(abs(share - weight * total / sum(weights)) <= 1 for share, weight in zip(shares, weights, strict=True))


def test_shares_of_the_exact_total_are_the_weights() -> None:
    assert apportion((7_969, 2_720, 250), 10_939) == [7_969, 2_720, 250]


@given(WEIGHTS, st.integers(0, 5_000))
def test_diffused_shares_add_up(weights: list[int], total: int) -> None:
    assert sum(diffuse(weights, sum(weights), total)) == total


@settings(max_examples=60)
@given(st.integers(1, 3_000), st.integers())
def test_a_shuffle_visits_every_place_once(size: int, seed: int) -> None:
    shuffle = Shuffle(size, chance(seed))
    assert sorted(map(shuffle, range(size))) == list(range(size))


@settings(max_examples=60)
@given(WEIGHTS.filter(lambda weights: sum(weights) < 3_000), st.integers())
def test_a_spread_deals_each_class_exactly_as_often_as_it_should(counts: list[int], seed: int) -> None:
    spread = Spread(counts, chance(seed))
    dealt = Counter(spread(index) for index in range(sum(counts)))
    assert [dealt[code] for code in range(len(counts))] == counts


def test_a_deal_is_exact_and_shuffled() -> None:
    dealt = deal((3, 1), 4_000, chance("deal"))
    assert dealt.count(0) == 3_000
    assert 600 < dealt[:1_000].count(0) < 900


def test_what_is_too_much_goes_where_there_is_room() -> None:
    assert within([5, 5, 5], [9, 3, 4]) == [8, 3, 4]


def test_chance_depends_on_every_part_of_its_name() -> None:
    assert chance(1, "tickets", 0).random() == chance(1, "tickets", 0).random()
    assert len({chance(*name).random() for name in ((1, "a", 0), (2, "a", 0), (1, "b", 0), (1, "a", 1))}) == 4
