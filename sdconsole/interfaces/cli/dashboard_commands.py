"""`sdconsole dashboards`: the Grafana dashboards as files, and whether every panel answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdconsole.config import load_settings
from sdconsole.errors import CheckFailed
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.output import show_error, table, write_json, write_message, write_result
from sdconsole.service import grafana as service
from sdconsole.service.metrics import LIVE
from sdconsole.service.targets import contract_of

dashboards_app = typer.Typer(no_args_is_help=True, help="Grafana dashboards: list, write as files, prove.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(dashboards_app, name="dashboards")


@dashboards_app.command("list")
def dashboards_list(contract: opt.ContractPath = None, json: opt.Json = False) -> None:
    """The dashboards with their uids, their first range and their panels."""
    found = service.dashboards(contract_of(load_settings(contract=contract)))
    if json:
        documents = [
            {
                "uid": each.uid,
                "title": each.title,
                "refresh": each.refresh,
                "range": each.range,
                "panels": [panel.query or panel.title for panel in each.panels],
                "file": each.file_name,
            }
            for each in found
        ]
        write_json({"schema": 1, "dashboards": documents})
        return
    table(
        ["uid", "title", "panels", "refresh", "range"],
        [[each.uid, each.title, str(len(each.panels)), each.refresh, f"{each.range} to now"] for each in found],
    )


@dashboards_app.command("export")
def dashboards_export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the provisioning folder goes.")],
    mounted_at: Annotated[
        Path | None, typer.Option("--mounted-at", metavar="PATH", help="Where Grafana will find it; default: DIR.")
    ] = None,
    target: opt.TargetName = None,
    schema: opt.Schema = None,
    contract: opt.ContractPath = None,
    json: opt.Json = False,
) -> None:
    """Write a folder that Grafana's file provisioning loads: dashboards, their provider, the data sources."""
    settings = load_settings(target=target, live_schema=schema, contract=contract)
    written = service.export(settings, folder, mounted_at=mounted_at)
    if json:
        write_json({"schema": 1, "folder": str(folder), "files": [str(path.relative_to(folder)) for path in written]})
        return
    for path in written:
        write_result(str(path))


@dashboards_app.command("check")
def dashboards_check(
    on: Annotated[str, typer.Option("--on", metavar="WHERE", help="live, candidate, or a version's name.")] = LIVE,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0.001, metavar="SECONDS", help="For each query; default: 30.")
    ] = None,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    contract: opt.ContractPath = None,
    json: opt.Json = False,
    state_dir: opt.StateDir = None,
) -> None:
    """Run every panel's query as Grafana would; exit 4 when one fails."""
    settings = load_settings(target=target, dsn=dsn, live_schema=schema, contract=contract, state_dir=state_dir)
    found = service.check(settings, on=on, timeout_seconds=timeout)
    failure = None
    if found.failed:
        failure = CheckFailed(
            "dashboards-failed",
            f"{len(found.failed)} of {len(found.results)} dashboard queries failed",
            cause="\n".join(f"{one.query.dashboard}, {one.query.panel}: {one.error}" for one in found.failed[:20]),
            next_step="sdconsole status     or, when live changed just now: sdconsole rollback",
        )
    if json:
        document = {
            "schema": 1,
            "on": found.place.asked,
            "version": found.place.version,
            "read_as": found.place.reader,
            "slow": len(found.slow),
            "not_available": [f"{one.dashboard}, {one.panel}" for one in found.left_out],
            "queries": [one.to_dict() for one in found.results],
        }
        if failure is not None:
            raise typer.Exit(show_error(failure, as_json=True, result=document))
        write_json(document)
    else:
        table(
            ["dashboard", "panel", "rows", "time", "result"],
            [
                [
                    one.query.dashboard,
                    one.query.panel,
                    f"{len(one.rows):,}",
                    f"{one.seconds * 1000:.0f} ms",
                    one.error or "ok",
                ]
                for one in found.results
            ],
        )
    for one in found.left_out if not json else ():
        write_message(f"not available: {one.dashboard}, {one.panel}: no table {', '.join(sorted(one.needs))}")
    budget, place = f"{found.budget_seconds * 1000:.0f} ms", found.place
    write_message(
        f"{len(found.results)} queries, {len(found.failed)} failed, {len(found.slow)} over {budget};"
        f" {place.version or place.schema}, read {place.as_whom}"
    )
    if failure is not None:
        raise failure
