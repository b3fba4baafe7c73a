"""Schema drift: tables and columns that are new, gone or of another type, and what will happen to each.

Against the contract it is what the profile found; against the previous deployment it is the shape that readers see
now. Knows no file and no server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from sdconsole.contract.model import Table
from sdconsole.quality.drift.model import Shape, ShapeChange
from sdconsole.quality.profile.model import IssueKind, Profile

_SHAPES = {
    IssueKind.MISSING_TABLE: Shape.MISSING_TABLE,
    IssueKind.MISSING_COLUMN: Shape.MISSING_COLUMN,
    IssueKind.UNKNOWN_TABLE: Shape.NEW_TABLE,
    IssueKind.UNKNOWN_COLUMN: Shape.NEW_COLUMN,
    IssueKind.TYPE_MISMATCH: Shape.RETYPED,
}
_REFUSED = "the cutover is refused while views of others depend on it"


def against_contract(profile: Profile) -> tuple[ShapeChange, ...]:
    """Nothing for a file that holds none of the contract's tables: it is another kind of database."""
    if not any(table.known for table in profile.tables):
        return ()
    return tuple(
        ShapeChange(_SHAPES[issue.kind], "contract", issue.table, issue.column, issue.impact, issue.recommendation)
        for issue in profile.issues
        if issue.kind in _SHAPES
    )


def against_previous(before: Sequence[Table], now: Sequence[Table]) -> tuple[ShapeChange, ...]:
    """What readers will see change, by the tables of the version before and of the one to come."""
    earlier, current = ({table.name: table for table in tables} for tables in (before, now))
    return (
        *(
            _change(Shape.NEW_TABLE, name, "", "not in the deployment before", "readers get a new view")
            for name in current
            if name not in earlier
        ),
        *(
            _change(Shape.MISSING_TABLE, name, "", "was in the deployment before", f"its view is dropped; {_REFUSED}")
            for name in earlier
            if name not in current
        ),
        *(change for name, table in current.items() if name in earlier for change in _columns(earlier[name], table)),
    )


def _columns(before: Table, now: Table) -> Iterator[ShapeChange]:
    for column in now.columns:
        was = before.column(column.name)
        if was is None:
            change, effect = f"new, {column.type}", "readers get a new column at the end of the view"
            yield _change(Shape.NEW_COLUMN, now.name, column.name, change, effect)
        elif was.type != column.type:
            change = f"{column.type}, {was.type} before"
            yield _change(Shape.RETYPED, now.name, column.name, change, f"the view is made again; {_REFUSED}")
    for column in before.columns:
        if now.column(column.name) is None:
            effect = f"the view is made again without it; {_REFUSED}"
            yield _change(Shape.MISSING_COLUMN, now.name, column.name, f"gone, {column.type} before", effect)


def _change(kind: Shape, table: str, column: str, change: str, effect: str) -> ShapeChange:
    against: Literal["previous"] = "previous"
    return ShapeChange(kind, against, table, column, change, effect)
