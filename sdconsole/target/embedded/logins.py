"""Who may log in to the embedded server, and the password file that lets them.

Three roles: the superuser of initdb, the deployer that owns the database, the dashboards' reader. Passwords are made
here, stand in one private file in libpq's format, and reach the server as SCRAM verifiers only.
"""

from __future__ import annotations

import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from psycopg import sql

from sdconsole.core.runs import write_private
from sdconsole.errors import OperationFailed
from sdconsole.target.connect import Connection

SUPERUSER = "postgres"
DEPLOYER = "sdconsole"
READER = "servicedesk_reader"
DATABASE = "servicedesk"
HOST = "127.0.0.1"

_PASSWORD_FILE = "pgpass"  # noqa: S105 (a file's name)
_DEPLOYER_MEMBERSHIPS = (READER, "pg_read_all_stats", "pg_signal_backend")
"""SET ROLE to the reader; see which query blocks a cutover; end a session that the operator chose."""


def new_passwords(root: Path) -> Mapping[str, str]:
    """Make a password for each role that logs in and write the password file. Raises OSError."""
    passwords = {role: secrets.token_urlsafe(24) for role in (SUPERUSER, DEPLOYER)}
    lines = [f"{HOST}:*:*:{role}:{password}\n" for role, password in passwords.items()]
    write_private(password_file(root), "".join(lines).encode())
    return passwords


def password_file(root: Path) -> Path:
    return root / _PASSWORD_FILE


def read_passwords(root: Path, home: Path) -> Mapping[str, str]:
    """Password by role. Raises OperationFailed "embedded-password-file" when the file is lost or cut off.

    A file that others may read is made private again: libpq ignores it otherwise.
    """
    path = password_file(root)
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(0o600)
        fields = [line.split(":") for line in path.read_text().splitlines()]
        found = {field[3]: field[4] for field in fields}
        return {role: found[role] for role in (SUPERUSER, DEPLOYER)}
    except (OSError, IndexError, KeyError) as error:
        raise OperationFailed(
            "embedded-password-file",
            f"the embedded server's password file is missing or damaged: {path}",
            cause=str(error),
            next_step=f"restore the file; the passwords stand nowhere else. To begin empty, delete {home}",
        ) from error


def prepare_database(connection: Connection, deployer_password: str) -> None:
    """Create the roles and the database as far as they are missing. The connection is a superuser's in autocommit.

    The deployer owns the database, so it can create schemas and trusted extensions there, and nothing else. The
    password reaches the server as a SCRAM verifier only, so no log can hold it.
    """
    present = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
    verifier = connection.pgconn.encrypt_password(deployer_password.encode(), DEPLOYER.encode(), b"scram-sha-256")
    if READER not in present:
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(READER)))
    if DEPLOYER not in present:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(DEPLOYER)))
    connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(DEPLOYER), sql.Literal(verifier.decode()))
    )
    for role in _DEPLOYER_MEMBERSHIPS:
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(DEPLOYER)))
    if connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(DEPLOYER))
        )
