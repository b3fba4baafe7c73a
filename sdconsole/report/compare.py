"""What is different between two runs: outcome, rows, score, metrics, settings, pace. Two reports in, lines out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sdconsole.core.runs import RunRequest
from sdconsole.core.safe_text import safe_text
from sdconsole.report.model import Report
from sdconsole.report.numbers import number, signed

Value = str | float | int | None
_FACTS = frozenset({"kind", "source", "source digest", "target", "operator"})
_SHOWN = 48
"""Characters of a text; of a longer one beginning and end."""
_NOT_COMPARED = frozenset({"state_dir", "targets"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that both runs tell of, or one of them: `before` and `after` as they are on record."""

    about: str
    name: str
    before: Value
    after: Value

    @property
    def change(self) -> float | None:
        """The difference of two numbers."""
        one, other = self.before, self.after
        return other - one if isinstance(one, int | float) and isinstance(other, int | float) else None

    @property
    def words(self) -> tuple[str, str, str]:
        """Before, after and change as a table shows them; "-" for what is not on record."""
        digits = 2 if any(isinstance(value, float) for value in (self.before, self.after)) else 0
        change = signed(self.change, digits=digits) if self.change is not None else ""
        return _shown(self.before, digits), _shown(self.after, digits), change

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return {
            "about": self.about,
            "name": self.name,
            "before": self.before,
            "after": self.after,
            "change": self.change,
        }


def _shown(value: Value, digits: int) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, str):
        return value if len(value) <= _SHOWN else f"{value[:20]}…{value[-26:]}"
    return number(value, digits=digits)


def differences(before: Report, after: Report, asked: tuple[RunRequest, RunRequest]) -> tuple[Difference, ...]:
    """Everything that differs, in the order of the report. Equal values are left out."""
    pairs = (
        ("run", _run(before), _run(after)),
        ("setting", _settings(asked[0]), _settings(asked[1])),
        ("score", _score(before), _score(after)),
        ("lost points", _losses(before), _losses(after)),
        ("rows read", _rows(before, "read"), _rows(after, "read")),
        ("rows live", _rows(before, "live"), _rows(after, "live")),
        ("rows quarantined", _rows(before, "quarantined"), _rows(after, "quarantined")),
        ("fingerprint", _rows(before, "digest"), _rows(after, "digest")),
        ("metric", _metrics(before), _metrics(after)),
        ("seconds", _seconds(before), _seconds(after)),
        ("environment", _environment(before), _environment(after)),
    )
    return tuple(found for about, one, other in pairs for found in _different(about, one, other))


def _different(about: str, one: Mapping[str, Value], other: Mapping[str, Value]) -> Iterator[Difference]:
    for name in dict.fromkeys((*one, *other)):
        if one.get(name) != other.get(name):
            yield Difference(about, name, one.get(name), other.get(name))


def _run(report: Report) -> dict[str, Value]:
    told = {name: text for name, text in report.facts if name in _FACTS}
    return {"verdict": report.verdict, **told, "version": report.version}


def _settings(request: RunRequest) -> dict[str, Value]:
    return {
        name: safe_text(str(value), limit=200) for name, value in request.settings.items() if name not in _NOT_COMPARED
    }


def _score(report: Report) -> dict[str, Value]:
    if report.score is None:
        return {}
    points: dict[str, Value] = {one.name: one.points for one in report.score.dimensions}
    return {"total": report.score.after, "before cleaning": report.score.before, **points}


def _losses(report: Report) -> dict[str, Value]:
    losses = report.score.losses if report.score else ()
    return {f"{loss.rule} {loss.title}": loss.lost for loss in losses}


def _rows(report: Report, what: str) -> dict[str, Value]:
    found: dict[str, Value] = {table.name: getattr(table, what) for table in report.tables}
    return found


def _metrics(report: Report) -> dict[str, Value]:
    return {f"{metric.id} {metric.title}": metric.after for metric in report.metrics}


def _seconds(report: Report) -> dict[str, Value]:
    stages: dict[str, Value] = {stage.name: stage.duration for stage in report.stages}
    return {"in all": report.duration, **stages}


def _environment(report: Report) -> dict[str, Value]:
    """Versions and server; which process it was is no difference."""
    return {name: text for name, text in report.environment if not name.startswith(("carried by", "attempt"))}
