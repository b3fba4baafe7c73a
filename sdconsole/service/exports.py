"""Synthetic exports: the demonstration's and those that an operator asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sdconsole.config import Settings
from sdconsole.contract.load import load_contract
from sdconsole.core import runs
from sdconsole.errors import UsageError
from sdconsole.source.generate import Manifest, generate


def generate_demo(
    settings: Settings,
    *,
    size: str = "baseline",
    seed: int = 1,
    progress: Callable[[int, int | None], None] | None = None,
) -> Path:
    """The demonstration's export, made once for each size and seed and kept in the state folder."""
    folder = runs.private_folder(settings.state_dir / "demo")
    path = folder / f"servicedesk-{number_of_rows(size) or size}-{seed}.db"
    if not path.exists():
        generate_export(path, size=size, seed=seed, progress=progress)
    return path


def generate_export(
    path: Path,
    *,
    size: str = "baseline",
    dirt: str = "baseline",
    seed: int = 1,
    progress: Callable[[int, int | None], None] | None = None,
) -> Manifest:
    """A synthetic export at `path`. `size` is baseline, x2, large or a number of rows."""
    rows = number_of_rows(size)
    return generate(
        path,
        rows=rows,
        size="baseline" if rows else size,
        dirt=dirt,
        seed=seed,
        contract=load_contract(),
        progress=progress,
    )


def number_of_rows(size: str) -> int | None:
    """The number that a size names, None for a size with a name. Raises UsageError ("size")."""
    digits = size.replace(",", "").replace("_", "")
    if not digits[:1].isdigit():
        return None
    if not digits.isdecimal() or int(digits) == 0:
        raise UsageError("size", f"{size!r} is not a number of rows", next_step="e.g. --size 100000")
    return int(digits)
