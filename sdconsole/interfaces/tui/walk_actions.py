"""The actions of the list of runbooks and of the walkthrough."""

from __future__ import annotations

from sdconsole.interfaces.tui import situation as why
from sdconsole.interfaces.tui.action import Action
from sdconsole.interfaces.tui.situation import Place

_WALK: tuple[Place, ...] = ("walk",)
_RUN_COMMAND = "sdconsole runbook run RUNBOOK"

RUNBOOKS = Action(
    id="runbooks",
    key="o",
    shown_key="o",
    label="Runbooks",
    help="The runbooks and the walks that were left; while one is walked, back to it",
    command="sdconsole runbook list",
    places=("home", "run"),
    why_not=why.runbooks,
)
WALK_ACTIONS: tuple[Action, ...] = (
    Action(
        id="walk-begin",
        key="s",
        shown_key="s",
        label="Walk",
        help="Walk through the chosen runbook, or go on with the chosen walk",
        command=_RUN_COMMAND,
        places=("runbooks",),
        why_not=why.when_idle,
        changes=True,
        owns=True,
    ),
    Action(
        id="walk-tick",
        key="t",
        shown_key="t",
        label="So it is",
        help="Attest what the step says, with your name and the time",
        command=_RUN_COMMAND,
        places=_WALK,
        why_not=why.walk_attests,
        changes=True,
    ),
    Action(
        id="walk-deny",
        key="n",
        shown_key="n",
        label="Not so",
        help="Say that it is not as the step says; the walk stops there and can go on later",
        command=_RUN_COMMAND,
        places=_WALK,
        why_not=why.walk_attests,
        changes=True,
    ),
    Action(
        id="walk-confirm",
        key="a",
        shown_key="a",
        label="Confirm",
        help="Open the confirmation that the walk waits for",
        command=_RUN_COMMAND,
        places=_WALK,
        why_not=why.walk_confirms,
        changes=True,
    ),
    Action(
        id="walk-on",
        key="r",
        shown_key="r",
        label="Go on",
        help="Run a check again that did not pass; take up a walk that was left, at its step",
        command=_RUN_COMMAND,
        places=_WALK,
        why_not=why.walk_goes_on,
        changes=True,
        owns=True,
    ),
    Action(
        id="walk-later",
        key="l",
        shown_key="l",
        label="Later",
        help="Leave the open question for later; the walk is kept and goes on at this step",
        command=_RUN_COMMAND,
        places=_WALK,
        why_not=why.walk_asks,
        changes=True,
    ),
    Action(
        id="walk-run",
        key="i",
        shown_key="i",
        label="Its run",
        help="The run that this walk is in, with score, profile, checks and log; o comes back",
        command="sdconsole attach RUN",
        places=_WALK,
        why_not=why.walk_runs,
    ),
    Action(
        id="walk-words",
        key="m",
        shown_key="m",
        label="Words",
        help="On a terminal too low for both: the step's words, or the steps again",
        places=_WALK,
        why_not=why.walk_words,
        in_footer=False,
    ),
)
