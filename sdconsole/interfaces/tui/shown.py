"""Which run the run screen shows, and the picture of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sdconsole.config import Settings
from sdconsole.core import runs
from sdconsole.core.model import StageName, StageStatus
from sdconsole.core.projection import RunState
from sdconsole.errors import SdconsoleError, Verdict
from sdconsole.interfaces.tui.commands import next_commands, target_name
from sdconsole.interfaces.tui.feed import Entry, Feed
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.outlook import remaining_seconds
from sdconsole.interfaces.tui.picture import Picture, Preparing
from sdconsole.interfaces.tui.top_bar import TopBar
from sdconsole.interfaces.tui.verdict_panel import error_report
from sdconsole.interfaces.tui.watching import Follower, Replayer


@dataclass(slots=True)
class Shown:
    """A run on the screen. `watching` fills its feed, and is None while the run does not exist yet."""

    feed: Feed
    settings: Settings
    own: bool = False
    """This console started the run, and its process has not ended."""
    pause_asked: bool = False
    watching: Follower | Replayer | None = None
    state: RunState = field(default_factory=RunState)
    entries: list[Entry] = field(default_factory=list)
    """Log lines that were not drawn yet."""
    preparing: Preparing | None = None
    error: BaseException | None = None
    frozen: bool = False
    read_only: bool = False

    def refresh(self) -> None:
        """Take what is new from the feed."""
        self.state, entries = self.feed.take()
        self.entries += entries
        self.pause_asked = self.pause_asked and self.state.paused is None
        if self.watching is not None and self.watching.error is not None:
            self.error = self.watching.error

    @property
    def alive(self) -> bool:
        """A process executes the run that this console did not start."""
        return self.watching is not None and self.watching.alive and not self.own

    @property
    def replaying(self) -> bool:
        return isinstance(self.watching, Replayer) and not self.watching.over

    def take_entries(self) -> list[Entry]:
        """The log lines that were not drawn yet."""
        entries, self.entries = self.entries, []
        return entries

    def top(self, look: Look, *, stopping: bool = False, remaining: float | None = None) -> TopBar:
        activity, style = self._activity(look, stopping=stopping)
        target, schema, production = self._target()
        return TopBar(
            look=look,
            target=target,
            live_schema=schema,
            production=production,
            read_only=self.read_only,
            activity=activity,
            activity_style=style,
            run_id=self.state.run_id or (self.watching.run_id if self.watching is not None else ""),
            elapsed_seconds=float(int(self.feed.elapsed_seconds)) if self.state.seq else None,
            remaining_seconds=None if remaining is None else round(remaining),
        )

    def picture(self, look: Look, expected: Mapping[StageName, float], *, stopping: bool, machine: str = "") -> Picture:
        elapsed = self.feed.elapsed_seconds
        remaining = remaining_seconds(self.state, expected, elapsed)
        elapsed = float(int(elapsed)) if self.state.finished is None else elapsed
        return Picture(
            state=self.state,
            look=look,
            top=self.top(look, stopping=stopping, remaining=remaining),
            elapsed_seconds=elapsed,
            preparing=self.preparing,
            error=error_report(self.error) if self.error is not None else None,
            log_path=self._log_path(),
            machine=machine if self.state.finished is None else "",
            commands=next_commands(self.settings, self.state),
        )

    def _log_path(self) -> str:
        if self.watching is None:
            return ""
        return str(runs.runs_folder(self.settings.state_dir) / self.watching.run_id / runs.JOURNAL)

    def _target(self) -> tuple[str, str, bool]:
        started = self.state.started
        if started is not None:
            return started.target, started.live_schema, started.production
        try:
            target = self.settings.target_settings()
        except SdconsoleError:  # an unknown target: preparing says so in its own words
            return target_name(self.settings), "", False
        return target_name(self.settings), target.live_schema, target.production

    def _activity(self, look: Look, *, stopping: bool) -> tuple[str, str]:
        state = self.state
        if self.frozen:
            words = "VIEW FROZEN, space goes on" if self.feed.state.finished is None else "VIEW FROZEN, run has ended"
            return words, f"bold reverse {look.warn}"
        if isinstance(self.watching, Replayer) and not self.watching.over:
            return f"REPLAY x{self.watching.speed}", f"bold reverse {look.accent}"
        if stopping:
            return "stopping", look.warn
        if state.paused is not None:
            return "PAUSED, p goes on", f"bold reverse {look.warn}"
        if self.pause_asked and state.finished is None:
            return "pausing at the next safe point", look.warn
        if self.preparing is not None:
            return "preparing", look.accent
        if state.verdict is not None:
            verdict = str(state.verdict).replace("-", " ")
            return verdict, look.ok if state.verdict is Verdict.OK else look.warn
        if self.watching is not None and not self.own and not self.alive and state.started is not None:
            return "cut off: nobody executes it", look.warn
        if state.current is None:
            return "", ""
        elsewhere = ", elsewhere" if self.alive else ""
        if state.current.status is StageStatus.WAITING:
            return f"waits for you{elsewhere}", f"bold {look.warn}"
        return f"{state.current.name}{elsewhere}", look.accent
