"""A walk's record for people: a Markdown page that fits a change ticket."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sdconsole.runbook.events import Checked
from sdconsole.runbook.walk_state import StepState, WalkState

PAGE = "walk.md"
COPY = "runbook.md"


def page(state: WalkState) -> str:
    """The record as Markdown. Texts from data are ASCII JSON in indented blocks, so they cannot become markup."""
    return "\n".join(_lines(state)) + "\n"


def _lines(state: WalkState) -> Iterator[str]:
    started = state.started
    if started is None:
        return
    yield f"# {started.title}"
    yield ""
    yield f"Walk {state.walk_id}, {started.runbook}, begun {state.started_at} by {started.operator} on {started.host}."
    yield f"Ended {state.updated_at}: {state.verdict or 'not finished'}. The runbook's SHA-256 is `{started.digest}`."
    yield ""
    if started.params:
        yield "| parameter | value |"
        yield "|---|---|"
        yield from (f"| {name} | {_cell(value)} |" for name, value in started.params.items())
        yield ""
    for end in state.ends:
        parts = [f"Run {end.run_id}: {end.verdict}"]
        parts += [f"version {end.version}"] if end.version else []
        parts += [f"score {end.score:.2f}"] if end.score is not None else []
        parts += [f"switched in {end.switched_seconds:.3f} s"] if end.switched_seconds is not None else []
        parts += [f"RTO {end.rto_seconds:.1f} s"] if end.rto_seconds is not None else []
        yield f"- {', '.join(parts)}"
    for step in state.steps:
        yield ""
        yield f"## {step.number}. {step.title}"
        yield ""
        yield from _step_lines(step)


def _step_lines(step: StepState) -> Iterator[str]:
    took = f" in {step.duration_seconds:.1f} s" if step.duration_seconds is not None else ""
    over = ", longer than its time box" if step.over_box else ""
    yield f"{step.status}{took}{over}{f': {_cell(step.note)}' if step.note else ''}"
    for check in step.checks:
        yield ""
        yield f"Check `{check.check}`: {_verdict(check)}"
        if check.error or check.rows:
            yield ""
            yield from (f"    {line}" for line in _evidence(check))
    for at, attested in step.attestations:
        mark = "x" if attested.accepted else " "
        yield f"- [{mark}] {attested.text} ({_cell(attested.by)}, {attested.via}, {at})"


def _verdict(check: Checked) -> str:
    if check.passed:
        return "passed, no rows"
    return "could not be run" if check.error else f"{len(check.rows)}{'+' if check.more else ''} rows"


def _evidence(check: Checked) -> Iterator[str]:
    if check.error:
        yield json.dumps(check.error)
    yield from (json.dumps(dict(row), default=str) for row in check.rows)


def _cell(text: str) -> str:
    """A short text between Markdown's own signs."""
    printable = json.dumps(text)[1:-1]
    return printable.replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
