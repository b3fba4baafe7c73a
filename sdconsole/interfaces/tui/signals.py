"""Signals stop the run like quitting does, without a question; a lost terminal leaves the run to itself."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


TERMINATED = f"signal {signal.SIGTERM.name}"
"""The reason that a console gives which the system ended."""


def _stopped(stop: Callable[[str], object], lost: Callable[[], object], number: signal.Signals) -> None:
    if number is signal.SIGHUP:  # the terminal is gone; what is still said must not fail for want of it
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (1, 2):
            os.dup2(nowhere, descriptor)
        os.close(nowhere)
        lost()
    else:
        stop(f"signal {number.name}")


def stop_on_signals(stop: Callable[[str], object], *, lost: Callable[[], object]) -> Callable[[], None]:
    """From now on `stop(reason)` is called on the running event loop, or `lost()` when the terminal is gone.

    Returns what puts the old handlers back.

    Only the main thread of a process can listen to signals; on another one nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        loop.add_signal_handler(number, _stopped, stop, lost, number)

    def restore() -> None:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)

    return restore
