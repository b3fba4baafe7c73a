"""The way from the command line into the console. Only here, and only when it opens, is Textual loaded."""

from __future__ import annotations

from dataclasses import dataclass

from sdconsole.config import Settings
from sdconsole.errors import Verdict
from sdconsole.interfaces.cli.next_steps import after_run
from sdconsole.interfaces.cli.output import write_message, write_next
from sdconsole.interfaces.exit_codes import ExitCode, exit_code
from sdconsole.interfaces.terminal import look_at_terminal
from sdconsole.runbook.walk_state import WalkState
from sdconsole.service import Order
from sdconsole.service.walking import PreparedWalk


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What the console begins with: a run to start, or one to look at; else its home screen."""

    order: Order | None = None
    attach: str = ""
    replay: bool = False
    read_only: bool = False


def can_open_console() -> bool:
    return not look_at_terminal().why_no_console


def open_console(settings: Settings, opening: Opening) -> int:
    """Block until the console is closed; the exit code is that of the last run in it."""
    from sdconsole.interfaces.tui.app import run_console

    left = run_console(
        settings,
        order=opening.order,
        attach=opening.attach,
        replay=opening.replay,
        read_only=opening.read_only,
    )
    state = left.state
    if state is None:
        return ExitCode.OK
    if left.goes_on:
        write_message(f"run {state.run_id} goes on by itself. next: sdconsole attach {state.run_id}")
        return ExitCode.OK
    verdict = state.verdict or Verdict.FAILED
    if verdict is Verdict.INTERRUPTED and left.terminated:
        verdict = Verdict.TERMINATED
    write_message(f"run {state.run_id}: {verdict}")
    write_next(after_run(state) if verdict is Verdict.OK else f"sdconsole resume {state.run_id}")
    return exit_code(verdict)


def walk_in_console(settings: Settings, walk: PreparedWalk) -> WalkState:
    """Block until the console is closed; the walk's last state."""
    from sdconsole.interfaces.tui.walk_app import run_walk

    return run_walk(settings, walk)
