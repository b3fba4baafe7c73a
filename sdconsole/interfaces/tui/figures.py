"""Numbers and times in words: short, aligned, the same everywhere on the screen."""

from __future__ import annotations

from datetime import datetime

from sdconsole.core.events import Progress


def duration(seconds: float | None) -> str:
    """`41 ms`, `0.4 s`, `12 s`, `1:23`, `1:01:40`; "" for None."""
    if seconds is None:
        return ""
    if seconds < 0.0995:
        return f"{max(0, round(seconds * 1000))} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return clock(seconds) if round(seconds) >= 60 else f"{round(seconds)} s"


def clock(seconds: float) -> str:
    """`0:07`, `1:23`, `1:01:40`: for a time that is seen running."""
    whole = max(0, int(seconds + 0.5))
    hours, rest = divmod(whole, 3600)
    minutes, last = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{last:02}" if hours else f"{minutes}:{last:02}"


def amount(value: int, unit: str) -> str:
    return _size(value) if unit == "bytes" else f"{value:,}"


def share(progress: Progress) -> float | None:
    """How much of the task is done, 0 to 1; None while the total is unknown."""
    if progress.total is None:
        return None
    return 1.0 if progress.total <= 0 else min(1.0, max(0.0, progress.done / progress.total))


def done_of_total(progress: Progress) -> str:
    done = amount(progress.done, progress.unit)
    size = f", {_size(progress.size_bytes)}" if progress.size_bytes else ""
    return (done if progress.total is None else f"{done} of {amount(progress.total, progress.unit)}") + size


def rate(per_second: float | None, unit: str) -> str:
    """`118k rows/s`, `42 MB/s`; "" while unknown."""
    if per_second is None:
        return ""
    if unit == "bytes":
        return f"{_size(int(per_second))}/s"
    return f"{_thousands(per_second)} {unit}/s"


def time_of_day(at: str) -> str:
    """The local time of a record's UTC stamp, `03:15:02`."""
    return datetime.fromisoformat(at).astimezone().strftime("%H:%M:%S")


def day_and_time(at: str) -> str:
    """The local date and time of a record's UTC stamp, `2026-11-21 03:15`."""
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")


def _thousands(value: float) -> str:
    if value < 1_000:
        return f"{value:.0f}"
    if value < 999_500:
        return f"{value / 1_000:.1f}k" if value < 9_950 else f"{value / 1_000:.0f}k"
    return f"{value / 1_000_000:.1f}M"


def _size(value: int) -> str:
    size = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 99.5 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
