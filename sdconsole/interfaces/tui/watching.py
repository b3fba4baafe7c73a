"""Fills the feed of a run, whoever started it: from its journal as it grows, or played again.

Each works in a thread of its own and knows no widget; the screen looks at what it says about itself.
"""

from __future__ import annotations

import threading
import time

from sdconsole.errors import SdconsoleError
from sdconsole.interfaces.tui.feed import Feed
from sdconsole.interfaces.tui.library import Library

LOOK_SECONDS = 0.1
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
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._hurried = False
        self._read_again = threading.Event()
        self._over = False
        self._looked = 0.0
        self.feed = feed
        self.run_id = run_id
        self.alive = False
        self.caught_up = False
        self.error: Exception | None = None

    def start(self) -> None:
        threading.Thread(target=self._work, name="follower", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()
        self._hurry.set()

    def catch_up(self) -> None:
        """Returns when everything was read that the journal held by now, and it was looked who executes the run."""
        self._read_again.clear()
        self._hurry.set()
        if not self._over:
            self._read_again.wait()

    def _work(self) -> None:
        self.feed.ticking = False
        try:
            for record in self._library.follow(self.run_id, self._again):
                self.feed(record)
                if self._stop.is_set():
                    return
        except (SdconsoleError, OSError) as error:
            self.error = error
        finally:
            self.caught_up = self._over = True
            self._read_again.set()

    def _again(self) -> bool:
        """At the end of what the journal holds: looks around, waits a moment, says whether to read once more."""
        now = time.monotonic()
        if self._hurried or now - self._looked >= ALIVE_SECONDS:
            self._looked = now
            self.alive = self.feed.ticking = self._library.is_alive(self.run_id)
        if not self.caught_up:
            self.caught_up = True
            self.feed.wait_since(self.feed.state.updated_at)
        if self._hurried:
            self._read_again.set()
        self._hurried = self._hurry.wait(LOOK_SECONDS)
        if self._hurried:  # one that comes after the wait was over is kept for the next
            self._hurry.clear()
        return not self._stop.is_set()


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
