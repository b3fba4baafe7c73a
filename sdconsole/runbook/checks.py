"""Runs a check's query: one statement, READ ONLY, with a time limit, its rows kept as evidence.

The live schema comes first in the search path, so `tickets` is what readers see; parameters are read with
`current_setting('runbook.NAME')`. The extended protocol refuses a second statement whatever the text says.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from sdconsole.runbook.model import Check
from sdconsole.target.connect import Connection

MAX_EVIDENCE_ROWS = 50


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a check found. `error` says why it could not be run at all; then it never passes."""

    rows: tuple[Mapping[str, Any], ...] = ()
    more: bool = False
    """There were more rows than are kept."""
    error: str = ""
    duration_seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.rows and not self.error


def run_check(
    connection: Connection, check: Check, *, live_schema: str, timeout_seconds: float, values: Mapping[str, str]
) -> Evidence:
    """The evidence. A query that fails is evidence too; raises psycopg.Error only when the connection is gone."""
    started = time.monotonic()
    query = check.sql.strip().rstrip(";")
    settings = {
        "statement_timeout": f"{max(1, round(timeout_seconds * 1000))}",
        "search_path": f"{live_schema}, pg_catalog",
        **{f"runbook.{name}": value for name, value in values.items()},
    }
    calls = ", ".join(["pg_catalog.set_config(%s, %s, true)"] * len(settings))
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("SET TRANSACTION READ ONLY")
            connection.execute(f"SELECT {calls}".encode(), [part for pair in settings.items() for part in pair])
            wrapped = f"SELECT pg_catalog.row_to_json(q) FROM (\n{query}\n) AS q LIMIT {MAX_EVIDENCE_ROWS + 1}"  # noqa: S608 - the runbook's own
            # binary results make psycopg use the extended protocol, which takes one statement and no more
            found = [row[0] for row in connection.execute(wrapped.encode(), binary=True).fetchall()]
    except psycopg.Error as error:
        if connection.closed:
            raise
        said = error.diag.message_primary or str(error).splitlines()[0]
        return Evidence(error=said, duration_seconds=round(time.monotonic() - started, 3))
    seconds = round(time.monotonic() - started, 3)
    return Evidence(tuple(found[:MAX_EVIDENCE_ROWS]), len(found) > MAX_EVIDENCE_ROWS, duration_seconds=seconds)
