"""The shape of what is deployed: the tables of the clean file and of the version schema, with proven types.

The contract's tables are always whole: a column or optional table that the export lacks is created empty. What the
contract does not know is added with the type that its values prove. Names are kept. Knows no file and no server.
"""

from __future__ import annotations

import math
from dataclasses import replace

from sdconsole.contract.model import Column, Contract, DateOrder, Table
from sdconsole.quality.dates.reading import FRACTION_CUT
from sdconsole.quality.profile.model import ColumnProfile, Profile, TableProfile, ValueClass
from sdconsole.quality.profile.verdicts import is_believed
from sdconsole.quality.values import MAX_EXACT_FLOAT


def deployed_tables(contract: Contract, profile: Profile) -> tuple[Table, ...]:
    """The tables to create, the contract's first.

    The contract's tables are among them when the file holds at least one of them; any other database is deployed as
    it is.
    """
    present = {table.name: table for table in profile.tables}
    is_export = any(table.known for table in profile.tables)
    known = [_extended(table, present.get(table.name)) for table in contract.tables] if is_export else []
    return (*known, *(_proven_table(table) for table in profile.tables if not table.known))


def proven_type(column: ColumnProfile) -> str:
    """The PostgreSQL type that enough of the values have for it to be believed; "text" when none is proven.

    A type is not proven when it would lose something: a fraction of a second, the digits of a whole number above
    2**53, or the meaning of a date that nobody can read for certain.
    """
    if not is_believed(column.matching, column.non_missing, column.believed_percent):
        return "text"
    if column.detected is ValueClass.INTEGER:
        return "bigint"
    if column.detected is ValueClass.REAL:
        return "text" if _has_large_whole_numbers(column) else "double precision"
    dates = column.dates
    if column.detected in (ValueClass.DATE, ValueClass.TIMESTAMP) and dates is not None:
        readable = not dates.unresolved and dates.order is not DateOrder.CONFLICT
        return "timestamp" if readable and not dates.flags.get(FRACTION_CUT) else "text"
    return "text"


def _has_large_whole_numbers(column: ColumnProfile) -> bool:
    extremes = (column.minimum, column.maximum)
    largest = max((abs(extreme) for extreme in extremes if isinstance(extreme, int | float)), default=math.inf)
    return column.classes.get(ValueClass.INTEGER, 0) > 0 and largest > MAX_EXACT_FLOAT


def _extended(table: Table, found: TableProfile | None) -> Table:
    """The contract's table with the file's further columns at its end."""
    if found is None or not found.unknown_columns:
        return table
    further = tuple(
        Column(column.name, proven_type(column)) for column in found.columns if column.name in found.unknown_columns
    )
    columns = table.columns + further
    taken = {column.name.lower() for column in columns}
    surrogate = table.surrogate_key
    while surrogate and surrogate.lower() in taken:
        surrogate += "_"
    return replace(table, columns=columns, surrogate_key=surrogate)


def _proven_table(found: TableProfile) -> Table:
    key = found.key if _is_usable_key(found) else ()
    return Table(
        found.name,
        tuple(Column(column.name, _proven_key_type(column) if column.name in key else proven_type(column))
              for column in found.columns),
        key=key,
    )  # fmt: skip


def _is_usable_key(found: TableProfile) -> bool:
    """Declared, unique, never missing, and made of values that survive the load unchanged."""
    parts = [column for name in found.key if (column := found.column(name)) is not None]
    return found.key_is_unique and all(
        not part.bad_utf8 and not part.control_characters and ValueClass.BLOB not in part.classes for part in parts
    )


def _proven_key_type(column: ColumnProfile) -> str:
    """A key may lose no value to quarantine, so one exception makes it text; so do dates, which may be spelt twice."""
    proven = proven_type(column)
    return proven if column.matching == column.non_missing and proven != "timestamp" else "text"
