"""What an operator decides about a run that waits or was cut off: let it go on, or give it up for good.

Giving up drops what the run made and readers never saw, and says so in the ledger and in the run's journal, in this
order: whoever is cut off in between finds the run as unfinished as it was, and can give it up again.
"""

from __future__ import annotations

import socket
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg

from sdconsole.config import Settings, load_settings
from sdconsole.core import runs
from sdconsole.core.bus import Bus
from sdconsole.core.events import Answered, LogLine, RunFinished, StageStarted
from sdconsole.core.journal import Journal
from sdconsole.core.model import StageName
from sdconsole.core.projection import RunState, step
from sdconsole.errors import TargetLocked, UsageError, Verdict, from_os_error
from sdconsole.report.evidence import write_evidence
from sdconsole.service import answer_run, current_operator, open_question, resolve_target
from sdconsole.target.connect import Connection, connect
from sdconsole.target.failures import classify
from sdconsole.target.ledger.leftovers import clear_leftovers
from sdconsole.target.ledger.lock import acquire
from sdconsole.target.ledger.record import Actor, record_event
from sdconsole.target.ledger.rows import VersionState, deployments
from sdconsole.target.live.versions import drop_version
from sdconsole.target.schema_shape import schema_exists

_ON_THE_TARGET = frozenset({StageName.CANARY, StageName.LOAD, StageName.RESTORE})
"""The stages that make schemas on the target."""
_LETS_GO_SECONDS = 30.0
_SEEN = frozenset({VersionState.LIVE, VersionState.PREVIOUS})


@dataclass(frozen=True, slots=True)
class Aborted:
    """What giving a run up did: the versions that were dropped, and those that stay, with the reason."""

    run_id: str
    folder: Path
    dropped: tuple[str, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """What became of a run's versions on the target, and what was said on the way."""

    dropped: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    said: tuple[LogLine, ...] = ()


def held_run(settings: Settings, run_id: str | None = None) -> str:
    """The run that waits for a confirmation: this one, or the newest that does, executed or not.

    Raises UsageError ("run-unknown", "not-held", "nothing-held").
    """
    if run_id is None:
        for summary in runs.list_runs(settings.state_dir):
            if summary.waits:
                return summary.run_id
        raise UsageError(
            "nothing-held",
            "no run waits for a confirmation",
            cause=f"{runs.runs_folder(settings.state_dir)} holds none",
            next_step="sdconsole status",
        )
    state = runs.load_state(settings.state_dir, run_id)
    if runs.is_alive(runs.run_folder(settings.state_dir, run_id)):
        if open_question(settings, run_id) is None:
            raise UsageError(
                "not-held",
                f"run {run_id} does not wait for a confirmation now",
                cause="another process executes it and asks nothing",
                next_step=f"sdconsole status --watch {run_id}",
            )
    elif state.waiting is None or state.verdict is Verdict.ABORTED:
        unfinished = state.verdict is not Verdict.ABORTED and not state.complete
        raise UsageError(
            "not-held",
            f"run {run_id} does not wait for a confirmation",
            cause=f"it ended: {state.verdict}" if state.verdict else "it was cut off",
            next_step=f"sdconsole resume {run_id}" if unfinished else "sdconsole runs list",
        )
    return run_id


def abort_run(settings: Settings, run_id: str | None = None) -> Aborted:
    """Give a run up for good, the newest unfinished one by default. Its files stay.

    The question of a run that another process executes is declined first, which ends it there.

    Raises UsageError ("run-unknown", "nothing-to-abort", "run-aborted", "run-finished"), TargetLocked ("run-active",
    "target-locked") and TargetUnreachable; then nothing is changed.
    """
    folder = runs.run_folder(settings.state_dir, run_id or _newest_unfinished(settings))
    _decline(settings, folder)
    with runs.run_lock(folder):
        state, touched = _read(settings, folder)
        _refuse_settled(folder, state)
        recorded = load_settings(**{**runs.read_request(folder).settings, "state_dir": settings.state_dir})
        actor = Actor(folder.name, current_operator(), socket.gethostname())
        left = _drop_versions(recorded, actor) if touched else Left()
        if not left.dropped and not left.kept and state.complete:
            raise _finished(folder)
        try:
            _write_down(folder, state, actor, left)
            write_evidence(settings.state_dir, folder.name)
        except OSError as error:
            raise from_os_error(error, f"the journal of {folder.name} cannot be written") from error
    return Aborted(folder.name, folder, left.dropped, left.kept)


def _decline(settings: Settings, folder: Path) -> None:
    """Says no to the question that another process asks, and waits until it has let go of the run."""
    question = open_question(settings, folder.name)
    if question is None:
        return
    answer_run(settings, folder.name, question, accepted=False, typed="", via="sdconsole abort")
    deadline = time.monotonic() + _LETS_GO_SECONDS
    while runs.is_alive(folder) and time.monotonic() < deadline:
        time.sleep(0.1)


def _newest_unfinished(settings: Settings) -> str:
    for summary in runs.list_runs(settings.state_dir):
        if summary.resumable:
            return summary.run_id
    raise UsageError(
        "nothing-to-abort",
        "there is no unfinished run",
        cause=f"{runs.runs_folder(settings.state_dir)} holds none that nobody executes",
        next_step="sdconsole runs list",
    )


def _read(settings: Settings, folder: Path) -> tuple[RunState, bool]:
    """The run's state, and whether any attempt came so far as to make something on the target."""
    state, touched = RunState(), False
    for record in runs.read_records(settings.state_dir, folder.name):
        state = step(state, record)
        touched = touched or (isinstance(record.event, StageStarted) and record.event.stage in _ON_THE_TARGET)
    return state, touched


def _refuse_settled(folder: Path, state: RunState) -> None:
    if state.verdict is Verdict.ABORTED:
        raise UsageError(
            "run-aborted",
            f"run {folder.name} was given up already",
            cause=state.finished.note if state.finished else "",
            next_step="sdconsole runs list",
        )
    if state.complete and state.live_changed:
        raise _finished(folder)


def _finished(folder: Path) -> UsageError:
    return UsageError(
        "run-finished",
        f"run {folder.name} is finished; there is nothing to give up",
        cause="all of its stages are done, and it left no version that readers never saw",
        next_step="sdconsole rollback switches readers back; sdconsole versions prune drops what is not needed",
    )


def _drop_versions(settings: Settings, actor: Actor) -> Left:
    """Drops the run's versions that readers never saw, with the target's lock held and its dead sessions ended."""
    target = resolve_target(settings)
    application = f"sdconsole:{actor.run_id}"
    lock = acquire(
        connect(target, application=application), target, actor.run_id, operator=actor.operator, host=actor.host
    )
    with lock, closing(connect(target, application=application)) as connection:
        try:
            said = clear_leftovers(connection, target.live_schema, actor.run_id, recovered=lock.recovered)
            return _dropped(connection, target.live_schema, actor, said)
        except psycopg.errors.LockNotAvailable as error:
            raise TargetLocked(
                "version-read",
                "a version of the run is being read and was not dropped",
                cause=" ".join(str(error).split()),
                next_step="try again when that session is gone",
            ) from error
        except psycopg.Error as error:
            raise classify(error) from error


def _dropped(connection: Connection, live_schema: str, actor: Actor, said: tuple[LogLine, ...]) -> Left:
    dropped, kept = [], []
    for row in deployments(connection, live_schema, canaries=True):
        if row.run_id != actor.run_id:
            continue
        if row.state in _SEEN:
            kept.append(f"{row.version} ({row.state})")
            continue
        there = schema_exists(connection, row.version)
        drop_version(connection, row.version, actor=actor, run_id=actor.run_id, reason="its run was given up")
        if there:
            dropped.append(row.version)
    record_event(connection, "aborted", live_schema=live_schema, actor=actor, detail={"dropped": dropped, "kept": kept})
    return Left(tuple(dropped), tuple(kept), said)


def _write_down(folder: Path, state: RunState, actor: Actor, left: Left) -> None:
    """The last words of the run's journal."""
    with Journal(folder / runs.JOURNAL) as journal:
        bus = Bus(folder.name, journal=journal, after_seq=state.seq, after_seconds=state.elapsed_seconds)
        if state.waiting is not None:
            bus.publish(Answered(state.waiting.question, state.waiting.stage, False, actor.operator, "sdconsole abort"))
        for line in left.said:
            bus.publish(line)
        for version in left.dropped:
            bus.publish(LogLine("info", f"{version} was dropped: the run was given up"))
        for version in left.kept:
            bus.publish(LogLine("info", f"{version} stays: readers have seen it"))
        note = f"aborted by {actor.operator} on {actor.host}"
        bus.publish(RunFinished(Verdict.ABORTED, round(bus.elapsed_seconds, 3), note))
