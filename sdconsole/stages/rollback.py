"""Rollback: the same switch, to a version that was live before and is still kept."""

from __future__ import annotations

from sdconsole.core.events import Waiting
from sdconsole.core.model import StageName, StageResult
from sdconsole.core.stage import Stage
from sdconsole.stages.cutover import done_before, own_switch, switch
from sdconsole.stages.deployment import Context, Deployment, session
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.rows import Deployment as LedgerRow
from sdconsole.target.live.published import live_version
from sdconsole.target.live.versions import rollback_target


class RollbackStage(Stage[Deployment]):
    name = StageName.ROLLBACK

    def question(self, ctx: Context) -> Waiting | None:
        target = ctx.deployment.needed_target()
        with session(ctx) as connection:
            live = live_version(connection, target.live_schema)
            wanted = _wanted(ctx, connection)
            if done_before(ctx, connection, wanted.version) is not None:
                return None
        return Waiting(
            question=f"{ctx.run_id}-rollback",
            stage=self.name,
            prompt=f"Switch {target.live_schema} back to {wanted.version}?",
            expected=ctx.deployment.expected_name,
            details=(
                f"{target.live_schema} on {target.name}" + (" (PRODUCTION)" if target.production else ""),
                f"from {live or 'nothing'} to {wanted.version}",
                f"{wanted.rows_total:,} rows, {wanted.quarantine_entries:,} entries in quarantine",
                f"created {wanted.created_at:%Y-%m-%d %H:%M:%S} UTC",
            ),
            undo=f"sdconsole rollback --to {live}" if live else "",
        )

    def run(self, ctx: Context) -> StageResult:
        with session(ctx) as connection:
            wanted = _wanted(ctx, connection)
        return switch(ctx, wanted.version, kind="rollback")


def _wanted(ctx: Context, connection: Connection) -> LedgerRow:
    """The version to go back to. An earlier attempt of this run may have switched already: then not further back."""
    own = own_switch(ctx, connection)
    to = own.version if own is not None else ctx.deployment.rollback_to
    return rollback_target(connection, ctx.deployment.needed_target().live_schema, to=to)
