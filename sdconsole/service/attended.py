"""A process that executes one run for whoever started it: `python -m sdconsole.service.attended DESCRIPTOR`.

It shows nothing. Its journal tells what happens, and answers and rests are left in the run's folder, so the one who
started it is a terminal like any other, but for two things: only they can stop it while it is made ready, and when
they go without a word, a question has nobody to answer it and the run is held.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection as Channel
from types import FrameType
from typing import Protocol

from sdconsole.core.bus import View
from sdconsole.core.events import Record, Waiting
from sdconsole.core.gates import Answer, Gate
from sdconsole.core.other_process import LeftAloneError, Owner
from sdconsole.core.projection import RunState
from sdconsole.core.stage import Cancellation
from sdconsole.errors import Interrupted, SdconsoleError, from_os_error
from sdconsole.service.orders import ProgressCall, prepare
from sdconsole.service.run_process import Advanced, Begun, Ended, Refused, Stop, Task
from sdconsole.service.targets import current_operator

_SAY_SECONDS = 0.1
GONE = "whoever started it is gone"


class Run(Protocol):
    """A run that is ready to start."""

    @property
    def run_id(self) -> str: ...
    @property
    def cancellation(self) -> Cancellation: ...
    def execute(self, gate: Gate, views: tuple[View, ...] = ()) -> RunState: ...
    def close(self) -> None: ...


class AttendedGate:
    """Waits at a question until its answer is left in the run's folder. Without anybody to leave one it is held."""

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation
        self._released = threading.Event()
        self._alone = False

    def ask(self, question: Waiting) -> Answer:
        self._released.clear()
        if not self._alone:
            with self._cancellation.interrupting(self._released.set):
                self._released.wait()
        return Answer(False, current_operator(), "console", held=True)

    def withdraw(self) -> None:
        self._released.set()

    def leave_alone(self) -> None:
        """From now on every question is held."""
        self._alone = True
        self._released.set()


class Attendance:
    """What the owner wants, and whether there is one."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._lock = threading.Lock()
        self._reason = ""
        self._alone = False
        self._run: Run | None = None
        self._gate: AttendedGate | None = None
        self._said = 0.0

    def listen(self) -> None:
        """Until the owner goes."""
        while True:
            try:
                word = self._owner.hear()
            except LeftAloneError:
                self._left_alone()
                return
            if isinstance(word, Stop):
                self.stop(word.reason)

    def stop(self, reason: str) -> None:
        with self._lock:
            self._reason = self._reason or reason
            run = self._run
        if run is not None:
            run.cancellation.cancel(reason)

    def progress(self, done: int, total: int | None) -> None:
        """Tells how far preparing is. Raises Interrupted when it is not wanted any more."""
        self.check()
        now = time.monotonic()
        if now - self._said >= _SAY_SECONDS or done == total:
            self._said = now
            with suppress(LeftAloneError):
                self._owner.tell(Advanced(done, total))

    @property
    def unwanted(self) -> str:
        """Why the run is not wanted any more; "" = it is. One that has not begun does not begin for nobody."""
        return self._reason or (GONE if self._alone else "")

    def check(self) -> None:
        """Raises Interrupted when the run is not wanted any more."""
        if self.unwanted:
            raise Interrupted(cause=self.unwanted)

    def execute(self, run: Run) -> None:
        gate = AttendedGate(run.cancellation)
        with self._lock:
            self._run, self._gate = run, gate
            unwanted = self.unwanted
        if unwanted:
            run.close()
            self.check()
        run.execute(gate, (_BegunTeller(self._owner),))

    def _left_alone(self) -> None:
        with self._lock:
            self._alone = True
            gate = self._gate
        if gate is not None:
            gate.leave_alone()


class _BegunTeller:
    """Tells the owner of the run's first record."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._told = False

    def __call__(self, record: Record) -> None:
        if not self._told:
            self._told = True
            with suppress(LeftAloneError):
                self._owner.tell(Begun(record.run))


def attend(owner: Owner, attendance: Attendance, make_ready: Callable[[ProgressCall], Run]) -> None:
    """Prepare and execute a run, and tell the owner how far it came. What is no error of ours is raised."""
    threading.Thread(target=attendance.listen, name="owner", daemon=True).start()
    word: Refused | Ended
    try:
        attendance.execute(make_ready(attendance.progress))
        word = Ended()
    except SdconsoleError as error:
        word = Refused(error)
    except OSError as error:
        word = Refused(from_os_error(error, "the run could not be made ready"))
    with suppress(LeftAloneError):
        owner.tell(word)


def main() -> None:
    """The work has a thread of its own, so that this one is free to receive signals at once."""
    owner = Owner(Channel(int(sys.argv[1])))
    try:
        task: Task = owner.hear()
    except LeftAloneError:
        sys.exit(1)
    attendance = Attendance(owner)
    _stop_on_signals(attendance)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine") as engine:
        engine.submit(attend, owner, attendance, lambda progress: prepare(task.settings, task.order, progress)).result()


def _stop_on_signals(attendance: Attendance) -> None:
    """The first one stops the run cleanly, the second ends the process at once."""
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if received:
            os._exit(128 + number)
        received.append(number)
        name = f"signal {signal.Signals(number).name}"
        threading.Thread(target=attendance.stop, args=(name,), daemon=True).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


if __name__ == "__main__":
    main()
