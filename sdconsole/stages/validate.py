"""Validate: prove that the version schema holds exactly what the clean file holds, then call it ready."""

from __future__ import annotations

from collections.abc import Sequence

from sdconsole.core.model import CheckStatus, StageName, StageResult
from sdconsole.core.stage import Stage
from sdconsole.errors import CheckFailed
from sdconsole.stages.deployment import Context, Deployment, reporter, session
from sdconsole.stages.files import clean_path, version_tables
from sdconsole.stages.loading import actor
from sdconsole.stages.metric_changes import record_changes
from sdconsole.stages.queries import run_queries
from sdconsole.target.ledger.record import mark_ready
from sdconsole.target.ledger.rows import VersionState, deployment_of
from sdconsole.target.proof.finding import Finding
from sdconsole.target.proof.validate import validate_version


class ValidateStage(Stage[Deployment]):
    name = StageName.VALIDATE
    repeats = True

    def run(self, ctx: Context) -> StageResult:
        version = str(ctx.result(StageName.LOAD).facts["version"])
        tables = version_tables(ctx)
        with session(ctx) as connection:
            findings = validate_version(
                connection, version, tables, clean_path(ctx), progress=reporter(ctx, "validate")
            )
            for finding in findings:
                ctx.check_result(finding.check, finding.status, finding.detail)
            wrong = [finding.detail for finding in findings if finding.status is CheckStatus.FAIL]
            results = run_queries(ctx, connection, version, ctx.result(StageName.LOAD).facts["rows"], reader_role=None)
            wrong += [f"{result.metric.id} {result.metric.title}: {result.error}" for result in results if result.error]
            if wrong:
                raise CheckFailed(
                    "validation",
                    f"{version} is not what the clean file holds: {len(wrong)} difference(s)",
                    cause="\n".join(wrong[:20]),
                    state=f"live is unchanged; {version} is kept for inspection and never becomes live",
                    next_step=f"sdconsole load {ctx.run_id}",
                )
            changes = record_changes(ctx, connection, version, results)
            if deployment_of(connection, version).state is VersionState.LOADING:
                score = ctx.result(StageName.SCORE).facts["after"]
                mark_ready(connection, version, actor=actor(ctx), score=score)
        rows = sum(ctx.result(StageName.LOAD).facts["rows"].values())
        return StageResult(
            f"{len(findings)} checks, {len(results)} queries, {rows:,} rows proved equal",
            artifacts=(changes.file,),
            facts={"checks": len(findings), "digests": _digests(findings)},
        )


def _digests(findings: Sequence[Finding]) -> dict[str, str]:
    """By table, the fingerprint that the clean file and the version share."""
    return {
        finding.table: finding.measured.removeprefix("digest ")
        for finding in findings
        if finding.check == "content" and finding.status is CheckStatus.PASS
    }
