"""Preflight: every check that can say no before any work is done. All findings are reported, then judged."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sdconsole.config import EMBEDDED
from sdconsole.core.model import CheckStatus, StageName, StageResult, StageStatus
from sdconsole.core.runs import private_folder
from sdconsole.core.stage import Stage
from sdconsole.errors import CheckFailed
from sdconsole.source.catalog import count_rows, read_catalog
from sdconsole.source.open import changed_since, open_source
from sdconsole.stages import machine_checks, source_checks, target_checks
from sdconsole.stages.checks import Finding, failed, passed, warned
from sdconsole.stages.deployment import Context, Deployment, now, session
from sdconsole.target.backup.backups import list_backups
from sdconsole.target.connect import Connection, server_facts
from sdconsole.target.ledger.record import ensure_ledger
from sdconsole.target.ledger.rows import live_deployment


class PreflightStage(Stage[Deployment]):
    name = StageName.PREFLIGHT
    repeats = True

    def run(self, ctx: Context) -> StageResult:
        ctx.watch = None  # these checks look at disk and memory themselves, and say more about them
        findings: list[Finding] = []
        for finding in _findings(ctx):
            ctx.check_result(
                finding.check,
                finding.status,
                finding.detail,
                measured=finding.measured,
                threshold=finding.threshold,
                remedy=finding.remedy,
            )
            findings.append(finding)
            ctx.progress("preflight", len(findings), None, "checks")
        _judge(findings)
        warnings = sum(finding.status is CheckStatus.WARN for finding in findings)
        return StageResult(
            f"{len(findings)} checks, {warnings} warnings",
            StageStatus.WARNED if warnings else StageStatus.PASSED,
            facts={"checks": len(findings), "warnings": warnings},
        )


def _judge(findings: list[Finding]) -> None:
    wrong = [finding for finding in findings if finding.status is CheckStatus.FAIL]
    if wrong:
        raise CheckFailed(
            wrong[0].slug,
            wrong[0].detail if len(wrong) == 1 else f"{len(wrong)} preflight checks failed",
            cause="\n".join(
                f"{finding.check}: {finding.detail}"
                + (f" ({finding.measured}, needed {finding.threshold})" if finding.threshold else "")
                for finding in wrong
            ),
            next_step="\n".join(dict.fromkeys(finding.remedy for finding in wrong if finding.remedy)),
        )


def _findings(ctx: Context) -> Iterator[Finding]:
    deployment = ctx.deployment
    settings = deployment.settings
    yield machine_checks.dependencies()
    yield machine_checks.memory(settings.min_memory_bytes)
    backups = private_folder(deployment.backups)
    yield from machine_checks.output_writable((settings.state_dir, deployment.folder, backups))
    source, intake = deployment.needed_source()
    embedded = deployment.needed_target().name == EMBEDDED
    wanted = machine_checks.needs(
        source_bytes=intake.size_bytes + intake.wal_bytes,
        state=settings.state_dir,
        database=settings.embedded_root if embedded else None,
        local=settings.space_local_bytes,
        server=settings.space_database_bytes,
    )
    yield from machine_checks.space_plan(wanted, free_bytes=lambda folder: shutil.disk_usage(folder).free)
    with session(ctx) as connection:
        yield from _source_findings(ctx, source, connection)
        yield from _target_findings(ctx, connection)
    yield _recent_backup(backups, settings.backup_max_age_hours)


def _source_findings(ctx: Context, source: Path, target: Connection) -> Iterator[Finding]:
    _, intake = ctx.deployment.needed_source()
    changed = changed_since(intake, source, check=ctx.checkpoint)
    if changed:
        yield failed("source_file", changed, remedy="start again when the export is complete", slug="source-changed")
        return
    wal = f", {intake.wal_bytes:,} bytes in its -wal" if intake.wal_bytes else ""
    yield passed("source_file", f"{source}: {intake.size_bytes:,} bytes{wal}, journal mode {intake.journal_mode}")
    yield passed("source_integrity", f"structure intact, digest {intake.digest[:16]}…")
    with closing(open_source(source, text="surrogateescape", check=ctx.checkpoint)) as connection:
        catalog = read_catalog(connection)
        yield from source_checks.source_schema(ctx.deployment.contract, catalog)
        rows = {table.name: count_rows(connection, table.name) for table in catalog.tables}
    for skipped in catalog.skipped:
        yield Finding("source_schema", CheckStatus.INFO, f"{skipped.kind} {skipped.name} is not read: {skipped.reason}")
    live = _live_rows(ctx, target)
    yield from source_checks.source_rows(
        ctx.deployment.contract, rows, live, change_percent=ctx.deployment.settings.row_change_percent
    )
    yield source_checks.same_database(rows, live, described=ctx.deployment.settings.contract is not None)


def _live_rows(ctx: Context, connection: Connection) -> dict[str, int]:
    ensure_ledger(connection)
    live = live_deployment(connection, ctx.deployment.needed_target().live_schema)
    return dict(live.rows) if live else {}


def _target_findings(ctx: Context, connection: Connection) -> Iterator[Finding]:
    target = ctx.deployment.needed_target()
    facts = server_facts(connection)
    yield from target_checks.server(facts)
    yield target_checks.pooler(connection, target, application=ctx.deployment.application)
    yield from target_checks.rights(connection, target)
    yield target_checks.reader_role(connection, target)
    yield target_checks.clock(connection, now(), most_seconds=ctx.deployment.settings.max_clock_skew_seconds)
    yield target_checks.live_drift(connection, target)
    adoption = target_checks.first_adoption(connection, target)
    yield adoption
    live = live_deployment(connection, target.live_schema)
    dumped = live is not None or adoption.status is not CheckStatus.PASS
    yield from target_checks.backup_tools(facts.major, needed=dumped)


def _recent_backup(folder: Path, most_hours: float) -> Finding:
    newest = max((backup.created for backup in list_backups(folder)), default=None)
    if newest is None:
        return warned("recent_backup", "there is no earlier backup", remedy="the backup stage makes one now")
    age = now() - newest
    hours = age.total_seconds() / 3600
    if hours > most_hours:
        return warned(
            "recent_backup", f"the newest backup is {hours:,.0f} h old", remedy="the backup stage makes one now"
        )
    return passed("recent_backup", f"the newest backup is {hours:.1f} h old")
