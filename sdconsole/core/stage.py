"""What a stage is and what it is given. A stage reports through `ctx.emit` and never prints.

`D` is the deployment's own state (settings, contract, target): the core passes it through without knowing it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

from sdconsole.core.events import CheckResult, Continued, Event, LogLine, Measured, Paused, Progress, Waiting
from sdconsole.core.gates import Answer
from sdconsole.core.model import CheckStatus, StageName, StageResult
from sdconsole.errors import Interrupted

D = TypeVar("D")

Unit = Literal["rows", "bytes", "pages", "checks", "queries"]


_REST_SECONDS = 0.2
UNPAUSED = frozenset({StageName.CUTOVER, StageName.ROLLBACK})
"""Stages that never rest: readers would wait with them."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Who asked for something, and through what."""

    by: str
    via: str


class Cancellation:
    """What people want of a run while it works: that it stops, or that it rests for a while.

    Stopping also calls what interrupts the work right now; resting happens at the next safe point. All of it may be
    asked for from any thread, a signal handler's included.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.RLock()
        self._resting = threading.Lock()
        self._pause: Wish | None = None
        self._unpause = Wish("", "")
        self.reason = ""

    @property
    def pause_wanted(self) -> bool:
        return self._pause is not None

    def pause(self, wish: Wish) -> None:
        """The run rests at its next safe point, until `unpause` or `cancel`."""
        self._pause = self._pause or wish

    def unpause(self, wish: Wish) -> None:
        self._unpause, self._pause = wish, None

    def rest(self, stage: StageName, publish: Callable[[Event], None]) -> None:
        """At a safe point: waits while the run is to rest. Raises Interrupted when it is to stop meanwhile."""
        if self._pause is None or stage in UNPAUSED:
            return
        with self._resting:
            wish = self._pause
            if wish is None:  # over while another thread of the stage waited
                return
            began = time.monotonic()
            publish(Paused(stage, wish.by, wish.via))
            while self._pause is not None and not self._event.wait(_REST_SECONDS):
                pass
            who = Wish("", "") if self._pause is not None else self._unpause
            publish(Continued(stage, who.by, who.via, round(time.monotonic() - began, 3)))
        self.check()

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def cancel(self, reason: str) -> None:
        with self._lock:
            if not self._event.is_set():
                self.reason = reason
            self._event.set()
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    def check(self) -> None:
        """Raises Interrupted once the run was asked to stop."""
        if self._event.is_set():
            raise Interrupted(cause=self.reason)

    def wait(self, seconds: float) -> None:
        """Sleeps, but raises Interrupted as soon as the run is asked to stop."""
        self._event.wait(seconds)
        self.check()

    @contextmanager
    def interrupting(self, callback: Callable[[], None]) -> Iterator[None]:
        """While the block runs, `cancel()` also calls `callback` (e.g. a connection's cancel)."""
        with self._lock:
            self._callbacks.append(callback)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)


class Watch(Protocol):
    """Looks at disk, memory and server; raises an SdconsoleError when the stage must halt."""

    def __call__(self) -> None: ...


@dataclass(slots=True)
class StageContext(Generic[D]):
    """What a running stage may use."""

    run_id: str
    stage: StageName
    deployment: D
    results: Mapping[StageName, StageResult]
    cancellation: Cancellation
    publish: Callable[[Event], None]
    question: Callable[[Waiting], Answer]
    watch: Watch | None = None
    watch_interval_seconds: float = 1.0
    _watched_at: float = field(default=0.0, repr=False)

    def emit(self, event: Event) -> None:
        self.publish(event)

    def log(self, message: str, level: Literal["debug", "info", "warning", "error"] = "info") -> None:
        self.publish(LogLine(level, message, self.stage))

    def check_result(
        self, check: str, status: CheckStatus, detail: str, *, measured: str = "", threshold: str = "", remedy: str = ""
    ) -> None:
        self.publish(CheckResult(self.stage, check, status, detail, measured, threshold, remedy))

    def measured(self, name: str, value: float, unit: str = "", **labels: str) -> None:
        self.publish(Measured(self.stage, name, value, unit, labels))

    def progress(
        self, task: str, done: int, total: int | None, unit: Unit = "rows", *, size_bytes: int | None = None
    ) -> None:
        """Report work done; call it every 10,000 rows or so. Also the stage's point to stop or halt at."""
        self.publish(Progress(self.stage, task, done, total, unit, size_bytes=size_bytes))
        self.checkpoint()

    def checkpoint(self) -> None:
        """A safe point. Rests here when asked to; raises Interrupted when asked to stop, or the health error when the
        machine is at its limit."""
        self.cancellation.check()
        self.cancellation.rest(self.stage, self.publish)
        now = time.monotonic()
        if self.watch is not None and now - self._watched_at >= self.watch_interval_seconds:
            self._watched_at = now
            self.watch()

    def ask(self, question: Waiting) -> Answer:
        return self.question(question)

    def result(self, stage: StageName) -> StageResult:
        """The result of a stage that has finished. Raises KeyError when it has not."""
        return self.results[stage]


class Stage(Protocol[D]):
    """One step of a run. Subclasses give a name and `run`; the other members have answers that fit most stages."""

    name: StageName
    repeats: bool = False
    """True for a stage that only looks: a resumed run looks again, and later stages keep their results."""

    def run(self, ctx: StageContext[D]) -> StageResult:
        """Does the work. Raises an SdconsoleError when the run must stop here."""
        ...

    def question(self, ctx: StageContext[D]) -> Waiting | None:
        """What a person must confirm before the stage, where the plan holds; None = nothing."""
        return None

    def recheck(self, ctx: StageContext[D], result: StageResult) -> str | None:
        """None when the recorded result still holds, else the reason why the stage must run again.

        The engine has already compared the artifacts with their digests.
        """
        return None
