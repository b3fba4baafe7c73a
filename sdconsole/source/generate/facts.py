"""What is decided about each ticket before any row is written, in compact arrays of about 40 bytes a ticket.

Comments and timesheets need facts of tickets that were written long before; keeping them here is what lets the tables
be streamed. Defects play no part: the facts of a clean and of a dirty export are the same.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import repeat
from random import Random

from sdconsole.source.generate import distributions as dist
from sdconsole.source.generate.counts import chance, deal
from sdconsole.source.generate.declared import TICKETS
from sdconsole.source.generate.distributions import Category, Group
from sdconsole.source.generate.fact_times import created_times, resolution_times
from sdconsole.source.generate.fact_volumes import bookings, comment_volumes, visible_counts
from sdconsole.source.generate.sizes import Scale
from sdconsole.source.generate.wording import REQUEST_PATTERNS, alert_patterns

_FIRST_ID = 3_640_002
"""Divisible by three: own tickets leave 0 or 1, the tickets of other departments leave 2."""


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """One entry a ticket in each array; codes refer to `distributions` and `wording`.

    `created` and `resolved` are seconds since `clock.EPOCH`. `resolved` is the end of the work even where the export
    names none (`resolution_noted` = 0), and for open tickets the moment of their last change. `visible`, `notes` and
    `automatic` are its comments; `booked_rows` and `booked_agents` its timesheet rows and how many people booked.
    """

    group: array[int]
    status: array[int]
    team: array[int]
    category: array[int]
    title: array[int]
    cause: array[int]
    sla_met: array[int]
    response_met: array[int]
    resolution_met: array[int]
    resolution_noted: array[int]
    assigned: array[int]
    created: array[int]
    resolved: array[int]
    visible: array[int]
    notes: array[int]
    automatic: array[int]
    booked_rows: array[int]
    booked_agents: array[int]
    coded: array[int]

    def __len__(self) -> int:
        return len(self.group)

    def unnamed_cause(self, number: int) -> bool:
        """Whether the ticket with this id has the root cause that real exports write as '--None--'."""
        return dist.ROOT_CAUSES[self.cause[ticket_index(number)]] == dist.UNNAMED_CAUSE

    def silent(self, index: int) -> bool:
        """Without a comment or a timesheet: nothing is orphaned when it goes."""
        return not (self.visible[index] or self.notes[index] or self.automatic[index] or self.booked_rows[index])


def ticket_id(index: int) -> int:
    return _FIRST_ID + 3 * index + (index * 40_503 >> 4 & 1)


def foreign_id(number: int) -> int:
    """The id of a ticket that belongs to another department and is not in the export."""
    return _FIRST_ID + 3 * number + 2


def ticket_index(number: int) -> int:
    """The place of an own ticket with this id."""
    return (number - _FIRST_ID) // 3


def is_foreign(number: int) -> bool:
    """Whether an id is one of `foreign_id`."""
    return (number - _FIRST_ID) % 3 == 2


def build_facts(scale: Scale, seed: int) -> TicketFacts:
    """All facts of one export; the same for the same scale and seed."""
    rng = chance(seed, "facts")
    total = scale.rows[TICKETS]
    cells = dist.ticket_cells(large=scale.large)
    dealt = deal(list(cells.values()), total, rng)
    codes = list(cells)
    group = array("B", (codes[cell][0] for cell in dealt))
    team = array("B", (codes[cell][1] for cell in dealt))
    category = array("B", (codes[cell][2] for cell in dealt))
    created = created_times(scale, category, rng)
    visible, silent = visible_counts(scale, group, team, rng)
    notes, automatic = comment_volumes(scale, team, visible, silent, rng)
    booked_rows, booked_agents, coded = bookings(scale, group, silent, rng)
    return TicketFacts(
        group=group,
        status=_statuses(group, rng),
        team=team,
        category=category,
        title=_titles(category, rng, large=scale.large),
        cause=_by_group(group, rng),
        sla_met=deal(dist.SLA_MET, total, rng),
        response_met=deal(dist.RESPONSE_MET, total, rng),
        resolution_met=deal(dist.RESOLUTION_MET, total, rng),
        resolution_noted=_resolution_noted(group, rng),
        assigned=deal(dist.UNASSIGNED_WEIGHTS, total, rng),
        created=created,
        resolved=resolution_times(scale, group, team, created, rng),
        visible=visible,
        notes=notes,
        automatic=automatic,
        booked_rows=booked_rows,
        booked_agents=booked_agents,
        coded=coded,
    )


def _statuses(group: array[int], rng: Random) -> array[int]:
    """0 and 1 are the two closed statuses, from 2 on the open ones."""
    open_ones = iter(deal(dist.OPEN_STATUS_WEIGHTS, group.count(Group.OPEN), rng))
    return array("B", (2 + next(open_ones) if code == Group.OPEN else code for code in group))


def _titles(category: array[int], rng: Random, *, large: bool) -> array[int]:
    """Places in `alert_patterns` for alerts, in `REQUEST_PATTERNS` for everything else."""
    alerts = category.count(Category.ALERT)
    alert = iter(deal([pattern.weight for pattern in alert_patterns(large=large)], alerts, rng))
    request = iter(deal([pattern.weight for pattern in REQUEST_PATTERNS], len(category) - alerts, rng))
    return array("B", (next(alert) if code == Category.ALERT else next(request) for code in category))


def _by_group(group: array[int], rng: Random) -> array[int]:
    """Root causes, dealt to each group by its own shares."""
    decks = {code: iter(deal(dist.ROOT_CAUSE_WEIGHTS[code], group.count(code), rng)) for code in Group}
    return array("B", (next(decks[Group(code)]) for code in group))


def _resolution_noted(group: array[int], rng: Random) -> array[int]:
    closed = len(group) - group.count(Group.OPEN)
    missing = dist.WITHOUT_RESOLUTION_DATE
    noted = iter(deal((missing, 10_689 - missing), closed, rng))
    never = repeat(0)
    return array("B", (next(never if code == Group.OPEN else noted) for code in group))
