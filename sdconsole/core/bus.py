"""Numbers and stamps every event, writes it to the journal, then shows it to the views.

The journal comes first and must not fail: if it does, the error stops the run. A view that fails is detached and
the rest go on. Progress is limited to ten a second for each task; nothing else is ever dropped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from sdconsole.core.events import Event, LogLine, Progress, Record
from sdconsole.core.model import StageName
from sdconsole.core.rate import RateMeter

View = Callable[[Record], None]
PROGRESS_INTERVAL_SECONDS = 0.1


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Bus:
    """Publishes events of one run. Safe to call from any thread."""

    def __init__(
        self,
        run_id: str,
        *,
        journal: View,
        views: tuple[View, ...] = (),
        after_seq: int = 0,
        after_seconds: float = 0.0,
        clock: Callable[[], datetime] = _utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`after_seq` and `after_seconds` continue the numbering and the elapsed time of a resumed run."""
        self._run_id = run_id
        self._journal = journal
        self._views = list(views)
        self._seq = after_seq
        self._clock = clock
        self._monotonic = monotonic
        self._started = monotonic() - after_seconds
        self._lock = threading.RLock()
        self._meters: dict[tuple[StageName, str], RateMeter] = {}
        self._shown_at: dict[tuple[StageName, str], float] = {}

    @property
    def elapsed_seconds(self) -> float:
        return self._monotonic() - self._started

    def publish(self, event: Event) -> None:
        """Raises whatever the journal raises; a view's error only detaches the view."""
        with self._lock:
            if isinstance(event, Progress):
                measured = self._measured(event)
                if measured is None:
                    return
                event = measured
            self._deliver(event)

    def _measured(self, event: Progress) -> Progress | None:
        """The event with rate and ETA, or None when the task was shown less than a tenth of a second ago."""
        now = self._monotonic()
        key = (event.stage, event.task)
        meter = self._meters.setdefault(key, RateMeter())
        meter.add(now, event.done)
        finished = event.total is not None and event.done >= event.total
        if not finished and now - self._shown_at.get(key, -1.0) < PROGRESS_INTERVAL_SECONDS:
            return None
        self._shown_at[key] = now
        return replace(event, rate_per_second=meter.per_second, eta_seconds=meter.eta_seconds(event.done, event.total))

    def _deliver(self, event: Event) -> None:
        record = Record(
            seq=self._seq + 1,
            run=self._run_id,
            at=self._clock().isoformat(timespec="microseconds").replace("+00:00", "Z"),
            elapsed_seconds=round(self.elapsed_seconds, 3),
            event=event,
        )
        self._journal(record)
        self._seq = record.seq  # not before: a record that the journal refused has no number
        for view in tuple(self._views):
            try:
                view(record)
            except Exception as error:  # noqa: BLE001 - a view must never stop a run
                self._views.remove(view)
                name = getattr(view, "__qualname__", type(view).__qualname__)
                self._deliver(LogLine("error", f"display {name} failed and was switched off: {error}"))
