"""What a score says: one ledger line for each rule, dimensions, total, grade and blockers, as plain frozen data.

Points are exact to a hundredth, so the losses of the ledger add up to the total that is printed. Knows no SQLite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from sdconsole.contract.model import Dimension, Severity
from sdconsole.core.events import DimensionScore, LostPoints, ScoreReported
from sdconsole.core.model import StageName

SCHEMA = 1
Phase = Literal["before", "after"]

_GRADES = ("EXCELLENT", "GOOD", "ACCEPTABLE", "POOR")


def grade_of(total: float, grades: Sequence[float]) -> str:
    """`grades` are the lowest scores of the four names, the best first."""
    return next((grade for least, grade in zip(grades, _GRADES, strict=True) if total >= least), "FAILED")


@dataclass(frozen=True, slots=True)
class Measure:
    """What a check found, before it is worth points.

    `failed` of `evaluated` rows fail; `held` of the failed ones are quarantined as whole rows: they cost points and
    will not be deployed. `lost_share` (0 to 1) overrides failed / evaluated, `passed` the tolerance. `left_out` says
    why the rule does not apply. `sql` selects the failing rows; `sample_rows` are the row numbers of the samples.
    """

    evaluated: int = 0
    failed: int = 0
    held: int = 0
    samples: tuple[str, ...] = ()
    sample_rows: tuple[int, ...] = ()
    sql: str = ""
    note: str = ""
    lost_share: float | None = None
    passed: bool | None = None
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One line of the ledger. `share` (0 to 1) is failed / evaluated; `possible` and `lost` are points of the 100.

    A rule passes while the share of failing rows that would be deployed is at most its tolerance.
    """

    id: str
    title: str
    check: str
    dimension: Dimension
    severity: Severity
    reason: str
    table: str
    columns: tuple[str, ...]
    tolerance_percent: float
    passed: bool
    evaluated: int
    failed: int
    held: int
    share: float
    possible: float
    lost: float
    samples: tuple[str, ...] = ()
    sql: str = ""
    note: str = ""
    left_out: str = ""

    @property
    def blocks(self) -> bool:
        return self.severity is Severity.BLOCKER and not self.passed

    @property
    def sentence(self) -> str:
        """The finding in one line."""
        if self.left_out:
            return f"{self.id} {self.title}: left out, {self.left_out}"
        counted = f"{self.failed:,} of {self.evaluated:,}" if self.evaluated else "nothing to look at"
        return f"{self.id} {self.title}: {counted}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True, slots=True)
class Score:
    """total + the losses of the ledger = 100. `missing_columns` are required ones, as table.column."""

    phase: Phase
    total: float
    minimum: float
    grade: str
    dimensions: tuple[DimensionScore, ...]
    ledger: tuple[RuleResult, ...]
    missing_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    """Rows by table, those in quarantine included; what the next score compares itself with."""
    schema: int = SCHEMA

    @property
    def blockers(self) -> tuple[RuleResult, ...]:
        return tuple(result for result in self.ledger if result.blocks)

    @property
    def weakest(self) -> DimensionScore | None:
        """The dimension that lost the greatest share of its points."""
        scored = [dimension for dimension in self.dimensions if dimension.possible]
        return min(scored, key=lambda dimension: dimension.points / dimension.possible, default=None)

    def passes(self, minimum: float | None = None) -> bool:
        """Whether the gate opens: enough points, and no blocker whatever the points."""
        return self.total >= (self.minimum if minimum is None else minimum) and not self.blockers

    def result(self, rule: str) -> RuleResult:
        """Raises KeyError for a rule that is not in the ledger."""
        for result in self.ledger:
            if result.id == rule:
                return result
        raise KeyError(rule)

    def to_event(self, stage: StageName) -> ScoreReported:
        """The score with the lines of the ledger that cost points or did not pass."""
        losses = tuple(
            LostPoints(
                rule=result.id,
                title=result.title,
                dimension=result.dimension,
                severity=result.severity,
                lost=result.lost,
                possible=result.possible,
                failed=result.failed,
                evaluated=result.evaluated,
                tolerance_percent=result.tolerance_percent,
                samples=result.samples,
                sql=result.sql,
            )
            for result in self.ledger
            if result.lost or not result.passed
        )
        return ScoreReported(
            stage=stage,
            phase=self.phase,
            total=self.total,
            minimum=self.minimum,
            grade=self.grade,
            dimensions=self.dimensions,
            losses=losses,
            blockers=tuple(result.sentence for result in self.blockers),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `score_from_dict` reads it again."""
        dumped: dict[str, Any] = _SCORE.dump_python(self, mode="json")
        return dumped


_SCORE = TypeAdapter(Score)


def score_from_dict(data: Mapping[str, Any]) -> Score:
    """Raises ValueError for anything that is not a score of this schema."""
    score = _SCORE.validate_python(data)
    if score.schema != SCHEMA:
        raise ValueError(f"score has schema {score.schema}, this version reads {SCHEMA}")
    return score
