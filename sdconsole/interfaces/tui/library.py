"""What the console needs from the rest of sdconsole, as protocols: runs to start and follow, lists to show.

The screens are written against these, so they can be driven by scripted runs as well as by the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from sdconsole.core.bus import View
from sdconsole.core.events import Record, Waiting
from sdconsole.core.model import StageName
from sdconsole.core.runs import RunSummary
from sdconsole.core.stage import Cancellation
from sdconsole.quality.profile.model import Profile
from sdconsole.report.compare import Difference
from sdconsole.runbook.asking import WalkGate
from sdconsole.runbook.events import WalkView
from sdconsole.runbook.model import Runbook
from sdconsole.runbook.planner import WalkPlan
from sdconsole.runbook.walk_state import WalkState
from sdconsole.service.dashboards import Figures
from sdconsole.service.history import PastRun
from sdconsole.service.orders import Order
from sdconsole.service.reviewing import DateQuestion
from sdconsole.service.run_process import Advanced, Begun
from sdconsole.service.upkeep import TargetLook
from sdconsole.service.walking import WalkSummary
from sdconsole.target.live.versions import VersionRow


class Started(Protocol):
    """A run that another process makes ready and executes for this one."""

    def words(self) -> Iterator[Advanced | Begun]:
        """What it says, until it has ended or was let go. Raises the error that kept it from beginning."""
        ...

    def stop(self, reason: str) -> None: ...
    def let_go(self) -> None: ...


class Walk(Protocol):
    """A walk through a runbook that is ready to begin or to go on."""

    @property
    def walk_id(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def runbook(self) -> Runbook: ...
    @property
    def called(self) -> str: ...
    @property
    def plan(self) -> WalkPlan: ...
    @property
    def values(self) -> Mapping[str, str]: ...
    @property
    def target(self) -> str: ...
    @property
    def live_schema(self) -> str: ...
    @property
    def production(self) -> bool: ...
    @property
    def cancellation(self) -> Cancellation: ...
    @property
    def earlier(self) -> WalkState: ...

    def execute(
        self, gate: WalkGate, views: tuple[WalkView, ...] = (), run_views: tuple[View, ...] = ()
    ) -> WalkState: ...


PrepareWalk = Callable[[], Walk]
"""Makes a walk ready; raises an SdconsoleError when something is wrong."""


class Library(Protocol):
    """Every method may block and may raise an SdconsoleError; none is called on the screen's thread."""

    def begin(self, order: Order) -> Started:
        """Have a run executed by a process of its own."""
        ...

    def runs(self) -> tuple[RunSummary, ...]: ...
    def records(self, run_id: str) -> Iterable[Record]: ...
    def follow(self, run_id: str, again: Callable[[], bool]) -> Iterable[Record]:
        """The run's records and those to come, for as long as `again`, which waits a moment, says so."""
        ...

    def is_alive(self, run_id: str) -> bool:
        """Whether some process executes the run now."""
        ...

    def answer(self, run_id: str, question: Waiting, typed: str) -> None:
        """Say yes to the question that another process asks."""
        ...

    def hold(self, run_id: str, question: Waiting) -> None:
        """Leave the question open that the run's process asks; the run ends held."""
        ...

    def stop(self, run_id: str) -> None:
        """Stop a run that another process executes; it can be resumed."""
        ...

    def abort(self, run_id: str) -> str:
        """Give the run up for good; what became of it, in words."""
        ...

    def pause(self, run_id: str, *, rest: bool) -> None:
        """Let a run that another process executes rest, or go on."""
        ...

    def profile(self, run_id: str) -> Profile: ...
    def date_questions(self, run_id: str) -> tuple[DateQuestion, ...]: ...
    def versions(self) -> tuple[VersionRow, ...]: ...
    def figures(self, run_id: str | None = None) -> Figures: ...
    def look(self) -> TargetLook: ...
    def end_blocker(self, run_id: str, pid: int, *, end: bool) -> str:
        """Cancel what the session runs, or end it; what was done, in words."""
        ...

    def keep_log(self, run_id: str, text: str) -> Path:
        """Write the lines to a new file in the state folder."""
        ...

    def past_runs(self) -> tuple[PastRun, ...]:
        """The newest runs with what came of them, newest first."""
        ...

    def compare(self, before: str, after: str) -> tuple[Difference, ...]:
        """What is different between two runs."""
        ...

    def runbooks(self) -> tuple[Runbook, ...]: ...
    def walks(self) -> tuple[WalkSummary, ...]: ...
    def walk(self, name: str, params: Mapping[str, str], *, resume: str | None = None) -> Walk:
        """A new walk through the runbook of this name, or the one on record that is to go on."""
        ...

    def machine(self) -> str:
        """Free disk and memory in words."""
        ...

    def live_version(self) -> str:
        """In words: the version readers see, or why it is not known."""
        ...

    def expected_seconds(self, rows: Sequence[RunSummary]) -> Mapping[StageName, float]:
        """How long each stage took the last time; `rows` is what `runs` returned."""
        ...
