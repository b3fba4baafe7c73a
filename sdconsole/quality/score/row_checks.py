"""The kinds of checks that look at one row at a time. Each turns a rule into two SQL conditions.

The conditions see canonical values: numbers as numbers, moments as sortable text, NULL for missing. A fault is a cell
that held something unusable. Knows no points; how the conditions are counted is in `rules.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sdconsole.contract.model import Rule
from sdconsole.quality.score.population import ROWS, Population, fault, literal, original
from sdconsole.quality.score.rule_facts import (
    Facts,
    RowCheck,
    bad_rule,
    contract_column,
    contract_table,
    number_option,
    text_option,
)
from sdconsole.source.catalog import quote

NEWLINES = "replace(hex(zeroblob({half})), '0', char(10))"
_WORDS = "GLOB '*[A-Za-z]* *[A-Za-z]* *[A-Za-z]*'"
"""Three words or more: what a sentence has and an id, a date or a yes has not."""

RowKind = Callable[[Rule, Facts], RowCheck]


def _filled(rule: Rule, facts: Facts) -> RowCheck:
    """Option unusable = "elsewhere": what cannot be read is charged by another rule, so here it counts as filled."""
    column = contract_column(facts, rule)
    name = quote(column.name)
    kept = ", ".join(map(literal, column.keep_tokens))
    missing = f"({name} IS NULL OR {name} IN ({kept}))" if kept else f"{name} IS NULL"
    if text_option(rule, "unusable") == "elsewhere":
        return RowCheck((column.name,), "1", f"{missing} AND NOT {fault(column.name)}", (column.name,))
    return RowCheck((column.name,), "1", missing, (), (column.name,))


def _usable(rule: Rule, facts: Facts) -> RowCheck:
    """Whole numbers, dates, decodable text: the column's kind says what."""
    name = contract_column(facts, rule).name
    return RowCheck((name,), _present(name), fault(name), (name,), (name,))


def _present(name: str) -> str:
    return f"({quote(name)} IS NOT NULL OR {fault(name)})"


def _date_range(rule: Rule, facts: Facts) -> RowCheck:
    name = quote(contract_column(facts, rule).name)
    outside = f"({name} < {literal(facts.earliest)} OR {name} > {literal(facts.latest)})"
    return RowCheck(rule.columns[:1], f"{name} IS NOT NULL", outside)


def _number_range(rule: Rule, facts: Facts) -> RowCheck:
    """Bounds from the options `above` (exclusive), `minimum` and `maximum`, else from the column.

    Option unusable = "elsewhere": of the cells that cannot be used, only those that hold a number are judged here.
    """
    column = contract_column(facts, rule)
    name = column.name
    elsewhere = text_option(rule, "unusable") == "elsewhere"
    number = f"CAST({quote(name)} AS REAL)"
    if elsewhere:
        number = f"CAST(coalesce({quote(name)}, trim({original(name)})) AS REAL)"
    bounds = []
    if "above" in rule.options or (column.positive and "minimum" not in rule.options):
        bounds.append(f"{number} <= {literal(number_option(rule, 'above', 0.0))}")
    for option, sign, given in (("minimum", "<", column.minimum), ("maximum", ">", column.maximum)):
        if option in rule.options or given is not None:
            bounds.append(f"{number} {sign} {literal(number_option(rule, option, given))}")
    if not bounds:
        raise bad_rule(rule, f"neither the rule nor column {name!r} has a bound")
    if elsewhere:
        judged = f"({quote(name)} IS NOT NULL OR ({fault(name)} AND trim({original(name)}) NOT GLOB '*[^0-9.-]*'))"
        return RowCheck((name,), judged, " OR ".join(bounds), (name,), (name,))
    return RowCheck((name,), _present(name), " OR ".join([fault(name), *bounds]), (name,), (name,))


def _text_length(rule: Rule, facts: Facts) -> RowCheck:
    column = contract_column(facts, rule).name
    name = quote(column)
    # length() stops at a NUL; then the bytes bound the characters from above.
    length = f"CASE WHEN instr({name}, char(0)) THEN length(CAST({name} AS BLOB)) ELSE length({name}) END"
    least, most = number_option(rule, "minimum", 1), number_option(rule, "maximum")
    failed = f"({fault(column)} OR {length} < {literal(least)} OR {length} > {literal(most)})"
    return RowCheck((column,), _present(column), failed, (column,), (column,))


def _no_nul(rule: Rule, facts: Facts) -> RowCheck:
    name = quote(contract_column(facts, rule).name)
    return RowCheck(rule.columns[:1], f"{name} IS NOT NULL", f"instr({name}, char(0)) > 0")


def _newline_run(rule: Rule, facts: Facts) -> RowCheck:
    """Option `newlines`: this many in a row, an even number, are too many."""
    name = quote(contract_column(facts, rule).name)
    half = int(number_option(rule, "newlines")) // 2
    return RowCheck(rule.columns[:1], f"{name} IS NOT NULL", f"instr({name}, {NEWLINES.format(half=half)}) > 0")


def _ordered(rule: Rule, facts: Facts) -> RowCheck:
    """The first moment is not after the second. A second one that cannot be read fails here: no other rule has it."""
    first, second = contract_column(facts, rule, 0).name, contract_column(facts, rule, 1).name
    evaluated = f"{quote(first)} IS NOT NULL AND {_present(second)}"
    return RowCheck(
        (first, second), evaluated, f"{fault(second)} OR {quote(first)} > {quote(second)}", (second,), (second,)
    )


def _known_values(rule: Rule, facts: Facts) -> RowCheck:
    """Known values from the column's flag or `values`, or from an option named like the column: "Open|Closed"."""
    table = contract_table(facts, rule)
    failed, present = [], []
    for at, name in enumerate(rule.columns):
        column = contract_column(facts, rule, at)
        known = tuple(filter(None, text_option(rule, name).split("|"))) or column.flag or column.values
        if not known:
            raise bad_rule(rule, f"nobody says which values {table.name}.{name} may have")
        present.append(_present(name))
        failed.append(f"({fault(name)} OR {quote(name)} NOT IN ({', '.join(map(literal, known))}))")
    return RowCheck(rule.columns, " OR ".join(present), " OR ".join(failed), rule.columns, rule.columns)


def _expression(rule: Rule, facts: Facts) -> RowCheck:
    """`sql` is a condition over the rule's columns; a row fails where it is true. Option `where` limits the rows."""
    if not rule.sql:
        raise bad_rule(rule, "check 'expression' needs a condition in `sql`")
    for at in range(len(rule.columns)):
        contract_column(facts, rule, at)
    where = facts.expand(rule, text_option(rule, "where"), rule.columns) or "1"
    condition = facts.expand(rule, rule.sql, rule.columns)
    return RowCheck(rule.columns, f"({where}) AND ({condition}) IS NOT NULL", condition)


def _slipped(rule: Rule, facts: Facts) -> RowCheck:
    """A row whose columns have slipped: a sentence where a number, a moment or a yes/no is meant, or two such cells
    that cannot be read at once."""
    names = [contract_column(facts, rule, at).name for at in range(len(rule.columns))]
    sentences = [f"({fault(name)} AND {original(name)} {_WORDS})" for name in names]
    at_once = " + ".join(map(fault, names))
    return RowCheck(tuple(names), "1", f"{at_once} >= 2 OR {' OR '.join(sentences)}", tuple(names), tuple(names))


def _orphans(rule: Rule, facts: Facts) -> RowCheck:
    """A reference to a row that is not in the file; counted per row, with the contract's `ignore_value` left out."""
    column = contract_column(facts, rule).name
    reference = next((each for each in contract_table(facts, rule).references if each.column == column), None)
    if reference is None:
        raise bad_rule(rule, f"{rule.table}.{column} is no reference in the contract")
    evaluated = _present(column)
    if reference.ignore_value is not None:
        evaluated += f" AND {quote(column)} IS NOT {literal(reference.ignore_value)}"
    parent = facts.population(reference.table)
    if parent is None:
        return RowCheck((column,), evaluated, "1", (column,), (column,))
    rows = parent.select([reference.parent_column])
    known = f"SELECT {quote(reference.parent_column)} FROM ({rows}) WHERE {quote(reference.parent_column)} IS NOT NULL"  # noqa: S608
    return RowCheck((column,), evaluated, f"{fault(column)} OR {quote(column)} NOT IN ({known})", (column,), (column,))


ROW_KINDS: Mapping[str, RowKind] = {
    "filled": _filled,
    "whole_number": _usable,
    "date": _usable,
    "decodable": _usable,
    "date_range": _date_range,
    "number_range": _number_range,
    "text_length": _text_length,
    "no_nul": _no_nul,
    "newline_run": _newline_run,
    "ordered": _ordered,
    "known_values": _known_values,
    "expression": _expression,
    "slipped": _slipped,
    "orphans": _orphans,
}


def needed_columns(rule: Rule) -> tuple[str, ...]:
    """The columns without whose values the rule has nothing to look at."""
    if rule.check in ("slipped", "known_values"):
        return ()
    return rule.columns[:1] if rule.check == "expression" else rule.columns


def counting_query(population: Population, checks: Sequence[RowCheck]) -> str:
    """One pass over a table for all its row checks: for each the rows evaluated, failed, and failed while held back."""
    counts = []
    for check in checks:
        failed = f"({check.evaluated}) AND ({check.failed})"
        counts += [
            f"count(CASE WHEN {check.evaluated} THEN 1 END)",
            f"count(CASE WHEN {failed} THEN 1 END)",
            f"count(CASE WHEN held AND {failed} THEN 1 END)",
        ]
    judged = [name for check in checks for name in check.originals if original(name) in check.evaluated + check.failed]
    return f"WITH {ROWS} AS ({_rows(population, checks, judged)}) SELECT {', '.join(counts)} FROM {ROWS}"  # noqa: S608


def sampling_query(population: Population, checks: Sequence[RowCheck]) -> str:
    """The rows in which any of the checks fails, each check's verdict first, then row_id, held and the columns."""
    verdicts = [f"(({check.evaluated}) AND ({check.failed})) IS TRUE" for check in checks]
    rows = _rows(population, checks, [name for check in checks for name in check.originals])
    return f"WITH {ROWS} AS ({rows}) SELECT {', '.join(verdicts)}, * FROM {ROWS} WHERE {' OR '.join(verdicts)}"  # noqa: S608


def _rows(population: Population, checks: Sequence[RowCheck], originals: Sequence[str]) -> str:
    return population.select(
        [*population.table.row_key, *(name for check in checks for name in check.columns)],
        faults=[name for check in checks for name in check.faults],
        originals=originals,
    )
