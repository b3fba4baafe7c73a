"""Adds up, while an export is written, what a correct deployment of it will show."""

from __future__ import annotations

from dataclasses import dataclass, field

from sdconsole.source.generate.cells import Batch, Cell
from sdconsole.source.generate.declared import COMMENTS, DECLARED, POSITION, TIMESHEETS
from sdconsole.source.generate.distributions import Group
from sdconsole.source.generate.facts import TicketFacts, is_foreign, ticket_index
from sdconsole.source.generate.manifest import Figures

_COMMENT_TICKET = POSITION[COMMENTS]["ticket_id"]
_VISIBLE = POSITION[COMMENTS]["visible_to_customer"]
_CRM = POSITION[TIMESHEETS]["TS-Crm ID"]


@dataclass(slots=True)
class Tally:
    """`lost` marks the tickets that no deployment will hold."""

    facts: TicketFacts
    lost: bytearray
    comments: int = 0
    visible: int = 0
    comment_orphans: int = 0
    timesheets: int = 0
    matched: int = 0
    admin: int = 0
    timesheet_orphans: int = 0
    _empty_columns: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._empty_columns = {(table, place) for table, columns in DECLARED.items() for place in range(len(columns))}

    def values(self, batch: Batch) -> None:
        """Notes which columns hold a value; called before defects are put in."""
        for table, place in [key for key in self._empty_columns if key[0] == batch.table]:
            if any(row[place] is not None for row in batch.rows):
                self._empty_columns.discard((table, place))

    @property
    def columns_with_values(self) -> int:
        return sum(len(columns) for columns in DECLARED.values()) - len(self._empty_columns)

    def tickets_stored(self, batch: Batch) -> None:
        for place in batch.vanished:
            self.lost[batch.start + place] = 1

    def comments_stored(self, batch: Batch) -> None:
        for place, row in enumerate(batch.rows):
            if place in batch.doomed:
                continue
            self.comments += 1
            if row[_VISIBLE] == "Yes":
                self.visible += 1
            number = _id(row[_COMMENT_TICKET])
            if number is not None and not self._held(number):
                self.comment_orphans += 1

    def timesheets_stored(self, batch: Batch) -> None:
        for place, row in enumerate(batch.rows):
            if place in batch.doomed:
                continue
            self.timesheets += 1
            number = _id(row[_CRM])
            if number == 0:
                self.admin += 1
            elif number is not None and self._held(number):
                self.matched += 1
            elif number is not None:
                self.timesheet_orphans += 1

    def figures(self) -> Figures:
        facts = self.facts
        kept = [index for index in range(len(facts)) if not self.lost[index]]
        closed = [index for index in kept if facts.group[index] != Group.OPEN]
        seen = [0, 0, 0, 0]
        for index in closed:
            count = facts.visible[index]
            seen[count if count < 2 else 2 if count < 4 else 3] += 1
        return Figures(
            tickets=len(kept),
            closed=len(closed),
            open=len(kept) - len(closed),
            unassigned=sum(1 for index in kept if not facts.assigned[index]),
            sla_met=sum(1 for index in kept if facts.sla_met[index] == 0),
            sla_missed=sum(1 for index in kept if facts.sla_met[index] == 1),
            closed_without_visible_comment=seen[0],
            closed_with_one_visible_comment=seen[1],
            closed_with_two_or_three_visible_comments=seen[2],
            closed_with_more_visible_comments=seen[3],
            comments=self.comments,
            visible_comments=self.visible,
            comment_orphans=self.comment_orphans,
            timesheets=self.timesheets,
            timesheets_of_tickets=self.matched,
            timesheets_admin=self.admin,
            timesheet_orphans=self.timesheet_orphans,
        )

    def _held(self, number: int) -> bool:
        return not is_foreign(number) and not self.lost[ticket_index(number)]


def _id(value: Cell) -> int | None:
    """The id as cleaning reads it; None where there is none."""
    if isinstance(value, int):
        return value
    text = str(value).strip().removesuffix(".0")
    return int(text) if text.isdigit() else None
