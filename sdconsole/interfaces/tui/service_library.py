"""The console's library made from the service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

from sdconsole import service
from sdconsole.config import EMBEDDED, Settings
from sdconsole.core import runs
from sdconsole.core.events import Record, Waiting
from sdconsole.core.model import FINISHED, StageName
from sdconsole.core.runs import RunSummary
from sdconsole.observe.health import disk_spaces
from sdconsole.quality.profile.model import Profile
from sdconsole.report.compare import Difference
from sdconsole.runbook.library import shipped
from sdconsole.runbook.lint import checked
from sdconsole.runbook.model import Runbook
from sdconsole.service import decisions, reporting, upkeep, walking
from sdconsole.service.dashboards import Figures, dashboard_figures
from sdconsole.service.history import PastRun, past_runs
from sdconsole.service.reviewing import DateQuestion, date_questions, run_profile
from sdconsole.service.upkeep import TargetLook
from sdconsole.target.ledger.record import VersionState
from sdconsole.target.live.versions import VersionRow

VIA = "console"
_LOOKED_AT = 5
"""How many runs back a stage's last duration is looked for."""


class ServiceLibrary:
    """Binds the service's functions to one set of settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def begin(self, order: service.Order) -> service.StartedRun:
        return service.start_run(self._settings, order)

    def runs(self) -> tuple[RunSummary, ...]:
        return service.list_runs(self._settings)

    def records(self, run_id: str) -> Iterable[Record]:
        return service.read_records(self._settings, run_id)

    def follow(self, run_id: str, again: Callable[[], bool]) -> Iterable[Record]:
        return service.follow_run(self._settings, run_id, again=again, collapse=True)

    def is_alive(self, run_id: str) -> bool:
        return service.is_alive(self._settings, run_id)

    def answer(self, run_id: str, question: Waiting, typed: str) -> None:
        service.answer_run(self._settings, run_id, question, accepted=True, typed=typed, via=VIA)

    def hold(self, run_id: str, question: Waiting) -> None:
        service.hold_run(self._settings, run_id, question, via=VIA)

    def stop(self, run_id: str) -> None:
        service.stop_run(self._settings, run_id, via=VIA)

    def abort(self, run_id: str) -> str:
        aborted = decisions.abort_run(self._settings, run_id)
        dropped = f"dropped {', '.join(aborted.dropped)}" if aborted.dropped else "nothing had to be dropped"
        kept = f"; kept {', '.join(aborted.kept)}" if aborted.kept else ""
        return f"{aborted.run_id} was given up: {dropped}{kept}"

    def pause(self, run_id: str, *, rest: bool) -> None:
        (service.pause_run if rest else service.unpause_run)(self._settings, run_id, via=VIA)

    def profile(self, run_id: str) -> Profile:
        return run_profile(self._settings, run_id)

    def date_questions(self, run_id: str) -> tuple[DateQuestion, ...]:
        return date_questions(self._settings, run_id)

    def versions(self) -> tuple[VersionRow, ...]:
        return service.list_versions(self._settings)

    def figures(self, run_id: str | None = None) -> Figures:
        return dashboard_figures(self._settings, run_id)

    def look(self) -> TargetLook:
        return upkeep.look_at_target(self._settings)

    def end_blocker(self, run_id: str, pid: int, *, end: bool) -> str:
        gone = service.end_blocker(self._settings, pid, end=end, run_id=run_id)
        return f"{'ended' if end else 'cancelled'}: {gone.describe()}"

    def keep_log(self, run_id: str, text: str) -> Path:
        folder = runs.private_folder(self._settings.state_dir / "logs")
        path = folder / f"{run_id}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.log"
        runs.write_private(path, text.encode() + b"\n")
        return path

    def past_runs(self) -> tuple[PastRun, ...]:
        return past_runs(self._settings)

    def compare(self, before: str, after: str) -> tuple[Difference, ...]:
        return reporting.compare_runs(self._settings, before, after)

    def runbooks(self) -> tuple[Runbook, ...]:
        return tuple(checked(path) for path in shipped().values())

    def walks(self) -> tuple[walking.WalkSummary, ...]:
        return walking.list_walks(self._settings)

    def walk(self, name: str, params: Mapping[str, str], *, resume: str | None = None) -> walking.PreparedWalk:
        return walking.prepare_walk(self._settings, name, params, new=resume is None, resume=resume)

    def machine(self) -> str:
        spaces = disk_spaces([self._settings.state_dir])
        free = min((space.free_bytes for space in spaces), default=0) / 1e9
        return f"disk {free:,.1f} GB free, memory {psutil.virtual_memory().percent:.0f} % used"

    def live_version(self) -> str:
        """The embedded server is asked only when it runs: looking must not start one."""
        settings = self._settings
        chosen = settings.target_settings()
        if settings.target == EMBEDDED and not chosen.dsn and not service.embedded_server(settings).status().ready:
            return "live: the embedded server does not run now; it starts with the first run"
        rows = service.list_versions(settings)
        live = next((row for row in rows if row.state is VersionState.LIVE), None)
        if live is None:
            return f"live: {chosen.live_schema} has no version yet"
        since = f" since {live.live_at:%Y-%m-%d %H:%M} UTC" if live.live_at is not None else ""
        count = sum(not row.canary for row in rows)
        kept = "1 version kept" if count == 1 else f"{count} versions kept"
        return f"live: {live.version}{since}, {live.rows:,} rows, {kept}"

    def expected_seconds(self, rows: Sequence[RunSummary]) -> Mapping[StageName, float]:
        found: dict[StageName, float] = {}
        for summary in [row for row in rows if not row.alive][:_LOOKED_AT]:
            for stage in service.load_run(self._settings, summary.run_id).stages:
                if stage.status in FINISHED and stage.duration_seconds:
                    found.setdefault(stage.name, stage.duration_seconds)
        return found
