"""What is on record: runs, their journals, versions, and how long stages took."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from sdconsole.config import Settings
from sdconsole.core import runs
from sdconsole.core.events import Record
from sdconsole.core.model import FINISHED, RunKind, StageName
from sdconsole.core.projection import RunState
from sdconsole.core.runs import RunSummary
from sdconsole.errors import UsageError
from sdconsole.service.targets import resolve_target
from sdconsole.target.connect import connect
from sdconsole.target.live.versions import VersionRow, versions


def list_runs(settings: Settings) -> tuple[RunSummary, ...]:
    return runs.list_runs(settings.state_dir)


def load_run(settings: Settings, run_id: str) -> RunState:
    return runs.load_state(settings.state_dir, run_id)


def read_records(settings: Settings, run_id: str) -> Iterator[Record]:
    return runs.read_records(settings.state_dir, run_id)


def list_versions(settings: Settings) -> tuple[VersionRow, ...]:
    """The versions of the live schema that the ledger knows, canaries that are still there included, newest first."""
    target = resolve_target(settings)
    with closing(connect(target, application="sdconsole:versions")) as connection:
        return versions(connection, target.live_schema, canaries=True)


def last_durations(settings: Settings, run_id: str) -> dict[StageName, float]:
    """How long each stage took in the newest run that finished it: the first estimate of a progress bar."""
    found: dict[StageName, float] = {}
    for summary in list_runs(settings)[:10]:
        if summary.run_id == run_id:
            continue
        state, _ = runs.known_state(runs.run_folder(settings.state_dir, summary.run_id))
        for stage in state.stages:
            if stage.status in FINISHED and stage.duration_seconds:
                found.setdefault(stage.name, stage.duration_seconds)
    return found


def newest_unfinished(settings: Settings, *, until: StageName | None = None) -> str:
    """The run that `resume` means without an id; for the cutover and what follows it, a run that is ready comes first.

    Raises UsageError ("nothing-to-resume").
    """
    found = [run for run in list_runs(settings) if until is None or run.kind is RunKind.DEPLOY]
    ready = [run for run in found if run.ready] if until is not None else []
    unfinished = [run for run in found if run.next_stage is not None]
    chosen = [*ready, *unfinished] if until in (StageName.CUTOVER, StageName.VERIFY) else [*unfinished, *ready]
    if chosen:
        return chosen[0].run_id
    raise UsageError(
        "nothing-to-resume",
        "there is no unfinished run",
        cause=f"{runs.runs_folder(settings.state_dir)} holds none",
        next_step="sdconsole deploy SOURCE",
    )
