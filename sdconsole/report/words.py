"""The sentences of a report: what a verdict means for readers, and how to take back what the run did."""

from __future__ import annotations

from collections.abc import Iterator

from sdconsole.core.model import Mode, RunKind, StageName
from sdconsole.core.projection import RunState
from sdconsole.errors import Verdict
from sdconsole.report.model import Tone

_DONE = {
    RunKind.DEPLOY: "Deployed",
    RunKind.ROLLBACK: "Rolled back",
    RunKind.RESTORE: "Restored",
}
_STOPPED = {
    Verdict.HELD: ("Waiting for a confirmation", "warn"),
    Verdict.FAILED: ("Failed", "bad"),
    Verdict.USAGE: ("Refused", "bad"),
    Verdict.UNREACHABLE: ("No usable connection", "bad"),
    Verdict.CHECK_FAILED: ("Stopped by a check", "bad"),
    Verdict.GATE_FAILED: ("Stopped by a gate", "bad"),
    Verdict.NOT_CONFIRMED: ("Not confirmed", "warn"),
    Verdict.ROLLED_BACK: ("Changed, then taken back", "warn"),
    Verdict.LOCKED: ("Another run held the target", "warn"),
    Verdict.NOT_UNDONE: ("Changed and not undone: look now", "bad"),
    Verdict.TIMEOUT: ("A time limit ran out", "bad"),
    Verdict.INTERRUPTED: ("Stopped, resumable", "warn"),
    Verdict.TERMINATED: ("Stopped, resumable", "warn"),
    Verdict.ABORTED: ("Given up", "warn"),
}


def headline(state: RunState) -> tuple[str, Tone]:
    """The verdict in a few words, and how good it is."""
    verdict = state.verdict
    if verdict is None:
        return "Unfinished", "warn"
    if verdict is not Verdict.OK:
        words, tone = _STOPPED[verdict]
        return words, "bad" if tone == "bad" else "warn"
    if state.live_changes:
        return _DONE[state.started.kind if state.started else RunKind.DEPLOY], "good"
    if StageName.VALIDATE in state.results:
        return "Proved, not live yet", "good"
    return "Finished, nothing switched", "good"


def meaning(state: RunState) -> str:
    """What readers see now, in one sentence."""
    live = state.started.live_schema if state.started else ""
    if not state.live_changes:
        seen = f"Readers of {live} see what they saw before." if live else "No server was asked, nothing was changed."
        return f"{_why(state)}{seen}"
    first, last = state.live_changes[0], state.live_changes[-1]
    if len(state.live_changes) > 1 and last.to_version == first.from_version:
        return f"{_why(state)}Readers of {live} see {last.to_version} again, as before the run."
    before = f"instead of {first.from_version}" if first.from_version else "where there was nothing before"
    return f"{_why(state)}Readers of {live} see {last.to_version} {before}."


def _why(state: RunState) -> str:
    error = state.finished.error if state.finished else None
    if error is None:
        return ""
    message = error.message.rstrip(".")
    return f"{message[:1].upper()}{message[1:]}. "


def undo(state: RunState) -> Iterator[str]:
    """How to take it back, the way that fits this run's end first."""
    if not state.live_changes:
        yield from _nothing_switched(state)
        return
    first, last = state.live_changes[0], state.live_changes[-1]
    if last.to_version == first.from_version:
        yield "Nothing is left to undo: the version from before the run is live again."
        return
    if state.started and state.started.mode == Mode.SIMPLE and state.started.kind is RunKind.DEPLOY:
        yield from _from_the_dump(state)
        return
    if first.from_version is None:
        yield "Nothing was live before this run, so there is no version to go back to."
        return
    yield f"sdconsole rollback --to {first.from_version}"
    yield "One transaction, which takes well under a second; it works as long as that version is kept (keep_versions)."
    yield from _from_the_dump(state)


def _nothing_switched(state: RunState) -> Iterator[str]:
    yield "There is nothing to undo: readers were never shown anything else."
    made = state.results.get(StageName.LOAD) or state.results.get(StageName.RESTORE)
    if made is not None and state.verdict is not Verdict.ABORTED:
        yield f"sdconsole abort {state.run_id}"
        yield f"It gives the run up and drops {made.facts['version']}, which nobody reads."


def _from_the_dump(state: RunState) -> Iterator[str]:
    backup = state.results.get(StageName.BACKUP)
    dump = next((one for one in backup.artifacts if one.name == "dump"), None) if backup else None
    if dump is not None:
        yield f"sdconsole restore {dump.path}"
        yield "It brings the dump from before this run back as a version of its own, and switches to it."
