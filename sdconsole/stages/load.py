"""Load: copy every row of the clean file into a new version schema."""

from __future__ import annotations

from sdconsole.core.model import StageName, StageResult
from sdconsole.core.stage import Stage
from sdconsole.quality.clean.quarantine import QUARANTINE
from sdconsole.stages.deployment import Context, Deployment, now, session
from sdconsole.stages.files import clean_path, version_tables
from sdconsole.stages.loading import discard, discard_apart, load_version
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.record import ensure_ledger
from sdconsole.target.ledger.rows import VersionState, deployments, find_deployment, taken_names
from sdconsole.target.names import new_version_name
from sdconsole.target.schema_shape import schema_exists


class LoadStage(Stage[Deployment]):
    name = StageName.LOAD

    def recheck(self, ctx: Context, result: StageResult) -> str | None:
        version = str(result.facts["version"])
        with session(ctx) as connection:
            row = find_deployment(connection, version)
            if row is None or row.state in (VersionState.FAILED, VersionState.DROPPED):
                return f"the ledger does not keep {version} any more"
            if not schema_exists(connection, version):
                return f"the schema {version} is gone"
        return None

    def run(self, ctx: Context) -> StageResult:
        target = ctx.deployment.needed_target()
        clean, tables = clean_path(ctx), version_tables(ctx)
        with session(ctx) as connection:
            ensure_ledger(connection)
            _give_up_earlier_attempts(ctx, connection)
            version = new_version_name(target.live_schema, now(), taken_names(connection))
            ctx.log(f"loading into {version}")
            digest = ctx.result(StageName.CLEAN).artifact("clean").sha256 or ""
            try:
                loaded = load_version(ctx, connection, version, clean, tables, clean_digest=digest)
            except BaseException as error:
                discard_apart(ctx, version, str(error))
                raise
        for reason in loaded.skipped_indexes:
            ctx.log(f"index left out: {reason}", "warning")
        for table, count in loaded.rows.items():
            ctx.measured("rows_loaded", count, "rows", table=table)
        rows = {table: count for table, count in loaded.rows.items() if table != QUARANTINE}
        return StageResult(
            f"{sum(rows.values()):,} rows in {version}",
            facts={"version": version, "rows": rows, "quarantine_entries": loaded.rows[QUARANTINE]},
        )


def _give_up_earlier_attempts(ctx: Context, connection: Connection) -> None:
    """A load that was cut off is never continued: its schema goes, its row stays as failed."""
    live_schema = ctx.deployment.needed_target().live_schema
    for row in deployments(connection, live_schema, states=(VersionState.LOADING, VersionState.READY)):
        if row.run_id == ctx.run_id:
            discard(ctx, connection, row.version, "given up for another attempt of the same run")
