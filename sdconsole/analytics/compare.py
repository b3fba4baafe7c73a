"""What a new version changes in the figures that people know: each metric before and after, and by how much.

Pure arithmetic over results; it decides what moved too far, not what happens then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sdconsole.analytics.catalog import Catalog, Kind, Metric, MetricStatus
from sdconsole.analytics.run import MetricResult


class ChangeState(StrEnum):
    SAME = "same"
    MOVED = "moved"
    NEW = "new"
    """It had no value before and has one now."""
    GONE = "gone"
    """It had a value before and has none now."""
    EMPTY = "empty"
    """Neither version has a value."""
    FAILED = "failed"
    """A query failed, so nothing can be said."""


_ORDER = (ChangeState.FAILED, ChangeState.GONE, ChangeState.MOVED, ChangeState.NEW, ChangeState.SAME, ChangeState.EMPTY)
_RANK = {MetricStatus.GREEN: 0, MetricStatus.YELLOW: 1, MetricStatus.RED: 2}


@dataclass(frozen=True, slots=True)
class Change:
    """One metric of two versions. `percent` is the change relative to the value before; None = it cannot be told."""

    metric_id: str
    name: str
    unit: str
    state: ChangeState
    before: float | None
    after: float | None
    n_before: int
    n_after: int
    band_before: MetricStatus
    band_after: MetricStatus
    change: float | None
    percent: float | None
    error: str = ""

    @property
    def worse(self) -> bool:
        """Whether the value left its band for a worse one."""
        return _RANK.get(self.band_after, 0) > _RANK.get(self.band_before, 0)

    def exceeds(self, limit_percent: float) -> bool:
        """Whether the change is larger than the limit. A failed query exceeds every limit."""
        if self.state is ChangeState.FAILED:
            return True
        return self.weight > limit_percent

    @property
    def weight(self) -> float:
        """The size of the change in percent; a value that is gone, or that comes out of 0, counts as 100."""
        if self.state is ChangeState.GONE or (self.state is ChangeState.MOVED and self.percent is None):
            return 100.0
        return self.percent or 0.0

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return {
            "id": self.metric_id,
            "name": self.name,
            "unit": self.unit,
            "state": self.state.value,
            "before": self.before,
            "after": self.after,
            "n_before": self.n_before,
            "n_after": self.n_after,
            "band_before": self.band_before.value,
            "band_after": self.band_after.value,
            "change": self.change,
            "change_percent": self.percent,
            "error": self.error,
        }


def change_from_dict(data: Mapping[str, Any]) -> Change:
    """What `Change.to_dict` gave. Raises KeyError or ValueError when it is something else."""
    return Change(
        metric_id=data["id"],
        name=data["name"],
        unit=data["unit"],
        state=ChangeState(data["state"]),
        before=data["before"],
        after=data["after"],
        n_before=data["n_before"],
        n_after=data["n_after"],
        band_before=MetricStatus(data["band_before"]),
        band_after=MetricStatus(data["band_after"]),
        change=data["change"],
        percent=data["change_percent"],
        error=data["error"],
    )


def comparable(catalog: Catalog) -> tuple[Metric, ...]:
    """What two versions are compared by: each figure once, and none that depends on the clock."""
    asked = catalog.of_kind(Kind.METRIC, Kind.TEMPLATE)
    return tuple(metric for metric in asked if metric.compared and not metric.same_as and not metric.unavailable)


def compare(before: Iterable[MetricResult], after: Iterable[MetricResult]) -> tuple[Change, ...]:
    """The metrics that both have, in the order of `after`."""
    known = {result.metric.id: result for result in before}
    return tuple(_change(known[result.metric.id], result) for result in after if result.metric.id in known)


def by_weight(changes: Sequence[Change]) -> tuple[Change, ...]:
    """What a person should look at first comes first."""
    return tuple(sorted(changes, key=lambda one: (_ORDER.index(one.state), not one.worse, -one.weight)))


def _change(before: MetricResult, after: MetricResult) -> Change:
    both = before.value is not None and after.value is not None
    return Change(
        metric_id=after.metric.id,
        name=after.metric.title,
        unit=after.metric.unit,
        state=_state(before, after),
        before=before.value,
        after=after.value,
        n_before=before.n,
        n_after=after.n,
        band_before=before.status,
        band_after=after.status,
        change=after.value - before.value if before.value is not None and after.value is not None else None,
        percent=_percent(before.value, after.value) if both else None,
        error=after.error or before.error,
    )


def _state(before: MetricResult, after: MetricResult) -> ChangeState:
    if before.error or after.error:
        return ChangeState.FAILED
    if before.value is None:
        return ChangeState.EMPTY if after.value is None else ChangeState.NEW
    if after.value is None:
        return ChangeState.GONE
    return ChangeState.SAME if before.value == after.value else ChangeState.MOVED


def _percent(before: float | None, after: float | None) -> float | None:
    if before is None or after is None:
        return None
    if before == after:
        return 0.0
    return abs(after - before) / abs(before) * 100 if before else None
