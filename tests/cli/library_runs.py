"""Runs made through the library in the folder of a command, so that commands find them as another process's."""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg import sql

import sdconsole
from sdconsole.core.bus import View
from sdconsole.core.events import Record, StageStarted
from sdconsole.core.model import Mode, StageName
from sdconsole.core.projection import RunState
from sdconsole.service import PreparedRun
from tests.conftest import Database

LIVE = "servicedesk"


def settings_of(folder: Path, dsn: str, **more: object) -> sdconsole.Settings:
    return sdconsole.load_settings(
        **{
            "state_dir": folder / ".sdconsole",
            "dsn": dsn,
            "space_local_bytes": 0,
            "space_database_bytes": 0,
            "min_free_bytes": 0,
        }
        | more
    )


def deployed(
    folder: Path,
    source: Path,
    dsn: str,
    *,
    mode: Mode = Mode.COMPLETE,
    confirm: str | None = LIVE,
    stop_at: StageName | None = None,
    **more: object,
) -> RunState:
    """A run to its end. Without `confirm` it is held; `stop_at` interrupts it when that stage starts."""
    request = sdconsole.DeployRequest(source=source, mode=mode)
    with sdconsole.prepare_deploy(settings_of(folder, dsn, **more), request) as run:
        views = () if stop_at is None else (stopping(run, stop_at),)
        return run.execute(sdconsole.FlagGate("ann", confirm=confirm), views)


def stopping(run: PreparedRun, stage: StageName) -> View:
    def view(record: Record) -> None:
        if isinstance(record.event, StageStarted) and record.event.stage is stage:
            run.cancellation.cancel("stopped by the test")

    return view


def version_of(state: RunState) -> str:
    return str(state.results[StageName.LOAD].facts["version"])


def schemas(pg: Database) -> set[str]:
    """The version schemas that exist."""
    with psycopg.connect(pg.dsn) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'servicedesk\\_%'")
        return {name for (name,) in found}


def states(pg: Database) -> dict[str, str]:
    """The ledger's state of each version."""
    with psycopg.connect(pg.dsn) as connection:
        return dict(connection.execute("SELECT version, state FROM sdconsole.deployment ORDER BY id").fetchall())


def contents(dsn: str, schema: str) -> dict[str, str]:
    """A digest of all rows of each table of the schema, whatever their order."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'", [schema]
        ).fetchall()
        found = {}
        for (table,) in tables:
            query = sql.SQL("SELECT md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {} t")
            row = connection.execute(query.format(sql.Identifier(schema, table))).fetchone()
            assert row is not None
            found[table] = str(row[0])
        return found
