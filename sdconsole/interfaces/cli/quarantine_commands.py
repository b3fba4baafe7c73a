"""`sdconsole quarantine`: what a run set aside, and why."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from sdconsole.config import load_settings
from sdconsole.errors import UsageError
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.completing import complete_runs
from sdconsole.interfaces.cli.output import table, write_json, write_message, write_result
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.quality.clean.quarantine import export_csv, findings, read_entries
from sdconsole.source.claim import claimed
from sdconsole.source.open import refuse_same_file
from sdconsole.stages.kept import kept_quarantine

quarantine_app = typer.Typer(no_args_is_help=True, help="Rows and values that were set aside, each with its reason.")

_CELL = 48
RunWithQuarantine = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]", help="A run id; default: the newest run that cleaned an export.", autocompletion=complete_runs
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(quarantine_app, name="quarantine")


@quarantine_app.command("show")
def show(
    run: RunWithQuarantine = None,
    only: Annotated[str | None, typer.Option("--table", metavar="T", help="Only this table.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="How many entries to list; the counts are whole.")] = 20,
    json: opt.Json = False,
    state_dir: opt.StateDir = None,
) -> None:
    """What is in a run's quarantine: counts by table, column and rule, then the entries."""
    settings = load_settings(state_dir=state_dir)
    with kept_quarantine(settings.state_dir, run) as kept:
        found = findings(kept.connection)
        name = _table_name(only, {finding.table for finding in found})
        counted = [finding for finding in found if name is None or finding.table == name]
        entries = list(read_entries(kept.connection, table=name, limit=limit))
    total = sum(finding.entries for finding in counted)
    if json:
        write_json(
            {
                "schema": 1,
                "run": kept.run_id,
                "clean_file": str(kept.path),
                "total": total,
                "findings": [asdict(finding) for finding in counted],
                "entries": entries,
            }
        )
        return
    write_result(f"run {kept.run_id}: {total:,} entries")
    if not counted:
        return
    table(
        ["entries", "table", "column", "rule", "severity"],
        [[f"{one.entries:,}", one.table, one.column or "(whole row)", one.rule, one.severity] for one in counted],
    )
    if entries:
        write_result("")
        table(["table", "row", "column", "value", "reason"], [_cells(entry) for entry in entries])
    if len(entries) < total:
        write_message(
            f"{len(entries):,} of {total:,} listed; all of them: sdconsole quarantine export {kept.run_id} FILE"
        )


def _cells(entry: dict[str, Any]) -> list[str]:
    whole = entry["column_name"] is None
    value = entry["record_json"] if whole else entry["original_value"]
    return [
        str(entry["table_name"]),
        str(entry["row_key"] or entry["row_id"]),
        "(whole row)" if whole else str(entry["column_name"]),
        safe_text("" if value is None else str(value), limit=_CELL),
        str(entry["reason"]),
    ]


def _table_name(wanted: str | None, known: set[str]) -> str | None:
    """As the quarantine spells it. A table without entries is no mistake: it has none."""
    if wanted is None or wanted in known:
        return wanted
    return next((name for name in known if name.lower() == wanted.lower()), wanted)


@quarantine_app.command("export")
def export(
    where: Annotated[
        list[str], typer.Argument(metavar="[RUN] PATH", help="A run id (default: as in show), and a new file.")
    ],
    state_dir: opt.StateDir = None,
) -> None:
    """Write a run's whole quarantine as CSV that no spreadsheet executes. Overwrites nothing."""
    if len(where) > 2:
        raise UsageError(
            "usage",
            f"{len(where)} arguments were given",
            cause="one run id and one path are taken",
            next_step="sdconsole quarantine export [RUN] PATH",
        )
    run, path = (where[0] if len(where) == 2 else None), Path(where[-1])
    settings = load_settings(state_dir=state_dir)
    with kept_quarantine(settings.state_dir, run) as kept:
        for taken in (kept.path, kept.source):
            if taken is not None:
                refuse_same_file(taken, path)
        with claimed(path):
            entries = export_csv(kept.connection, path)
    write_result(f"{path}: {entries:,} entries of run {kept.run_id}")
