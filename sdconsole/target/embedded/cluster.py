"""Where the embedded server's data lives and how it is made.

A cluster has two places. The root folder belongs to the caller and holds the record and the password file. The home
holds the data directory and belongs to the account that runs the server; it is inside the root folder where that
account can get there, and elsewhere where it cannot (root's own home, a private project folder), because the
permissions of the caller's folders are never changed. Knows nothing about running the server.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sdconsole.core.runs import write_private
from sdconsole.errors import OperationFailed
from sdconsole.target.binaries import Programs
from sdconsole.target.embedded.account import Account, account_of, can_enter, give, run_as
from sdconsole.target.embedded.logins import SUPERUSER, new_passwords, password_file
from sdconsole.target.embedded.postmaster import end_orphans
from sdconsole.target.embedded.settings import shared_memory_settings

_SCHEMA = 1
_RECORD_FILE = "cluster.json"
_LONGEST_SOCKET_PATH_BYTES = 103
"""sun_path holds 104 bytes with its closing NUL on macOS, 108 on Linux (unix(4), unix(7))."""
_LONGEST_SOCKET_NAME_BYTES = len("/.s.PGSQL.65535")


@dataclass(frozen=True, slots=True)
class Cluster:
    """What is remembered about a cluster. `port` is the last one used (0 = none yet); `prepared` says that the roles
    and the database exist."""

    home: Path
    socket_directory: Path
    port: int = 0
    version: str = ""
    prepared: bool = False

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "postgresql.log"

    @property
    def programs(self) -> Path:
        return self.home / "programs"

    @property
    def major(self) -> int | None:
        """The major version that made the data directory; None before there is one."""
        try:
            return int((self.data / "PG_VERSION").read_text().strip())
        except FileNotFoundError:
            return None


def read_cluster(root: Path) -> Cluster | None:
    """None when nothing was ever started here. Raises OperationFailed "embedded-record" for an unreadable record."""
    path = root / _RECORD_FILE
    try:
        found = json.loads(path.read_text())
        if found["schema"] != _SCHEMA:
            raise ValueError(f"schema {found['schema']}, this version reads {_SCHEMA}")
        return Cluster(
            Path(found["home"]),
            Path(found["socket_directory"]),
            int(found["port"]),
            str(found["version"]),
            found["prepared"] is True,
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OperationFailed(
            "embedded-record",
            f"the record of the embedded server cannot be read: {path}",
            cause=str(error),
            next_step="use the account that started it, or restore the file",
        ) from error


def write_cluster(root: Path, cluster: Cluster) -> None:
    record = {
        "schema": _SCHEMA,
        "home": str(cluster.home),
        "socket_directory": str(cluster.socket_directory),
        "port": cluster.port,
        "version": cluster.version,
        "prepared": cluster.prepared,
    }
    write_private(root / _RECORD_FILE, json.dumps(record, indent=2).encode() + b"\n")


def place_cluster(root: Path, account: Account, *, durable: bool) -> Cluster:
    """Decide where a new cluster lives and make its home.

    Raises OperationFailed "embedded-home" when the account can reach no place.
    """
    name = f"sdconsole-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"
    elsewhere = Path("/var/lib") if durable else Path(tempfile.gettempdir())
    refusals = []
    for parent, home in ((root, root / "server"), (elsewhere, elsewhere / name)):
        if not can_enter(account, parent):
            refusals.append(f"{parent}: {account.name} cannot enter it")
            continue
        try:
            _make_own_folder(home, 0o700 if account.is_caller else 0o711)
        except OSError as error:
            refusals.append(str(error))
            continue
        return Cluster(home, _socket_directory(home, name))
    raise OperationFailed(
        "embedded-home",
        f"there is no folder for the server's data that the account {account.name} can reach",
        cause="; ".join(refusals),
        next_step="name another folder for the embedded server, or run sdconsole as an ordinary user",
    )


def owner_of(cluster: Cluster) -> Account | None:
    """Who owns the data directory; None before there is one. Raises OperationFailed for somebody else's."""
    try:
        found = cluster.data.stat()
    except FileNotFoundError:
        return None
    owner = account_of(found.st_uid, found.st_gid)
    if os.geteuid() not in (0, owner.uid):
        raise OperationFailed(
            "embedded-owner",
            f"the embedded server's data belongs to the account {owner.name}",
            cause=str(cluster.data),
            next_step=f"run sdconsole as {owner.name}, or use another folder",
        )
    return owner


def initialise(root: Path, cluster: Cluster, programs: Programs, account: Account, *, durable: bool) -> None:
    """Run initdb under another name, sync once, rename: a half-made data directory is never taken for one.

    Fsync for each file, as initdb does it by itself, takes three times as long. Without `durable` nothing is synced:
    that waits for whatever else is being written to the same file system. Raises OperationFailed
    "embedded-initdb".
    """
    fresh, passwords = cluster.home / "data.new", cluster.home / "password.new"
    end_orphans(fresh)
    shutil.rmtree(fresh, ignore_errors=True)
    passwords.unlink(missing_ok=True)
    superuser_password = new_passwords(root)[SUPERUSER]
    _make_own_folder(fresh, 0o700)
    give(fresh, account)
    write_private(passwords, superuser_password.encode())
    give(passwords, account)
    try:
        _initdb(programs, fresh, passwords, account)
    except OperationFailed:
        shutil.rmtree(fresh)
        raise
    finally:
        passwords.unlink()
    if durable:
        _sync(fresh)
    fresh.rename(cluster.data)
    _sync_folder(cluster.home)


def _initdb(programs: Programs, fresh: Path, passwords: Path, account: Account) -> None:
    command: list[str | Path] = [
        programs.folder / "initdb",
        f"--pgdata={fresh}",
        f"--username={SUPERUSER}",
        f"--pwfile={passwords}",
        "--encoding=UTF8",
        "--auth=scram-sha-256",
        "--data-checksums",
        "--no-sync",
    ]
    if programs.major >= 16:
        command += [f"--set={name}={value}" for name, value in shared_memory_settings().items()]
    # The built-in provider orders text the same way on every machine and after every libc upgrade.
    builtin = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    said = ""
    for locale in (builtin,) if programs.major >= 17 else (("--locale=C.UTF-8",), ("--locale=C",)):
        try:
            answer = run_as(account, [*command, *locale], timeout_seconds=180)
        except (OSError, subprocess.SubprocessError) as error:
            said = str(error)
            break
        if answer.returncode == 0:
            return
        said = answer.stderr.strip() or answer.stdout.strip()
        if "invalid locale" not in said:
            break
    raise OperationFailed(
        "embedded-initdb",
        f"a new PostgreSQL {programs.version} cluster could not be made in {fresh.parent}",
        cause=said[-800:],
        next_step="free disk space and permissions are the usual reasons; nothing was left behind",
    )


def remove_cluster(root: Path, cluster: Cluster) -> None:
    """Delete the data and everything recorded about it. The server must be stopped."""
    shutil.rmtree(cluster.home)
    if not cluster.socket_directory.is_relative_to(cluster.home):
        shutil.rmtree(cluster.socket_directory, ignore_errors=True)
    password_file(root).unlink(missing_ok=True)
    (root / _RECORD_FILE).unlink()


def ensure_socket_directory(folder: Path, account: Account) -> None:
    """Make the folder for the sockets if it is missing: the temporary folder is emptied now and then. Raises
    OSError."""
    _make_own_folder(folder, 0o700, owners=(account.uid,))
    give(folder, account)


def _socket_directory(home: Path, name: str) -> Path:
    folder = home / "run"
    if len(os.fsencode(folder)) + _LONGEST_SOCKET_NAME_BYTES > _LONGEST_SOCKET_PATH_BYTES:
        return Path("/tmp", f"{name}.run")  # noqa: S108 (made private, and refused when it is somebody else's)
    return folder


def _make_own_folder(folder: Path, mode: int, *, owners: Collection[int] = ()) -> None:
    """Make the folder, or take the one that is there if it is ours, or one of these user ids', and nobody else can
    write to it. Raises OSError; a symbolic link or a stranger's folder of this name is refused."""
    try:
        folder.mkdir(mode=mode)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), *owners) or found.st_mode & 0o022:
            raise PermissionError(f"{folder} is there already and is not a private folder of ours") from None
        return
    folder.chmod(mode)


def _sync(folder: Path) -> None:
    """Bring all files below the folder to disk with one call for its file system."""
    if sys.platform == "linux":
        answer = subprocess.run(["sync", "-f", str(folder)], check=False, capture_output=True)
        if answer.returncode == 0:
            return
    os.sync()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
