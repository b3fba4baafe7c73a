"""The run that this console started: its process is heard in a thread of its own, and followed like any other run.

It knows no widget. What happens is posted as messages, which Textual takes from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from textual.message import Message

from sdconsole.core.projection import RunState
from sdconsole.errors import Interrupted
from sdconsole.interfaces.tui.feed import Feed
from sdconsole.interfaces.tui.library import Library, Started
from sdconsole.interfaces.tui.watching import Follower
from sdconsole.service.orders import Order
from sdconsole.service.run_process import Advanced


class PrepareAdvanced(Message):
    """Preparing has done `done` of `total`; None = not known."""

    def __init__(self, done: int, total: int | None) -> None:
        self.done = done
        self.total = total
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, PrepareAdvanced)


class RunReady(Message):
    """The run has begun; `follower` reads its journal."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        super().__init__()


class RunChanged(Message):
    """The feed has something new."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RunChanged)


class RunEnded(Message):
    """The run's process has ended: `state` is the run's last state, or `error` says why there was no run or no end."""

    def __init__(self, state: RunState | None, error: BaseException | None) -> None:
        self.state = state
        self.error = error
        super().__init__()


class Session:
    """One run at a time. All public methods are for the screen's thread."""

    def __init__(self, post: Callable[[Message], object], library: Library) -> None:
        self._post = post
        self._library = library
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="session")
        self._stop = threading.Event()
        self._reason = ""
        self._future: Future[RunState | None] | None = None
        self._started: Started | None = None
        self.follower: Follower | None = None
        """Of the run that was started last, once it has begun; its process may have ended since."""

    @property
    def busy(self) -> bool:
        return self._future is not None and not self._future.done()

    @property
    def stopping(self) -> bool:
        return self.busy and self._stop.is_set()

    @property
    def run_id(self) -> str:
        """Of the run that was started last; "" while it is made ready."""
        return self.follower.run_id if self.follower is not None else ""

    @property
    def state(self) -> RunState:
        """What is known of that run now, drawn or not."""
        return self.follower.feed.state if self.follower is not None else RunState()

    @property
    def asking(self) -> bool:
        """Its question is open."""
        return self.busy and self.state.waiting is not None and self.state.finished is None

    def start(self, order: Order) -> None:
        """Have a run made ready and executed; RunReady, RunChanged and RunEnded follow."""
        if self.busy:
            raise RuntimeError("a run is under way")
        self._stop.clear()
        if self.follower is not None:
            self.follower.stop()
        self._started = self.follower = None
        self._future = self._thread.submit(self._work, order)
        self._future.add_done_callback(self._ended)

    def stop(self, reason: str) -> None:
        """Stop what is under way; RunEnded follows."""
        self._reason = reason
        self._stop.set()
        if self._started is not None:
            self._started.stop(reason)

    def let_go(self) -> None:
        """Leave the run to itself: it goes on, and is held at its next question."""
        if self._started is not None:
            self._started.let_go()

    def close(self) -> None:
        """Wait for a run that is stopping, and leave any other to itself."""
        if not self.stopping:
            self.let_go()
        self._thread.shutdown(wait=True)
        if self.follower is not None:
            self.follower.stop()

    def _work(self, order: Order) -> RunState | None:
        started = self._library.begin(order)
        self._started = started
        if self._stop.is_set():
            started.stop(self._reason)
        try:
            for word in started.words():
                if isinstance(word, Advanced):
                    self._post(PrepareAdvanced(word.done, word.total))
                else:
                    self._follow(word.run_id)
        finally:
            if self.follower is not None:
                self.follower.catch_up()
        if self.follower is None:  # let go before it had begun
            raise Interrupted(cause=self._reason)
        return self.state

    def _follow(self, run_id: str) -> None:
        self.follower = Follower(self._library, run_id, Feed(lambda: self._post(RunChanged())))
        self.follower.start()
        self._post(RunReady(self.follower))

    def _ended(self, future: Future[RunState | None]) -> None:
        error = future.exception()
        self._post(RunEnded(None if error else future.result(), error))
