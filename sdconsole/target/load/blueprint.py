"""What a contract's tables become in PostgreSQL, as data: names, keys, indexes and checks of one version schema.

The builder makes exactly this and the validation expects exactly this, so the two cannot disagree. Knows no
connection. Expressions that the contract spells as text (a partial index's condition, a default) are read by a small
grammar and written anew; anything else is refused, so that no contract can carry SQL.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from psycopg import sql

from sdconsole.contract.model import Column, Index, Table, known_type
from sdconsole.errors import UsageError
from sdconsole.target.names import derived_name, target_column_names, target_table_name

INDEX_METHODS: Final = ("btree", "hash", "gin", "gist", "brin")
_OPERATOR_CLASSES: Final = {("pg_trgm", "gin"): "gin_trgm_ops", ("pg_trgm", "gist"): "gist_trgm_ops"}
_FORMAT_TYPE: Final = {"timestamp": "timestamp without time zone"}
_LITERAL: Final = r"'(?:[^']|'')*'|-?\d+(?:\.\d+)?"
_DEFAULT: Final = re.compile(rf"(?P<now>now\(\)|current_timestamp)|(?P<literal>{_LITERAL})", re.IGNORECASE)
_CONDITION: Final = re.compile(
    r"(?:\"(?P<quoted>(?:[^\"]|\"\")+)\"|(?P<plain>[A-Za-z_][A-Za-z0-9_]*))\s*"
    rf"(?:(?P<operator>=|<>|<=|>=|<|>)\s*(?P<literal>{_LITERAL})|(?P<null>IS\s+(?:NOT\s+)?NULL))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PlannedIndex:
    """An index to be built. `operator_class` needs the extension's schema in front; "" = the type's own."""

    name: str
    columns: tuple[str, ...]
    method: str
    condition: sql.Composed | None
    needs_extension: str
    operator_class: str


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """One table as it will stand in PostgreSQL. `names` leads from the export's column names to PostgreSQL's."""

    name: str
    source: Table
    names: Mapping[str, str]
    identity: str
    """The surrogate key column that PostgreSQL numbers itself; "" = none."""
    key: tuple[str, ...]
    key_name: str
    indexes: tuple[PlannedIndex, ...]

    @property
    def columns(self) -> tuple[tuple[str, Column], ...]:
        """PostgreSQL's name and the contract's column, in order, without the surrogate key."""
        return tuple((self.names[column.name], column) for column in self.source.columns)

    def not_null(self, column: Column) -> bool:
        return column.not_null or self.names[column.name] in self.key


def plan_table(table: Table, *, taken: Collection[str] = ()) -> PlannedTable:
    """The table's plan. `taken` are the relations its schema has already: tables, views and indexes share their names.

    Raises UsageError for a type, default, condition or index method that is not allowed.
    """
    names = target_column_names(column.name for column in table.columns)
    for column in table.columns:
        if not known_type(column.type):
            raise _refused(table, column.name, f"the type {column.type!r} is not one of the contract's types")
    name = target_table_name(table.name)
    identity = derived_name([table.surrogate_key], "", set(names.values())) if table.surrogate_key else ""
    key = tuple(names[column] for column in table.key) or ((identity,) if identity else ())
    key_name = derived_name([name], "pkey", taken)
    used = {key_name, *taken}
    indexes: list[PlannedIndex] = []
    for index in table.indexes:
        planned = _plan_index(table, index, name, names, used)
        used.add(planned.name)
        indexes.append(planned)
    return PlannedTable(name, table, names, identity, key, key_name, tuple(indexes))


def plan_tables(tables: Iterable[Table]) -> tuple[PlannedTable, ...]:
    """All plans. Raises UsageError when two tables would get the same name in PostgreSQL."""
    plans = tuple(plan_table(table) for table in tables)
    names = [plan.name for plan in plans]
    for plan in plans:
        if names.count(plan.name) > 1:
            raise UsageError(
                "table-names",
                f"two tables would be called {plan.name!r} in PostgreSQL",
                cause="the export holds the same table name twice, or names that are shortened to the same one",
                next_step="rename one of them in the source",
            )
    return plans


def _plan_index(table: Table, index: Index, name: str, names: Mapping[str, str], used: set[str]) -> PlannedIndex:
    if index.method not in INDEX_METHODS:
        raise _refused(table, ", ".join(index.columns), f"the index method {index.method!r} is not known")
    operator_class = _OPERATOR_CLASSES.get((index.needs_extension, index.method), "")
    if index.needs_extension and not operator_class:
        raise _refused(
            table,
            ", ".join(index.columns),
            f"the extension {index.needs_extension!r} is not known for {index.method} indexes",
        )
    columns = tuple(names[column] for column in index.columns)
    parts = [name, *columns, *(["part"] if index.where else []), *([index.method] if index.method != "btree" else [])]
    condition = read_condition(table, index.where, names) if index.where else None
    return PlannedIndex(
        derived_name(parts, "idx", used), columns, index.method, condition, index.needs_extension, operator_class
    )


def column_definition(plan: PlannedTable, column: Column) -> sql.Composed:
    """The column's line in CREATE TABLE: name, type, DEFAULT, NOT NULL and CHECK."""
    name = sql.Identifier(plan.names[column.name])
    parts: list[sql.Composable] = [name, sql.SQL(column.type)]
    if column.default:
        parts.append(sql.SQL("DEFAULT {}").format(read_default(plan.source, column)))
    if plan.not_null(column):
        parts.append(sql.SQL("NOT NULL"))
    limits = column_limits(column, name)
    if limits is not None:
        check = derived_name([plan.name, plan.names[column.name]], "check", ())
        parts.append(sql.SQL("CONSTRAINT {} CHECK ({})").format(sql.Identifier(check), limits))
    return sql.SQL(" ").join(parts)


def column_comment(name: str, column: Column) -> str:
    """What PostgreSQL says about the column that is called `name` there; "" = nothing."""
    renamed = f"(called {column.name!r} in the export)" if name != column.name else ""
    return f"{column.description} {renamed}".strip()


def column_limits(column: Column, name: sql.Identifier) -> sql.Composed | None:
    """What a CHECK enforces on a checked column: its known values, its minimum and maximum; None = nothing."""
    if not column.checked:
        return None
    limits: list[sql.Composed] = []
    if column.values:
        limits.append(sql.SQL("{} IN ({})").format(name, sql.SQL(", ").join(map(sql.Literal, column.values))))
    if column.minimum is not None:
        limits.append(sql.SQL("{} >= {}").format(name, _number(column.minimum)))
    if column.maximum is not None:
        limits.append(sql.SQL("{} <= {}").format(name, _number(column.maximum)))
    if column.positive:
        limits.append(sql.SQL("{} > 0").format(name))
    return sql.SQL(" AND ").join(limits) if limits else None


def _number(value: float) -> sql.Literal:
    return sql.Literal(int(value) if float(value).is_integer() else Decimal(str(value)))


def read_default(table: Table, column: Column) -> sql.Composable:
    """The contract's default as SQL: now(), a number or a quoted text. Raises UsageError for anything else."""
    found = _DEFAULT.fullmatch(column.default.strip())
    if found is None:
        raise _refused(table, column.name, f"the default {column.default!r} is not now(), a number or a 'text'")
    return sql.SQL("now()") if found["now"] else _literal(found["literal"])


def read_condition(table: Table, text: str, names: Mapping[str, str]) -> sql.Composed:
    """A partial index's condition: comparisons of a column with a literal, or IS [NOT] NULL, joined by AND.

    Raises UsageError for anything else.
    """
    parts: list[sql.Composed] = []
    position = 0
    while True:
        found = _CONDITION.match(text, _after_blanks(text, position))
        column = (found["quoted"] or "").replace('""', '"') or found["plain"] if found else ""
        if found is None or column not in names:
            raise _refused(
                table, text, "the condition is not <column> <operator> <literal> or <column> IS [NOT] NULL, with AND"
            )
        name = sql.Identifier(names[column])
        if found["null"]:
            is_null = sql.SQL("IS NULL") if "NOT" not in found["null"].upper() else sql.SQL("IS NOT NULL")
            parts.append(sql.SQL("{} {}").format(name, is_null))
        else:
            operators = {known: sql.SQL(known) for known in ("=", "<>", "<=", ">=", "<", ">")}
            parts.append(sql.SQL("{} {} {}").format(name, operators[found["operator"]], _literal(found["literal"])))
        position = _after_blanks(text, found.end())
        if position == len(text):
            return sql.SQL(" AND ").join(parts)
        joined = re.compile(r"AND\s+", re.IGNORECASE).match(text, position)
        position = joined.end() if joined else len(text) + 1


def _after_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _literal(text: str) -> sql.Literal:
    return sql.Literal(text[1:-1].replace("''", "'") if text.startswith("'") else Decimal(text))


def catalog_type(column: Column) -> str:
    """The column's type as PostgreSQL's format_type spells it."""
    return _FORMAT_TYPE.get(column.type, column.type)


def column_list(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _refused(table: Table, place: str, cause: str) -> UsageError:
    return UsageError(
        "contract-sql",
        f"{table.name}: {place} cannot be used in PostgreSQL",
        cause=cause,
        next_step="correct the contract; nothing was started",
    )
