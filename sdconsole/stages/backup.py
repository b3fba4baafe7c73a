"""Backup: a consistent copy of the export, and a dump of the live version where there is one."""

from __future__ import annotations

from sdconsole.core.model import Artifact, StageName, StageResult
from sdconsole.core.runs import private_folder
from sdconsole.core.stage import Stage
from sdconsole.source.open import changed_since
from sdconsole.stages.deployment import Context, Deployment, now, reporter, session
from sdconsole.stages.files import artifact
from sdconsole.target.backup.backups import backup_source, dump_version
from sdconsole.target.backup.manifest import Backup
from sdconsole.target.live.published import live_version


class BackupStage(Stage[Deployment]):
    name = StageName.BACKUP

    def recheck(self, ctx: Context, result: StageResult) -> str | None:
        source, intake = ctx.deployment.needed_source()
        if intake.digest != result.facts["source_digest"]:
            return "the source is not the one that was copied"
        changed = changed_since(intake, source, check=ctx.checkpoint)
        return changed and f"the source changed: {changed}"

    def run(self, ctx: Context) -> StageResult:
        deployment = ctx.deployment
        source, intake = deployment.needed_source()
        target = deployment.needed_target()
        folder = private_folder(deployment.backups)
        made_at = now()
        copy = backup_source(
            source, folder, run_id=ctx.run_id, created=made_at, progress=reporter(ctx, "export", "pages")
        )
        artifacts = [_artifact("snapshot", copy), artifact("snapshot-manifest", copy.manifest_path)]
        with session(ctx) as connection:
            live = live_version(connection, target.live_schema)
        note = f"{sum(copy.rows.values()):,} rows copied"
        if live is not None:
            dump = dump_version(target, live, folder, run_id=ctx.run_id, created=made_at, check=ctx.checkpoint)
            artifacts += [_artifact("dump", dump), artifact("dump-manifest", dump.manifest_path)]
            note += f", {live} dumped"
        return StageResult(
            note,
            artifacts=tuple(artifacts),
            facts={"source_digest": intake.digest, "rows": dict(copy.rows), "dumped": live},
        )


def _artifact(name: str, backup: Backup) -> Artifact:
    """With the digest that was computed when the file was written and that its manifest holds."""
    return Artifact(name, str(backup.path), backup.size_bytes, backup.manifest.sha256)
