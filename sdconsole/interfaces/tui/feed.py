"""The run as the screen sees it: folded on the engine's thread, announced once until somebody has looked.

However fast events come, at most one announcement is under way, so nothing piles up in front of the screen; and since
the state is folded from every record, nothing is lost either.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sdconsole.core.events import (
    Answered,
    Blocked,
    BlockerEnded,
    CheckResult,
    Continued,
    LiveChanged,
    LogLine,
    Paused,
    Record,
    RunFinished,
    RunResumed,
    RunStarted,
    ScoreReported,
    StageFinished,
    StageStarted,
    Waiting,
)
from sdconsole.core.model import CheckStatus, StageStatus
from sdconsole.core.projection import RunState, step
from sdconsole.errors import Verdict

KEPT_ENTRIES = 5_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log. `level` is one of good, info, warning, error, debug. The text is raw."""

    at: str
    level: str
    origin: str
    text: str


class Feed:
    """A view of a run: call it with records on any one thread, `take` what is new on another."""

    def __init__(
        self,
        announce: Callable[[], object],
        *,
        earlier: RunState | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._announce = announce
        self._announced = False
        self._monotonic = monotonic
        self._received = monotonic()
        self._entries: deque[Entry] = deque(maxlen=KEPT_ENTRIES)
        self.ticking = True
        """Whether the run's time goes on between two records."""
        self.state = earlier or RunState()

    def __call__(self, record: Record) -> None:
        self._add(record)
        self._received = self._monotonic()
        if not self._announced:
            self._announced = True
            self._announce()

    def wait_since(self, at: str) -> None:
        """The newest record is of this UTC time, not of now."""
        behind = (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
        self._received = self._monotonic() - max(0.0, behind)

    def take(self) -> tuple[RunState, list[Entry]]:
        """The state now and the log lines since the last call; from here on the next record is announced again."""
        self._announced = False
        entries = [self._entries.popleft() for _ in range(len(self._entries))]
        return self.state, entries

    @property
    def elapsed_seconds(self) -> float:
        """The run's time, going on between two records."""
        state = self.state
        if state.started is None or state.finished is not None or not self.ticking:
            return state.elapsed_seconds
        return state.elapsed_seconds + self._monotonic() - self._received

    def _add(self, record: Record) -> None:
        self.state = step(self.state, record)
        entry = log_entry(record)
        if entry is not None:
            self._entries.append(entry)


def log_entry(record: Record) -> Entry | None:
    """The log line of an event, None for those that are shown elsewhere."""

    def entry(level: str, origin: str, text: str) -> Entry:
        return Entry(record.at, level, origin, text)

    match record.event:
        case LogLine() as event:
            return entry(event.level, event.stage or "run", event.message)
        case RunStarted() as event:
            return entry("info", "run", f"{record.run} started by {event.operator} on {event.host}")
        case RunResumed() as event:
            return entry("info", "run", f"{record.run} taken up again by {event.operator} on {event.host}")
        case StageStarted() as event:
            return entry("debug", event.stage, "started")
        case StageFinished() as event:
            return entry(_stage_level(event), event.stage, _stage_sentence(event))
        case CheckResult(status=CheckStatus.WARN | CheckStatus.FAIL) as event:
            level = "warning" if event.status is CheckStatus.WARN else "error"
            return entry(level, event.stage, f"{event.check}: {event.detail}")
        case ScoreReported() as event:
            return entry("info", event.stage, f"score {event.phase} cleaning {event.total:.2f} ({event.grade})")
        case Waiting() as event:
            return entry("warning", event.stage, f"waiting: {event.prompt}")
        case Answered() as event:
            return entry("info", event.stage, f"{'confirmed' if event.accepted else 'declined'} by {event.by}")
        case Blocked(holders=(first, *_)) as event:
            return entry("warning", event.stage, f"waiting: {first.says}")
        case BlockerEnded() as event:
            done = "cancelled" if event.how == "cancel" else "ended"
            return entry("warning", event.stage, f"pid {event.pid} was {done} by {event.by} on {event.host}")
        case Paused() as event:
            return entry("warning", event.stage, f"rests, as {event.by} asked ({event.via})")
        case Continued() as event:
            return entry("info", event.stage, f"goes on after {event.rested_seconds:.0f} s")
        case LiveChanged() as event:
            text = f"{event.live_schema} now shows {event.to_version} (before: {event.from_version or 'nothing'})"
            return entry("good", event.stage, text)
        case RunFinished() as event:
            return entry("good" if event.verdict is Verdict.OK else "warning", "run", f"ended: {event.verdict}")
    return None


def _stage_level(event: StageFinished) -> str:
    levels = {StageStatus.PASSED: "info", StageStatus.FAILED: "error"}
    return levels.get(event.status, "warning")


def _stage_sentence(event: StageFinished) -> str:
    kept = ", kept from the attempt before" if event.reused else ""
    return f"{event.status}{kept}" + (f": {event.note}" if event.note else "")
