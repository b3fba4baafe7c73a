"""A run in a process of its own, as whoever started it holds it: what it says until it has begun, and how it stops.

The run does not need us. When we go without a word, it goes on to its next question and is held there; its folder
tells everything else, to us as to any other terminal.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection as Channel

from sdconsole.config import Settings
from sdconsole.core.other_process import OtherProcess, end_processes, start_process
from sdconsole.errors import OperationFailed, SdconsoleError
from sdconsole.service.orders import Order

MODULE = "sdconsole.service.attended"
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Task:
    """The first word to the process. Passwords in the settings go this way only."""

    settings: Settings
    order: Order


@dataclass(frozen=True, slots=True)
class Stop:
    reason: str


@dataclass(frozen=True, slots=True)
class Advanced:
    """Preparing has done `done` of `total`; None = not known."""

    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Begun:
    """The run's journal has begun; from here on it says the rest."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """There is no run, or it could not be brought to an end that its journal could tell."""

    error: SdconsoleError


@dataclass(frozen=True, slots=True)
class Ended:
    """The run has ended and is written up."""


class StartedRun:
    """Our end of the channel. `words` is for one thread; the rest may be called from any."""

    def __init__(self, channel: Channel, *, ending: Callable[[], str], end: Callable[[], object]) -> None:
        """`ending` says in words how the process has ended that speaks no more; `end` clears up after it."""
        self._channel = channel
        self._ending = ending
        self._end = end
        self._lock = threading.Lock()
        self._left = threading.Event()

    def words(self) -> Iterator[Advanced | Begun]:
        """What the process says, until it has ended or was let go.

        Raises the error that kept the run from beginning, and OperationFailed ("run-process-lost").
        """
        run_id = ""
        try:
            while not self._left.is_set():
                if not self._channel.poll(_LOOK_SECONDS):
                    continue
                word = self._channel.recv()
                match word:
                    case Refused(error=error):
                        raise error
                    case Ended():
                        return
                    case Begun(run_id=run_id):
                        pass
                yield word
        except (EOFError, ConnectionError) as error:
            raise _lost(run_id, self._ending()) from error
        finally:
            with self._lock:
                left, self._channel = self._left.is_set(), _closed(self._channel)
            if not left:
                self._end()

    def stop(self, reason: str) -> None:
        """Ask the run to stop; its end follows. One that has ended meanwhile, or was let go, is not asked any more."""
        if self._left.is_set():
            return
        with self._lock, suppress(OSError):
            self._channel.send(Stop(reason))

    def let_go(self) -> None:
        """Leave the run to itself."""
        self._left.set()


def start_run(settings: Settings, order: Order) -> StartedRun:
    """Prepare and execute a run in a process of its own. It has no terminal, and what it writes reaches none."""
    other = start_process(MODULE)
    other.channel.send(Task(settings, order))
    return StartedRun(other.channel, ending=other.ending, end=lambda: _clear_up(other))


def _clear_up(other: OtherProcess) -> None:
    end_processes([other], at_once=False)


def _closed(channel: Channel) -> Channel:
    channel.close()
    return channel


def _lost(run_id: str, ending: str) -> OperationFailed:
    return OperationFailed(
        "run-process-lost",
        "the process that executed the run is gone" if run_id else "the process that made the run ready is gone",
        cause=ending,
        state="live is as the ledger says: sdconsole versions list" if run_id else "no run has begun",
        next_step=f"sdconsole resume {run_id}" if run_id else "sdconsole doctor, then try again",
    )
