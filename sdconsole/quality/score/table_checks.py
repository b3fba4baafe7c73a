"""The kinds of checks that look at a table, a group of rows or other rules as a whole.

Each answers with a `Measure`. Knows no points; which rules are evaluated, and in which order, is in `rules.py`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping

from sdconsole.contract.model import Rule
from sdconsole.quality.clean.quarantine import QUARANTINE
from sdconsole.quality.score.model import Measure
from sdconsole.quality.score.population import ROWS, literal
from sdconsole.quality.score.rule_facts import (
    SAMPLES,
    Facts,
    RowCheck,
    bad_rule,
    contract_column,
    contract_table,
    failing_query,
    fetch_samples,
    missing_table_query,
    nothing_there,
    number_option,
    text_option,
)
from sdconsole.quality.values import shown
from sdconsole.source.catalog import quote

TableKind = Callable[[Rule, Facts], Measure]


def _present(rule: Rule, facts: Facts) -> Measure:
    """The required columns are there and hold values."""
    table = contract_table(facts, rule)
    if table.optional and facts.population(rule.table) is None:
        return Measure(left_out=f"table {rule.table} is not in the file", passed=True)
    required = [column.name for column in table.columns if column.required]
    missing = [name for name in required if not facts.has_value(rule.table, name)]
    return _counted(len(required), len(missing), ", ".join(missing), rule)


def _counted(evaluated: int, failed: int, note: str, rule: Rule) -> Measure:
    finding = f"SELECT {literal(f'{rule.table}: {note}')} AS finding" if failed else ""
    return Measure(evaluated=evaluated, failed=failed, samples=(note,) if failed else (), sql=finding, note=note)


def _column_count(rule: Rule, facts: Facts) -> Measure:
    """At least `minimum` columns hold values."""
    table = contract_table(facts, rule)
    least = int(number_option(rule, "minimum"))
    if facts.rows(rule.table) == 0:
        return Measure(left_out=f"table {rule.table} holds no rows", passed=True)
    held = sum(facts.has_value(rule.table, column.name) for column in table.columns)
    return _counted(
        1, int(held < least), f"{held} columns hold values, {least} are wanted" if held < least else "", rule
    )


def _has_rows(rule: Rule, facts: Facts) -> Measure:
    """At least one row would be deployed."""
    table = contract_table(facts, rule)
    population = facts.population(rule.table)
    if population is None and table.optional:
        return Measure(left_out=f"table {rule.table} is not in the file", passed=True)
    live = 0
    if population is not None:
        query = f"SELECT count(*) FROM ({population.select(())}) WHERE NOT held"  # noqa: S608
        live = int(facts.connection.execute(query).fetchone()[0])
    if live:
        return Measure(evaluated=1)
    note = f"no row of {rule.table} can be deployed"
    return Measure(evaluated=1, failed=1, samples=(note,), sql=missing_table_query(rule.table), note=note)


def _unique(rule: Rule, facts: Facts) -> Measure:
    """Rows beyond the first of each key. A key with a missing part is unique; a repeated key that cleaning took
    out of the data is resolved."""
    nothing = nothing_there(facts, rule, rule.columns)
    if nothing is not None:
        return nothing
    population = facts.populations[rule.table]
    for at in range(len(rule.columns)):
        contract_column(facts, rule, at)
    keys = ", ".join(map(quote, rule.columns))
    known = " AND ".join(["held < 2", *(f"{quote(name)} IS NOT NULL" for name in rule.columns)])
    rows = population.select(rule.columns)
    failed = 0
    some: list[str] = []
    for times, value, *_ in facts.connection.execute(
        f"SELECT count(*), {keys} FROM ({rows}) WHERE {known} GROUP BY {keys} HAVING count(*) > 1"  # noqa: S608
    ):
        failed += times - 1
        if len(some) < SAMPLES:
            some.append(literal(value))
    evaluated = int(facts.connection.execute(f"SELECT count(*) FROM ({rows}) WHERE {known}").fetchone()[0])  # noqa: S608
    if not failed:
        return Measure(evaluated=evaluated)
    seen = f"WITH {ROWS} AS ({population.select([*population.table.row_key, *rule.columns])})"
    place = f"row_number() OVER (PARTITION BY {keys} ORDER BY held, row_id DESC) AS place"
    query = f"{seen} SELECT * FROM (SELECT *, {place} FROM {ROWS} WHERE {known}) WHERE place > 1"  # noqa: S608
    held = 0
    if population.has_held:
        held = int(facts.connection.execute(f"SELECT count(*) FROM ({query}) WHERE held").fetchone()[0])  # noqa: S608
    # The samples come from some of the repeated keys, so that not all rows have to be put in order for them.
    known += f" AND {quote(rule.columns[0])} IN ({', '.join(some)})"
    few = f"{seen} SELECT * FROM (SELECT *, {place} FROM {ROWS} WHERE {known}) WHERE place > 1"  # noqa: S608
    samples, row_ids = fetch_samples(facts, population, few, rule.columns)
    return Measure(evaluated=evaluated, failed=failed, held=held, samples=samples, sample_rows=row_ids, sql=query)


def _share_band(rule: Rule, facts: Facts) -> Measure:
    """The share of rows with the option's `value` lies between `low` and `high` percent; else half the points go."""
    nothing = nothing_there(facts, rule, rule.columns)
    if nothing is not None:
        return nothing
    column = quote(contract_column(facts, rule).name)
    value = literal(number_option(rule, "value"))
    low, high = number_option(rule, "low"), number_option(rule, "high")
    population = facts.populations[rule.table]
    rows = population.select(rule.columns)
    known, hits = facts.connection.execute(
        f"SELECT count({column}), count(CASE WHEN {column} = {value} THEN 1 END) FROM ({rows})"  # noqa: S608
    ).fetchone()
    if not known:
        return Measure(left_out=f"column {column} holds no usable value", passed=True)
    percent = 100.0 * hits / known
    note = f"{percent:.1f} % of the rows have {value}, {low:g} to {high:g} % is usual"
    if low <= percent <= high:
        return Measure(evaluated=known, note=note)
    # Too many: the rows that have the value are to be looked at; too few: those that do not.
    wrong = f"{column} = {value}" if percent > high else f"{column} <> {value}"
    bound = high if percent > high else low
    query = failing_query(population, RowCheck(rule.columns[:1], f"{column} IS NOT NULL", wrong))
    samples, row_ids = fetch_samples(facts, population, query, rule.columns)
    failed = max(1, round(abs(hits - known * bound / 100.0)))
    return Measure(
        evaluated=known,
        failed=failed,
        samples=samples,
        sample_rows=row_ids,
        sql=query,
        note=note,
        lost_share=0.5,
        passed=False,
    )


def _mean(rule: Rule, facts: Facts) -> Measure:
    """The mean of the expression in `sql` over the rows of option `where` is at least `minimum`."""
    nothing = nothing_there(facts, rule, rule.columns[:1])
    if nothing is not None:
        return nothing
    least = number_option(rule, "minimum")
    where = facts.expand(rule, text_option(rule, "where"), rule.columns) or "1"
    if not rule.sql:
        raise bad_rule(rule, "check 'mean' needs an expression in `sql`")
    expression = facts.expand(rule, rule.sql, rule.columns)
    population = facts.populations[rule.table]
    rows = population.select(rule.columns)
    evaluated, mean = facts.connection.execute(
        f"SELECT count({expression}), avg({expression}) FROM ({rows}) WHERE {where}"  # noqa: S608
    ).fetchone()
    if not evaluated:
        return Measure(left_out="no row to take the mean of", passed=True)
    note = f"mean {mean:.1f}, at least {least:g} is usual"
    if mean >= least:
        return Measure(evaluated=evaluated, note=note)
    query = failing_query(population, RowCheck(rule.columns, where, f"({expression}) < {literal(least)}"))
    samples, row_ids = fetch_samples(facts, population, query, rule.columns)
    below = f"SELECT count(*) FROM ({query})"  # noqa: S608
    failed = int(facts.connection.execute(below).fetchone()[0])
    return Measure(
        evaluated=evaluated, failed=failed, samples=samples, sample_rows=row_ids, sql=query, note=note, passed=False
    )


def _varied(rule: Rule, facts: Facts) -> Measure:
    """No combination of the columns fills more than the tolerance, once there are `minimum` rows to judge by."""
    nothing = nothing_there(facts, rule, rule.columns[:1])
    if nothing is not None:
        return nothing
    population = facts.populations[rule.table]
    names = ", ".join(map(quote, rule.columns))
    known = " AND ".join(f"{quote(name)} IS NOT NULL" for name in rule.columns)
    groups = facts.connection.execute(
        f"SELECT count(*) AS n, {names} FROM ({population.select(rule.columns)}) WHERE {known}"  # noqa: S608
        f" GROUP BY {names} ORDER BY n DESC, {names}"
    ).fetchall()
    evaluated = sum(group[0] for group in groups)
    if evaluated < number_option(rule, "minimum"):
        return Measure(left_out=f"{evaluated} rows are too few to judge by", passed=True)
    most, *values = groups[0]
    note = f"{most} of {evaluated} rows hold {', '.join(str(value) for value in values)}"
    if 100 * most <= rule.tolerance_percent * evaluated:
        return Measure(evaluated=evaluated, note=note)
    same = " AND ".join(f"{quote(name)} = {literal(value)}" for name, value in zip(rule.columns, values, strict=True))
    query = failing_query(population, RowCheck(rule.columns, "1", same))
    samples, row_ids = fetch_samples(facts, population, query, rule.columns)
    return Measure(evaluated=evaluated, failed=most, samples=samples, sample_rows=row_ids, sql=query, note=note)


def _usable_values(rule: Rule, facts: Facts) -> Measure:
    """Cells whose values fit the types of their columns, of all cells that hold anything."""
    place = f"FROM {QUARANTINE} AS q"
    mine = f"q.table_name = {literal(rule.table)}"
    entries = f"SELECT q.row_id, 0 AS held, q.column_name, q.original_value, q.reason {place} WHERE {mine}"
    names = [column.name for column in contract_table(facts, rule).columns]
    named = f"json_extract({literal(json.dumps(names, ensure_ascii=False))}, '$[' || fault.key || ']')"
    query = (
        f"{entries} AND q.column_name IS NOT NULL UNION ALL"
        f" SELECT q.row_id, 1, {named}, fault.value, q.reason"
        f" {place}, json_each(q.cleaned_json, '$.faults') AS fault WHERE {mine} AND q.column_name IS NULL"
    )
    failed, held = facts.connection.execute(f"SELECT count(*), coalesce(sum(held), 0) FROM ({query})").fetchone()  # noqa: S608
    evaluated = facts.usable_values(rule.table) + failed
    if not evaluated:
        return Measure(left_out=f"table {rule.table} holds no values", passed=True)
    if not failed:
        return Measure(evaluated=evaluated)
    found = facts.connection.execute(f"SELECT * FROM ({query}) ORDER BY row_id LIMIT {SAMPLES}").fetchall()  # noqa: S608
    samples = tuple(
        f"row {row_id}: {name}={shown(value)}, {reason}" + (" [in quarantine]" if held else "")
        for row_id, held, name, value, reason in found
    )
    return Measure(
        evaluated=evaluated,
        failed=failed,
        held=held,
        samples=samples,
        sample_rows=tuple(dict.fromkeys(row_id for row_id, *_ in found)),
        sql=query,
    )


def _sql(rule: Rule, facts: Facts) -> Measure:
    """`sql` selects the failing rows; the rows of `table`, where one is named, are what is evaluated."""
    query = facts.expand(rule, rule.sql, facts.names()).strip().rstrip(";")
    if not query:
        raise bad_rule(rule, "check 'sql' needs a query in `sql`")
    try:
        failed = int(facts.connection.execute(f"SELECT count(*) FROM ({query})").fetchone()[0])  # noqa: S608
        cursor = facts.connection.execute(f"SELECT * FROM ({query}) LIMIT {SAMPLES}")  # noqa: S608
        names = [description[0] for description in cursor.description]
        samples = tuple(
            ", ".join(f"{name}={shown(value)}" for name, value in zip(names, row, strict=True)) for row in cursor
        )
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        raise bad_rule(rule, f"SQLite says: {error}") from error
    evaluated = max(failed, facts.rows(rule.table) if rule.table else 0)
    return Measure(evaluated=evaluated, failed=failed, samples=samples, sql=query if failed else "")


TABLE_KINDS: Mapping[str, TableKind] = {
    "columns_present": _present,
    "column_count": _column_count,
    "has_rows": _has_rows,
    "unique": _unique,
    "share_band": _share_band,
    "mean": _mean,
    "varied": _varied,
    "usable_values": _usable_values,
    "sql": _sql,
}
