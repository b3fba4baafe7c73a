"""What an operator wants to be run, as data that can be told to another process; and how it is made ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sdconsole.config import EMBEDDED, Settings
from sdconsole.core.model import Mode
from sdconsole.service.exports import generate_demo
from sdconsole.service.preparing import DeployRequest, prepare_deploy, prepare_resume, prepare_rollback
from sdconsole.service.running import PreparedRun

ProgressCall = Callable[[int, int | None], None]
"""`(done, total)`; it may raise Interrupted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """A synthetic export, made first where it is not there, and its deployment in the mode of the settings."""

    size: str = "baseline"
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Resumption:
    """A run is taken up where it stopped; `date_formats` by "table.column"."""

    run_id: str
    date_formats: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rollback:
    """Readers get a kept version again; None = the one before."""

    to: str | None = None


Order = DeployRequest | Demonstration | Resumption | Rollback


def prepare(settings: Settings, order: Order, progress: ProgressCall | None = None) -> PreparedRun:
    """The run that was ordered, ready to start. Raises what preparing such a run raises."""
    match order:
        case DeployRequest():
            return prepare_deploy(settings, order)
        case Demonstration(size=size, seed=seed):
            path = generate_demo(settings, size=size, seed=seed, progress=progress)
            own = settings.target == EMBEDDED and not settings.dsn
            return prepare_deploy(settings, DeployRequest(source=path, mode=Mode(settings.mode), demo=own))
        case Resumption(run_id=run_id, date_formats=date_formats):
            return prepare_resume(settings, run_id, date_formats=date_formats)
        case Rollback(to=to):
            return prepare_rollback(settings, to=to)
