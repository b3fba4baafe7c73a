"""Rate and remaining time of a task from a moving window of samples. Knows only numbers."""

from __future__ import annotations

from collections import deque


class RateMeter:
    """Units per second over the last `window_seconds`, and the ETA that follows from it.

    The first estimate comes after two samples that lie at least 50 ms apart; before that there is none.
    """

    def __init__(self, window_seconds: float = 10.0) -> None:
        self._window_seconds = window_seconds
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, at_seconds: float, done: int) -> None:
        """`at_seconds` must come from a monotonic clock. A smaller `done` than before starts the meter anew."""
        if self._samples and done < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((at_seconds, done))
        while len(self._samples) > 2 and at_seconds - self._samples[0][0] > self._window_seconds:
            self._samples.popleft()

    @property
    def per_second(self) -> float | None:
        if len(self._samples) < 2:
            return None
        (first_at, first_done), (last_at, last_done) = self._samples[0], self._samples[-1]
        span = last_at - first_at
        return (last_done - first_done) / span if span >= 0.05 else None

    def eta_seconds(self, done: int, total: int | None) -> float | None:
        """Seconds until `total`, 0 when it is reached, None while the rate or the total is unknown."""
        if total is None:
            return None
        if done >= total:
            return 0.0
        rate = self.per_second
        return (total - done) / rate if rate else None
