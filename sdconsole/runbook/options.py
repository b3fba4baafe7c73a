"""What the `toml stage` and `toml step` blocks of a runbook may say, and in which words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from sdconsole.core.model import StageName
from sdconsole.runbook.model import Gate, OnFail, Problem

GATES: Mapping[str, tuple[StageName, str, str]] = {
    "score": (StageName.SCORE, ">=", "min_quality"),
    "quarantined": (StageName.CLEAN, "<=", "max_quarantine_percent"),
    "mismatches": (StageName.PROFILE, "<=", "mismatch_percent"),
    "corrupt": (StageName.PROFILE, "<=", "corrupt_percent"),
}
"""What a gate may limit: the stage that judges it, the only direction that makes it tighter, the setting behind it."""

_STAGE_KEYS = ("id", "through", "timeout", "box", "gate", "confirm", "on_fail")
_STEP_KEYS = ("timeout", "box", "on_fail")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_GATE = re.compile(r"([a-z_]+)\s*(>=|<=|==|>|<)\s*(\d+(?:\.\d+)?|\{[a-z][a-z0-9_]*\})")


def seconds(text: object) -> float | None:
    """`90s`, `25m`, `1h30m` in seconds; None for anything else."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) and text else None
    if found is None:
        return None
    hours, minutes, rest = (int(part or 0) for part in found.groups())
    return float(hours * 3600 + minutes * 60 + rest) or None


def step_options(data: Mapping[str, Any], *, line: int, is_stage: bool) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """The fields of a `Step` that its block gives, and what is wrong with them."""
    options: dict[str, Any] = {}
    wrong: list[str] = []
    known = _STAGE_KEYS if is_stage else _STEP_KEYS
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            wrong.append(f"unknown key {key!r}" + (f", did you mean {near[0]!r}?" if near else ""))
    for key in ("timeout", "box"):
        if key in data:
            options[f"{key}_seconds"] = seconds(data[key])
            if options[f"{key}_seconds"] is None:
                wrong.append(f'{key} is a time such as "90s", "25m" or "1h30m", not {data[key]!r}')
    allowed = (OnFail.STOP, OnFail.ROLLBACK) if is_stage else (OnFail.STOP, OnFail.NOTE)
    if "on_fail" in data:
        if data["on_fail"] not in [choice.value for choice in allowed]:
            wrong.append(f"on_fail is one of {', '.join(allowed)} here, not {data['on_fail']!r}")
        else:
            options["on_fail"] = OnFail(data["on_fail"])
    if is_stage:
        wrong += _stages(data, options)
        wrong += _gate_and_confirm(data, options, line)
    return options, tuple(Problem(line, message) for message in wrong)


def _stages(data: Mapping[str, Any], options: dict[str, Any]) -> list[str]:
    wrong = []
    for key, name in (("id", "first"), ("through", "last")):
        given = data.get(key)
        if given is None and key == "through":
            options[name] = options.get("first")
        elif given not in [stage.value for stage in StageName]:
            near = difflib.get_close_matches(str(given), [stage.value for stage in StageName], n=1)
            hint = f", did you mean {near[0]!r}?" if near else f": {', '.join(StageName)}"
            wrong.append(f"{key} is {'missing' if given is None else f'no stage: {given!r}'}{hint}")
        else:
            options[name] = StageName(given)
    if "first" in options and options.get("last") is None:
        options["last"] = options["first"]
    return wrong


def _gate_and_confirm(data: Mapping[str, Any], options: dict[str, Any], line: int) -> list[str]:
    wrong = []
    if "confirm" in data:
        words = str(data["confirm"]).split(" ", 1)
        if len(words) != 2 or words[0] != "type" or not words[1].strip():
            wrong.append(f'confirm is "type WORDS", not {data["confirm"]!r}')
        else:
            options["confirm"] = words[1].strip()
    if "gate" in data:
        found = _GATE.fullmatch(str(data["gate"]).strip())
        if found is None or found[1] not in GATES:
            wrong.append(f"a gate is NAME >= NUMBER or NAME <= NUMBER, the name one of {', '.join(GATES)}")
        elif found[2] != GATES[found[1]][1]:
            wrong.append(f"the gate of {found[1]} is drawn with {GATES[found[1]][1]}")
        else:
            options["gate"] = Gate(found[1], found[2], found[3], line)
    return wrong
