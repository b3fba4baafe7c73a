"""The words of the console's questions: confirming what the engine asks, and leaving while something is under way."""

from __future__ import annotations

from sdconsole.core.events import BlockingSession, Waiting
from sdconsole.core.model import StageName
from sdconsole.core.projection import RunState
from sdconsole.interfaces.tui.commands import approve_command, resume_command
from sdconsole.interfaces.tui.dialog import Question

QUIT = "Quit"
_YES = {StageName.CUTOVER: "Cut over", StageName.ROLLBACK: "Roll back"}


def confirmation(waiting: Waiting, *, production: bool) -> Question:
    """What the engine asks. Leaving keeps the hold."""
    title = waiting.stage.capitalize()
    return Question(
        title=f"{title} on PRODUCTION" if production else title,
        prompt=waiting.prompt,
        details=waiting.details,
        undo=waiting.undo,
        expected=waiting.expected,
        yes=_YES.get(waiting.stage, "Yes"),
        no="Not now, hold",
        danger=production or bool(waiting.expected),
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
