"""Verify: look at live as a reader does, after the switch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sdconsole.analytics.catalog import Kind
from sdconsole.core.model import CheckStatus, Mode, StageName, StageResult, StageStatus
from sdconsole.core.stage import Stage
from sdconsole.errors import CheckFailed
from sdconsole.stages.deployment import Context, Deployment, session
from sdconsole.stages.loading import actor
from sdconsole.stages.looking_after import count_rows, live_problems, look_at_dashboards, watch, watch_seconds
from sdconsole.stages.queries import run_queries
from sdconsole.stages.way_back import way_back
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.rows import Deployment as LedgerRow
from sdconsole.target.ledger.rows import VersionState, deployment_of
from sdconsole.target.live.adoption import MODE as ADOPTED
from sdconsole.target.live.versions import drop_version
from sdconsole.target.rights.reader import why_no_reader


class VerifyStage(Stage[Deployment]):
    name = StageName.VERIFY
    repeats = True

    def run(self, ctx: Context) -> StageResult:
        with way_back(ctx):
            return self._verified(ctx)

    def _verified(self, ctx: Context) -> StageResult:
        version = _expected_version(ctx)
        with session(ctx) as connection:
            row = deployment_of(connection, version)
            live_schema = ctx.deployment.needed_target().live_schema
            wrong = [*live_problems(connection, live_schema, version)]
            if not wrong:
                ctx.check_result("live_version", CheckStatus.PASS, f"views and ledger agree on {version}")
            reader = _reader(ctx, connection)
            wrong += _row_problems(ctx, connection, row, reader)
            adopted = row.mode == ADOPTED  # its tables are as they were found: the dashboards' queries may not fit them
            asked = {} if adopted else row.rows
            figures = (Kind.METRIC, Kind.TEMPLATE)  # the panels' own queries come with the dashboards
            results = run_queries(ctx, connection, live_schema, asked, reader_role=reader, kinds=figures)
            wrong += [f"{result.metric.id} {result.metric.title}: {result.error}" for result in results if result.error]
            columns = {f"{shape.name}.{name}" for shape in row.tables for name in shape.column_names}
            published = set() if adopted else {*row.rows, *(shape.name for shape in row.tables), *columns}
            look = look_at_dashboards(ctx, connection, published, reader)
            _judge(version, [*wrong, *look.wrong])
        if watch_seconds(ctx):
            _judge(version, watch(ctx, version, row.rows, reader, published).wrong)
        with session(ctx) as connection:
            _drop_replaced(ctx, connection)
        as_whom = f"as {reader}" if reader else "as the deployer: there is no reader role"
        return StageResult(
            f"{len(row.rows)} tables and {len(results) + look.queries} queries answer {as_whom}",
            StageStatus.PASSED if reader else StageStatus.WARNED,
            facts={"version": version, "queries": len(results) + look.queries},
        )


def _judge(version: str, wrong: Sequence[str]) -> None:
    """Raises CheckFailed ("verification") when there is something wrong."""
    if wrong:
        raise CheckFailed(
            "verification",
            f"readers do not get what {version} promised",
            cause="\n".join(wrong[:20]),
            next_step="sdconsole rollback     or look first: sdconsole db psql",
        )


def _expected_version(ctx: Context) -> str:
    """The version that readers must see: the one this run switched to."""
    switched = StageName.CUTOVER if StageName.CUTOVER in ctx.results else StageName.ROLLBACK
    return str(ctx.result(switched).facts["to"])


def _reader(ctx: Context, connection: Connection) -> str | None:
    """The reader's role, when it exists and this role may act as it."""
    role = ctx.deployment.needed_target().reader_role
    reason = why_no_reader(connection, role)
    if reason:
        ctx.check_result("reader", CheckStatus.WARN, reason)
        return None
    return role


def _row_problems(ctx: Context, connection: Connection, row: LedgerRow, reader: str | None) -> Iterator[str]:
    """Each live view has as many rows as were loaded, counted with the reader's rights."""
    live_schema = ctx.deployment.needed_target().live_schema
    for done, (name, expected) in enumerate(row.rows.items(), start=1):
        counted = count_rows(connection, live_schema, name, reader)
        if counted != expected:
            yield f"{live_schema}.{name} has {counted:,} rows, {expected:,} were loaded"
        else:
            ctx.check_result(f"rows {name}", CheckStatus.PASS, f"{expected:,} rows")
        ctx.progress("tables", done, len(row.rows), "queries")


def _drop_replaced(ctx: Context, connection: Connection) -> None:
    """Mode simple keeps no second version: the replaced one goes, if its dump was made."""
    if ctx.deployment.mode is not Mode.SIMPLE or StageName.CUTOVER not in ctx.results:
        return
    replaced = ctx.result(StageName.CUTOVER).facts["from"]
    if replaced is None or ctx.result(StageName.BACKUP).facts["dumped"] != replaced:
        return
    if deployment_of(connection, replaced).state is VersionState.PREVIOUS:
        reason = "mode simple keeps no second version"
        drop_version(connection, replaced, actor=actor(ctx), reason=reason, including_previous=True)
        ctx.log(f"{replaced} was dropped; its dump is in {ctx.deployment.backups}")
