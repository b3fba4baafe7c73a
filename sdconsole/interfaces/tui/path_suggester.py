"""Completes a path while it is typed, from what lies in its folder."""

from __future__ import annotations

import os
from pathlib import Path

from textual.suggester import Suggester

from sdconsole.interfaces.safe_text import safe_text

_SCANNED = 2_000
_ENDINGS = (".db", ".sqlite", ".sqlite3")


class PathSuggester(Suggester):
    """Folders and SQLite files, by name. Names that would not print as they are stay out."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The first fitting path that goes on from `value`, None when there is none."""
        if not value:
            return None
        folder, _, start = value.rpartition("/")
        place = Path(f"{folder}/" if folder or value.startswith("/") else ".").expanduser()
        names = _names(place, start)
        return f"{value[: len(value) - len(start)]}{names[0]}" if names else None


def _names(place: Path, start: str) -> list[str]:
    found = []
    try:
        with os.scandir(place) as entries:
            for _, entry in zip(range(_SCANNED), entries, strict=False):
                if not entry.name.startswith(start) or entry.name == start or safe_text(entry.name) != entry.name:
                    continue
                if entry.name.startswith(".") and not start.startswith("."):
                    continue
                if entry.is_dir():
                    found.append(f"{entry.name}/")
                elif entry.name.endswith(_ENDINGS):
                    found.append(entry.name)
    except OSError:  # not a folder, or not ours to read: nothing to suggest
        return []
    return sorted(found)
