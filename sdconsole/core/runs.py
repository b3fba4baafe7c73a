"""A run's folder on disk: its request, its journal, its lock, and what can be told of it later."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sdconsole.contract.date_answers import DateAnswer
from sdconsole.core.events import Record
from sdconsole.core.journal import read_journal
from sdconsole.core.model import FINISHED, Mode, RunKind, StageName, checked_run_id
from sdconsole.core.plan import Plan
from sdconsole.core.projection import RunState, fold, step
from sdconsole.errors import OperationFailed, TargetLocked, UsageError, Verdict

JOURNAL = "events.jsonl"
REQUEST = "plan.json"
WALK = "walk.jsonl"
"""The record of a walk through a runbook, in the folder of its first run."""
LOCK = "lock"
WALK_LOCK = "walk.lock"
_LOOKS = 10
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What was asked for, kept so that a later process can carry on. Holds no password."""

    kind: RunKind
    mode: Mode
    stages: tuple[StageName, ...]
    hold_before: tuple[StageName, ...]
    confirm_first: StageName | None
    source: str | None
    source_digest: str | None
    demo: bool
    rollback_to: str | None
    backup: str | None = None
    """The dump that a restore brings back."""
    settings: dict[str, Any] = field(default_factory=dict)
    date_answers: tuple[DateAnswer, ...] = ()
    clean_output: str | None = None
    dry_run: bool = False

    @property
    def plan(self) -> Plan:
        return Plan(self.kind, self.mode, self.stages, frozenset(self.hold_before), self.confirm_first)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of `runs list`. `alive` = a process is executing it now."""

    run_id: str
    kind: RunKind
    mode: str
    source: str
    target: str
    live_schema: str
    started_at: str
    duration_seconds: float
    verdict: Verdict | None
    score: float | None
    version: str | None
    next_stage: StageName | None
    resumable: bool
    alive: bool
    ready: bool = False
    """Proved and not live yet: only the cutover is missing."""
    waits: bool = False
    """A question is open: asked now, held, or left by a process that died over it."""


_REQUEST = TypeAdapter(RunRequest)


def runs_folder(state_dir: Path) -> Path:
    return state_dir / "runs"


def run_folder(state_dir: Path, run_id: str) -> Path:
    """The folder of an existing run. Raises UsageError ("run-id", "run-unknown")."""
    folder = runs_folder(state_dir) / checked_run_id(run_id)
    if not (folder / JOURNAL).is_file():
        raise UsageError(
            "run-unknown",
            f"there is no run {run_id}",
            cause=f"{folder} holds no journal",
            next_step="sdconsole runs list",
        )
    return folder


def private_folder(path: Path) -> Path:
    """Make the folder and those above it that are missing, readable by their owner only."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    return path


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    write_whole(path, content, mode=0o600)


def write_whole(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file through a temp name in the same folder, synced before it gets its name."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_request(folder: Path, request: RunRequest) -> None:
    write_private(folder / REQUEST, _REQUEST.dump_json(request, indent=2))


def read_request(folder: Path) -> RunRequest:
    """Raises OperationFailed ("plan-damaged")."""
    try:
        return _REQUEST.validate_json((folder / REQUEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise OperationFailed(
            "plan-damaged",
            f"the request of run {folder.name} cannot be read",
            cause=str(error).splitlines()[0],
            next_step="start a new run with sdconsole deploy",
        ) from error


@contextmanager
def claimed_folder(state_dir: Path, run_id: str, lock: str = LOCK) -> Iterator[Path]:
    """The folder of a run, made where it is new, held by this process alone; `WALK_LOCK` holds it for a walk.
    Raises TargetLocked ("run-active").

    A new one gets its name once it is held, so that nobody takes it for one whose run died before it began.
    """
    folder = private_folder(runs_folder(state_dir)) / checked_run_id(run_id)
    if folder.exists():
        with run_lock(folder, lock):
            yield folder
        return
    nameless = folder.with_name(f".{run_id}")
    nameless.mkdir(mode=0o700)
    with run_lock(nameless, lock):
        nameless.rename(folder)
        yield folder


def remove_unborn(state_dir: Path) -> None:
    """Take away the folders of runs that were killed before their journal began; nothing refers to them."""
    for folder in runs_folder(state_dir).glob("r-*"):
        if folder.is_dir() and not is_alive(folder) and not is_alive(folder, WALK_LOCK):
            remove_unused(folder)


@contextmanager
def run_lock(folder: Path, name: str = LOCK) -> Iterator[None]:
    """Only one process executes a run, or with `WALK_LOCK` a walk. Raises TargetLocked ("run-active")."""
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TargetLocked(
                "run-active",
                f"run {folder.name} is being executed by another process",
                cause=f"process {_holder(descriptor)} holds its lock",
                next_step="sdconsole status",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    """The process that holds the lock. It writes its number right after taking it, over that of a dead one."""
    for _ in range(_LOOKS):
        text = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        if text.isdigit() and _exists(int(text)):
            return text
        time.sleep(_LOOK_SECONDS)
    return text or "?"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, and there
        return True
    return True


def is_alive(folder: Path, name: str = LOCK) -> bool:
    """Whether a process holds the run's lock, or with `WALK_LOCK` the walk's."""
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def is_dead(state_dir: Path, run_id: str) -> bool:
    """Whether the run began here, on this machine, and no process executes it any more."""
    folder = runs_folder(state_dir) / checked_run_id(run_id)
    return (folder / JOURNAL).is_file() and not is_alive(folder)


def read_records(state_dir: Path, run_id: str, *, progress: bool = True) -> Iterator[Record]:
    return read_journal(run_folder(state_dir, run_id) / JOURNAL, progress=progress)


def load_state(state_dir: Path, run_id: str, *, progress: bool = True) -> RunState:
    return fold(read_records(state_dir, run_id, progress=progress))


def list_runs(state_dir: Path) -> tuple[RunSummary, ...]:
    """All runs, newest first."""
    try:
        folders = sorted((path.parent for path in runs_folder(state_dir).glob(f"r-*/{JOURNAL}")), reverse=True)
    except FileNotFoundError:
        return ()
    return tuple(summary for folder in folders if (summary := _summary(folder)) is not None)


def known_state(folder: Path, *, progress: bool = False) -> tuple[RunState, bool]:
    """What can be told of a run, and whether its journal is damaged further on: one bad run must not hide the rest."""
    state = RunState()
    try:
        for record in read_journal(folder / JOURNAL, progress=progress):
            state = step(state, record)
    except OperationFailed:
        return state, True
    return state, False


def _summary(folder: Path) -> RunSummary | None:
    alive = is_alive(folder)
    state, damaged = known_state(folder, progress=alive)
    return summary_of(state, alive=alive, damaged=damaged)


def summary_of(state: RunState, *, alive: bool, damaged: bool = False) -> RunSummary | None:
    """The line of a run whose journal folds to this state; None while it has not begun."""
    if state.started is None:
        return None
    after = state.scores.get("after") or state.scores.get("before")
    open_stage = next((stage.name for stage in state.stages if stage.status not in FINISHED), None)
    if open_stage is None and state.finished is None and state.stages:
        open_stage = state.stages[-1].name  # cut off after its last stage: only the verdict is missing
    if damaged or state.verdict is Verdict.ABORTED:
        open_stage = None
    load = state.results.get(StageName.LOAD) or state.results.get(StageName.RESTORE)
    version: str | None = load.facts.get("version") if load else None
    if state.live_changes:
        version = state.live_changes[-1].to_version
    return RunSummary(
        run_id=state.run_id,
        kind=state.started.kind,
        mode=state.started.mode,
        source=state.started.source,
        target=state.started.target,
        live_schema=state.started.live_schema,
        started_at=state.started_at,
        duration_seconds=state.elapsed_seconds,
        verdict=state.verdict or (Verdict.FAILED if damaged else None),
        score=after.total if after else None,
        version=version,
        next_stage=open_stage,
        resumable=open_stage is not None and not alive,
        alive=alive,
        ready=open_stage is None and state.verdict is Verdict.OK and _is_ready(state),
        waits=open_stage is not None and state.waiting is not None,
    )


def _is_ready(state: RunState) -> bool:
    return StageName.VALIDATE in state.results and StageName.CUTOVER not in state.results


def remove_unused(folder: Path) -> None:
    """Take away the folder of a run that never started; a walk's record stays."""
    if not (folder / JOURNAL).exists() and not (folder / WALK).exists():
        with suppress(FileNotFoundError):  # another process takes it away as well
            shutil.rmtree(folder)
