"""`sdconsole db`: the embedded PostgreSQL server."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated

import typer

from sdconsole import service
from sdconsole.config import load_settings
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.output import write_json, write_next, write_result
from sdconsole.interfaces.exit_codes import ExitCode
from sdconsole.target.embedded.logins import DATABASE
from sdconsole.target.embedded.server import ServerStatus

db_app = typer.Typer(no_args_is_help=True, help="The embedded PostgreSQL server: start, stop, status, psql, dsn.")
Database = Annotated[str, typer.Option("--database", help="A database on the server.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(db_app, name="db")


def _show(status: ServerStatus, as_json: bool) -> None:
    if as_json:
        write_json({"schema": 1} | asdict(status))
        return
    state = f"running, pid {status.pid}, port {status.port}" if status.running else "not running"
    if status.data_directory is None:
        write_result("embedded PostgreSQL: there is none yet")
        write_next("sdconsole db start")
        return
    write_result(f"embedded PostgreSQL {status.version}: {state}")
    write_result(f"  data {status.data_directory}")


@db_app.command()
def start(json: opt.Json = False) -> None:
    """Start the server, making it first when there is none. It keeps running until `db stop`."""
    _show(service.embedded_server(load_settings()).start(), json)


@db_app.command()
def stop(json: opt.Json = False) -> None:
    """Stop the server; its data stays."""
    _show(service.embedded_server(load_settings()).stop(), json)


@db_app.command()
def status(json: opt.Json = False) -> None:
    """Whether the server really runs: exit code 0 when it answers, 3 when it does not."""
    found = service.embedded_server(load_settings()).status()
    _show(found, json)
    raise typer.Exit(ExitCode.OK if found.ready else ExitCode.UNREACHABLE)


@db_app.command()
def dsn(database: Database = DATABASE, json: opt.Json = False) -> None:
    """Print a connection string that psql and psycopg accept as it is; it names a pass file, never a password."""
    server = service.embedded_server(load_settings())
    server.start()
    made = server.dsn(database)
    if json:
        write_json({"schema": 1, "dsn": made, "database": database})
        return
    write_result(made)


@db_app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context, database: Database = DATABASE) -> None:
    """Open psql on the server; what follows goes to psql, e.g. `sdconsole db psql -c 'SELECT 1'`."""
    server = service.embedded_server(load_settings())
    server.start()
    command = server.psql_command(*context.args, database=database)
    os.execv(command[0], command)  # noqa: S606 - psql takes over this terminal
