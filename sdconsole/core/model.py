"""The words the core speaks: stages, modes, states and small records. Knows no database and no terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sdconsole.errors import UsageError


class StageName(StrEnum):
    PREFLIGHT = "preflight"
    BACKUP = "backup"
    PROFILE = "profile"
    CLEAN = "clean"
    SCORE = "score"
    CANARY = "canary"
    LOAD = "load"
    VALIDATE = "validate"
    CUTOVER = "cutover"
    VERIFY = "verify"
    ROLLBACK = "rollback"
    RESTORE = "restore"


class Mode(StrEnum):
    SIMPLE = "simple"
    CANARY = "canary"
    BLUE_GREEN = "blue-green"
    COMPLETE = "complete"


class RunKind(StrEnum):
    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    RESTORE = "restore"


class StageStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


FINISHED = frozenset({StageStatus.PASSED, StageStatus.WARNED})
"""The states in which a stage's work is done and its results can be used."""


class CheckStatus(StrEnum):
    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file a stage made. `sha256` is None for a file that is allowed to change later."""

    name: str
    path: str
    size_bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a finished stage leaves for the stages after it: a sentence, files, and JSON facts."""

    note: str = ""
    status: StageStatus = StageStatus.PASSED
    artifacts: tuple[Artifact, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def artifact(self, name: str) -> Artifact:
        """Raises KeyError when the stage made no such file."""
        for artifact in self.artifacts:
            if artifact.name == name:
                return artifact
        raise KeyError(name)


RUN_ID = re.compile(r"r-\d{8}-\d{6}-[0-9a-f]{4}")


def new_run_id(now: datetime) -> str:
    """`r-YYYYMMDD-HHMMSS-ffff`: UTC time, then the fraction of the second in 65,536ths, so names sort by age."""
    return f"r-{now:%Y%m%d-%H%M%S}-{now.microsecond * 65_536 // 1_000_000:04x}"


def checked_run_id(text: str) -> str:
    """The text itself when it is a run id. Raises UsageError for anything else, so no path is made of it."""
    if not RUN_ID.fullmatch(text):
        raise UsageError(
            "run-id",
            f"{text[:60]!r} is not a run id",
            cause="a run id looks like r-20261121-031500-7f3a",
            next_step="sdconsole runs list",
        )
    return text
