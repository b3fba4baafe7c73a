"""Restore: bring a dumped version back as a new version schema, prove it, and call it ready."""

from __future__ import annotations

from sdconsole.core.model import StageName, StageResult
from sdconsole.core.stage import Stage
from sdconsole.errors import CheckFailed
from sdconsole.quality.clean.quarantine import QUARANTINE
from sdconsole.stages.deployment import Context, Deployment, now, reporter, session
from sdconsole.stages.load import LoadStage
from sdconsole.stages.loading import actor, discard, discard_apart
from sdconsole.stages.queries import run_queries
from sdconsole.target.backup.backups import Backup, verify_backup
from sdconsole.target.backup.restore import Restored, restore_version
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.record import begin, ensure_ledger, mark_ready
from sdconsole.target.ledger.rows import Deployment as LedgerRow
from sdconsole.target.ledger.rows import VersionState, deployments, find_deployment, taken_names
from sdconsole.target.live.adoption import MODE as ADOPTED
from sdconsole.target.names import new_version_name
from sdconsole.target.rights.privileges import privileges
from sdconsole.target.schema_shape import PUBLISHED_KINDS, TABLE_KINDS

MODE = "restored"
"""The mode that the ledger keeps with a restored version."""


class RestoreStage(Stage[Deployment]):
    name = StageName.RESTORE

    def recheck(self, ctx: Context, result: StageResult) -> str | None:
        return LoadStage().recheck(ctx, result)

    def run(self, ctx: Context) -> StageResult:
        target = ctx.deployment.needed_target()
        backup = verify_backup(ctx.deployment.needed_backup(), check=ctx.checkpoint).backup
        with session(ctx) as connection:
            ensure_ledger(connection)
            _refuse_missing_rights(ctx, connection)
            _give_up_earlier_attempts(ctx, connection)
            version = new_version_name(target.live_schema, now(), taken_names(connection))
            ctx.log(f"restoring {backup.path.name} as {version}")
            try:
                restored = _restored(ctx, connection, backup, version)
            except BaseException as error:
                discard_apart(ctx, version, str(error))
                raise
        for reason in restored.skipped:
            ctx.log(f"index left out: {reason}", "warning")
        for table, count in restored.rows.items():
            ctx.measured("rows_restored", count, "rows", table=table)
        return StageResult(
            f"{sum(restored.rows.values()):,} rows of {backup.manifest.subject}, dumped {backup.manifest.created}",
            facts={
                "version": version,
                "rows": {table: count for table, count in restored.rows.items() if table != QUARANTINE},
                "digest": backup.manifest.sha256,
                "restored_from": backup.manifest.subject,
            },
        )


def _restored(ctx: Context, connection: Connection, backup: Backup, version: str) -> Restored:
    """The version, restored, counted, queried and ready; the caller drops it when this raises."""
    manifest, target = backup.manifest, ctx.deployment.needed_target()
    row = begin(
        connection,
        live_schema=target.live_schema,
        version=version,
        mode=MODE,
        actor=actor(ctx),
        source=str(backup.path),
        source_digest=manifest.sha256,
        clean_digest=manifest.sha256,
    )
    with session(ctx) as work:
        restored = restore_version(
            work,
            backup,
            version,
            deployment_id=row.id,
            reader_role=target.reader_role,
            progress=reporter(ctx, "restore"),
        )
    results = run_queries(ctx, connection, version, restored.rows, reader_role=None)
    wrong = [f"{result.metric.id} {result.metric.title}: {result.error}" for result in results if result.error]
    if wrong:
        raise CheckFailed(
            "restore-queries",
            f"{len(wrong)} dashboard queries fail on what {backup.path.name} gives back",
            cause="\n".join(wrong[:20]),
            next_step="use another backup, or a version of sdconsole whose queries fit this one",
        )
    original = _original(connection, backup)
    kinds = TABLE_KINDS if original is not None and original.mode == ADOPTED else PUBLISHED_KINDS
    mark_ready(connection, version, actor=actor(ctx), score=original.score if original else None, kinds=kinds)
    return restored


def _original(connection: Connection, backup: Backup) -> LedgerRow | None:
    """The ledger's row of the version that was dumped: the same name, and the same rows."""
    row = find_deployment(connection, backup.manifest.subject)
    same = row is not None and all(backup.manifest.rows.get(table) == count for table, count in row.rows.items())
    return row if same else None


def _refuse_missing_rights(ctx: Context, connection: Connection) -> None:
    missing = privileges(connection, ctx.deployment.needed_target())
    if missing:
        raise CheckFailed(
            "target-privileges",
            f"{len(missing)} right(s) on the target are missing",
            cause="\n".join(right.reason for right in missing),
            next_step="\n".join(right.statement for right in missing),
        )


def _give_up_earlier_attempts(ctx: Context, connection: Connection) -> None:
    """A restore that was cut off, or whose version does not hold any more, starts anew."""
    live_schema = ctx.deployment.needed_target().live_schema
    for row in deployments(connection, live_schema, states=(VersionState.LOADING, VersionState.READY)):
        if row.run_id == ctx.run_id:
            discard(ctx, connection, row.version, "given up for another attempt of the same run")
