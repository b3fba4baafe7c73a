"""How long a test waits for what has a time limit.

The limits of the product hold on a machine that has a core for it. Where more programs want the cores than there are,
each gets a part of them, and a limit that did not grow would judge the machine instead of the product.
"""

from __future__ import annotations

import os


def within(seconds: float) -> float:
    """The limit in `seconds`, times how many programs share a core at this moment (last minute's average), twice."""
    return seconds * max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))
