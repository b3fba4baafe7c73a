"""Slow reading beside the screen: each errand has a thread of its own and comes back to the screen's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from sdconsole.errors import SdconsoleError

T = TypeVar("T")


def run_errand(
    hand_over: Callable[..., object],
    call: Callable[[], T],
    *,
    then: Callable[[T], object],
    failed: Callable[[Exception], object],
) -> None:
    """Call in a daemon thread, so that a server that does not answer cannot keep the console from closing.

    `hand_over(function, argument)` runs the function on the screen's thread: `then` with the result, `failed` with an
    error of ours or of the machine; any other error is raised there.
    """

    def work() -> None:
        try:
            result = call()
        except (SdconsoleError, OSError) as error:
            hand_over(failed, error)
        except Exception as error:  # noqa: BLE001 - raised again on the screen's thread
            hand_over(_raise, error)
        else:
            hand_over(then, result)

    threading.Thread(target=work, name="errand", daemon=True).start()


def _raise(error: Exception) -> None:
    raise error
