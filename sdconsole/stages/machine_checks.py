"""Preflight checks of this machine: programs, memory, space on every file system, and folders to write to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from sdconsole.stages.checks import Finding, failed, passed, warned

SNAPSHOT_SHARE, CLEAN_SHARE, CANARY_SHARE, DUMP_SHARE, DATABASE_SHARE = 1.0, 1.2, 0.15, 1.0, 3.0
"""How much a deployment writes, as multiples of the source's size: measured on exports of 100 MB, rounded up."""


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that one purpose writes below a folder."""

    purpose: str
    folder: Path
    size_bytes: int
    minimum_bytes: int


def needs(*, source_bytes: int, state: Path, database: Path | None, local: int, server: int) -> tuple[Need, ...]:
    """What a deployment of a source of this size writes, and where."""
    shares = SNAPSHOT_SHARE + CLEAN_SHARE + CANARY_SHARE + DUMP_SHARE
    found = [Need("copy, clean file, canary and dump", state, round(source_bytes * shares), local)]
    if database is not None:
        found.append(Need("database", database, round(source_bytes * DATABASE_SHARE), server))
    return tuple(found)


def space_plan(wanted: tuple[Need, ...], *, free_bytes: Callable[[Path], int]) -> Iterator[Finding]:
    """Whether each file system has room for all that is written to it together."""
    by_device: dict[int, list[Need]] = {}
    for need in wanted:
        by_device.setdefault(need.folder.stat().st_dev, []).append(need)
    for together in by_device.values():
        folder = together[0].folder
        required = max(sum(need.size_bytes for need in together), *(need.minimum_bytes for need in together))
        free = free_bytes(folder)
        purposes = " and ".join(need.purpose for need in together)
        measured, threshold = f"{free / 1e9:.2f} GB free", f"{required / 1e9:.2f} GB"
        if free < required:
            yield failed(
                "space_plan",
                f"{folder} is too small for {purposes}",
                measured=measured,
                threshold=threshold,
                remedy=f"free {(required - free) / 1e9:.2f} GB there, or choose another --state-dir",
                slug="disk-space",
            )
        else:
            yield passed("space_plan", f"{folder} has room for {purposes}", measured=measured, threshold=threshold)


def memory(minimum_bytes: int, available_bytes: int | None = None) -> Finding:
    available = psutil.virtual_memory().available if available_bytes is None else available_bytes
    measured, threshold = f"{available / 1e9:.1f} GB", f"{minimum_bytes / 1e9:g} GB"
    if available < minimum_bytes:
        remedy = "close other programs if the run becomes slow"
        return warned("memory", "little memory is free", measured=measured, threshold=threshold, remedy=remedy)
    return passed("memory", "enough memory is free", measured=measured, threshold=threshold)


def dependencies(versions: Mapping[str, str] | None = None) -> Finding:
    """Whether every package that sdconsole needs is here in a version it allows."""
    wrong = []
    required = [Requirement(text) for text in metadata.requires("sdconsole") or ()]
    base = [requirement for requirement in required if requirement.marker is None or requirement.marker.evaluate()]
    for requirement in base:
        try:
            found = (versions or {}).get(requirement.name) or metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is not installed")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} {found} is outside {requirement.specifier}")
    if wrong:
        return failed("dependencies", "; ".join(wrong), remedy="install sdconsole again in a fresh environment")
    return passed("dependencies", f"{len(base)} packages in allowed versions")


def output_writable(folders: tuple[Path, ...]) -> Iterator[Finding]:
    for folder in folders:
        if os.access(folder, os.W_OK | os.X_OK):
            yield passed("output_writable", f"{folder} can be written")
        else:
            yield failed(
                "output_writable",
                f"{folder} cannot be written",
                remedy="change its owner or choose another --state-dir",
            )
