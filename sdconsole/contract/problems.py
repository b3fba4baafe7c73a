"""What can be wrong with a contract that is well-formed TOML: each mistake with its place in the file and in words.

Knows no lines: a place is a path of keys and element numbers, as in the TOML. Pure functions of the contract.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from sdconsole.contract.date_answers import ORDERS
from sdconsole.contract.model import Column, Contract, Index, Kind, Reference, Rule, Table, known_type
from sdconsole.contract.toml_lines import Location

_CLASSES = {
    "": Contract,
    "table": Table,
    "table.columns": Column,
    "table.references": Reference,
    "table.indexes": Index,
    "rule": Rule,
}
_TOML_NAMES = {"tables": "table", "rules": "rule"}
_NOT_WRITTEN = frozenset({"source", "digest"})


@dataclass(frozen=True, slots=True)
class Problem:
    """`location` is the path in the TOML, e.g. ("table", 0, "columns", 3, "type")."""

    location: Location
    message: str


def validation_problems(error: ValidationError) -> Iterator[Problem]:
    """The keys that are unknown or missing and the values of the wrong type."""
    for detail in error.errors():
        first, *rest = detail["loc"]
        location = (_TOML_NAMES.get(str(first), first), *rest)
        message = detail["msg"]
        if detail["type"] == "unexpected_keyword_argument":
            place = ".".join(part for part in location[:-1] if isinstance(part, str))
            known = _CLASSES.get(place, Contract)
            names = [_TOML_NAMES.get(field.name, field.name) for field in fields(known)]
            near = difflib.get_close_matches(str(location[-1]), [n for n in names if n not in _NOT_WRITTEN], n=1)
            message = "unknown key" + (f", did you mean {near[0]!r}?" if near else "")
        elif detail["type"] in ("missing", "missing_argument"):
            message = "the key is missing"
        yield Problem(location, message)


def contract_problems(contract: Contract, *, checks: Collection[str] = ()) -> Iterator[Problem]:
    """What does not make sense. `checks` are the kinds of checks that rules may name; () = any."""
    yield from _settings(contract)
    yield from _repeated((("table", at, "name"), table.name) for at, table in enumerate(contract.tables))
    for at, table in enumerate(contract.tables):
        yield from _table(contract, table, ("table", at))
    yield from _repeated(((("rule", at, "id"), rule.id) for at, rule in enumerate(contract.rules)), any_case=False)
    for at, rule in enumerate(contract.rules):
        yield from _rule(contract, rule, ("rule", at), checks)


def place_text(location: Location, data: Mapping[str, Any]) -> str:
    """The key as a person looks for it: elements by their name or id, e.g. table[tickets].columns[TKT-Title].type."""
    said: list[str] = []
    value: Any = data
    for part in location:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            value = None
        if isinstance(part, int):
            name = value.get("name", value.get("id", value.get("column"))) if isinstance(value, dict) else None
            said[-1] += f"[{part if name is None else name}]"
        else:
            said.append(part)
    return ".".join(said)


def _settings(contract: Contract) -> Iterator[Problem]:
    try:
        ZoneInfo(contract.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Problem(("timezone",), f'no time zone is called {contract.timezone!r}, e.g. "Australia/Perth"')
    try:
        date.fromisoformat(contract.earliest)
    except ValueError:
        yield Problem(("earliest",), f'{contract.earliest!r} is no date such as "2020-01-01"')
    if contract.latest_days_ahead < 0:
        yield Problem(("latest_days_ahead",), "a number of days cannot be negative")


def _repeated(named: Iterable[tuple[Location, str]], *, any_case: bool = True) -> Iterator[Problem]:
    """SQLite does not tell upper from lower case in names of tables and columns."""
    taken: dict[str, str] = {}
    for location, name in named:
        key = name.lower() if any_case else name
        if key in taken:
            also = f", also as {taken[key]!r}" if taken[key] != name else ""
            yield Problem(location, f"{name!r} is described twice{also}")
        taken.setdefault(key, name)


def _table(contract: Contract, table: Table, here: Location) -> Iterator[Problem]:
    columns = {column.name for column in table.columns}
    if not table.columns:
        yield Problem((*here, "columns"), "a table needs columns")
    yield from _repeated(((*here, "columns", at, "name"), column.name) for at, column in enumerate(table.columns))
    for at, column in enumerate(table.columns):
        yield from _column(column, (*here, "columns", at))
    for key, names in (("key", table.key), ("duplicate_key", table.duplicate_key)):
        for at, name in enumerate(names):
            yield from _known(name, columns, table.name, (*here, key, at))
    if table.newest_by:
        yield from _known(table.newest_by, columns, table.name, (*here, "newest_by"))
    if table.canary_strata:
        yield from _known(table.canary_strata, columns, table.name, (*here, "canary_strata"))
    for at, index in enumerate(table.indexes):
        for nth, name in enumerate(index.columns):
            yield from _known(name, columns, table.name, (*here, "indexes", at, "columns", nth))
    for at, reference in enumerate(table.references):
        place = (*here, "references", at)
        yield from _known(reference.column, columns, table.name, (*place, "column"))
        parent = contract.table(reference.table)
        if parent is None:
            near = _near(reference.table, [other.name for other in contract.tables])
            yield Problem((*place, "table"), f"there is no table {reference.table!r}{near}")
        else:
            parents = [column.name for column in parent.columns]
            yield from _known(reference.parent_column, parents, parent.name, (*place, "parent_column"))


def _column(column: Column, here: Location) -> Iterator[Problem]:
    if not known_type(column.type):
        known = "bigint, integer, smallint, numeric(p,s), double precision, text, timestamp, jsonb"
        yield Problem((*here, "type"), f"unknown type {column.type!r}; known are {known}")
        return
    if column.date_order is not None and column.date_order not in ORDERS:
        yield Problem((*here, "date_order"), f"{column.date_order} is a finding, not an order: say {', '.join(ORDERS)}")
    elif column.date_order is not None and column.kind is not Kind.TIMESTAMP:
        yield Problem((*here, "date_order"), f"only a timestamp has an order of day and month, this is {column.type}")
    if column.minimum is not None and column.maximum is not None and column.minimum > column.maximum:
        yield Problem((*here, "minimum"), f"{column.minimum:g} is greater than the maximum {column.maximum:g}")


def _rule(contract: Contract, rule: Rule, here: Location, checks: Collection[str]) -> Iterator[Problem]:
    if checks and rule.check not in checks:
        yield Problem((*here, "check"), f"there is no check {rule.check!r}{_near(rule.check, checks)}")
    if not 0 <= rule.tolerance_percent <= 100:
        yield Problem((*here, "tolerance_percent"), "a share is between 0 and 100 percent")
    if rule.points < 0:
        yield Problem((*here, "points"), "points cannot be negative")
    table = contract.table(rule.table) if rule.table else None
    if rule.table and table is None:
        names = [other.name for other in contract.tables]
        yield Problem((*here, "table"), f"there is no table {rule.table!r}{_near(rule.table, names)}")
    elif table is not None:
        columns = [column.name for column in table.columns]
        for at, name in enumerate(rule.columns):
            yield from _known(name, columns, table.name, (*here, "columns", at))


def _known(name: str, names: Collection[str], table: str, location: Location) -> Iterator[Problem]:
    if name not in names:
        yield Problem(location, f"{table} has no column {name!r}{_near(name, names)}")


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1)
    return f", did you mean {near[0]!r}?" if near else ""
