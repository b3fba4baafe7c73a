"""Metrics for monitoring: written when a stage ends, on demand, or served while runs go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from pathlib import Path

from sdconsole.config import EMBEDDED, Settings
from sdconsole.core.bus import View
from sdconsole.core.events import Record, RunFinished, StageFinished
from sdconsole.errors import from_os_error
from sdconsole.observe.exposition import Place, exposition, push, samples, write_textfile
from sdconsole.observe.server import metrics_server


def metrics_view(settings: Settings) -> View:
    """Writes the metrics at the end of each stage and of the run, and pushes them at the end of the run."""

    def write(record: Record) -> None:
        if isinstance(record.event, StageFinished | RunFinished):
            write_textfile(place(settings), settings.metrics_file)
        if isinstance(record.event, RunFinished) and settings.pushgateway_url:
            push(place(settings), settings.pushgateway_url)

    return write


def place(settings: Settings) -> Place:
    disks = [settings.state_dir, settings.state_dir / "backups"]
    if settings.target == EMBEDDED and not settings.dsn:
        disks.append(settings.embedded_root)
    return Place(settings.state_dir, tuple(disks), settings.state_dir / "backups", datetime.now(UTC))


def write_metrics(settings: Settings, path: Path | None = None) -> Path:
    """The text file, written now. Raises OperationFailed."""
    try:
        return write_textfile(place(settings), path or settings.metrics_file)
    except OSError as error:
        raise from_os_error(error, "the metrics cannot be written") from error


def read_metrics(settings: Settings) -> bytes:
    """The text format as of now, of runs that are being executed too. Writes nothing."""
    return exposition(samples(place(settings), keep=False))


def serve_metrics(settings: Settings, port: int, told: Callable[[str], None]) -> ThreadingHTTPServer:
    """A server on this machine that answers with `read_metrics`."""
    return metrics_server(port, lambda: read_metrics(settings), told)
