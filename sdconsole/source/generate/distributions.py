"""What is distributed how in the two exports that the generator imitates: counts and shares, as data.

Counts refer to 10,939 tickets, of them 7,969 'Closed' and 2,720 'Incident Resolved'; other sizes take the same shares.
Names of teams and hosts are invented, the numbers are observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class Group(IntEnum):
    """How a ticket ended; the visible comments and the resolution depend on it."""

    CLOSED = 0
    RESOLVED = 1
    OPEN = 2


class Team(IntEnum):
    INFRASTRUCTURE = 0
    ACACIA = 1
    BANKSIA = 2
    BAU = 3
    CORREA = 4
    DIANELLA = 5
    HEALTH = 6
    SECURITY = 7
    L3 = 8
    CLINICAL = 9
    L2 = 10
    PROJECTS = 11
    INTERNAL_SUPPORT = 12
    ACCOUNT_MANAGEMENT = 13
    PROCUREMENT = 14
    INTERNAL = 15
    MAINTENANCE = 16
    USER_MODIFICATIONS = 17


TEAM_NAMES = (
    "Cloud - Infrastructure",
    "Cloud - Acacia",
    "Cloud - Banksia",
    "Cloud - BAU Support",
    "Cloud - Correa",
    "Cloud - Dianella",
    "Cloud - Health Networks",
    "Cloud - Security",
    "Cloud - L3 Escalation",
    "Cloud - Clinical Analytics",
    "Cloud - L2 Escalation",
    "Cloud - Projects",
    "Internal Support",
    "Cloud - Account Mgmt",
    "Procurement",
    "Internal",
    "Maintenance",
    "User Modifications",
)


class Category(IntEnum):
    SUPPORT = 0
    ALERT = 1
    HEALTH = 2
    STANDARD = 3
    OTHER = 4
    NONE = 5


CATEGORY_NAMES = ("Support Tickets", "Alert", "Health Support Tickets", "Standard", "Other", None)

_BY_TEAM: Mapping[Group, Mapping[Team, tuple[int, ...]]] = {
    # Tickets per category, in the order of Category.
    Group.CLOSED: {
        Team.INFRASTRUCTURE: (135, 2330, 0, 60, 10, 16),
        Team.ACACIA: (1424, 0, 0, 18, 8, 6),
        Team.BANKSIA: (908, 0, 0, 14, 5, 5),
        Team.BAU: (822, 30, 0, 30, 7, 8),
        Team.CORREA: (835, 0, 0, 14, 4, 4),
        Team.DIANELLA: (549, 0, 0, 9, 2, 1),
        Team.HEALTH: (13, 0, 318, 0, 0, 0),
        Team.SECURITY: (61, 140, 0, 1, 0, 1),
        Team.L3: (87, 0, 0, 2, 0, 0),
        Team.CLINICAL: (39, 0, 13, 0, 0, 0),
        Team.L2: (33, 0, 0, 2, 0, 0),
        Team.PROJECTS: (5, 0, 0, 0, 0, 0),
    },
    Group.RESOLVED: {
        Team.INFRASTRUCTURE: (0, 1113, 0, 10, 0, 12),
        Team.ACACIA: (330, 0, 0, 6, 3, 7),
        Team.BANKSIA: (235, 0, 0, 0, 3, 0),
        Team.BAU: (60, 364, 0, 8, 0, 8),
        Team.CORREA: (150, 0, 0, 0, 0, 0),
        Team.DIANELLA: (80, 0, 0, 0, 0, 0),
        Team.HEALTH: (0, 0, 117, 0, 0, 0),
        Team.SECURITY: (20, 39, 0, 0, 0, 0),
        Team.L3: (80, 0, 0, 0, 0, 0),
        Team.CLINICAL: (35, 0, 0, 0, 0, 0),
        Team.L2: (40, 0, 0, 0, 0, 0),
    },
    Group.OPEN: {
        Team.INFRASTRUCTURE: (0, 15, 0, 3, 0, 0),
        Team.ACACIA: (60, 0, 0, 0, 1, 0),
        Team.BANKSIA: (40, 0, 0, 0, 0, 0),
        Team.BAU: (25, 4, 0, 3, 0, 3),
        Team.CORREA: (35, 0, 0, 0, 0, 0),
        Team.DIANELLA: (20, 0, 0, 0, 0, 0),
        Team.HEALTH: (0, 0, 20, 0, 0, 0),
        Team.SECURITY: (4, 1, 0, 0, 0, 0),
        Team.L3: (8, 0, 0, 0, 0, 0),
        Team.CLINICAL: (2, 0, 0, 0, 0, 0),
        Team.L2: (6, 0, 0, 0, 0, 0),
    },
}
_ONLY_IN_LARGE = {
    Team.INTERNAL_SUPPORT: 811,
    Team.ACCOUNT_MANAGEMENT: 18,
    Team.PROCUREMENT: 5,
    Team.INTERNAL: 3,
    Team.MAINTENANCE: 1,
    Team.USER_MODIFICATIONS: 1,
}
_LARGE_TICKETS, _LARGE_OPEN = 188_452, 10_653

Cell = tuple[Group, Team, Category]


def ticket_cells(*, large: bool) -> dict[Cell, float]:
    """The weight of each combination of group, team and category that occurs."""
    cells: dict[Cell, float] = {
        (group, team, category): float(counts[category])
        for group, teams in _BY_TEAM.items()
        for team, counts in teams.items()
        for category in Category
        if counts[category]
    }
    if not large:
        return cells
    added = sum(_ONLY_IN_LARGE.values())
    finished = sum(weight for cell, weight in cells.items() if cell[0] is not Group.OPEN)
    growth = {
        Group.OPEN: _LARGE_OPEN / (sum(cells.values()) - finished),
        Group.CLOSED: (_LARGE_TICKETS - _LARGE_OPEN - added) / finished,
    }
    growth[Group.RESOLVED] = growth[Group.CLOSED]
    grown = {cell: weight * growth[cell[0]] for cell, weight in cells.items() if cell[1] is not Team.PROJECTS}
    grown.update({(Group.CLOSED, team, Category.SUPPORT): float(count) for team, count in _ONLY_IN_LARGE.items()})
    return grown


OPEN_STATUSES = ("In Progress", "Open", "Pending", "Waiting")
OPEN_STATUS_WEIGHTS = (120, 60, 40, 30)

UNNAMED_CAUSE = "--None--"
ROOT_CAUSES = (
    "Security",
    "Account",
    "Software",
    "User Modifications",
    "Hosted Service",
    "Misc Help",
    "Hardware",
    "Network",
    "Health Reporting",
    UNNAMED_CAUSE,
    "Telephony",
    "Clinical Analytics",
    "Alert",
    "Internal",
    "Endpoint Agent",
    None,
)
_CAUSES = (2916, 1482, 684, 458, 422, 373, 363, 309, 309, 231, 213, 65, 49, 33, 14)
ROOT_CAUSE_WEIGHTS: Mapping[Group, tuple[float, ...]] = {
    Group.CLOSED: (*_CAUSES, 48),
    Group.RESOLVED: (
        *(0 if name == UNNAMED_CAUSE else n * 0.35 for name, n in zip(ROOT_CAUSES, _CAUSES, strict=False)),
        31,
    ),
    Group.OPEN: (
        *(0 if name == UNNAMED_CAUSE else n * 0.03 for name, n in zip(ROOT_CAUSES, _CAUSES, strict=False)),
        18,
    ),
}

SLA_MET = (9850, 410, 679)
"""yes, no, not known."""
RESPONSE_MET = (6720, 215, 4004)
"""yes, no, and no response noted: 63.4 % have a response date, 96.9 % of them in time."""
RESOLUTION_MET = (9810, 473, 656)
WITHOUT_RESOLUTION_DATE = 168
"""Closed tickets that name no moment of resolution; with the 250 open ones 418 of 10,939."""
UNASSIGNED_WEIGHTS = (3131, 7808)
"""Nobody, somebody."""

VISIBLE_BUCKETS: Mapping[Group, tuple[int, int, int, int]] = {
    # Tickets with 0, 1, 2-3 and 4 or more comments that the customer sees.
    Group.CLOSED: (1834, 3822, 1497, 816),
    Group.RESOLVED: (1904, 544, 218, 54),
}
TWO_AMONG_TWO_OR_THREE = 0.6
VISIBLE_ON_OPEN = 47 / 250
VISIBLE_SHARE = 16_620 / 108_129
NOTES_SHARE = 25_463 / 108_129
"""Human comments that the customer does not see; the rest is automation."""
SILENT_SHARE = 0.03
"""Tickets without a comment or a timesheet. Rows that are to go into quarantine are taken from these."""
COVERAGE: Mapping[Team, float] = {
    # Share of a team's 'Closed' tickets with at least one visible comment.
    Team.DIANELLA: 0.884,
    Team.SECURITY: 0.833,
    Team.L3: 0.832,
    Team.HEALTH: 0.813,
    Team.INFRASTRUCTURE: 0.788,
    Team.BANKSIA: 0.764,
    Team.CORREA: 0.760,
    Team.BAU: 0.754,
    Team.ACACIA: 0.709,
    Team.CLINICAL: 0.327,
}
COVERAGE_ELSEWHERE = 0.725

COMMENTS_PER_TICKET: Mapping[Team, float] = {
    Team.INFRASTRUCTURE: 9.0,
    Team.ACACIA: 9.8,
    Team.BANKSIA: 10.4,
    Team.BAU: 9.0,
    Team.CORREA: 10.6,
    Team.DIANELLA: 11.6,
    Team.HEALTH: 13.5,
    Team.SECURITY: 10.9,
    Team.L3: 22.8,
    Team.CLINICAL: 14.0,
    Team.L2: 17.0,
}
COMMENTS_ELSEWHERE = 9.9

RESOLUTION_DAYS: Mapping[Team, float] = {
    Team.INFRASTRUCTURE: 1.22,
    Team.BAU: 2.33,
    Team.SECURITY: 2.93,
    Team.DIANELLA: 3.73,
    Team.CORREA: 3.89,
    Team.ACACIA: 3.99,
    Team.BANKSIA: 4.35,
    Team.L2: 6.10,
    Team.HEALTH: 8.70,
    Team.L3: 18.12,
    Team.CLINICAL: 27.81,
}
RESOLUTION_DAYS_ELSEWHERE = 3.51
RESOLUTION_SIGMA = 1.3
MONTH_FACTOR: Mapping[int, float] = {7: 1.5, 8: 0.97, 9: 0.68, 10: 0.37}
"""Tickets created late can only have short resolutions: the long ones are not finished."""
LARGE_RESOLUTION = (1.149, 3.76)
"""mu and sigma of the log of days, so that 12.5 % take less than an hour and 41.6 % more than a week."""

SEVERITIES = ("Priority 1", "Priority 2", "Priority 3", "Priority 4", "Alert", "Service Request", "Incident")
SEVERITY_WEIGHTS = (2.0, 8.0, 41.0, 49.0, 0.0, 0.0, 0.0)
LARGE_SEVERITY_WEIGHTS = (2.0, 7.0, 34.0, 37.0, 9.0, 7.0, 4.0)

MATCHED_BOOKINGS = 13_055
ADMIN_BOOKINGS = 21_159
BOOKINGS = 141_062
BOOKED_TICKETS_PER_ROW = 5_900 / 13_055
"""Tickets with time, for each timesheet row that names a ticket of the export."""
BOOKED_AGENTS = (0.668, 0.196, 0.079, 0.058)
"""Tickets with time of 1, 2, 3 and 4 or more people."""
CODED_TICKETS = 762 / 7_969
"""'Closed' tickets whose bookings repeat the ticket id as project code."""
HOURS = (0.25, 0.5, 1.0, 2.0, 7.6)
HOUR_WEIGHTS = (0.38, 0.33, 0.17, 0.09, 0.03)
ADMIN_HOUR_WEIGHTS = (0.42, 0.33, 0.16, 0.05, 0.04)

QUALITY_TIERS = ("excellent", "good", "acceptable", "poor")
QUALITY_WEIGHTS = (438, 5617, 170, 94)
TIER_SUMS = ((18, 20), (14, 17), (10, 13), (5, 9))
"""Least and greatest sum of the four scores in each tier: the mean decides at 4.5, 3.5 and 2.5."""

POSITIVE_SHARE = 8_411 / 16_620
NEGATIVE_SHARE = 6_462 / 16_620
"""Visible comments that hold a word of praise or of complaint."""
