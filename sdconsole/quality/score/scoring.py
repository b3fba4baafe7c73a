"""The quality score: 100 points over five dimensions, and a ledger in which every lost point can be opened up.

completeness 40, validity 30, consistency 20, uniqueness 5, integrity 5; which rule is worth what stands in the
contract. A rule loses points in proportion to its failing rows, or along a ramp between its options `full_percent`
and `zero_percent`. What does not apply to a file is left out, its dimension keeps its weight, and that is said.
The score before cleaning and the one after it are measured over the same rows: what cleaning set aside stays charged,
what it repaired or resolved does not, so the second is never lower.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sdconsole.contract.model import Contract, DateOrder, Dimension, Rule, Table
from sdconsole.core.events import DimensionScore
from sdconsole.quality.dates.reading import DATE_FORMAT, DateReader, date_reader
from sdconsole.quality.score.model import Measure, Phase, RuleResult, Score, grade_of
from sdconsole.quality.score.observe import EVERY_VALUE, Observed, observing
from sdconsole.quality.score.plain_rules import plain_rules
from sdconsole.quality.score.population import populations
from sdconsole.quality.score.rule_facts import Facts, number_option
from sdconsole.quality.score.rules import evaluate_rules, measure_share, passes
from sdconsole.source.catalog import SourceTable, quote
from sdconsole.source.open import open_source
from sdconsole.source.refusal import reading

_HUNDREDTHS = 10_000
"""A score is counted in hundredths of a point, so that its parts add up exactly."""


def score_file(
    path: Path,
    contract: Contract,
    tables: tuple[Table, ...],
    *,
    phase: Phase,
    orders: Mapping[tuple[str, str], DateOrder],
    minimum: float,
    progress: Callable[[int, int | None], None],
    as_of: datetime | None = None,
    previous: Mapping[str, Any] | None = None,
) -> Score:
    """Scores the export ("before") or the clean file ("after"). `tables` are the deployed tables.

    `as_of` (UTC, default now) bounds the plausible dates; `previous` is `Score.to_dict()` of the last deployment.
    `progress(rows done, rows in all)` may raise. Raises what `open_source` raises, and UsageError "rule-invalid".
    """
    dates = date_reader(contract, as_of or datetime.now(UTC))
    rules = rules_for(contract, tables)
    if phase == "after":
        with closing(open_source(path)) as connection, reading(connection, str(path)):
            return _score(connection, contract, tables, rules, dates, minimum, progress, previous)
    needed = needed_by(rules, contract)
    with observing(path, contract, tables, needed, orders=orders, dates=dates, progress=progress) as observed:
        return _score(
            observed.connection, contract, observed.tables, rules, dates, minimum, progress, previous, observed
        )


def score_connection(
    connection: sqlite3.Connection,
    contract: Contract,
    tables: tuple[Table, ...],
    *,
    minimum: float,
    progress: Callable[[int, int | None], None],
    as_of: datetime | None = None,
    previous: Mapping[str, Any] | None = None,
) -> Score:
    """The score "after" of a clean file that is still open, such as the one `clean_database` gives to `inspect`."""
    dates = date_reader(contract, as_of or datetime.now(UTC))
    return _score(connection, contract, tables, rules_for(contract, tables), dates, minimum, progress, previous)


def rules_for(contract: Contract, tables: Sequence[Table]) -> tuple[Rule, ...]:
    """The contract's rules. Where none of them scores the file, rules made from the tables alone come first."""
    named = {table.name for table in tables}
    applying = tuple(rule for rule in contract.rules if not rule.table or rule.table in named)
    if any(rule.points > 0 for rule in applying):
        return contract.rules
    plain = tuple(rule for table in tables for rule in plain_rules(table, len(tables)))
    return plain + (applying if any(rule.table for rule in applying) else ())


def needed_by(rules: Sequence[Rule], contract: Contract) -> dict[str, set[str]]:
    """The columns whose values the rules look at, by table; a reference needs the key that it names."""
    needed: dict[str, set[str]] = {}
    for rule in rules:
        if not rule.table:
            continue
        needed.setdefault(rule.table, set()).update(rule.columns)
        table = contract.table(rule.table)
        if rule.check == "usable_values":
            needed[rule.table].add(EVERY_VALUE)
        if rule.check == "orphans" and table is not None:
            for reference in table.references:
                if reference.column in rule.columns:
                    needed.setdefault(reference.table, set()).add(reference.parent_column)
    return needed


def _score(
    connection: sqlite3.Connection,
    contract: Contract,
    tables: Sequence[Table],
    rules: tuple[Rule, ...],
    dates: DateReader,
    minimum: float,
    progress: Callable[[int, int | None], None],
    previous: Mapping[str, Any] | None,
    observed: Observed | None = None,
) -> Score:
    facts = Facts(
        connection,
        contract,
        populations(connection, tables),
        earliest=dates.earliest.strftime(DATE_FORMAT),
        latest=dates.latest.strftime(DATE_FORMAT),
        filled={} if observed is None else observed.filled,
        values={} if observed is None else observed.values,
        previous=previous,
    )
    rows = sum(facts.rows(name) for name in facts.populations)
    done = 0 if observed is None else rows
    measures = evaluate_rules(facts, rules, lambda: progress(done, rows))
    progress(rows, rows)
    if observed is not None:
        measures = {
            name: _on_export(measure, rule, observed)
            for (name, measure), rule in zip(measures.items(), rules, strict=True)
        }
    possible = _possible_points(rules, measures)
    ledger = tuple(_result(rule, measures[rule.id], possible[rule.id]) for rule in rules)
    phase: Phase = "after" if observed is None else "before"
    total = round(sum(100 * result.possible - 100 * result.lost for result in ledger)) / 100
    return Score(
        phase=phase,
        total=total,
        minimum=minimum,
        grade=grade_of(total, facts.contract.grades),
        dimensions=_dimensions(ledger),
        ledger=ledger,
        missing_columns=_missing_columns(facts),
        notes=_notes(contract, rules, ledger),
        rows={name: facts.rows(name) for name in facts.populations},
    )


def _on_export(measure: Measure, rule: Rule, observed: Observed) -> Measure:
    """The SQL of the score before cleaning selects the samples by their row numbers in the export."""
    stored = observed.stored.get(rule.table)
    if not measure.sample_rows or stored is None:
        return measure
    return replace(measure, sql=export_query(stored, rule, measure.sample_rows))


def export_query(stored: SourceTable, rule: Rule, row_ids: Sequence[int]) -> str:
    """Selects rows of the export as they stand there."""
    spelled = {name.lower(): name for name in stored.column_names}
    names = [spelled[name.lower()] for name in rule.columns if name.lower() in spelled] or stored.column_names[:1]
    listed = ", ".join(map(str, row_ids))
    columns = ", ".join(map(quote, names))
    if stored.rowid_name is not None:
        return (
            f"SELECT {stored.rowid_name}, {columns} FROM {quote(stored.name)} WHERE {stored.rowid_name} IN ({listed})"  # noqa: S608
        )
    numbered = f"SELECT row_number() OVER () AS row_id, {columns} FROM {quote(stored.name)} NOT INDEXED"  # noqa: S608
    return f"SELECT * FROM ({numbered}) WHERE row_id IN ({listed})"  # noqa: S608


def _possible_points(rules: Sequence[Rule], measures: Mapping[str, Measure]) -> dict[str, int]:
    """Hundredths of a point for each rule, 10,000 in all, or none where no rule applies.

    A dimension shares its weight among its rules that apply; one without any shares it among the other dimensions.
    """
    members = {
        dimension: {
            rule.id: rule.points
            for rule in rules
            if rule.dimension is dimension and rule.points > 0 and not measures[rule.id].left_out
        }
        for dimension in Dimension
    }
    weights = {
        dimension.value: sum(rule.points for rule in rules if rule.dimension is dimension)
        for dimension in Dimension
        if members[dimension]
    }
    possible = dict.fromkeys((rule.id for rule in rules), 0)
    for name, weight in split_points(weights, _HUNDREDTHS).items():
        possible |= split_points(members[Dimension(name)], weight)
    return possible


def split_points(shares: Mapping[str, float], points: int) -> dict[str, int]:
    """Splits whole points in proportion to the shares, by the largest remainder method."""
    whole = sum(shares.values())
    exact = {name: points * share / whole for name, share in shares.items()}
    split = {name: math.floor(value + 1e-9) for name, value in exact.items()}
    rest = points - sum(split.values())
    for name in sorted(exact, key=lambda each: exact[each] - split[each], reverse=True)[:rest]:
        split[name] += 1
    return split


def _result(rule: Rule, measure: Measure, possible: int) -> RuleResult:
    return RuleResult(
        id=rule.id,
        title=rule.title,
        check=rule.check,
        dimension=rule.dimension,
        severity=rule.severity,
        reason=rule.reason,
        table=rule.table,
        columns=rule.columns,
        tolerance_percent=rule.tolerance_percent,
        passed=passes(rule, measure),
        evaluated=measure.evaluated,
        failed=measure.failed,
        held=measure.held,
        share=measure_share(measure),
        possible=possible / 100,
        lost=_lost(rule, measure, possible) / 100,
        samples=measure.samples,
        sql=measure.sql,
        note=measure.note,
        left_out=measure.left_out,
    )


def _lost(rule: Rule, measure: Measure, possible: int) -> int:
    """Hundredths lost. Rounded up: where anything costs points, at least a hundredth is seen to be lost."""
    if measure.left_out:
        return 0
    if measure.lost_share is not None:
        share = measure.lost_share
    elif not measure.failed:
        share = 0.0
    else:
        full = number_option(rule, "full_percent", 0.0)
        zero = number_option(rule, "zero_percent", 100.0)
        share = (100.0 * measure_share(measure) - full) / (zero - full)
    return math.ceil(possible * min(max(share, 0.0), 1.0) - 1e-9)


def _dimensions(ledger: Sequence[RuleResult]) -> tuple[DimensionScore, ...]:
    found = []
    for dimension in Dimension:
        results = [result for result in ledger if result.dimension is dimension]
        possible = sum(round(100 * result.possible) for result in results)
        lost = sum(round(100 * result.lost) for result in results)
        found.append(DimensionScore(dimension.value, (possible - lost) / 100, possible / 100))
    return tuple(found)


def _missing_columns(facts: Facts) -> tuple[str, ...]:
    """Required columns, as table.column, that the file lacks or that hold no value; () for files of another kind."""
    if not any(facts.contract.table(name) for name in facts.populations):
        return ()
    return tuple(
        f"{table.name}.{column.name}"
        for table, column in facts.contract.columns()
        if column.required and (table.big or facts.rows(table.name)) and not facts.has_value(table.name, column.name)
    )


def _notes(contract: Contract, rules: Sequence[Rule], ledger: Sequence[RuleResult]) -> tuple[str, ...]:
    """What a reader must know to understand the total."""
    notes = []
    if rules is not contract.rules:
        notes.append(f"no rule of contract {contract.name} scores these tables; keys and types are scored instead")
    shared = [result for result in ledger if result.left_out and _had_points(rules, result.id)]
    notes += [f"{result.id} {result.title} is left out: {result.left_out}" for result in shared]
    if shared:
        notes.append("the points of what is left out are shared among the other rules of its dimension")
    if ledger and not any(result.possible for result in ledger):
        notes.append("nothing in this file can be scored")
    return tuple(notes)


def _had_points(rules: Sequence[Rule], rule_id: str) -> bool:
    return any(rule.id == rule_id and rule.points > 0 for rule in rules)
