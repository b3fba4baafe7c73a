"""Cutover: the confirmed switch of what readers see, and what must still be true at that moment."""

from __future__ import annotations

from sdconsole.core.events import LiveChanged, Waiting
from sdconsole.core.model import StageName, StageResult
from sdconsole.core.stage import Stage
from sdconsole.errors import CheckFailed, OperationFailed
from sdconsole.source.open import changed_since
from sdconsole.stages.adoption import adopted_first, planned_adoption
from sdconsole.stages.blocked import Waiter
from sdconsole.stages.deployment import Context, Deployment, session
from sdconsole.stages.files import clean_path, version_tables
from sdconsole.stages.loading import actor
from sdconsole.stages.metric_changes import check_changes, known_changes, question_lines
from sdconsole.target.connect import Connection
from sdconsole.target.ledger.record import record_event
from sdconsole.target.ledger.rows import LedgerEvent, events, live_deployment
from sdconsole.target.live.cutover import SwitchKind
from sdconsole.target.live.published import drift, live_version
from sdconsole.target.live.switch import Cutover, cut_over

_EVENTS_LOOKED_AT = 10_000


class CutoverStage(Stage[Deployment]):
    name = StageName.CUTOVER

    def question(self, ctx: Context) -> Waiting | None:
        target = ctx.deployment.needed_target()
        with session(ctx) as connection:
            live = live_version(connection, target.live_schema)
            made = _made(ctx)
            if made is not None and done_before(ctx, connection, str(made.facts["version"])) is not None:
                return None  # it was confirmed and done; an earlier attempt died before it could say so
            version = str(made.facts["version"]) if made is not None else ""
            adoption = planned_adoption(connection, target.live_schema, version)
            figures = _figures(ctx, connection, version) if made is not None else []
        details = [f"{target.live_schema} on {target.name}" + (" (PRODUCTION)" if target.production else "")]
        if made is not None:
            live = adoption.version if adoption else live
            details.append(f"from {live or 'nothing'} to {version}")
            details += [f"{table}: {rows:,} rows" for table, rows in made.facts["rows"].items()]
        details += adoption.details() if adoption else ()
        if StageName.RESTORE in ctx.results:
            details.append(ctx.result(StageName.RESTORE).note)
        if StageName.SCORE in ctx.results:
            facts = ctx.result(StageName.SCORE).facts
            details.append(f"score {facts['after']:.2f} ({facts['grade']}), minimum {facts['minimum']:g}")
        details += figures
        settings = ctx.deployment.settings
        details.append(f"a reader waits at most {settings.lock_timeout_ms} ms for each attempt")
        undo = f"sdconsole rollback, in under a second, while {live} is kept" if live else "nothing is live yet"
        return Waiting(
            question=f"{ctx.run_id}-cutover",
            stage=self.name,
            prompt=f"Switch {target.live_schema} to the new version?",
            expected=ctx.deployment.expected_name,
            details=tuple(details),
            undo=undo,
        )

    def recheck(self, ctx: Context, result: StageResult) -> str | None:
        wanted = str(result.facts["to"])
        with session(ctx) as connection:
            live = live_version(connection, ctx.deployment.needed_target().live_schema)
        return None if live == wanted else f"live is {live or 'nothing'} now, not {wanted}"

    def run(self, ctx: Context) -> StageResult:
        if StageName.RESTORE in ctx.results:
            facts = ctx.result(StageName.RESTORE).facts
            return switch(ctx, str(facts["version"]), clean_digest=facts["digest"], kind="restore")
        _still_the_same(ctx)
        version = str(ctx.result(StageName.LOAD).facts["version"])
        if ctx.deployment.settings.max_metric_change is not None:
            with session(ctx) as connection:
                if done_before(ctx, connection, version) is None:
                    check_changes(ctx, known_changes(ctx, connection, version))
        digest = ctx.result(StageName.CLEAN).artifact("clean").sha256 or ""
        return switch(ctx, version, clean_digest=digest)


def _figures(ctx: Context, connection: Connection, version: str) -> list[str]:
    """What the switch changes in the dashboards' figures. Raises GateFailed where that is more than was allowed."""
    changes = known_changes(ctx, connection, version)
    if StageName.LOAD in ctx.results:
        check_changes(ctx, changes)
    return question_lines(changes)


def _made(ctx: Context) -> StageResult | None:
    """The result of the stage that made the new version."""
    return ctx.results.get(StageName.LOAD) or ctx.results.get(StageName.RESTORE)


def switch(
    ctx: Context, version: str, *, clean_digest: str = "", kind: SwitchKind = "cutover", reason: str = ""
) -> StageResult:
    """Make `version` live and tell everybody. Used for the way forward and for the way back.

    `reason` says why the run does it by itself: then nobody was asked, and no confirmation is recorded.
    """
    deployment = ctx.deployment
    live_schema = deployment.needed_target().live_schema
    if deployment.lock is None:
        raise OperationFailed(
            "no-lock",
            "this run does not hold the target's lock",
            cause="the run was prepared without a target",
            next_step="start again with sdconsole deploy",
        )
    deployment.lock.check()
    with session(ctx) as connection:
        done = done_before(ctx, connection, version)
        if done is None:
            with adopted_first(ctx, connection, version):
                done = _switch_now(ctx, connection, version, clean_digest, kind, reason)
        else:
            ctx.log(f"{live_schema} was switched to {version} by an earlier attempt of this run")
    _announce(ctx, done)
    return StageResult(
        f"{live_schema} shows {version} after {done.duration_seconds:.2f} s" + _held(done),
        facts={
            "from": done.from_version,
            "to": done.to_version,
            "attempts": done.attempts,
            "duration_seconds": done.duration_seconds,
            "lock_seconds": done.lock_seconds,
        },
    )


def _held(done: Cutover) -> str:
    return "" if done.lock_seconds is None else f", its views held for {done.lock_seconds * 1000:.0f} ms"


def _switch_now(
    ctx: Context, connection: Connection, version: str, clean_digest: str, kind: SwitchKind, reason: str
) -> Cutover:
    deployment, settings = ctx.deployment, ctx.deployment.settings
    target = deployment.needed_target()
    live = live_deployment(connection, target.live_schema)
    if deployment.expected_name and not reason:
        record_event(
            connection,
            "confirmed",
            live_schema=target.live_schema,
            version=version,
            actor=actor(ctx),
            typed=deployment.expected_name,
        )
    waiter = Waiter(ctx, connection)
    done = cut_over(
        connection,
        target,
        version,
        version_tables(ctx) if kind == "cutover" else None,
        previous=live.version if live else None,
        actor=actor(ctx),
        kind=kind,
        reason=reason,
        clean_digest=clean_digest,
        deadline_seconds=settings.cutover_deadline_seconds,
        lock_timeout_ms=settings.lock_timeout_ms,
        on_wait=waiter,
        check=ctx.checkpoint,
    )
    if not done.reply_lost:  # then this connection is gone
        waiter.tell_after_commit()
    return done


def own_switch(ctx: Context, connection: Connection) -> LedgerEvent | None:
    """The last switch that an attempt of this run committed; None when there was none.

    The ledger's word, not the journal's: an attempt may die after its COMMIT and before it can write that down.
    """
    live_schema = ctx.deployment.needed_target().live_schema
    found = [
        event
        for event in events(connection, live_schema, limit=_EVENTS_LOOKED_AT)
        if event.run_id == ctx.run_id and event.kind in ("cutover", "rollback", "restore")
    ]
    return found[-1] if found else None


def done_before(ctx: Context, connection: Connection, version: str) -> Cutover | None:
    """What an earlier attempt of this run switched and did not live to report, when readers still see just that."""
    live_schema = ctx.deployment.needed_target().live_schema
    own, live = own_switch(ctx, connection), live_deployment(connection, live_schema)
    if own is None or own.version != version or live is None or live.version != version:
        return None
    if drift(connection, live_schema) is not None:
        return None
    return Cutover(own.detail["from"], version, attempts=0, duration_seconds=0.0)


def _announce(ctx: Context, done: Cutover) -> None:
    ctx.emit(
        LiveChanged(
            ctx.stage,
            ctx.deployment.needed_target().live_schema,
            done.from_version,
            done.to_version,
            done.attempts,
            round(done.duration_seconds, 3),
            None if done.lock_seconds is None else round(done.lock_seconds, 4),
        )
    )


def _still_the_same(ctx: Context) -> None:
    """The source and the clean file are the ones that were proved. Raises OperationFailed or CheckFailed."""
    source, intake = ctx.deployment.needed_source()
    changed = changed_since(intake, source, check=ctx.checkpoint)
    if changed:
        raise OperationFailed(
            "source-changed",
            "the source changed while it was being deployed",
            cause=f"{source}: {changed}",
            next_step="make sure that the export is complete, then start again with sdconsole deploy",
        )
    recorded = ctx.result(StageName.CLEAN).artifact("clean")
    if not clean_path(ctx).exists():
        raise CheckFailed(
            "clean-gone",
            f"the clean file {recorded.path} is gone",
            cause="somebody removed it after it was proved",
            next_step="sdconsole resume",
        )
