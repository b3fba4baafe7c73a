"""Opens the clean file for those who load and compare it, and checks that it holds the tables that are asked for.

SQLite takes a double-quoted name that is no column for a text, so names are checked against the catalogue before any
query is built from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sdconsole.contract.model import Table
from sdconsole.errors import OperationFailed
from sdconsole.source.catalog import Catalog, quote, read_catalog
from sdconsole.source.open import SourceConnection, open_source, reading


@contextmanager
def open_clean(path: Path, tables: Iterable[Table]) -> Iterator[SourceConnection]:
    """A read-only connection to the clean file. Raises OperationFailed "clean-file" when a table or column is missing,
    and what `open_source` and reading raise."""
    with closing(open_source(path)) as connection:
        catalog = read_catalog(connection)
        for table in tables:
            _check(catalog, table, path)
        with reading(connection, str(path)):
            yield connection


def _check(catalog: Catalog, table: Table, path: Path) -> None:
    found = catalog.table(table.name)
    held = found.column_names if found is not None and found.name == table.name else None
    missing = [column.name for column in table.columns if held is None or column.name not in held]
    if held is None or missing:
        what = f"the table {table.name!r}" if held is None else f"{table.name}: {', '.join(map(repr, missing))}"
        raise OperationFailed(
            "clean-file",
            f"the clean file does not hold what is to be loaded: {what}",
            cause=f"{path} was made for another contract or another source",
            next_step="run the clean stage again",
        )


def select_columns(table: Table, *, ordered: bool) -> str:
    """The SELECT of the table's columns, in the order of the key where it has one and order is wanted."""
    columns = ", ".join(quote(column.name) for column in table.columns)
    order = f" ORDER BY {', '.join(quote(name) for name in table.key)}" if ordered and table.key else ""
    return f"SELECT {columns} FROM {quote(table.name)}{order}"  # noqa: S608 - quoted names, no values
