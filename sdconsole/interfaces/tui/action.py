"""What an operator can do, as data: key, words, the command that does the same, and when it is possible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sdconsole.interfaces.tui.situation import Place, Situation

WhyNot = Callable[[Situation], str]
"""The reason in words why the action is not possible now; "" when it is."""
READ_ONLY = "the console was opened to look only"
ATTACH_ONLY = "a browser tab attaches to runs and executes none; use a terminal"


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
    owns: bool = False
    """It makes this console execute a run."""

    def reason(self, now: Situation) -> str:
        """Why it is not possible now; "" when it is."""
        if self.changes and now.read_only:
            return READ_ONLY
        return ATTACH_ONLY if self.owns and now.attach_only else self.why_not(now)
