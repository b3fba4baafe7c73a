"""Which columns of a database nobody described name the rows of another table, where the values prove it.

A reference is proposed when the file declares it as a foreign key, or when the names say so, and then only if every
value exists in the unique column that it would name. Reads; judges no deployment.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence

from sdconsole.contract.model import Kind, Reference, Table
from sdconsole.quality.profile.model import ColumnProfile, Profile, ValueClass
from sdconsole.source.catalog import quote
from sdconsole.source.open import reading

_PLAIN_NAMES = frozenset({"id", "key", "code", "name", "no", "nr", "number", "uid", "uuid", "guid", "type", "value"})
"""Names that say nothing about what they identify."""
_MANY = 20


def proven_references(
    connection: sqlite3.Connection, profile: Profile, tables: Sequence[Table]
) -> dict[str, tuple[Reference, ...]]:
    """References by table name, one for each column at most."""
    by_name = {table.name.lower(): table for table in tables}
    found: dict[str, tuple[Reference, ...]] = {}
    for table in tables:
        references: dict[str, Reference] = {}
        for reference in (*_declared(connection, table, by_name), *_named(profile, table, tables)):
            if reference.column not in references and _holds(connection, profile, table, reference):
                references[reference.column] = reference
        found[table.name] = tuple(references.values())
    return found


def _declared(connection: sqlite3.Connection, table: Table, by_name: dict[str, Table]) -> Iterator[Reference]:
    """Foreign keys of one column, as the file declares them; a missing parent column means the parent's key."""
    with reading(connection):
        rows = connection.execute(
            'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq', (table.name,)
        ).fetchall()
    ids = [row[0] for row in rows]
    for number, parent_name, column_name, parent_column in rows:
        parent = by_name.get(str(parent_name).lower())
        if parent is None or ids.count(number) > 1:
            continue
        wanted = parent_column or (parent.key[0] if len(parent.key) == 1 else "")
        column = next((c.name for c in table.columns if c.name.lower() == str(column_name).lower()), None)
        named = next((c.name for c in parent.columns if c.name.lower() == str(wanted).lower()), None)
        if column is not None and named is not None:
            yield Reference(column, parent.name, named)


def _named(profile: Profile, table: Table, tables: Sequence[Table]) -> Iterator[Reference]:
    """By names: `customer_id` names the `id` of customers, `AlbumId` the AlbumId of Album."""
    for column in table.columns:
        for parent in tables:
            for target in _unique_columns(profile, parent):
                if (parent.name, target.name) == (table.name, column.name):
                    continue
                child = _column(profile, table.name, column.name)
                if child is not None and _names_match(child, parent.name, target.name):
                    yield Reference(column.name, parent.name, target.name)


def _names_match(child: ColumnProfile, parent: str, target: str) -> bool:
    name, stem, key = _plain(child.name), _stem(parent), _plain(target)
    if name == stem + key:
        return True
    if name != key:
        return False
    if key in _PLAIN_NAMES:
        # Small numbers called "id" are found in every table; many texts in another one's key are no accident.
        return not child.unique and child.detected is ValueClass.TEXT and child.distinct >= _MANY
    # Two tables with one key: the one that the key is named after is the parent.
    return not child.unique or key.startswith(stem)


def _holds(connection: sqlite3.Connection, profile: Profile, table: Table, reference: Reference) -> bool:
    child = _column(profile, table.name, reference.column)
    parent = _column(profile, reference.table, reference.parent_column)
    if child is None or parent is None or not child.non_missing or not parent.unique:
        return False
    column = table.column(reference.column)
    if column is None or column.kind not in (Kind.INTEGER, Kind.TEXT):
        return False
    query = (
        f"SELECT EXISTS (SELECT 1 FROM {quote(table.name)}"  # noqa: S608
        f" WHERE {quote(reference.column)} IS NOT NULL AND trim({quote(reference.column)}) <> ''"
        f" AND {quote(reference.column)} NOT IN"
        f" (SELECT {quote(reference.parent_column)} FROM {quote(reference.table)}))"
    )
    with reading(connection):
        return not connection.execute(query).fetchone()[0]


def _unique_columns(profile: Profile, table: Table) -> Iterator[ColumnProfile]:
    found = profile.table(table.name)
    for name in found.candidate_keys if found else ():
        column = found.column(name) if found else None
        if column is not None and column.unique:
            yield column


def _column(profile: Profile, table: str, column: str) -> ColumnProfile | None:
    found = profile.table(table)
    return found.column(column) if found else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _stem(table: str) -> str:
    """The table's name in the singular, as far as English endings tell."""
    name = _plain(table)
    if name.endswith("ies"):
        return name[:-3] + "y"
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name
