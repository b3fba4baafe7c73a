"""A walk in plain text: the steps as they come, the questions, and what is left at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sdconsole.core.events import Waiting
from sdconsole.core.gates import Answer, FlagGate
from sdconsole.core.stage import Cancellation
from sdconsole.core.summary import error_document
from sdconsole.errors import Verdict
from sdconsole.interfaces.cli.execute import PromptGate
from sdconsole.interfaces.cli.output import write_message
from sdconsole.interfaces.cli.progress import duration_text
from sdconsole.interfaces.exit_codes import exit_code
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.runbook.asking import Question
from sdconsole.runbook.events import Checked, Entry, RunEnded, StepFinished, StepStarted
from sdconsole.runbook.model import Runbook, Step, filled
from sdconsole.runbook.planner import Stretch, WalkPlan
from sdconsole.runbook.walk_state import WalkState
from sdconsole.service.walking import PreparedWalk


@dataclass(frozen=True, slots=True)
class PromptWalkGate:
    """Asks at the terminal what the flags have not answered. An empty line leaves a question for later."""

    by: str
    cancellation: Cancellation
    yes: bool = False
    confirm: str | None = None

    def ask(self, question: Waiting) -> Answer:
        flags = FlagGate(self.by, yes=self.yes, confirm=self.confirm).ask(question)
        return PromptGate(self.by, self.cancellation).ask(question) if flags.held else flags

    def decide(self, question: Question) -> Answer:
        if question.kind != "check" and self.yes and not question.expected:
            return Answer(True, self.by, "--yes")
        write_message("")
        for detail in question.details:
            write_message(f"  {safe_text(detail)}")
        typed = PromptGate(self.by, self.cancellation).line(_prompt(question))
        if not typed:
            return Answer(False, self.by, "prompt", held=True)
        if question.expected:
            return Answer(typed == question.expected, self.by, "prompt", typed=typed)
        wanted = {"r", "again"} if question.kind == "check" else {"y", "yes"}
        return Answer(typed.lower() in wanted, self.by, "prompt", typed=typed)


def _prompt(question: Question) -> str:
    text = safe_text(question.prompt)
    if question.kind == "check":
        return f"{text}. r runs it again, Enter leaves it for later: "
    if question.expected:
        return f"{text}: type {safe_text(question.expected)} to continue, or press Enter to leave it for later: "
    return f"[ ] {text}  y = so it is, n = no, Enter = later: "


@dataclass(frozen=True, slots=True)
class WalkLines:
    """Tells each step on stderr."""

    walk: PreparedWalk

    def __call__(self, entry: Entry) -> None:
        match entry.event:
            case StepStarted(step=number, title=title):
                step = self.walk.runbook.steps[number - 1]
                write_message(f"\n== {number}/{len(self.walk.runbook.steps)}  {safe_text(title)}")
                for line in prose(step):
                    write_message(f"   {safe_text(filled(line, self.walk.values))}")
            case Checked() as event:
                what = "passed" if event.passed else event.error or f"{len(event.rows)} rows"
                write_message(f"   check {event.check}: {safe_text(what)} ({duration_text(event.duration_seconds)})")
            case StepFinished() as event:
                over = ", longer than its time box" if event.over_box else ""
                note = f"  {safe_text(event.note)}" if event.note else ""
                write_message(
                    f"   step {event.step}: {event.status} in {duration_text(event.duration_seconds)}{over}{note}"
                )
            case RunEnded() as event:
                rto = f", RTO {event.rto_seconds:.1f} s" if event.rto_seconds is not None else ""
                write_message(f"   run {event.run_id}: {event.verdict}{rto}")
            case _:
                pass


def prose(step: Step) -> Iterator[str]:
    """What the step says to a person: its Markdown without the heading, options, queries and boxes."""
    inside = ""
    for line in step.text.splitlines()[1:]:
        if inside:
            inside = "" if line.strip() == "```" else inside
            if inside != "hidden" and line.strip() != "```":
                yield f"    {line}"
        elif line.startswith("```"):
            inside = "hidden" if line.startswith(("```toml", "```sql check")) else "shown"
        elif line.startswith("> "):
            yield line[2:].replace("[!WARNING]", "WARNING")
        elif line.strip() and not line.lstrip().startswith("- [ ]"):
            yield line


def step_rows(runbook: Runbook, plan: WalkPlan, values: dict[str, str]) -> list[list[str]]:
    """One row a step: number, who does it, title, what is asked and checked."""
    stages = {step.number: stretch.stages_of(step) for stretch in plan.stretches for step in stretch.steps}
    holds = {stage for stretch in plan.stretches for stage in stretch.plan.hold_before}
    rows = []
    for step in runbook.steps:
        parts = [f"stages {', '.join(stages[step.number])}"] if stages.get(step.number) else []
        parts += ["holds for your confirmation"] if holds & set(stages.get(step.number, ())) else []
        parts += [f"gate {step.gate.name} {step.gate.operator} {filled(step.gate.value, values)}"] if step.gate else []
        parts += [f"check {check.name}" for check in step.checks]
        parts += [f"{len(step.attestations)} to attest"] if step.attestations else []
        box = duration_text(step.box_seconds) if step.box_seconds else "-"
        rows.append([str(step.number), "engine" if step.is_stage else "you", box, step.title, "; ".join(parts) or "-"])
    return rows


def run_rows(plan: WalkPlan) -> list[str]:
    return [_run_row(stretch) for stretch in plan.stretches]


def _run_row(stretch: Stretch) -> str:
    mode = f", mode {stretch.plan.mode}" if stretch.plan.kind == "deploy" else ""
    return f"run {stretch.number}: {stretch.plan.kind}{mode}: {', '.join(stretch.plan.stages)}"


def walk_document(state: WalkState, walk: PreparedWalk, verdict: Verdict) -> dict[str, Any]:
    """The walk as one JSON document."""
    return {
        "schema": 1,
        "walk": state.walk_id,
        "runbook": walk.runbook.id,
        "digest": walk.runbook.digest,
        "verdict": verdict,
        "exit_code": int(exit_code(verdict)),
        "folder": str(walk.folder),
        "steps": [
            {
                "number": step.number,
                "title": step.title,
                "status": step.status,
                "duration_s": step.duration_seconds,
                "over_box": step.over_box,
                "note": step.note,
                "checks": {check.check: check.passed for check in step.checks},
                "attested": [attested.text for _, attested in step.attestations if attested.accepted],
            }
            for step in state.steps
        ],
        "runs": [
            {
                "run": end.run_id,
                "verdict": end.verdict,
                "version": end.version,
                "score": end.score,
                "switched_s": end.switched_seconds,
                "rto_s": end.rto_seconds,
            }
            for end in state.ends
        ],
        "error": error_document(state.ended.error) if state.ended and state.ended.error else None,
    }


def walk_lines(state: WalkState, walk: PreparedWalk, verdict: Verdict) -> Iterator[str]:
    """The result in words."""
    done = sum(step.finished for step in state.steps)
    yield f"walk     {state.walk_id}  {walk.runbook.id}  {verdict}  {done} of {len(state.steps)} steps"
    for step in state.steps:
        if step.note and step.finished:
            yield f"         step {step.number}: {safe_text(step.note)}"
    for end in state.ends:
        switched = f", switched in {end.switched_seconds:.2f} s" if end.switched_seconds is not None else ""
        rto = f", RTO {end.rto_seconds:.1f} s" if end.rto_seconds is not None else ""
        version = f", {end.version}" if end.version else ""
        yield f"run      {end.run_id}  {end.verdict}{version}{switched}{rto}"
    yield f"record   {safe_text(str(walk.folder))}"
