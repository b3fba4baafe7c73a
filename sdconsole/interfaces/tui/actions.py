"""The one list of what an operator can do here. Keys, footer, command palette and help are made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sdconsole.core.model import RunKind
from sdconsole.core.projection import RunState

Place = Literal["home", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What decides whether an action is possible now. `mine` = the run shown was executed in this sitting."""

    place: Place
    busy: bool = False
    stopping: bool = False
    frozen: bool = False
    mine: bool = False
    state: RunState = field(default_factory=RunState)
    unfinished: str = ""
    """The run that `resume` would take up on the home screen."""
    low: bool = False
    """The terminal is too low to show stages and tabs at once."""


WhyNot = Callable[[Situation], str]
"""The reason in words why the action is not possible now; "" when it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`command` is the command line that does the same, "" for what only concerns the screen."""

    id: str
    key: str
    shown_key: str
    label: str
    help: str
    command: str = ""
    places: tuple[Place, ...] = ("home", "run")
    why_not: WhyNot
    in_footer: bool = True


def _always(_: Situation) -> str:
    return ""


def _when_idle(now: Situation) -> str:
    return "a run is under way" if now.busy else ""


def _resume(now: Situation) -> str:
    if now.busy:
        return "a run is under way"
    if now.place == "home":
        return "" if now.unfinished else "there is no unfinished run"
    if now.state.finished is None and now.mine:
        return "the run never started"
    return "the run is finished" if now.state.complete else ""


def _rollback(now: Situation) -> str:
    if now.busy:
        return "a run is under way"
    if not now.mine:
        return "this run was not executed in this sitting: sdconsole rollback --to VERSION"
    if now.state.started is not None and now.state.started.kind is RunKind.ROLLBACK:
        return "this was a rollback; sdconsole rollback --to VERSION goes to any kept version"
    change = now.state.live_changes[-1] if now.state.live_changes else None
    if change is None:
        return "this run did not change what readers see"
    return "" if change.from_version else "there is no version to go back to"


def _copy(now: Situation) -> str:
    return "" if now.place == "home" or now.state.started else "the run has not started"


def _freeze(now: Situation) -> str:
    return "" if now.busy or now.frozen else "nothing moves"


def _quit(now: Situation) -> str:
    return "the run is stopping, the console closes when it has ended" if now.stopping else ""


def _stages(now: Situation) -> str:
    return "" if now.low else "the stages are in view"


_RUN: tuple[Place, ...] = ("run",)
_HOME: tuple[Place, ...] = ("home",)

ACTIONS: tuple[Action, ...] = (
    Action(
        id="start",
        key="s",
        shown_key="s",
        label="Start",
        help="Deploy the chosen source in the chosen mode",
        command="sdconsole deploy SOURCE --mode MODE",
        places=_HOME,
        why_not=_when_idle,
    ),
    Action(
        id="resume",
        key="r",
        shown_key="r",
        label="Resume",
        help="Take up the unfinished run at the stage that was cut off; a held run asks its question again",
        command="sdconsole resume RUN",
        why_not=_resume,
    ),
    Action(
        id="rollback",
        key="b",
        shown_key="b",
        label="Roll back",
        help="Give readers the version before this one; asks first",
        command="sdconsole rollback",
        places=_RUN,
        why_not=_rollback,
    ),
    Action(
        id="copy",
        key="y",
        shown_key="y",
        label="Copy command",
        help="Copy the command line that does the same to the clipboard",
        why_not=_copy,
    ),
    Action(
        id="freeze",
        key="space",
        shown_key="space",
        label="Freeze view",
        help="Hold the picture still to read it; the run goes on",
        places=_RUN,
        why_not=_freeze,
    ),
    Action(
        id="home",
        key="h",
        shown_key="h",
        label="Home",
        help="Back to the list of runs",
        places=_RUN,
        why_not=_when_idle,
    ),
    *(
        Action(
            id=f"tab-{name}",
            key=key,
            shown_key=key,
            label=name.capitalize(),
            help=f"Show {purpose}",
            places=_RUN,
            why_not=_always,
            in_footer=False,
        )
        for key, name, purpose in (
            ("1", "overview", "the score, its dimensions and the rate"),
            ("2", "quality", "where the points went, with sample rows and the SQL that finds them"),
            ("3", "checks", "every check, failures first"),
            ("4", "log", "the log"),
        )
    ),
    Action(
        id="stages",
        key="0",
        shown_key="0",
        label="Stages",
        help="Back to the stages on a terminal too low for both",
        places=_RUN,
        why_not=_stages,
        in_footer=False,
    ),
    Action(id="help", key="question_mark,f1", shown_key="?", label="Help", help="This list", why_not=_always),
    Action(
        id="quit",
        key="q",
        shown_key="q",
        label="Quit",
        help="Leave; a run is stopped at its next safe point and can be resumed",
        why_not=_quit,
    ),
)


def action(action_id: str) -> Action:
    """Raises KeyError for an unknown id."""
    for candidate in ACTIONS:
        if candidate.id == action_id:
            return candidate
    raise KeyError(action_id)


def available_here(now: Situation) -> tuple[Action, ...]:
    """The actions of this place, possible now or not."""
    return tuple(candidate for candidate in ACTIONS if now.place in candidate.places)
