"""Removes the records of runs that nothing needs any more. What stays says why."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from sdconsole.config import Settings
from sdconsole.core import runs
from sdconsole.core.runs import RunSummary
from sdconsole.errors import TargetLocked, Verdict, from_os_error
from sdconsole.service.targets import resolve_target
from sdconsole.stages.clean import AUDIT_FILE
from sdconsole.stages.deployment import now
from sdconsole.target.connect import connect
from sdconsole.target.failures import classify
from sdconsole.target.ledger.rows import deployments
from sdconsole.target.schema_shape import schema_exists


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """`reason` says why the record stays; "" = nothing needs it. `old_audit` is a trail that goes all the same."""

    run: RunSummary
    size_bytes: int
    reason: str
    old_audit: Path | None = None


def prune_runs(settings: Settings, *, keep_days: int, dry_run: bool = False) -> tuple[JudgedRun, ...]:
    """Removes the folders of old runs of this target; returns all runs with what was decided, newest first.

    A record stays while it is younger than `keep_days`, its run is alive, waits or is ready, belongs to another target,
    or made a version that still exists. Where only that version keeps it, its audit trail goes when it is older than
    the settings say. Raises what asking the target raises: without its ledger nothing is removed.
    """
    target = resolve_target(settings)
    try:
        with closing(connect(target, application="sdconsole:upkeep")) as connection:
            rows = deployments(connection, target.live_schema, canaries=True)
            needed = {row.run_id: row.version for row in rows if schema_exists(connection, row.version)}
    except psycopg.Error as error:
        raise classify(error) from error
    oldest = now() - timedelta(days=keep_days)
    here = target.name, target.live_schema
    judged = []
    for run in runs.list_runs(settings.state_dir):
        reason = _why_it_stays(settings, run, oldest, here, needed)
        audit = _old_audit(settings, run) if reason and run.run_id in needed else None
        judged.append(JudgedRun(run, _size(settings, run.run_id), reason, audit))
        if not reason and not dry_run:
            judged[-1] = replace(judged[-1], reason=_removed(settings, run.run_id))
        if audit is not None and not dry_run:
            audit.unlink(missing_ok=True)
    return tuple(judged)


def _why_it_stays(
    settings: Settings, run: RunSummary, oldest: datetime, here: tuple[str, str], needed: dict[str, str]
) -> str:
    if run.alive or runs.is_alive(runs.run_folder(settings.state_dir, run.run_id), runs.WALK_LOCK):
        return "it is being executed"
    if run.verdict is Verdict.HELD:
        return "it waits for a confirmation"
    if run.ready:
        return "its version is ready and not live yet"
    if run.run_id in needed:
        return f"{needed[run.run_id]} still exists"
    if run.target and (run.target, run.live_schema) != here:
        return f"made for {run.live_schema} on {run.target}"
    if datetime.fromisoformat(run.started_at) > oldest:
        return "it is young"
    return ""


def _old_audit(settings: Settings, run: RunSummary) -> Path | None:
    """The audit trail of a run that has ended, when it is older than such files are kept."""
    audit = runs.run_folder(settings.state_dir, run.run_id) / AUDIT_FILE
    ended = run.verdict is Verdict.OK and not run.alive and not run.ready
    oldest = now() - timedelta(days=settings.audit_keep_days)
    return audit if ended and audit.exists() and datetime.fromisoformat(run.started_at) <= oldest else None


def _size(settings: Settings, run_id: str) -> int:
    folder = runs.run_folder(settings.state_dir, run_id)
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _removed(settings: Settings, run_id: str) -> str:
    """Takes the folder away; the reason when somebody began to execute it meanwhile."""
    folder = runs.run_folder(settings.state_dir, run_id)
    try:
        with runs.run_lock(folder):
            shutil.rmtree(folder)
    except TargetLocked:
        return "it is being executed"
    except OSError as error:
        raise from_os_error(error, f"{folder} cannot be removed") from error
    return ""
