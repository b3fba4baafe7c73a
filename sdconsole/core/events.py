"""Everything that can happen in a run, as one union of frozen dataclasses, and its JSON form.

An event says what happened; the `Record` around it says when, in which order and in which run. Every view
(screen, log, report, `--json`) is a fold over records and learns nothing any other way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Discriminator, TypeAdapter
from pydantic_core import PydanticSerializationError

from sdconsole.core.model import Artifact, CheckStatus, RunKind, StageName, StageStatus
from sdconsole.errors import Verdict

SCHEMA = 1
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins: what is deployed where, through which stages, by whom, on what."""

    kind: RunKind
    mode: str
    stages: tuple[StageName, ...]
    source: str
    target: str
    live_schema: str
    operator: str
    host: str
    pid: int
    version: str
    production: bool = False
    min_quality: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)
    """Versions of what the run stands on, by name."""
    type: Literal["run_started"] = "run_started"


@dataclass(frozen=True, slots=True)
class RunResumed:
    """A run is taken up again, by whom and with which stages."""

    operator: str
    host: str
    pid: int
    stages: tuple[StageName, ...]
    type: Literal["run_resumed"] = "run_resumed"


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins; `expected_seconds` is what it took before."""

    stage: StageName
    expected_seconds: float | None = None
    type: Literal["stage_started"] = "stage_started"


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` units of one task of a stage (a table, a file). `total` is None while unknown.

    `size_bytes` is what `done` takes where another unit is counted; None = not known. The rate and the ETA are computed
    by the bus, so that every view shows the same ones.
    """

    stage: StageName
    task: str
    done: int
    total: int | None
    unit: Literal["rows", "bytes", "pages", "checks", "queries"] = "rows"
    rate_per_second: float | None = None
    eta_seconds: float | None = None
    size_bytes: int | None = None
    type: Literal["progress"] = "progress"


@dataclass(frozen=True, slots=True)
class Measured:
    """One number with a name, e.g. rows_loaded{table="tickets"} = 10939."""

    stage: StageName
    name: str
    value: float
    unit: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    type: Literal["measured"] = "measured"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One finding of a stage: measured, compared, and what to do about it."""

    stage: StageName
    check: str
    status: CheckStatus
    detail: str
    measured: str = ""
    threshold: str = ""
    remedy: str = ""
    type: Literal["check_result"] = "check_result"


@dataclass(frozen=True, slots=True)
class DimensionScore:
    """Points of one dimension of the score."""

    name: str
    points: float
    possible: float


@dataclass(frozen=True, slots=True)
class LostPoints:
    """One line of the score's ledger."""

    rule: str
    title: str
    dimension: str
    severity: str
    lost: float
    possible: float
    failed: int
    evaluated: int
    tolerance_percent: float
    samples: tuple[str, ...] = ()
    sql: str = ""


@dataclass(frozen=True, slots=True)
class ScoreReported:
    """A score with its dimensions and its ledger of lost points."""

    stage: StageName
    phase: Literal["before", "after"]
    total: float
    minimum: float
    grade: str
    dimensions: tuple[DimensionScore, ...]
    losses: tuple[LostPoints, ...] = ()
    blockers: tuple[str, ...] = ()
    type: Literal["score_reported"] = "score_reported"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The run waits for a person. `expected` is the text that must be typed; "" = a plain yes."""

    question: str
    stage: StageName
    prompt: str
    expected: str
    details: tuple[str, ...] = ()
    undo: str = ""
    type: Literal["waiting"] = "waiting"


@dataclass(frozen=True, slots=True)
class Answered:
    """Who answered a question, through what, and what was typed."""

    question: str
    stage: StageName
    accepted: bool
    by: str
    via: str
    typed: str = ""
    type: Literal["answered"] = "answered"


@dataclass(frozen=True, slots=True)
class Paused:
    """The run rests at a safe point because somebody asked it to."""

    stage: StageName
    by: str
    via: str
    type: Literal["paused"] = "paused"


@dataclass(frozen=True, slots=True)
class Continued:
    """The run goes on after `rested_seconds`. `by` is empty when it was stopped while it rested."""

    stage: StageName
    by: str
    via: str
    rested_seconds: float
    type: Literal["continued"] = "continued"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A sentence for the log."""

    level: Literal["debug", "info", "warning", "error"]
    message: str
    stage: StageName | None = None
    type: Literal["log"] = "log"


@dataclass(frozen=True, slots=True)
class LiveChanged:
    """Readers see another version from now on. `lock_seconds` = how long the views were held; None = not known."""

    stage: StageName
    live_schema: str
    from_version: str | None
    to_version: str
    attempts: int
    duration_seconds: float
    lock_seconds: float | None = None
    type: Literal["live_changed"] = "live_changed"


@dataclass(frozen=True, slots=True)
class BlockingSession:
    """One session that holds what a switch needs; `pid` None = a prepared transaction. `says` is all of it in words."""

    pid: int | None
    user: str
    application: str
    relation: str
    mode: str
    age_seconds: float
    state: str
    query: str
    says: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """The switch waits without queueing while sessions hold live views. `holders` () = nobody is seen any more.

    Nobody has to answer it: the run goes on by itself when they are gone, and gives up at the deadline.
    """

    stage: StageName
    holders: tuple[BlockingSession, ...]
    waited_seconds: float
    deadline_seconds: float
    attempts: int
    type: Literal["blocked"] = "blocked"


@dataclass(frozen=True, slots=True)
class BlockerEnded:
    """Somebody cancelled what a session in the way was running, or ended it: who, on which machine, and how."""

    stage: StageName
    pid: int
    user: str
    application: str
    how: Literal["cancel", "end"]
    by: str
    host: str
    type: Literal["blocker_ended"] = "blocker_ended"


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An error as it is told."""

    slug: str
    message: str
    cause: str
    state: str
    next_step: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage ends: how, after how long, with which files and facts."""

    stage: StageName
    status: StageStatus
    duration_seconds: float
    note: str = ""
    artifacts: tuple[Artifact, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: ErrorReport | None = None
    reused: bool = False
    """True when a resumed run found the stage's recorded results intact and did not run it again."""
    type: Literal["stage_finished"] = "stage_finished"


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run ends, for now or for good."""

    verdict: Verdict
    duration_seconds: float
    note: str = ""
    error: ErrorReport | None = None
    type: Literal["run_finished"] = "run_finished"


Event = (
    RunStarted
    | RunResumed
    | StageStarted
    | Progress
    | Measured
    | CheckResult
    | ScoreReported
    | Waiting
    | Answered
    | Paused
    | Continued
    | LogLine
    | LiveChanged
    | Blocked
    | BlockerEnded
    | StageFinished
    | RunFinished
)


@dataclass(frozen=True, slots=True)
class Record:
    """An event with its place in the run. `at` is UTC ISO 8601; `elapsed_seconds` comes from the monotonic clock."""

    seq: int
    run: str
    at: str
    elapsed_seconds: float
    event: Annotated[Event, Discriminator("type")]
    schema: int = SCHEMA


_RECORD = TypeAdapter(Record)


def to_dict(record: Record) -> dict[str, Any]:
    """A JSON-ready dict."""
    dumped: dict[str, Any] = _RECORD.dump_python(record, mode="json")
    return dumped


def to_json(record: Record) -> bytes:
    """One line of UTF-8 JSON without the newline. What UTF-8 cannot hold is written as an escape that can be read."""
    try:
        return _RECORD.dump_json(record)
    except PydanticSerializationError:
        text = json.dumps(_RECORD.dump_python(record), ensure_ascii=False, separators=(",", ":"))
        return _LONE_SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text).encode()


def from_json(line: bytes | str) -> Record:
    """Raises ValueError for anything that is not a record of a known schema."""
    record = _RECORD.validate_json(line)
    if record.schema != SCHEMA:
        raise ValueError(f"record has schema {record.schema}, this version reads {SCHEMA}")
    return record


def from_dict(data: Mapping[str, Any]) -> Record:
    """Raises ValueError for anything that is not a record."""
    return _RECORD.validate_python(data)
