"""Which part of a column's dates comes first: whose word counts, and what the profile reports about it.

Nothing is guessed. Every column where the question arises gets one check with the votes of its values; an answer goes
into the journal with the person who gave it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from sdconsole.contract.date_answers import FLAG, SETTING, DateAnswer, answers_from, merged, spelt_by_contract
from sdconsole.contract.model import Contract, DateOrder, Kind
from sdconsole.core.events import Answered
from sdconsole.core.model import CheckStatus
from sdconsole.quality.profile.model import ColumnProfile, DateFacts, IssueKind, Profile
from sdconsole.source.catalog import read_catalog
from sdconsole.source.open import open_source
from sdconsole.stages.deployment import Context

QUESTION = "date-order"
COVERED = frozenset({IssueKind.AMBIGUOUS_DATE, IssueKind.CONFLICTING_DATE_ORDER})
"""The profile's issues that `report_orders` tells about."""
_WORDS = {DateOrder.DMY: "day first", DateOrder.MDY: "month first", DateOrder.YMD: "year first"}


def gather_answers(
    source: Path,
    contract: Contract,
    *,
    given: Mapping[str, str],
    settings: Mapping[str, str],
    operator: str,
    recorded: Iterable[DateAnswer] = (),
) -> tuple[DateAnswer, ...]:
    """What counts for a run: what is given now, before what the run has on record, before the settings.

    A flag must name a column of the file; the settings may also name one that only the contract knows, since they are
    there for more than one file. Raises UsageError "date-format-unknown" or "date-format".
    """
    kept = tuple(recorded)
    if not given and not settings:
        return kept
    with closing(open_source(source, text="surrogateescape")) as connection:
        stored = {table.name: table.column_names for table in read_catalog(connection).tables}
    tables = spelt_by_contract(contract, stored)
    described = {table.name: tuple(column.name for column in table.columns) for table in contract.tables}
    wider = {
        name: tuple(dict.fromkeys((*tables.get(name, ()), *described.get(name, ()))))
        for name in dict.fromkeys((*tables, *described))
    }
    return merged(
        answers_from(settings, wider, contract, by=operator, via=SETTING),
        kept,
        answers_from(given, tables, contract, by=operator, via=FLAG),
    )


def orders_by_column(answers: Iterable[DateAnswer]) -> dict[tuple[str, str], DateOrder]:
    return {(answer.table, answer.column): answer.order for answer in answers}


def answer_facts(answers: Iterable[DateAnswer]) -> dict[str, str]:
    """What the profile stage records, so that a resumed run sees whether an answer changed."""
    return {answer.place: answer.order.value for answer in answers}


def changed_answer(recorded: Mapping[str, str], answers: Iterable[DateAnswer]) -> str | None:
    """Why the profile must be made again, None when nobody said anything new."""
    current = answer_facts(answers)
    for place in dict.fromkeys((*current, *recorded)):
        if current.get(place) != recorded.get(place):
            return f"the order of {place} is {current.get(place, 'not answered')} now"
    return None


def way_out(profile: Profile) -> str:
    """What an operator can do about dates that wait for an answer, as part of a sentence; "" when none does."""
    waiting = [f"{column.table}.{column.name}" for column in profile.needs_answer if column.intended is not None]
    return f"say how {', '.join(waiting[:3])} is written: {FLAG} '{waiting[0]}=DMY' (or MDY)" if waiting else ""


def report_orders(ctx: Context, profile: Profile) -> None:
    """Journals the answers, and one check for each column whose values leave the order open or dispute it."""
    answers = {(answer.table, answer.column): answer for answer in ctx.deployment.date_answers}
    for answer in answers.values():
        ctx.emit(Answered(QUESTION, ctx.stage, True, answer.by, answer.via, f"{answer.place}={answer.order}"))
    heard = set[tuple[str, str]]()
    for column in profile.columns():
        place = (column.table, column.name)
        dates = column.dates
        if dates is not None and (dates.answer or dates.ambiguous or dates.inferred is DateOrder.CONFLICT):
            heard.add(place)
            _report_column(ctx, column, dates, answers.get(place))
    present = {(column.table, column.name) for column in profile.columns()}
    for place, answer in answers.items():
        if place in present and place not in heard:
            ctx.check_result(
                f"date_order {answer.place}",
                CheckStatus.WARN,
                f"{_WORDS[answer.order]}, as {_who(answer)}, but the column holds no dates",
                remedy="look whether another column was meant",
            )


def _report_column(ctx: Context, column: ColumnProfile, dates: DateFacts, answer: DateAnswer | None) -> None:
    status, detail, remedy = _verdict(ctx.deployment.contract, column, dates, answer)
    ctx.check_result(
        f"date_order {column.table}.{column.name}",
        status,
        detail,
        measured=(
            f"day first {dates.day_first:,}, month first {dates.month_first:,}, either {dates.ambiguous:,}, "
            f"against the answer {dates.against_answer:,}"
        ),
        remedy=remedy,
    )


def _verdict(
    contract: Contract, column: ColumnProfile, dates: DateFacts, answer: DateAnswer | None
) -> tuple[CheckStatus, str, str]:
    place = f"{column.table}.{column.name}"
    example = f", for example {dates.ambiguous_samples[0]!r}" if dates.ambiguous_samples else ""
    if dates.unresolved:
        why = "the values dispute the order" if dates.inferred is DateOrder.CONFLICT else "no value settles it"
        left = "they go into quarantine" if column.intended is Kind.TIMESTAMP else "the column stays text"
        return (
            CheckStatus.WARN,
            f"{dates.unresolved:,} dates can be read either way{example}: {why}; until somebody says which, {left}",
            f"{FLAG} '{place}=DMY' (or MDY), with deploy or resume",
        )
    if dates.answer is not None:
        said = f"as {_who(answer)}" if answer else f"as the contract {contract.name} says"
        if dates.against_answer:
            return (
                CheckStatus.WARN,
                f"read {_WORDS[dates.answer]}, {said}; {dates.against_answer:,} values can only be read the other way",
                "find out which system writes which order",
            )
        return CheckStatus.INFO, f"read {_WORDS[dates.answer]}, {said}", ""
    if dates.inferred is DateOrder.CONFLICT:
        return (
            CheckStatus.WARN,
            f"{dates.day_first:,} values can only be day first, {dates.month_first:,} only month first",
            "find out which system writes which order; each of them is read the one way it can be",
        )
    proofs = dates.day_first or dates.month_first
    return CheckStatus.INFO, f"read {_WORDS[dates.order]}: {proofs:,} values leave no doubt", ""


def _who(answer: DateAnswer) -> str:
    return f"{answer.by} said ({answer.via})"
