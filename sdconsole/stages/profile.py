"""Profile: read every row of the snapshot, vote on dates, and let the circuit breaker judge."""

from __future__ import annotations

from pathlib import Path

from sdconsole.core.model import Artifact, CheckStatus, StageName, StageResult, StageStatus
from sdconsole.core.stage import Stage
from sdconsole.errors import CheckFailed, GateFailed
from sdconsole.quality.drift.shape import deployed_tables
from sdconsole.quality.profile.breaker import Limits, judge
from sdconsole.quality.profile.database import profile_database
from sdconsole.quality.profile.model import IssueSeverity, Profile
from sdconsole.quality.shares import percent
from sdconsole.source.open import changed_since, snapshot
from sdconsole.stages.date_orders import COVERED, answer_facts, changed_answer, orders_by_column, report_orders
from sdconsole.stages.deployment import Context, Deployment, reporter
from sdconsole.stages.drift import report_drift
from sdconsole.stages.files import artifact, snapshot_artifact, write_json, write_tables

SAMPLES = 3
"""Values of a column that show what is meant."""
_STATUS = {
    IssueSeverity.BLOCKER: CheckStatus.FAIL,
    IssueSeverity.ERROR: CheckStatus.WARN,
    IssueSeverity.WARN: CheckStatus.WARN,
    IssueSeverity.INFO: CheckStatus.INFO,
}


class ProfileStage(Stage[Deployment]):
    name = StageName.PROFILE

    def recheck(self, ctx: Context, result: StageResult) -> str | None:
        source, intake = ctx.deployment.needed_source()
        changed = changed_since(intake, source, check=ctx.checkpoint)
        if changed or result.facts.get("source_digest", intake.digest) != intake.digest:
            return f"the source changed: {changed or 'its content is not what it was'}"
        if result.facts.get("contract", ctx.deployment.contract.digest) != ctx.deployment.contract.digest:
            return "the contract changed"
        return changed_answer(result.facts.get("answers", {}), ctx.deployment.date_answers)

    def run(self, ctx: Context) -> StageResult:
        deployment = ctx.deployment
        made = _own_snapshot(ctx)
        copy = made or snapshot_artifact(ctx)
        answers = deployment.date_answers
        profile = profile_database(
            Path(copy.path),
            deployment.contract,
            answers=orders_by_column(answers),
            progress=reporter(ctx, "profile"),
            sample_count=0 if deployment.settings.no_samples else SAMPLES,
            digest=copy.sha256 or "",
            corrupt_percent=deployment.settings.corrupt_percent,
        )
        document = write_json(ctx, "profile", profile.to_dict())
        shape = deployed_tables(deployment.contract, profile)
        report_orders(ctx, profile)
        drift_document, drift = report_drift(ctx, profile, shape)
        _report_issues(ctx, profile)
        _judge(ctx, profile)
        tables = write_tables(ctx, shape)
        warnings = sum(issue.severity in (IssueSeverity.WARN, IssueSeverity.ERROR) for issue in profile.issues)
        warnings += len(drift.movements)
        columns = sum(len(table.columns) for table in profile.tables)
        return StageResult(
            f"{profile.rows:,} rows, {columns} columns, {warnings} warnings",
            StageStatus.WARNED if warnings else StageStatus.PASSED,
            (document, tables, drift_document, *((made,) if made else ())),
            {
                "rows": {table.name: table.rows for table in profile.tables},
                "columns": columns,
                "issues": len(profile.issues),
                "unresolved_dates": sum(
                    column.dates.unresolved for column in profile.needs_answer if column.dates is not None
                ),
                "answers": answer_facts(answers),
                "contract": deployment.contract.digest,
                "source_digest": deployment.needed_source()[1].digest,
                "baseline": drift.baseline.run if drift.baseline else None,
                "moved": len(drift.movements),
            },
        )


def _own_snapshot(ctx: Context) -> Artifact | None:
    """A consistent copy for a run that has no backup stage."""
    if StageName.BACKUP in ctx.results:
        return None
    source, _ = ctx.deployment.needed_source()
    path = ctx.deployment.folder / "snapshot.db"
    snapshot(source, path, progress=reporter(ctx, "snapshot", "pages"))
    return artifact("snapshot", path)


def _report_issues(ctx: Context, profile: Profile) -> None:
    for issue in profile.issues:
        if issue.kind in COVERED:
            continue
        place = f"{issue.table}.{issue.column}" if issue.column else issue.table
        ctx.check_result(
            f"{issue.kind.lower()} {place}",
            _STATUS[issue.severity],
            issue.impact,
            measured=f"{issue.rows:,} rows ({percent(issue.share, 2)})",
            remedy=issue.recommendation,
        )
    blockers = [issue for issue in profile.issues if issue.severity is IssueSeverity.BLOCKER]
    if blockers:
        raise CheckFailed(
            "source-schema",
            "the export is not what the contract requires",
            cause="; ".join(
                f"{issue.table}{'.' + issue.column if issue.column else ''}: {issue.impact}" for issue in blockers
            ),
            next_step="ask for a complete export, or give the contract that fits this one with --contract",
        )


def _judge(ctx: Context, profile: Profile) -> None:
    settings = ctx.deployment.settings
    verdict = judge(profile, Limits(settings.mismatch_percent, settings.corrupt_percent))
    if not verdict.should_halt:
        ctx.check_result("circuit_breaker", CheckStatus.PASS, "the data are worth deploying")
        return
    reasons = [str(reason) for reason in verdict.reasons]
    for reason in reasons:
        ctx.check_result("circuit_breaker", CheckStatus.FAIL, reason)
    raise GateFailed(
        "breaker",
        "the circuit breaker halted the deployment",
        cause="\n".join(reasons),
        next_step=_no_way_round(ctx, profile),
    )


def _no_way_round(ctx: Context, profile: Profile) -> str:
    text = "ask for a corrected export; the breaker cannot be overridden, and the source must not be edited"
    if any(table.known for table in profile.tables):
        return text
    # Nobody said what these columns are for but the file itself; a contract can say it better.
    return f"{text}; or say what the columns hold: sdconsole contract init --from {ctx.deployment.source}"
