"""The score of the export and of its clean copy, and the gates that follow from them.

The clean copy is scored before it gets its name, so a copy that does not pass is never there. The score stage takes
that score as long as every byte of the file and of the record is what the clean stage left, and else measures again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sdconsole.core.events import ScoreReported
from sdconsole.core.model import Artifact, StageName
from sdconsole.errors import GateFailed
from sdconsole.quality.score.model import Score, score_from_dict
from sdconsole.quality.score.scoring import score_connection, score_file
from sdconsole.source.open import file_sha256
from sdconsole.stages.beside import Beside, Progress
from sdconsole.stages.date_orders import way_out
from sdconsole.stages.deployment import Context, reporter
from sdconsole.stages.drift import previous_score
from sdconsole.stages.files import artifact, clean_path, read_profile, read_tables, snapshot_path, write_json

_CHECKED = "clean-score"


def _scoring_export(ctx: Context) -> Callable[[Progress], Score]:
    """What measures the score before cleaning, on any thread."""
    profile, previous = read_profile(ctx), previous_score(ctx)
    return lambda progress: score_file(
        snapshot_path(ctx),
        ctx.deployment.contract,
        read_tables(ctx),
        phase="before",
        orders=profile.orders,
        as_of=datetime.fromisoformat(profile.as_of),
        minimum=ctx.deployment.settings.min_quality,
        progress=progress,
        previous=previous["before"] if previous else None,
    )


def _score_unnamed(ctx: Context, connection: sqlite3.Connection) -> Score:
    """The score of the clean copy that `connection` has filled and nobody else has seen."""
    previous = previous_score(ctx)
    return score_connection(
        connection,
        ctx.deployment.contract,
        read_tables(ctx),
        as_of=datetime.fromisoformat(read_profile(ctx).as_of),
        minimum=ctx.deployment.settings.min_quality,
        progress=reporter(ctx, "score after", "checks"),
        previous=previous["after"] if previous else None,
    )


def scored_after(ctx: Context) -> Score:
    """The score of the clean file: as the clean stage measured it if that was this very file, else measured now."""
    cleaned = ctx.result(StageName.CLEAN)
    clean, record = cleaned.artifact("clean"), cleaned.artifact(_CHECKED)
    if all(
        kept.sha256 and file_sha256(Path(kept.path), check=ctx.checkpoint) == kept.sha256 for kept in (clean, record)
    ):
        measured = score_from_dict(json.loads(Path(record.path).read_bytes())["after"])
        return replace(measured, minimum=ctx.deployment.settings.min_quality)
    return _score_clean_file(ctx)


def _score_clean_file(ctx: Context) -> Score:
    profile, previous = read_profile(ctx), previous_score(ctx)
    return score_file(
        clean_path(ctx),
        ctx.deployment.contract,
        read_tables(ctx),
        phase="after",
        orders=profile.orders,
        as_of=datetime.fromisoformat(profile.as_of),
        minimum=ctx.deployment.settings.min_quality,
        progress=reporter(ctx, "score after", "checks"),
        previous=previous["after"] if previous else None,
    )


def check_unnamed(ctx: Context, connection: sqlite3.Connection) -> Artifact:
    """Lets a clean copy that scores too little, or less than the export, go no further; keeps both scores for later.

    Raises GateFailed, after the ledger was told and written.
    """
    with Beside(_scoring_export(ctx)) as beside:
        after = _score_unnamed(ctx, connection)
        before = beside.result(reporter(ctx, "score before", "checks"))
    try:
        if after.total < before.total:
            raise GateFailed(
                "score-lower",
                f"the clean copy scores {after.total:.2f}, the export scored {before.total:.2f}",
                cause="cleaning must never lower the score",
                next_step="this is a defect of sdconsole: please report it with the run's log",
            )
        check_gates(ctx, after)
    except GateFailed:
        tell(ctx, StageName.CLEAN, before, after)
        raise
    path = ctx.deployment.folder / f"{_CHECKED}.json"
    write_json(ctx, _CHECKED, {"schema": 1, "before": before.to_dict(), "after": after.to_dict()})
    return artifact(_CHECKED, path)


def scored_before(ctx: Context) -> Score:
    """The score of the export, as the clean stage measured it."""
    path = Path(ctx.result(StageName.CLEAN).artifact(_CHECKED).path)
    return score_from_dict(json.loads(path.read_bytes())["before"])


def tell(ctx: Context, stage: StageName, before: Score, after: Score) -> Artifact:
    """Tells both scores to whoever follows the run, and writes their ledgers to score.json."""
    for score in (before, after):
        ctx.emit(_told(ctx, stage, score))
    return write_json(ctx, "score", {"schema": 1, "before": before.to_dict(), "after": after.to_dict()})


def _told(ctx: Context, stage: StageName, score: Score) -> ScoreReported:
    """The score as readers of the run see it; a run without samples names no row."""
    event = score.to_event(stage)
    if not ctx.deployment.settings.no_samples:
        return event
    return replace(event, losses=tuple(replace(loss, samples=()) for loss in event.losses))


def check_gates(ctx: Context, score: Score) -> None:
    """Raises GateFailed for a failed blocker, a score below the breaker or below the operator's minimum."""
    minimum = ctx.deployment.settings.min_quality
    answer = way_out(read_profile(ctx))
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
