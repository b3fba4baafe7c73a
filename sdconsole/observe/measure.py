"""What one run says to monitoring, from its journal and its folder: counts that only grow, and values with their time.

Everything is computed anew from the whole journal, so reading it twice counts nothing twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sdconsole.analytics.catalog import load_catalog
from sdconsole.core import runs
from sdconsole.core.events import (
    CheckResult,
    LiveChanged,
    Record,
    RunFinished,
    RunResumed,
    RunStarted,
    ScoreReported,
    StageFinished,
)
from sdconsole.core.journal import read_journal
from sdconsole.core.model import FINISHED, CheckStatus, RunKind, StageName, StageStatus
from sdconsole.core.projection import RunState, step
from sdconsole.errors import OperationFailed, Verdict
from sdconsole.observe.families import HALT_REASONS, OTHER, STAGES, fixed
from sdconsole.observe.log_record import GATES

Sample = tuple[str, tuple[str, ...], float]
"""Name, label values in the family's order, value."""
_QUERY = "query "
_MOVING = frozenset({StageName.PROFILE, StageName.CLEAN, StageName.LOAD, StageName.VALIDATE})


@dataclass(frozen=True, slots=True)
class Group:
    """Values that replace each other together. `at` = when they were measured; the newest group of a name counts."""

    at: str
    samples: tuple[Sample, ...]


@dataclass(slots=True)
class RunMeasure:
    """One run's part. `durations` = (when, stage, seconds) of passed stages; `imported` = when it went live."""

    counters: Counter[tuple[str, tuple[str, ...]]] = field(default_factory=Counter)
    groups: dict[str, Group] = field(default_factory=dict)
    durations: list[tuple[str, str, float]] = field(default_factory=list)
    score: tuple[str, float] | None = None
    imported: str | None = None


def measure_run(folder: Path) -> RunMeasure:
    """Reads the run's journal as far as it is whole."""
    found, state = RunMeasure(), RunState()
    try:
        for record in read_journal(folder / runs.JOURNAL, progress=False):
            state = step(state, record)
            _add(found, state, record)
    except OperationFailed:
        found.counters["etl_errors_total", (OTHER,)] += 1
    _files(found, folder, state)
    return found


def seconds(at: str) -> float:
    """Seconds since 1970 of a record's time."""
    return datetime.fromisoformat(at).timestamp()


def _add(found: RunMeasure, state: RunState, record: Record) -> None:
    started = state.started
    if started is None:
        return
    at = record.at
    if isinstance(record.event, RunStarted | RunResumed):  # a run that was held has not taken all the time since
        info: Sample = ("etl_run_info", (record.run, started.version), 1.0)
        began: Sample = ("etl_run_started_timestamp_seconds", (), seconds(at) - record.elapsed_seconds)
        found.groups["run"] = Group(at, (info, began))
    match record.event:
        case StageFinished() as event if not event.reused:
            _stage(found, state, event, at)
        case CheckResult(status=CheckStatus.FAIL) as event:
            found.counters["etl_errors_total", (GATES[event.stage],)] += 1
            if event.check.startswith(_QUERY):
                found.counters["etl_dashboard_query_errors_total", ()] += 1
        case ScoreReported():
            _scored(found, state, at)
        case LiveChanged() as event:
            found.groups["live"] = Group(at, (("etl_active_schema_info", (event.to_version,), 1.0),))
            if event.stage is StageName.CUTOVER:
                _live_values(found, state, StageName.VALIDATE, at)
            _switched(found, state, event, at)
        case RunFinished() as event:
            _ended(found, event, at)
        case _:
            pass
    found.groups["pipeline"] = Group(at, (("etl_pipeline_duration_seconds", (), record.elapsed_seconds),))


def _stage(found: RunMeasure, state: RunState, event: StageFinished, at: str) -> None:
    name, passed = STAGES[event.stage], event.status in FINISHED
    samples: list[Sample] = [
        ("etl_stage_duration_seconds", (name,), event.duration_seconds),
        ("etl_stage_success", (name,), float(passed)),
    ]
    rows = sum(event.facts["rows"].values()) if event.stage in _MOVING and "rows" in event.facts else 0
    if event.stage is StageName.CLEAN and passed:
        rows = sum(table["in"] for table in event.facts["tables"].values())
    if rows and event.duration_seconds:
        samples.append(("etl_rows_per_second", (name,), rows / event.duration_seconds))
    if event.status is not StageStatus.INTERRUPTED:
        found.groups[f"stage {name}"] = Group(at, tuple(samples))
    if passed:
        found.durations.append((at, name, event.duration_seconds))
    elif event.status is StageStatus.FAILED:
        found.counters["etl_errors_total", (GATES[event.stage],)] += 1
    if event.error is not None and event.error.verdict is Verdict.GATE_FAILED:
        reason = HALT_REASONS.get(event.error.slug, HALT_REASONS.get(event.stage.value, OTHER))
        found.counters["etl_circuit_breaker_halts_total", (reason,)] += 1
    if event.stage is StageName.VALIDATE and passed and "after" in state.scores:
        found.groups["score post"] = Group(at, tuple(_score("post_migration", state.scores["after"].total)))
    if event.stage is StageName.CLEAN and passed:
        found.groups["source"] = Group(at, tuple(_cleaned(event.facts["tables"])))
    if event.stage in (StageName.VALIDATE, StageName.VERIFY):
        found.groups["queries"] = Group(at, tuple(_queries(state, event.stage)))
    if event.stage is StageName.VERIFY:
        _live_values(found, state, event.stage, at)


def _scored(found: RunMeasure, state: RunState, at: str) -> None:
    samples = [sample for phase, score in state.scores.items() for sample in _score(phase, score.total)]
    found.groups["score"] = Group(at, tuple(samples))
    if "after" in state.scores:
        found.score = (at, state.scores["after"].total)


def _score(phase: str, total: float) -> Iterator[Sample]:
    yield "etl_quality_score_ratio", (phase,), round(total / 100, 6)
    yield "etl_quality_score", (phase,), total


def _cleaned(tables: Mapping[str, Mapping[str, int]]) -> Iterator[Sample]:
    source, aside = Counter[str](), Counter[str]()
    for name, counts in tables.items():
        source[fixed("table", name)] += counts["in"]
        aside[fixed("table", name)] += counts["quarantined"]
    yield from (("etl_rows_source", (name,), float(count)) for name, count in source.items())
    yield from (("etl_rows_quarantined", (name,), float(count)) for name, count in aside.items())


def _queries(state: RunState, stage: StageName) -> Iterator[Sample]:
    catalog, known = load_catalog(), state.stage(stage)
    for one in known.measures if known else ():
        metric = catalog.metric(one.labels.get("metric", ""))
        if metric is None:
            continue
        if one.name == "dashboard_query":
            yield "etl_dashboard_query_seconds", (metric.level.value, metric.id), one.value


def _live_values(found: RunMeasure, state: RunState, stage: StageName, at: str) -> None:
    """What the dashboards say of the version that is live: what was measured before the switch, and what after it."""
    catalog, known = load_catalog(), state.stage(stage)
    for one in known.measures if known else ():
        metric = catalog.metric(one.labels.get("metric", "")) if one.name == "metric_value" else None
        if metric is not None:
            found.groups[f"value {metric.id}"] = Group(at, (("etl_dashboard_value", (metric.id,), one.value),))


def _switched(found: RunMeasure, state: RunState, event: LiveChanged, at: str) -> None:
    kind = state.started.kind if state.started else RunKind.DEPLOY
    first = state.live_changes[0]
    if kind is RunKind.ROLLBACK or (len(state.live_changes) > 1 and event.to_version == first.from_version):
        how = "rollback" if kind is RunKind.ROLLBACK else "automatic"
        sample: Sample = ("etl_rollback_duration_seconds", (how,), event.duration_seconds)
        found.groups[f"rollback {how}"] = Group(at, (sample,))


def _ended(found: RunMeasure, event: RunFinished, at: str) -> None:
    if event.verdict is not Verdict.HELD:
        found.groups["ended"] = Group(at, (("etl_last_run_success", (), float(event.verdict is Verdict.OK)),))


def _files(found: RunMeasure, folder: Path, state: RunState) -> None:
    """What the run's documents add: the cells that cleaning changed, open dates, orphans; and the import, if it was."""
    for table in _document(folder, "clean").get("tables", ()):
        for column in table["columns"]:
            labels = (fixed("table", table["name"]), fixed("column", column["name"]))
            for operation, count in column["operations"].items():
                if operation.startswith("date "):
                    found.counters["etl_dates_standardized_total", labels] += count
                elif operation.startswith(("missing", "empty")):
                    found.counters["etl_empty_strings_converted_total", labels] += count
    profiled = state.stage(StageName.PROFILE)
    if profiled is not None and profiled.status in FINISHED:
        at = found.groups["stage profile"].at if "stage profile" in found.groups else state.updated_at
        found.groups["profile"] = Group(at, tuple(_profiled(_document(folder, "profile"))))
    ok = state.verdict is Verdict.OK and state.started is not None and state.started.kind is not RunKind.ROLLBACK
    if ok and state.live_changes:
        found.imported = state.updated_at
        load = state.results.get(StageName.LOAD) or state.results.get(StageName.RESTORE)
        rows = Counter[str]()
        for name, count in (load.facts.get("rows", {}) if load else {}).items():
            rows[fixed("table", name)] += count
        migrated: list[Sample] = [("etl_rows_migrated", (name,), float(count)) for name, count in rows.items()]
        stamp: Sample = ("etl_last_import_timestamp_seconds", (), seconds(state.updated_at))
        found.groups["import"] = Group(state.updated_at, (stamp, *migrated))


def _profiled(profile: Mapping[str, Any]) -> Iterator[Sample]:
    for table in profile.get("tables", ()):
        name = fixed("table", table["name"])
        shares = [one["orphans"] / one["values"] for one in table["references"] if one["values"]]
        if shares:
            yield "etl_orphan_ratio", (name,), round(max(shares), 6)
        for column in table["columns"]:
            unresolved = (column.get("dates") or {}).get("unresolved", 0)
            if unresolved:
                yield "etl_ambiguous_dates", (name, fixed("column", column["name"])), float(unresolved)


def _document(folder: Path, name: str) -> dict[str, Any]:
    """A JSON document of the run, {} when the run did not come so far. Raises OperationFailed ("run-file-damaged")."""
    path = folder / f"{name}.json"
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise OperationFailed(
            "run-file-damaged", f"{path} cannot be read", cause=str(error), next_step="move that file away"
        ) from error
    return document
