"""A prepared run and its execution: journal, views, health, summary."""

from __future__ import annotations

import os
import platform
import sqlite3
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

import sdconsole
from sdconsole.config import EMBEDDED
from sdconsole.core import runs
from sdconsole.core.bus import Bus, View
from sdconsole.core.engine import Before, Engine
from sdconsole.core.events import LogLine, Record, RunFinished, RunResumed, RunStarted, StageStarted
from sdconsole.core.gates import Gate
from sdconsole.core.journal import Journal
from sdconsole.core.model import StageName
from sdconsole.core.plan import Plan
from sdconsole.core.projection import RunState, step
from sdconsole.core.stage import Cancellation
from sdconsole.errors import from_os_error
from sdconsole.observe.health import HealthWatch
from sdconsole.observe.hooks import run_hooks
from sdconsole.observe.link import watched_link
from sdconsole.observe.logs import LogView
from sdconsole.quality.scratch import temporary_folder
from sdconsole.report.evidence import write_evidence
from sdconsole.service.looking import last_durations
from sdconsole.service.mailbox import Mailbox
from sdconsole.service.monitoring import metrics_view
from sdconsole.stages.deployment import Deployment
from sdconsole.stages.registry import REGISTRY
from sdconsole.target.ledger.lock import RunLock


@dataclass(slots=True)
class PreparedRun:
    """A run that is ready to start: everything it needs is open. Close it when it is not executed."""

    run_id: str
    folder: Path
    plan: Plan
    target: str
    live_schema: str
    production: bool
    source: str
    deployment: Deployment
    cancellation: Cancellation
    earlier: RunState | None
    _resources: ExitStack = field(repr=False)
    notes: tuple[LogLine, ...] = ()
    """What was found and done while the run was prepared."""

    @property
    def changes_live(self) -> bool:
        """Whether readers will see something else when this run is through."""
        done = self.earlier.results if self.earlier else {}
        return any(stage in self.plan.stages and stage not in done for stage in (StageName.CUTOVER, StageName.ROLLBACK))

    def execute(self, gate: Gate, views: tuple[View, ...] = (), *, before: Before | None = None) -> RunState:
        """Run to an end and return the final state. Blocks; cancel through `cancellation`. `before` is called ahead of
        each stage and may make the run wait there.

        A question may also be answered from another process of the same operator, and the run be let rest.

        Raises OperationFailed ("disk-full", "file-error") only when the run's own journal cannot be written.
        """
        with self._resources:
            state = [self.earlier or RunState()]

            def project(record: Record) -> None:
                state[0] = step(state[0], record)

            def tell(record: Record) -> None:
                if isinstance(record.event, RunFinished):
                    for line in run_hooks(self.deployment.settings.hooks, state[0]):
                        bus.publish(line)

            try:
                mailbox = Mailbox(self.folder, gate, self.cancellation)
                keepers = (_log(self.deployment), metrics_view(self.deployment.settings))
                with _watched(self.deployment.lock), Journal(self.folder / runs.JOURNAL) as journal, mailbox.opened():
                    first = (project, _stage_keeper(self.deployment), *keepers)
                    bus = self._bus(journal, (*first, *views, tell, _evidence_keeper(self.deployment)))
                    self._run(mailbox, bus, before)
            except OSError as error:
                raise from_os_error(error, "the run's journal cannot be written", again="sdconsole resume") from error
            return state[0]

    def _bus(self, journal: Journal, views: tuple[View, ...]) -> Bus:
        earlier = self.earlier
        return Bus(
            self.run_id,
            journal=journal,
            views=views,
            after_seq=earlier.seq if earlier else 0,
            after_seconds=earlier.elapsed_seconds if earlier else 0.0,
        )

    def _run(self, gate: Gate, bus: Bus, before: Before | None) -> None:
        earlier, deployment = self.earlier, self.deployment
        if earlier is None:
            bus.publish(
                RunStarted(
                    kind=self.plan.kind,
                    mode=self.plan.mode,
                    stages=self.plan.stages,
                    source=self.source,
                    target=self.target,
                    live_schema=self.live_schema,
                    operator=deployment.operator,
                    host=deployment.host,
                    pid=os.getpid(),
                    version=sdconsole.__version__,
                    production=self.production,
                    min_quality=deployment.settings.min_quality,
                    environment=_environment(),
                )
            )
        else:
            bus.publish(RunResumed(deployment.operator, deployment.host, os.getpid(), self.plan.stages))
        for note in self.notes:
            bus.publish(note)
        Engine(
            run_id=self.run_id,
            plan=self.plan,
            stages=REGISTRY,
            deployment=deployment,
            gate=gate,
            bus=bus,
            cancellation=self.cancellation,
            watch=_watch(deployment),
            earlier=earlier.results if earlier else {},
            expected_seconds=last_durations(deployment.settings, self.run_id),
            before=before,
        ).run()

    def close(self) -> None:
        """Let go of everything; a folder without a journal is removed."""
        self._resources.close()
        if self.folder.exists():
            runs.remove_unused(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _evidence_keeper(deployment: Deployment) -> View:
    """Writes summary, reports and sums when the run ends; the last view, so that the journal is whole by then."""

    def keep(record: Record) -> None:
        if isinstance(record.event, RunFinished):
            write_evidence(deployment.settings.state_dir, record.run)

    return keep


def _log(deployment: Deployment) -> View:
    settings = deployment.settings
    return LogView(
        settings.state_dir,
        level=settings.log_level,
        max_bytes=settings.log_max_bytes,
        keep_days=settings.log_keep_days,
    )


def _stage_keeper(deployment: Deployment) -> View:
    """Tells whoever finds the target locked how far this run is."""

    def keep(record: Record) -> None:
        if deployment.lock is not None and isinstance(record.event, StageStarted):
            deployment.lock.update_stage(record.event.stage)

    return keep


def _watch(deployment: Deployment) -> HealthWatch:
    settings = deployment.settings
    paths = [deployment.folder, deployment.backups, temporary_folder()]
    ping = None
    if deployment.target is not None and deployment.target.name == EMBEDDED:
        paths.append(settings.embedded_root)
    if deployment.lock is not None:
        ping = deployment.lock.check
    return HealthWatch(tuple(paths), settings.min_free_bytes, settings.max_memory_percent, ping)


def _watched(lock: RunLock | None) -> AbstractContextManager[None]:
    return nullcontext() if lock is None else watched_link(lock.fileno(), lock.check)


def _environment() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "sqlite": sqlite3.sqlite_version,
        "psycopg": psycopg.__version__,
        "libpq": str(psycopg.pq.version()),
    }
