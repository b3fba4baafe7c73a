"""What a command's exit code says. Scripts may rely on these numbers."""

from __future__ import annotations

from enum import IntEnum

from sdconsole.errors import Verdict


class ExitCode(IntEnum):
    OK = 0
    """Done."""
    FAILED = 1
    """The work failed; live is unchanged."""
    USAGE = 2
    """The command line, a setting or the contract is wrong; nothing was started."""
    UNREACHABLE = 3
    """No usable connection; trying again is safe."""
    CHECK_FAILED = 4
    """A preflight or validation check failed."""
    GATE_FAILED = 5
    """The circuit breaker, the quality gate or the canary said no."""
    NOT_CONFIRMED = 6
    """The confirmation is missing, wrong or was declined."""
    ROLLED_BACK = 7
    """Live was changed and taken back."""
    LOCKED = 8
    """Another run holds the target."""
    NOT_UNDONE = 9
    """Live was changed and not undone: look now."""
    TIMEOUT = 124
    """A time limit ran out."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C; resumable."""
    PIPE_CLOSED = 141
    """Whoever read standard output or standard error went away; a run that was under way is in `runs list`."""
    TERMINATED = 143
    """Stopped by SIGTERM; resumable."""


_BY_VERDICT = {
    Verdict.OK: ExitCode.OK,
    Verdict.HELD: ExitCode.NOT_CONFIRMED,
    Verdict.FAILED: ExitCode.FAILED,
    Verdict.USAGE: ExitCode.USAGE,
    Verdict.UNREACHABLE: ExitCode.UNREACHABLE,
    Verdict.CHECK_FAILED: ExitCode.CHECK_FAILED,
    Verdict.GATE_FAILED: ExitCode.GATE_FAILED,
    Verdict.NOT_CONFIRMED: ExitCode.NOT_CONFIRMED,
    Verdict.ROLLED_BACK: ExitCode.ROLLED_BACK,
    Verdict.LOCKED: ExitCode.LOCKED,
    Verdict.NOT_UNDONE: ExitCode.NOT_UNDONE,
    Verdict.TIMEOUT: ExitCode.TIMEOUT,
    Verdict.INTERRUPTED: ExitCode.INTERRUPTED,
    Verdict.TERMINATED: ExitCode.TERMINATED,
    Verdict.ABORTED: ExitCode.FAILED,
}


def exit_code(verdict: Verdict) -> ExitCode:
    """The code a command ends with when its run ends with this verdict."""
    return _BY_VERDICT[verdict]
