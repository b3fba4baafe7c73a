"""The operating system account that PostgreSQL runs as, and running a program as it.

PostgreSQL refuses to run as root. A root caller therefore hands the server to an unprivileged account; anybody else
runs it as themselves. Knows nothing about clusters.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdconsole.errors import OperationFailed

PREFERRED = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    uid: int
    gid: int

    @property
    def is_caller(self) -> bool:
        return self.uid == os.geteuid()


def server_account() -> Account:
    """The caller, or for root the first of postgres, nobody and all others that programs can be started as.

    Raises OperationFailed "embedded-account" where root finds none.
    """
    uid = os.geteuid()
    if uid != 0:
        return account_of(uid, os.getegid())
    refusal = "there is no other account"
    for account in _unprivileged_accounts():
        try:
            run_as(account, ["true"], timeout_seconds=10)
        except OSError as error:
            refusal = f"{account.name}: {error}"
            continue
        return account
    raise OperationFailed(
        "embedded-account",
        "PostgreSQL does not run as root and no unprivileged account can be used for it",
        cause=refusal,
        next_step="run sdconsole as an ordinary user, or add an account: useradd --system postgres",
    )


def account_of(uid: int, gid: int) -> Account:
    """The account with this id; containers may run as an id without a name."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(str(uid), uid, gid)
    return Account(entry.pw_name, uid, gid)


def _unprivileged_accounts() -> Iterator[Account]:
    entries = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid > 0}
    names = [name for name in PREFERRED if name in entries]
    names += [name for name in entries if name not in PREFERRED]
    for name in names:
        yield Account(name, entries[name].pw_uid, entries[name].pw_gid)


def child_environment() -> dict[str, str]:
    """What a server program gets to see: no PG*, no loader variables, no secret of the caller, no locale of a user."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def run_as(
    account: Account,
    command: Sequence[str | Path],
    *,
    timeout_seconds: float,
    stderr: int = subprocess.PIPE,
    new_session: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a program as `account` in / with a scrubbed environment.

    Raises OSError where the account may not execute it, subprocess.TimeoutExpired when it takes too long.
    """
    other = not account.is_caller
    return subprocess.run(
        [str(part) for part in command],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        errors="replace",
        cwd="/",
        env=child_environment(),
        timeout=timeout_seconds,
        umask=0o077,
        start_new_session=new_session,
        user=account.uid if other else None,
        group=account.gid if other else None,
        extra_groups=() if other else None,
    )


def can_enter(account: Account, folder: Path) -> bool:
    """Whether the account can pass through the folder and all its parents: the kernel is asked as that account."""
    return run_as(account, ["test", "-x", folder], timeout_seconds=10).returncode == 0


def give(path: Path, account: Account) -> None:
    """Make the account the owner of a file or folder that the caller has just made."""
    if not account.is_caller:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
