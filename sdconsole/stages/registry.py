"""All stages by name: what the engine runs."""

from __future__ import annotations

from collections.abc import Mapping

from sdconsole.core.model import StageName
from sdconsole.core.stage import Stage
from sdconsole.stages.backup import BackupStage
from sdconsole.stages.canary import CanaryStage
from sdconsole.stages.clean import CleanStage
from sdconsole.stages.cutover import CutoverStage
from sdconsole.stages.deployment import Deployment
from sdconsole.stages.load import LoadStage
from sdconsole.stages.preflight import PreflightStage
from sdconsole.stages.profile import ProfileStage
from sdconsole.stages.restore import RestoreStage
from sdconsole.stages.rollback import RollbackStage
from sdconsole.stages.score import ScoreStage
from sdconsole.stages.validate import ValidateStage
from sdconsole.stages.verify import VerifyStage

_STAGES: tuple[Stage[Deployment], ...] = (
    PreflightStage(),
    BackupStage(),
    ProfileStage(),
    CleanStage(),
    ScoreStage(),
    CanaryStage(),
    LoadStage(),
    ValidateStage(),
    CutoverStage(),
    VerifyStage(),
    RollbackStage(),
    RestoreStage(),
)
REGISTRY: Mapping[StageName, Stage[Deployment]] = {stage.name: stage for stage in _STAGES}
