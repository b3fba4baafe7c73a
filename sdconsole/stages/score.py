"""Score: before and after cleaning, a ledger of every lost point, and the quality gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from sdconsole.core.events import ScoreReported
from sdconsole.core.model import StageName, StageResult, StageStatus
from sdconsole.core.stage import Stage
from sdconsole.errors import GateFailed
from sdconsole.quality.score import score_file
from sdconsole.quality.score_model import Phase, Score
from sdconsole.stages.beside import Beside
from sdconsole.stages.date_orders import way_out
from sdconsole.stages.deployment import Context, Deployment, reporter
from sdconsole.stages.drift import previous_score
from sdconsole.stages.files import clean_path, read_profile, read_tables, snapshot_path, write_json

"""Below this no minimum that an operator sets lets a deployment pass."""


class ScoreStage(Stage[Deployment]):
    name = StageName.SCORE

    def recheck(self, ctx: Context, result: StageResult) -> str | None:
        minimum = ctx.deployment.settings.min_quality
        return None if result.facts["minimum"] == minimum else f"the minimum is {minimum:g} now"

    def run(self, ctx: Context) -> StageResult:
        settings, contract = ctx.deployment.settings, ctx.deployment.contract
        tables, profile = read_tables(ctx), read_profile(ctx)
        as_of = datetime.fromisoformat(profile.as_of)
        previous = previous_score(ctx)

        def scored(phase: Phase, path: Path, progress: Callable[[int, int | None], None]) -> Score:
            return score_file(
                path,
                contract,
                tables,
                phase=phase,
                orders=profile.orders,
                as_of=as_of,
                minimum=settings.min_quality,
                progress=progress,
                previous=previous[phase] if previous else None,
            )

        with Beside(partial(scored, "after", clean_path(ctx))) as beside:
            before = scored("before", snapshot_path(ctx), reporter(ctx, "score before", "checks"))
            ctx.emit(_told(ctx, before))
            after = beside.result(reporter(ctx, "score after", "checks"))
        ctx.emit(_told(ctx, after))
        document = write_json(ctx, "score", {"schema": 1, "before": before.to_dict(), "after": after.to_dict()})
        _gate(ctx, after, way_out(profile))
        return StageResult(
            f"{after.total:.2f} {after.grade} (before {before.total:.2f})",
            StageStatus.WARNED if after.total < settings.warn_quality else StageStatus.PASSED,
            (document,),
            {"before": before.total, "after": after.total, "grade": after.grade, "minimum": settings.min_quality},
        )


def _told(ctx: Context, score: Score) -> ScoreReported:
    """The score as readers of the run see it; a run without samples names no row."""
    event = score.to_event(StageName.SCORE)
    if not ctx.deployment.settings.no_samples:
        return event
    return replace(event, losses=tuple(replace(loss, samples=()) for loss in event.losses))


def _gate(ctx: Context, score: Score, answer: str) -> None:
    """`answer` = what to say about dates that wait for an order of day and month, "" when none does."""
    minimum = ctx.deployment.settings.min_quality
    asking = f"{answer}, or " if answer else ""
    if score.blockers:
        raise GateFailed(
            "blocker",
            f"{len(score.blockers)} rule(s) that no score can outweigh failed",
            cause="\n".join(blocker.sentence for blocker in score.blockers),
            next_step=f"{asking}ask for a corrected export; a blocker cannot be overridden",
        )
    breaker = ctx.deployment.settings.breaker_score
    if score.total < breaker:
        raise GateFailed(
            "breaker",
            f"the score {score.total:.2f} is below {breaker:g}",
            cause=_losses(score),
            next_step=f"{asking}ask for a corrected export; the breaker cannot be overridden",
        )
    if not score.passes(minimum):
        raise GateFailed(
            "score-below-minimum",
            f"the score {score.total:.2f} is below the minimum {minimum:g}",
            cause=_losses(score),
            next_step=f"{asking}a corrected export, "
            f"or your decision: sdconsole resume {ctx.run_id} --min-quality SCORE",
        )


def _losses(score: Score) -> str:
    lost = sorted(score.to_event(StageName.SCORE).losses, key=lambda loss: -loss.lost)
    return "\n".join(
        f"-{loss.lost:.2f} {loss.title}: {loss.failed:,} of {loss.evaluated:,} failed" for loss in lost[:8]
    )
