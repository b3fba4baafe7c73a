"""sdconsole: deploy a ServiceDesk export from SQLite into PostgreSQL, safely.

The names below are the library's public face; they are loaded when they are first used, so that `import sdconsole`
costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Answer": "sdconsole.core.gates",
    "DeployRequest": "sdconsole.service",
    "FlagGate": "sdconsole.core.gates",
    "Gate": "sdconsole.core.gates",
    "Mode": "sdconsole.core.model",
    "PreparedRun": "sdconsole.service",
    "RunState": "sdconsole.core.projection",
    "SdconsoleError": "sdconsole.errors",
    "Settings": "sdconsole.config",
    "StageName": "sdconsole.core.model",
    "Verdict": "sdconsole.errors",
    "load_contract": "sdconsole.contract.load",
    "load_settings": "sdconsole.config",
    "prepare_deploy": "sdconsole.service",
    "prepare_resume": "sdconsole.service",
    "prepare_rollback": "sdconsole.service",
}

if TYPE_CHECKING:
    from sdconsole.config import Settings, load_settings
    from sdconsole.contract.load import load_contract
    from sdconsole.core.gates import Answer, FlagGate, Gate
    from sdconsole.core.model import Mode, StageName
    from sdconsole.core.projection import RunState
    from sdconsole.errors import SdconsoleError, Verdict
    from sdconsole.service import DeployRequest, PreparedRun, prepare_deploy, prepare_resume, prepare_rollback

__all__ = [
    "Answer",
    "DeployRequest",
    "FlagGate",
    "Gate",
    "Mode",
    "PreparedRun",
    "RunState",
    "SdconsoleError",
    "Settings",
    "StageName",
    "Verdict",
    "load_contract",
    "load_settings",
    "prepare_deploy",
    "prepare_resume",
    "prepare_rollback",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
