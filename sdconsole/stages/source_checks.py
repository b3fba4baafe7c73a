"""Preflight checks of the export: still the same file, the tables and columns of the contract, plausible row counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sdconsole.contract.model import Contract
from sdconsole.quality.clean.quarantine import QUARANTINE
from sdconsole.source.catalog import Catalog
from sdconsole.stages.checks import Finding, failed, passed, warned


def source_schema(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Differences from the contract. A file with none of its tables is another kind of database, and that is fine."""
    known = [table for table in contract.tables if catalog.table(table.name)]
    if not known:
        names = ", ".join(table.name for table in catalog.tables[:8])
        yield warned(
            "source_schema",
            f"none of the {len(contract.tables)} tables of {contract.name} is here; deployed by what the values prove",
            measured=names,
            remedy="give a contract that describes this database with --contract",
        )
        return
    missing = [table.name for table in contract.tables if not table.optional and catalog.table(table.name) is None]
    lost: list[str] = []
    optional: list[str] = []
    extra: list[str] = []
    for table in known:
        found = catalog.table(table.name)
        present = set(found.column_names) if found else set()
        for column in table.columns:
            if column.name not in present:
                (lost if column.required or column.name in table.key else optional).append(
                    f"{table.name}.{column.name}"
                )
        extra += [f"{table.name}.{name}" for name in present if table.column(name) is None]
    extra += [table.name for table in catalog.tables if contract.table(table.name) is None]
    if missing or lost:
        yield failed(
            "source_schema",
            f"missing: {', '.join([*missing, *lost])}",
            remedy="ask for a complete export, or give the contract that fits this one with --contract",
        )
    if optional:
        yield warned("source_schema", f"optional columns are missing and stay empty: {', '.join(optional)}")
    if extra:
        yield warned(
            "source_schema", f"not in the contract, typed by what the values prove: {', '.join(sorted(extra))}"
        )
    if not (missing or lost or optional or extra):
        columns = sum(len(table.columns) for table in known)
        yield passed("source_schema", f"{len(known)} tables and {columns} columns as the contract says")


def same_database(rows: Mapping[str, int], live: Mapping[str, int], *, described: bool) -> Finding:
    """An export that has none of the tables that readers see now is another database, unless a contract was given."""
    shown = {name for name in live if name != QUARANTINE}
    kept = shown & set(rows)
    if shown and not kept and not described:
        return failed(
            "same_database",
            f"none of the {len(shown)} tables that readers see now is in this file",
            measured=", ".join(sorted(rows)[:6]),
            threshold=", ".join(sorted(shown)[:6]),
            remedy="another live schema with --schema; or, to replace them all, a contract with --contract",
            slug="other-database",
        )
    return passed("same_database", f"{len(kept)} of {len(shown)} live tables are in this file")


def source_rows(
    contract: Contract, rows: Mapping[str, int], last: Mapping[str, int], *, change_percent: int
) -> Iterator[Finding]:
    """Big tables must hold rows; a change of more than `change_percent` against the live version is worth a look."""
    empty = [table.name for table in contract.tables if table.big and table.name in rows and not rows[table.name]]
    if empty:
        yield failed("source_rows", f"no rows in {', '.join(empty)}", remedy="ask for the export again")
    for name, before in last.items():
        now = rows.get(name)
        if now is None or not before:
            continue
        if abs(now - before) * 100 > change_percent * before:
            yield warned(
                "source_rows",
                f"{name} changed from {before:,} to {now:,} rows",
                measured=f"{(now - before) / before:+.1%}",
                threshold=f"{change_percent} %",
                remedy="make sure that this is the whole export",
            )
    if not empty:
        yield passed("source_rows", f"{sum(rows.values()):,} rows in {len(rows)} tables")
