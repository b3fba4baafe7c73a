"""How many comments and timesheet rows each ticket has, so that the totals of the export come out exactly."""

from __future__ import annotations

from array import array
from random import Random

from sdconsole.source.generate import distributions as dist
from sdconsole.source.generate.counts import apportion, deal, diffuse, within
from sdconsole.source.generate.declared import COMMENTS, QUALITY, TICKETS, TIMESHEETS
from sdconsole.source.generate.distributions import Group, Team
from sdconsole.source.generate.sizes import Scale

_MOST_VISIBLE = 70
_MOST_WEIGHT = 5.0
_BASELINE_PER_TICKET = 108_129 / 10_939


def visible_counts(scale: Scale, group: array[int], team: array[int], rng: Random) -> tuple[array[int], bytearray]:
    """Visible comments of each ticket, and which tickets have no comment and no booking at all.

    A share of each team's closed tickets is covered (has one or more); the covered ones get 1, 2-3 or 4 and more.
    The baseline's shares are thinned out where an export has fewer comments to a ticket.
    """
    total = len(group)
    thin = min(1.0, scale.rows[COMMENTS] / total / _BASELINE_PER_TICKET)
    visible = array("H", bytes(2 * total))
    many: list[int] = []
    for code in (Group.CLOSED, Group.RESOLVED):
        members = [index for index in range(total) if group[index] == code]
        zero, *rest = dist.VISIBLE_BUCKETS[code]
        buckets = apportion([zero + (1 - thin) * sum(rest), *(thin * bucket for bucket in rest)], len(members))
        covered = _covered(members, team, sum(buckets[1:]), rng, by_team=code is Group.CLOSED)
        for index, bucket in zip(covered, deal(buckets[1:], len(covered), rng), strict=True):
            if bucket == 0:
                visible[index] = 1
            elif bucket == 1:
                visible[index] = 2 if rng.random() < dist.TWO_AMONG_TWO_OR_THREE else 3
            else:
                visible[index] = 4
                many.append(index)
    open_ones = [index for index in range(total) if group[index] == Group.OPEN]
    for index in rng.sample(open_ones, round(dist.VISIBLE_ON_OPEN * thin * len(open_ones))):
        visible[index] = 1
    wanted = max(round(dist.VISIBLE_SHARE * scale.rows[COMMENTS]), scale.rows[QUALITY])
    _fill_up(visible, many, wanted - sum(visible), rng)
    quiet = [index for index in range(total) if not visible[index] and group[index] != Group.OPEN]
    silent = bytearray(total)
    for index in rng.sample(quiet, min(len(quiet), round(dist.SILENT_SHARE * total))):
        silent[index] = 1
    return visible, silent


def _covered(members: list[int], team: array[int], wanted: int, rng: Random, *, by_team: bool) -> list[int]:
    """`wanted` of the members in random order, from each team by its coverage."""
    if not by_team:
        return rng.sample(members, wanted)
    teams = sorted({team[index] for index in members})
    of_team = [[index for index in members if team[index] == code] for code in teams]
    weights = [
        dist.COVERAGE.get(Team(c), dist.COVERAGE_ELSEWHERE) * len(of) for c, of in zip(teams, of_team, strict=True)
    ]
    counts = within(apportion(weights, wanted), [len(of) for of in of_team])
    covered = [index for of, count in zip(of_team, counts, strict=True) for index in rng.sample(of, count)]
    rng.shuffle(covered)
    return covered


def _fill_up(visible: array[int], many: list[int], missing: int, rng: Random) -> None:
    """Gives `missing` more comments to the tickets that have four already, a few of them very many."""
    if missing <= 0:
        return
    chosen = many or [index for index in range(len(visible)) if visible[index]] or list(range(len(visible)))
    weights = [min(rng.lognormvariate(0.0, 1.0), 9.0) for _ in chosen]
    spare = 0
    for index, more in zip(chosen, diffuse(weights, sum(weights), missing), strict=True):
        taken = min(more + spare, _MOST_VISIBLE)
        spare += more - taken
        visible[index] += taken
    visible[chosen[0]] += spare


def comment_volumes(
    scale: Scale, team: array[int], visible: array[int], silent: bytearray, rng: Random
) -> tuple[array[int], array[int]]:
    """Human notes and notices of the automation account; with the visible comments they make up the table."""
    total = scale.rows[COMMENTS]
    notes = min(round(dist.NOTES_SHARE * total), total - sum(visible))
    automatic = total - sum(visible) - notes
    weights = array("d", (0.0 if silent[i] else _team_weight(team[i]) * _lively(rng) for i in range(len(team))))
    weight = sum(weights)
    by_note = array("H", diffuse(weights, weight, notes))
    rng_weights = array("d", (value * (0.7 + 0.6 * rng.random()) for value in weights))
    by_notice = array("H", diffuse(rng_weights, sum(rng_weights), automatic))
    return by_note, by_notice


def _team_weight(team: int) -> float:
    mean = dist.COMMENTS_PER_TICKET.get(Team(team), dist.COMMENTS_ELSEWHERE)
    return mean - dist.VISIBLE_SHARE * _BASELINE_PER_TICKET


def _lively(rng: Random) -> float:
    return min(rng.lognormvariate(-0.15, 0.55), _MOST_WEIGHT)


def bookings(
    scale: Scale, group: array[int], silent: bytearray, rng: Random
) -> tuple[array[int], array[int], array[int]]:
    """Timesheet rows that name the ticket, how many people booked them, and whether they repeat its id as code."""
    tickets = scale.rows[TICKETS]
    rows = array("H", bytes(2 * tickets))
    agents = array("B", bytes(tickets))
    coded = array("B", bytes(tickets))
    matched = matched_bookings(scale)
    eligible = [index for index in range(tickets) if not silent[index]]
    booked = sorted(rng.sample(eligible, min(len(eligible), max(1, round(dist.BOOKED_TICKETS_PER_ROW * matched)))))
    for index, few in zip(booked, deal(dist.BOOKED_AGENTS, len(booked), rng), strict=True):
        agents[index] = few + 1 if few < 3 else 4 + int(rng.random() ** 3 * 4)
    surplus = sum(agents) - matched
    for index in booked:
        if surplus <= 0:
            break
        cut = min(surplus, agents[index] - 1)
        agents[index] -= cut
        surplus -= cut
    extra = matched - sum(agents)
    weights = [min(rng.expovariate(1.0), 9.0) for _ in booked]
    for index, more in zip(booked, diffuse(weights, sum(weights), extra), strict=True):
        rows[index] = agents[index] + more
    closed = [index for index in booked if group[index] == Group.CLOSED]
    for index in rng.sample(closed, min(len(closed), round(dist.CODED_TICKETS * group.count(Group.CLOSED)))):
        coded[index] = 1
    return rows, agents, coded


def matched_bookings(scale: Scale) -> int:
    """Timesheet rows whose ticket is in the export."""
    return max(1, round(dist.MATCHED_BOOKINGS / dist.BOOKINGS * scale.rows[TIMESHEETS]))


def admin_bookings(scale: Scale) -> int:
    """Timesheet rows for meetings and leave: no ticket."""
    return round(dist.ADMIN_BOOKINGS / dist.BOOKINGS * scale.rows[TIMESHEETS])
