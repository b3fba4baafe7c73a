"""Score: before and after cleaning, a ledger of every lost point, and the quality gate."""

from __future__ import annotations

from sdconsole.core.model import StageName, StageResult, StageStatus
from sdconsole.core.stage import Stage
from sdconsole.stages.deployment import Context, Deployment
from sdconsole.stages.scoring import check_gates, scored_after, scored_before, tell


class ScoreStage(Stage[Deployment]):
    name = StageName.SCORE

    def recheck(self, ctx: Context, result: StageResult) -> str | None:
        minimum = ctx.deployment.settings.min_quality
        return None if result.facts["minimum"] == minimum else f"the minimum is {minimum:g} now"

    def run(self, ctx: Context) -> StageResult:
        settings = ctx.deployment.settings
        before, after = scored_before(ctx), scored_after(ctx)
        document = tell(ctx, self.name, before, after)
        check_gates(ctx, after)
        return StageResult(
            f"{after.total:.2f} {after.grade} (before {before.total:.2f})",
            StageStatus.WARNED if after.total < settings.warn_quality else StageStatus.PASSED,
            (document,),
            {"before": before.total, "after": after.total, "grade": after.grade, "minimum": settings.min_quality},
        )
