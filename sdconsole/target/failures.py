"""Turns what PostgreSQL and libpq say into this product's errors, by SQLSTATE where there is one, else by text.

A lost connection and "too many clients" carry no SQLSTATE (libpq does not pass it on). Only the primary message is
shown: DETAIL and CONTEXT quote whole rows; a value that the server could not read is left out of it. Never shows a
password, whatever libpq quotes from a connection string.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import psycopg

from sdconsole.errors import (
    DeadlineExceeded,
    Interrupted,
    OperationFailed,
    SdconsoleError,
    TargetUnreachable,
)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """One way in which a connection attempt ends."""

    slug: str
    pattern: re.Pattern[str]
    says: str
    next_step: str
    passes: bool = False
    """Whether waiting a moment can help."""


def _refusal(slug: str, pattern: str, says: str, next_step: str, *, passes: bool = False) -> _Refusal:
    return _Refusal(slug, re.compile(pattern, re.IGNORECASE), says, next_step, passes)


_REFUSALS: Final = (
    _refusal(
        "too-many-connections",
        r"too many clients|remaining connection slots|too many connections|no more connections allowed",
        "no connection is left",
        "end idle sessions or raise max_connections, then run the same command again",
        passes=True,
    ),
    _refusal(
        "server-starting",
        r"database system is (starting up|shutting down|in recovery mode|not yet accepting|not accepting)",
        "the server is starting, stopping or recovering",
        "wait until the server accepts connections, then run the same command again",
        passes=True,
    ),
    _refusal(
        "tls-required",
        r"no pg_hba\.conf entry for .*(no encryption|SSL off)|pg_hba\.conf rejects .*(no encryption|SSL off)",
        "no rule lets this user in without TLS",
        "connect with sslmode=verify-full, or let the server's administrator add a rule to pg_hba.conf",
    ),
    _refusal(
        "tls-unavailable",
        r"does not support SSL|server does not support TLS",
        "the server offers no TLS, and this connection must be encrypted",
        "switch TLS on at the server; only where the network itself is trusted, choose sslmode=disable yourself",
    ),
    _refusal(
        "tls-failed",
        r"certificate|SSL error|TLS|sslmode|SSL SYSCALL|SSL connection",
        "the server could not prove its identity over TLS",
        "name the authority that signed its certificate with sslrootcert=PATH or sslrootcert=system",
    ),
    _refusal(
        "authentication",
        r"password authentication failed|no password supplied|authentication failed|role .* does not exist"
        r"|not permitted to log in|no pg_hba\.conf entry|pg_hba\.conf rejects|SCRAM|Kerberos|GSSAPI",
        "the login was refused",
        "check the user, and the password in PGPASSWORD, the password file or the service file",
    ),
    _refusal(
        "database-missing",
        r"database .* does not exist",
        "there is no such database",
        "create it (createdb NAME), or name an existing one with dbname= or PGDATABASE",
    ),
    _refusal(
        "connect-privilege",
        r"permission denied for database",
        "this user may not connect to the database",
        "GRANT CONNECT ON DATABASE ... TO the user",
    ),
    _refusal(
        "target-service",
        r"definition of service|service file|syntax error in service",
        "the connection service cannot be read",
        "check the entry in the connection service file (PGSERVICEFILE, ~/.pg_service.conf)",
    ),
    _refusal(
        "host-unknown",
        r"could not translate host name|name or service not known|failed to resolve host|nodename nor servname"
        r"|temporary failure in name resolution|no address associated",
        "the host's name cannot be resolved",
        "check the host's name and the name service",
    ),
    _refusal(
        "connection-timeout",
        r"timeout expired|timed out",
        "no answer in time",
        "check the host, the port and the firewalls between here and there",
    ),
    _refusal(
        "connection-refused",
        r"connection refused|no such file or directory|no route to host|network is unreachable|host is down",
        "nothing accepts connections there",
        "start the server, or correct host and port",
    ),
)

_VALUE: Final = re.compile(r'(?<!encoding )".*"', re.DOTALL)
_QUOTED: Final = re.compile(r'"[^"]*"')
_OTHER_REFUSAL: Final = _refusal(
    "connection-failed",
    "",
    "no connection could be made",
    "check host, port, user and database, then run the command again",
)


def refusal_passes(error: TargetUnreachable) -> bool:
    """Whether trying again in a moment can help: no free connection, or a server that is just starting."""
    return any(refusal.passes and refusal.slug == error.slug for refusal in _REFUSALS)


def refused_connection(text: str, where: str) -> TargetUnreachable:
    """The error for a failed connection attempt. `text` is libpq's, already without secrets; `where` names the server.

    With several hosts or addresses libpq reports one line each; the most telling of them decides.
    """
    plain = _QUOTED.sub('""', text)  # a host or database may be called "tls" or "certificate"
    refusal = next((known for known in _REFUSALS if known.pattern.search(plain)), _OTHER_REFUSAL)
    return TargetUnreachable(
        refusal.slug, f"PostgreSQL at {where}: {refusal.says}", cause=_one_line(text), next_step=refusal.next_step
    )


def classify(error: psycopg.Error, *, cancelled: bool = False) -> SdconsoleError:
    """The product's error for a failure in the middle of the work. `cancelled`: the caller cancelled the statement.

    The caller adds `state`, and raises the result `from` the original.
    """
    cause = _cause(error)
    state = error.sqlstate
    if state == "57014":
        if cancelled:
            return Interrupted(cause=cause)
        return DeadlineExceeded(
            "statement-timeout", "a statement ran longer than allowed", cause=cause, next_step="raise the time limit"
        )
    if state is None:
        return _without_sqlstate(error, cause)
    if state == "53300":
        return refused_connection(f"too many connections: {cause}", "the target")
    if state[:2] == "08" or state in ("57P01", "57P02", "57P03", "57P05", "25P03", "25P04"):
        return _connection_lost(cause)
    if state[:2] == "28":
        return refused_connection(f"authentication failed: {cause}", "the target")
    known = _BY_SQLSTATE.get(state) or _BY_SQLSTATE.get(state[:2])
    slug, message, next_step = known or ("target-error", "PostgreSQL refused a statement", "")
    return OperationFailed(slug, message, cause=f"{cause} (SQLSTATE {state})", next_step=next_step)


_BY_SQLSTATE: Final = {
    "53100": (
        "target-disk-full",
        "the PostgreSQL server's disk is full",
        "free space or enlarge the server's volume, then run it again",
    ),
    "53200": ("target-memory", "the PostgreSQL server is out of memory", "lower the load, then run it again"),
    "53": ("target-resources", "the PostgreSQL server is out of a resource", "see its log, then run it again"),
    "55P03": (
        "lock-timeout",
        "another session holds a lock this step needs",
        "see who in pg_locks, wait or end that session, then run it again",
    ),
    "40": ("conflict", "another session's transaction got in the way", "run it again"),
    "42501": ("privilege", "the target's user lacks a privilege", "sdconsole preflight names the GRANT to run"),
    "42P06": ("schema-exists", "the schema is there already", "sdconsole versions list"),
    "42P07": ("table-exists", "the table is there already", "sdconsole versions list"),
    "25006": (
        "target-read-only",
        "the target accepts no changes",
        "connect to the primary, or set default_transaction_read_only to off",
    ),
    "22": ("value", "PostgreSQL cannot store one of the values", "sdconsole profile shows what the columns hold"),
    "54": ("target-limit", "PostgreSQL has no room for something this large", "see the cause for which limit it is"),
    "23": ("constraint", "a row breaks a constraint of its table", "sdconsole profile shows duplicates and gaps"),
}


def _without_sqlstate(error: psycopg.Error, cause: str) -> SdconsoleError:
    if isinstance(error, psycopg.DataError):
        slug, message, next_step = _BY_SQLSTATE["22"]
        return OperationFailed(slug, message, cause=_VALUE.sub('"..."', cause), next_step=next_step)
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return _connection_lost(cause)
    return OperationFailed(
        "target-error",
        "PostgreSQL or its driver refused a statement",
        next_step="see the server's log, then: sdconsole resume",
        cause=cause,
    )


def _connection_lost(cause: str) -> TargetUnreachable:
    return TargetUnreachable(
        "connection-lost",
        "the connection to PostgreSQL was lost",
        cause=cause,
        next_step="check the server and the network; what was loaded so far is taken back, so it is safe to try again",
    )


def _cause(error: psycopg.Error) -> str:
    primary = error.diag.message_primary
    if primary is None:
        return _one_line(str(error))
    if (error.sqlstate or "")[:2] == "22":
        primary = _VALUE.sub('"..."', primary)  # it quotes a cell; what follows the first quote may be any part of it
    place = [
        f"{label} {name}"
        for label, name in (
            ("table", error.diag.table_name),
            ("column", error.diag.column_name),
            ("constraint", error.diag.constraint_name),
        )
        if name and name not in primary
    ]
    return _one_line(primary) + (f" ({', '.join(place)})" if place else "")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
