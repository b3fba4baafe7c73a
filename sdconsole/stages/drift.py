"""Drift: finds the deployment that readers see now in the records of earlier runs, and tells what moved since.

The baseline is the newest successful switch of the same target and live schema; after a rollback, the version that was
gone back to; after a restore, the run that first deployed what was restored. Without one there is nothing to compare,
and that is said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sdconsole.contract.model import Table
from sdconsole.core import runs
from sdconsole.core.model import Artifact, CheckStatus, StageName
from sdconsole.core.projection import RunState, fold
from sdconsole.errors import OperationFailed, UsageError, Verdict
from sdconsole.quality.drift.compare import movements
from sdconsole.quality.drift.model import Baseline, DriftReport, Moved, Movement, Shape, Thresholds
from sdconsole.quality.drift.schema_drift import against_contract, against_previous
from sdconsole.quality.drift.seen import Seen, column_pairs, pairs, seen
from sdconsole.quality.profile.model import Profile
from sdconsole.stages.deployment import Context, Deployment
from sdconsole.stages.files import write_json
from sdconsole.stages.place import target_place

MOST_CHECKS = 40
"""Findings that become checks of the run; all of them are in drift.json."""
_TABLES = TypeAdapter(tuple[Table, ...])
_LOUD = frozenset({Shape.MISSING_TABLE, Shape.MISSING_COLUMN, Shape.RETYPED})


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the earlier run left: its folder, its profile and the tables it deployed."""

    baseline: Baseline
    folder: Path
    profile: Seen
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class NoBaseline:
    """Nothing to compare with, and why."""

    reason: str


def report_drift(ctx: Context, profile: Profile, tables: tuple[Table, ...]) -> tuple[Artifact, DriftReport]:
    """Compares, emits the findings as checks, and writes drift.json."""
    earlier = find_baseline(ctx)
    contract = ctx.deployment.contract
    limits = Thresholds.of(contract)
    if isinstance(earlier, NoBaseline):
        report = DriftReport(None, limits, shape=against_contract(profile))
        ctx.check_result("drift", CheckStatus.INFO, f"no baseline: {earlier.reason}")
    else:
        report = _compared(earlier, profile, tables, limits)
        _emit(ctx, report, earlier.baseline)
    return write_json(ctx, "drift", report.to_dict()), report


def previous_score(ctx: Context) -> Mapping[str, Any] | None:
    """The score document of the baseline that the profile stage compared with; None without one."""
    run = ctx.result(StageName.PROFILE).facts.get("baseline")
    if not run:
        return None
    folder = runs.runs_folder(ctx.deployment.settings.state_dir) / run
    try:
        document: Mapping[str, Any] = json.loads((folder / "score.json").read_bytes())
    except (OSError, ValueError) as error:
        ctx.log(f"the score of {run} cannot be read for comparison: {error}", "warning")
        return None
    return document


def find_baseline(ctx: Context) -> Earlier | NoBaseline:
    """The deployment that readers of this run's target see, as far as this state folder knows."""
    live: str | None = None
    rows: Mapping[str, int] | None = None
    restored = ""
    for folder, state in _runs_of_target(ctx.deployment):
        if live is None and state.verdict is Verdict.OK and state.live_changes:
            live = state.live_changes[-1].to_version
        if live is None:
            continue
        load, restore = state.results.get(StageName.LOAD), state.results.get(StageName.RESTORE)
        if restore is not None and restore.facts.get("version") == live:
            live, rows = str(restore.facts["restored_from"]), restore.facts["rows"]
            restored = f"restored: {restore.facts['version']} holds what {live} held, and "
        elif load is not None and load.facts.get("version") == live:
            if rows is not None and load.facts["rows"] != rows:
                return NoBaseline(f"{restored}{folder.name} deployed other rows under that name")
            return _read(ctx, folder, state, live)
    if restored:
        return NoBaseline(f"{restored}no run on record deployed that")
    return NoBaseline("no earlier run on record has deployed to this target")


def _runs_of_target(deployment: Deployment) -> Iterator[tuple[Path, RunState]]:
    """Other runs on the same target and live schema, newest first."""
    here = target_place(json.loads(deployment.settings.model_dump_json()))
    journals = runs.runs_folder(deployment.settings.state_dir).glob(f"r-*/{runs.JOURNAL}")
    for folder in sorted((journal.parent for journal in journals), reverse=True):
        if folder.name == deployment.run_id:
            continue
        try:
            request = runs.read_request(folder)
            if target_place(request.settings) != here:
                continue
        except (OperationFailed, UsageError):
            continue  # a run whose record is damaged is no baseline
        yield folder, fold(runs.read_records(deployment.settings.state_dir, folder.name))


def _read(ctx: Context, folder: Path, state: RunState, version: str) -> Earlier | NoBaseline:
    result = state.results.get(StageName.PROFILE)
    if result is None:
        return NoBaseline(f"{folder.name} deployed {version} without a profile")
    try:
        content = {name: (folder / f"{name}.json").read_bytes() for name in ("profile", "tables")}
        for name, read in content.items():
            if hashlib.sha256(read).hexdigest() != result.artifact(name).sha256:
                raise ValueError(f"{name}.json is not the file that was recorded")
        profile = seen(json.loads(content["profile"]))
        tables = _TABLES.validate_json(content["tables"])
    except (OSError, ValueError, KeyError) as error:
        ctx.log(f"{folder.name} deployed {version}, but cannot be compared with: {error}", "warning")
        return NoBaseline(f"what {folder.name} recorded of {version} cannot be read")
    return Earlier(Baseline(folder.name, version, profile.as_of, profile.source), folder, profile, tables)


def _compared(earlier: Earlier, profile: Profile, tables: tuple[Table, ...], limits: Thresholds) -> DriftReport:
    now = seen(profile.to_dict())
    both = tuple(pairs(earlier.profile, now))
    return DriftReport(
        earlier.baseline,
        limits,
        tables_compared=len(both),
        columns_compared=sum(len(tuple(column_pairs(old, new))) for old, new in both),
        movements=movements(earlier.profile, now, limits),
        shape=(*against_contract(profile), *against_previous(earlier.tables, tables)),
        rows={new.name: (old.rows, new.rows) for old, new in both},
    )


def _told(ctx: Context, movement: Movement) -> str:
    """What moved, in words; a run without samples names no value."""
    if ctx.deployment.settings.no_samples and movement.kind in (Moved.CATEGORY, Moved.WENT_TO_ZERO):
        return "one value's share of the column moved"
    return movement.change


def _emit(ctx: Context, report: DriftReport, baseline: Baseline) -> None:
    changes = [change for change in report.shape if change.against == "previous"]
    ctx.check_result(
        "drift",
        CheckStatus.INFO,
        f"compared with {baseline.version} of {baseline.run}: {report.tables_compared} tables, "
        f"{report.columns_compared} columns, {len(report.movements)} moved, {len(changes)} changed their shape",
    )
    for change in changes[:MOST_CHECKS]:
        ctx.check_result(
            f"schema_drift {change.kind} {change.place}",
            CheckStatus.WARN if change.kind in _LOUD else CheckStatus.INFO,
            f"{change.change}: {change.effect}",
        )
    for movement in report.movements[:MOST_CHECKS]:
        ctx.check_result(
            f"drift {movement.kind} {movement.place}",
            CheckStatus.WARN,
            _told(ctx, movement),
            measured=f"{movement.before} -> {movement.after}",
            threshold=movement.limit,
            remedy="news or a defect: look before you confirm the switch"
            if movement.kind is not Moved.WENT_TO_ZERO
            else "most likely the export is incomplete: ask before you confirm the switch",
        )
    untold = max(len(changes) - MOST_CHECKS, 0) + max(len(report.movements) - MOST_CHECKS, 0)
    if untold:
        ctx.log(f"{untold} more findings are in {ctx.deployment.folder / 'drift.json'}")
