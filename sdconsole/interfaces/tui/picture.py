"""Everything the run screen draws, in one value: the state of the run and what the console knows around it."""

from __future__ import annotations

from dataclasses import dataclass

from sdconsole.core.events import ErrorReport
from sdconsole.core.projection import RunState
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.top_bar import TopBar


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    """What is made ready before the run exists. `total` is None while it is not known."""

    done: int = 0
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """`error` ended the run before or outside its stages. `commands` fit the end of the run, the first one first."""

    state: RunState
    look: Look
    top: TopBar
    elapsed_seconds: float
    preparing: Preparing | None = None
    error: ErrorReport | None = None
    log_path: str = ""
    machine: str = ""
    """Free disk and memory in words, while a run goes on."""
    commands: tuple[str, ...] = ()
