"""The way back that a run takes by itself, where it was asked to: live did not pass its verification after a cutover.

The version that was live before is switched back like in any rollback, timed, and told in ledger and journal; nobody
is asked, because the operator answered beforehand. The version that failed is kept, to find out why.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sdconsole.core.model import StageName
from sdconsole.errors import ChangedNotUndone, Interrupted, RolledBack, SdconsoleError
from sdconsole.stages.cutover import switch
from sdconsole.stages.deployment import Context


@contextmanager
def way_back(ctx: Context) -> Iterator[None]:
    """Around a verification: whatever it fails by, the operator's own stop apart, leads back to the version before.

    Without `auto_rollback`, or when this run switched nothing, the error goes on as it is. Raises RolledBack, or
    ChangedNotUndone where there is no way back or that fails too.
    """
    try:
        yield
    except Interrupted:
        raise
    except SdconsoleError as failure:
        if not ctx.deployment.settings.auto_rollback or StageName.CUTOVER not in ctx.results:
            raise
        raise _gone_back(ctx, failure) from failure


def _gone_back(ctx: Context, failure: SdconsoleError) -> SdconsoleError:
    """Switches back and returns the error that tells about it. Raises Interrupted."""
    facts = ctx.result(StageName.CUTOVER).facts
    before, bad = facts["from"], str(facts["to"])
    live_schema = ctx.deployment.needed_target().live_schema
    if before is None:
        return ChangedNotUndone(
            "no-way-back",
            f"{live_schema} did not pass its verification, and nothing was live before {bad}",
            cause=_why(failure),
            state=f"{live_schema} shows {bad}",
            next_step="look at what is named here: sdconsole status, sdconsole db psql",
        )
    ctx.log(f"the verification failed ({failure.message}); switching back to {before}", "warning")
    try:
        done = switch(ctx, str(before), kind="rollback", reason=f"verification failed: {failure.message}"[:500])
    except Interrupted:
        raise
    except SdconsoleError as second:
        return ChangedNotUndone(
            "way-back-failed",
            f"{live_schema} did not pass its verification and could not be switched back to {before}",
            cause=f"{_why(failure)}\nthe way back: {_why(second)}",
            state=f"{live_schema} shows {bad}",
            next_step=f"sdconsole rollback --to {before}",
        )
    seconds = done.facts["duration_seconds"]
    return RolledBack(
        "rolled-back",
        f"{bad} did not pass its verification; readers see {before} again",
        cause=_why(failure),
        state=f"{live_schema} was switched back in {seconds:.2f} s; {bad} is kept to look at",
        next_step=f"find out why, then: sdconsole resume {ctx.run_id}     or give it up: sdconsole abort {ctx.run_id}",
    )


def _why(failure: SdconsoleError) -> str:
    return f"{failure.message}: {failure.cause}" if failure.cause else failure.message
