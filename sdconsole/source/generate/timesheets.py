"""The rows of `timesheets`: nine of ten name a ticket of another department, or none. No defects.

No two rows have the same user, date, start and ticket: rows of one ticket start at different times, and the others
take their (day, start) from a walk that visits each of a person's cells at most once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import ceil
from random import Random

from sdconsole.source.generate import distributions as dist
from sdconsole.source.generate.cells import Cell, Row
from sdconsole.source.generate.clock import DAY_SECONDS, DAYS, MINUTES, is_workday
from sdconsole.source.generate.counts import Shuffle, Spread, apportion, chance
from sdconsole.source.generate.declared import TIMESHEETS
from sdconsole.source.generate.fact_volumes import admin_bookings
from sdconsole.source.generate.facts import TicketFacts, foreign_id, ticket_id
from sdconsole.source.generate.names import Account, Person
from sdconsole.source.generate.sizes import Scale

_MATCHED, _ADMIN, _FOREIGN = range(3)
_STARTS = tuple(range(6 * 60, 18 * 60, 30))
"""Minutes of the day at which bookings start."""
_HOUR_ENDS = tuple(ceil(hours * 60) for hours in dist.HOURS)
_TITLES = ("Ticket work", "Follow-up", "Site visit", "Remote session", "Vendor chase", "Patch window", "Documentation")
_ADMIN_TITLES = ("Team meeting", "Annual leave", "Training", "Stand-up", "Sick leave")
_NOTES = (
    "Worked on the queue of the day.",
    "Checked and closed the open points.",
    "Prepared the change for the weekend.",
    "Helped a colleague with the handover.",
    "Wrote the notes for the next shift.",
)
_COST_CENTRES = tuple((7100 + 10 * n, f"Cost centre {chr(65 + n)}") for n in range(12))
_STATES = ("billed", "open", "not billable")
_DEPARTMENTS = ("Cloud", "Service Desk", "Networks", "Field", "Projects")
_STEEPNESS = 1.8
"""Weights (1 - place/people) ** 1.8: the busiest person books 2.8 times the mean."""


def agents_needed(scale: Scale) -> int:
    """How many people book time: 350 for a quarter of the usual volume, in proportion for more."""
    days = (scale.booked_last_day - scale.booked_first_day + 1) / 105
    return max(120, round(350 * scale.factor(TIMESHEETS) / min(days, 3.0)))


@dataclass(slots=True)
class _Walk:
    """Which cell (day, start) each person's next row takes."""

    order: Shuffle
    ends: list[int]
    days: list[int]

    def __call__(self, serial: int) -> tuple[int, int, int]:
        """(person, day, place of the start) of the unmatched row `serial`."""
        place = self.order(serial)
        person = bisect_right(self.ends, place)
        visit = place - (self.ends[person - 1] if person else 0)
        cells = len(self.days) * len(_STARTS)
        day, start = divmod((visit * 7_919 + person * 31) % cells, len(_STARTS))
        return person, self.days[day], start


class TimesheetWriter:
    """Makes rows in the order of `declared.DECLARED["timesheets"]`. Rows must be asked for in order, each once.

    `gaps`: leave out what real exports leave out even in required columns (hours, title).
    """

    def __init__(
        self, facts: TicketFacts, scale: Scale, seed: int, staff: list[Person], accounts: list[Account], *, gaps: bool
    ) -> None:
        rng = chance(seed, "timesheets")
        total, matched = scale.rows[TIMESHEETS], sum(facts.booked_rows)
        admin = min(admin_bookings(scale), total - matched)
        self._class = Spread((matched, admin, total - matched - admin), rng)
        self._facts = facts
        self._staff = staff
        self._accounts = accounts
        self._gaps = gaps
        self._first_day, self._last_day = scale.booked_first_day, scale.booked_last_day
        self._strangers = 9 * len(facts)
        self._matched = self._matched_rows()
        self._unmatched = 0
        weights = [(1 - place / len(staff)) ** _STEEPNESS for place in range(len(staff))]
        days = [day for day in range(scale.booked_first_day, scale.booked_last_day + 1) if is_workday(day)]
        quotas = apportion(weights, total - matched)
        assert max(quotas) <= len(days) * len(_STARTS), "more rows than a person has cells"
        self._walk = _Walk(Shuffle(total - matched, rng), list(accumulate(quotas)), days)

    def rows(self, start: int, stop: int, rng: Random) -> list[Row]:
        return [self._row(number, rng) for number in range(start, stop)]

    def _matched_rows(self) -> Iterator[tuple[int, int]]:
        """(ticket index, place among its rows), tickets ascending."""
        for index, rows in enumerate(self._facts.booked_rows):
            for place in range(rows):
                yield index, place

    def _row(self, number: int, rng: Random) -> Row:
        rnd = rng.random
        booked = self._class(number)
        if booked == _MATCHED:
            index, place = next(self._matched)
            person, day, start = self._on_ticket(index, place, rnd())
            crm: int = ticket_id(index)
            coded = self._facts.coded[index] == 1
        else:
            serial = self._unmatched
            self._unmatched += 1
            person, day, start = self._walk(serial)
            crm = foreign_id(int(rnd() * self._strangers)) if booked == _FOREIGN else 0
            coded = False
        untimed = booked == _FOREIGN and rnd() < 0.055
        if untimed:
            # Without a start the ticket alone keeps the row apart from others, so it is one that no other row names.
            crm = foreign_id(self._strangers + serial)
        admin = booked == _ADMIN
        long = _pick(dist.ADMIN_HOUR_WEIGHTS if admin else dist.HOUR_WEIGHTS, rnd())
        minute = _STARTS[start]
        who, account = self._staff[person], self._accounts[int(len(self._accounts) ** rnd()) - 1]
        centre = _COST_CENTRES[(person * 5) % 12]
        titles = _ADMIN_TITLES if admin else _TITLES
        subject = titles[int(rnd() * len(titles))]
        project: Cell = f"PRJ-{1000 + int(rnd() * 700)}" if rnd() < 0.7 else None
        hours: Cell = None if rnd() < 0.002 and self._gaps and booked != _MATCHED else dist.HOURS[long]
        return [
            who.name,
            who.login,
            None if rnd() < 0.01 and self._gaps else subject,
            _NOTES[int(rnd() * 5)] if rnd() < 0.8 else None,
            f"{DAYS[day]} 00:00:00",
            None if untimed else MINUTES[minute],
            None if untimed else MINUTES[min(minute + _HOUR_ENDS[long], 1439)],
            "Admin" if admin else "Ticket" if rnd() < 0.99 else None,
            "Internal" if admin else "Support" if rnd() < 0.95 else None,
            "After hours" if rnd() < 0.0002 else None,
            "Standard hours" if rnd() < 0.6 else None,
            hours,
            crm,
            str(crm) if coded else project,
            centre[0] if rnd() < 0.99 else None,
            centre[1] if rnd() < 0.99 else None,
            account.billing_key if rnd() < 0.9 else None,
            account.name if rnd() < 0.95 else None,
            _STATES[int(rnd() * 3)] if rnd() < 0.9 else None,
            ("no", "yes")[admin] if rnd() < 0.99 else None,
            _DEPARTMENTS[person % 5] if rnd() < 0.7 else None,
        ]

    def _on_ticket(self, index: int, place: int, share: float) -> tuple[int, int, int]:
        agents = self._facts.booked_agents[index]
        which = place if place < agents else int(share * agents)
        person = (index * 37 + which * 11) % min(len(self._staff), 101)
        first = max(self._facts.created[index] // DAY_SECONDS, self._first_day)
        last = min(max(first, self._facts.resolved[index] // DAY_SECONDS), self._last_day)
        return person, first + int((last - first) * share), (index * 5 + place) % len(_STARTS)


def _pick(weights: tuple[float, ...], share: float) -> int:
    for place, weight in enumerate(weights):
        share -= weight
        if share < 0:
            return place
    return 0
