"""The roster and the list of imported files: tables of a few rows."""

from __future__ import annotations

from sdconsole.source.generate.cells import Row
from sdconsole.source.generate.clock import DAYS
from sdconsole.source.generate.declared import BIG_TABLES, COMMENTS, METADATA, ROSTER, TICKETS, TIMESHEETS
from sdconsole.source.generate.names import Person
from sdconsole.source.generate.sizes import Scale

_FILE = {
    COMMENTS: "Cloud-Ticket-Comments-{day}.xlsx",
    TICKETS: "Tickets-All-{day}.xlsx",
    TIMESHEETS: "Timesheet-{day}.xlsx",
}
_DAYS_BETWEEN_IMPORTS = 6


def roster_rows(scale: Scale, staff: list[Person]) -> list[Row]:
    return [[person.name, f"{person.login}@cloudteam.example", person.login] for person in staff[: scale.rows[ROSTER]]]


def metadata_rows(scale: Scale) -> list[Row]:
    """One row per imported file; the last three brought the tables to their present size."""
    total = scale.rows[METADATA]
    order = (COMMENTS, TICKETS, TIMESHEETS)
    rows: list[Row] = []
    for number in range(total):
        source = order[(number - total) % len(BIG_TABLES)]
        age = (total - 1 - number) // len(order)
        day = DAYS[scale.export_day - age * _DAYS_BETWEEN_IMPORTS]
        rows.append(
            [
                number + 1,
                source,
                f"{day} 07:{10 + number % 50:02}:00",
                _FILE[source].format(day=day.replace("-", "")),
                int(scale.rows[source] * 0.93**age),
                DAYS[scale.booked_first_day if source == TIMESHEETS else scale.first_day],
                DAYS[scale.last_day],
                "tickets with a comment of the roster" if source == TICKETS else "cut-off at the first day",
                None if age else "latest",
            ]
        )
    return rows
