"""One postmaster: is it alive, start it, end it, clear what a dead one left.

A pid in a file proves nothing: the process may be dead, a zombie, or somebody else's by now. A process counts as the
postmaster of a data directory only when its own command line says so. Knows nothing about accounts' passwords,
databases or where a cluster lives.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import psutil

from sdconsole.target.embedded.account import Account, run_as

LOCK_FILE = "postmaster.pid"
_POLL_SECONDS = 0.02
_LONGEST_WAIT_FOR_ORPHANS_SECONDS = 5.0

_IN_BACKGROUND = '"$@" >&2 & echo $!'
"""Makes the postmaster nobody's child here, so that it outlives us and never becomes our zombie. The command arrives
as positional arguments: no path is ever parsed by the shell."""


class StopMode(Enum):
    """How PostgreSQL is asked to stop (PostgreSQL documentation, "Shutting Down the Server")."""

    SMART = signal.SIGTERM
    FAST = signal.SIGINT
    IMMEDIATE = signal.SIGQUIT


class LaunchFailed(Exception):
    """The server did not come up; the text is the end of its log."""


@dataclass(frozen=True, slots=True)
class LockFile:
    """What a running postmaster writes into postmaster.pid (PostgreSQL source, miscinit.c and pidfile.h)."""

    pid: int
    port: int
    socket_directory: str
    ready: bool


def read_lock_file(data: Path) -> LockFile | None:
    """None when there is none or it is cut off. Raises PermissionError where the folder is another account's."""
    try:
        lines = (data / LOCK_FILE).read_text(errors="replace").splitlines()
        return LockFile(int(lines[0]), int(lines[3]), lines[4], len(lines) > 7 and lines[7].strip() == "ready")
    except (FileNotFoundError, NotADirectoryError, ValueError, IndexError):
        return None


def find_postmaster(data: Path) -> psutil.Process | None:
    """The live postmaster of this data directory, whatever its lock file says."""
    lock_file = read_lock_file(data)
    named = _process(lock_file.pid) if lock_file else None
    if named is not None and _serves(named, data):
        return named
    if not data.exists():
        return None
    return next((process for process in psutil.process_iter() if _serves(process, data)), None)


def _serves(process: psutil.Process, data: Path) -> bool:
    try:
        command = process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # a zombie has no command line and counts as gone
        return False
    return len(command) > 2 and Path(command[0]).name == "postgres" and command[1:3] == ["-D", str(data)]


def find_backends(data: Path) -> list[psutil.Process]:
    """Server processes that work in this data directory, the postmaster included."""
    found = []
    for process in psutil.process_iter(["name", "status", "cwd"]):
        facts = process.info
        if facts["cwd"] == str(data) and facts["name"] == "postgres" and facts["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def end_orphans(data: Path) -> int:
    """End what a killed postmaster, or a killed starter's initdb, left running; return how many there were.

    Backends hold the shared memory, so no new postmaster may start beside them. Nothing is lost: they serve nobody,
    and the next start replays the log.
    """
    unfinished = [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "initdb" and f"--pgdata={data}" in (process.info["cmdline"] or ())
    ]
    for initdb in unfinished:
        _send(initdb, signal.SIGKILL)
    backends = find_backends(data)
    for backend in backends:
        _send(backend, signal.SIGQUIT)
    orphans = [*unfinished, *backends]
    stubborn = _wait_for_end(orphans, timeout_seconds=_LONGEST_WAIT_FOR_ORPHANS_SECONDS)
    for orphan in stubborn:
        _send(orphan, signal.SIGKILL)
    _wait_for_end(stubborn, timeout_seconds=_LONGEST_WAIT_FOR_ORPHANS_SECONDS)
    return len(orphans)


def clear_lock_files(data: Path, socket_directory: Path) -> None:
    """Remove the lock files of a dead postmaster: the one of the data directory and those beside the sockets.

    Only for a cluster that has no live process left, and a socket directory that no other server uses. PostgreSQL
    itself refuses to start while any live process, even a stranger, has the number that stands in one of them.
    """
    (data / LOCK_FILE).unlink(missing_ok=True)
    for left in socket_directory.glob(".s.PGSQL.*"):
        left.unlink(missing_ok=True)


def launch(
    postgres: Path,
    data: Path,
    settings: Mapping[str, str],
    *,
    account: Account,
    log: Path,
    timeout_seconds: float = 60.0,
) -> LockFile:
    """Start a postmaster in a session of its own and wait until it takes connections.

    Raises LaunchFailed when it ends, TimeoutError when it is not ready in time. Then it is left alone: it may be
    replaying a long log, and the next attempt can wait for it.
    """
    command: list[str | Path] = [postgres, "-D", data]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        log_start = os.fstat(descriptor).st_size
        pid = _in_background(command, account, descriptor)
    finally:
        os.close(descriptor)
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        lock_file = read_lock_file(data)
        if lock_file is not None and lock_file.pid == pid and lock_file.ready:
            return lock_file
        process = _process(pid)
        if process is None or _has_ended(process):
            raise LaunchFailed(_tail(log, log_start))
        time.sleep(_POLL_SECONDS)
    raise TimeoutError(f"not ready within {timeout_seconds:g} s\n{_tail(log, log_start)}")


def stop_postmaster(process: psutil.Process, data: Path, mode: StopMode, *, timeout_seconds: float) -> bool:
    """Ask the postmaster to stop; False when it still runs after the time. Raises psutil.AccessDenied where it
    belongs to another account."""
    backends = find_backends(data)
    if not _send(process, mode.value):
        return True
    return not _wait_for_end([process, *backends], timeout_seconds=timeout_seconds)


def _in_background(command: Sequence[str | Path], account: Account, log: int) -> int:
    shell = ["/bin/sh", "-c", _IN_BACKGROUND, "sh", *command]
    try:
        answer = run_as(account, shell, timeout_seconds=30, stderr=log, new_session=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise LaunchFailed(str(error)) from error
    return int(answer.stdout)


def _send(process: psutil.Process, number: signal.Signals) -> bool:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    return True


def _process(pid: int) -> psutil.Process | None:
    """None also for a number that no process can have, as a damaged file may hold."""
    try:
        return psutil.Process(pid)
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return None


def _has_ended(process: psutil.Process) -> bool:
    """A zombie has ended too: the first process of a container may take its time to collect it, or never do."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _wait_for_end(processes: Sequence[psutil.Process], *, timeout_seconds: float) -> list[psutil.Process]:
    """Those that still run after the time."""
    deadline = time.monotonic() + timeout_seconds
    while alive := [process for process in processes if not _has_ended(process)]:
        if time.monotonic() > deadline:
            return alive
        time.sleep(_POLL_SECONDS)
    return []


def _tail(log: Path, start: int, lines: int = 12) -> str:
    with log.open(errors="replace") as text:
        text.seek(start)
        return "\n".join(text.read().splitlines()[-lines:])
