"""The score stage believes the clean stage's score only about the very same bytes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sdconsole.config import load_settings
from sdconsole.contract.load import load_contract
from sdconsole.core.events import Waiting
from sdconsole.core.gates import Answer
from sdconsole.core.model import Mode, StageName, StageResult
from sdconsole.core.stage import Cancellation, StageContext
from sdconsole.errors import GateFailed
from sdconsole.source.generate import generate
from sdconsole.source.open import inspect_source
from sdconsole.stages import scoring
from sdconsole.stages.clean import CleanStage
from sdconsole.stages.deployment import Context, Deployment
from sdconsole.stages.profile import ProfileStage
from sdconsole.stages.score import ScoreStage

RUN = "r-20261121-031500-0001"


def nobody(_question: Waiting) -> Answer:
    raise AssertionError("these stages ask nothing")


def cleaned(folder: Path) -> Context:
    """What the score stage of a run is given."""
    export = folder / "export.db"
    generate(export, contract=load_contract(None), rows=2_000, dirt="clean")
    runs = folder / "run"
    runs.mkdir()
    deployment = Deployment(
        run_id=RUN,
        settings=load_settings(state_dir=folder),
        contract=load_contract(None),
        folder=runs,
        mode=Mode.COMPLETE,
        operator="anna",
        host="ops-1",
        source=export,
        intake=inspect_source(export),
    )
    results: dict[StageName, StageResult] = {}
    for stage in (ProfileStage(), CleanStage()):
        results[stage.name] = stage.run(context(stage.name, deployment, results))
    return context(StageName.SCORE, deployment, results)


def context(stage: StageName, deployment: Deployment, results: dict[StageName, StageResult]) -> Context:
    return StageContext(
        run_id=RUN,
        stage=stage,
        deployment=deployment,
        results=results,
        cancellation=Cancellation(),
        publish=lambda event: None,
        question=nobody,
    )


def test_the_same_file_is_not_measured_twice_and_another_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = cleaned(tmp_path)
    with monkeypatch.context() as patch:
        patch.delattr(scoring, "score_file")
        handed_over = ScoreStage().run(ctx).facts
    clean = ctx.result(StageName.CLEAN).artifact("clean")
    with closing(sqlite3.connect(clean.path)) as connection, connection:
        connection.execute("UPDATE comments SET comment_text = NULL")
    with pytest.raises(GateFailed) as refused:
        ScoreStage().run(ctx)
    assert handed_over["after"] == 100.0
    assert refused.value.slug == "blocker"


def test_a_record_that_somebody_wrote_to_is_not_believed(tmp_path: Path) -> None:
    ctx = cleaned(tmp_path)
    record = Path(ctx.result(StageName.CLEAN).artifact("clean-score").path)
    record.write_text(record.read_text().replace('"total": 100.0', '"total": 12.5'))
    assert '"total": 12.5' in record.read_text()
    assert scoring.scored_after(ctx).total == 100.0
