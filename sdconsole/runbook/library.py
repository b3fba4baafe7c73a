"""Where runbooks come from: a path, or the name of one that is shipped with sdconsole."""

from __future__ import annotations

import difflib
import shlex
from importlib import resources
from pathlib import Path

import sdconsole
from sdconsole.core.safe_text import safe_text
from sdconsole.errors import UsageError


def shipped_folder() -> Path:
    """The folder of the shipped runbooks: inside the installed package, or beside it in a checkout."""
    packaged = Path(str(resources.files(sdconsole) / "runbooks"))
    return packaged if packaged.is_dir() else Path(sdconsole.__file__).resolve().parents[1] / "runbooks"


def shipped() -> dict[str, Path]:
    """Every shipped runbook by name."""
    return {path.stem: path for path in sorted(shipped_folder().glob("*.md"))}


def spelled(name: str) -> str:
    """A runbook's name or path as it is typed again at a shell."""
    return safe_text(shlex.quote(name))


def find(name: str) -> Path:
    """The file that is meant: a path when it is spelled like one, else a shipped runbook.

    Raises UsageError ("runbook-unknown").
    """
    if name.endswith(".md") or "/" in name:
        return Path(name)
    known = shipped()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, list(known), n=1)
    raise UsageError(
        "runbook-unknown",
        f"no runbook is called {name[:60]!r}",
        cause=f"shipped are {', '.join(known)}; a file of your own ends in .md",
        next_step=f"sdconsole runbook run {near[0]}" if near else "sdconsole runbook list",
    )
