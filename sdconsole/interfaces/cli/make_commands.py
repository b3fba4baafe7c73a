"""`sdconsole generate`: a synthetic export, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdconsole import service
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.output import write_json, write_result
from sdconsole.service import defects_path


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(generate)


def generate(
    path: Annotated[Path, typer.Argument(help="The SQLite file to make; it must not exist.", show_default=False)],
    size: Annotated[
        str,
        typer.Option(
            "--size",
            help="baseline, x2, large, or how many tickets, comments and timesheets together; the four small tables "
            "come on top.",
        ),
    ] = "baseline",
    dirt: Annotated[str, typer.Option("--dirt", help="clean, baseline, heavy or hostile.")] = "baseline",
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same rows.")] = 1,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            help="The day, YYYY-MM-DD, from which its future dates are counted.",
            show_default="the day on which such an export is taken",
        ),
    ] = None,
    json: opt.Json = False,
) -> None:
    """Make a synthetic ServiceDesk export and a manifest of every defect that was put into it."""
    manifest = service.generate_export(path, size=size, dirt=dirt, seed=seed, as_of=as_of)
    if json:
        write_json(manifest.to_dict())
        return
    total = manifest.total_rows
    write_result(f"{path}: {total:,} rows in {len(manifest.rows)} tables, dirt {dirt}, seed {seed}")
    write_result(f"  every defect: {defects_path(path)}")
