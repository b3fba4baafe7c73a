"""Keeps a load below so many rows a second, so that a busy server has room for its readers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_CATCH_UP_SECONDS: Final = 1.0
"""How much of a slow stretch may be made good afterwards by going faster."""


def throttle(
    rows_per_second: float | None,
    wait: Callable[[float], None],
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> Callable[[int], None] | None:
    """What to call with each number of rows that are about to be sent: it waits as long as the limit asks for.

    `wait(seconds)` may raise. None in, None out: no limit.
    """
    if rows_per_second is None:
        return None
    due = monotonic()

    def pace(rows: int) -> None:
        nonlocal due
        now = monotonic()
        due = max(due, now - _CATCH_UP_SECONDS)
        if due > now:
            wait(due - now)
        due += rows / rows_per_second

    return pace
