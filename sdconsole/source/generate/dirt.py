"""How dirty an export is asked to be, checked before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from sdconsole.errors import UsageError
from sdconsole.source.generate.mistyped import MISTYPED_COLUMNS

DIRT_PROFILES = ("clean", "baseline", "heavy", "hostile")
_HEAVY = 10
_HOSTILE_CORRUPT_PERCENT = 21


@dataclass(frozen=True, slots=True)
class Dirt:
    """What is wrong with an export. `corrupt_created` (tickets) and `mistyped_columns` ask for exact numbers."""

    profile: str = "baseline"
    corrupt_created: int | None = None
    mistyped_columns: int = 0

    @property
    def factor(self) -> int:
        return {"clean": 0, "baseline": 1}.get(self.profile, _HEAVY)


def dirt_of(profile: str, tickets: int, percent: float | None, rows: int | None, mistyped_columns: int) -> Dirt:
    """`percent` of the tickets, rounded down, or exactly `rows` of them get a corrupt creation time.

    Raises UsageError "generate-dirt" for an unknown profile or impossible numbers.
    """
    if profile not in DIRT_PROFILES:
        raise UsageError(
            "generate-dirt",
            f"there is no dirt profile {profile!r}",
            cause="a profile or a defect of that name is not known, or its number is none",
            next_step=f"use one of {', '.join(DIRT_PROFILES)}",
        )
    if percent is not None and rows is not None:
        raise UsageError(
            "generate-dirt",
            "corrupt creation times are asked for as a percentage and as a number",
            cause="a profile or a defect of that name is not known, or its number is none",
            next_step="leave --dirt out, or name clean, baseline, heavy or hostile",
        )
    if percent is None and rows is None and profile == "hostile":
        percent = _HOSTILE_CORRUPT_PERCENT
    corrupt = rows if percent is None else int(Fraction(str(percent)) * tickets / 100)
    if corrupt is not None and not 0 <= corrupt <= tickets:
        raise UsageError(
            "generate-dirt",
            f"{corrupt} corrupt creation times in {tickets} tickets are impossible",
            cause="a profile or a defect of that name is not known, or its number is none",
            next_step="leave --dirt out, or name clean, baseline, heavy or hostile",
        )
    if not 0 <= mistyped_columns <= len(MISTYPED_COLUMNS):
        raise UsageError(
            "generate-dirt",
            f"at most {len(MISTYPED_COLUMNS)} columns can be mistyped",
            cause="a profile or a defect of that name is not known, or its number is none",
            next_step="leave --dirt out, or name clean, baseline, heavy or hostile",
        )
    return Dirt(profile, corrupt, mistyped_columns)
