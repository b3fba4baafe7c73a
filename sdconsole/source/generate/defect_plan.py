"""Which defects an export gets, where, and how many: the profiles clean, baseline, heavy and hostile.

Amounts are those of 10,939 tickets, 108,129 comments and 141,062 timesheets and grow with the tables. `heavy` has ten
times as much and, new in it, month-first dates in one column and analyses that contradict themselves; `hostile` adds
comments shifted by one column and corrupt creation times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from random import Random

from sdconsole.source.generate import date_shapes as shapes
from sdconsole.source.generate import defect_cells as cells
from sdconsole.source.generate import defect_dates as dates
from sdconsole.source.generate.cells import Cell, Row
from sdconsole.source.generate.counts import chance
from sdconsole.source.generate.declared import COMMENTS, QUALITY, TICKETS, TIMESHEETS
from sdconsole.source.generate.defect_rows import Duplicate, ShiftedComment
from sdconsole.source.generate.defects import Expect
from sdconsole.source.generate.dirt import Dirt
from sdconsole.source.generate.distributions import UNNAMED_CAUSE
from sdconsole.source.generate.facts import TicketFacts
from sdconsole.source.generate.inject import CellDefect, Change, Dose, Eligible, Injector
from sdconsole.source.generate.mistyped import MISTYPED_COLUMNS
from sdconsole.source.generate.sizes import Scale
from sdconsole.source.generate.tickets import PENDING

_ROWS_FOR_AT_LEAST_ONE = 400

_RESPONSE = "TKT-Actual Response Date"
_RESOLUTION = "TKT-Actual Resolution Date"
_CREATED = "TKT-Created Time"
_CLOSURE = "TKT-Closure Date"
_SLA_CLOSURE = "TKT-SLA Closure Date"
_MODIFIED = "TKT-Modified Time"
_CHANGE_DATES = ("Chg-Planned Start Date", "Chg-Planned End Date", "Chg-Actual Start Date", "Chg-Actual End Date")


@dataclass(slots=True)
class DefectPlan:
    """Collects the injectors of one export, table by table, in the order in which they must run."""

    scale: Scale
    dirt: Dirt
    facts: TicketFacts
    timezone: str
    as_of: date
    rng: Random
    injectors: dict[str, list[Injector]] = field(
        default_factory=lambda: {t: [] for t in (TICKETS, COMMENTS, TIMESHEETS, QUALITY)}
    )

    def cell(
        self,
        kind: str,
        table: str,
        column: str,
        base: float,
        change: Change,
        eligible: Eligible = cells.any_value,
        *,
        refuses: bool = False,
        voters: tuple[CellDefect, ...] = (),
    ) -> CellDefect:
        """`base` defects in the baseline."""
        made = CellDefect(kind, table, column, self.dose(table, base), change, eligible, refuses=refuses, voters=voters)
        self.injectors[table].append(made)
        return made

    def every(self, kind: str, table: str, column: str, change: Change, eligible: Eligible) -> None:
        self.injectors[table].append(CellDefect(kind, table, column, None, change, eligible))

    def dose(self, table: str, base: float, *, factor: int | None = None) -> Dose:
        amount = round(base * (self.dirt.factor if factor is None else factor) * self.scale.factor(table))
        if not amount and self.scale.rows[table] >= _ROWS_FOR_AT_LEAST_ONE:
            amount = 1
        return Dose(amount, self.rng.random())


def defect_plan(
    scale: Scale, dirt: Dirt, facts: TicketFacts, *, timezone: str, as_of: date, seed: int
) -> Mapping[str, list[Injector]]:
    """The injectors of each table. What refuses a whole row comes first, then what is rare, then what is common."""
    plan = DefectPlan(scale, dirt, facts, timezone, as_of, chance(seed, "defects"))
    _corrupt_created(plan)
    if dirt.factor:
        _refused_rows(plan)
    _mistyped(plan)
    if dirt.factor:
        _dates(plan)
        _tickets(plan)
        _comments(plan)
        _timesheets(plan)
        _quality(plan)
    return plan.injectors


def _corrupt_created(plan: DefectPlan) -> None:
    if plan.dirt.corrupt_created:
        plan.injectors[TICKETS].append(
            CellDefect(
                "D25",
                TICKETS,
                _CREATED,
                Dose(plan.dirt.corrupt_created, 0.0),
                dates.impossible(shapes.CORRUPT, Expect.ROW_QUARANTINED),
                cells.any_value,
                refuses=True,
            )
        )


def _refused_rows(plan: DefectPlan) -> None:
    facts = plan.facts

    def silent_ticket(_value: Cell, _row: Row, number: int) -> bool:
        return facts.silent(number)

    refused = Expect.ROW_QUARANTINED
    plan.cell("D9", TICKETS, "TKT-Ticket ID", 2, cells.unusable_key(0), silent_ticket, refuses=True)
    plan.cell("D9", COMMENTS, "comment_id", 2, cells.unusable_key(2), cells.automatic_value, refuses=True)
    if plan.dirt.corrupt_created is None:
        plan.cell(
            "D15", TICKETS, _CREATED, 1, dates.impossible(shapes.IMPOSSIBLE, refused), silent_ticket, refuses=True
        )
    plan.cell(
        "D15",
        COMMENTS,
        "created_time",
        2,
        dates.impossible(shapes.IMPOSSIBLE, refused),
        cells.automatic_value,
        refuses=True,
    )
    if plan.dirt.profile == "hostile":
        plan.injectors[COMMENTS].append(ShiftedComment(plan.dose(COMMENTS, 2_160, factor=1), cells.automatic))
        cut = CellDefect(
            "D24", COMMENTS, "comment_text", plan.dose(COMMENTS, 2_160, factor=1), cells.cut_text, cells.hidden_note
        )
        plan.injectors[COMMENTS].append(cut)
    keys: tuple[tuple[str, str, str | None, Callable[[Row, int], bool], Callable[[Row, int], bool]], ...] = (
        (TICKETS, "TKT-Ticket ID", _MODIFIED, lambda _row, number: facts.silent(number), lambda _row, _number: True),
        (COMMENTS, "comment_id", "created_time", cells.automatic, cells.automatic),
        (TIMESHEETS, "TS-Crm ID", None, cells.unmatched_booking, cells.unmatched_booking),
    )
    for table, column, newest_by, expendable, source in keys:
        plan.injectors[table].append(Duplicate(table, column, newest_by, plan.dose(table, 10), expendable, source))


def _mistyped(plan: DefectPlan) -> None:
    for table, column in MISTYPED_COLUMNS[: plan.dirt.mistyped_columns]:
        plan.every("D25", table, column, cells.garbage, cells.any_value)


def _dates(plan: DefectPlan) -> None:
    heavy = plan.dirt.factor > 1
    any_shape, iso_shape = shapes.any_shape(plan.timezone), shapes.iso_shape(plan.timezone)
    plan.cell("D21", TICKETS, _RESOLUTION, 15, cells.before_creation)
    minutes = {
        column: plan.cell("D1", TICKETS, column, count, dates.reshaped(shapes.slash_minutes), dates.after_12th)
        for column, count in ((_RESPONSE, 5), (_RESOLUTION, 4))
    }
    if heavy:
        plan.cell("D14", TICKETS, _SLA_CLOSURE, 3, dates.reshaped(shapes.month_first), dates.after_12th)
    slashes = {
        (TICKETS, _CREATED): (8, 5),
        (TICKETS, _MODIFIED): (8, 5),
        (TICKETS, _RESPONSE): (8, 8),
        (TICKETS, _RESOLUTION): (6, 6),
        (TICKETS, _CLOSURE): (6, 4),
        (TICKETS, _SLA_CLOSURE): (6, 4),
        (COMMENTS, "created_time"): (8, 6),
    }
    for (table, column), (certain, either) in slashes.items():
        proof = plan.cell("D10", table, column, certain, dates.reshaped(shapes.slash_precise), dates.after_12th)
        conflict = heavy and column == _SLA_CLOSURE
        voters = (proof, minutes[column]) if column in minutes else (proof,)
        ambiguous = dates.unresolved(shapes.slash_either) if conflict else dates.reshaped(shapes.slash_either)
        plan.cell("D13", table, column, either, ambiguous, dates.until_12th, voters=voters)
    for table, column, count in ((TICKETS, _CREATED, 10), (TICKETS, _SLA_CLOSURE, 8), (COMMENTS, "created_time", 10)):
        plan.cell("D11", table, column, count, dates.reshaped(any_shape), dates.written_date)
        plan.cell("D12", table, column, 4, dates.reshaped(shapes.serial_before), dates.written_date)
        plan.cell("D16", table, column, 3, dates.reshaped(shapes.short_or_odd), dates.after_12th)
    for column, count in ((_RESPONSE, 4), (_RESOLUTION, 4), (_CLOSURE, 4), (_MODIFIED, 2)):
        plan.cell("D11", TICKETS, column, count, dates.reshaped(iso_shape), dates.written_date)
    for column in (_MODIFIED, _RESPONSE):
        plan.cell("D12", TICKETS, column, 3, dates.reshaped(shapes.serial_after), dates.written_date)
    bad = dates.impossible(shapes.IMPOSSIBLE, Expect.VALUE_QUARANTINED)
    for column, count in ((_RESPONSE, 2), (_CLOSURE, 1), (_SLA_CLOSURE, 1), (_MODIFIED, 1)):
        plan.cell("D15", TICKETS, column, count, bad)
    leap, moment = shapes.LEAP_DAY
    plan.cell("D15", TICKETS, _CHANGE_DATES[0], 1, cells.constant(leap, Expect.CONVERTED, moment.isoformat(" ")))


def _tickets(plan: DefectPlan) -> None:
    thorough = plan.dirt.factor > 1
    tickets = 10_939
    empty = cells.constant("", Expect.NULL, None)
    for column in (_RESOLUTION, _SLA_CLOSURE):
        plan.every("D2", TICKETS, column, empty, cells.is_empty)
    for column, share in ((_RESPONSE, 0.1), (_CLOSURE, 0.1), *((column, 0.03) for column in _CHANGE_DATES)):
        if thorough:
            plan.every("D2", TICKETS, column, empty, cells.is_empty)
        else:
            plan.cell("D2", TICKETS, column, share * tickets, empty, cells.is_empty)
    for column in ("TKT-Account Id", "TKT-Assigned To Userid", "TKT-Created By Userid"):
        plan.cell("D3", TICKETS, column, 11, cells.missing_word)
    for column in ("TKT-Response Met", "TKT-Resolution Met", "TKT-SLA Met", "Chg-Success"):
        plan.cell("D3", TICKETS, column, 11, cells.missing_word, cells.is_empty)
    if not thorough:
        for column in (_RESPONSE, _CLOSURE):
            plan.cell("D3", TICKETS, column, 11, cells.missing_word, cells.is_empty)
    facts = plan.facts

    def unnamed(value: Cell, row: Row, _number: int) -> bool:
        key = row[0]
        return value is None and isinstance(key, int) and facts.unnamed_cause(key)

    plan.every(
        "D4", TICKETS, "TKT-Root Cause Category", cells.constant(UNNAMED_CAUSE, Expect.KEPT, UNNAMED_CAUSE), unnamed
    )
    marker = cells.constant(f" {PENDING}", Expect.KEPT, f" {PENDING}")
    plan.every("D5", TICKETS, "TKT-Assigned To User", marker, cells.equals(PENDING))
    plan.cell("D8", TICKETS, "TKT-Ticket ID", 109, cells.id_with_unicode_blank)
    plan.cell("D23", TICKETS, "TKT-Title", 10, cells.placeholder)
    plan.cell("D23", TICKETS, "TKT-Title", 10, cells.percent)
    plan.cell("D23", TICKETS, "TKT-Title", 10, cells.quotes)
    plan.cell("D23", TICKETS, "TKT-Description", 5, cells.long_text)
    plan.cell("D7", TICKETS, "TKT-Title", 547, cells.padded_text)
    plan.cell("D7", TICKETS, "TKT-Description", 547, cells.untidy_text, cells.has_words)


def _comments(plan: DefectPlan) -> None:
    by_text = plan.dirt.profile == "hostile"
    id_form = cells.id_as_text if by_text else cells.id_with_unicode_blank
    plan.cell("D9", COMMENTS, "ticket_id", 1, cells.unusable_reference, cells.automatic_value)
    plan.cell("D6", COMMENTS, "comment_text", 20, cells.nul_inside, cells.has_words)
    plan.cell("D23", COMMENTS, "comment_text", 10, cells.emoji)
    plan.cell("D23", COMMENTS, "comment_text", 5, cells.long_text)
    plan.cell("D20", COMMENTS, "ticket_id", 1_081, cells.orphan(len(plan.facts)), cells.automatic_value)
    plan.cell("D3", COMMENTS, "user_name", 108, cells.missing_word, cells.hidden_note)
    plan.cell("D3", COMMENTS, "user_id", 108, cells.missing_word)
    plan.cell("D3", COMMENTS, "visible_to_customer", 108, cells.missing_word, cells.equals("No"))
    plan.cell("D8", COMMENTS, "comment_id", 1_081, id_form)
    plan.cell("D8", COMMENTS, "ticket_id", 1_081, id_form)
    plan.cell("D7", COMMENTS, "comment_text", 5_406, cells.untidy_text, cells.has_words)


def _timesheets(plan: DefectPlan) -> None:
    plan.cell("D17", TIMESHEETS, "TS-Date", 40, dates.in_the_future(plan.as_of), cells.unmatched)
    plan.cell(
        "D15",
        TIMESHEETS,
        "TS-Date",
        2,
        dates.impossible(shapes.IMPOSSIBLE_DAYS, Expect.VALUE_QUARANTINED),
        cells.unmatched,
    )
    plan.cell("D11", TIMESHEETS, "TS-Date", 8, dates.reshaped(shapes.any_shape(plan.timezone)), dates.written_date)
    plan.cell("D12", TIMESHEETS, "TS-Date", 4, dates.reshaped(shapes.serial_before), dates.written_date)
    plan.cell("D18", TIMESHEETS, "TS-Hours", 30, cells.odd_hours, cells.unmatched)
    plan.cell("D3", TIMESHEETS, "TS-Hours", 141, cells.missing_word, cells.unmatched)
    plan.cell("D3", TIMESHEETS, "TS-Costcentre ID", 141, cells.missing_word)
    plan.cell("D8", TIMESHEETS, "TS-Crm ID", 1_411, cells.id_with_unicode_blank, cells.has_number)
    plan.cell("D7", TIMESHEETS, "TS-Title", 7_053, cells.padded_text)
    plan.cell("D7", TIMESHEETS, "TS-Description", 7_053, cells.untidy_text, cells.has_words)


def _quality(plan: DefectPlan) -> None:
    if plan.dirt.factor > 1:
        # 96.5 % of the 517 analyses that an earlier export had.
        dose = plan.dose(QUALITY, 0.965 * 517, factor=1)
        plan.injectors[QUALITY].append(
            CellDefect("D22", QUALITY, "quality_tier", dose, cells.odd_analysis, cells.any_value)
        )
    for column in ("comment_id", "ticket_id"):
        plan.cell("D8", QUALITY, column, 63, cells.id_as_text)
