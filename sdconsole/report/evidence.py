"""What a run leaves for people who were not there: run.json, report.html, report.md, and SHA256SUMS over its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdconsole.core import runs
from sdconsole.core.projection import RunState
from sdconsole.core.summary import summary_document
from sdconsole.errors import CheckFailed, UsageError
from sdconsole.report.build import build_report
from sdconsole.report.html import html_report
from sdconsole.report.markdown import markdown_report

SUMMARY, HTML, MARKDOWN, SUMS = "run.json", "report.html", "report.md", "SHA256SUMS"
_UNSUMMED = frozenset({SUMS, runs.LOCK, runs.WALK_LOCK})


@dataclass(frozen=True, slots=True)
class Changed:
    """A file of a run's folder that is not what its SHA256SUMS says: `what` is "changed", "gone" or "new"."""

    name: str
    what: str


def write_summary(folder: Path, state: RunState) -> None:
    """`run.json` in the run's folder. Raises OSError."""
    content = json.dumps(summary_document(state), indent=2, ensure_ascii=False).encode() + b"\n"
    runs.write_private(folder / SUMMARY, content)


def write_evidence(state_dir: Path, run_id: str, *, samples: bool | None = None) -> Path:
    """Writes the run's summary, reports and sums anew from its journal; returns its folder.

    Raises OSError and what `build_report` raises.
    """
    folder = runs.run_folder(state_dir, run_id)
    write_summary(folder, runs.load_state(state_dir, run_id))
    report = build_report(state_dir, run_id, samples=samples)
    runs.write_private(folder / HTML, html_report(report).encode())
    runs.write_private(folder / MARKDOWN, markdown_report(report).encode())
    write_sums(folder)
    return folder


def write_sums(folder: Path) -> None:
    """SHA256SUMS over the folder's files, in the form that `sha256sum -c` reads. Raises OSError."""
    lines = [f"{digest}  {name}\n" for name, digest in _digests(folder)]
    runs.write_private(folder / SUMS, "".join(lines).encode())


def _digests(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.iterdir()):
        if path.name in _UNSUMMED or path.name.startswith(".") or path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            yield path.name, hashlib.file_digest(file, "sha256").hexdigest()


def check_sums(folder: Path) -> tuple[Changed, ...]:
    """What is not as the run's SHA256SUMS says. Raises UsageError ("no-sums") and CheckFailed ("sums-damaged")."""
    try:
        text = (folder / SUMS).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(
            "no-sums",
            f"run {folder.name} has no {SUMS} yet",
            cause="the run was cut off before its end, or is still going",
            next_step=f"sdconsole report {folder.name}",
        ) from error
    recorded = dict(_recorded(folder, text))
    found = dict(_digests(folder))
    changed = [
        Changed(name, "gone" if name not in found else "changed")
        for name, digest in recorded.items()
        if found.get(name) != digest
    ]
    return (*changed, *(Changed(name, "new") for name in found if name not in recorded))


def _recorded(folder: Path, text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        digest, _, name = line.partition("  ")
        if len(digest) != 64 or not name or "/" in name:
            raise CheckFailed(
                "sums-damaged",
                f"{folder / SUMS} cannot be read",
                cause=f"{line[:80]!r} is no line of it",
                next_step=f"sdconsole report {folder.name}",
            )
        yield name, digest
