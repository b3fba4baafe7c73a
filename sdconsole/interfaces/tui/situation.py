"""What decides which actions are possible now, and the reasons in words why one is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sdconsole.core.model import FINISHED, RunKind, StageName
from sdconsole.core.projection import RunState
from sdconsole.errors import Verdict

Place = Literal["home", "run", "dates", "history", "diff", "dashboards", "after", "runbooks", "walk"]
UNDER_WAY = "a run is under way"
WALKING = "a walk is under way; o shows it"
ELSEWHERE = "another process executes this run"


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkSituation:
    """`open` = this console has begun a walk; `asks` is the kind of its open question, "" when there is none."""

    busy: bool = False
    asks: Literal["", "engine", "confirm", "attest", "check"] = ""
    open: bool = False
    complete: bool = False
    has_run: bool = False
    low: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """`busy` = a run that this console started goes on; `mine` = it started the one that is shown; `alive` = a process
    that it did not start executes the one that is shown.

    `low` = the terminal is too low to show stages and tabs at once. `unfinished` is the run that the home screen offers
    to take up.
    """

    place: Place
    busy: bool = False
    stopping: bool = False
    frozen: bool = False
    mine: bool = False
    alive: bool = False
    replaying: bool = False
    read_only: bool = False
    attach_only: bool = False
    state: RunState = field(default_factory=RunState)
    unfinished: str = ""
    low: bool = False
    date_answers: int = 0
    """How many columns the date review has an answer for."""
    walk: WalkSituation = field(default_factory=WalkSituation)

    @property
    def under_way(self) -> str:
        """What this console executes, in words."""
        return WALKING if self.walk.busy else UNDER_WAY if self.busy else ""

    @property
    def given_up(self) -> bool:
        return self.state.verdict is Verdict.ABORTED

    @property
    def asks_elsewhere(self) -> bool:
        """Another process waits for the answer to its question."""
        return self.alive and self.state.waiting is not None and self.state.finished is None


def always(_: Situation) -> str:
    return ""


def when_idle(now: Situation) -> str:
    return now.under_way


def resume(now: Situation) -> str:
    if now.busy:
        return now.under_way
    if now.place == "home":
        return "" if now.unfinished else "there is no unfinished run"
    if now.alive:
        return ELSEWHERE
    if now.state.finished is None and now.mine:
        return "the run never started"
    if now.given_up:
        return "the run was given up"
    return "the run is finished" if now.state.complete else ""


def approve(now: Situation) -> str:
    if now.busy:
        return now.under_way
    if now.asks_elsewhere:
        return ""
    if now.alive:
        return "another process executes this run and asks nothing now"
    if now.attach_only:
        return "nobody executes this run; approve it from a terminal"
    held = now.state.waiting is not None and not now.given_up
    return "" if held else "the run does not wait for a confirmation"


def abort(now: Situation) -> str:
    if now.busy:
        return now.under_way
    if now.alive and not now.asks_elsewhere:
        return "another process executes this run: S stops it"
    if now.given_up:
        return "the run was given up already"
    if now.state.started is None:
        return "the run has not started"
    finished = bool(now.state.stages) and all(stage.status in FINISHED for stage in now.state.stages)
    return "the run is finished; b rolls it back" if finished and now.state.live_changed else ""


def rollback(now: Situation) -> str:
    if now.busy:
        return now.under_way
    if not now.mine:
        return "this run was not executed in this sitting: sdconsole rollback --to VERSION"
    if now.state.started is not None and now.state.started.kind is RunKind.ROLLBACK:
        return "this was a rollback; sdconsole rollback --to VERSION goes to any kept version"
    change = now.state.live_changes[-1] if now.state.live_changes else None
    if change is None:
        return "this run did not change what readers see"
    return "" if change.from_version else "there is no version to go back to"


def copy(now: Situation) -> str:
    return "" if now.place != "run" or now.state.started else "the run has not started"


def freeze(now: Situation) -> str:
    moving = now.busy or now.alive or now.replaying
    return "" if moving or now.frozen else "nothing moves"


def pause(now: Situation) -> str:
    if not (now.busy or now.alive):
        return "nothing is being executed"
    if now.state.finished is not None:
        return "the run has ended"
    if now.stopping:
        return "the run is stopping"
    return "the run waits for an answer already" if now.state.waiting is not None else ""


def dates(now: Situation) -> str:
    if now.busy or now.alive:
        return "the run is going on; its dates can be answered when it waits or has stopped"
    if StageName.PROFILE not in now.state.results:
        return "no profile of this run is on record yet"
    if now.given_up:
        return "the run was given up"
    return "the run is finished; answer with the next deployment" if now.state.live_changed else ""


def answers(now: Situation) -> str:
    if now.busy:
        return now.under_way
    return "" if now.date_answers else "no column has an answer yet: d is day first, m is month first"


def blockers(now: Situation) -> str:
    return "" if now.state.blocked is not None else "nobody is in the way of a switch now"


def replay(now: Situation) -> str:
    if now.busy or now.alive:
        return "the run is still going on"
    return "" if now.state.started is not None else "the run never started"


def speed(now: Situation) -> str:
    return "" if now.replaying else "no run is being played again; e does that"


def stop(now: Situation) -> str:
    if now.busy:
        return "quitting stops this run"
    return "" if now.alive else "no process executes this run"


def detach(now: Situation) -> str:
    if not now.busy:
        return "this console has started nothing that goes on; q leaves it"
    return "the run is stopping" if now.stopping else ""


def quit_console(now: Situation) -> str:
    return "the run is stopping, the console closes when it has ended" if now.stopping else ""


def stages(now: Situation) -> str:
    return "" if now.low else "the stages are in view"


def runbooks(now: Situation) -> str:
    return "" if now.walk.busy else now.under_way


def walk_attests(now: Situation) -> str:
    return "" if now.walk.asks == "attest" else "no box of the runbook waits to be ticked"


def walk_confirms(now: Situation) -> str:
    return "" if now.walk.asks in ("engine", "confirm") else "the walk waits for no confirmation"


def walk_goes_on(now: Situation) -> str:
    if now.walk.asks == "check":
        return ""
    if now.walk.asks:
        return "the walk waits for your answer"
    if now.walk.busy:
        return "the walk is going on"
    return "the walk is through" if now.walk.complete else ""


def walk_asks(now: Situation) -> str:
    return "" if now.walk.asks else "the walk asks nothing now"


def walk_runs(now: Situation) -> str:
    return "" if now.walk.has_run else "no run belongs to this walk yet"


def walk_words(now: Situation) -> str:
    return "" if now.walk.low else "words and steps are both in view"
