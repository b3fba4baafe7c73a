"""The role that dashboards read as: whether it exists, and whether this session may act as it."""

from __future__ import annotations

from sdconsole.target.connect import Connection


def why_no_reader(connection: Connection, role: str) -> str:
    """Why this session cannot read as `role`; "" when it can. Raises psycopg.Error."""
    if not role:
        return "no reader role is set"
    row = connection.execute(
        "SELECT pg_catalog.pg_has_role(current_user, oid, 'MEMBER') FROM pg_catalog.pg_roles WHERE rolname = %s", [role]
    ).fetchone()
    if row is None:
        return f"the reader role {role!r} does not exist"
    return "" if row[0] else f"the reader role {role!r} cannot be taken on by the deployer"
