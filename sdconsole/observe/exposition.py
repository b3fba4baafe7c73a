"""The metrics in Prometheus' text format: what the runs said, and what can only be measured now."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, generate_latest, push_to_gateway
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sdconsole.core import runs
from sdconsole.errors import from_os_error
from sdconsole.observe.families import BY_NAME, FAMILIES, Family, label_values
from sdconsole.observe.health import disk_spaces
from sdconsole.observe.measure import Sample
from sdconsole.observe.metric_store import collect, locked_folder, metrics_folder
from sdconsole.target.backup.backups import list_backups

TEXTFILE = "sdconsole.prom"
JOB = "sdconsole"
PUSH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look: the state folder, the folders whose disks matter, and where the backups are."""

    state_dir: Path
    disks: tuple[Path, ...]
    backups: Path
    now: datetime


def samples(place: Place, *, keep: bool = True) -> tuple[Sample, ...]:
    """Everything there is to say now. Raises OperationFailed and OSError."""
    return (*collect(place.state_dir, write=keep), *_measured_now(place))


def _measured_now(place: Place) -> Iterator[Sample]:
    for space in disk_spaces(place.disks):
        yield "etl_disk_free_bytes", (os.fspath(space.path),), float(space.free_bytes)
    yield "etl_memory_used_ratio", (), psutil.virtual_memory().percent / 100
    folders = runs.runs_folder(place.state_dir).glob("r-*")
    yield "etl_lock_held", (), float(any(runs.is_alive(folder) for folder in folders))
    newest: dict[str, datetime] = {}
    for backup in list_backups(place.backups):
        newest[backup.kind] = max(backup.created, newest.get(backup.kind, backup.created))
    for kind, created in newest.items():
        yield "etl_last_backup_timestamp_seconds", (kind,), created.timestamp()
        yield "etl_backup_age_seconds", (kind,), max(0.0, (place.now - created).total_seconds())


class _Collector(Collector):
    """Hands the samples to prometheus_client, family by family."""

    def __init__(self, found: Iterable[Sample]) -> None:
        self._found: dict[str, dict[tuple[str, ...], float]] = {}
        for name, labels, value in (*_zeros(), *found):
            assert len(labels) == len(BY_NAME[name].labels), name
            self._found.setdefault(name, {})[labels] = value

    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES:
            values = self._found.get(family.name)
            if values:
                yield _family(family, values)


def _zeros() -> Iterator[Sample]:
    """Counters that were never counted: a rate needs the zero before the first one."""
    for family in FAMILIES:
        if family.kind == "counter" and not family.labels:
            yield family.name, (), 0.0
        elif family.kind == "counter" and len(family.labels) == 1:
            yield from ((family.name, (value,), 0.0) for value in sorted(label_values(family.labels[0])))


def _family(family: Family, values: dict[tuple[str, ...], float]) -> Metric:
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name.removesuffix("_total"), family.help, labels=family.labels)
    for labels, value in sorted(values.items()):
        metric.add_metric(labels, value)
    return metric


def exposition(found: Iterable[Sample]) -> bytes:
    """The text format, HELP and TYPE included, with a final newline."""
    return generate_latest(_registry(found))


def _registry(found: Iterable[Sample]) -> CollectorRegistry:
    collectors = CollectorRegistry(auto_describe=False)
    collectors.register(_Collector(found))
    return collectors


def write_textfile(place: Place, path: Path | None = None) -> Path:
    """Replaces the text file in one step and returns its path: `metrics/sdconsole.prom` of the state folder by default.

    Another place is meant for a node exporter, so the file is readable for everybody there: it holds numbers and names
    of tables, nothing of the data. Raises OSError and what `samples` raises.
    """
    content = exposition(samples(place))
    if path is None:
        folder = runs.private_folder(metrics_folder(place.state_dir))
        with locked_folder(folder):
            runs.write_private(folder / TEXTFILE, content)
        return folder / TEXTFILE
    runs.write_whole(path, content, mode=0o644)
    return path


def push(place: Place, url: str) -> None:
    """Sends everything to a Pushgateway. Raises OperationFailed ("file-error") when it does not answer."""
    try:
        push_to_gateway(url, JOB, _registry(samples(place)), timeout=PUSH_SECONDS)
    except OSError as error:
        raise from_os_error(error, f"the metrics could not be pushed to {url}") from error
