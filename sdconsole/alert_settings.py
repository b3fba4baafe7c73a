"""From when on monitoring tells somebody: the settings of the alert rules that are no limits of a run itself."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AlertSettings(BaseModel):
    """What a run stops or warns at is set once, for run and rule alike: min_quality, min_free_bytes and the others."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    stale_days: float = Field(default=100.0, gt=0)
    """How old the newest import may be: 100 for quarterly imports, 2 for daily ones."""
    post_quality_critical: float = Field(default=60.0, ge=0, le=100)
    """Below it what was loaded calls for a decision about a rollback; min_quality calls for a look."""
    quality_drop: float = Field(default=5.0, gt=0)
    """Points that the score may fall from one import to the next."""
    errors_per_hour: float = Field(default=100.0, gt=0)
    overrun_note_seconds: float = Field(default=1800.0, gt=0)
    overrun_warn_seconds: float = Field(default=2400.0, gt=0)
    overrun_critical_seconds: float = Field(default=3600.0, gt=0)
    """How long a run may take before it is an alarm."""
    profile_slow_seconds: float = Field(default=600.0, gt=0)
    clean_slow_seconds: float = Field(default=1800.0, gt=0)
    load_slow_seconds: float = Field(default=600.0, gt=0)
    slow_factor: float = Field(default=2.0, gt=1)
    """From which multiple of its usual time on a stage is slow."""
    backup_max_days: float = Field(default=7.0, gt=0)
    """How old the newest backup may be between runs; backup_max_age_hours is for the beginning of one."""
    query_errors_per_hour: float = Field(default=5.0, ge=0)
    """Failed queries of dashboards."""
    resolution_days: float = Field(default=3.0, gt=0)
    """The mean time to resolution from which on the manager is told."""
    comment_quality: float = Field(default=3.0, ge=1, le=5)
    """The mean quality of comments, of all or of one person, below which the manager is told."""
    unassigned_tickets: float = Field(default=3000.0, ge=0)
    """Over how many tickets of nobody the manager is told."""
