"""The console's library made from the service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sdconsole import service
from sdconsole.config import EMBEDDED, Settings
from sdconsole.core.events import Record
from sdconsole.core.model import FINISHED, Mode, StageName
from sdconsole.core.runs import RunSummary
from sdconsole.target.ledger import VersionState

_LOOKED_AT = 5
"""How many runs back a stage's last duration is looked for."""


class ServiceLibrary:
    """Binds the service's functions to one set of settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def deploy(self, source: Path, mode: Mode) -> service.PreparedRun:
        return service.prepare_deploy(self._settings, service.DeployRequest(source=source, mode=mode))

    def resume(self, run_id: str) -> service.PreparedRun:
        return service.prepare_resume(self._settings, run_id)

    def rollback(self) -> service.PreparedRun:
        return service.prepare_rollback(self._settings)

    def runs(self) -> tuple[RunSummary, ...]:
        return service.list_runs(self._settings)

    def records(self, run_id: str) -> Iterable[Record]:
        return service.read_records(self._settings, run_id)

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
                if stage.status in FINISHED and stage.duration_seconds and not stage.reused:
                    found.setdefault(stage.name, stage.duration_seconds)
        return found
