"""The one list of what an operator can do here. Keys, footer, command palette and help are made from it."""

from __future__ import annotations

from typing import get_args

from sdconsole.interfaces.tui import situation as why
from sdconsole.interfaces.tui.action import Action
from sdconsole.interfaces.tui.run_actions import RUN_ACTIONS
from sdconsole.interfaces.tui.side_actions import SIDE_ACTIONS
from sdconsole.interfaces.tui.situation import Place, Situation
from sdconsole.interfaces.tui.walk_actions import RUNBOOKS, WALK_ACTIONS

EVERYWHERE: tuple[Place, ...] = get_args(Place)

ACTIONS: tuple[Action, ...] = (
    *WALK_ACTIONS,
    *RUN_ACTIONS,
    *SIDE_ACTIONS,
    RUNBOOKS,
    Action(
        id="help",
        key="question_mark,f1",
        shown_key="?",
        label="Help",
        help="This list",
        places=EVERYWHERE,
        why_not=why.always,
    ),
    Action(
        id="detach",
        key="D",
        shown_key="D",
        label="Detach",
        help="Leave and let the run go on by itself; it is held at its next question",
        command="sdconsole attach RUN",
        why_not=why.detach,
        in_footer=False,
    ),
    Action(
        id="quit",
        key="q",
        shown_key="q",
        label="Quit",
        help="Leave; a run is stopped at its next safe point and can be resumed",
        places=EVERYWHERE,
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
