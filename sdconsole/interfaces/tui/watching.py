"""Fills the feed of a run that this console does not execute: from its journal as it grows, or played again.

Each works in a thread of its own and knows no widget; the screen looks at what it says about itself.
"""

from __future__ import annotations

import threading
import time

from sdconsole.errors import SdconsoleError
from sdconsole.interfaces.tui.feed import Feed
from sdconsole.interfaces.tui.library import Library

LOOK_SECONDS = 0.2
ALIVE_SECONDS = 1.0
SPEEDS = (1, 2, 4, 8, 16, 32, 64, 128)
USUAL_SPEED = 8
LONGEST_GAP_SECONDS = 3.0
"""Of the run's own time: a night at a question is not waited for again."""
_STEP_SECONDS = 0.05


class Follower:
    """Follows a run's journal until it is stopped. `alive` = some process executes the run."""

    def __init__(self, library: Library, run_id: str, feed: Feed) -> None:
        self._library = library
        self._feed = feed
        self._stop = threading.Event()
        self._looked = 0.0
        self.run_id = run_id
        self.alive = False
        self.caught_up = False
        self.error: Exception | None = None

    def start(self) -> None:
        threading.Thread(target=self._work, name="follower", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _work(self) -> None:
        self._feed.ticking = False
        try:
            for record in self._library.follow(self.run_id, self._again):
                self._feed(record)
                if self._stop.is_set():
                    return
        except (SdconsoleError, OSError) as error:
            self.error = error
        self.caught_up = True

    def _again(self) -> bool:
        now = time.monotonic()
        if now - self._looked >= ALIVE_SECONDS:
            self._looked = now
            self.alive = self._feed.ticking = self._library.is_alive(self.run_id)
        if not self.caught_up:
            self.caught_up = True
            self._feed.wait_since(self._feed.state.updated_at)
        return not self._stop.wait(LOOK_SECONDS)


class Replayer:
    """Plays a journal again with its own pauses, `speed` times as fast."""

    alive = False

    def __init__(self, library: Library, run_id: str, feed: Feed) -> None:
        self._library = library
        self._feed = feed
        self._stop = threading.Event()
        self.run_id = run_id
        self.speed = USUAL_SPEED
        self.over = False
        self.error: Exception | None = None

    def start(self) -> None:
        threading.Thread(target=self._work, name="replay", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def faster(self) -> None:
        self.speed = SPEEDS[min(SPEEDS.index(self.speed) + 1, len(SPEEDS) - 1)]

    def slower(self) -> None:
        self.speed = SPEEDS[max(SPEEDS.index(self.speed) - 1, 0)]

    def _work(self) -> None:
        self._feed.ticking = False
        before = 0.0
        try:
            for record in self._library.records(self.run_id):
                self._wait(record.elapsed_seconds - before)
                before = record.elapsed_seconds
                if self._stop.is_set():
                    return
                self._feed(record)
        except (SdconsoleError, OSError) as error:
            self.error = error
        self.over = True

    def _wait(self, seconds: float) -> None:
        """Waits for so much of the run's time; a change of the speed counts at once."""
        left = min(seconds, LONGEST_GAP_SECONDS)
        while left > 0 and not self._stop.is_set():
            step = min(_STEP_SECONDS, left / self.speed)
            self._stop.wait(step)
            left -= step * self.speed
