"""Preflight checks of the server: version, settings, rights, tools, clock, and what readers see now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sdconsole.errors import SdconsoleError
from sdconsole.stages.checks import Finding, failed, passed, warned
from sdconsole.target.backup.backups import find_client
from sdconsole.target.connect import Connection, ServerFacts, Target, behind_transaction_pooler
from sdconsole.target.live.adoption import survey
from sdconsole.target.live.published import drift
from sdconsole.target.rights.privileges import privileges

OLDEST_MAJOR = 13


def server(facts: ServerFacts) -> Iterator[Finding]:
    """Version, encoding and role of the server."""
    where = f"{facts.host}:{facts.port}/{facts.database} as {facts.user}"
    yield passed("postgres_connection", f"PostgreSQL {facts.version} at {where}")
    if facts.major < OLDEST_MAJOR:
        yield failed(
            "target_settings",
            f"PostgreSQL {facts.version} is too old",
            measured=str(facts.major),
            threshold=str(OLDEST_MAJOR),
            remedy=f"upgrade the server to {OLDEST_MAJOR} or later",
            slug="server-unsupported",
        )
    if facts.in_recovery:
        yield failed(
            "target_settings",
            "the server is a standby and takes no writes",
            remedy="connect to the primary",
            slug="server-standby",
        )
    if facts.encoding.upper() != "UTF8":
        yield failed(
            "target_settings",
            f"the database is encoded in {facts.encoding}",
            threshold="UTF8",
            remedy="create a database with ENCODING 'UTF8'",
            slug="server-encoding",
        )
    yield passed("target_settings", f"DateStyle {facts.date_style}, TimeZone {facts.timezone} (neither matters)")


def pooler(connection: Connection, target: Target, *, application: str) -> Finding:
    if behind_transaction_pooler(connection, target, application=application):
        return failed(
            "run_lock",
            "a pooler in transaction mode stands between sdconsole and the server",
            remedy="connect to the server itself, or to a pool in session mode: locks mean nothing here",
            slug="transaction-pooler",
        )
    return passed("run_lock", "this run holds the target's lock")


def rights(connection: Connection, target: Target) -> Iterator[Finding]:
    missing = privileges(connection, target)
    for right in missing:
        yield failed("target_privileges", right.reason, remedy=right.statement)
    if not missing:
        yield passed("target_privileges", "may create versions and publish them")


def reader_role(connection: Connection, target: Target) -> Finding:
    if not target.reader_role:
        return warned("reader_role", "no reader role is set: dashboards get no rights from sdconsole")
    row = connection.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", [target.reader_role]).fetchone()
    if row is None:
        return warned(
            "reader_role",
            f"the role {target.reader_role} does not exist: verification runs as the deployer",
            remedy=f'CREATE ROLE "{target.reader_role}" NOLOGIN',
        )
    return passed("reader_role", f"{target.reader_role} will be granted the live views")


def backup_tools(major: int, *, needed: bool) -> Iterator[Finding]:
    """pg_dump and pg_restore of at least the server's major version."""
    for program in ("pg_dump", "pg_restore"):
        try:
            path, version = find_client(program, major)
        except SdconsoleError as error:
            make = failed if needed else warned
            yield make("backup_tools", error.message, remedy=error.next_step)
        else:
            yield passed("backup_tools", f"{program} {version} ({path})")


def clock(connection: Connection, here: datetime, *, most_seconds: float) -> Finding:
    row = connection.execute("SELECT pg_catalog.clock_timestamp()").fetchone()
    assert row is not None
    skew = abs((row[0] - here).total_seconds())
    measured, threshold = f"{skew:.1f} s", f"{most_seconds:g} s"
    if skew > most_seconds:
        return warned(
            "clock",
            "this machine and the server disagree about the time",
            measured=measured,
            threshold=threshold,
            remedy="synchronise both clocks: version names and the range of plausible dates depend on them",
        )
    return passed("clock", "this machine and the server agree about the time", measured=measured, threshold=threshold)


def live_drift(connection: Connection, target: Target) -> Finding:
    found = drift(connection, target.live_schema)
    if found is not None:
        return warned("live_drift", found, remedy="sdconsole versions list; a cutover or rollback makes both agree")
    return passed("live_drift", "the live views are the ledger's live version")


def first_adoption(connection: Connection, target: Target) -> Finding:
    """Tables in the live schema that sdconsole did not make."""
    live_schema = target.live_schema
    found = survey(connection, live_schema)
    names = ", ".join(shape.name for shape in found.tables)
    if found.in_the_way:
        return failed(
            "first_adoption",
            f"{live_schema} holds tables of its own ({names}) and cannot be adopted: {'; '.join(found.in_the_way)}",
            remedy="move or drop what is named here, or deploy to another live schema (--schema NAME)",
            slug="adoption-refused",
        )
    if found.needed:
        views = f"; its views ({', '.join(shape.name for shape in found.views)}) stay" if found.views else ""
        return warned(
            "first_adoption",
            f"{live_schema} holds tables of its own: the cutover adopts them as a version ({names}){views}",
            remedy="read what the cutover's question says about them before you confirm it",
        )
    return passed("first_adoption", f"{live_schema} holds no table of its own")
