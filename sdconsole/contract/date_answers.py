"""What people say about the order of day and month in a date column, and which column they mean.

An answer is written TABLE.COLUMN=DMY. Names are compared as SQLite compares them, and one that nobody knows is refused
with the nearest that is known. Knows no file: it is given names.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sdconsole.contract.model import Contract, DateOrder, Kind
from sdconsole.errors import UsageError

ORDERS = (DateOrder.DMY, DateOrder.MDY, DateOrder.YMD)
FLAG = "--date-format"
SETTING = "date_formats"
_FORM = f"{FLAG} 'TABLE.COLUMN=DMY'   (or MDY, YMD)"


@dataclass(frozen=True, slots=True)
class DateAnswer:
    """One answer. `by` is the person, `via` the way it came: the flag, the settings, a console."""

    table: str
    column: str
    order: DateOrder
    by: str
    via: str

    @property
    def place(self) -> str:
        return f"{self.table}.{self.column}"


def read_date_formats(texts: Iterable[str]) -> dict[str, str]:
    """Orders by TABLE.COLUMN from texts such as "tickets.TKT-Created Time=DMY".

    Raises UsageError ("date-format") for any other form, and for two orders of one column.
    """
    found: dict[str, str] = {}
    for text in texts:
        place, equals, order = text.rpartition("=")
        order = order.strip().upper()
        if not equals or "." not in place or order not in ORDERS:
            raise UsageError(
                "date-format",
                f"{FLAG} {text!r} does not name a column and an order",
                cause=f"known orders are {', '.join(ORDERS)}",
                next_step=_FORM,
            )
        if found.setdefault(place, order) != order:
            raise _contradiction(place, found[place], order)
    return found


def answers_from(
    given: Mapping[str, str], tables: Mapping[str, Sequence[str]], contract: Contract, *, by: str, via: str
) -> tuple[DateAnswer, ...]:
    """The answers with the names spelt as in `tables` (columns by table).

    Raises UsageError ("date-format-unknown") for a table or column that is not there, "date-format" for one that the
    contract does not call a date, and for two orders of one column.
    """
    answers: dict[tuple[str, str], DateAnswer] = {}
    for place, order in given.items():
        table, column = _find(place, tables)
        described = contract.table(table)
        known = described.column(column) if described else None
        if known is not None and known.kind is not Kind.TIMESTAMP:
            raise UsageError(
                "date-format",
                f"{table}.{column} holds no dates",
                cause=f"the contract {contract.name} calls it {known.type}",
                next_step="name a date column, or give another contract with --contract",
            )
        answer = DateAnswer(table, column, DateOrder(order), by, via)
        earlier = answers.setdefault((table, column), answer)
        if earlier.order is not answer.order:
            raise _contradiction(answer.place, earlier.order, order)
    return tuple(answers.values())


def merged(*groups: Iterable[DateAnswer]) -> tuple[DateAnswer, ...]:
    """One answer for each column; a later group wins over an earlier one."""
    return tuple({(answer.table, answer.column): answer for group in groups for answer in group}.values())


def spelt_by_contract(contract: Contract, stored: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The tables and columns of a file under the names that the contract gives them, where it knows them."""
    found: dict[str, tuple[str, ...]] = {}
    tables = {table.name.lower(): table for table in contract.tables}
    for name, columns in stored.items():
        table = tables.get(name.lower())
        if table is None:
            found[name] = tuple(columns)
        else:
            spelt = {column.name.lower(): column.name for column in table.columns}
            found[table.name] = tuple(spelt.get(column.lower(), column) for column in columns)
    return found


def _find(place: str, tables: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """The table is what stands before the first dot; where no table is called so, before one of the next."""
    for table, column in _splits(place):
        known = _named(table, tables)
        if known is None:
            continue
        found = _named(column, tables[known])
        if found is not None:
            return known, found
        raise _unknown(f"table {known} has no column {column!r}", f"{known}.", column, tables[known])
    table = place.partition(".")[0]
    raise _unknown(f"there is no table {table!r}", "", table, tables)


def _splits(place: str) -> Iterator[tuple[str, str]]:
    parts = place.split(".")
    for at in range(1, len(parts)):
        yield ".".join(parts[:at]), ".".join(parts[at:])


def _named(name: str, known: Iterable[str]) -> str | None:
    lowered = name.lower()
    names = list(known)
    return name if name in names else next((one for one in names if one.lower() == lowered), None)


def _unknown(message: str, prefix: str, name: str, known: Iterable[str]) -> UsageError:
    names = list(known)
    lowered = {one.lower(): one for one in reversed(names)}
    near = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.4)
    return UsageError(
        "date-format-unknown",
        message,
        cause=f"known: {', '.join(names[:12])}" + (f" and {len(names) - 12} more" if len(names) > 12 else ""),
        next_step=f"did you mean {prefix}{lowered[near[0]]}?" if near else _FORM,
    )


def _contradiction(place: str, one: str, other: str) -> UsageError:
    return UsageError(
        "date-format",
        f"{place} is answered twice, as {one} and as {other}",
        cause="a date format is written TABLE.COLUMN=ORDER",
        next_step="give one order for each column",
    )
