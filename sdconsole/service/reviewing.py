"""What a run's profile says, column by column, and the dates of which a person must say how they are written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sdconsole.config import Settings
from sdconsole.contract.model import DateOrder
from sdconsole.core import runs
from sdconsole.core.model import StageName
from sdconsole.errors import OperationFailed
from sdconsole.quality.dates.reading import read_date
from sdconsole.quality.profile.model import Profile, profile_from_dict

SAMPLES = 4


@dataclass(frozen=True, slots=True)
class Reading:
    """One value as it stands, and what it says day first and month first; "" = nothing."""

    value: str
    day_first: str
    month_first: str


@dataclass(frozen=True, slots=True)
class DateQuestion:
    """A column whose dates can be read either way. The counts are cells that can only be read one way, or both."""

    place: str
    """TABLE.COLUMN, as `--date-format` takes it."""
    only_day_first: int
    only_month_first: int
    either: int
    readings: tuple[Reading, ...]
    answer: DateOrder | None


def run_profile(settings: Settings, run_id: str) -> Profile:
    """The profile that the run wrote. Raises UsageError ("run-unknown") and OperationFailed ("profile-unreadable")."""
    result = runs.load_state(settings.state_dir, run_id).results.get(StageName.PROFILE)
    try:
        if result is None:
            raise KeyError("the run has no finished profile")
        return profile_from_dict(json.loads(Path(result.artifact("profile").path).read_bytes()))
    except (OSError, ValueError, KeyError) as error:
        raise OperationFailed(
            "profile-unreadable",
            f"the profile of {run_id} cannot be read",
            cause=str(error).splitlines()[0],
            next_step=f"sdconsole resume {run_id}",
        ) from error


def date_questions(settings: Settings, run_id: str) -> tuple[DateQuestion, ...]:
    """Columns with dates that both readings fit, those that wait for an answer first. Raises as `run_profile`."""
    profile = run_profile(settings, run_id)
    found = [
        DateQuestion(
            place=f"{column.table}.{column.name}",
            only_day_first=dates.day_first,
            only_month_first=dates.month_first,
            either=dates.ambiguous,
            readings=tuple(_reading(sample, profile.timezone) for sample in dates.ambiguous_samples[:SAMPLES]),
            answer=dates.answer,
        )
        for column in profile.columns()
        if (dates := column.dates) is not None and dates.ambiguous
    ]
    waiting = {f"{column.table}.{column.name}" for column in profile.needs_answer}
    return tuple(sorted(found, key=lambda question: question.place not in waiting))


def _reading(value: str, timezone: str) -> Reading:
    day, month = (read_date(value, order, timezone=timezone).moment for order in (DateOrder.DMY, DateOrder.MDY))
    return Reading(value, f"{day:%d %b %Y}" if day else "", f"{month:%d %b %Y}" if month else "")
