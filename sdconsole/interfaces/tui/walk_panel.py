"""What a walk looks like: its steps in a list, and what the chosen one asks, has found and was told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from sdconsole.core.events import Waiting
from sdconsole.core.model import StageStatus
from sdconsole.core.projection import RunState
from sdconsole.errors import Verdict
from sdconsole.interfaces.safe_text import safe
from sdconsole.interfaces.tui import figures
from sdconsole.interfaces.tui.library import Walk
from sdconsole.interfaces.tui.look import Look
from sdconsole.interfaces.tui.stages_panel import StageList, TaskBars
from sdconsole.interfaces.tui.verdict_panel import ErrorPanel, error_report
from sdconsole.interfaces.tui.walk_gate import WalkQuestion
from sdconsole.runbook.events import Checked, StepStatus
from sdconsole.runbook.model import Step, filled
from sdconsole.runbook.walk_state import StepState, WalkState

SHOWN_ROWS = 5
_LIKE = {
    StepStatus.PENDING: StageStatus.PENDING,
    StepStatus.RUNNING: StageStatus.RUNNING,
    StepStatus.DONE: StageStatus.PASSED,
    StepStatus.NOTED: StageStatus.WARNED,
    StepStatus.FAILED: StageStatus.FAILED,
}
_WORDS = {StageStatus.PENDING: "", StageStatus.WAITING: "asks you", StageStatus.WARNED: "noted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkPicture:
    """`run` is the engine's run that the walk is in; `error` kept the walk from an end of its own."""

    walk: Walk
    state: WalkState
    look: Look
    now: datetime
    asked: WalkQuestion | None = None
    run: RunState | None = None
    run_seconds: float = 0.0
    busy: bool = False
    stopping: bool = False
    error: BaseException | None = None

    @property
    def current(self) -> int:
        """The step that the walk is at, from 1; the last one when it is through."""
        steps = self.state.steps
        running = next((step.number for step in steps if step.status in (StepStatus.RUNNING, StepStatus.FAILED)), None)
        if running is not None:
            return running
        return next((step.number for step in steps if not step.finished), max(1, len(steps)))

    def step(self, number: int) -> Step:
        return self.walk.runbook.steps[number - 1]

    def known(self, number: int) -> StepState:
        steps = self.state.steps
        return steps[number - 1] if number <= len(steps) else StepState(number, self.step(number).title)

    def like(self, number: int) -> StageStatus:
        """How a stage in the same state is drawn."""
        if self.asked is not None and number == self.current:
            return StageStatus.WAITING
        return _LIKE[self.known(number).status]

    def seconds(self, number: int) -> float | None:
        """How long the step took, or has taken so far."""
        known = self.known(number)
        if known.duration_seconds is not None:
            return known.duration_seconds
        if known.status is not StepStatus.RUNNING or not known.started_at or not self.busy:
            return None
        return max(0.0, (self.now - datetime.fromisoformat(known.started_at)).total_seconds())


def step_cells(picture: WalkPicture, number: int) -> list[Text]:
    """Glyph, state in a word, number, who, title, time."""
    look, status, step = picture.look, picture.like(number), picture.step(number)
    style = look.status_style(status)
    quiet = status in (StageStatus.PENDING, StageStatus.PASSED)
    seconds = picture.seconds(number)
    over = picture.known(number).over_box
    took = "" if seconds is None else figures.duration(seconds) if seconds < 60 else figures.clock(seconds)
    word = _WORDS.get(status, str(picture.known(number).status))
    return [
        look.glyph(status).append(f" {word}", style=style),
        Text(f"{number}", style=look.dim, justify="right"),
        safe(step.title, style=look.dim if status is StageStatus.PENDING else "" if quiet else style, limit=200),
        Text("engine" if step.is_stage else "you", style=look.dim),
        Text(took, style=look.warn if over else look.dim, justify="right"),
    ]


@dataclass(frozen=True, slots=True)
class StepPanel:
    """The question that is open, then what is known of the chosen step."""

    picture: WalkPicture
    number: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._end()
        if self.picture.asked is not None:
            yield from self._asked(self.picture.asked)
            yield Text()
        yield from self._facts()

    def _asked(self, asked: WalkQuestion) -> Iterator[RenderableType]:
        look = self.picture.look
        box = "[ ]" if look.ascii else "☐"
        if isinstance(asked, Waiting) or asked.kind == "confirm":
            yield safe(f"? {asked.prompt}", style=f"bold {look.warn}", limit=400)
            yield self._keys(("a", "to the confirmation"), ("l", "later: nothing is switched"))
        elif asked.kind == "attest":
            yield safe(f"{box} {asked.prompt}", style=f"bold {look.warn}", limit=600)
            yield self._keys(("t", "so it is"), ("n", "not so: stop here"), ("l", "later"))
        else:
            yield safe(f"{asked.prompt}: put it right", style=f"bold {look.bad}", limit=400)
            yield self._keys(("r", "ask again"), ("l", "later"))

    def _keys(self, *keys: tuple[str, str]) -> Text:
        text = Text()
        for key, words in keys:
            text.append(f"{key}", style=f"bold {self.picture.look.accent}").append(f" {words}   ")
        return text

    def _end(self) -> Iterator[RenderableType]:
        """How the attempt ended, and what goes on."""
        picture, look = self.picture, self.picture.look
        ended = picture.state.ended
        if picture.error is not None:
            yield ErrorPanel(error_report(picture.error), look, picture.walk.walk_id)
        elif ended is None or picture.busy:
            return
        elif ended.verdict is Verdict.OK:
            yield Text(f"{'+' if look.ascii else '✓'} walked to its end", style=f"bold {look.ok}")
            for end in picture.state.ends:
                rto = "" if end.rto_seconds is None else f", RTO {end.rto_seconds:.1f} s"
                yield safe(f"  run {end.run_id} {end.verdict}{rto}", limit=160)
            yield safe(f"  record and sums: {picture.walk.folder}", style=look.dim, limit=300)
        elif ended.error is not None:
            yield ErrorPanel(ended.error, look, picture.walk.walk_id, str(picture.walk.folder))
            yield self._keys(("r", "goes on at this step"))
        else:
            words = f"left for later: {ended.note}" if ended.note else "left for later"
            yield safe(f"{'?' if look.ascii else '◆'} {words}", style=f"bold {look.warn}", limit=400)
            yield self._keys(("r", "goes on at this step"))
        yield Text()

    def _facts(self) -> Iterator[RenderableType]:
        picture, look = self.picture, self.picture.look
        step, known = picture.step(self.number), picture.known(self.number)
        yield self._heading(step, known)
        yield from self._stages(step)
        for check in step.checks:
            found = next((one for one in known.checks if one.check == check.name), None)
            yield from self._check(check.name, found)
        told = {attested.text: (at, attested) for at, attested in known.attestations}
        for raw in step.attestations:
            text = filled(raw, picture.walk.values)
            at, attested = told.get(text, ("", None))
            if attested is None:
                yield safe(f"{'[ ]' if look.ascii else '☐'} {text}", limit=600)
            else:
                box = ("[x]" if look.ascii else "☑") if attested.accepted else ("[-]" if look.ascii else "☒")
                words = safe(f"{box} {text}", style=look.ok if attested.accepted else look.bad, limit=600)
                by = f"   {attested.by}, {figures.day_and_time(at)}, {attested.via}"
                yield words.append_text(safe(by, style=look.dim, limit=120))
        if known.note:
            style = look.bad if known.status is StepStatus.FAILED else look.warn
            yield safe(known.note, style=style, limit=600)

    def _heading(self, step: Step, known: StepState) -> Text:
        look = self.picture.look
        text = safe(f"{step.number}. {step.title}", style="bold", limit=200)
        seconds = self.picture.seconds(step.number)
        if step.box_seconds is not None:
            over = known.over_box or (seconds is not None and seconds > step.box_seconds)
            late = ", longer than that" if over else ""
            text.append(f"   time box {figures.clock(step.box_seconds)}{late}", style=look.warn if late else look.dim)
        if step.gate is not None:
            gate = f"{step.gate.name} {step.gate.operator} {filled(step.gate.value, self.picture.walk.values)}"
            text.append_text(safe(f"   gate {gate}", style=look.dim, limit=80))
        return text

    def _stages(self, step: Step) -> Iterator[RenderableType]:
        """The engine's part of this step: what of the run belongs to it, and the bars of what moves now."""
        picture = self.picture
        stretch = next((one for one in picture.walk.plan.stretches if step in one.steps), None)
        names = stretch.stages_of(step) if stretch is not None else ()
        if not names:
            return
        run, number = picture.run, stretch.number if stretch is not None else 0
        if run is None or picture.state.runs.get(number) != run.run_id:
            yield Text(f"stages {', '.join(names)}", style=picture.look.dim)
            return
        mine = tuple(stage for stage in run.stages if stage.name in names)
        yield StageList(replace(run, stages=mine), picture.run_seconds, picture.look)
        if run.current is not None and run.current.name in names and run.current.tasks:
            yield TaskBars(run.current, picture.look, 3)

    def _check(self, name: str, found: Checked | None) -> Iterator[RenderableType]:
        look = self.picture.look
        if found is None:
            yield safe(f"{'.' if look.ascii else '·'} check {name}", style=look.dim, limit=120)
            return
        mark, style = (("+" if look.ascii else "✓"), look.ok) if found.passed else ("!", f"bold {look.warn}")
        rows = "or more" if found.more else "rows" if len(found.rows) != 1 else "row"
        what = "passed" if found.passed else "could not be run" if found.error else f"{len(found.rows)} {rows}"
        took = figures.duration(found.duration_seconds)
        yield safe(f"{mark} check {name}: {what}", style=style, limit=200).append(f"  {took}", style=look.dim)
        if found.error:
            yield safe(f"  {found.error}", style=look.bad, limit=400)
        for row in found.rows[:SHOWN_ROWS]:
            yield safe(f"  {json.dumps(dict(row), default=str, ensure_ascii=False)}", style=look.dim, limit=400)
        if len(found.rows) > SHOWN_ROWS:
            yield Text(f"  {len(found.rows) - SHOWN_ROWS:,} more in the record", style=look.dim)
