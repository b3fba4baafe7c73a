"""The files that stages leave for each other in the run's folder, and how they are read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sdconsole.contract.model import Table
from sdconsole.core.model import Artifact, StageName
from sdconsole.core.runs import write_private
from sdconsole.quality.clean.quarantine import QUARANTINE_TABLE
from sdconsole.quality.profile.model import Profile, profile_from_dict
from sdconsole.source.open import file_sha256
from sdconsole.stages.deployment import Context

_TABLES = TypeAdapter(tuple[Table, ...])


def artifact(name: str, path: Path) -> Artifact:
    """A finished file with its size and digest."""
    return Artifact(name, str(path), path.stat().st_size, file_sha256(path))


_OF_THE_DATA = frozenset({"samples", "ambiguous_samples", "points"})


def write_json(ctx: Context, name: str, document: Mapping[str, Any]) -> Artifact:
    """`<name>.json` in the run's folder; without samples its lists of single values are empty."""
    if ctx.deployment.settings.no_samples:
        document = without_samples(document)
    path = ctx.deployment.folder / f"{name}.json"
    write_private(path, json.dumps(document, ensure_ascii=False, allow_nan=False).encode())
    return artifact(name, path)


def without_samples(part: Any) -> Any:
    """The same document with every list of values of the data empty."""
    if isinstance(part, Mapping):
        return {
            name: [] if name in _OF_THE_DATA and isinstance(value, list | tuple) else without_samples(value)
            for name, value in part.items()
        }
    return [without_samples(one) for one in part] if isinstance(part, list | tuple) else part


def write_tables(ctx: Context, tables: tuple[Table, ...]) -> Artifact:
    """The shape of the clean file and of the version schema."""
    path = ctx.deployment.folder / "tables.json"
    write_private(path, _TABLES.dump_json(tables, indent=1))
    return artifact("tables", path)


def read_tables(ctx: Context) -> tuple[Table, ...]:
    """The deployed tables: what the clean file holds besides its quarantine."""
    recorded = ctx.result(StageName.PROFILE).artifact("tables")
    return _TABLES.validate_json(Path(recorded.path).read_bytes())


def version_tables(ctx: Context) -> tuple[Table, ...]:
    """What a version schema holds: the deployed tables and what was set aside."""
    return (*read_tables(ctx), QUARANTINE_TABLE)


def read_profile(ctx: Context) -> Profile:
    recorded = ctx.result(StageName.PROFILE).artifact("profile")
    return profile_from_dict(json.loads(Path(recorded.path).read_bytes()))


def snapshot_artifact(ctx: Context) -> Artifact:
    """The consistent copy of the source that every later stage reads: the backup, or the profile's own copy."""
    for stage in (StageName.BACKUP, StageName.PROFILE):
        if stage in ctx.results:
            return ctx.result(stage).artifact("snapshot")
    raise KeyError("snapshot")


def snapshot_path(ctx: Context) -> Path:
    return Path(snapshot_artifact(ctx).path)


def clean_path(ctx: Context) -> Path:
    return Path(ctx.result(StageName.CLEAN).artifact("clean").path)
