"""The one list of what an operator can do here. Keys, footer, command palette and help are made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sdconsole.interfaces.tui import situation as why
from sdconsole.interfaces.tui.situation import Place, Situation

WhyNot = Callable[[Situation], str]
"""The reason in words why the action is not possible now; "" when it is."""
READ_ONLY = "the console was opened to look only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`command` is the command line that does the same, "" for what only concerns the screen. `changes` = it does more
    than look, and is not possible in a read-only console."""

    id: str
    key: str
    shown_key: str
    label: str
    help: str
    command: str = ""
    places: tuple[Place, ...] = ("home", "run")
    why_not: WhyNot
    in_footer: bool = True
    changes: bool = False

    def reason(self, now: Situation) -> str:
        """Why it is not possible now; "" when it is."""
        return READ_ONLY if self.changes and now.read_only else self.why_not(now)


_RUN: tuple[Place, ...] = ("run",)
_HOME: tuple[Place, ...] = ("home",)
TABS = (
    ("1", "overview", "the score, its dimensions and the rate"),
    ("2", "quality", "where the points went, with sample rows and the SQL that finds them"),
    ("3", "checks", "every check, failures first"),
    ("4", "log", "the log"),
)

ACTIONS: tuple[Action, ...] = (
    Action(
        id="start",
        key="s",
        shown_key="s",
        label="Start",
        help="Deploy the chosen source in the chosen mode",
        command="sdconsole deploy SOURCE --mode MODE",
        places=_HOME,
        why_not=why.when_idle,
        changes=True,
    ),
    Action(
        id="approve",
        key="a",
        shown_key="a",
        label="Approve",
        help="Answer the question of a held run, whoever executes it",
        command="sdconsole approve RUN",
        places=_RUN,
        why_not=why.approve,
        changes=True,
    ),
    Action(
        id="resume",
        key="r",
        shown_key="r",
        label="Resume",
        help="Take up the unfinished run at the stage that was cut off; a held run asks its question again",
        command="sdconsole resume RUN",
        why_not=why.resume,
        changes=True,
    ),
    Action(
        id="pause",
        key="p",
        shown_key="p",
        label="Pause run",
        help="Let the run rest at its next safe point, or go on; no stage is lost",
        command="sdconsole pause RUN",
        places=_RUN,
        why_not=why.pause,
        changes=True,
    ),
    Action(
        id="rollback",
        key="b",
        shown_key="b",
        label="Roll back",
        help="Give readers the version before this one; asks first",
        command="sdconsole rollback",
        places=_RUN,
        why_not=why.rollback,
        changes=True,
    ),
    Action(
        id="copy",
        key="y",
        shown_key="y",
        label="Copy command",
        help="Copy the command line that does the same to the clipboard",
        why_not=why.copy,
    ),
    Action(
        id="freeze",
        key="space",
        shown_key="space",
        label="Freeze view",
        help="Hold the picture still to read it; the run goes on",
        places=_RUN,
        why_not=why.freeze,
    ),
    Action(
        id="home",
        key="h",
        shown_key="h",
        label="Home",
        help="Back to the list of runs",
        places=_RUN,
        why_not=why.when_idle,
    ),
    Action(
        id="replay",
        key="e",
        shown_key="e",
        label="Replay",
        help="Play the run again from its journal; once more goes to its end",
        command="sdconsole attach RUN --replay",
        places=_RUN,
        why_not=why.replay,
    ),
    Action(
        id="faster",
        key="plus,equals_sign",
        shown_key="+",
        label="Faster",
        help="Replay twice as fast, up to 128 times",
        places=_RUN,
        why_not=why.speed,
        in_footer=False,
    ),
    Action(
        id="slower",
        key="minus",
        shown_key="-",
        label="Slower",
        help="Replay half as fast, down to the run's own pace",
        places=_RUN,
        why_not=why.speed,
        in_footer=False,
    ),
    Action(
        id="abort",
        key="x",
        shown_key="x",
        label="Give up",
        help="Give the run up for good and drop what readers never saw of it; asks first",
        command="sdconsole abort RUN",
        places=_RUN,
        why_not=why.abort,
        changes=True,
    ),
    *(
        Action(
            id=f"tab-{name}",
            key=key,
            shown_key=key,
            label=name.capitalize(),
            help=f"Show {purpose}",
            places=_RUN,
            why_not=why.always,
            in_footer=False,
        )
        for key, name, purpose in TABS
    ),
    Action(
        id="stages",
        key="0",
        shown_key="0",
        label="Stages",
        help="Back to the stages on a terminal too low for both",
        places=_RUN,
        why_not=why.stages,
        in_footer=False,
    ),
    Action(id="help", key="question_mark,f1", shown_key="?", label="Help", help="This list", why_not=why.always),
    Action(
        id="quit",
        key="q",
        shown_key="q",
        label="Quit",
        help="Leave; a run is stopped at its next safe point and can be resumed",
        why_not=why.quit_console,
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
