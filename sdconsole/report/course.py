"""How the run went over time: its stages, its pace, its switches, and what people said. A fold over the records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sdconsole.core.events import Answered, LiveChanged, Progress, Record, RunResumed, RunStarted, Waiting
from sdconsole.core.model import StageName
from sdconsole.core.plan import PURPOSE
from sdconsole.core.projection import RunState, StageState, step
from sdconsole.core.safe_text import safe_text
from sdconsole.report.model import Decision, Pace, StageLine, Switch
from sdconsole.stages.date_orders import QUESTION

_POINTS = 120
_MOVING = frozenset({StageName.PROFILE, StageName.CLEAN, StageName.LOAD, StageName.VALIDATE, StageName.RESTORE})
"""The stages whose rows are the data on their way; a score asks the same rows many times."""


@dataclass(slots=True)
class Course:
    """What reading a journal once leaves. `moves` = (seconds, rows since the last word of the same task)."""

    state: RunState = field(default_factory=RunState)
    moves: list[tuple[float, float, int]] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)
    attempts: list[tuple[str, str, str]] = field(default_factory=list)
    """(when, who, where) for each process that carried the run."""


def follow(records: Iterable[Record]) -> Course:
    """Reads the journal once."""
    course = Course()
    seen: dict[tuple[StageName, str], tuple[float, int]] = {}
    asked: dict[str, Waiting] = {}
    for record in records:
        course.state = step(course.state, record)
        match record.event:
            case RunStarted() | RunResumed() as event:
                course.attempts.append((record.at, event.operator, f"{event.host}, process {event.pid}"))
                seen.clear()
            case Progress(unit="rows") as event if event.stage in _MOVING:
                key = (event.stage, event.task)
                since, before = seen.get(key, (_started(course.state, event.stage), 0))
                if event.done > before:
                    course.moves.append((since, record.elapsed_seconds, event.done - before))
                seen[key] = (record.elapsed_seconds, event.done)
            case Waiting() as event:
                asked[event.question] = event
            case Answered() as event:
                course.decisions.append(_decision(record.at, event, asked.get(event.question)))
            case LiveChanged() as event:
                course.switches.append(
                    Switch(
                        record.at,
                        event.live_schema,
                        event.from_version,
                        event.to_version,
                        event.attempts,
                        event.duration_seconds,
                        event.lock_seconds,
                    )
                )
            case _:
                pass
    return course


def _started(state: RunState, stage: StageName) -> float:
    known = state.stage(stage)
    return (known.started_seconds if known else None) or state.elapsed_seconds


def _decision(at: str, event: Answered, question: Waiting | None) -> Decision:
    """A wrong text is not repeated: it may be anything, a password that went into the wrong window included."""
    if event.question == QUESTION:
        place, _, order = event.typed.rpartition("=")
        by, via = safe_text(event.by, limit=80), safe_text(event.via, limit=80)
        return Decision(
            at, by, via, f"In which order are the dates of {safe_text(place, limit=120)}?", f"attested: {order}"
        )
    expected = question.expected if question else ""
    said = "confirmed" if event.accepted else "declined"
    if event.typed and event.typed == expected:
        said = f"confirmed, typed “{event.typed}”"
    prompt = question.prompt if question else event.question
    return Decision(at, safe_text(event.by, limit=80), safe_text(event.via, limit=80), safe_text(prompt), said)


def stage_lines(state: RunState) -> tuple[StageLine, ...]:
    return tuple(
        StageLine(
            stage.name,
            PURPOSE[stage.name],
            stage.status,
            stage.started_seconds,
            stage.duration_seconds,
            safe_text(stage.note, limit=240),
            _rows(stage),
            stage.warnings,
            stage.reused,
        )
        for stage in state.stages
    )


def _rows(stage: StageState) -> int:
    """Rows that the stage moved or read, as its tasks counted them."""
    if stage.name not in _MOVING:
        return 0
    return sum(task.done for task in stage.tasks.values() if task.unit == "rows")


def pace(course: Course) -> Pace | None:
    """Rows a second over the run, None when no rows moved."""
    total = course.state.elapsed_seconds
    if not course.moves or total <= 0:
        return None
    width = total / _POINTS
    rows = [0.0] * _POINTS
    for since, until, count in course.moves:
        _spread(rows, width, since, until, count)
    return Pace(width, tuple(round(value / width, 1) for value in rows))


def _spread(rows: list[float], width: float, since: float, until: float, count: int) -> None:
    """Adds `count` rows evenly between two instants."""
    first = min(int(since / width), _POINTS - 1)
    last = min(int(until / width), _POINTS - 1)
    span = until - since
    for index in range(first, last + 1):
        overlap = min(until, (index + 1) * width) - max(since, index * width)
        rows[index] += count * (overlap / span if span > 0 else 1 / (last - first + 1))
