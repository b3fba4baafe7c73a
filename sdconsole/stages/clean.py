"""Clean: write a new, canonical file and set aside what cannot be carried over."""

from __future__ import annotations

import sqlite3
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Final

from sdconsole.core.model import Artifact, CheckStatus, StageName, StageResult, StageStatus
from sdconsole.core.stage import Stage
from sdconsole.errors import GateFailed, UsageError
from sdconsole.quality.clean.audit import audit_trail
from sdconsole.quality.clean.quarantine import copy_quarantine, export_csv
from sdconsole.quality.clean.report import CleanReport
from sdconsole.quality.clean.writing import clean_database
from sdconsole.quality.profile.model import Profile
from sdconsole.stages.date_orders import way_out
from sdconsole.stages.deployment import Context, Deployment, reporter
from sdconsole.stages.files import artifact, read_profile, snapshot_path, write_json
from sdconsole.stages.kept import refused_quarantine
from sdconsole.stages.scoring import check_unnamed

AUDIT_FILE: Final = "audit.jsonl.gz"


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
        checked: list[Artifact] = []
        refused_quarantine(deployment.folder).unlink(missing_ok=True)

        def inspect(connection: sqlite3.Connection, report: CleanReport) -> None:
            """What is found wrong here leaves no clean file, and what it was is there to read."""
            export_csv(connection, quarantine)
            _write_report(ctx, report)
            try:
                _check_share(ctx, report, quarantine)
                checked.append(check_unnamed(ctx, connection))
            except GateFailed:
                if not deployment.dry_run:
                    copy_quarantine(connection, refused_quarantine(deployment.folder))
                raise

        audit = deployment.folder / AUDIT_FILE
        audited = _wants_audit(ctx) and not deployment.dry_run
        with audit_trail(audit) if audited else nullcontext() as trail:
            report = clean_database(
                snapshot_path(ctx),
                output,
                deployment.contract,
                read_profile(ctx),
                run_id=ctx.run_id,
                progress=reporter(ctx, "clean"),
                inspect=inspect,
                dry_run=deployment.dry_run,
                audit=trail,
            )
        files = [_write_report(ctx, report), *checked]
        if not deployment.dry_run:
            files.append(artifact("clean", output))
        if audited:
            files.append(artifact("audit", audit))
        set_aside, values, share = report.rows_quarantined, report.values_quarantined, report.quarantined_percent
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


def _wants_audit(ctx: Context) -> bool:
    settings = ctx.deployment.settings
    if settings.audit and settings.no_samples:
        raise UsageError(
            "audit-no-samples",
            "an audit trail and no samples cannot both be had",
            cause="the trail holds every changed value, before and after",
            next_step="leave out --audit, or no_samples in the settings",
        )
    return settings.audit


def _write_report(ctx: Context, report: CleanReport) -> Artifact:
    return replace(write_json(ctx, "clean", report.to_dict()), name="clean-report")


def _check_share(ctx: Context, report: CleanReport, quarantine: Path) -> None:
    refusal = _too_much(ctx, report.quarantined_percent)
    if refusal is not None:
        raise GateFailed(
            "quarantine-limit",
            f"{report.rows_quarantined:,} of {report.rows_in:,} rows cannot be carried over",
            cause=f"{refusal}; {_reasons(report)}",
            next_step=f"read {quarantine}, then {_choices(read_profile(ctx))}",
        )


def _choices(profile: Profile) -> str:
    return ", or ".join(filter(None, (way_out(profile), "ask for a corrected export", "set --max-quarantine")))


def _too_much(ctx: Context, share_percent: float) -> str | None:
    limit = ctx.deployment.settings.max_quarantine_percent
    return f"{share_percent:.2f} % is above the limit of {limit:g} %" if share_percent > limit else None


def _reasons(report: CleanReport) -> str:
    return ", ".join(f"{table.name} {table.rows_quarantined:,}" for table in report.tables if table.rows_quarantined)
