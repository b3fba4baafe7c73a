"""A run as one JSON document: what `--json` prints and `run.json` keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdconsole.core.events import ErrorReport
from sdconsole.core.model import StageName
from sdconsole.core.projection import RunState

SCHEMA = 1


def summary_document(state: RunState) -> dict[str, Any]:
    """JSON-ready. `rows` counts rows read, loaded and quarantined; `version` is the schema made or switched to."""
    started, finished = state.started, state.finished
    after, before = state.scores.get("after"), state.scores.get("before")
    load = state.results.get(StageName.LOAD) or state.results.get(StageName.RESTORE)
    change = state.live_changes[-1] if state.live_changes else None
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "run": state.run_id,
        "kind": started.kind if started else None,
        "mode": started.mode if started else None,
        "verdict": state.verdict,
        "source": started.source if started else None,
        "target": started.target if started else None,
        "live_schema": started.live_schema if started else None,
        "started_at": state.started_at,
        "duration_s": state.elapsed_seconds,
        "stages": [
            {"name": stage.name, "status": stage.status, "duration_s": stage.duration_seconds, "note": stage.note}
            for stage in state.stages
        ],
        "rows": _rows(state),
        "score": after.total if after else None,
        "score_before": before.total if before else None,
        "version": change.to_version if change else load.facts.get("version") if load else None,
        "previous_version": change.from_version if change else None,
        "live_changed": state.live_changed,
        "error": None,
    }
    if finished is not None and finished.error is not None:
        document["error"] = error_document(finished.error)
    return document


def error_document(error: ErrorReport) -> dict[str, str]:
    return {
        "slug": error.slug,
        "message": error.message,
        "cause": error.cause,
        "state": error.state,
        "next": error.next_step,
    }


def _rows(state: RunState) -> dict[str, Any]:
    """Rows read, live (or loaded) and quarantined, for each table and in all."""
    clean, load = state.results.get(StageName.CLEAN), state.results.get(StageName.LOAD)
    if clean is None:
        return {}
    loaded: Mapping[str, int] = load.facts.get("rows", {}) if load else {}
    tables = {
        name: {"in": counts["in"], "loaded": loaded.get(name), "quarantined": counts["quarantined"]}
        for name, counts in clean.facts["tables"].items()
    }
    return {
        "in": sum(table["in"] for table in tables.values()),
        "loaded": sum(table["loaded"] or 0 for table in tables.values()) if load else None,
        "quarantined": sum(table["quarantined"] for table in tables.values()),
        "tables": tables,
    }
