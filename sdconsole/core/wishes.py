"""Words that other processes of the operator leave in a run's folder for the one that executes it."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from sdconsole.core.runs import write_private


@dataclass(frozen=True, slots=True)
class RunWish:
    """What another process wants of the one that executes a run: an answer to its question, a rest, or its end.

    `question` names what is answered or held; `typed` is what was typed for it.
    """

    kind: Literal["answer", "hold", "pause", "unpause", "stop"]
    by: str
    via: str
    question: str = ""
    accepted: bool = False
    typed: str = ""


_WISH = TypeAdapter(RunWish)


def leave_wish(folder: Path, wish: RunWish) -> Path:
    """Leave a wish in the run's folder, for the process that executes the run."""
    path = folder / f"wish-{time.time_ns():020}-{secrets.token_hex(2)}.json"
    write_private(path, _WISH.dump_json(wish))
    return path


def take_wishes(folder: Path) -> tuple[RunWish, ...]:
    """What was left, oldest first; each is given once. What is no wish is taken away unheard."""
    taken = []
    for path in sorted(folder.glob("wish-*.json")):
        try:
            content = path.read_bytes()
            path.unlink()
            taken.append(_WISH.validate_json(content))
        except (FileNotFoundError, ValidationError):  # withdrawn, or not written by this version
            continue
    return tuple(taken)
