"""What the profile of the very same bytes proves, so that cleaning need not look again: settled columns, repeated keys.

The profile has looked at every cell. What follows from its counts is used only while the file still has the digest
that was profiled; without one, or for a column the contract does not know, every cell is looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence

from sdconsole.contract.model import Column, Kind, Table
from sdconsole.quality.clean.numbers import INTEGER_BITS
from sdconsole.quality.profile.model import ColumnProfile, TableProfile

_TEXT_OR_NULL = frozenset({"text", "null"})


def settled_columns(table: Table, found: TableProfile | None) -> frozenset[str]:
    """The names of the columns whose every cell is carried over as it stands."""
    if found is None or not found.known:
        return frozenset()
    profiled = {column.name.lower(): column for column in found.columns}
    return frozenset(
        column.name
        for column in table.columns
        if (seen := profiled.get(column.name.lower())) is not None
        and _is_settled(column, seen, in_key=column.name in table.key)
    )


def rows_sharing_a_key(table: Table, found: TableProfile | None) -> Sequence[int] | None:
    """The numbers of all rows whose key another row may have too; None = nothing is proven."""
    if found is None or not found.known or found.key != table.row_key or found.rows_sharing_a_key is None:
        return None
    columns = [(table.column(name), found.column(name)) for name in table.row_key]
    alike = all(column and seen and _reads_alike(column, seen, table) for column, seen in columns)
    return found.rows_sharing_a_key if alike else None


def _reads_alike(column: Column, seen: ColumnProfile, table: Table) -> bool:
    """Whether the profile tells no two keys apart that are one key once they are clean."""
    if column.keep_tokens or (column.positive and column.name not in table.key):
        return False
    match column.kind:
        case Kind.INTEGER | Kind.TIMESTAMP:
            return True
        case Kind.TEXT:
            return seen.storage.keys() <= _TEXT_OR_NULL
        case _:
            return False


def _is_settled(column: Column, found: ColumnProfile, *, in_key: bool) -> bool:
    if column.checked or found.intended is not column.kind:
        return False
    if found.nulls and (in_key or column.not_null):
        return False
    stored = set(found.storage) - {"null"}
    if not stored:
        return True
    match column.kind:
        case Kind.INTEGER:
            limit = 1 << INTEGER_BITS[column.type]
            least = 1 if in_key and column.positive else -limit
            low, high = found.minimum, found.maximum
            return (
                stored == {"integer"}
                and isinstance(low, int)
                and isinstance(high, int)
                and least <= low <= high < limit
            )
        case Kind.TIMESTAMP:
            return stored == {"text"} and found.dates is not None and found.dates.canonical == found.rows - found.nulls
        case Kind.TEXT:
            return stored == {"text"} and not (found.empty or found.blank or found.tokens or found.untidy)
        case _:
            return False
