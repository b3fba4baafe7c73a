"""Commands that look after a target: `versions prune` and `setup-role`."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Annotated

import typer

from sdconsole.config import load_settings
from sdconsole.errors import ConfirmationRefused
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.look_commands import versions_app
from sdconsole.interfaces.cli.output import table, write_json, write_message, write_result
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.service import upkeep
from sdconsole.target.ledger.rows import Deployment
from sdconsole.target.rights.setup_role import DEPLOYER


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    versions_app.command("prune")(versions_prune)
    app.command("setup-role")(setup_role)


def versions_prune(
    keep: Annotated[int | None, typer.Option("--keep", min=1, help="Usable versions that stay; default: 3.")] = None,
    min_age_hours: Annotated[
        float | None, typer.Option("--min-age-hours", min=0, help="Younger ones stay; default: 0.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; drop nothing.")] = False,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    yes: opt.Yes = False,
    confirm: opt.Confirm = None,
    no_input: opt.NoInput = False,
    json: opt.Json = False,
    state_dir: opt.StateDir = None,
) -> None:
    """Drop versions that are of no more use: never the live one, never the one that a rollback would go to."""
    settings = load_settings(target=target, dsn=dsn, live_schema=schema, state_dir=state_dir)
    kept, age = (
        keep or settings.keep_versions,
        timedelta(hours=settings.version_min_age_hours if min_age_hours is None else min_age_hours),
    )
    expected = settings.target_settings().live_schema
    _refuse_wrong_name(confirm, expected)
    found = upkeep.prunable_versions(settings, keep=kept, minimum_age=age)
    if dry_run or not found:
        if json:
            write_json({"schema": 1, "dry_run": dry_run, "dropped": [row.version for row in found], "skipped": {}})
        else:
            _show(found)
        return
    if confirm is None:
        _ask(found, expected, can_ask=not (yes or no_input) and sys.stdin.isatty() and sys.stderr.isatty())
    pruned = upkeep.prune_versions(settings, keep=kept, minimum_age=age)
    if json:
        write_json({"schema": 1, "dry_run": False, "dropped": list(pruned.dropped), "skipped": dict(pruned.skipped)})
        return
    for version in pruned.dropped:
        write_result(f"dropped  {version}")
    for version, reason in pruned.skipped.items():
        write_result(f"kept     {version}: {safe_text(reason)}")


def _refuse_wrong_name(confirm: str | None, expected: str) -> None:
    if confirm is not None and confirm != expected:
        raise ConfirmationRefused(
            "confirmation-wrong",
            f"--confirm {safe_text(confirm)!r} is not the name of the live schema",
            cause=f"versions of {expected!r} would be dropped",
            next_step=f"--confirm {expected}, if that is what you mean",
        )


def _ask(found: tuple[Deployment, ...], expected: str, *, can_ask: bool) -> None:
    """The schema's name, typed at the terminal. Raises ConfirmationRefused."""
    if not can_ask:
        raise ConfirmationRefused(
            "confirmation-missing",
            f"{len(found)} version(s) would be dropped, and nobody can be asked",
            cause="input is off (--no-input or no terminal) and the answer was not given beforehand",
            next_step=f"add --confirm {expected}, or look first with --dry-run",
        )
    for row in found:
        write_message(f"  {row.version}  {row.state}  {row.rows_total:,} rows")
    sys.stderr.write(f"type {expected} to drop {len(found)} version(s): ")
    sys.stderr.flush()
    typed = sys.stdin.readline().strip()
    if typed != expected:
        raise ConfirmationRefused(
            "confirmation-wrong" if typed else "confirmation-declined",
            "the versions were not dropped",
            cause=f"typed {typed!r}, expected {expected!r}" if typed else "nothing was typed",
            next_step="sdconsole versions prune --dry-run",
        )


def _show(found: tuple[Deployment, ...]) -> None:
    if not found:
        write_result("no version is of no more use")
        return
    table(
        ["would go", "state", "rows", "created", "run"],
        [
            [row.version, row.state, f"{row.rows_total:,}", f"{row.created_at:%Y-%m-%d %H:%M:%S}", row.run_id]
            for row in found
        ],
    )


def setup_role(
    deployer: Annotated[str, typer.Option("--deployer", help="The role that deploys.")] = DEPLOYER,
    reader: Annotated[
        str | None, typer.Option("--reader", help="The role that dashboards read with; default: the target's.")
    ] = None,
    database: Annotated[str | None, typer.Option("--database", help="Default: the target's.")] = None,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
) -> None:
    """Print the SQL that gives a deployer and a reader the least they need. Nothing is run."""
    settings = load_settings(target=target, dsn=dsn, live_schema=schema)
    write_result(upkeep.roles_script(settings, deployer=deployer, reader=reader, database=database).rstrip("\n"))
