"""Walks made through the library, and the digests that a finished one must have."""

from __future__ import annotations

import hashlib
from pathlib import Path

import sdconsole
from sdconsole.runbook.asking import FlagWalkGate
from sdconsole.runbook.walk_state import WalkState
from sdconsole.service.walking import prepare_walk
from tests.cli.library_runs import LIVE


def walked(
    settings: sdconsole.Settings, name: str, *, confirm: str = LIVE, yes: bool = True, new: bool = True, **params: str
) -> WalkState:
    """The walk to its end, with every question answered beforehand."""
    return prepare_walk(settings, name, params, new=new).execute(FlagWalkGate("ann", yes, confirm))


def check_sums(folder: Path) -> set[str]:
    """The files that SHA256SUMS names. Computed anew with nothing of the product."""
    named = set()
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ", 1)
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
        named.add(name)
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert named == there - {"SHA256SUMS", "lock", "walk.lock"}
    return named
