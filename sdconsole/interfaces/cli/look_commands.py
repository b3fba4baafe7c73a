"""Commands that only look: plan, runs, versions, version."""

from __future__ import annotations

import platform
import sqlite3
from dataclasses import asdict
from typing import Annotated

import psycopg
import typer

import sdconsole
from sdconsole import service
from sdconsole.config import load_settings
from sdconsole.core.events import to_dict
from sdconsole.core.model import Mode
from sdconsole.core.plan import PURPOSE
from sdconsole.core.summary import summary_document
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.completing import complete_runs
from sdconsole.interfaces.cli.output import table, write_json, write_result
from sdconsole.interfaces.cli.progress import duration_text
from sdconsole.service import DeployRequest

runs_app = typer.Typer(no_args_is_help=True, help="Look at earlier runs.")
versions_app = typer.Typer(no_args_is_help=True, help="List the versions on the target, drop those of no more use.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(plan)
    app.command()(version)
    app.add_typer(runs_app, name="runs")
    app.add_typer(versions_app, name="versions")


def plan(
    source: opt.Source,
    mode: opt.ModeOption = None,
    until: opt.Until = None,
    contract: opt.ContractPath = None,
    json: opt.Json = False,
    state_dir: opt.StateDir = None,
) -> None:
    """Say what deploy would do, stage by stage; writes nothing."""
    settings = load_settings(mode=mode, contract=contract, state_dir=state_dir)
    planned = service.plan_deploy(settings, DeployRequest(source=source, mode=Mode(settings.mode), until=until))
    if json:
        write_json(
            {
                "schema": 1,
                "mode": planned.plan.mode,
                "source": str(source),
                "digest": planned.source.digest,
                "size_bytes": planned.source.size_bytes,
                "rows": dict(planned.rows),
                "stages": [
                    {
                        "name": stage,
                        "purpose": PURPOSE[stage],
                        "holds": stage in planned.plan.hold_before,
                        "last_duration_s": planned.last_durations.get(stage),
                    }
                    for stage in planned.plan.stages
                ],
            }
        )
        return
    total = sum(planned.rows.values())
    write_result(f"{source}: {total:,} rows in {len(planned.rows)} tables, {planned.source.size_bytes / 1e6:,.1f} MB")
    write_result(f"mode {planned.plan.mode}")
    rows = []
    for number, stage in enumerate(planned.plan.stages, start=1):
        last = planned.last_durations.get(stage)
        hold = "holds for your confirmation, then: " if stage in planned.plan.hold_before else ""
        rows.append([str(number), stage, duration_text(last) if last else "-", f"{hold}{PURPOSE[stage]}"])
    table(["#", "stage", "last", "what it does"], rows)


@runs_app.command("list")
def runs_list(json: opt.Json = False, state_dir: opt.StateDir = None) -> None:
    """All runs, newest first."""
    found = service.list_runs(load_settings(state_dir=state_dir))
    if json:
        write_json({"schema": 1, "runs": [asdict(run) for run in found]})
        return
    table(
        ["run", "kind", "verdict", "score", "time", "version", "source"],
        [
            [
                run.run_id,
                run.kind,
                "running" if run.alive else run.verdict or "cut off",
                f"{run.score:.2f}" if run.score is not None else "-",
                duration_text(run.duration_seconds),
                run.version or "-",
                run.source or "-",
            ]
            for run in found
        ],
    )


@runs_app.command("show")
def runs_show(
    run: Annotated[str, typer.Argument(help="A run id.", autocompletion=complete_runs)],
    json: opt.Json = False,
    events: Annotated[bool, typer.Option("--events", help="Print the event stream instead.")] = False,
    state_dir: opt.StateDir = None,
) -> None:
    """One run, stage by stage."""
    settings = load_settings(state_dir=state_dir)
    if events:
        for record in service.read_records(settings, run):
            write_json(to_dict(record))
        return
    state = service.load_run(settings, run)
    if json:
        write_json(summary_document(state))
        return
    write_result(f"{state.run_id}  {state.verdict or 'not finished'}  {duration_text(state.elapsed_seconds)}")
    table(
        ["stage", "status", "time", "note"],
        [
            [
                stage.name,
                stage.status,
                duration_text(stage.duration_seconds) if stage.duration_seconds is not None else "-",
                stage.note,
            ]
            for stage in state.stages
        ],
    )


@versions_app.command("list")
def versions_list(
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    json: opt.Json = False,
    state_dir: opt.StateDir = None,
) -> None:
    """The versions the ledger knows, newest first."""
    settings = load_settings(target=target, dsn=dsn, live_schema=schema, state_dir=state_dir)
    found = service.list_versions(settings)
    if json:
        write_json({"schema": 1, "versions": [asdict(row) for row in found]})
        return
    table(
        ["version", "state", "rows", "quarantine", "score", "created", "run"],
        [
            [
                row.version,
                f"canary, {row.state}" if row.canary else row.state,
                f"{row.rows:,}",
                f"{row.quarantine_entries:,}",
                f"{row.score:.2f}" if row.score is not None else "-",
                f"{row.created_at:%Y-%m-%d %H:%M:%S}",
                row.run_id,
            ]
            for row in found
        ],
    )


def version(json: opt.Json = False) -> None:
    """The versions of sdconsole and of what it stands on."""
    facts = {
        "sdconsole": sdconsole.__version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "psycopg": psycopg.__version__,
        "libpq": str(psycopg.pq.version()),
    }
    if json:
        write_json({"schema": 1} | facts)
        return
    write_result(f"sdconsole {facts.pop('sdconsole')}")
    for name, number in facts.items():
        write_result(f"  {name} {number}")
