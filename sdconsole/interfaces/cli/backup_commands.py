"""`sdconsole backups` and `sdconsole restore`: what was saved, whether it is still good, and how it comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sdconsole import service
from sdconsole.config import load_settings
from sdconsole.core.model import Mode
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.execute import execute, require_confirmation
from sdconsole.interfaces.cli.options import RunOptions
from sdconsole.interfaces.cli.output import table, write_json, write_message, write_result
from sdconsole.interfaces.cli.progress import ProgressMode
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.service import upkeep
from sdconsole.target.backup.backups import Backup
from sdconsole.target.backup.retention import Judged

backups_app = typer.Typer(no_args_is_help=True, help="List, verify and thin out the backups of exports and versions.")

BackupFile = Annotated[
    Path, typer.Argument(metavar="BACKUP", help="A backup file, or its name in the state folder.", show_default=False)
]
KeepDays = Annotated[int | None, typer.Option("--keep-days", min=0, help="Younger ones stay; default: 7.")]
Keep = Annotated[
    int | None, typer.Option("--keep", min=1, help="How many of the newest of each kind stay; default: 3.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would go and why the rest stays; remove nothing.")]
Rehearse = Annotated[
    bool,
    typer.Option("--rehearse", help="Also restore a dump on the target, count it and take it back, in a transaction."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(backups_app, name="backups")
    app.command()(restore)


@backups_app.command("list")
def backups_list(json: opt.Json = False, state_dir: opt.StateDir = None) -> None:
    """All backups in the state folder, newest first."""
    found = upkeep.backups(load_settings(state_dir=state_dir))[::-1]
    if json:
        write_json({"schema": 1, "backups": [_document(backup) for backup in found]})
        return
    table(
        ["created", "kind", "of", "rows", "MB", "file"],
        [
            [
                f"{backup.created:%Y-%m-%d %H:%M:%S}",
                backup.kind,
                backup.manifest.subject,
                f"{sum(backup.rows.values()):,}",
                f"{backup.size_bytes / 1e6:,.1f}",
                backup.path.name,
            ]
            for backup in found
        ],
    )


@backups_app.command("verify")
def backups_verify(
    backup: BackupFile,
    rehearse: Rehearse = False,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    json: opt.Json = False,
    state_dir: opt.StateDir = None,
) -> None:
    """Prove a backup against its own manifest, to the last bit."""
    settings = load_settings(target=target, dsn=dsn, live_schema=schema, state_dir=state_dir)
    verified = upkeep.verify(settings, upkeep.backup_path(settings, backup), rehearse=rehearse)
    if json:
        write_json({"schema": 1, "proofs": list(verified.proofs)} | _document(verified.backup))
        return
    write_result(f"{safe_text(verified.backup.path.name)} is intact")
    for proof in verified.proofs:
        write_result(f"  {proof}")


@backups_app.command("prune")
def backups_prune(
    keep_days: KeepDays = None,
    keep: Keep = None,
    dry_run: DryRun = False,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    json: opt.Json = False,
    state_dir: opt.StateDir = None,
) -> None:
    """Remove backups of this target that nothing needs any more; never the newest intact one of each kind."""
    settings = load_settings(target=target, dsn=dsn, live_schema=schema, state_dir=state_dir)
    judged = upkeep.prune_backups(
        settings,
        keep_days=settings.backup_keep_days if keep_days is None else keep_days,
        keep=settings.backup_keep if keep is None else keep,
        dry_run=dry_run,
    )
    gone = [one for one in judged if one.may_go]
    if json:
        write_json(
            {
                "schema": 1,
                "dry_run": dry_run,
                "removed": [_document(one.backup) for one in gone],
                "kept": [_document(one.backup) | {"reason": one.reason} for one in judged if not one.may_go],
            }
        )
        return
    table(["backup", "would go" if dry_run else "removed", "stays because"], [_row(one) for one in judged])
    size = sum(one.backup.size_bytes for one in gone) / 1e6
    write_message(f"{len(gone)} of {len(judged)} {'would go' if dry_run else 'removed'}, {size:,.1f} MB")


def _row(judged: Judged) -> list[str]:
    return [judged.backup.path.name, "yes" if judged.may_go else "-", judged.reason or "-"]


def _document(backup: Backup) -> dict[str, Any]:
    manifest = backup.manifest
    return {
        "path": str(backup.path),
        "kind": backup.kind,
        "subject": manifest.subject,
        "created": manifest.created,
        "run_id": manifest.run_id,
        "size_bytes": backup.size_bytes,
        "sha256": manifest.sha256,
        "rows": dict(backup.rows),
    }


def restore(
    backup: BackupFile,
    mode: opt.ModeOption = None,
    until: opt.UntilRestored = None,
    auto_rollback: opt.AutoRollback = None,
    deadline: opt.Deadline = None,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    yes: opt.Yes = False,
    confirm: opt.Confirm = None,
    no_input: opt.NoInput = False,
    progress: opt.ProgressOption = ProgressMode.AUTO,
    json: opt.Json = False,
    output: opt.OutputFormat = None,
    state_dir: opt.StateDir = None,
) -> None:
    """Bring a backup back: a dump as a new version of its own, the copy of an export by deploying it."""
    settings = load_settings(
        mode=mode,
        target=target,
        dsn=dsn,
        live_schema=schema,
        auto_rollback=auto_rollback,
        cutover_deadline_seconds=deadline,
        state_dir=state_dir,
    )
    options = RunOptions(
        yes=yes, confirm=confirm, no_input=no_input, progress=progress, output=opt.output_of(json, output)
    )
    path = upkeep.backup_path(settings, backup)
    with service.prepare_restore(settings, path, mode=Mode(settings.mode), until=until) as prepared:
        expected = prepared.deployment.expected_name
        require_confirmation(options, changes_live=prepared.changes_live, expected=expected)
        raise typer.Exit(execute(prepared, options))
