"""The rows of `comment_quality` and `comment_sentiment`: copies of a comment with scores that agree with each other."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product
from random import Random

from sdconsole.source.generate import distributions as dist
from sdconsole.source.generate.cells import Row

_LABELS = ("positive", "negative", "neutral", "mixed")
_REASONS = {
    "positive": "The customer confirms that it works.",
    "negative": "The customer waits for an answer.",
    "neutral": "The comment states facts only.",
    "mixed": "Praise and blame are both there.",
}
_TAGS = ("status", "question", "workaround", "handover", "closing")


def _scores_of(tier: int) -> tuple[tuple[int, int, int, int], ...]:
    """All combinations of four scores that make the tier, without those in which all four are the same."""
    least, greatest = dist.TIER_SUMS[tier]
    return tuple(
        (a, b, c, d)
        for a, b, c, d in product(range(1, 6), repeat=4)
        if least <= a + b + c + d <= greatest and len({a, b, c, d}) > 1
    )


_SCORES = tuple(_scores_of(tier) for tier in range(len(dist.QUALITY_TIERS)))


def quality_row(comment: Row, tier: int, rng: Random) -> Row:
    """`comment` = id, ticket, user, team, type, created, text. The ids of this table are text."""
    number, ticket, user, team, kind, created, text = comment
    rnd = rng.random
    scores = _SCORES[tier][int(rnd() * len(_SCORES[tier]))]
    tags = f'["{_TAGS[int(rnd() * 5)]}", "{_TAGS[int(rnd() * 5)]}"]'
    flags = '["no next step"]' if tier == 3 else "[]"
    return [
        str(number),
        str(ticket),
        user,
        team,
        kind,
        created,
        text,
        *scores,
        sum(scores) / 4,
        dist.QUALITY_TIERS[tier],
        tags,
        flags,
        "Informs about the state of the ticket",
        _analysed_at(created, rng),
    ]


def sentiment_row(comment: Row, rng: Random) -> Row:
    """`comment` as in `quality_row`."""
    rnd = rng.random
    label = _LABELS[int(rnd() * 4)]
    return [
        *comment,
        label,
        round(0.6 + 0.39 * rnd(), 3),
        _REASONS[label],
        "sentiment-small-1",
        180 + int(rnd() * 900),
        _analysed_at(comment[5], rng),
    ]


def _analysed_at(created: object, rng: Random) -> str:
    later = timedelta(days=3 + int(rng.random() * 5), seconds=int(rng.random() * 80_000))
    return (datetime.fromisoformat(str(created)) + later).isoformat(" ")
