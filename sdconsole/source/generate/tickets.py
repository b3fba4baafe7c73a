"""The rows of `tickets`, written from the facts. No defects: they are put in afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from sdconsole.source.generate import distributions as dist
from sdconsole.source.generate.cells import Row
from sdconsole.source.generate.clock import DAY_SECONDS, month, written
from sdconsole.source.generate.distributions import Category, Group, Team
from sdconsole.source.generate.facts import TicketFacts, ticket_id
from sdconsole.source.generate.names import Account, Person
from sdconsole.source.generate.sizes import Scale
from sdconsole.source.generate.wording import NETWORKING, REQUEST_PATTERNS, SENTENCES, TELEPHONY, alert_patterns, title

PENDING = "PendingAssignment"
"""The assignee of a ticket that nobody took; real exports write it with a leading blank."""
ASSIGNEES = 82
"""People who work on tickets: 52 with 20 tickets or more in a quarter, the others with a handful."""
_FEW = 30
_BUSIEST = 4
_STATUSES = ("Closed", "Incident Resolved", *dist.OPEN_STATUSES)
_YES_NO = ("yes", "no", None)
_SLA_TIERS = ("Gold 24x7", "Silver 12x5", "Bronze 8x5")
_SITE_CLASSES = ("Head office", "Branch", "Ward", "Depot")
_RESOLUTIONS = ("Fixed", "Workaround", "Information given", "No fault found", "Duplicate", "Change done")
_SOURCES = ("email", "portal", "phone", "monitoring")
_INTEGRATIONS = ("Monitoring Bridge", "Mail Intake", "Portal Intake")
_BREACHES = ("Waiting for the vendor", "Late assignment", "Waiting for the customer", "Complex cause")
_PLATFORMS = ("Azure", "On premises", "Microsoft 365", "Network")
_GROUPS = ("Service Desk", "Platform", "Applications", "Projects")
_CLIENT_TEAM_ACCOUNT = {Team.ACACIA: 0, Team.BANKSIA: 1, Team.CORREA: 2, Team.DIANELLA: 3}
_FIRST_SMALL = 5


@dataclass(frozen=True, slots=True)
class TicketWriter:
    """Makes rows in the order of `declared.DECLARED["tickets"]`.

    `gaps`: leave out what real exports leave out now and then even in required columns (team, severity).
    """

    facts: TicketFacts
    scale: Scale
    staff: list[Person]
    accounts: list[Account]
    gaps: bool

    def rows(self, start: int, stop: int, rng: Random) -> list[Row]:
        return [self._row(index, rng) for index in range(start, stop)]

    def _row(self, index: int, rng: Random) -> Row:
        facts, rnd = self.facts, rng.random
        group, created, resolved = facts.group[index], facts.created[index], facts.resolved[index]
        team = facts.team[index]
        is_open = group == Group.OPEN
        alert = facts.category[index] == Category.ALERT
        patterns = alert_patterns(large=self.scale.large) if alert else REQUEST_PATTERNS
        pattern = patterns[facts.title[index]]
        subject = title(pattern, rng)
        duration = resolved - created
        response = created + 120 + int((duration - 240) * 0.6 * rnd() ** 3)
        closure = resolved + 90 + int(rnd() * rnd() * 5 * DAY_SECONDS) if group == Group.CLOSED else None
        sla_closure = resolved + int(rnd() * 1800) if not is_open and rnd() < 0.921 else None
        modified = (closure or resolved) + 180 + int(rnd() * DAY_SECONDS)
        sla_met = _YES_NO[facts.sla_met[index]]
        breached = sla_met == "no"
        person = self._assignee(rng) if facts.assigned[index] else None
        account = self._account(team, rng)
        change = rnd() < 0.008
        planned = modified + DAY_SECONDS
        answered = facts.response_met[index] != 2
        this_month = month(self.scale.last_day * DAY_SECONDS)
        sla_month = None if sla_closure is None else month(sla_closure)
        known_sla = rnd() < 0.677
        author = self.staff[int(rnd() * ASSIGNEES)]
        severity = self._severity(rng)
        return [
            ticket_id(index),
            float(ticket_id(int(rnd() * index))) if rnd() < 0.022 and index else None,
            f"REF-{10_000 + int(rnd() * 90_000)}" if rnd() < 0.12 else None,
            written(created),
            month(created),
            _SLA_TIERS[int(rnd() * 3)] if known_sla else None,
            float(account.number) if rnd() < 0.99 else None,
            account.name if rnd() < 0.99 else None,
            _SITE_CLASSES[int(rnd() * 4)] if rnd() < 0.4 else None,
            ("active", "closed site")[rnd() < 0.06] if rnd() < 0.4 else None,
            account.billing_key if rnd() < 0.85 else None,
            subject,
            _description(subject, pattern.name, rng) if rnd() < 0.98 else None,
            None if rnd() < 0.01 and self.gaps else severity,
            _STATUSES[facts.status[index]],
            person.number if person else 0,
            person.name if person else PENDING,
            f"JOB{int(rnd() * 9000) + 1000}/{int(rnd() * 9)}" if rnd() < 0.05 else None,
            None if rnd() < 0.001 and self.gaps else dist.TEAM_NAMES[team],
            written(modified),
            dist.CATEGORY_NAMES[facts.category[index]],
            _RESOLUTIONS[int(rnd() * 6)] if rnd() < 0.85 and not is_open else None,
            _cause(dist.ROOT_CAUSES[facts.cause[index]]),
            author.number if rnd() < 0.998 else None,
            _INTEGRATIONS[int(rnd() * 3)] if alert or rnd() < 0.3 else author.name,
            f"user{int(rnd() * 3000):04}" if rnd() < 0.95 else None,
            None if rnd() < 0.01 else _SOURCES[3 if alert else int(rnd() * 3)],
            float(700_000 + int(rnd() * 900)) if rnd() < 0.0002 else None,
            f"CI {subject[:20].rstrip()}" if rnd() < 0.0005 else None,
            written(response) if answered else None,
            written(resolved) if facts.resolution_noted[index] else None,
            _YES_NO[facts.response_met[index]],
            _YES_NO[facts.resolution_met[index]],
            sla_met,
            ("no", "yes")[rnd() < 0.03] if rnd() < 0.94 else None,
            "Agreed with the customer" if rnd() < 0.01 else None,
            ("completed", "stopped", "running")[2 if is_open else int(rnd() * 2)] if known_sla else None,
            _BREACHES[int(rnd() * 4)] if breached else None,
            SENTENCES[int(rnd() * len(SENTENCES))] if breached and rnd() < 0.8 else None,
            ("no", "yes")[rnd() < 0.5] if rnd() < 0.2 else None,
            None if closure is None else written(closure),
            None if closure is None else month(closure),
            SENTENCES[int(rnd() * len(SENTENCES))] if rnd() < 0.978 else None,
            None if sla_closure is None else written(sla_closure),
            sla_month,
            None if sla_month is None else ("no", "yes")[sla_month == this_month],
            None if sla_month is None else ("no", "yes")[sla_month == _month_before(this_month)],
            f"{int(rnd() * 100)} % of the agreed time" if known_sla else None,
            ("low", "medium", "high")[int(rnd() * 3)] if change else None,
            "planned" if change else None,
            ("standard", "normal", "emergency")[int(rnd() * 3)] if change else None,
            written(planned) if change else None,
            written(planned + 7200) if change else None,
            written(planned + 600) if change else None,
            written(planned + 6600) if change else None,
            author.name if change else None,
            ("yes", "no")[rnd() < 0.1] if change else None,
            "yes" if rnd() < 0.002 else "no",
            _PLATFORMS[int(rnd() * 4)] if rnd() < 0.3 else None,
            _GROUPS[int(rnd() * 4)] if rnd() < 0.6 else None,
        ]

    def _assignee(self, rng: Random) -> Person:
        if rng.random() < 0.03:
            return self.staff[ASSIGNEES - _FEW + int(rng.random() * _FEW)]
        if rng.random() < 0.2:
            return self.staff[int(rng.random() * _BUSIEST)]
        return self.staff[int((ASSIGNEES - _FEW) * rng.random() ** 1.5)]

    def _account(self, team: int, rng: Random) -> Account:
        own = _CLIENT_TEAM_ACCOUNT.get(Team(team))
        if own is not None and rng.random() < 0.9:
            return self.accounts[own]
        if rng.random() < 0.25:
            return self.accounts[int(rng.random() * _FIRST_SMALL)]
        small = len(self.accounts) - _FIRST_SMALL
        return self.accounts[_FIRST_SMALL + int(small ** rng.random()) - 1]

    def _severity(self, rng: Random) -> str:
        weights = dist.LARGE_SEVERITY_WEIGHTS if self.scale.large else dist.SEVERITY_WEIGHTS
        left = rng.random() * 100
        for name, weight in zip(dist.SEVERITIES, weights, strict=True):
            left -= weight
            if left < 0:
                return name
        return dist.SEVERITIES[3]


def _cause(name: str | None) -> str | None:
    """The unnamed cause is a defect of real exports; without defects the cell is empty."""
    return None if name == dist.UNNAMED_CAUSE else name


def _description(subject: str, pattern: str, rng: Random) -> str:
    lines = [f"<p>{subject}</p>", *rng.choices(SENTENCES, k=1 + int(rng.random() * 6))]
    if pattern == TELEPHONY:
        lines.append("The phone was tested on another desk.")
    elif pattern == NETWORKING:
        lines.append("The router was checked.")
    return "\n".join(lines)


def _month_before(name: str) -> str:
    year, number = int(name[:4]), int(name[5:7])
    return f"{year - 1}-12" if number == 1 else f"{year}-{number - 1:02}"
