"""When tickets are opened and how long they take."""

from __future__ import annotations

from array import array
from math import exp
from random import Random

from sdconsole.source.generate import distributions as dist
from sdconsole.source.generate.clock import DAY_SECONDS, DAYS, is_workday
from sdconsole.source.generate.distributions import Category, Group, Team
from sdconsole.source.generate.sizes import Scale

_SHORTEST = 12 * 60
"""Seconds; leaves room for a response and the closure, a minute apart and more, in whole minutes."""
_LONGEST_DAYS = 18
"""How long after the last day of creation the export still knows resolutions of."""
_EARLIER_EVERY = 2_187
"""One ticket in so many was created weeks before the period."""


def created_times(scale: Scale, category: array[int], rng: Random) -> array[int]:
    """Rising with the ticket number. Alerts at any hour; of the rest 85 % on workdays between 07 and 18 h."""
    rnd = rng.random
    total = len(category)
    days = scale.last_day - scale.first_day + 1
    moments = array("q", bytes(8 * total))
    for index, code in enumerate(category):
        day = scale.first_day + int((index + rnd()) * days / total)
        second = int(rnd() * DAY_SECONDS)
        if code != Category.ALERT and rnd() < 0.85:
            day = _nearest_workday(day, scale)
            second = 7 * 3600 + int(rnd() * 11 * 3600)
        if index % _EARLIER_EVERY == _EARLIER_EVERY // 2:
            day -= 20 + int(rnd() * 30)
        moments[index] = day * DAY_SECONDS + second
    return moments


def _nearest_workday(day: int, scale: Scale) -> int:
    if is_workday(day):
        return day
    later = day + 7 - day % 7
    return later if later <= scale.last_day else day - day % 7 + 4


def resolution_times(scale: Scale, group: array[int], team: array[int], created: array[int], rng: Random) -> array[int]:
    """Log-normal durations whose mean over a team is the team's, shorter for tickets created late.

    The durations are cut at the end of what the export can know, then stretched until the mean holds again.
    """
    latest = (scale.last_day + _LONGEST_DAYS) * DAY_SECONDS
    days = array("d", (_long_days(rng) if scale.large else _days(created[i], rng) for i in range(len(group))))
    if not scale.large:
        for code in set(team):
            members = [i for i, member in enumerate(team) if member == code and group[i] != Group.OPEN]
            _stretch(
                days, members, created, latest, dist.RESOLUTION_DAYS.get(Team(code), dist.RESOLUTION_DAYS_ELSEWHERE)
            )
    return array("q", (created[i] + _seconds(days[i], created[i], latest) for i in range(len(group))))


def _stretch(days: array[float], members: list[int], created: array[int], latest: int, mean: float) -> None:
    for _ in range(6):
        reached = sum(_seconds(days[i], created[i], latest) for i in members) / DAY_SECONDS
        if not members or abs(reached / (mean * len(members)) - 1) < 0.002:
            return
        factor = mean * len(members) / reached
        for i in members:
            days[i] *= factor


def _seconds(days: float, created: int, latest: int) -> int:
    return max(_SHORTEST, min(int(days * DAY_SECONDS), latest - created))


def _days(created: int, rng: Random) -> float:
    month = int(DAYS[created // DAY_SECONDS][5:7])
    return exp(rng.gauss(0.0, dist.RESOLUTION_SIGMA)) * dist.MONTH_FACTOR.get(month, 1.0)


def _long_days(rng: Random) -> float:
    mu, sigma = dist.LARGE_RESOLUTION
    return exp(min(9.0, rng.gauss(mu, sigma)))
