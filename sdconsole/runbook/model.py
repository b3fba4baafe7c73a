"""What a runbook is once it is read: parameters, steps, checks, attestations. Knows no file, server or terminal."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sdconsole.core.model import Mode, StageName

SCHEMA = 1
RUNBOOK_ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
PARAM_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""Where a parameter's value is put into a text that a person reads or types."""
BUILT_IN = frozenset({"live_schema", "target", "reader_role", "last_run", "last_verdict", "last_stage", "last_error"})
"""What texts and checks may name without declaring it. The last run is the newest one before the walk; `last_stage` is
the stage that stopped it and `last_error` the slug of its error, both empty when it went well."""


class OnFail(StrEnum):
    STOP = "stop"
    NOTE = "note"
    """A check's rows are a finding: they are recorded, and the walk goes on."""
    ROLLBACK = "rollback"
    """A failed verification switches back by itself."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a runbook, with its line in the file (from 1)."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Param:
    """`default` None = whoever walks must give it."""

    name: str
    help: str
    default: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Check:
    """A read-only query: no row passes, rows are evidence."""

    name: str
    sql: str
    line: int


@dataclass(frozen=True, slots=True)
class Gate:
    """A limit of the engine that this runbook draws tighter, e.g. `score >= 85`."""

    name: str
    operator: str
    value: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One `##` heading. With `first` it is stages of the engine, else work for a person.

    `timeout_seconds` ends the stages or each check of the step; `box_seconds` is what the step should take: going over
    is recorded. `text` is its Markdown as written.
    """

    number: int
    title: str
    line: int
    text: str = ""
    first: StageName | None = None
    last: StageName | None = None
    checks: tuple[Check, ...] = ()
    attestations: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    """Blocks in console or sh: shown, never run."""
    timeout_seconds: float | None = None
    box_seconds: float | None = None
    gate: Gate | None = None
    confirm: str = ""
    on_fail: OnFail = OnFail.STOP

    @property
    def is_stage(self) -> bool:
        return self.first is not None


@dataclass(frozen=True, slots=True)
class Runbook:
    id: str
    title: str
    mode: Mode
    params: tuple[Param, ...]
    steps: tuple[Step, ...]
    text: str
    """The file's whole text: what a walk keeps a copy of."""

    @property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def param(self, name: str) -> Param | None:
        return next((param for param in self.params if param.name == name), None)


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with every `{name}` that has a value replaced by it; what has none stays as it is written."""
    return PLACE.sub(lambda found: values.get(found[1], found[0]), text)
