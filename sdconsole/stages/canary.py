"""Canary: a referential sample goes the whole way into a schema of its own, and every dashboard query runs on it.

It passes, fails, or is inconclusive: too small a sample, or a critical query that finds no row on it. Only a pass lets
the run go on. A lesser query without a row is asked again on the whole version by the validate stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sdconsole.analytics.catalog import Level, MetricStatus
from sdconsole.analytics.run import MetricResult
from sdconsole.contract.model import Table
from sdconsole.core.model import CheckStatus, StageName, StageResult
from sdconsole.core.stage import Stage
from sdconsole.errors import GateFailed
from sdconsole.source.catalog import count_rows
from sdconsole.source.open import open_source
from sdconsole.stages.deployment import Context, Deployment, reporter, session
from sdconsole.stages.files import clean_path, version_tables, write_json
from sdconsole.stages.loading import actor, discard, discard_apart, load_version
from sdconsole.stages.queries import run_queries
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.record import ensure_ledger, mark_ready, move
from sdconsole.target.ledger.rows import VersionState
from sdconsole.target.names import canary_name
from sdconsole.target.proof.canary import CanarySample, build_canary
from sdconsole.target.proof.validate import validate_version

DEFAULT_PERCENT = 10.0
MINIMUM_ROWS = 1_000
"""A sample with fewer rows of the table that others hang on says too little."""


class CanaryStage(Stage[Deployment]):
    name = StageName.CANARY

    def run(self, ctx: Context) -> StageResult:
        deployment, settings = ctx.deployment, ctx.deployment.settings
        target, tables = deployment.needed_target(), version_tables(ctx)
        clean = clean_path(ctx)
        path = deployment.folder / "canary.db"
        roots = _largest_root(clean, tables)
        rate = settings.canary_percent or _rate(roots)
        _check_size(ctx, rate, roots)
        sample = build_canary(
            clean,
            path,
            tables,
            rate_percent=rate,
            seed=settings.canary_seed,
            progress=reporter(ctx, "choose the sample"),
        )
        schema = canary_name(target.live_schema, ctx.run_id)
        with session(ctx) as connection:
            ensure_ledger(connection)
            discard(ctx, connection, schema, "left by an earlier attempt")
            with _ended(ctx, connection, schema):
                results = _prove(ctx, connection, schema, path, tables, sample)
        path.unlink()
        document = write_json(
            ctx, "canary", sample.to_dict() | {"schema": 1, "queries": [result.to_dict() for result in results]}
        )
        return StageResult(
            f"{sample.total_rows:,} rows ({rate:.3g} %), {len(results)} queries",
            artifacts=(document,),
            facts={"rate_percent": rate, "rows": dict(sample.rows), "queries": len(results)},
        )


@contextmanager
def _ended(ctx: Context, connection: Connection, schema: str) -> Iterator[None]:
    """Drops the canary in the end. One that is to be kept stays once it was judged; the ledger says how it went."""
    keep = ctx.deployment.settings.keep_canary
    judged = False
    try:
        try:
            yield
        except GateFailed as failure:
            if keep:
                reason = f"{failure.message}: {failure.cause}"[:500]
                move(connection, schema, VersionState.FAILED, actor=actor(ctx), reason=reason)
                judged = True
            raise
        if keep:
            mark_ready(connection, schema, actor=actor(ctx))
            judged = True
    finally:
        if judged:
            ctx.log(f"{schema} is kept; when you need it no more: sdconsole versions prune")
        else:
            discard_apart(ctx, schema, "the canary is over")


def _largest_root(clean: Path, tables: tuple[Table, ...]) -> int:
    """Rows of the largest table that others hang on and that hangs on no other; 0 when there is none."""
    parents = {reference.table for table in tables for reference in table.references if reference.table != table.name}
    children = {table.name for table in tables if any(ref.table != table.name for ref in table.references)}
    with closing(open_source(clean)) as connection:
        return max((count_rows(connection, name) for name in parents - children), default=0)


def _rate(roots: int) -> float:
    """10 percent, or what it takes to reach the minimum."""
    return min(100.0, max(DEFAULT_PERCENT, 100.0 * MINIMUM_ROWS / roots)) if roots else DEFAULT_PERCENT


def _larger(rate_percent: float) -> float:
    return 50.0 if rate_percent < 50 else 100.0


def _check_size(ctx: Context, rate: float, roots: int) -> None:
    expected = round(roots * rate / 100)
    if rate < 100 and roots and expected < MINIMUM_ROWS:
        raise GateFailed(
            "canary-inconclusive",
            f"a canary of {rate:g} % would hold about {expected:,} of {roots:,} rows: too few to say anything",
            cause=f"at least {MINIMUM_ROWS:,} rows, or all of them, are needed",
            next_step=f"sdconsole resume {ctx.run_id} --canary-rate {min(100.0, 100.0 * MINIMUM_ROWS / roots):.3g}",
        )


def _prove(
    ctx: Context, connection: Connection, schema: str, path: Path, tables: tuple[Table, ...], sample: CanarySample
) -> tuple[MetricResult, ...]:
    load_version(ctx, connection, schema, path, tables, clean_digest="", canary=True)
    findings = validate_version(connection, schema, tables, path, progress=reporter(ctx, "canary validation"))
    wrong = [finding.detail for finding in findings if finding.status is CheckStatus.FAIL]
    results = run_queries(ctx, connection, schema, sample.full_rows, reader_role=None)
    wrong += [f"{result.metric.id} {result.metric.title}: {result.error}" for result in results if result.error]
    if wrong:
        raise GateFailed(
            "canary-failed",
            f"the canary found {len(wrong)} problem(s)",
            cause="\n".join(wrong[:20]),
            next_step="correct what is named here, then: sdconsole resume",
        )
    silent = [
        f"{result.metric.id} {result.metric.title}"
        for result in results
        if result.status is MetricStatus.NO_DATA
        and result.metric.level is Level.CRITICAL
        and not result.metric.unavailable
    ]
    if silent and sample.rate_percent < 100:
        raise GateFailed(
            "canary-inconclusive",
            f"{len(silent)} critical dashboard queries find no row on the sample of {sample.total_rows:,} rows",
            cause=", ".join(silent),
            next_step=f"a larger sample: sdconsole resume {ctx.run_id} --canary-rate {_larger(sample.rate_percent):g}",
        )
    return results
