"""Where a run's recorded settings lead to, so that runs on the same target can be told from those on another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdconsole.target.conninfo import effective_settings, place_of


def target_place(settings: Mapping[str, Any]) -> tuple[str, str]:
    """Server and database, and the live schema. `settings` in their JSON form. Raises UsageError "conninfo"."""
    chosen = settings.get("targets", {}).get(settings["target"], settings)
    dsn = chosen["dsn"]
    server = place_of(effective_settings(dsn)) if dsn else f"the embedded server in {settings['embedded_root']}"
    return server, str(chosen["live_schema"])
