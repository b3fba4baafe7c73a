"""What was generated: sizes, every kind of defect with its counts, and the figures that a correct deployment shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdconsole.source.generate.defects import KINDS

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Figures:
    """What the dashboards must show once the export is cleaned and loaded; rows, tickets unless named otherwise.

    A ticket whose row goes into quarantine is not counted; its comments and timesheets then count as orphans.
    """

    tickets: int
    closed: int
    open: int
    unassigned: int
    sla_met: int
    sla_missed: int
    closed_without_visible_comment: int
    closed_with_one_visible_comment: int
    closed_with_two_or_three_visible_comments: int
    closed_with_more_visible_comments: int
    comments: int
    visible_comments: int
    comment_orphans: int
    timesheets: int
    timesheets_of_tickets: int
    timesheets_admin: int
    timesheet_orphans: int

    @property
    def first_contact_resolution(self) -> float:
        """Share of the closed tickets with at most one visible comment."""
        return (self.closed_without_visible_comment + self.closed_with_one_visible_comment) / max(1, self.closed)

    @property
    def coverage(self) -> float:
        """Share of the closed tickets with at least one visible comment."""
        return 1 - self.closed_without_visible_comment / max(1, self.closed)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The record beside a generated export. `path` is not part of the file, so equal arguments make equal files.

    `counts` is {kind: {table: {column: defects}}}, `expected` {kind: {expectation: defects}};
    `columns_with_values` counts the columns that hold at least one value.
    """

    path: Path
    seed: int
    as_of: str
    """The day from which the future dates are counted; a profile as of that day warns about them."""
    size: str
    dirt: str
    rows: Mapping[str, int]
    counts: Mapping[str, Mapping[str, Mapping[str, int]]]
    expected: Mapping[str, Mapping[str, int]]
    columns_with_values: int
    figures: Figures

    @property
    def total_rows(self) -> int:
        return sum(self.rows.values())

    def count(self, kind: str, table: str | None = None, column: str | None = None) -> int:
        """Defects of a kind, in one table or column where given."""
        return sum(
            number
            for of_table, columns in self.counts.get(kind, {}).items()
            for of_column, number in columns.items()
            if table in (None, of_table) and column in (None, of_column)
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "seed": self.seed,
            "as_of": self.as_of,
            "size": self.size,
            "dirt": self.dirt,
            "rows": dict(self.rows),
            "total_rows": self.total_rows,
            "columns_with_values": self.columns_with_values,
            "kinds": {kind: KINDS[kind] for kind in self.counts},
            "counts": self.counts,
            "expected": self.expected,
            "figures": asdict(self.figures),
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"


def manifest_path(path: Path) -> Path:
    return path.with_name(path.name + ".manifest.json")


def defects_path(path: Path) -> Path:
    return path.with_name(path.name + ".defects.jsonl")


def read_manifest(path: Path) -> Manifest:
    """The manifest of the export at `path`. Raises OSError, ValueError or KeyError when it is missing or not one."""
    found = json.loads(manifest_path(path).read_text(encoding="utf-8"))
    if found["schema"] != SCHEMA:
        raise ValueError(f"{manifest_path(path)} has schema {found['schema']}, this program reads {SCHEMA}")
    return Manifest(
        path=path,
        seed=found["seed"],
        as_of=found["as_of"],
        size=found["size"],
        dirt=found["dirt"],
        rows=found["rows"],
        counts=found["counts"],
        expected=found["expected"],
        columns_with_values=found["columns_with_values"],
        figures=Figures(**found["figures"]),
    )


def read_defects(path: Path) -> Iterator[dict[str, Any]]:
    """The defects of the export at `path`, one dict a defect, in the order of the file."""
    with defects_path(path).open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
