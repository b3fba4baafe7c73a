"""The settings to look at: where each comes from, what is wrong with a file and on which line, and one to start from.

Changes nothing. The order of the layers is `config.py`'s own.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from sdconsole.alert_settings import AlertSettings
from sdconsole.config import PROJECT_FILE, HookSettings, Settings, file_settings, sentence, user_file
from sdconsole.contract.toml_lines import line_numbers, nearest_line
from sdconsole.errors import UsageError
from sdconsole.observe.hooks import shown
from sdconsole.service.targets import recorded_settings
from sdconsole.small_file import parse_toml, read_small, reason

_PREFIX = "SDCONSOLE_"
_TARGET = """\
# [targets.warehouse]
# dsn = "host=db.example.org dbname=warehouse user=deployer sslmode=verify-full"
# live_schema = "servicedesk"
# reader_role = "dashboards"
# production = true
"""
_TOML_LINE = re.compile(r"at line (\d+)")


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting. `origin` is a variable's name, a file, or default."""

    key: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Mistake:
    line: int
    message: str


def shown_settings(settings: Settings) -> tuple[Shown, ...]:
    """Every setting with its value and where it comes from; no password."""
    layers = [*_variables(), *_files()]
    hooks = {
        name: [shown(hook) for hook in value] if isinstance(value, tuple) else value for name, value in settings.hooks
    }
    return tuple(
        Shown(key, value, next((name for name, keys in layers if _holds(keys, key)), "default"))
        for key, value in _flat(recorded_settings(settings) | {"hooks": hooks})
    )


def _holds(keys: set[str], key: str) -> bool:
    """A layer holds a key, or a whole value that the key lies in."""
    parts = key.split(".")
    return any(".".join(parts[:end]) in keys for end in range(1, len(parts) + 1))


def _variables() -> Iterator[tuple[str, set[str]]]:
    for name in sorted(os.environ):
        if name.upper().startswith(_PREFIX):
            yield name, {name[len(_PREFIX) :].lower().replace("__", ".")}


def _files() -> Iterator[tuple[str, set[str]]]:
    for path in (PROJECT_FILE, user_file()):
        found = file_settings(path)
        if found:
            yield str(path), {key for key, _ in _flat(found)}


def _flat(data: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


class _FileAlone(Settings):
    """Settings from one file and nothing else."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def file_mistakes(path: Path) -> tuple[Mistake, ...]:
    """What is wrong with a settings file, by line. Raises UsageError ("settings-unreadable")."""
    try:
        text = read_small(path).decode("utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(
            "settings-unreadable",
            f"{path} cannot be read",
            cause=reason(error),
            next_step="sdconsole config path",
        ) from error
    try:
        data = parse_toml(text)
    except ValueError as error:
        found = _TOML_LINE.search(str(error))
        return (Mistake(int(found[1]) if found else len(text.splitlines()), str(error)),)
    try:
        _FileAlone(**data)
    except ValidationError as error:
        lines = line_numbers(text)
        return tuple(Mistake(nearest_line(lines, tuple(one["loc"])), sentence(one)) for one in error.errors())
    return ()


def settings_schema() -> dict[str, Any]:
    """The JSON schema of a settings file, for editors."""
    return Settings.model_json_schema()


def starting_file() -> str:
    """A settings file that says everything and changes nothing: every setting with its default, as a comment."""
    lines = ["# A flag wins over an SDCONSOLE_* variable, and that over this file. All settings are optional.", ""]
    defaults = Settings.model_construct().model_dump(mode="json")
    for name, field in Settings.model_fields.items():
        if name in ("targets", "hooks", "alerts"):
            continue
        lines += [f"# {line}" for line in (field.description or "").splitlines()]
        value = defaults[name]
        private = name in ("state_dir", "embedded_root")  # where these are depends on the user and the folder
        given = f"{name} = {_toml('...' if private else value)}"
        lines += [f"# {given}" if value is not None else f"# {name} is not set", ""]
    alerts = [f"# {name} = {_toml(field.default)}" for name, field in AlertSettings.model_fields.items()]
    return "\n".join([*lines, _TARGET, "# [alerts]", *alerts, "", "# [hooks]", *_hook_lines(HookSettings)]) + "\n"


def _hook_lines(model: type[BaseModel]) -> Iterator[str]:
    example = '[["notify-send", "sdconsole"], "https://chat.example.org/hook"]'
    for name, field in model.model_fields.items():
        yield f"# {name} = {example if name.startswith('on_') else _toml(field.default)}"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{}"
    return json.dumps(value)
