"""Shares in words: with as many digits as it takes that "almost all" never reads as all, nor "almost none" as none."""

from __future__ import annotations

_MOST_DIGITS = 9


def percent(share: float, digits: int = 1) -> str:
    """A share of 0 to 1 as '99.97%'. Only exactly all reads 100, and only exactly none reads 0."""
    for shown in range(digits, _MOST_DIGITS):
        text = f"{share:.{shown}%}"
        if float(text[:-1]) not in (0.0, 100.0):
            return text
    return f"{share:.{digits}%}"
