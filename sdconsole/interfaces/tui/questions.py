"""The words of the console's questions: confirming what the engine asks, and leaving while something is under way."""

from __future__ import annotations

import re

from sdconsole.core.events import BlockingSession, Waiting
from sdconsole.core.model import StageName
from sdconsole.core.projection import RunState
from sdconsole.interfaces.tui.commands import approve_command, resume_command
from sdconsole.interfaces.tui.dialog import Question
from sdconsole.runbook import asking
from sdconsole.runbook.walk_state import WalkState

QUIT = "Quit"
_ROWS = re.compile(r"(\S+): ([\d,]+) rows")
_YES = {StageName.CUTOVER: "Cut over", StageName.ROLLBACK: "Roll back"}


def confirmation(waiting: Waiting, *, production: bool) -> Question:
    """What the engine asks. Leaving keeps the hold."""
    title = waiting.stage.capitalize()
    return Question(
        title=f"{title} on PRODUCTION" if production else title,
        prompt=waiting.prompt,
        details=_ordered(waiting.details),
        undo=waiting.undo,
        expected=waiting.expected,
        yes=_YES.get(waiting.stage, "Yes"),
        no="Not now, hold",
        danger=production or bool(waiting.expected),
    )


def _ordered(details: tuple[str, ...]) -> tuple[str, ...]:
    """The runbook's warnings first, and the rows of all tables in one line: nothing to scroll for where it fits."""
    warnings = [line for line in details if line.startswith("! ")]
    counted = [f"{found[1]} {found[2]}" for line in details if (found := _ROWS.fullmatch(line))]
    rest = [line for line in details if line not in warnings and not _ROWS.fullmatch(line)]
    rows = [f"rows: {', '.join(counted)}"] if counted else []
    return (*warnings, *rest[:2], *rows, *rest[2:])


def runbook_confirmation(asked: asking.Question, *, production: bool) -> Question:
    """What the runbook itself wants to have confirmed. Leaving keeps the question open."""
    return Question(
        title="Step on PRODUCTION" if production else "Step",
        prompt=f"{asked.step}. {asked.title}",
        details=asked.details,
        expected=asked.expected,
        yes="Confirm",
        no="Not yet",
        danger=production or bool(asked.expected),
    )


def leaving_walk(runbook: str, state: WalkState, *, asking: bool) -> Question:
    """What quitting does to a walk. `runbook` is "" while it is still being made ready."""
    current = state.current
    where = f"at step {current.number}, {current.title}" if current is not None else "now"
    return Question(
        title=QUIT,
        prompt=f"Leave the walk {where}?" if asking else f"Stop the walk {where}?",
        details=("What is done stays done and on record. To go on at this step:", f"  sdconsole runbook run {runbook}")
        if runbook
        else (),
        yes="Leave it for later" if asking else "Stop and quit",
        no="Stay",
        danger=not asking,
    )


def giving_up(state: RunState) -> Question:
    """What abort does. It cannot be undone, and touches nothing that readers see."""
    return Question(
        title="Give up",
        prompt=f"Give {state.run_id} up for good?",
        details=(
            "A version that readers never saw is dropped; one that they saw stays.",
            "The run's files stay: journal, profile, quarantine.",
        ),
        undo="none: a new deployment makes the version again",
        yes="Give it up",
        no="Keep it",
    )


def stopping(state: RunState) -> Question:
    """What stopping another process's run does."""
    current = state.current
    return Question(
        title="Stop",
        prompt=f"Stop {state.run_id}" + (f" in {current.name}?" if current is not None else "?"),
        details=(_what_stays(state), "Finished stages are kept. To go on later:", f"  {resume_command(state.run_id)}"),
        yes="Stop it",
        no="Keep it running",
    )


def ending_blocker(holder: BlockingSession, *, end: bool) -> Question:
    """What is done to a session that delays the switch; the ledger keeps who did it."""
    return Question(
        title="End a session" if end else "Cancel a statement",
        prompt=f"End the session of pid {holder.pid}?" if end else f"Cancel what pid {holder.pid} runs?",
        details=(holder.says, holder.query),
        undo="none: its open work is rolled back" if end else "none: that statement ends with an error",
        yes="End it" if end else "Cancel it",
        no="Wait",
    )


def leaving(state: RunState, run_id: str, *, asking: bool) -> Question:
    """What quitting does now. `run_id` is "" while the run is still being made ready."""
    if not run_id:
        return Question(title=QUIT, prompt="Stop making the run ready?", yes="Stop and quit", no="Stay", danger=False)
    if asking:
        return Question(
            title=QUIT,
            prompt="Leave the run held?",
            details=(
                "Nothing is switched. The run waits for its answer, from here or from any terminal:",
                f"  {approve_command(run_id)}",
            ),
            yes="Leave it held",
            no="Stay",
            danger=False,
        )
    current = state.current
    return Question(
        title=QUIT,
        prompt=f"Stop the run in {current.name}?" if current is not None else "Stop the run?",
        details=(
            _what_stays(state),
            "Finished stages are kept. To go on later:",
            f"  {resume_command(run_id)}",
            "To leave it running instead: stay, then D.",
        ),
        yes="Stop and quit",
        no="Keep it running",
    )


def _what_stays(state: RunState) -> str:
    if state.live_changes:
        change = state.live_changes[-1]
        return f"{change.live_schema} already shows {change.to_version} and stays so."
    if state.current is not None and state.current.name in _YES:
        return "The switch is one transaction: it either happens as a whole or not at all."
    return "What readers see stays as it is."
