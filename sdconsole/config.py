"""Settings: flag > SDCONSOLE_* > ./sdconsole.toml > the user's file > default. An unknown key is an error."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any, ClassVar, Literal
from zoneinfo import available_timezones

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from sdconsole.alert_settings import AlertSettings
from sdconsole.errors import UsageError
from sdconsole.small_file import parse_toml, read_small, reason

EMBEDDED = "embedded"
Hook = tuple[str, ...] | str
"""A program with its arguments, or a URL."""
_PASSWORD = re.compile(r"(^|\s)(ssl)?password\s*=|://[^/@:]*:[^/@]*@|[?&]password=", re.IGNORECASE)
PROJECT_FILE = Path("sdconsole.toml")


def user_file() -> Path:
    """The settings file of this user, whether it exists or not."""
    return platformdirs.user_config_path("sdconsole") / "sdconsole.toml"


def file_settings(path: Path) -> dict[str, Any]:
    """What a settings file says; nothing when there is none. Raises UsageError ("settings-unreadable")."""
    if not os.path.lexists(path):
        return {}
    try:
        return parse_toml(read_small(path))
    except (OSError, ValueError) as error:
        raise UsageError(
            "settings-unreadable",
            f"the settings file {path} cannot be read",
            cause=reason(error),
            next_step=f"sdconsole config validate {path}",
        ) from error


class TargetSettings(BaseModel):
    """A named PostgreSQL target. The password comes from a pass file, a service or PGPASSWORD."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dsn: str = ""
    live_schema: str = "servicedesk"
    reader_role: str = "servicedesk_reader"
    production: bool = False

    @field_validator("dsn")
    @classmethod
    def without_password(cls, dsn: str) -> str:
        """A settings file is copied and committed: no password lives in it."""
        if _PASSWORD.search(dsn):
            raise ValueError("a password does not belong here: use a pass file, a service file or PGPASSWORD")
        return dsn


class HookSettings(BaseModel):
    """Whom to tell. A hook is a program with its arguments, run without a shell, or the URL that a JSON POST goes to.

    Whatever a hook does, the run's outcome stays what it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    on_ready: tuple[Hook, ...] = ()
    on_hold: tuple[Hook, ...] = ()
    on_success: tuple[Hook, ...] = ()
    on_failure: tuple[Hook, ...] = ()
    on_rollback: tuple[Hook, ...] = ()
    timeout_seconds: float = Field(default=10.0, gt=0, le=300)

    @field_validator("on_ready", "on_hold", "on_success", "on_failure", "on_rollback")
    @classmethod
    def usable(cls, hooks: tuple[Hook, ...]) -> tuple[Hook, ...]:
        for hook in hooks:
            if isinstance(hook, str) and not hook.startswith(("http://", "https://")):
                raise ValueError(
                    f'a program is a list, e.g. ["{hook.split()[0] if hook.split() else "notify"}"]; a text is a URL'
                )
            if not hook or not all(hook):
                raise ValueError("a hook is empty")
        return hooks


class Settings(BaseSettings):
    """Everything an operator can set. Shares are in percent, sizes in bytes, times in seconds."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="SDCONSOLE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
    )

    state_dir: Path = Path(".sdconsole")
    target: str = EMBEDDED
    dsn: str = ""
    live_schema: str = "servicedesk"
    reader_role: str = "servicedesk_reader"
    production: bool = False
    targets: dict[str, TargetSettings] = Field(default_factory=dict)
    embedded_root: Path = Field(default_factory=lambda: platformdirs.user_data_path("sdconsole") / "postgres")
    contract: Path | None = None
    date_formats: dict[str, Literal["DMY", "MDY", "YMD"]] = Field(default_factory=dict)
    """By "table.column": the order of day and month where the values leave it open."""
    mode: Literal["simple", "canary", "blue-green", "complete"] = "complete"
    min_quality: float = Field(default=80.0, ge=0, le=100)
    warn_quality: float = Field(default=70.0, ge=0, le=100)
    breaker_score: float = Field(default=50.0, ge=0, le=100)
    """Below it the data are not worth deploying; nothing overrides that."""
    mismatch_percent: int = Field(default=10, ge=0, le=100)
    corrupt_percent: int = Field(default=20, ge=0, le=100)
    max_quarantine_percent: float = Field(default=5.0, ge=0, le=100)
    warn_quarantine_percent: float = Field(default=1.0, ge=0, le=100)
    row_change_percent: int = Field(default=30, ge=0)
    """How far a table's rows may be from the live version's before the preflight warns."""
    believed_percent: int | None = Field(default=None, gt=50, le=100)
    """From which share of its values on a column's type is believed. None = the contract's, 95."""
    strange_dates_percent: int | None = Field(default=None, ge=0, le=100)
    """Over which share of values not written as dates a column of dates is mistyped. None = the contract's, 50."""
    grades: tuple[float, float, float, float] | None = None
    """The lowest scores that are EXCELLENT, GOOD, ACCEPTABLE, POOR. None = the contract's: 90, 80, 70, 60."""
    time_zone: str | None = None
    """The business time zone, e.g. Australia/Perth: times with an offset become local to it. None = the contract's."""
    automation_accounts: tuple[str, ...] | None = None
    """Logins that write workflow notices, not people. None = the contract's."""
    canary_percent: float | None = Field(default=None, gt=0, le=100)
    """None = 10 percent, and more where that would be too few rows to say anything."""
    canary_seed: int = 1
    keep_canary: bool = False
    """Leave the canary's schema on the server when it is over, to be looked at."""
    load_jobs: int | None = Field(default=None, ge=1, le=64)
    """How many sessions load at once, at most one for each core; None = as many as pay for so many rows."""
    load_throttle: int | None = Field(default=None, gt=0)
    """Rows a second that a load sends at most; None = no limit."""
    cutover_deadline_seconds: float = Field(default=300.0, gt=0)
    lock_timeout_ms: int = Field(default=200, ge=10, le=10_000)
    max_metric_change: float | None = Field(default=None, ge=0)
    """Percent by which a dashboard metric may move from live to the new version; None = it is shown, not judged."""
    rates: Path | None = None
    """A file of dated rates, what work costs; None = nothing is shown in money."""
    query_timeout_seconds: float = Field(default=30.0, gt=0)
    query_budget_ms: float = Field(default=500.0, gt=0)
    query_jobs: int | None = Field(default=None, ge=1, le=16)
    """How many of the dashboards' queries are asked at once; None = one for each core, at most 4."""
    keep_versions: int = Field(default=3, ge=2)
    version_min_age_hours: float = Field(default=0.0, ge=0)
    """Younger versions are not dropped by `versions prune`."""
    backup_keep_days: int = Field(default=7, ge=0)
    backup_keep: int = Field(default=3, ge=1)
    """How many of the newest backups of each kind stay, whatever their age."""
    backup_max_age_hours: float = Field(default=24.0, gt=0)
    """The preflight warns when the newest backup is older."""
    run_keep_days: int = Field(default=30, ge=0)
    """Younger records are not removed by `runs prune`."""
    watch_seconds: float | None = Field(default=None, ge=0)
    """How long a verification keeps looking at live after its first look; None = 60 after mode complete switched a
    production target, else not at all."""
    auto_rollback: bool = False
    """Switch back by itself when the verification after a cutover fails."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_keep_days: int = Field(default=30, ge=1)
    log_max_bytes: int = Field(default=10_000_000, ge=10_000)
    metrics_file: Path | None = None
    """Where the metrics go when a stage ends; None = metrics/sdconsole.prom of the state folder."""
    pushgateway_url: str = ""
    """A Prometheus Pushgateway that gets the metrics when a run ends; without a password in it."""
    audit: bool = False
    """Write every changed cell, before and after, to audit.jsonl.gz in the run's folder."""
    audit_keep_days: int = Field(default=30, ge=0)
    """`runs prune` removes older audit trails, also those of runs whose record stays."""
    no_samples: bool = False
    """Keep single values of the data out of reports and logs."""
    min_free_bytes: int = Field(default=1_000_000_000, ge=0)
    space_local_bytes: int = Field(default=2_000_000_000, ge=0)
    space_database_bytes: int = Field(default=5_000_000_000, ge=0)
    max_memory_percent: float = Field(default=90.0, gt=0, le=100)
    min_memory_bytes: int = Field(default=4_000_000_000, ge=0)
    """The preflight warns when less is available."""
    max_clock_skew_seconds: float = Field(default=300.0, gt=0)
    alerts: AlertSettings = Field(default_factory=AlertSettings)
    hooks: HookSettings = Field(default_factory=HookSettings)

    @field_validator("time_zone")
    @classmethod
    def known_zone(cls, name: str | None) -> str | None:
        if name is not None and name not in available_timezones():
            near = difflib.get_close_matches(name, available_timezones(), n=1)
            raise ValueError(f"no time zone is called {name!r}" + (f", did you mean {near[0]!r}?" if near else ""))
        return name

    @field_validator("grades")
    @classmethod
    def falling(cls, grades: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if grades is not None and list(grades) != sorted((min(100.0, max(0.0, one)) for one in grades), reverse=True):
            raise ValueError("four scores from 100 to 0, the best first")
        return grades

    @field_validator("pushgateway_url")
    @classmethod
    def without_password(cls, url: str) -> str:
        """Settings are recorded and shown."""
        if url and (not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", url)):
            raise ValueError("an address like http://127.0.0.1:9091, without user and password")
        return url

    @field_validator("state_dir", "embedded_root", "contract", "metrics_file", "rates")
    @classmethod
    def absolute(cls, path: Path | None) -> Path | None:
        """A run may be resumed from another folder."""
        return path.expanduser().absolute() if path is not None else None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        files = (InitSettingsSource(settings_cls, file_settings(path)) for path in (PROJECT_FILE, user_file()))
        return init_settings, env_settings, *files

    def target_settings(self, name: str | None = None) -> TargetSettings:
        """The named target; `embedded` and an empty name with a dsn are built from the plain settings.

        Raises UsageError ("target-unknown").
        """
        wanted = name or self.target
        if wanted in self.targets:
            return self.targets[wanted]
        if wanted != EMBEDDED:
            near = difflib.get_close_matches(wanted, [EMBEDDED, *self.targets], n=1)
            raise UsageError(
                "target-unknown",
                f"no target is called {wanted!r}",
                cause=f"known targets: {', '.join([EMBEDDED, *self.targets])}",
                next_step=f"--target {near[0]}" if near else f"add [targets.{wanted}] to {PROJECT_FILE}",
            )
        return TargetSettings.model_construct(  # a password in a flag or variable is warned of, not refused
            dsn=self.dsn, live_schema=self.live_schema, reader_role=self.reader_role, production=self.production
        )


def load_settings(**overrides: Any) -> Settings:
    """The settings with the given flags on top; a flag that is None was not given.

    Raises UsageError ("settings-unreadable" or "settings-invalid").
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    _refuse_unknown_variables()
    try:
        return Settings(**given)
    except ValidationError as error:
        raise UsageError(
            "settings-invalid",
            "the settings cannot be used",
            cause="; ".join(sentence(detail) for detail in error.errors()),
            next_step=f"correct the flag, the SDCONSOLE_ variable, {PROJECT_FILE} or {user_file()}",
        ) from error


_OTHER_VARIABLES = frozenset({"SDCONSOLE_PG_BIN", "SDCONSOLE_TEST_DSN"})


def _refuse_unknown_variables() -> None:
    """A misspelt variable would otherwise be a setting that silently does nothing."""
    known = {f"SDCONSOLE_{name.upper()}" for name in Settings.model_fields} | _OTHER_VARIABLES
    for name in os.environ:
        if name.upper().startswith("SDCONSOLE_") and name.upper().split("__")[0] not in known:
            near = difflib.get_close_matches(name.upper(), sorted(known), n=1)
            raise UsageError(
                "settings-invalid",
                f"the environment variable {name} is no setting",
                cause=f"did you mean {near[0]}?" if near else "no setting has a name like it",
                next_step=f"unset {name}, or correct its name",
            )


def sentence(detail: Any) -> str:
    """One mistake that pydantic found, with the setting's name; for an unknown one with the nearest that there is."""
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] != "extra_forbidden":
        return f"{place}: {detail['msg']}"
    models: dict[str, type[BaseModel]] = {"targets": TargetSettings, "hooks": HookSettings, "alerts": AlertSettings}
    groups = {name: model.model_fields for name, model in models.items()}
    known = groups.get(place.split(".")[0], Settings.model_fields) if "." in place else Settings.model_fields
    near = difflib.get_close_matches(place.rsplit(".", 1)[-1], list(known), n=1)
    return f"{place}: unknown key" + (f", did you mean {near[0]!r}?" if near else "")
