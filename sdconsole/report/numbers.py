"""Numbers as people read them, the same in HTML and in Markdown."""

from __future__ import annotations

from datetime import datetime


def duration(seconds: float) -> str:
    """0 s, 63 ms, 8.9 s, 1 min 31 s, 2 h 05 min"""
    if seconds <= 0:
        return "0 s"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes % 60 else f"{minutes // 60} h"


def number(value: float | None, *, digits: int = 0) -> str:
    """10,939; an en dash for what is not known."""
    return "–" if value is None else f"{value:,.{digits}f}"


def signed(value: float | None, *, digits: int = 2) -> str:
    """+1.50, −0.03, ±0; an en dash for what is not known."""
    if value is None:
        return "–"
    text = f"{abs(value):,.{digits}f}"
    if not float(text.replace(",", "")):
        return "±0"
    return f"{'+' if value > 0 else '−'}{text}"


def size(value: int) -> str:
    """90.7 MB"""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value} bytes"


def moment(at: str) -> str:
    """2026-11-21 13:35:30 UTC, from ISO 8601; the text itself when it is none."""
    try:
        return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return at
