"""Clean: write a new, canonical file and set aside what cannot be carried over."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from sdconsole.core.model import CheckStatus, StageName, StageResult, StageStatus
from sdconsole.core.stage import Stage
from sdconsole.errors import GateFailed
from sdconsole.quality.clean import clean_database
from sdconsole.quality.clean_report import CleanReport
from sdconsole.quality.profile_model import Profile
from sdconsole.quality.quarantine import export_csv
from sdconsole.source.open import open_source
from sdconsole.stages.date_orders import way_out
from sdconsole.stages.deployment import Context, Deployment, reporter
from sdconsole.stages.files import artifact, read_profile, snapshot_path, write_json


class CleanStage(Stage[Deployment]):
    name = StageName.CLEAN

    def recheck(self, ctx: Context, result: StageResult) -> str | None:
        if result.facts.get("dry_run") and not ctx.deployment.dry_run:
            return "it was a dry run and left no clean file"
        return _too_much(ctx, result.facts["share_percent"])

    def run(self, ctx: Context) -> StageResult:
        deployment = ctx.deployment
        output = deployment.clean_output or deployment.folder / "clean.db"
        quarantine = deployment.folder / "quarantine.csv"
        profile = read_profile(ctx)
        report = clean_database(
            snapshot_path(ctx),
            output,
            deployment.contract,
            profile,
            run_id=ctx.run_id,
            progress=reporter(ctx, "clean"),
            inspect=_exporter(quarantine) if deployment.dry_run else None,
            dry_run=deployment.dry_run,
        )
        files = [replace(write_json(ctx, "clean", report.to_dict()), name="clean-report")]
        if not deployment.dry_run:
            with closing(open_source(output)) as connection:
                export_csv(connection, quarantine)
            files.append(artifact("clean", output))
        set_aside, values, share = report.rows_quarantined, report.values_quarantined, report.quarantined_percent
        refusal = _too_much(ctx, share)
        if refusal is not None:
            raise GateFailed(
                "quarantine-limit",
                f"{set_aside:,} of {report.rows_in:,} rows cannot be carried over",
                cause=f"{refusal}; {_reasons(report)}",
                next_step=f"read {quarantine}, then {_choices(profile)}",
            )
        if share > ctx.deployment.settings.warn_quarantine_percent:
            ctx.check_result(
                "quarantine",
                CheckStatus.WARN,
                f"{set_aside:,} of {report.rows_in:,} rows are set aside",
                measured=f"{share:.2f} %",
                threshold=f"{ctx.deployment.settings.warn_quarantine_percent:g} %",
                remedy=f"read {quarantine}",
            )
        dry = "dry run, nothing written: " if deployment.dry_run else ""
        return StageResult(
            f"{dry}{report.changed:,} cells changed, {set_aside:,} rows and {values:,} values quarantined",
            StageStatus.WARNED if set_aside or values else StageStatus.PASSED,
            (*files, artifact("quarantine", quarantine)),
            {
                "tables": {
                    table.name: {
                        "in": table.rows_in,
                        "out": table.rows_out,
                        "quarantined": table.rows_quarantined,
                        "values_quarantined": table.values_quarantined,
                    }
                    for table in report.tables
                },
                "share_percent": share,
                "dry_run": deployment.dry_run,
            },
        )


def _exporter(path: Path) -> Callable[[sqlite3.Connection], None]:
    """A dry run's tables are gone when it ends, so its quarantine is written while they are there."""

    def export(connection: sqlite3.Connection) -> None:
        export_csv(connection, path)

    return export


def _choices(profile: Profile) -> str:
    return ", or ".join(filter(None, (way_out(profile), "ask for a corrected export", "set --max-quarantine")))


def _too_much(ctx: Context, share_percent: float) -> str | None:
    limit = ctx.deployment.settings.max_quarantine_percent
    return f"{share_percent:.2f} % is above the limit of {limit:g} %" if share_percent > limit else None


def _reasons(report: CleanReport) -> str:
    return ", ".join(f"{table.name} {table.rows_quarantined:,}" for table in report.tables if table.rows_quarantined)
