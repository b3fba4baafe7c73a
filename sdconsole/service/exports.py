"""Synthetic exports: the demonstration's and those that an operator asks for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from sdconsole.config import Settings
from sdconsole.contract.load import load_contract
from sdconsole.core import runs
from sdconsole.errors import UsageError
from sdconsole.source.generate import Manifest, day_taken, generate


def generate_demo(
    settings: Settings,
    *,
    size: str = "baseline",
    seed: int = 1,
    progress: Callable[[int, int | None], None] | None = None,
) -> Path:
    """The demonstration's export, made once for each size and seed and kept in the state folder.

    Its future dates are counted from today, so that the profile finds them.
    """
    folder = runs.private_folder(settings.state_dir / "demo")
    rows = number_of_rows(size)
    path = folder / f"servicedesk-{rows or size}-{seed}.db"
    if not path.exists():
        day = max(datetime.now(UTC).date(), day_taken("baseline" if rows else size, rows))
        generate_export(path, size=size, seed=seed, as_of=day.isoformat(), progress=progress)
    return path


def generate_export(
    path: Path,
    *,
    size: str = "baseline",
    dirt: str = "baseline",
    seed: int = 1,
    as_of: str | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Manifest:
    """A synthetic export at `path`. `size` is baseline, x2, large or a number of rows in the three big tables.

    `as_of`, YYYY-MM-DD, is the day from which its future dates are counted. Raises UsageError "size", "as-of" and what
    `generate` raises.
    """
    rows = number_of_rows(size)
    return generate(
        path,
        rows=rows,
        size="baseline" if rows else size,
        dirt=dirt,
        seed=seed,
        as_of=None if as_of is None else _day(as_of),
        contract=load_contract(),
        progress=progress,
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            "as-of", f"{text!r} is not a day", cause="a day is written YYYY-MM-DD", next_step="e.g. --as-of 2026-01-31"
        ) from error


def number_of_rows(size: str) -> int | None:
    """The number that a size names, None for a size with a name. Raises UsageError ("size")."""
    digits = size.replace(",", "").replace("_", "")
    if not digits[:1].isdigit():
        return None
    if not digits.isdecimal() or int(digits) == 0:
        raise UsageError(
            "size",
            f"{size!r} is not a number of rows",
            cause="a size is baseline, x2, large or a whole number above zero",
            next_step="e.g. --size 100000",
        )
    return int(digits)
