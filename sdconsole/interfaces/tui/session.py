"""What the console is working on: one run at a time, prepared and executed in a thread of its own.

It knows no widget. What happens is posted as messages, which Textual takes from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from textual.message import Message

from sdconsole.core.events import Waiting
from sdconsole.core.projection import RunState
from sdconsole.core.stage import Wish
from sdconsole.errors import Interrupted
from sdconsole.interfaces.tui.feed import Feed
from sdconsole.interfaces.tui.gate import VIA, ConsoleGate
from sdconsole.interfaces.tui.library import Prepare, Run


class PrepareAdvanced(Message):
    """Preparing has done `done` of `total`; None = not known."""

    def __init__(self, done: int, total: int | None) -> None:
        self.done = done
        self.total = total
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, PrepareAdvanced)


class RunReady(Message):
    """A run is prepared and starts now."""

    def __init__(self, run: Run) -> None:
        self.run = run
        super().__init__()


class RunChanged(Message):
    """The feed has something new."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RunChanged)


class Asked(Message):
    """The run waits for an answer to this question."""

    def __init__(self, question: Waiting) -> None:
        self.question = question
        super().__init__()


class AnsweredElsewhere(Message):
    """The question that was asked needs no answer here any more."""


class RunEnded(Message):
    """The thread has ended: `state` is the run's last state, or `error` says why there was no run or no end."""

    def __init__(self, state: RunState | None, error: BaseException | None) -> None:
        self.state = state
        self.error = error
        super().__init__()


class Session:
    """Owns the thread that prepares and executes. All public methods are for the screen's thread."""

    def __init__(self, post: Callable[[Message], object], operator: str) -> None:
        self._post = post
        self._operator = operator
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="run")
        self._stopper = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stop")
        self._stop = threading.Event()
        self._reason = ""
        self._future: Future[RunState] | None = None
        self.run: Run | None = None
        self.gate: ConsoleGate | None = None
        self.feed = Feed(self._changed)

    @property
    def busy(self) -> bool:
        return self._future is not None and not self._future.done()

    @property
    def stopping(self) -> bool:
        return self.busy and self._stop.is_set()

    def start(self, prepare: Prepare) -> None:
        """Prepare and execute a run; RunReady, RunChanged, Asked and RunEnded follow."""
        if self.busy:
            raise RuntimeError("a run is under way")
        self._stop.clear()
        self.run = None
        self.gate = None
        self.feed = Feed(self._changed)
        self._future = self._thread.submit(self._work, prepare)
        self._future.add_done_callback(self._ended)

    def stop(self, reason: str) -> None:
        """Cancel what is under way; RunEnded follows. Interrupting a server may take a while, so not on this thread."""
        self._reason = reason
        self._stop.set()
        if self.run is not None:
            self._stopper.submit(self.run.cancellation.cancel, reason)

    def toggle_pause(self) -> None:
        """Let the run rest at its next safe point, or go on."""
        if self.run is not None:
            cancellation, wish = self.run.cancellation, Wish(self._operator, VIA)
            if cancellation.pause_wanted:
                cancellation.unpause(wish)
            else:
                cancellation.pause(wish)

    @property
    def pause_wanted(self) -> bool:
        return self.busy and self.run is not None and self.run.cancellation.pause_wanted

    def close(self, reason: str) -> None:
        """Cancel what is under way and wait for its end. A question that is open stays held."""
        gate = self.gate
        if gate is not None and gate.asking:
            gate.hold()
        elif self.busy:
            self.stop(reason)
        self._thread.shutdown(wait=True)
        self._stopper.shutdown(wait=True)

    def _work(self, prepare: Prepare) -> RunState:
        run = prepare(self._progress)
        if self._stop.is_set():
            run.close()
            raise Interrupted(cause=self._reason)
        self.gate = ConsoleGate(
            self._operator,
            run.cancellation,
            lambda question: self._post(Asked(question)),
            lambda: self._post(AnsweredElsewhere()),
        )
        self.feed = Feed(self._changed, earlier=run.earlier)
        self.run = run
        if self._stop.is_set():
            run.cancellation.cancel(self._reason)
        self._post(RunReady(run))
        return run.execute(self.gate, (self.feed,))

    def _progress(self, done: int, total: int | None) -> None:
        if self._stop.is_set():
            raise Interrupted(cause=self._reason)
        self._post(PrepareAdvanced(done, total))

    def _changed(self) -> None:
        self._post(RunChanged())

    def _ended(self, future: Future[RunState]) -> None:
        error = future.exception()
        self._post(RunEnded(None if error else future.result(), error))
