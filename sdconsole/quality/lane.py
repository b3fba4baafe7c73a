"""One worker beside the caller, which does one piece of work at a time in the order given.

SQLite works without Python's lock, so while the worker writes what is finished the caller reads what comes next.
Whatever the worker raises is raised in the caller, at the next piece of work or when it waits.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class Lane:
    """Use it in a `with` block, which does not end before the worker has."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="sdconsole-clean")
        self._pending: Future[object] | None = None

    def do(self, work: Callable[[], object]) -> None:
        """Hands over the next piece, once the one before is done."""
        self.wait()
        self._pending = self._worker.submit(work)

    def wait(self) -> None:
        """Returns when nothing is under way. Raises what the last piece raised."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def __enter__(self) -> Lane:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            self._worker.shutdown()
