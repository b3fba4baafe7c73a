"""Reports of runs on record: made anew, read, checked against their sums, compared."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

from sdconsole.config import Settings
from sdconsole.core import runs
from sdconsole.core.summary import summary_document
from sdconsole.errors import TargetLocked, UsageError, from_os_error
from sdconsole.report.build import build_report
from sdconsole.report.compare import Difference, differences
from sdconsole.report.evidence import Changed, check_sums, write_evidence
from sdconsole.report.html import html_report
from sdconsole.report.markdown import markdown_report


class ReportFormat(StrEnum):
    HTML = "html"
    MARKDOWN = "md"
    JSON = "json"


def newest_run(settings: Settings) -> str:
    """The newest run on record. Raises UsageError ("no-runs")."""
    folders = sorted(runs.runs_folder(settings.state_dir).glob(f"r-*/{runs.JOURNAL}"))
    if not folders:
        raise UsageError(
            "no-runs",
            "there is no run yet",
            cause=f"{runs.runs_folder(settings.state_dir)} holds none",
            next_step="sdconsole demo",
        )
    return folders[-1].parent.name


def make_report(settings: Settings, run_id: str, *, samples: bool | None = None) -> Path:
    """Writes the run's reports and sums anew and returns its folder. `samples` None = as the run was set.

    Raises TargetLocked ("run-active") while the run is being executed: it writes them itself when it ends.
    """
    folder = runs.run_folder(settings.state_dir, run_id)
    if runs.is_alive(folder):
        raise TargetLocked(
            "run-active",
            f"run {run_id} is still being executed",
            cause="it writes its report itself when it ends",
            next_step=f"sdconsole status, or read what there is: sdconsole report {run_id} --format md",
        )
    with runs.run_lock(folder):
        try:
            return write_evidence(settings.state_dir, run_id, samples=samples)
        except OSError as error:
            raise from_os_error(error, f"the report of {run_id} cannot be written") from error


def report_text(settings: Settings, run_id: str, form: ReportFormat, *, samples: bool | None = None) -> str:
    """The report of what is on record, of a run that is being executed too. Writes nothing."""
    report = build_report(settings.state_dir, run_id, samples=samples)
    return html_report(report) if form is ReportFormat.HTML else markdown_report(report)


def report_document(settings: Settings, run_id: str) -> dict[str, Any]:
    """What run.json says, from the journal."""
    return summary_document(runs.load_state(settings.state_dir, run_id))


def changed_files(settings: Settings, run_id: str) -> tuple[Changed, ...]:
    """The files of a run's folder that are not what its SHA256SUMS says."""
    return check_sums(runs.run_folder(settings.state_dir, run_id))


def compare_runs(settings: Settings, one: str, other: str) -> tuple[Difference, ...]:
    """What is different between two runs of this state folder."""
    folders = [runs.run_folder(settings.state_dir, run_id) for run_id in (one, other)]
    before, after = (build_report(settings.state_dir, folder.name) for folder in folders)
    return differences(before, after, (runs.read_request(folders[0]), runs.read_request(folders[1])))
