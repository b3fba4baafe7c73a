"""The report's drawings as inline SVG: timeline, pace, score. Colours are classes, so that dark and print follow.

Every text goes through markupsafe; the numbers are this program's own.
"""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from sdconsole.core.events import DimensionScore
from sdconsole.core.model import StageStatus
from sdconsole.report.model import Pace, Report, ScoreLines, StageLine
from sdconsole.report.numbers import duration, number

WIDTH = 920
_LEFT = 96
_RIGHT = 86
_ROW = 26
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000, 86400)
_FEW_TICKS = 7
_CLASS = {
    StageStatus.PASSED: "good",
    StageStatus.WARNED: "warn",
    StageStatus.FAILED: "bad",
    StageStatus.INTERRUPTED: "bad",
}


def timeline(report: Report) -> Markup:
    """One bar for each stage, from its start to its end."""
    stages = [stage for stage in report.stages if stage.started is not None and stage.duration is not None]
    if not stages:
        return Markup("")
    total = max(report.duration, *(_end(stage) for stage in stages)) or 1.0
    height = len(stages) * _ROW + 30
    parts = [_open(WIDTH, height, f"Stages over {duration(total)}"), *_grid(total, height - 26)]
    for row, stage in enumerate(stages):
        parts.append(_bar(stage, row * _ROW + 4, total))
    return Markup("").join([*parts, Markup("</svg>")])


def _end(stage: StageLine) -> float:
    return (stage.started or 0.0) + (stage.duration or 0.0)


def _bar(stage: StageLine, top: float, total: float) -> Markup:
    left = _x(stage.started or 0.0, total)
    wide = max(_x(_end(stage), total) - left, 2.0)
    tone = "idle" if stage.reused else _CLASS.get(stage.status, "idle")
    said = f"{stage.name}: {stage.status}, {duration(stage.duration or 0.0)}"
    return Markup(
        '<text class="label" x="{0}" y="{1}" text-anchor="end">{2}</text>'
        '<rect class="{3}" x="{4:.1f}" y="{5:.1f}" width="{6:.1f}" height="16" rx="3"><title>{7}</title></rect>'
        '<text class="value" x="{8:.1f}" y="{1}">{9}</text>'
    ).format(
        _LEFT - 10,
        top + 12.5,
        stage.name,
        tone,
        left,
        top,
        wide,
        said,
        left + wide + 6,
        duration(stage.duration or 0.0),
    )


def _x(seconds: float, total: float) -> float:
    return _LEFT + seconds / total * (WIDTH - _LEFT - _RIGHT)


def _grid(total: float, bottom: float) -> Iterator[Markup]:
    step = next((each for each in _STEPS if total / each <= _FEW_TICKS), _STEPS[-1])
    for index in range(int(total / step) + 1):
        x = _x(index * step, total)
        yield Markup(
            '<line class="grid" x1="{0:.1f}" y1="0" x2="{0:.1f}" y2="{1}"/>'
            '<text class="tick" x="{0:.1f}" y="{2}" text-anchor="middle">{3}</text>'
        ).format(x, bottom, bottom + 17, duration(index * step))


def pace(report: Report) -> Markup:
    """Rows a second over the run, on the timeline's axis."""
    if report.pace is None:
        return Markup("")
    total, height = report.duration or 1.0, 150
    top, bottom = 16, height - 26
    highest = max(report.pace.values) or 1.0
    outline = _outline(report.pace, total, top, bottom, highest)
    return Markup("").join(
        [
            _open(WIDTH, height, f"Rows a second, at most {number(highest)}"),
            *_grid(total, bottom),
            Markup(
                '<line class="grid" x1="{0}" y1="{1}" x2="{2}" y2="{1}"/>'
                '<text class="tick" x="{3}" y="{4}" text-anchor="end">{5}</text>'
                '<text class="tick" x="{3}" y="{6}" text-anchor="end">0</text>'
                '<path class="area" d="{7}"/>'
            ).format(_LEFT, top, WIDTH - _RIGHT, _LEFT - 10, top + 4, f"{number(highest)}/s", bottom + 4, outline),
            Markup("</svg>"),
        ]
    )


def _outline(pace: Pace, total: float, top: float, bottom: float, highest: float) -> str:
    def y(value: float) -> float:
        return bottom - value / highest * (bottom - top)

    points = [f"M{_x(0, total):.1f} {bottom}"]
    for index, value in enumerate(pace.values):
        left, right = _x(index * pace.step, total), _x((index + 1) * pace.step, total)
        points.append(f"L{left:.1f} {y(value):.1f}L{right:.1f} {y(value):.1f}")
    return "".join([*points, f"L{_x(len(pace.values) * pace.step, total):.1f} {bottom}Z"])


_RADIUS = 52.0
_ROUND = 2 * 3.141592653589793 * _RADIUS


def ring(score: ScoreLines) -> Markup:
    """The total as a ring, with the gate's mark on it."""
    share = max(0.0, min(score.after / 100, 1.0))
    tone = "good" if score.after >= score.minimum and not score.blockers else "bad"
    turn = score.minimum / 100 * 360 - 90
    return Markup(
        '<svg class="ring" viewBox="0 0 140 140" width="140" height="140" role="img" aria-label="{0}">'
        '<circle class="track" cx="70" cy="70" r="{1}"/>'
        '<circle class="arc {2}" cx="70" cy="70" r="{1}" stroke-dasharray="{3:.2f} {4:.2f}" '
        'transform="rotate(-90 70 70)"/>'
        '<line class="mark" x1="112" y1="70" x2="132" y2="70" transform="rotate({5:.1f} 70 70)"/>'
        '<text class="big" x="70" y="75" text-anchor="middle">{6}</text>'
        '<text class="tick" x="70" y="94" text-anchor="middle">{7}</text></svg>'
    ).format(
        f"Score {score.after:.2f} of 100, the minimum is {score.minimum:g}",
        _RADIUS,
        tone,
        share * _ROUND,
        _ROUND,
        turn,
        f"{score.after:.2f}",
        score.grade.lower(),
    )


def dimensions(score: ScoreLines) -> Markup:
    """Each dimension's points, with a thin line where it stood before cleaning."""
    if not score.dimensions:
        return Markup("")
    before = {one.name: one for one in score.dimensions_before}
    height, wide, left = len(score.dimensions) * 30, 620, 120
    parts = [_open(wide, height, "Points of each dimension")]
    for row, one in enumerate(score.dimensions):
        parts.append(_dimension(one, before.get(one.name), row * 30 + 6, left, wide - left - 110))
    return Markup("").join([*parts, Markup("</svg>")])


def _dimension(one: DimensionScore, before: DimensionScore | None, top: float, left: float, room: float) -> Markup:
    full = room * _share(one)
    mark = Markup("")
    if before is not None:
        x = left + room * _share(before)
        mark = Markup('<line class="mark" x1="{0:.1f}" y1="{1}" x2="{0:.1f}" y2="{2}"/>').format(x, top - 2, top + 16)
    return Markup(
        '<text class="label" x="{0}" y="{1}" text-anchor="end">{2}</text>'
        '<rect class="track" x="{3}" y="{4}" width="{5}" height="14" rx="3"/>'
        '<rect class="accent" x="{3}" y="{4}" width="{6:.1f}" height="14" rx="3"/>{7}'
        '<text class="value" x="{8}" y="{1}">{9}</text>'
    ).format(
        left - 10,
        top + 11.5,
        one.name,
        left,
        top,
        room,
        full,
        mark,
        left + room + 8,
        f"{one.points:.2f} of {one.possible:g}",
    )


def _share(one: DimensionScore) -> float:
    return max(0.0, min(one.points / one.possible, 1.0)) if one.possible else 0.0


def _open(width: int, height: int, label: str) -> Markup:
    return Markup('<svg viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">').format(
        width, height, label
    )
