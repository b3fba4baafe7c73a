"""Evaluates the rules of a contract on one file and gives every rule a `Measure`.

All checks of single rows share one pass over their table, and one more where something failed. The kinds of checks are
in `row_checks.py` and `table_checks.py`; what a finding costs is decided in `score.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sdconsole.contract.model import Rule
from sdconsole.errors import SdconsoleError
from sdconsole.quality.score.model import Measure
from sdconsole.quality.score.row_checks import ROW_KINDS, counting_query, needed_columns, sampling_query
from sdconsole.quality.score.rule_facts import (
    SAMPLES,
    Facts,
    RowCheck,
    bad_rule,
    failing_query,
    nothing_there,
    number_option,
    sample_text,
)
from sdconsole.quality.score.rule_groups import aggregate, drift
from sdconsole.quality.score.table_checks import TABLE_KINDS

GROUP_KINDS = frozenset({"aggregate", "drift"})
CHECK_KINDS = frozenset({*ROW_KINDS, *TABLE_KINDS, *GROUP_KINDS})
_STEPS_BETWEEN_TICKS = 200_000
"""Steps of SQLite's virtual machine; some thousand rows."""
_COMMON_SHARE = 0.01


def evaluate_rules(facts: Facts, rules: Sequence[Rule], tick: Callable[[], None]) -> dict[str, Measure]:
    """A measure for each rule, by its id, in the order of the contract.

    `tick` is called every few thousand rows and may raise. Raises UsageError "rule-invalid" for a rule that cannot be
    evaluated; no rule is ever skipped for a mistake in it.
    """
    found: dict[str, Measure] = {}
    by_table: dict[str, list[tuple[Rule, RowCheck]]] = {}
    with ticking(facts.connection, tick):
        for rule in rules:
            if rule.check not in CHECK_KINDS:
                raise bad_rule(rule, f"there is no check {rule.check!r}; known are {', '.join(sorted(CHECK_KINDS))}")
            if rule.check in TABLE_KINDS:
                found[rule.id] = TABLE_KINDS[rule.check](rule, facts)
            elif rule.check in ROW_KINDS:
                nothing = nothing_there(facts, rule, needed_columns(rule))
                if nothing is not None:
                    found[rule.id] = nothing
                else:
                    by_table.setdefault(rule.table, []).append((rule, ROW_KINDS[rule.check](rule, facts)))
        for table, checks in by_table.items():
            found.update(_count_rows(facts, table, checks))
        _evaluate_groups(facts, rules, found)
    return {rule.id: found[rule.id] for rule in rules}


@contextmanager
def ticking(connection: sqlite3.Connection, tick: Callable[[], None]) -> Iterator[None]:
    """Calls `tick` while statements run; what it raises ends the statement and comes out of the block."""
    stopped: list[SdconsoleError | KeyboardInterrupt] = []

    def look() -> int:
        try:
            tick()
        except (SdconsoleError, KeyboardInterrupt) as error:
            stopped.append(error)
            return 1
        return 0

    connection.set_progress_handler(look, _STEPS_BETWEEN_TICKS)
    try:
        yield
    except sqlite3.OperationalError:
        if stopped:
            raise stopped[0] from None
        raise
    finally:
        connection.set_progress_handler(None, 0)


def _count_rows(facts: Facts, table: str, checks: Sequence[tuple[Rule, RowCheck]]) -> dict[str, Measure]:
    population = facts.populations[table]
    found: dict[str, Measure] = {}
    try:
        counts = facts.connection.execute(counting_query(population, [check for _, check in checks])).fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        raise _culprit(facts, table, checks) from error
    failing: list[tuple[Rule, RowCheck]] = []
    for at, (rule, check) in enumerate(checks):
        evaluated, failed, held = counts[3 * at : 3 * at + 3]
        found[rule.id] = Measure(evaluated=evaluated, failed=failed, held=held, note=_usual(rule, evaluated, failed))
        if failed:
            failing.append((rule, check))
        elif not evaluated:
            found[rule.id] = _nothing_usable(facts, rule)
    samples = _sample_rows(facts, table, failing, found)
    for rule, check in failing:
        texts, row_ids = samples[rule.id]
        found[rule.id] = replace(
            found[rule.id], samples=tuple(texts), sample_rows=tuple(row_ids), sql=failing_query(population, check)
        )
    return found


def _usual(rule: Rule, evaluated: int, failed: int) -> str:
    """A remark on a share below the option `usual_percent`, where a low one is no fault but worth knowing."""
    if "usual_percent" not in rule.options or not evaluated:
        return ""
    usual = number_option(rule, "usual_percent")
    percent = 100.0 * failed / evaluated
    return f"{percent:.1f} %, {usual:g} % and more is usual" if percent < usual else ""


def _culprit(facts: Facts, table: str, checks: Sequence[tuple[Rule, RowCheck]]) -> SdconsoleError:
    """The rule whose own SQL does not work, found by preparing each alone."""
    population = facts.populations[table]
    for rule, check in checks:
        try:
            facts.connection.execute(f"EXPLAIN {counting_query(population, [check])}")
        except sqlite3.OperationalError as error:
            return bad_rule(rule, f"SQLite says: {error}")
    return bad_rule(checks[0][0], f"the rules of table {table} cannot be evaluated together")


def _nothing_usable(facts: Facts, rule: Rule) -> Measure:
    """No row could be evaluated although the columns hold something: fails where the column is required."""
    population = facts.populations[rule.table]
    columns = [column for name in rule.columns if (column := population.table.column(name)) is not None]
    if rule.check == "expression" or not all(column.required for column in columns):
        return Measure(left_out="no row to judge by", passed=True)
    named = ", ".join(column.name for column in columns)
    query = failing_query(population, RowCheck(tuple(column.name for column in columns), "1", "1"))
    return Measure(
        evaluated=facts.rows(rule.table),
        failed=facts.rows(rule.table),
        sql=query,
        note=f"column {named} holds no usable value",
        lost_share=1.0,
        passed=False,
    )


def _sample_rows(
    facts: Facts, table: str, failing: Sequence[tuple[Rule, RowCheck]], found: Mapping[str, Measure]
) -> dict[str, tuple[list[str], list[int]]]:
    """Up to 20 failing rows for each check.

    Where many rows fail, a look at the first ones is enough; the rare ones are all collected in one pass.
    """
    samples: dict[str, tuple[list[str], list[int]]] = {rule.id: ([], []) for rule, _ in failing}
    common = [pair for pair in failing if measure_share(found[pair[0].id]) > _COMMON_SHARE]
    rare = [pair for pair in failing if pair not in common]
    for group in [[pair] for pair in common] + ([rare] if rare else []):
        _collect_samples(facts, table, group, samples)
    return samples


def _collect_samples(
    facts: Facts,
    table: str,
    failing: Sequence[tuple[Rule, RowCheck]],
    samples: Mapping[str, tuple[list[str], list[int]]],
) -> None:
    """One pass that ends as soon as each of the checks has enough."""
    population = facts.populations[table]
    cursor = facts.connection.execute(sampling_query(population, [check for _, check in failing]))
    names = [description[0] for description in cursor.description]
    waiting = set(range(len(failing)))
    for row in cursor:
        hits = [at for at in waiting if row[at]]
        if not hits:
            continue
        values = dict(zip(names, row, strict=True))
        for at in hits:
            rule, check = failing[at]
            texts, row_ids = samples[rule.id]
            shown = {
                name: values[name] if values.get(name) is not None else values.get(f"{name}: original")
                for name in (*population.table.row_key, *check.columns)
            }
            texts.append(sample_text(population.table.row_key, check.columns, shown, values["held"]))
            row_ids.append(int(values["row_id"]))
            if len(texts) == SAMPLES:
                waiting.discard(at)
        if not waiting:
            break
    cursor.close()


def _evaluate_groups(facts: Facts, rules: Sequence[Rule], found: dict[str, Measure]) -> None:
    """Rules about rules, those that only look at other groups last."""
    waiting = [rule for rule in rules if rule.check in GROUP_KINDS]
    for rule in waiting:
        if rule.check == "drift":
            shares = {
                other.id: (other.check, measure_share(found[other.id]))
                for other in rules
                if other.id in found and not found[other.id].left_out
            }
            rows = {table: facts.rows(table) for table in facts.populations}
            found[rule.id] = drift(rule, facts, shares, rows)
    verdicts: Mapping[str, bool | None]
    for rule in waiting:
        if rule.check == "aggregate":
            verdicts = {
                other.id: None if found[other.id].left_out else passes(other, found[other.id])
                for other in rules
                if other.id in found
            }
            found[rule.id] = aggregate(rule, verdicts)


def measure_share(measure: Measure) -> float:
    """Failed of evaluated, 0 to 1."""
    return measure.failed / measure.evaluated if measure.evaluated else 0.0


def passes(rule: Rule, measure: Measure) -> bool:
    """Whether the failing share of what would be deployed is within the tolerance.

    Whole rows in quarantine will not be deployed: they cost points, and their number has a limit of its own. With
    option held = "counts" they count here too, for damage that says something about the rows beside them.
    """
    if measure.passed is not None:
        return measure.passed
    held = 0 if rule.options.get("held") == "counts" else measure.held
    failed = measure.failed - held
    return 100 * failed <= rule.tolerance_percent * (measure.evaluated - held) if failed else True
