"""Every error sdconsole raises on purpose.

    SdconsoleError
    ├── UsageError              2   the command, a setting or the contract is wrong
    ├── TargetUnreachable       3   no usable connection; trying again is safe
    ├── CheckFailed             4   preflight or validation found something
    │   └── SourceRefused       4   the source is not a readable, intact SQLite database
    ├── GateFailed              5   breaker, score, quarantine limit or canary said no
    ├── ConfirmationRefused     6   the confirmation is missing, wrong or declined
    ├── RolledBack              7   changed, then taken back
    ├── TargetLocked            8   another run holds the target
    ├── ChangedNotUndone        9   changed and not undone: look now
    ├── OperationFailed         1   the work failed, live unchanged
    ├── DeadlineExceeded      124   a time limit ran out
    └── Interrupted       130/143   stopped by the operator or a signal; resumable

An error answers four questions: what happened (`message`), why (`cause`), what is true now (`state`)
and what to do (`next_step`). Its `slug` names the kind for scripts and for the documentation. The number
behind each class is the exit code that `interfaces/exit_codes.py` gives its `verdict`.
"""

from __future__ import annotations

import errno
from enum import StrEnum
from typing import ClassVar


class Verdict(StrEnum):
    """How a run or a command ended."""

    OK = "ok"
    HELD = "held"
    FAILED = "failed"
    USAGE = "usage"
    UNREACHABLE = "unreachable"
    CHECK_FAILED = "check-failed"
    GATE_FAILED = "gate-failed"
    NOT_CONFIRMED = "not-confirmed"
    ROLLED_BACK = "rolled-back"
    LOCKED = "locked"
    NOT_UNDONE = "not-undone"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"
    ABORTED = "aborted"
    """Given up for good by an operator; nothing carries it on."""


class SdconsoleError(Exception):
    """Base of all errors that are shown to an operator as they are."""

    verdict: ClassVar[Verdict] = Verdict.FAILED

    def __init__(self, slug: str, message: str, *, cause: str = "", state: str = "", next_step: str = "") -> None:
        super().__init__(message)
        self.slug = slug
        self.message = message
        self.cause = cause
        self.state = state
        self.next_step = next_step

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.slug, self.message, self.cause, self.state, self.next_step)


def _rebuild(
    kind: type[SdconsoleError], slug: str, message: str, cause: str, state: str, next_step: str
) -> SdconsoleError:
    return kind(slug, message, cause=cause, state=state, next_step=next_step)


class OperationFailed(SdconsoleError):
    """The work failed; live is as it was."""


_NO_SPACE = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})


def from_os_error(
    error: OSError, message: str, *, again: str = "run the command again", state: str = ""
) -> OperationFailed:
    """The operator's form of an operating system error: "disk-full" when space ran out, else "file-error".

    `again` is what to do when the cause is gone.
    """
    where = f" ({error.filename})" if error.filename else ""
    full = error.errno in _NO_SPACE
    return OperationFailed(
        "disk-full" if full else "file-error",
        message,
        cause=f"{error.strerror or error}{where}",
        state=state,
        next_step=f"{'free space there' if full else 'correct that'}, then {again}",
    )


class UsageError(SdconsoleError):
    """The command line, a setting or the contract is wrong; nothing was started."""

    verdict = Verdict.USAGE


class TargetUnreachable(SdconsoleError):
    """PostgreSQL cannot be reached or refuses the login; trying again is safe."""

    verdict = Verdict.UNREACHABLE


class CheckFailed(SdconsoleError):
    """A preflight or validation check failed."""

    verdict = Verdict.CHECK_FAILED


class SourceRefused(CheckFailed):
    """The source is empty, damaged, locked or not a SQLite database."""


class GateFailed(SdconsoleError):
    """The circuit breaker, the quality gate, the quarantine limit or the canary said no."""

    verdict = Verdict.GATE_FAILED


class ConfirmationRefused(SdconsoleError):
    """The operator's confirmation is missing, wrong or was declined."""

    verdict = Verdict.NOT_CONFIRMED


class RolledBack(SdconsoleError):
    """Live was changed and has been taken back to the version before."""

    verdict = Verdict.ROLLED_BACK


class TargetLocked(SdconsoleError):
    """Another run holds the lock of this target."""

    verdict = Verdict.LOCKED


class ChangedNotUndone(SdconsoleError):
    """Live was changed and could not be taken back."""

    verdict = Verdict.NOT_UNDONE


class DeadlineExceeded(SdconsoleError):
    """A time limit ran out; live is as it was."""

    verdict = Verdict.TIMEOUT


class Interrupted(SdconsoleError):
    """The operator or a signal stopped the run; it can be resumed."""

    verdict = Verdict.INTERRUPTED

    def __init__(
        self,
        slug: str = "interrupted",
        message: str = "stopped before it was finished",
        *,
        cause: str = "",
        state: str = "",
        next_step: str = "",
    ) -> None:
        super().__init__(slug, message, cause=cause, state=state, next_step=next_step)
