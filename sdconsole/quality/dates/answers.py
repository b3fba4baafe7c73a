"""Checks the operator's answers about the order of dates against the columns that are there.

An answer that names nothing would be ignored in silence, and the operator would believe it was followed.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from sdconsole.contract.model import Contract, DateOrder, Kind
from sdconsole.errors import UsageError

_POSSIBLE = (DateOrder.DMY, DateOrder.MDY, DateOrder.YMD)


def check_answers(
    answers: Mapping[tuple[str, str], DateOrder], contract: Contract, columns: Mapping[str, Collection[str]]
) -> None:
    """`columns` are those of the file, by table. Raises UsageError "date-answer".

    Columns of the contract may be named whether or not this file has them.
    """
    for (table_name, column_name), order in answers.items():
        place = f"{table_name}.{column_name}"
        table = contract.table(table_name)
        described = table.column(column_name) if table else None
        if order not in _POSSIBLE:
            raise _refused(
                place, f"{order} is what a profile finds, not an order to read dates in", "answer DMY or MDY"
            )
        if described is not None and described.kind is not Kind.TIMESTAMP:
            raise _refused(place, f"the contract says that it holds {described.type}", "name a column that holds dates")
        if described is None and column_name not in columns.get(table_name, ()):
            there = [f"{table}.{name}" for table, names in columns.items() for name in names]
            near = difflib.get_close_matches(place, there, n=1)
            advice = f"did you mean {near[0]}?" if near else "sdconsole profile SOURCE lists the columns"
            raise _refused(place, "neither the file nor the contract has such a column", advice)


def _refused(place: str, cause: str, next_step: str) -> UsageError:
    return UsageError("date-answer", f"no date order can be set for {place}", cause=cause, next_step=next_step)
