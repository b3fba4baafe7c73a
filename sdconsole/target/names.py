"""What things are called in PostgreSQL: schemas of a deployment, and names of the export that do not fit.

Pure text: knows no connection. A schema name comes from a strict pattern, so a setting can never carry SQL. Names of
tables and columns are kept as the export spells them, unless PostgreSQL cannot hold them: a name has at most 63
bytes (PostgreSQL documentation, "Identifiers and Key Words"), is never empty and is not a system column's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

from sdconsole.errors import UsageError

MAX_NAME_BYTES = 63
CONTROL_SCHEMA = "sdconsole"
"""Where the ledger of deployments lives; no deployment may use it as its own."""

SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)
VERSION = re.compile(r"(?P<live>[a-z_][a-z0-9_]*)_v(?P<stamp>\d{8}_\d{6})(?:_(?P<number>\d{1,3}))?", re.ASCII)
"""A version schema's name: `<live>_vYYYYMMDD_HHMMSS`, with `_2`, `_3` ... for a second one in the same second."""

_CANARY_SUFFIX_BYTES = len("_canary_r_20261121_031500_7f3a")
MAX_LIVE_SCHEMA_BYTES = MAX_NAME_BYTES - _CANARY_SUFFIX_BYTES
"""The longest live schema whose canary and versions still have names of their own (33)."""

_SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})
_HASH_DIGITS = 8


def check_schema_name(name: str) -> str:
    """The name itself. Raises UsageError for anything but `[a-z_][a-z0-9_]{0,62}` and for reserved schemas."""
    if not SCHEMA_NAME.fullmatch(name):
        raise UsageError(
            "schema-name",
            f"{name[:80]!r} cannot be a schema name",
            cause="a schema name starts with a-z or _ and goes on with a-z, 0-9 and _, at most 63 characters",
            next_step="choose another name, e.g. servicedesk",
        )
    if name.startswith("pg_") or name in ("information_schema", CONTROL_SCHEMA):
        raise UsageError(
            "schema-name",
            f"the schema {name!r} is not free for data",
            cause="PostgreSQL or sdconsole itself keeps its own tables there",
            next_step="choose another name, e.g. servicedesk",
        )
    return name


def check_live_schema(name: str) -> str:
    """The name itself when it can be a live schema. Raises UsageError when it is not a schema name or too long."""
    check_schema_name(name)
    if len(name) > MAX_LIVE_SCHEMA_BYTES:
        raise UsageError(
            "schema-name",
            f"the live schema's name {name!r} is too long",
            cause=f"it has {len(name)} characters; with more than {MAX_LIVE_SCHEMA_BYTES} the names of its versions "
            f"and canaries would not fit into PostgreSQL's {MAX_NAME_BYTES} bytes",
            next_step="choose a shorter name, e.g. servicedesk",
        )
    return name


def new_version_name(live_schema: str, now: datetime, taken: Collection[str]) -> str:
    """The first free version name for this second of UTC time. `now` must be aware; `taken` are existing schemas.

    Raises UsageError when `live_schema` cannot be a live schema.
    """
    if now.tzinfo is None:
        raise ValueError("a version name needs an aware time")
    base = f"{check_live_schema(live_schema)}_v{now.astimezone(UTC):%Y%m%d_%H%M%S}"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name


def is_version_of(name: str, live_schema: str) -> bool:
    """Whether `name` is spelled like a version of exactly this live schema."""
    found = VERSION.fullmatch(name)
    return found is not None and found["live"] == live_schema


def canary_name(live_schema: str, run_id: str) -> str:
    """The canary schema of one run. Raises UsageError when `live_schema` cannot be a live schema."""
    return check_schema_name(f"{check_live_schema(live_schema)}_canary_{run_id.replace('-', '_')}")


def fitted(name: str) -> str:
    """The name itself when it has 1 to 63 bytes of UTF-8, else a shorter one that depends only on the name.

    The shorter one ends in `_` and 8 digits of the name's SHA-256, so names that agree in their first 63 bytes part.
    """
    encoded = name.encode()
    if 0 < len(encoded) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:_HASH_DIGITS]
    kept = encoded[: MAX_NAME_BYTES - _HASH_DIGITS - 1].decode(errors="ignore")
    return f"{kept or 'unnamed'}_{digest}"


def target_table_name(name: str) -> str:
    """What a table of the export is called in PostgreSQL."""
    return fitted(name)


def target_column_names(names: Iterable[str]) -> Mapping[str, str]:
    """What the columns of one table are called in PostgreSQL, in the given order.

    Names that fit stay as they are; the others are shortened, and lengthened by a number where two would meet.
    """
    wanted = list(names)
    mapping = {name: name for name in wanted if fitted(name) == name and name not in _SYSTEM_COLUMNS}
    used = set(mapping.values())
    for name in wanted:
        if name not in mapping:
            mapping[name] = _free(f"{name}_" if name in _SYSTEM_COLUMNS else fitted(name), used)
            used.add(mapping[name])
    return {name: mapping[name] for name in wanted}


def derived_name(parts: Iterable[str], suffix: str, used: Collection[str]) -> str:
    """A name for something that belongs to a table: `part_part_suffix` in at most 63 bytes, not one of `used`."""
    return _free(fitted("_".join(part for part in (*parts, suffix) if part)), used)


def _free(candidate: str, used: Collection[str]) -> str:
    name, number = candidate, 1
    while name in used:
        number += 1
        tail = f"_{number}"
        name = candidate.encode()[: MAX_NAME_BYTES - len(tail)].decode(errors="ignore") + tail
    return name
