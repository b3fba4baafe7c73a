"""What the checks of the rules may ask about a file, and the small records they answer with.

`Facts` hides whether the file is the export before cleaning or the clean file: both look alike through a `Population`.
Knows no rule and no points.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sdconsole.contract.model import Column, Contract, Rule, Table
from sdconsole.errors import UsageError
from sdconsole.quality.clean.quarantine import QUARANTINE, QUARANTINE_TABLE
from sdconsole.quality.score.model import Measure
from sdconsole.quality.score.population import ROWS, Population, fault, literal, original
from sdconsole.quality.values import shown
from sdconsole.source.catalog import quote

SAMPLES = 20
_SAMPLE_CHARACTERS = 60
AUTOMATION = ":automation_accounts"
_STRING = re.compile(r"'(?:[^']|'')*'")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')


@dataclass(frozen=True, slots=True)
class RowCheck:
    """A check of single rows: both conditions are SQL over the population's columns, faults and originals."""

    columns: tuple[str, ...]
    evaluated: str
    failed: str
    faults: tuple[str, ...] = ()
    originals: tuple[str, ...] = ()


@dataclass(slots=True)
class Facts:
    """One file as the checks see it. `earliest` and `latest` are the first and last plausible moment as text.

    `filled` (which columns hold values) and `values` (usable cells by table) are given where they are known already.
    `previous` is `Score.to_dict()` of the last deployment.
    """

    connection: sqlite3.Connection
    contract: Contract
    populations: Mapping[str, Population]
    earliest: str
    latest: str
    filled: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    values: Mapping[str, int] = field(default_factory=dict)
    previous: Mapping[str, Any] | None = None
    _rows: dict[str, int] = field(default_factory=dict)
    _values: dict[tuple[str, str], bool] = field(default_factory=dict)

    def population(self, table: str) -> Population | None:
        return self.populations.get(table)

    def rows(self, table: str) -> int:
        """The table's rows, those held back included; 0 for a table that is not there."""
        if table not in self._rows:
            population = self.population(table)
            query = "SELECT 0" if population is None else f"SELECT count(*) FROM ({population.select(())})"  # noqa: S608
            self._rows[table] = int(self.connection.execute(query).fetchone()[0])
        return self._rows[table]

    def has_value(self, table: str, column: str) -> bool:
        """Whether any cell of the column holds anything at all, be it usable or not.

        The clean file has every column of the contract, so a column that the export lacks and one that is empty look
        alike; they are worth the same.
        """
        place = (table, column)
        if place in self.filled:
            return self.filled[place]
        if place not in self._values:
            population = self.population(table)
            if population is None or population.table.column(column) is None:
                self._values[place] = False
            else:
                rows = population.select([column], faults=[column])
                query = f"SELECT EXISTS (SELECT 1 FROM ({rows}) WHERE {quote(column)} IS NOT NULL OR {fault(column)})"  # noqa: S608
                self._values[place] = bool(self.connection.execute(query).fetchone()[0])
        return self._values[place]

    def usable_values(self, table: str) -> int:
        """Cells with a canonical value, those of rows held back included."""
        if table in self.values:
            return self.values[table]
        population = self.population(table)
        if population is None:
            return 0
        counts = ", ".join(f"count({quote(column.name)})" for column in population.table.columns)
        live = self.connection.execute(f"SELECT {counts} FROM {quote(table)}").fetchone()  # noqa: S608
        held = self.connection.execute(
            f"SELECT count(*) FROM {QUARANTINE} AS q, json_each(q.cleaned_json, '$.values') AS cell"  # noqa: S608
            " WHERE q.table_name = ? AND q.column_name IS NULL AND cell.type <> 'null'",
            (table,),
        ).fetchone()
        return int(sum(live) + held[0])

    def expand(self, rule: Rule, sql: str, known: Collection[str]) -> str:
        """The rule's SQL with the automation accounts put in. Raises UsageError for a quoted name that is not `known`.

        SQLite would take an unknown "name" for a text, so a misspelt column would quietly compare with itself.
        """
        code = _STRING.sub("''", sql)
        unknown = [name for name in _QUOTED.findall(code) if name not in known and f'AS "{name}"' not in code]
        if unknown:
            raise bad_rule(rule, f'its SQL names "{unknown[0]}", which is none of its columns')
        accounts = ", ".join(map(literal, self.contract.automation_accounts)) or "NULL"
        return sql.replace(AUTOMATION, accounts)

    def names(self) -> set[str]:
        """Every table and column that a query of the contract may name."""
        tables = [*self.contract.tables, *(population.table for population in self.populations.values())]
        stored = {table.name for table in tables} | {column.name for table in tables for column in table.columns}
        return stored | {QUARANTINE, *(column.name for column in QUARANTINE_TABLE.columns)}


def contract_table(facts: Facts, rule: Rule) -> Table:
    """The table of a rule, as the contract describes it if it does. Raises UsageError for an unknown one."""
    table = facts.contract.table(rule.table)
    if table is None:
        population = facts.population(rule.table)
        if population is None:
            raise bad_rule(rule, f"there is no table {rule.table!r}")
        table = population.table
    return table


def contract_column(facts: Facts, rule: Rule, at: int = 0) -> Column:
    """The rule's column number `at`. Raises UsageError for a rule that names none, or an unknown one."""
    name = rule.columns[at] if at < len(rule.columns) else ""
    column = contract_table(facts, rule).column(name)
    if column is None:
        raise bad_rule(rule, f"check {rule.check!r} needs a column of {rule.table!r} at place {at + 1}, found {name!r}")
    return column


def bad_rule(rule: Rule, cause: str) -> UsageError:
    return UsageError(
        "rule-invalid",
        f"rule {rule.id} ({rule.title}) cannot be evaluated",
        cause=cause,
        next_step="correct the rule in the contract; sdconsole contract lint shows its place",
    )


def number_option(rule: Rule, name: str, default: float | None = None) -> float:
    """A number from the rule's options. Raises UsageError when it is needed and missing, or is no number."""
    value = rule.options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad_rule(rule, f"option {name!r} must be a number, found {value!r}")
    return value


def text_option(rule: Rule, name: str) -> str:
    return str(rule.options.get(name, ""))


def failing_query(population: Population, check: RowCheck) -> str:
    """A statement of its own that selects the rows that fail, for the sqlite3 shell and for a sample."""
    columns = [*population.table.row_key, *check.columns]
    shown_columns = ["row_id", "held", *map(quote, dict.fromkeys(columns)), *map(original, check.originals)]
    rows = population.select(columns, faults=check.faults, originals=check.originals)
    return (
        f"WITH {ROWS} AS ({rows}) SELECT {', '.join(shown_columns)} FROM {ROWS}"  # noqa: S608
        f" WHERE ({check.evaluated}) AND ({check.failed})"
    )


def missing_table_query(table: str) -> str:
    """A statement that says, as a row, that there are no rows to select."""
    return f"SELECT {literal(f'table {table} holds no rows')} AS finding"


def sample_text(key: Sequence[str], names: Sequence[str], values: Mapping[str, object], held: object) -> str:
    """One failing row in words: its key, then the columns that matter, escaped and shortened."""
    named = dict.fromkeys((*key, *names))
    parts = [f"{name}={_shown(values.get(name))}" for name in named]
    return ", ".join(parts) + (" [in quarantine]" if held else "")


def _shown(value: object) -> str:
    return "NULL" if value is None else shown(value, _SAMPLE_CHARACTERS)


def fetch_samples(
    facts: Facts, population: Population, query: str, columns: Iterable[str]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Up to 20 failing rows in words and their row numbers; `query` selects row_id and held first."""
    cursor = facts.connection.execute(f"SELECT * FROM ({query}) LIMIT {SAMPLES}")  # noqa: S608
    names = [description[0] for description in cursor.description]
    samples, row_ids = [], []
    for row in cursor:
        values = dict(zip(names, row, strict=True))
        samples.append(sample_text(population.table.row_key, list(columns), values, row[1]))
        row_ids.append(int(row[0]))
    return tuple(samples), tuple(row_ids)


def nothing_there(facts: Facts, rule: Rule, needed: Sequence[str]) -> Measure | None:
    """The answer for a rule whose table or columns hold nothing; None when there is something to look at.

    What is required fails in every row; what is optional is left out.
    """
    table = contract_table(facts, rule)
    rows = facts.rows(rule.table)
    if rows == 0:
        if table.big:
            said = "is not in the file" if facts.population(rule.table) is None else "holds no rows"
            return Measure(
                note=f"table {rule.table} {said}", lost_share=1.0, passed=False, sql=missing_table_query(rule.table)
            )
        return Measure(left_out=f"table {rule.table} holds no rows", passed=True)
    empty = [name for name in needed if not facts.has_value(rule.table, name)]
    if not empty:
        return None
    required = [name for name in empty if (column := table.column(name)) is not None and column.required]
    if not required:
        return Measure(left_out=f"column {', '.join(empty)} is missing or empty", passed=True)
    population = facts.populations[rule.table]
    query = failing_query(population, RowCheck(tuple(required), "1", f"{quote(required[0])} IS NULL"))
    samples, row_ids = fetch_samples(facts, population, query, required)
    return Measure(
        evaluated=rows,
        failed=rows,
        samples=samples,
        sample_rows=row_ids,
        sql=query,
        note=f"column {', '.join(required)} is missing or holds no value",
        lost_share=1.0,
        passed=False,
    )
