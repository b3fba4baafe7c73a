"""One attempt at pointing the live views to another version: one transaction, everything or nothing.

The ledger comes first and the views last, so that the views are locked for a few milliseconds only. All waiting for
their locks together is limited by one budget, because a reader that arrives meanwhile waits as long as we do. Knows
nothing of retries, deadlines or people; `live.py` does.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from sdconsole.errors import CheckFailed
from sdconsole.target.connect import Connection, Target
from sdconsole.target.ledger.record import (
    Actor,
    Deployment,
    VersionState,
    deployment_of,
    live_deployment,
    move,
    record_event,
    seal_switch,
)
from sdconsole.target.live.live_views import ViewChange, refuse_dependents, statements, view_changes
from sdconsole.target.live.lost_reply import OpenTransaction
from sdconsole.target.live.published import server_major, view_sources, views_digest
from sdconsole.target.schema_shape import missing_parts, schema_exists, shapes

SwitchKind = Literal["cutover", "rollback", "restore", "repair"]

_STATEMENT_SECONDS: Final = 15
_IDLE_SECONDS: Final = 5
"""Should this machine vanish in the middle, the server itself ends the transaction after this time."""


@dataclass(frozen=True, slots=True)
class Switch:
    """What is to be done. `expected` is the version the ledger must hold to be live; None = none yet.

    `clean_digest` "" = not checked; else the digest of the proved file must be the one on record.
    """

    target: Target
    version: str
    expected: str | None
    actor: Actor
    kind: SwitchKind = "cutover"
    clean_digest: str = ""
    reason: str = ""
    lock_timeout_ms: int = 200
    started: float = field(default_factory=time.monotonic)
    token: str = field(default_factory=lambda: secrets.token_hex(16))


def lock_key(purpose: str, live_schema: str) -> int:
    """The advisory lock of one live schema: a signed 64-bit number, the same on every server version."""
    digest = hashlib.sha256(f"sdconsole {purpose} {live_schema}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def open_switch(connection: Connection, switch: Switch) -> OpenTransaction:
    """Begins the transaction with its time limits, and notes how to find it again. Raises psycopg.Error."""
    connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    connection.execute(
        "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true),"
        " set_config('idle_in_transaction_session_timeout', %s, true), set_config('search_path', '', true)",
        [f"{switch.lock_timeout_ms}ms", f"{_STATEMENT_SECONDS}s", f"{_IDLE_SECONDS}s"],
    )
    row = connection.execute(
        "SELECT pg_current_xact_id()::text, pid, backend_start::text FROM pg_catalog.pg_stat_activity"
        " WHERE pid = pg_backend_pid()"
    ).fetchone()
    assert row is not None
    xid, pid, started = row
    return OpenTransaction(switch.version, switch.token, xid, pid, started)


@dataclass(slots=True)
class LockOrder:
    """In which order an attempt locks the views: by name at first, and what the last attempts got stuck on before that.

    Readers lock views in the order of their own statements. Whoever holds the view that we wait for may be waiting for
    one that we hold already; asking for that view first lets such a reader finish. So the order becomes that of the
    readers, and a cutover gets through although somebody is always in the middle of a transaction.
    """

    first: list[str] = field(default_factory=list)
    granted_at: float | None = None
    """When the last attempt held its first view, by our monotonic clock; None = it held none."""

    def stuck(self, name: str) -> None:
        self.first = [name, *(one for one in self.first if one != name)]

    def sorted(self, changes: Sequence[ViewChange]) -> list[ViewChange]:
        place = {name: number for number, name in enumerate(self.first)}
        return sorted(changes, key=lambda change: (place.get(change.name, len(place)), change.name))


def prepare_switch(
    connection: Connection, switch: Switch, transaction: OpenTransaction, order: LockOrder, budget_ms: int
) -> None:
    """Does everything but COMMIT, inside the open transaction. All views together are waited for at most `budget_ms`.

    Raises CheckFailed (slugs live-changed, version-state, version-changed, digest-changed, live-occupied, dependents,
    view-owner, switch-unproved) and psycopg.Error; the caller rolls back.
    """
    live_schema = switch.target.live_schema
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key("cutover", live_schema)])
    before = live_deployment(connection, live_schema)
    row = _checked_row(connection, switch, before)
    _record(connection, switch, before, row, transaction)
    reader = ensure_live_schema(connection, switch.target)
    own = {shape.name for shape in before.tables} if before else set()
    changes = view_changes(connection, live_schema, row.tables, own)
    refuse_dependents(connection, live_schema, row.version, changes)
    made = statements(connection, live_schema, row.version, order.sorted(changes), reader_role=reader)
    run_within_budget(connection, made, budget_ms, order)
    prove(connection, live_schema, row, changes, reader)
    names = [shape.name for shape in row.tables]
    # A rollback keeps the row's own past, so that the next one goes further back and not forth again.
    replaces = before.version if before is not None and switch.kind in ("cutover", "restore") else None
    seal_switch(
        connection,
        row.id,
        replaces=replaces,
        views_digest=views_digest(connection, live_schema, names),
        views_major=server_major(connection),
        switched_back_seconds=time.monotonic() - switch.started if switch.kind == "rollback" else None,
    )


def _checked_row(connection: Connection, switch: Switch, before: Deployment | None) -> Deployment:
    now_live = before.version if before else None
    if now_live != switch.expected and switch.kind != "repair":
        raise CheckFailed(
            "live-changed",
            f"another run changed {switch.target.live_schema} meanwhile",
            cause=f"{now_live or 'nothing'} is live, {switch.expected or 'nothing'} was when this run looked",
            next_step="sdconsole status, then decide again",
        )
    row = deployment_of(connection, switch.version)
    allowed = {VersionState.READY, VersionState.PREVIOUS}
    if switch.kind == "repair":
        allowed = {VersionState.LIVE}
    if row.state not in allowed or row.live_schema != switch.target.live_schema or row.canary:
        what = f"a version of {row.live_schema}" if row.live_schema != switch.target.live_schema else row.state
        raise CheckFailed(
            "version-state",
            f"{row.version} cannot become live in {switch.target.live_schema}",
            cause=f"it is {'a canary' if row.canary else what}",
            next_step="sdconsole versions list",
        )
    if switch.clean_digest and row.clean_digest != switch.clean_digest:
        raise CheckFailed(
            "digest-changed",
            f"{row.version} was loaded from another file than the one that was proved",
            cause=f"clean file {row.clean_digest[:12]} was loaded, {switch.clean_digest[:12]} was proved",
            next_step="sdconsole deploy again",
        )
    gaps = missing_parts(row.tables, shapes(connection, row.version))
    if gaps or not row.tables:
        exists = schema_exists(connection, row.version)
        raise CheckFailed(
            "version-changed",
            f"{row.version} is not what was validated",
            cause=", ".join(gaps[:10]) if exists else "the schema does not exist any more",
            next_step="sdconsole versions list",
        )
    return row


def _record(
    connection: Connection,
    switch: Switch,
    before: Deployment | None,
    row: Deployment,
    transaction: OpenTransaction,
) -> None:
    if switch.kind != "repair":
        if before is not None:
            left = f"rolled back to {row.version}" if switch.kind == "rollback" else f"replaced by {row.version}"
            note = f"{left}: {switch.reason}" if switch.reason else left
            move(connection, before.version, VersionState.PREVIOUS, actor=switch.actor, reason=note, event=False)
        move(connection, row.version, VersionState.LIVE, actor=switch.actor, reason=switch.reason, event=False)
    record_event(
        connection,
        switch.kind,
        live_schema=row.live_schema,
        version=row.version,
        actor=switch.actor,
        detail={
            "from": before.version if before else None,
            "reason": switch.reason,
            "token": transaction.token,
            "xid": transaction.xid,
        },
    )


def ensure_live_schema(connection: Connection, target: Target) -> str:
    """Makes the live schema where it is missing and lets the reader in. The reader role's name, "" where it is not."""
    live = sql.Identifier(target.live_schema)
    if not schema_exists(connection, target.live_schema):
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(live))
    if not target.reader_role:
        return ""
    facts = connection.execute(
        """
        SELECT has_schema_privilege(r.oid, n.oid, 'USAGE'), EXISTS (
            SELECT FROM pg_catalog.pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) x
            WHERE d.defaclnamespace = n.oid AND d.defaclobjtype = 'r' AND x.grantee = r.oid
              AND x.privilege_type = 'SELECT' AND d.defaclrole = quote_ident(current_user)::regrole)
        FROM pg_catalog.pg_roles r, pg_catalog.pg_namespace n WHERE r.rolname = %s AND n.nspname = %s
        """,
        [target.reader_role, target.live_schema],
    ).fetchone()
    if facts is None:
        return ""
    may_use, has_default = facts
    reader = sql.Identifier(target.reader_role)
    if not may_use:
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(live, reader))
    if not has_default:
        default = sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT SELECT ON TABLES TO {}")
        connection.execute(default.format(live, reader))
    return target.reader_role


def run_within_budget(
    connection: Connection, made: Sequence[tuple[str, sql.Composed]], budget_ms: int, order: LockOrder
) -> None:
    """Runs the statements in one round trip; before each, what is left of the budget becomes its lock_timeout.

    Tells `order` which view a failed attempt got stuck on, and when the first one was held.
    """
    sent: list[tuple[str, psycopg.Cursor[TupleRow]]] = []
    order.granted_at = None
    held: psycopg.Cursor[TupleRow] | None = None
    try:
        with connection.pipeline():
            connection.execute("SELECT set_config('sdconsole.since', clock_timestamp()::text, true)")
            for name, statement in made:
                connection.execute(
                    "SELECT set_config('lock_timeout', greatest(1, round(%s - 1000 * extract(epoch FROM"
                    " clock_timestamp() - current_setting('sdconsole.since')::timestamptz)))::text || 'ms', true)",
                    [budget_ms],
                )
                sent.append((name, connection.execute(statement)))
                if len(sent) == 1:
                    connection.execute("SELECT set_config('sdconsole.granted', clock_timestamp()::text, true)")
            if sent:
                held = connection.execute(
                    "SELECT extract(epoch FROM clock_timestamp() - current_setting('sdconsole.granted')::timestamptz)"
                )
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
        stuck = next((name for name, cursor in sent if cursor.pgresult is None), "")
        if stuck:
            order.stuck(stuck)
        raise
    row = held.fetchone() if held is not None else None
    if row is not None:
        order.granted_at = time.monotonic() - float(row[0])


def prove(
    connection: Connection, live_schema: str, row: Deployment, changes: Sequence[ViewChange], reader: str
) -> None:
    """Looks at the result before it is committed: every view reads this version only, and its readers may."""
    sources, only = view_sources(connection, live_schema), frozenset({row.version})
    wrong = [f"{shape.name} does not read {row.version}" for shape in row.tables if sources.get(shape.name) != only]
    wrong += [
        f"{change.name} is still there" for change in changes if change.action == "drop" and change.name in sources
    ]
    rights = connection.execute(
        """
        SELECT v.relname::text, o.rolname::text, has_table_privilege(v.relowner, t.oid, 'SELECT'),
               coalesce(has_table_privilege(r.oid, v.oid, 'SELECT'), true)
        FROM pg_catalog.pg_class v
        JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace AND n.nspname = %(live)s
        JOIN pg_catalog.pg_class t ON t.relname = v.relname
        JOIN pg_catalog.pg_namespace m ON m.oid = t.relnamespace AND m.nspname = %(version)s
        JOIN pg_catalog.pg_roles o ON o.oid = v.relowner
        LEFT JOIN pg_catalog.pg_roles r ON r.rolname = %(reader)s
        WHERE v.relname = ANY(%(names)s)
        """,
        {
            "live": live_schema,
            "version": row.version,
            "reader": reader,
            "names": [shape.name for shape in row.tables],
        },
    ).fetchall()
    strangers = [f"{live_schema}.{view} belongs to {owner}" for view, owner, may_read, _ in rights if not may_read]
    if strangers:
        raise CheckFailed(
            "view-owner",
            f"readers would lose {live_schema}: its views belong to a role that may not read {row.version}",
            cause=", ".join(sorted(strangers)),
            next_step=f"deploy as that role, or ALTER VIEW ... OWNER TO {connection.info.user}",
        )
    wrong += [f"{reader} may not read {view}" for view, _, _, reader_may in rights if not reader_may]
    if wrong:
        raise CheckFailed(
            "switch-unproved",
            f"the views of {live_schema} are not as they must be",
            next_step="sdconsole status, then look at the live views: sdconsole db psql",
            cause="; ".join(wrong),
        )


def commit(connection: Connection) -> None:
    """Raises psycopg.Error when it failed or, with the connection lost, may have succeeded."""
    ended = connection.execute("COMMIT")
    if ended.statusmessage != "COMMIT":
        raise psycopg.errors.InFailedSqlTransaction(f"the server answered {ended.statusmessage} to COMMIT")
