"""The report as Markdown for a ticket: the verdict, the numbers that count, who decided, how to undo."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sdconsole.core.model import CheckStatus
from sdconsole.report.model import RTO, Report
from sdconsole.report.numbers import duration, moment, number, signed

_SPECIAL = re.compile(r"([\\`*_\[\]<>#!|~&@$]|:(?=//)|(?<=\bwww)\.)")
MOST_LOSSES = 8
MOST_WARNINGS = 12


def escaped(text: str) -> str:
    """Text as it is, whatever Markdown would make of it: no link, no markup, no mention, no new cell."""
    return _SPECIAL.sub(r"\\\1", text.replace("\n", " "))


def coded(text: str) -> str:
    """Text in a code span; a backtick would end it."""
    return f"`{text.replace('`', chr(39)).replace('|', '¦')}`"


def markdown_report(report: Report) -> str:
    """The whole document."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {report.headline}: {coded(report.run_id)}"
    yield ""
    yield escaped(report.meaning)
    yield ""
    yield from _summary(report)
    yield from _trouble(report)
    yield from _stages(report)
    yield from _tables(report)
    yield from _score(report)
    yield from _metrics(report)
    yield from _decisions(report)
    yield from _undo(report)
    yield from _warnings(report)
    yield from _environment(report)


def _summary(report: Report) -> Iterator[str]:
    yield f"- when: {moment(report.started_at)}, {duration(report.duration)}"
    if report.target:
        production = ", **PRODUCTION**" if report.production else ""
        yield f"- target: {escaped(report.target)}, schema {coded(report.live_schema)}{production}"
    for switch in report.switches:
        yield (
            f"- switched {moment(switch.at)}: {coded(switch.from_version or 'nothing')} to {coded(switch.to_version)} "
            f"in {duration(switch.seconds)}, {switch.attempts} attempt(s)"
            + ("" if switch.lock_seconds is None else f", views locked for {duration(switch.lock_seconds)}")
        )
    yield from (f"- {RTO}: {escaped(text)}" for name, text in report.facts if name == RTO)
    if report.score:
        before = f", {number(report.score.before, digits=2)} before cleaning" if report.score.before is not None else ""
        yield f"- score: {report.score.after:.2f} {report.score.grade}, minimum {report.score.minimum:g}{before}"
    if report.rows_read:
        live = f", {number(report.rows_live)} in the new version" if report.rows_live is not None else ""
        yield f"- rows: {number(report.rows_read)} read{live}, {number(report.rows_quarantined)} in quarantine"
    yield ""


def _trouble(report: Report) -> Iterator[str]:
    trouble = report.trouble
    if trouble is None:
        return
    yield f"## Why it ended: {coded(trouble.slug)}"
    yield ""
    yield escaped(trouble.message)
    yield ""
    yield from (f"- {escaped(line)}" for line in trouble.cause)
    if trouble.state:
        yield f"- now: {escaped(trouble.state)}"
    if trouble.next_step:
        yield f"- next: {coded(trouble.next_step)}"
    yield ""


def _stages(report: Report) -> Iterator[str]:
    rows = [
        [
            stage.name,
            stage.status,
            duration(stage.duration) if stage.duration is not None else "–",
            number(stage.rows_per_second),
            escaped(stage.note),
        ]
        for stage in report.stages
    ]
    yield from _section("Stages", ["stage", "status", "time", "rows/s", "note"], rows, right=(2, 3))


def _tables(report: Report) -> Iterator[str]:
    rows = [
        [
            escaped(table.name),
            number(table.read),
            number(table.live),
            number(table.quarantined),
            "not loaded" if table.live is None else "yes" if table.adds_up else "**NO**",
            coded(table.digest) if table.digest else "–",
        ]
        for table in report.tables
    ]
    header = ["table", "read", "new version", "quarantine", "adds up", "fingerprint"]
    yield from _section("Rows", header, rows, right=(1, 2, 3))


def _score(report: Report) -> Iterator[str]:
    if report.score is None:
        return
    rows = [
        [loss.rule, escaped(loss.title), number(loss.failed), number(loss.evaluated), signed(-loss.lost)]
        for loss in report.score.losses[:MOST_LOSSES]
    ]
    left = len(report.score.losses) - MOST_LOSSES + report.score.losses_left_out
    yield from (f"- **blocker**: {escaped(text)}" for text in report.score.blockers)
    yield from _section("Lost points", ["rule", "what", "failed", "of", "points"], rows, right=(2, 3, 4))
    if left > 0:
        yield f"{left} smaller ones are in report.html."
        yield ""


def _metrics(report: Report) -> Iterator[str]:
    changed = [metric for metric in report.metrics if metric.change]
    rows = [
        [
            metric.id,
            metric.title,
            number(metric.before, digits=2),
            number(metric.after, digits=2),
            signed(metric.change),
        ]
        for metric in changed
    ]
    yield from _section("Metrics that changed", ["", "metric", "before", "now", "change"], rows, right=(2, 3, 4))
    if report.metrics and not changed:
        against = f", compared with {coded(report.metrics_before)}" if report.metrics_before else ""
        yield f"{len(report.metrics)} dashboard metrics answered{against}; none of them changed."
        yield ""


def _decisions(report: Report) -> Iterator[str]:
    rows = [
        [
            moment(one.at) if one.at else "beforehand",
            escaped(one.by),
            escaped(one.via),
            escaped(one.what),
            escaped(one.said),
        ]
        for one in report.decisions
    ]
    yield from _section("Who decided what", ["when", "who", "through", "question", "answer"], rows)


def _undo(report: Report) -> Iterator[str]:
    yield "## How to undo"
    yield ""
    for line in report.undo:
        yield f"    {line}" if line.startswith("sdconsole ") else escaped(line)
        yield ""


def _warnings(report: Report) -> Iterator[str]:
    found = [check for check in report.warnings if check.status in (CheckStatus.WARN, CheckStatus.FAIL)]
    rows = [
        [
            check.stage,
            check.status,
            escaped(check.check),
            escaped(" · ".join(filter(None, (check.detail, check.measured)))),
        ]
        for check in found[:MOST_WARNINGS]
    ]
    yield from _section("Warnings", ["stage", "", "check", "what"], rows)
    left = len(found) - MOST_WARNINGS + report.warnings_left_out
    if left > 0:
        yield f"{left} more are in report.html."
        yield ""


def _environment(report: Report) -> Iterator[str]:
    yield "## Environment"
    yield ""
    shown = [fact for fact in report.facts if fact[0] in ("source", "source digest", "operator")]
    yield from (f"- {name}: {escaped(value)}" for name, value in (*shown, *report.environment))


def _section(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()
) -> Iterator[str]:
    """A heading and a table; nothing without rows."""
    if not rows:
        return
    yield f"## {title}"
    yield ""
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join('--:' if index in right else '---' for index in range(len(header)))}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""
