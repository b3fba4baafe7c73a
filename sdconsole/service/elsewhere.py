"""A run that another process executes: answer its question, let it rest, go on, or stop.

The process that executes a run owns it. Nothing here touches the target; what is wanted is left in the run's folder,
and the journal says whether it was heard.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sdconsole.config import Settings
from sdconsole.core import runs
from sdconsole.core.events import Waiting
from sdconsole.core.projection import RunState
from sdconsole.core.wishes import RunWish, leave_wish
from sdconsole.errors import OperationFailed, UsageError, from_os_error
from sdconsole.service.targets import current_operator

PATIENCE_SECONDS = 15.0
_LOOK_SECONDS = 0.1


def is_alive(settings: Settings, run_id: str) -> bool:
    """Whether some process executes the run now."""
    return runs.is_alive(runs.run_folder(settings.state_dir, run_id))


def open_question(settings: Settings, run_id: str) -> Waiting | None:
    """What the process that executes the run asks now; None when nobody executes it or nothing is asked."""
    folder = runs.run_folder(settings.state_dir, run_id)
    if not runs.is_alive(folder):
        return None
    state = runs.load_state(settings.state_dir, run_id, progress=False)
    return state.waiting if state.finished is None else None


def answer_run(settings: Settings, run_id: str, question: Waiting, *, accepted: bool, typed: str, via: str) -> None:
    """Answer the question that the run's own process asks; returns when it has heard.

    Raises OperationFailed ("not-heard", "file-error") and takes the answer back when it has not.
    """
    folder = runs.run_folder(settings.state_dir, run_id)
    before = _answers(settings, run_id)
    wish = RunWish("answer", current_operator(), via, question.question, accepted, typed)
    _leave(folder, wish, lambda: _answers(settings, run_id) > before, f"sdconsole approve {run_id}")


def hold_run(settings: Settings, run_id: str, question: Waiting, *, via: str) -> None:
    """Leave the question open that the run's own process asks: the run ends held. Raises OperationFailed as above."""
    folder = runs.run_folder(settings.state_dir, run_id)
    wish = RunWish("hold", current_operator(), via, question.question)
    _leave(folder, wish, None, f"sdconsole approve {run_id}")


def stop_run(settings: Settings, run_id: str | None = None, *, via: str) -> str:
    """Let a run stop now; it can be resumed. Returns its id once its process has heard. Raises what `_wish` raises."""
    return _wish(settings, run_id, RunWish("stop", current_operator(), via), lambda _: True)


def pause_run(settings: Settings, run_id: str | None = None, *, via: str) -> str:
    """Let a run rest at its next safe point; returns its id once its process has heard. Raises what `_wish` raises."""
    return _wish(settings, run_id, RunWish("pause", current_operator(), via), lambda state: state.paused is None)


def unpause_run(settings: Settings, run_id: str | None = None, *, via: str) -> str:
    """Let a run that rests go on; returns its id once its process has heard. Raises what `_wish` raises."""
    return _wish(settings, run_id, RunWish("unpause", current_operator(), via), lambda _: True)


def _wish(settings: Settings, run_id: str | None, wish: RunWish, sensible: Callable[[RunState], bool]) -> str:
    """Raises UsageError ("nothing-runs", "run-unknown", "already-paused") and OperationFailed ("not-heard")."""
    chosen = run_id or _running(settings)
    folder = runs.run_folder(settings.state_dir, chosen)
    if not runs.is_alive(folder):
        raise _nothing_runs(f"no process executes {chosen}")
    if not sensible(runs.load_state(settings.state_dir, chosen, progress=False)):
        raise UsageError(
            "already-paused",
            f"run {chosen} rests already",
            cause="somebody asked it to rest before",
            next_step=f"sdconsole unpause {chosen}",
        )
    _leave(folder, wish, None, "sdconsole status")
    return chosen


def _running(settings: Settings) -> str:
    for summary in runs.list_runs(settings.state_dir):
        if summary.alive:
            return summary.run_id
    raise _nothing_runs(f"{runs.runs_folder(settings.state_dir)} holds no run that a process executes")


def _nothing_runs(cause: str) -> UsageError:
    return UsageError("nothing-runs", "no run is being executed", cause=cause, next_step="sdconsole runs list")


def _answers(settings: Settings, run_id: str) -> int:
    return len(runs.load_state(settings.state_dir, run_id, progress=False).answers)


def _leave(folder: Path, wish: RunWish, heard: Callable[[], bool] | None, next_step: str) -> None:
    """Leave the wish and wait until it was taken, and until `heard` says that it had its effect."""
    try:
        path = leave_wish(folder, wish)
    except OSError as error:
        raise from_os_error(error, f"{folder} cannot be written") from error
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        alive = runs.is_alive(folder)
        if not path.exists() and (heard is None or heard()):
            return
        if not alive or time.monotonic() > deadline:
            break
        time.sleep(_LOOK_SECONDS)
    path.unlink(missing_ok=True)
    raise OperationFailed(
        "not-heard",
        f"the process that executes {folder.name} did not take the {wish.kind}",
        cause=f"it did not look for {PATIENCE_SECONDS:.0f} s" if alive else "it has ended meanwhile",
        state="what was wanted was taken back",
        next_step=next_step,
    )
