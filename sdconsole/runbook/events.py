"""What happens in a walk, as one union of frozen dataclasses; the `Entry` around one says when and in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Discriminator

from sdconsole.core.events import ErrorReport
from sdconsole.errors import Verdict

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class WalkStarted:
    """A walk begins: which runbook, frozen by its digest, with which values."""

    runbook: str
    title: str
    digest: str
    """SHA-256 of the frozen copy."""
    params: Mapping[str, str]
    steps: tuple[str, ...]
    """The titles, in order; step numbers count from 1."""
    operator: str
    host: str
    pid: int
    version: str
    production: bool = False
    type: Literal["walk_started"] = "walk_started"


@dataclass(frozen=True, slots=True)
class WalkResumed:
    """A walk is taken up again at its step."""

    operator: str
    host: str
    pid: int
    type: Literal["walk_resumed"] = "walk_resumed"


@dataclass(frozen=True, slots=True)
class RunBegun:
    """A run of the engine that belongs to the walk. `stretch` counts from 1."""

    stretch: int
    run_id: str
    type: Literal["run_begun"] = "run_begun"


@dataclass(frozen=True, slots=True)
class RunEnded:
    """`switched_seconds` is the switch of the views, `rto_seconds` from the answer to the reader's last query."""

    stretch: int
    run_id: str
    verdict: Verdict
    version: str | None = None
    score: float | None = None
    switched_seconds: float | None = None
    rto_seconds: float | None = None
    type: Literal["run_ended"] = "run_ended"


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins."""

    step: int
    title: str
    type: Literal["step_started"] = "step_started"


@dataclass(frozen=True, slots=True)
class Checked:
    """A query of the runbook was asked; its rows are the evidence."""

    step: int
    check: str
    passed: bool
    rows: tuple[Mapping[str, Any], ...] = ()
    more: bool = False
    error: str = ""
    duration_seconds: float = 0.0
    sql: str = ""
    type: Literal["checked"] = "checked"


@dataclass(frozen=True, slots=True)
class Attested:
    """Somebody ticked a box, or would not."""

    step: int
    text: str
    accepted: bool
    by: str
    via: str
    type: Literal["attested"] = "attested"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A confirmation that the runbook asks for. The engine's own are in the run's journal."""

    step: int
    accepted: bool
    by: str
    via: str
    typed: str = ""
    type: Literal["confirmed"] = "confirmed"


class StepStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    NOTED = "noted"
    """Done, with findings."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step ends; `over_box` says whether it took longer than its time box."""

    step: int
    status: StepStatus
    duration_seconds: float
    note: str = ""
    over_box: bool = False
    type: Literal["step_finished"] = "step_finished"


@dataclass(frozen=True, slots=True)
class WalkEnded:
    """The end of one attempt. Only verdict ok is the end of the walk."""

    verdict: Verdict
    note: str = ""
    error: ErrorReport | None = None
    type: Literal["walk_ended"] = "walk_ended"


WalkEvent = (
    WalkStarted
    | WalkResumed
    | RunBegun
    | RunEnded
    | StepStarted
    | Checked
    | Attested
    | Confirmed
    | StepFinished
    | WalkEnded
)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event with its number and its UTC time."""

    seq: int
    walk: str
    at: str
    event: Annotated[WalkEvent, Discriminator("type")]
    schema: int = SCHEMA


WalkView = Callable[[Entry], None]
