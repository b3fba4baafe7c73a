"""How a run shows itself without the console: live bars, plain lines, JSON lines, or nothing. All but JSON lines
write to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from sdconsole.core.bus import View
from sdconsole.core.events import (
    Blocked,
    BlockerEnded,
    CheckResult,
    Continued,
    LiveChanged,
    LogLine,
    Paused,
    Record,
    ScoreReported,
    StageFinished,
    StageStarted,
    Waiting,
    to_json,
)
from sdconsole.core.events import Progress as ProgressEvent
from sdconsole.core.model import CheckStatus, StageStatus
from sdconsole.interfaces.cli.output import takes_all, write_message
from sdconsole.interfaces.safe_text import safe_text

HEARTBEAT_SECONDS = 5.0


class ProgressMode(StrEnum):
    AUTO = "auto"
    RICH = "rich"
    PLAIN = "plain"
    NONE = "none"


def chosen(mode: ProgressMode, *, stderr_is_terminal: bool) -> ProgressMode:
    """`auto` draws bars only where somebody can see them."""
    if mode is not ProgressMode.AUTO:
        return mode
    return ProgressMode.RICH if stderr_is_terminal else ProgressMode.PLAIN


def json_lines(record: Record) -> None:
    """The event stream on stdout, one record a line."""
    text = to_json(record).decode()
    sys.stdout.write((text if takes_all() else json.dumps(json.loads(text))) + "\n")
    sys.stdout.flush()


def work_text(event: ProgressEvent) -> str:
    """`tickets 50,000/260,000 (19.2%)  21.4 MB  2,314 rows/s  ETA 1m31s`"""
    share = f" ({event.done / event.total:.1%})" if event.total else ""
    total = f"/{event.total:,}" if event.total is not None else ""
    rate = f"  {event.rate_per_second:,.0f} {event.unit}/s" if event.rate_per_second else ""
    eta = f"  ETA {duration_text(event.eta_seconds)}" if event.eta_seconds else ""
    size = f"  {event.size_bytes / 1e6:,.1f} MB" if event.size_bytes else ""
    return f"{safe_text(event.task)} {event.done:,}{total}{share}{size}{rate}{eta}"


def duration_text(seconds: float) -> str:
    """0.4s, 12.0s, 1m31s, 2h05m"""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def blocked_lines(blocked: Blocked) -> list[str]:
    """Who holds what a switch needs, and what an operator can do about it."""
    lines = [f"waiting: {safe_text(holder.says)}" for holder in blocked.holders]
    pids = [holder.pid for holder in blocked.holders if holder.pid is not None]
    if pids:
        left = duration_text(max(0.0, blocked.deadline_seconds - blocked.waited_seconds))
        lines.append(
            f"gives up in {left}; Ctrl-C aborts; to cancel that session: sdconsole blockers --cancel {pids[0]}"
        )
    return lines


def _edge_text(record: Record) -> str | None:
    """The line an event is worth when there are no bars."""
    match record.event:
        case StageFinished() as event:
            again = " (used again)" if event.reused else ""
            took = "" if event.reused else f" in {duration_text(event.duration_seconds)}"
            return f"{event.stage:<10} {event.status}{took}{again}" + (
                f"  {safe_text(event.note)}" if event.note else ""
            )
        case CheckResult(status=CheckStatus.WARN | CheckStatus.FAIL) as event:
            remedy = f" - {safe_text(event.remedy)}" if event.remedy else ""
            return f"{event.stage:<10} {event.status}: {event.check}: {safe_text(event.detail)}{remedy}"
        case ScoreReported(phase="after") as event:
            return f"{event.stage:<10} score {event.total:.2f} (minimum {event.minimum:g}), {event.grade}"
        case Waiting() as event:
            return f"{event.stage:<10} waiting: {safe_text(event.prompt)}"
        case LiveChanged() as event:
            before = event.from_version or "nothing"
            return f"{event.stage:<10} {event.live_schema} now shows {event.to_version} (before: {before})"
        case Blocked() as event:
            return "\n".join(f"{event.stage:<10} {line}" for line in blocked_lines(event)) or None
        case BlockerEnded() as event:
            done = "cancelled" if event.how == "cancel" else "ended"
            return f"{event.stage:<10} pid {event.pid} was {done} by {event.by} on {safe_text(event.host)}"
        case Paused() as event:
            return f"{event.stage:<10} rests, as {safe_text(event.by)} asked ({event.via})"
        case Continued() as event:
            return f"{event.stage:<10} goes on after {duration_text(event.rested_seconds)}"
        case LogLine(level="warning" | "error") as event:
            return f"{event.stage or 'run':<10} {event.level}: {safe_text(event.message)}"
        case _:
            return None


class PlainProgress:
    """One line at each stage edge, warnings as they come, and a heartbeat every five seconds in between."""

    def __init__(self) -> None:
        self._spoke_at = 0.0

    def __call__(self, record: Record) -> None:
        event = record.event
        if isinstance(event, StageStarted):
            self._say(record, f"{event.stage:<10} started")
        elif isinstance(event, ProgressEvent):
            if record.elapsed_seconds - self._spoke_at >= HEARTBEAT_SECONDS:
                self._say(record, f"{event.stage:<10} {work_text(event)}")
        elif (text := _edge_text(record)) is not None:
            self._say(record, text)

    def _say(self, record: Record, text: str) -> None:
        self._spoke_at = record.elapsed_seconds
        for line in text.splitlines():
            write_message(f"[{record.elapsed_seconds:7.1f}s] {line}")


_GLYPHS = {StageStatus.PASSED: ("✓", "green"), StageStatus.WARNED: ("!", "yellow")}


class RichProgress:
    """A bar for each task of the running stage; finished stages stay as lines above it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, record: Record) -> None:
        event = record.event
        if isinstance(event, ProgressEvent):
            self._advance(event)
            return
        if isinstance(event, StageStarted):
            self._clear()
            self._tasks[""] = self._progress.add_task(event.stage, total=None, work="")
            return
        text = _edge_text(record)
        if isinstance(event, StageFinished):
            self._clear()
            glyph, style = _GLYPHS.get(event.status, ("✗", "red"))
            self._progress.console.print(f"{glyph} {text}", style=style, markup=False, highlight=False)
        elif text is not None:
            self._progress.console.print(f"  {text}", markup=False, highlight=False)

    def _advance(self, event: ProgressEvent) -> None:
        if "" in self._tasks:
            self._progress.remove_task(self._tasks.pop(""))
        if event.task not in self._tasks:
            self._tasks[event.task] = self._progress.add_task(event.stage, total=event.total, work="")
        self._progress.update(self._tasks[event.task], completed=event.done, total=event.total, work=work_text(event))

    def _clear(self) -> None:
        for task in self._tasks.values():
            self._progress.remove_task(task)
        self._tasks.clear()


@contextmanager
def progress_view(mode: ProgressMode) -> Iterator[tuple[View, ...]]:
    """The views of a progress mode, for as long as the run lasts."""
    if mode is ProgressMode.RICH:
        columns = (
            TextColumn("{task.description:<10}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[work]}", markup=False),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            yield (RichProgress(progress),)
    elif mode is ProgressMode.PLAIN:
        yield (PlainProgress(),)
    else:
        yield ()
