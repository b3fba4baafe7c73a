"""`sdconsole runs prune`: records of runs that nothing needs any more."""

from __future__ import annotations

from typing import Annotated

import typer

from sdconsole.config import load_settings
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.look_commands import runs_app
from sdconsole.interfaces.cli.output import table, write_json, write_message
from sdconsole.service.run_records import prune_runs


def register(_app: typer.Typer) -> None:
    """Add the commands of this module."""
    runs_app.command("prune")(runs_prune)


def runs_prune(
    keep_days: Annotated[int | None, typer.Option("--keep-days", min=0, help="Younger ones stay; default: 30.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go and why the rest stays; remove nothing.")
    ] = False,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    json: opt.Json = False,
    state_dir: opt.StateDir = None,
) -> None:
    """Remove the records of old runs of this target; never of one that waits, or whose version still exists."""
    settings = load_settings(target=target, dsn=dsn, live_schema=schema, state_dir=state_dir)
    days = settings.run_keep_days if keep_days is None else keep_days
    judged = prune_runs(settings, keep_days=days, dry_run=dry_run)
    gone = [one for one in judged if not one.reason]
    if json:
        write_json(
            {
                "schema": 1,
                "dry_run": dry_run,
                "removed": [{"run": one.run.run_id, "size_bytes": one.size_bytes} for one in gone],
                "audits_removed": [one.run.run_id for one in judged if one.old_audit],
                "kept": [{"run": one.run.run_id, "reason": one.reason} for one in judged if one.reason],
            }
        )
        return
    table(
        ["run", "would go" if dry_run else "removed", "MB", "stays because"],
        [
            [one.run.run_id, "-" if one.reason else "yes", f"{one.size_bytes / 1e6:,.1f}", one.reason or "-"]
            for one in judged
        ],
    )
    size = sum(one.size_bytes for one in gone) / 1e6
    write_message(f"{len(gone)} of {len(judged)} {'would go' if dry_run else 'removed'}, {size:,.1f} MB")
    if old := sum(one.old_audit is not None for one in judged):
        write_message(f"{old} old audit trail(s) of runs that stay {'would go' if dry_run else 'removed'}")
