"""Switches what readers see: from one version to another, forward or back, without an error and without a mixture.

Waits for long readers without queueing in front of the others, tries again with growing pauses, and gives up at a
deadline with nothing changed. When the reply to COMMIT is lost it finds out what happened and reports that; it never
tries again on a guess.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import psycopg

from sdconsole.contract.model import Table
from sdconsole.errors import CheckFailed, DeadlineExceeded
from sdconsole.target.connect import Connection, Target, classify, connect
from sdconsole.target.ledger.record import Actor, Deployment, VersionState, deployment_of, live_deployment
from sdconsole.target.live.attempt import PASSING, attempt
from sdconsole.target.live.blockers import Blocker, Blockers, Lookout
from sdconsole.target.live.cutover import LockOrder, Switch, SwitchKind, prepare_switch
from sdconsole.target.live.published import drift, live_version
from sdconsole.target.names import target_table_name

__all__ = ["Cutover", "cut_over", "drift", "live_version"]

DEADLINE_SECONDS: Final = 300.0
LOCK_TIMEOUT_MS: Final = 200
OLD_SECONDS: Final = 1.0
"""Sessions that hold a live view for longer are waited for; younger ones are gone by the time of the attempt."""

_LOOK_SECONDS: Final = 0.25
_SLICE_SECONDS: Final = 0.1
_BACKOFF_SECONDS: Final = (0.05, 1.0)
_BUDGET_SHARES: Final = (8, 4, 2, 1)
"""How many times shorter than the limit the first attempts wait for their locks, over and over. Most readers are gone
soon, and one that waits for us in turn will not be, however long we wait; meanwhile every other reader waits too."""


@dataclass(frozen=True, slots=True)
class Cutover:
    """A switch that was committed. `duration_seconds` includes all waiting; None = nothing was live before.

    `lock_seconds` is how long the views were held, from the first lock until COMMIT was answered: the longest that a
    reader can have waited for us in the attempt that succeeded. None = it cannot be told.
    `reply_lost`: the connection broke at COMMIT and the outcome was read back; the connection given is unusable now.
    """

    from_version: str | None
    to_version: str
    attempts: int
    duration_seconds: float
    reply_lost: bool = False
    lock_seconds: float | None = None


def _nothing(_blockers: Blockers) -> None:
    """Nobody wants to know."""


def _go_on() -> None:
    """Nothing stops the cutover."""


def cut_over(
    connection: Connection,
    target: Target,
    version: str,
    tables: Sequence[Table] | None = None,
    *,
    previous: str | None,
    actor: Actor,
    kind: SwitchKind = "cutover",
    reason: str = "",
    clean_digest: str = "",
    deadline_seconds: float = DEADLINE_SECONDS,
    lock_timeout_ms: int = LOCK_TIMEOUT_MS,
    old_seconds: float = OLD_SECONDS,
    on_wait: Callable[[Blockers], None] = _nothing,
    check: Callable[[], None] = _go_on,
    reconnect: Callable[[], Connection] | None = None,
) -> Cutover:
    """Points every live view to `version`, with the ledger, in one transaction.

    connection: in autocommit, no transaction open. tables: what the version must hold at least; None = what the ledger
    says it holds (a rollback). previous: the version that is live as the caller knows it. on_wait: called about four
    times a second while others hold the views; it may cancel or end one of them (blockers.py) on the same connection.
    check: called before every attempt and in every pause; what it raises leaves everything as it was. reconnect: opens
    another session, to resolve a lost reply. kind "repair", or a "rollback" to what the ledger holds to be live, makes
    the views of the live version again, whatever they show now.

    Raises DeadlineExceeded "cutover-lock", CheckFailed (see `prepare_switch`, and version-incomplete, privilege),
    TargetUnreachable when the connection was lost and nothing was changed, ChangedNotUndone "cutover-unknown" when the
    server could not be asked afterwards, and whatever `check` or `on_wait` raise.
    """
    assert connection.autocommit
    started = time.monotonic()
    reconnect = reconnect or _reconnecting(target, actor)
    try:
        row = deployment_of(connection, version)
        _refuse_missing(row, tables or ())
        if kind == "rollback" and row.state is VersionState.LIVE:
            kind = "repair"
        switch = Switch(target, version, previous, actor, kind, clean_digest, reason, lock_timeout_ms, started)
        lookout = _lookout(connection, target, version)
        waiting = _Waiting(
            connection, lookout, version, actor.run_id, started, deadline_seconds, old_seconds, on_wait, check
        )
        order = LockOrder()
        while True:
            waiting.until_free()
            waiting.attempts += 1
            budget_ms = max(1, lock_timeout_ms // _BUDGET_SHARES[(waiting.attempts - 1) % len(_BUDGET_SHARES)])
            work = partial(prepare_switch, connection, switch, order=order, budget_ms=budget_ms)
            try:
                reply_lost = attempt(connection, switch, work, reconnect)
            except PASSING:
                waiting.pause_after_failure()
            else:
                ended = time.monotonic()
                held = None if reply_lost or order.granted_at is None else ended - order.granted_at
                return Cutover(previous, version, waiting.attempts, ended - started, reply_lost, held)
    except psycopg.Error as error:
        check()  # a stop request cancels whatever statement is running
        raise classify(error) from error


def _refuse_missing(row: Deployment, tables: Sequence[Table]) -> None:
    held = {shape.name for shape in row.tables}
    absent = [table.name for table in tables if target_table_name(table.name) not in held]
    if absent:
        raise CheckFailed(
            "version-incomplete",
            f"{row.version} does not hold every table",
            cause=f"{', '.join(absent)} missing; the version is {row.state}",
            next_step="sdconsole versions list",
        )


def _reconnecting(target: Target, actor: Actor) -> Callable[[], Connection]:
    return lambda: connect(target, application=f"sdconsole:{actor.run_id}")


def _lookout(connection: Connection, target: Target, version: str) -> Lookout:
    """Over every live view that this switch may touch."""
    rows = (live_deployment(connection, target.live_schema), deployment_of(connection, version))
    return Lookout(target.live_schema, tuple(sorted({shape.name for row in rows if row for shape in row.tables})))


@dataclass(slots=True)
class _Waiting:
    """The time between attempts: looks who is in the way, tells the operator, keeps the deadline."""

    connection: Connection
    lookout: Lookout
    version: str
    run_id: str
    started: float
    deadline_seconds: float
    old_seconds: float
    on_wait: Callable[[Blockers], None]
    check: Callable[[], None]
    attempts: int = 0
    last: tuple[Blocker, ...] = ()

    def until_free(self) -> None:
        """Returns when nobody has held a live view for long. Raises DeadlineExceeded."""
        while True:
            self.check()
            holders = self._look(self.old_seconds)
            if not holders:
                return
            self._report(holders)
            self._sleep(_LOOK_SECONDS)

    def pause_after_failure(self) -> None:
        """Names who was in the way of the attempt that failed, then waits: longer each time, and never alike."""
        self._report(self._look(0.0))
        shortest, longest = _BACKOFF_SECONDS
        pause = min(longest, shortest * 2 ** min(self.attempts - 1, 10))
        self._sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 (spreads load, guards nothing)

    def _look(self, older_than_seconds: float) -> tuple[Blocker, ...]:
        return self.lookout.look(self.connection, older_than_seconds=older_than_seconds)

    def _report(self, holders: tuple[Blocker, ...]) -> None:
        self.last = holders or self.last
        waited = time.monotonic() - self.started
        blockers = Blockers(holders, waited, self.deadline_seconds, self.attempts)
        if waited >= self.deadline_seconds:
            raise self._too_late()
        self.on_wait(blockers)

    def _sleep(self, seconds: float) -> None:
        until = min(time.monotonic() + seconds, self.started + self.deadline_seconds)
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, _SLICE_SECONDS))

    def _too_late(self) -> DeadlineExceeded:
        blockers = Blockers(self.last, self.deadline_seconds, self.deadline_seconds, self.attempts)
        pids = [holder.pid for holder in self.last if holder.pid is not None]
        more = f"sdconsole resume {self.run_id} --deadline {max(10, round(self.deadline_seconds / 30))}m"
        return DeadlineExceeded(
            "cutover-lock",
            f"could not switch {self.lookout.live_schema} within {self.deadline_seconds:g} s",
            cause=blockers.describe(),
            state=f"nothing was changed; {self.version} is ready",
            next_step=f"sdconsole blockers --cancel {pids[0]}, then: {more}" if pids else more,
        )
