"""The walk that this console walks: one at a time, in a thread of its own. Knows no widget.

What happens is posted as messages, which Textual takes from any thread; `state` and `run` hold what is known so far.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from textual.message import Message

from sdconsole.core.events import Record
from sdconsole.core.projection import fold
from sdconsole.errors import Interrupted
from sdconsole.interfaces.tui.feed import Feed
from sdconsole.interfaces.tui.library import PrepareWalk, Walk
from sdconsole.interfaces.tui.walk_gate import ConsoleWalkGate, WalkQuestion
from sdconsole.runbook.events import Entry
from sdconsole.runbook.walk_state import WalkState, after


class WalkChanged(Message):
    """The walk, its run or its question has something new."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, WalkChanged)


class WalkReady(Message):
    """A walk is prepared and begins or goes on now."""


class WalkStopped(Message):
    """The thread has ended: `state` is the walk's last state, or `error` says why there was no walk or no end."""

    def __init__(self, state: WalkState | None, error: BaseException | None) -> None:
        self.state = state
        self.error = error
        super().__init__()


class WalkSession:
    """Owns the thread that walks. All public methods are for the screen's thread."""

    def __init__(
        self, post: Callable[[Message], object], operator: str, records: Callable[[str], Iterable[Record]]
    ) -> None:
        self._post = post
        self._operator = operator
        self._records = records
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="walk")
        self._stopper = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stop-walk")
        self._stop = threading.Event()
        self._reason = ""
        self._future: Future[WalkState] | None = None
        self._gate: ConsoleWalkGate | None = None
        self.walk: Walk | None = None
        self.state = WalkState()
        self.run: Feed | None = None
        """The engine's run that the walk is in, or was in last."""

    @property
    def busy(self) -> bool:
        return self._future is not None and not self._future.done()

    @property
    def stopping(self) -> bool:
        return self.busy and self._stop.is_set()

    @property
    def asked(self) -> WalkQuestion | None:
        return self._gate.asked if self._gate is not None else None

    def start(self, prepare: PrepareWalk) -> None:
        """Prepare and walk; WalkReady, WalkChanged and WalkStopped follow."""
        if self.busy:
            raise RuntimeError("a walk is under way")
        self._stop.clear()
        self.walk = self.run = self._gate = None
        self.state = WalkState()
        self._future = self._thread.submit(self._work, prepare)
        self._future.add_done_callback(self._ended)

    def answer(self, question: WalkQuestion, *, accepted: bool, typed: str = "") -> None:
        """Answer what was on the screen; a question that came after it stays open."""
        if self._gate is not None:
            self._gate.answer(question, accepted=accepted, typed=typed)

    def leave(self) -> None:
        """Leave the open question for later."""
        if self._gate is not None:
            self._gate.leave()

    def stop(self, reason: str) -> None:
        """Cancel what is under way; interrupting a server may take a while, so not on this thread."""
        self._reason = reason
        self._stop.set()
        if self.walk is not None:
            self._stopper.submit(self.walk.cancellation.cancel, reason)

    def close(self, reason: str) -> None:
        """Stop what is under way and wait for its end. A question that is open is left for later."""
        if self.asked is not None:
            self.leave()
        elif self.busy:
            self.stop(reason)
        self._thread.shutdown(wait=True)
        self._stopper.shutdown(wait=True)

    def _work(self, prepare: PrepareWalk) -> WalkState:
        walk = prepare()
        gate = ConsoleWalkGate(self._operator, walk.cancellation, self._changed)
        self.state, self._gate, self.walk = walk.earlier, gate, walk
        if self._stop.is_set():
            raise Interrupted(cause=self._reason)
        self._post(WalkReady())
        return walk.execute(gate, (self._entry,), (self._record,))

    def _entry(self, entry: Entry) -> None:
        self.state = after(self.state, entry)
        self._changed()

    def _record(self, record: Record) -> None:
        """A walk may have several runs, and one that is taken up has a past."""
        run = self.run
        if run is None or run.state.run_id != record.run:
            past = fold(known for known in self._records(record.run) if known.seq < record.seq)
            run = self.run = Feed(self._changed, earlier=past)
        run(record)

    def _changed(self) -> None:
        self._post(WalkChanged())

    def _ended(self, future: Future[WalkState]) -> None:
        error = future.exception()
        self._post(WalkStopped(None if error else future.result(), error))
