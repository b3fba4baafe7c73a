"""What a report says about one run, as plain data: filled by `build`, written as HTML and Markdown by others.

Knows no markup. Times are UTC, durations seconds; texts that came from data are already harmless and cut to length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sdconsole.core.events import DimensionScore
from sdconsole.core.model import CheckStatus, StageName, StageStatus

Tone = Literal["good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class StageLine:
    """`started` and `ended` count from the run's beginning; `waited` = the part that waited for a person before it."""

    name: StageName
    purpose: str
    status: StageStatus
    started: float | None
    duration: float | None
    note: str
    rows: int
    warnings: int
    reused: bool

    @property
    def rows_per_second(self) -> float | None:
        return self.rows / self.duration if self.rows and self.duration else None


@dataclass(frozen=True, slots=True)
class TableLine:
    """Rows of one table on their way. `digest` is the fingerprint that source and target share, "" when not proved."""

    name: str
    read: int
    live: int | None
    quarantined: int
    digest: str

    @property
    def adds_up(self) -> bool:
        """Every row that was read is live or set aside with its reason."""
        return self.live is not None and self.read == self.live + self.quarantined


@dataclass(frozen=True, slots=True)
class LossLine:
    rule: str
    title: str
    dimension: str
    severity: str
    lost: float
    failed: int
    evaluated: int
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScoreLines:
    """The score after cleaning, and the one before it where both were taken."""

    before: float | None
    after: float
    grade: str
    minimum: float
    dimensions_before: tuple[DimensionScore, ...]
    dimensions: tuple[DimensionScore, ...]
    losses: tuple[LossLine, ...]
    losses_left_out: int
    lost_left_out: float
    blockers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckLine:
    stage: StageName
    check: str
    status: CheckStatus
    detail: str
    measured: str
    threshold: str
    remedy: str


@dataclass(frozen=True, slots=True)
class MetricLine:
    """A dashboard metric on the new version beside its value on the version before, where that is on record."""

    id: str
    title: str
    unit: str
    before: float | None
    after: float | None
    status: str
    seconds: float | None

    @property
    def change(self) -> float | None:
        return self.after - self.before if self.before is not None and self.after is not None else None


@dataclass(frozen=True, slots=True)
class Decision:
    """Something a person said: `said` in words, `at` when it is on record, `via` the way it came."""

    at: str
    by: str
    via: str
    what: str
    said: str


@dataclass(frozen=True, slots=True)
class Switch:
    at: str
    live_schema: str
    from_version: str | None
    to_version: str
    attempts: int
    seconds: float
    lock_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class FileLine:
    name: str
    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Pace:
    """Rows a second over the run: `values[i]` is the mean from `i * step` to `(i + 1) * step` seconds."""

    step: float
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    slug: str
    message: str
    cause: tuple[str, ...]
    state: str
    next_step: str


RTO = "RTO"
"""The fact that says how long a way back took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run. `facts` are labelled values of run and environment, in order of showing."""

    run_id: str
    kind: str
    tone: Tone
    verdict: str
    headline: str
    meaning: str
    production: bool
    live_schema: str
    target: str
    version: str | None
    started_at: str
    ended_at: str
    duration: float
    rows_read: int
    rows_live: int | None
    rows_quarantined: int
    facts: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]
    stages: tuple[StageLine, ...]
    pace: Pace | None
    score: ScoreLines | None
    tables: tuple[TableLine, ...]
    quarantine_reasons: Mapping[str, int]
    proofs: tuple[CheckLine, ...]
    proofs_total: Mapping[str, int]
    warnings: tuple[CheckLine, ...]
    warnings_left_out: int
    said: tuple[str, ...]
    metrics: tuple[MetricLine, ...]
    metrics_before: str
    decisions: tuple[Decision, ...]
    switches: tuple[Switch, ...]
    undo: tuple[str, ...]
    trouble: Trouble | None
    files: tuple[FileLine, ...]
    samples_kept: bool
