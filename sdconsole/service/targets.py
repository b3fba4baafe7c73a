"""Which server is meant, who works on it, and what of the settings may be written down."""

from __future__ import annotations

import getpass
import json
import os
from dataclasses import replace
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from sdconsole.config import EMBEDDED, Settings
from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Contract
from sdconsole.target.connect import Target, safe_conninfo
from sdconsole.target.embedded.server import EmbeddedServer
from sdconsole.target.names import check_live_schema


def embedded_server(settings: Settings) -> EmbeddedServer:
    return EmbeddedServer(settings.embedded_root)


def resolve_target(settings: Settings) -> Target:
    """The target to work on; the embedded server is started when it is meant. Raises UsageError ("schema-name")."""
    chosen = settings.target_settings()
    check_live_schema(chosen.live_schema)
    conninfo, name = chosen.dsn, settings.target
    if not conninfo and settings.target == EMBEDDED:
        server = embedded_server(settings)
        server.start()
        conninfo = server.own_conninfo()
    elif settings.target == EMBEDDED:
        name = "dsn"
    return Target(
        name=name,
        conninfo=conninfo,
        live_schema=chosen.live_schema,
        reader_role=chosen.reader_role,
        production=chosen.production,
    )


def contract_of(settings: Settings) -> Contract:
    """The contract that the settings name, with what they give of their own in its place."""
    contract = load_contract(settings.contract)
    own: dict[str, Any] = {
        "timezone": settings.time_zone,
        "automation_accounts": settings.automation_accounts,
        "believed_percent": settings.believed_percent,
        "strange_dates_percent": settings.strange_dates_percent,
        "grades": settings.grades,
    }
    return replace(contract, **{name: value for name, value in own.items() if value is not None})


def holds_password(conninfo: str) -> bool:
    """Whether a connection string carries a password."""
    try:
        return bool(conninfo_to_dict(conninfo).get("password"))
    except psycopg.ProgrammingError:
        return "password" in conninfo.lower()


def recorded_settings(settings: Settings) -> dict[str, Any]:
    """The settings a later process needs, JSON-ready, without any password."""
    data: dict[str, Any] = json.loads(settings.model_dump_json())
    data["dsn"] = safe_conninfo(settings.dsn) if settings.dsn else ""
    for target in data["targets"].values():
        target["dsn"] = safe_conninfo(target["dsn"]) if target["dsn"] else ""
    del data["hooks"]  # their URLs are often secrets, and whoever carries on has hooks of their own
    return data


def current_operator() -> str:
    """Who works here, for ledger and journal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without an entry in the user database
        return f"uid {os.getuid()}"
