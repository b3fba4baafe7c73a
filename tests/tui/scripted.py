"""Runs made of small scripted stages on the real engine, and a library that hands them out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import Pipe
from pathlib import Path

from sdconsole.config import Settings
from sdconsole.core import runs
from sdconsole.core.bus import Bus, View
from sdconsole.core.engine import Engine
from sdconsole.core.events import (
    DimensionScore,
    LiveChanged,
    LostPoints,
    Record,
    RunResumed,
    RunStarted,
    ScoreReported,
    Waiting,
)
from sdconsole.core.gates import Gate
from sdconsole.core.journal import Journal, read_journal
from sdconsole.core.model import CheckStatus, Mode, StageName, StageResult
from sdconsole.core.other_process import Owner
from sdconsole.core.plan import Plan, deploy_plan, rollback_plan
from sdconsole.core.projection import RunState, fold, step
from sdconsole.core.runs import RunSummary
from sdconsole.core.stage import Cancellation, StageContext
from sdconsole.interfaces.tui.library import Walk
from sdconsole.interfaces.tui.service_library import ServiceLibrary
from sdconsole.quality.profile.model import Profile
from sdconsole.report.compare import Difference
from sdconsole.runbook.model import Runbook
from sdconsole.service.attended import Attendance, attend
from sdconsole.service.dashboards import Figures
from sdconsole.service.history import PastRun
from sdconsole.service.mailbox import Mailbox
from sdconsole.service.orders import Demonstration, Order, ProgressCall, Resumption, Rollback
from sdconsole.service.preparing import DeployRequest
from sdconsole.service.reviewing import DateQuestion
from sdconsole.service.run_process import StartedRun
from sdconsole.service.upkeep import TargetLook
from sdconsole.service.walking import WalkSummary
from sdconsole.target.live.versions import VersionRow

Work = Callable[[StageContext[None]], StageResult]

OLD, NEW = "servicedesk_v20260821_031500", "servicedesk_v20261121_031500"


def note(text: str) -> Work:
    return lambda ctx: StageResult(text)


def score_event(*, losses: Sequence[LostPoints] = (), total: float = 93.24, phase: str = "after") -> ScoreReported:
    return ScoreReported(
        stage=StageName.SCORE,
        phase="before" if phase == "before" else "after",
        total=total,
        minimum=80.0,
        grade="EXCELLENT" if total >= 90 else "POOR",
        dimensions=(
            DimensionScore("completeness", 37.4, 40),
            DimensionScore("validity", 28.9, 30),
            DimensionScore("consistency", 17.1, 20),
            DimensionScore("uniqueness", 5.0, 5),
            DimensionScore("integrity", 4.84, 5),
        ),
        losses=tuple(losses),
    )


LOSSES = (
    LostPoints(
        rule="R07",
        title="ticket has a team",
        dimension="completeness",
        severity="warn",
        lost=2.6,
        possible=8.0,
        failed=812,
        evaluated=24_918,
        tolerance_percent=1.0,
        samples=("tickets 4711: team is missing", "tickets 4712: team is missing"),
        sql='SELECT * FROM "tickets" WHERE "TKT-Team" IS NULL',
    ),
    LostPoints(
        rule="R41",
        title="comment belongs to a ticket",
        dimension="integrity",
        severity="error",
        lost=0.16,
        possible=2.5,
        failed=41,
        evaluated=141_712,
        tolerance_percent=5.0,
        samples=("comments 9: ticket 77 is not in the export",),
        sql='SELECT "comment_id" FROM "comments" WHERE "ticket_id" = 77',
    ),
)


def score_stage(ctx: StageContext[None]) -> StageResult:
    ctx.emit(score_event(total=88.1, phase="before"))
    ctx.emit(score_event(losses=LOSSES))
    return StageResult("93.24 of 100, gate 80")


def cutover_stage(ctx: StageContext[None]) -> StageResult:
    ctx.emit(LiveChanged(ctx.stage, "servicedesk", OLD, NEW, attempts=1, duration_seconds=0.041))
    return StageResult("servicedesk shows the new version")


def preflight_stage(ctx: StageContext[None]) -> StageResult:
    ctx.check_result("disk space", CheckStatus.PASS, "20.1 GB free", measured="20.1 GB", threshold="1 GB")
    ctx.check_result("reader role", CheckStatus.WARN, "no grants yet", remedy="it is made at the first cutover")
    return StageResult("17 checks passed")


class Hold:
    """Blocks a stage until the test lets go of it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()

    def __call__(self, ctx: StageContext[None]) -> StageResult:
        ctx.progress("tickets", 12_000, 24_000)
        self.reached.set()
        while not self.released.wait(0.01):
            ctx.checkpoint()
        return StageResult("let go")


@dataclass(slots=True)
class ScriptedStage:
    name: StageName
    work: Work
    asks: Waiting | None = None
    repeats: bool = False

    def run(self, ctx: StageContext[None]) -> StageResult:
        return self.work(ctx)

    def question(self, ctx: StageContext[None]) -> Waiting | None:
        return self.asks

    def recheck(self, ctx: StageContext[None], result: StageResult) -> str | None:
        return None


def cutover_question(expected: str = "servicedesk", stage: StageName = StageName.CUTOVER) -> Waiting:
    return Waiting(
        question=str(stage),
        stage=stage,
        prompt=f"Switch servicedesk from {OLD} to {NEW}?",
        expected=expected,
        details=("tickets 24,918 rows, comments 141,712 rows", "readers wait at most 0.2 s"),
        undo="sdconsole rollback, under a second",
    )


_WORK: Mapping[StageName, Work] = {
    StageName.PREFLIGHT: preflight_stage,
    StageName.SCORE: score_stage,
    StageName.CUTOVER: cutover_stage,
    StageName.ROLLBACK: cutover_stage,
}


def journal_of(folder: Path, run_id: str = "r-20261121-031500-7f3a") -> Path:
    """Where a run of this state folder keeps its journal."""
    return runs.runs_folder(folder) / run_id / runs.JOURNAL


@dataclass(slots=True)
class ScriptedRun:
    """What `prepare_deploy` returns, with scripted stages."""

    folder: Path
    plan: Plan = field(default_factory=lambda: deploy_plan(Mode.COMPLETE))
    work: Mapping[StageName, Work] = field(default_factory=dict)
    expected: str = "servicedesk"
    run_id: str = "r-20261121-031500-7f3a"
    target: str = "embedded"
    live_schema: str = "servicedesk"
    production: bool = False
    source: str = "/data/export.db"
    cancellation: Cancellation = field(default_factory=Cancellation)
    earlier: RunState | None = None
    closed: bool = False

    @property
    def journal(self) -> Path:
        return journal_of(self.folder, self.run_id)

    def execute(self, gate: Gate, views: tuple[View, ...] = ()) -> RunState:
        state = [self.earlier or RunState()]

        def project(record: Record) -> None:
            state[0] = step(state[0], record)

        earlier = self.earlier
        runs.private_folder(self.journal.parent)
        mailbox = Mailbox(self.journal.parent, gate, self.cancellation)
        with runs.run_lock(self.journal.parent), Journal(self.journal) as journal, mailbox.opened():
            bus = Bus(
                self.run_id,
                journal=journal,
                views=(project, *views),
                after_seq=earlier.seq if earlier else 0,
                after_seconds=earlier.elapsed_seconds if earlier else 0.0,
            )
            bus.publish(RunResumed("ada", "desk", 1, self.plan.stages) if earlier else self._started())
            Engine(
                run_id=self.run_id,
                plan=self.plan,
                stages={name: self._stage(name) for name in self.plan.stages},
                deployment=None,
                gate=mailbox,
                bus=bus,
                cancellation=self.cancellation,
                earlier=earlier.results if earlier else {},
            ).run()
        return state[0]

    def close(self) -> None:
        self.closed = True

    def _started(self) -> RunStarted:
        return RunStarted(
            kind=self.plan.kind,
            mode=self.plan.mode,
            stages=self.plan.stages,
            source=self.source,
            target=self.target,
            live_schema=self.live_schema,
            operator="ada",
            host="desk",
            pid=1,
            version="0",
            production=self.production,
            min_quality=80.0,
        )

    def _stage(self, name: StageName) -> ScriptedStage:
        asks = cutover_question(self.expected, name) if name in self.plan.hold_before else None
        return ScriptedStage(name, self.work.get(name) or _WORK.get(name) or note(f"{name} is done"), asks)


MakeReady = Callable[[ProgressCall], ScriptedRun]


@dataclass(slots=True)
class ScriptedLibrary:
    """Executes scripted runs in threads, told and stopped through a channel as another process would be.

    `refusal` is raised instead; `given` is executed whatever is ordered, once.
    """

    folder: Path
    work: Mapping[StageName, Work] = field(default_factory=dict)
    refusal: Exception | None = None
    rows: tuple[RunSummary, ...] = ()
    live: str = "live: servicedesk_v20260821_031500"
    asked_for: list[str] = field(default_factory=list)
    expected: Mapping[StageName, float] = field(default_factory=dict)
    production: bool = False
    confirmation: str = "servicedesk"
    dates: tuple[DateQuestion, ...] = ()
    kept: tuple[VersionRow, ...] = ()
    measured: Figures | Exception = field(default_factory=lambda: Figures(None, ()))
    drift: str | None = None
    different: tuple[Difference, ...] = ()
    past: tuple[PastRun, ...] = ()

    given: ScriptedRun | MakeReady | None = None
    attendance: Attendance | None = None
    """Of the run that was begun last."""

    def begin(self, order: Order) -> StartedRun:
        ours, theirs = Pipe()
        owner = Owner(theirs)
        attendance = self.attendance = Attendance(owner)

        def make_ready(progress: ProgressCall) -> ScriptedRun:
            given, self.given = self.given, None
            if given is None:
                return self.ordered(order)
            return given if isinstance(given, ScriptedRun) else given(progress)

        def work() -> None:
            with theirs:
                attend(owner, attendance, make_ready)

        thread = threading.Thread(target=work, name="as another process", daemon=True)
        thread.start()
        return StartedRun(ours, ending=lambda: "its thread died", end=thread.join)

    def ordered(self, order: Order) -> ScriptedRun:
        match order:
            case DeployRequest(source=source, mode=mode):
                return self.deploy(source, mode)
            case Resumption(run_id=run_id, date_formats=date_formats):
                return self.resume(run_id, date_formats)
            case Rollback(to=to):
                return self.rollback(to)
            case Demonstration():
                return self.deploy(Path("/data/export.db"), Mode.COMPLETE)

    def deploy(self, source: Path, mode: Mode) -> ScriptedRun:
        self.asked_for.append(f"deploy {source} {mode}")
        if self.refusal is not None:
            raise self.refusal
        return ScriptedRun(self.folder, deploy_plan(mode), self.work, source=str(source), production=self.production)

    def resume(self, run_id: str, date_formats: Mapping[str, str] | None = None) -> ScriptedRun:
        said = "".join(f" {place}={order}" for place, order in (date_formats or {}).items())
        self.asked_for.append(f"resume {run_id}{said}")
        run = ScriptedRun(self.folder, work=self.work, run_id=run_id, expected=self.confirmation)
        run.earlier = fold(read_journal(run.journal))
        return run

    def rollback(self, to: str | None = None) -> ScriptedRun:
        self.asked_for.append(f"rollback {to}" if to else "rollback")
        if self.refusal is not None:
            raise self.refusal
        return ScriptedRun(self.folder, rollback_plan(), self.work, run_id="r-20261121-040000-0b0b")

    def runs(self) -> tuple[RunSummary, ...]:
        return self.rows

    def records(self, run_id: str) -> Iterable[Record]:
        return self._service.records(run_id)

    @property
    def _service(self) -> ServiceLibrary:
        """The real library, where a run's folder is all it needs."""
        return ServiceLibrary(Settings(state_dir=self.folder))

    def follow(self, run_id: str, again: Callable[[], bool]) -> Iterable[Record]:
        return self._service.follow(run_id, again)

    def is_alive(self, run_id: str) -> bool:
        return self._service.is_alive(run_id)

    def answer(self, run_id: str, question: Waiting, typed: str) -> None:
        self._service.answer(run_id, question, typed)

    def pause(self, run_id: str, *, rest: bool) -> None:
        self._service.pause(run_id, rest=rest)

    def hold(self, run_id: str, question: Waiting) -> None:
        self._service.hold(run_id, question)

    def stop(self, run_id: str) -> None:
        self._service.stop(run_id)

    def profile(self, run_id: str) -> Profile:
        return self._service.profile(run_id)

    def date_questions(self, run_id: str) -> tuple[DateQuestion, ...]:
        return self.dates

    def versions(self) -> tuple[VersionRow, ...]:
        return self.kept

    def figures(self, run_id: str | None = None) -> Figures:
        if isinstance(self.measured, Exception):
            raise self.measured
        return self.measured

    def look(self) -> TargetLook:
        return TargetLook("embedded", "PostgreSQL", "servicedesk", NEW, 266_622, 93.24, None, None, self.drift, None)

    def end_blocker(self, run_id: str, pid: int, *, end: bool) -> str:
        self.asked_for.append(f"{'end' if end else 'cancel'} {pid} of {run_id}")
        return f"pid {pid} is gone"

    def keep_log(self, run_id: str, text: str) -> Path:
        return self._service.keep_log(run_id, text)

    def past_runs(self) -> tuple[PastRun, ...]:
        return self.past

    def compare(self, before: str, after: str) -> tuple[Difference, ...]:
        self.asked_for.append(f"compare {before} {after}")
        return self.different

    def runbooks(self) -> tuple[Runbook, ...]:
        return self._service.runbooks()

    def walks(self) -> tuple[WalkSummary, ...]:
        return self._service.walks()

    def walk(self, name: str, params: Mapping[str, str], *, resume: str | None = None) -> Walk:
        self.asked_for.append(f"walk {name} {dict(params)} {resume or 'new'}")
        return self._service.walk(name, params, resume=resume)

    def machine(self) -> str:
        return self._service.machine()

    def abort(self, run_id: str) -> str:
        self.asked_for.append(f"abort {run_id}")
        return f"{run_id} was given up: nothing had to be dropped"

    def live_version(self) -> str:
        return self.live

    def expected_seconds(self, rows: Sequence[RunSummary]) -> Mapping[StageName, float]:
        return self.expected
