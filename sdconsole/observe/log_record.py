"""What a run's event says as one log record: one schema for every line, whatever happened.

Core fields come first and always by the same names; anything else goes under `fields`, where it cannot replace them.
Values of the data are never among them, and of what a person typed only whether it was accepted.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sdconsole.core.events import (
    Answered,
    CheckResult,
    ErrorReport,
    LiveChanged,
    LogLine,
    Measured,
    Record,
    RunFinished,
    RunResumed,
    RunStarted,
    ScoreReported,
    StageFinished,
    StageStarted,
    Waiting,
)
from sdconsole.core.model import CheckStatus, StageName, StageStatus

CORE = (
    "timestamp",
    "level",
    "run_id",
    "stage",
    "gate",
    "step",
    "message",
    "table",
    "rows",
    "duration_seconds",
    "error_type",
    "error",
    "host",
    "pid",
    "version",
)
GATES: Mapping[StageName, str] = {
    StageName.PREFLIGHT: "preflight",
    StageName.BACKUP: "backup",
    StageName.PROFILE: "profiler",
    StageName.CLEAN: "cleaner",
    StageName.SCORE: "quality",
    StageName.CANARY: "canary",
    StageName.LOAD: "migration",
    StageName.VALIDATE: "validation",
    StageName.CUTOVER: "cutover",
    StageName.VERIFY: "postdeploy",
    StageName.ROLLBACK: "cutover",
    StageName.RESTORE: "migration",
}
"""What monitoring calls the stages."""
RUN_FINISHED = "run finished"
"""The step of the last record of an attempt."""
_LEVEL = {
    CheckStatus.PASS: logging.DEBUG,
    CheckStatus.INFO: logging.DEBUG,
    CheckStatus.WARN: logging.WARNING,
    CheckStatus.FAIL: logging.ERROR,
}
_STAGE_LEVEL = {StageStatus.FAILED: logging.ERROR, StageStatus.INTERRUPTED: logging.WARNING}


@dataclass(frozen=True, slots=True)
class Said:
    """The part of a log record that depends on the event."""

    level: int
    step: str
    message: str
    stage: StageName | None = None
    table: str | None = None
    rows: int | None = None
    duration_seconds: float | None = None
    error: ErrorReport | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


def said(record: Record) -> Said | None:
    """The event in a log's words; None for progress, of which the journal is full."""
    facts: dict[str, Any]
    match record.event:
        case RunStarted() as event:
            facts = {"kind": event.kind, "mode": event.mode, "source": event.source, "target": event.target}
            more = {"live_schema": event.live_schema, "operator": event.operator, "production": event.production}
            return Said(logging.INFO, "run started", f"{event.kind} started", fields=facts | more)
        case RunResumed() as event:
            return Said(logging.INFO, "run resumed", "run resumed", fields={"operator": event.operator})
        case StageStarted() as event:
            return Said(logging.INFO, "started", f"{event.stage} started", event.stage)
        case StageFinished() as event:
            return _finished(event)
        case CheckResult() as event:
            text = f"{event.check}: {event.detail}" + (f" ({event.measured})" if event.measured else "")
            facts = {"status": event.status.value, "threshold": event.threshold, "remedy": event.remedy}
            return Said(_LEVEL[event.status], event.check, text, event.stage, fields=_known(facts))
        case Measured() as event:
            rows = int(event.value) if event.unit == "rows" else None
            facts = {"value": event.value, "unit": event.unit, "labels": dict(event.labels)}
            text = f"{event.name} {event.value:g} {event.unit}".rstrip()
            return Said(logging.DEBUG, event.name, text, event.stage, event.labels.get("table"), rows, fields=facts)
        case ScoreReported() as event:
            text = f"score {event.phase} cleaning {event.total:.2f} {event.grade}, minimum {event.minimum:g}"
            facts = {"phase": event.phase, "total": event.total, "blockers": len(event.blockers)}
            return Said(logging.INFO, f"score {event.phase}", text, event.stage, fields=facts)
        case Waiting() as event:
            return Said(logging.INFO, "waiting", event.prompt, event.stage)
        case Answered() as event:
            text = "confirmed" if event.accepted else "declined"
            facts = {"accepted": event.accepted, "by": event.by, "via": event.via}
            return Said(logging.INFO, "answered", text, event.stage, fields=facts)
        case LiveChanged() as event:
            text = f"{event.live_schema} shows {event.to_version} (before: {event.from_version or 'nothing'})"
            facts = {"from": event.from_version, "to": event.to_version, "attempts": event.attempts}
            facts |= {} if event.lock_seconds is None else {"lock_seconds": event.lock_seconds}
            return Said(
                logging.INFO, "live changed", text, event.stage, duration_seconds=event.duration_seconds, fields=facts
            )
        case LogLine() as event:
            return Said(logging.getLevelNamesMapping()[event.level.upper()], "log", event.message, event.stage)
        case RunFinished() as event:
            level = logging.ERROR if event.error else logging.INFO
            return Said(
                level,
                RUN_FINISHED,
                f"run ended: {event.verdict}",
                duration_seconds=event.duration_seconds,
                error=event.error,
                fields={"verdict": event.verdict},
            )
        case _:
            return None


def _finished(event: StageFinished) -> Said:
    loaded = event.facts.get("rows")
    rows = sum(loaded.values()) if isinstance(loaded, Mapping) else None
    return Said(
        _STAGE_LEVEL.get(event.status, logging.INFO),
        "finished",
        f"{event.stage} {event.status}" + (f": {event.note}" if event.note else ""),
        event.stage,
        rows=rows,
        duration_seconds=event.duration_seconds,
        error=event.error,
        fields={"status": event.status.value, "reused": event.reused},
    )


def _known(facts: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in facts.items() if text}


def document(record: Record, spoken: Said, *, host: str, pid: int, version: str) -> dict[str, Any]:
    """The record as JSON-ready fields, every core field present."""
    error = spoken.error
    return {
        "timestamp": record.at,
        "level": logging.getLevelName(spoken.level).lower(),
        "run_id": record.run,
        "stage": spoken.stage,
        "gate": GATES[spoken.stage] if spoken.stage else None,
        "step": spoken.step,
        "message": spoken.message,
        "table": spoken.table,
        "rows": spoken.rows,
        "duration_seconds": spoken.duration_seconds,
        "error_type": error.slug if error else None,
        "error": ": ".join(filter(None, (error.message, error.cause))) if error else None,
        "host": host,
        "pid": pid,
        "version": version,
        "fields": dict(spoken.fields),
    }
