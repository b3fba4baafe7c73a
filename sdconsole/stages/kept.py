"""What a run left about the quality of its data, for those who look later: its clean file and its quarantine.

Reads the run's record; writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sdconsole.core import runs
from sdconsole.core.model import StageName
from sdconsole.errors import CheckFailed, UsageError
from sdconsole.quality.clean.quarantine import is_quarantine
from sdconsole.quality.clean.report import CleanReport, clean_report_from_dict
from sdconsole.source.catalog import read_catalog
from sdconsole.source.connection import SourceConnection
from sdconsole.source.open import file_sha256, open_source


@dataclass(frozen=True, slots=True)
class KeptQuarantine:
    """The open clean file of a run, or what is kept of one that was refused; `source` is the export it is made from."""

    run_id: str
    path: Path
    source: Path | None
    connection: SourceConnection


@contextmanager
def kept_quarantine(state_dir: Path, run_id: str | None = None) -> Iterator[KeptQuarantine]:
    """The quarantine of a run, of the newest run that has one by default.

    Raises UsageError "run-unknown" or "no-quarantine", CheckFailed "clean-changed" when the file is not the one that
    the run recorded.
    """
    folder = runs.run_folder(state_dir, run_id) if run_id is not None else _newest(state_dir)
    result = runs.load_state(state_dir, folder.name).results.get(StageName.CLEAN)
    path = _clean_file(folder, refused=result is None)
    recorded = result.artifact("clean").sha256 if result is not None else None
    if recorded is not None and file_sha256(path) != recorded:
        raise CheckFailed(
            "clean-changed",
            f"{path} is not the file that {folder.name} recorded",
            cause="its digest is another one: it was changed, or a later run wrote it anew",
            next_step=f"read {folder / 'quarantine.csv'} instead",
        )
    source = runs.read_request(folder).source
    with closing(open_source(path)) as connection:
        if not is_quarantine(read_catalog(connection)):
            raise _none(folder, f"{path} holds no quarantine")
        yield KeptQuarantine(folder.name, path, Path(source) if source else None, connection)


def _newest(state_dir: Path) -> Path:
    """The newest run that wrote a clean file; a dry run did not."""
    documents = sorted(runs.runs_folder(state_dir).glob("r-*/clean.json"), reverse=True)
    for document in documents:
        if not _report(document.parent).dry_run:
            return document.parent
    raise UsageError(
        "no-quarantine",
        "no run has cleaned anything yet",
        cause=f"{runs.runs_folder(state_dir)} holds no run with a clean file",
        next_step="sdconsole clean SOURCE",
    )


def _report(folder: Path) -> CleanReport:
    try:
        return clean_report_from_dict(json.loads((folder / "clean.json").read_bytes()))
    except FileNotFoundError as error:
        raise _none(folder, "the run has not cleaned anything") from error
    except (OSError, ValueError) as error:
        raise _none(folder, f"{folder / 'clean.json'} cannot be read: {error}") from error


def refused_quarantine(folder: Path) -> Path:
    """Where the quarantine of a clean copy is kept that did not pass its gates and so is not there."""
    return folder / "quarantine.db"


def _clean_file(folder: Path, *, refused: bool) -> Path:
    report = _report(folder)
    if report.dry_run:
        raise _none(folder, f"it was a dry run; what it would set aside is in {folder / 'quarantine.csv'}")
    path = refused_quarantine(folder) if refused else Path(report.output)
    if not path.is_file():
        raise _none(folder, f"{path} is gone")
    return path


def _none(folder: Path, cause: str) -> UsageError:
    return UsageError(
        "no-quarantine",
        f"run {folder.name} has no quarantine to look into",
        cause=cause,
        next_step="sdconsole runs list, then: sdconsole quarantine show RUN",
    )
