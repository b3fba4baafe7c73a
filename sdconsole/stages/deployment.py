"""What all stages of one run share: settings, contract, source, target, and the way to a connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from sdconsole.config import Settings
from sdconsole.contract.date_answers import DateAnswer
from sdconsole.contract.model import Contract
from sdconsole.core.model import Mode
from sdconsole.core.stage import StageContext, Unit
from sdconsole.errors import UsageError
from sdconsole.source.open import SourceFacts
from sdconsole.target.connect import Connection, Target, connect
from sdconsole.target.failures import classify
from sdconsole.target.ledger.lock import RunLock


@dataclass(slots=True)
class Deployment:
    """`intake` is what the source was when the run was prepared; `lock` is held for the whole run."""

    run_id: str
    settings: Settings
    contract: Contract
    folder: Path
    mode: Mode
    operator: str
    host: str
    source: Path | None = None
    intake: SourceFacts | None = None
    target: Target | None = None
    lock: RunLock | None = None
    demo: bool = False
    """The target is the demonstration's own: its questions need no typed name."""
    rollback_to: str | None = None
    backup: Path | None = None
    """The dump that a restore brings back."""
    clean_output: Path | None = None
    """Where the clean file goes instead of the run's folder."""
    dry_run: bool = False
    """Clean tells what it would do and writes no clean file."""
    date_answers: tuple[DateAnswer, ...] = ()
    """What the operator and the settings say about the order of day and month; they win over the contract."""

    @property
    def backups(self) -> Path:
        return self.settings.state_dir / "backups"

    @property
    def application(self) -> str:
        """What the server's activity view shows for this run."""
        return f"sdconsole:{self.run_id}"

    @property
    def expected_name(self) -> str:
        """What must be typed to confirm a change of live; "" = a plain yes is enough."""
        return "" if self.demo or self.target is None else self.target.live_schema

    def needed_source(self) -> tuple[Path, SourceFacts]:
        if self.source is None or self.intake is None:
            raise UsageError(
                "no-source",
                "this run has no source",
                cause="it was started without one",
                next_step="sdconsole deploy SOURCE",
            )
        return self.source, self.intake

    def needed_backup(self) -> Path:
        if self.backup is None:
            raise UsageError(
                "no-backup",
                "this run has no backup",
                cause="it was started without one",
                next_step="sdconsole restore BACKUP",
            )
        return self.backup

    def needed_target(self) -> Target:
        if self.target is None:
            raise UsageError(
                "no-target",
                "this run has no target",
                cause="its stages need no server, and this one does",
                next_step="name one with --target or --dsn",
            )
        return self.target


Context = StageContext[Deployment]


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def session(ctx: Context, *, autocommit: bool = True) -> Iterator[Connection]:
    """A connection to the target that a stop request cancels; its errors come out in the operator's form."""
    target = ctx.deployment.needed_target()
    with (
        closing(connect(target, application=ctx.deployment.application, autocommit=autocommit)) as connection,
        ctx.cancellation.interrupting(lambda: connection.cancel_safe(timeout=3)),
    ):
        try:
            yield connection
        except psycopg.Error as error:
            ctx.cancellation.check()
            raise classify(error) from error


def reporter(ctx: Context, task: str, unit: Unit = "rows") -> Callable[[int, int | None], None]:
    """The progress callback of one task."""
    return lambda done, total: ctx.progress(task, done, total, unit)
