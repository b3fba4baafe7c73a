"""A piece of work in a thread beside the stage, for work that SQLite does most of: it lets other threads run meanwhile.

The thread reports to nobody. The stage asks how far it is, stays the one that halts, and takes the thread down with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from sdconsole.errors import Interrupted

T = TypeVar("T")
Progress = Callable[[int, int | None], None]
_LOOK_SECONDS: Final = 0.1


class Beside(Generic[T]):
    """`with Beside(work) as beside: ...; result = beside.result(progress)`. Leaving the block ends the work.

    `work` is given a progress callable, which it calls often. What it raises comes out of `result`.
    """

    def __init__(self, work: Callable[[Progress], T]) -> None:
        self._stop = threading.Event()
        self._reached: tuple[int, int | None] = (0, None)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._future: Future[T] = self._pool.submit(work, self._note)

    def _note(self, done: int, total: int | None) -> None:
        self._reached = (done, total)
        if self._stop.is_set():
            raise Interrupted(cause="the stage ended before it did")

    def result(self, progress: Progress) -> T:
        """Waits; `progress` is told ten times a second how far the work is, and may raise."""
        while True:
            progress(*self._reached)
            try:
                return self._future.result(timeout=_LOOK_SECONDS)
            except StillRunning:
                if self._future.done():
                    raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown(wait=True)
