"""From a run's journal and folder to its `Report`. Reads files that the run left; asks no server, changes nothing.

The journal is the truth: what a file of the folder would add is left out when the file is gone or was changed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sdconsole.analytics.catalog import Kind, load_catalog
from sdconsole.core import runs
from sdconsole.core.events import CheckResult, ErrorReport
from sdconsole.core.model import CheckStatus, StageName
from sdconsole.core.projection import RunState
from sdconsole.core.runs import RunRequest
from sdconsole.core.safe_text import safe_text
from sdconsole.core.summary import summary_document
from sdconsole.errors import OperationFailed
from sdconsole.quality.clean.report import clean_report_from_dict
from sdconsole.report.course import Course, follow, pace, stage_lines
from sdconsole.report.model import (
    RTO,
    CheckLine,
    FileLine,
    LossLine,
    MetricLine,
    Report,
    ScoreLines,
    TableLine,
    Trouble,
)
from sdconsole.report.words import headline, meaning, undo

MOST_LOSSES = 25
MOST_TABLES = 60
MOST_CHECKS = 120
MOST_WARNINGS = 60
MOST_SAMPLES = 2
LONGEST = 400
QUERY = "query "
_PROVING = (StageName.VALIDATE, StageName.VERIFY)


def build_report(state_dir: Path, run_id: str, *, samples: bool | None = None) -> Report:
    """The report of a run of this state folder. `samples` overrides whether single data values are shown.

    Raises UsageError ("run-id", "run-unknown") and OperationFailed ("journal-damaged", "plan-damaged").
    """
    folder = runs.run_folder(state_dir, run_id)
    course = follow(runs.read_records(state_dir, run_id))
    request = runs.read_request(folder)
    shown = samples if samples is not None else not request.settings.get("no_samples", False)
    before = _run_of(state_dir, course, run_id)
    return _report(folder, course, request, samples=shown, before=before)


def _report(
    folder: Path, course: Course, request: RunRequest, *, samples: bool, before: tuple[str, RunState] | None
) -> Report:
    state, document = course.state, summary_document(course.state)
    words, tone = headline(state)
    started = state.started
    warnings = [check for check in _checks(state) if check.status in (CheckStatus.WARN, CheckStatus.FAIL)]
    proofs = [check for check in _checks(state) if check.stage in _PROVING and not check.check.startswith(QUERY)]
    rows = document["rows"]
    return Report(
        run_id=state.run_id,
        kind=started.kind if started else "",
        tone=tone,
        verdict=state.verdict or "unfinished",
        headline=words,
        meaning=safe_text(meaning(state), limit=2 * LONGEST),
        production=started.production if started else False,
        live_schema=started.live_schema if started else "",
        target=started.target if started else "",
        version=document["version"],
        started_at=state.started_at,
        ended_at=state.updated_at,
        duration=state.elapsed_seconds,
        rows_read=rows.get("in", 0),
        rows_live=rows.get("loaded"),
        rows_quarantined=rows.get("quarantined", 0),
        facts=tuple(_facts(state, request)),
        environment=tuple(_environment(course)),
        stages=stage_lines(state),
        pace=pace(course),
        score=_score(state, samples=samples),
        tables=tuple(_tables(state, rows.get("tables", {})))[:MOST_TABLES],
        quarantine_reasons=_reasons(folder),
        proofs=tuple(_line(check, samples=samples) for check in proofs[:MOST_CHECKS]),
        proofs_total=Counter(check.status.value for check in proofs),
        warnings=tuple(_line(check, samples=samples) for check in warnings[:MOST_WARNINGS]),
        warnings_left_out=max(0, len(warnings) - MOST_WARNINGS),
        said=tuple(_said(state)),
        metrics=_metrics(state, before[1] if before else None),
        metrics_before=before[0] if before else "",
        decisions=tuple(course.decisions),
        switches=tuple(course.switches),
        undo=tuple(undo(state)),
        trouble=_trouble(state.finished.error) if state.finished and state.finished.error else None,
        files=tuple(_files(state)),
        samples_kept=samples,
    )


def _checks(state: RunState) -> list[CheckResult]:
    return [check for stage in state.stages for check in stage.checks]


def _facts(state: RunState, request: RunRequest) -> Iterator[tuple[str, str]]:
    started = state.started
    if started is None:
        return
    yield "run", state.run_id
    yield "kind", f"{started.kind}, mode {started.mode}"
    if started.source:
        yield "source", safe_text(started.source, limit=LONGEST)
    if request.source_digest:
        yield "source digest", request.source_digest
    if started.target:
        yield "target", f"{started.target}, schema {started.live_schema}{' (PRODUCTION)' if started.production else ''}"
    yield "operator", safe_text(started.operator, limit=80)
    yield "started", state.started_at
    yield "ended", state.updated_at
    if state.rto_seconds is not None:
        took = f"{state.rto_seconds:.1f} s"
        yield RTO, f"{took} from the confirmed decision to go back until every dashboard's query had answered"


def _environment(course: Course) -> Iterator[tuple[str, str]]:
    state = course.state
    if state.started is None:
        return
    yield "sdconsole", state.started.version
    yield from ((name, safe_text(text, limit=120)) for name, text in state.started.environment.items())
    for check in _checks(state):
        if check.check == "postgres_connection":
            yield "server", safe_text(check.detail, limit=LONGEST)
    for number, (at, who, where) in enumerate(course.attempts, start=1):
        label = "carried by" if len(course.attempts) == 1 else f"attempt {number}"
        yield label, safe_text(f"{who} on {where}, from {at}", limit=LONGEST)


def _score(state: RunState, *, samples: bool) -> ScoreLines | None:
    after, before = state.scores.get("after"), state.scores.get("before")
    if after is None:
        return None
    lost = sorted(after.losses, key=lambda loss: (-loss.lost, loss.rule))
    return ScoreLines(
        before=before.total if before else None,
        after=after.total,
        grade=after.grade,
        minimum=after.minimum,
        dimensions_before=before.dimensions if before else (),
        dimensions=after.dimensions,
        losses=tuple(
            LossLine(
                loss.rule,
                safe_text(loss.title, limit=160),
                loss.dimension,
                loss.severity,
                loss.lost,
                loss.failed,
                loss.evaluated,
                tuple(safe_text(text, limit=120) for text in loss.samples[:MOST_SAMPLES]) if samples else (),
            )
            for loss in lost[:MOST_LOSSES]
        ),
        losses_left_out=max(0, len(lost) - MOST_LOSSES),
        lost_left_out=sum(loss.lost for loss in lost[MOST_LOSSES:]),
        blockers=tuple(safe_text(text, limit=LONGEST) for text in after.blockers),
    )


def _tables(state: RunState, tables: Mapping[str, Mapping[str, Any]]) -> Iterator[TableLine]:
    validated = state.results.get(StageName.VALIDATE)
    digests = validated.facts.get("digests", {}) if validated else {}
    for name, counts in tables.items():
        shown = safe_text(name, limit=80)
        yield TableLine(shown, counts["in"], counts["loaded"], counts["quarantined"], digests.get(name, ""))


def _reasons(folder: Path) -> Mapping[str, int]:
    """How many rows were set aside for which reason; empty when the run's own account of it is not there."""
    document = folder / "clean.json"
    if not document.is_file():
        return {}
    try:
        report = clean_report_from_dict(json.loads(document.read_bytes()))
    except ValueError as error:
        raise OperationFailed(
            "clean-report-damaged",
            f"{document} cannot be read",
            cause=str(error).splitlines()[0],
            next_step="the journal is whole: move that file away and make the report again",
        ) from error
    counted: Counter[str] = Counter()
    for table in report.tables:
        counted.update(table.held)
    return {safe_text(reason, limit=80): count for reason, count in counted.most_common(20)}


def _line(check: CheckResult, *, samples: bool) -> CheckLine:
    """Without samples, what follows an example's marker is left out: it is a value of the data."""
    detail = check.detail if samples else check.detail.split(", for example ")[0]
    return CheckLine(
        check.stage,
        safe_text(check.check, limit=120),
        check.status,
        safe_text(detail, limit=LONGEST),
        safe_text(check.measured, limit=160),
        safe_text(check.threshold, limit=160),
        safe_text(check.remedy, limit=LONGEST),
    )


def _said(state: RunState) -> Iterator[str]:
    for line in state.log:
        if line.level in ("warning", "error"):
            where = f"{line.stage}: " if line.stage else ""
            yield safe_text(f"{where}{line.message}", limit=LONGEST)


def _metrics(state: RunState, before: RunState | None) -> tuple[MetricLine, ...]:
    after, seconds = metric_values(state)
    earlier, _ = metric_values(before) if before else ({}, {})
    lines = []
    for metric in load_catalog().of_kind(Kind.METRIC, Kind.TEMPLATE):
        if metric.id in after or metric.id in earlier:
            value = after.get(metric.id)
            lines.append(
                MetricLine(
                    metric.id,
                    metric.title,
                    metric.unit,
                    earlier.get(metric.id),
                    value,
                    metric.judge(value).value,
                    seconds.get(metric.id),
                )
            )
    return tuple(lines)


def metric_values(state: RunState) -> tuple[dict[str, float], dict[str, float]]:
    """Value and seconds by metric id, as readers got them, else as the proof of the version did."""
    values: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for name in _PROVING:
        stage = state.stage(name)
        for measure in stage.measures if stage else ():
            if measure.name == "metric_value":
                values[measure.labels["metric"]] = measure.value
            elif measure.name == "dashboard_query":
                seconds[measure.labels["metric"]] = measure.value
    return values, seconds


def _run_of(state_dir: Path, course: Course, run_id: str) -> tuple[str, RunState] | None:
    """The version that this run replaced, and the newest earlier run on record that made it or switched to it."""
    replaced = course.switches[0].from_version if course.switches else None
    if replaced is None:
        return None
    for folder in sorted(runs.runs_folder(state_dir).glob("r-*"), reverse=True):
        if folder.name >= run_id or not (folder / runs.JOURNAL).is_file():
            continue
        state, _ = runs.known_state(folder)
        made = state.results.get(StageName.LOAD)
        switched = bool(state.live_changes) and state.live_changes[-1].to_version == replaced
        if switched or (made is not None and made.facts.get("version") == replaced):
            return replaced, state
    return None


def _trouble(error: ErrorReport) -> Trouble:
    return Trouble(
        error.slug,
        safe_text(error.message, limit=LONGEST),
        tuple(safe_text(line, limit=LONGEST) for line in error.cause.splitlines()[:20]),
        safe_text(error.state, limit=LONGEST),
        safe_text(error.next_step, limit=LONGEST, multiline=True),
    )


def _files(state: RunState) -> Iterator[FileLine]:
    for stage in state.stages:
        for artifact in stage.artifacts:
            if artifact.sha256:
                path = safe_text(artifact.path, limit=LONGEST)
                yield FileLine(artifact.name, path, artifact.size_bytes, artifact.sha256)
