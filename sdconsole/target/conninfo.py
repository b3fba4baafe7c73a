"""Reads a connection string and completes it: time limits, and TLS with a verified certificate off this machine.

What the operator says counts, wherever libpq finds it: the string itself, the service file, a PG* variable. Only what
nobody decided gets this product's default. Never shows a password; opens no connection.
"""

from __future__ import annotations

import configparser
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sdconsole.errors import UsageError

_SECRETS: Final = ("password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret")

_DEFAULTS: Final = {
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""A black-holed link is given up within 30 seconds."""


def safe_conninfo(conninfo: str) -> str:
    """The connection string without any password, for messages. Never raises."""
    try:
        settings = _parsed(conninfo)
    except UsageError:
        return "(unreadable connection string)"
    return make_conninfo("", **{key: value for key, value in settings.items() if key not in _SECRETS})


def _parsed(conninfo: str) -> dict[str, str]:
    try:
        settings = {key: str(value) for key, value in conninfo_to_dict(conninfo).items() if value is not None}
    except psycopg.Error:
        settings = {"host": "unreadable@"}
    # libpq quotes the unreadable part, and that can be half a password: its words are not passed on.
    if "@" in settings.get("host", "").lstrip("@"):
        raise UsageError(
            "conninfo",
            "the target's connection string cannot be read",
            cause="it is neither 'key=value ...' nor a postgresql:// URL; in a URL the characters @ : / ? # % of a "
            "password must be written as %40 %3A %2F %3F %23 %25",
            next_step="leave the password out and put it into PGPASSWORD or the password file",
        )
    return settings


def effective_settings(conninfo: str) -> dict[str, str]:
    """The string's settings, with this product's defaults for what neither it, a service nor a PG* variable decides.

    Raises UsageError "conninfo" when the string is not one.
    """
    settings = _parsed(conninfo)
    decided = {**_environment(), **_service(settings), **settings}
    for key, value in _DEFAULTS.items():
        if key not in decided:
            settings[key] = value
    if "sslmode" not in decided and not _is_local(decided):
        settings["sslmode"] = "verify-full"
    return settings


def _environment() -> dict[str, str]:
    names = {"PGHOST": "host", "PGHOSTADDR": "hostaddr", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
    names |= {"PGSSLMODE": "sslmode", "PGCONNECT_TIMEOUT": "connect_timeout", "PGSERVICE": "service"}
    return {key: os.environ[name] for name, key in names.items() if os.environ.get(name)}


def _service(settings: Mapping[str, str]) -> dict[str, str]:
    """The entries of the named service, as far as its file can be found without asking libpq; {} without one.

    The directory that was compiled into libpq is not searched: a service found only there is treated as one that says
    nothing about TLS, which errs on the strict side.
    """
    name = settings.get("service") or os.environ.get("PGSERVICE")
    if not name:
        return {}
    places = [Path(os.environ.get("PGSERVICEFILE") or Path.home() / ".pg_service.conf")]
    if "servicefile" in settings:
        places = [Path(settings["servicefile"])]
    if os.environ.get("PGSYSCONFDIR"):
        places.append(Path(os.environ["PGSYSCONFDIR"]) / "pg_service.conf")
    for place in places:
        parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
        try:
            with place.open(encoding="utf-8") as lines:
                parser.read_file(lines)
        except (OSError, ValueError, configparser.Error):
            continue  # libpq reads the file itself and reports what is wrong with it
        if parser.has_section(name):
            return dict(parser.items(name))
    return {}


def _is_local(decided: Mapping[str, str]) -> bool:
    """Whether every host is a socket or a loopback address. A name other than localhost counts as another machine."""
    hosts = (decided.get("hostaddr") or decided.get("host") or "").split(",")
    return all(_is_local_host(host.strip()) for host in hosts)


def _is_local_host(host: str) -> bool:
    if not host or host == "localhost" or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def place_of(settings: Mapping[str, str]) -> str:
    """Where a connection leads to, for messages: host, port and database."""
    decided = {**_environment(), **_service(settings), **settings}
    host = decided.get("host") or decided.get("hostaddr") or "the local socket"
    place = f"{host}, port {decided.get('port') or '5432'}"
    return place + (f", database {decided['dbname']}" if decided.get("dbname") else "")


def without_secrets(text: str, settings: Mapping[str, str]) -> str:
    """The text with every password that these settings can lead to replaced by ***."""
    secrets = {settings[key] for key in _SECRETS if settings.get(key)}
    secrets |= {value for key, value in _service(settings).items() if key in _SECRETS and value}
    if os.environ.get("PGPASSWORD"):
        secrets.add(os.environ["PGPASSWORD"])
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
