"""Breaks one thing at one place inside a running command: kills the process there, pauses it, or takes a guard away.

Loaded by the launcher into the command's process. A plan is a JSON-ready dict; every place is named from outside, so
production code holds no switch for tests. `fired` in the trial's folder is the proof that a place was reached.
"""

from __future__ import annotations

import importlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

FIRED = "fired"
"""Made in the command's working folder when the place was reached."""
GO = "go"
"""A paused command goes on as soon as this file is there."""


def install(plan: Mapping[str, Any] | None) -> None:
    """`{}` or None = an undisturbed command.

    `at`: "journal" (with `type` and `stage` of the record) or "module:function"; `nth` = the how-manieth time, 1 by
    default; `when`: "before" or "after"; `action`: "kill" or "pause". `without`: guards to take away. `set`: time
    limits by "module:name", so that a trial does not take as long as an operator's patience.
    """
    if not plan:
        return
    for guard in plan.get("without", ()):
        _GUARDS[guard]()
    for name, value in plan.get("set", {}).items():
        module_name, constant = name.split(":")
        module = importlib.import_module(module_name)
        assert hasattr(module, constant), name
        setattr(module, constant, value)
    if "at" in plan:
        _place(plan)


def _place(plan: Mapping[str, Any]) -> None:
    action = {"kill": _kill, "pause": _pause}[plan["action"]]
    reached = [0]

    def hit(*arguments: object) -> bool:
        if plan["at"] == "journal" and not _is_record(arguments[1], plan):
            return False
        reached[0] += 1
        return bool(reached[0] == plan.get("nth", 1))

    name = "sdconsole.core.journal:Journal.__call__" if plan["at"] == "journal" else plan["at"]

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def replaced(*arguments: Any, **options: Any) -> Any:
            is_here = hit(*arguments)
            if is_here and plan["when"] == "before":
                action()
            result = original(*arguments, **options)
            if is_here and plan["when"] == "after":
                action()
            return result

        return replaced

    _replace(name, around)


def _is_record(record: Any, plan: Mapping[str, Any]) -> bool:
    event = record.event
    return bool(event.type == plan["type"] and getattr(event, "stage", None) == plan["stage"])


def _replace(name: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    module_name, path = name.split(":")
    owner: Any = importlib.import_module(module_name)
    *parents, last = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    setattr(owner, last, around(getattr(owner, last)))


def _kill() -> None:
    Path(FIRED).touch()
    os.kill(os.getpid(), signal.SIGKILL)


def _pause() -> None:
    Path(FIRED).touch()
    while not Path(GO).exists():
        time.sleep(0.002)


def _answer_always(answer: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return lambda _original: lambda *_arguments, **_options: answer


def _take_out(*places: str, answer: Any = None) -> Callable[[], None]:
    def take_out() -> None:
        for place in places:
            _replace(place, _answer_always(answer))

    return take_out


_GUARDS: Mapping[str, Callable[[], None]] = {
    "lock": _take_out("sdconsole.target.ledger.lock:_take", "sdconsole.target.ledger.lock:RunLock.check"),
    "digest check": _take_out("sdconsole.stages.cutover:changed_since"),
    "switch token": _take_out("sdconsole.target.live.lost_reply:switch_committed", answer=False),
    "own switch": _take_out("sdconsole.stages.cutover:own_switch", "sdconsole.stages.rollback:own_switch"),
    "fsync": _take_out("os:fsync"),
    "link watch": _take_out("sdconsole.observe.link:_watch"),
}
"""What is taken out to see whether the trials notice."""
