"""What a switch tells while it waits for sessions that hold live views, and who did something about them meanwhile.

Whoever cancels such a session writes that into the ledger, from any terminal; the waiting run reads it there and takes
it into its own journal.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final, Literal

import psycopg

from sdconsole.core.events import Blocked, BlockerEnded, BlockingSession
from sdconsole.stages.deployment import Context
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.rows import LedgerEvent, events
from sdconsole.target.live.blockers import CANCELLED, ENDED, Blocker, Blockers

_HOW: Final[dict[str, Literal["cancel", "end"]]] = {CANCELLED: "cancel", ENDED: "end"}
_AGAIN_SECONDS: Final = 5.0
_EVENTS_LOOKED_AT: Final = 50


@dataclass(slots=True)
class Waiter:
    """Called while a switch waits; says who is in the way when that changes, and every few seconds."""

    ctx: Context
    connection: Connection
    _told: frozenset[object] = frozenset()
    _told_at: float = 0.0
    _seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._seen = {event.id for event in self._interventions()}

    def __call__(self, blockers: Blockers) -> None:
        """Raises what a stop request and the health watch raise."""
        self.tell_interventions()
        holders = frozenset(holder.key for holder in blockers.holders)
        now = time.monotonic()
        if holders != self._told or (holders and now - self._told_at >= _AGAIN_SECONDS):
            self._told, self._told_at = holders, now
            self.ctx.emit(
                Blocked(
                    self.ctx.stage,
                    tuple(_session(holder) for holder in blockers.holders),
                    round(blockers.waited_seconds, 3),
                    blockers.deadline_seconds,
                    blockers.attempts,
                )
            )
        self.ctx.checkpoint()

    def tell_interventions(self) -> None:
        """Takes over from the ledger what was done about sessions in the way of this run since the last call."""
        for event in self._interventions():
            if event.id in self._seen:
                continue
            self._seen.add(event.id)
            self.ctx.emit(
                BlockerEnded(
                    self.ctx.stage,
                    int(event.detail["pid"]),
                    str(event.detail["user"]),
                    str(event.detail["application"]),
                    _HOW[event.kind],
                    event.operator,
                    event.host,
                )
            )

    def tell_after_commit(self) -> None:
        """The same once the change is committed: it stands, whatever becomes of the connection now."""
        try:
            self.tell_interventions()
        except psycopg.Error as error:
            self.ctx.log(f"who was cancelled or ended on the way is in the ledger; it was not read: {error}", "warning")

    def _interventions(self) -> list[LedgerEvent]:
        live_schema = self.ctx.deployment.needed_target().live_schema
        found = events(self.connection, live_schema, limit=_EVENTS_LOOKED_AT)
        return [event for event in found if event.kind in _HOW and event.run_id == self.ctx.run_id]


def _session(holder: Blocker) -> BlockingSession:
    return BlockingSession(
        holder.pid,
        holder.user,
        holder.application,
        holder.relation,
        holder.mode,
        round(holder.age_seconds, 1),
        holder.state,
        holder.query,
        holder.story(),
    )
