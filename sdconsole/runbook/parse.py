"""Reads a runbook: GitHub Markdown with TOML in fences. Reports every mistake with its line; runs nothing.

`# Title`, one ```toml runbook block, and a `##` heading for each step. What stands in a step: ```toml stage (the
engine's work) or ```toml step (options of a manual step), ```sql check NAME, `- [ ] text`, `> [!WARNING]`. Everything
else is prose, and console and sh blocks are shown to whoever walks.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from sdconsole.core.model import Mode
from sdconsole.errors import UsageError
from sdconsole.runbook.model import PARAM_NAME, RUNBOOK_ID, SCHEMA, Check, Param, Problem, Runbook, Step
from sdconsole.runbook.options import step_options
from sdconsole.small_file import parse_toml, read_small, reason

MAX_BYTES = 1_000_000
_SHOWN = frozenset({"console", "sh", "bash", "shell"})
_NUMBER = re.compile(r"^\d+[.)]\s+")
_BOX = re.compile(r"\[(.)\]\s+(.+)", re.DOTALL)
_ALERT = re.compile(r"\[!WARNING\]\s*(.*)", re.DOTALL)
_TOML_LINE = re.compile(r"at line (\d+)")
_CHECK_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(slots=True)
class _Section:
    """A step while it is being read."""

    title: str
    line: int
    last_line: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    options_line: int = 0
    is_stage: bool = False
    checks: list[Check] = field(default_factory=list)
    attestations: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.splitlines()
        self.problems: list[Problem] = []
        self.title = ""
        self.head: dict[str, Any] = {}
        self.head_line = 0
        self.sections: list[_Section] = []

    def wrong(self, line: int, message: str) -> None:
        self.problems.append(Problem(line, message))

    def read(self) -> None:
        tokens = MarkdownIt("commonmark").parse(self.text)
        item_depth = quote_depth = 0
        for index, token in enumerate(tokens):
            line = token.map[0] + 1 if token.map else 1
            match token.type:
                case "list_item_open" | "list_item_close":
                    item_depth += token.nesting
                case "blockquote_open" | "blockquote_close":
                    quote_depth += token.nesting
                case "heading_open" if token.level == 0:
                    self._heading(token, tokens[index + 1].content, line)
                case "fence":
                    self._fence(token, line)
                case "inline" if item_depth and token.level >= 2:
                    self._item(token.content, line)
                case "inline" if quote_depth:
                    self._quote(token.content)
        for index, section in enumerate(self.sections):
            following = self.sections[index + 1 : index + 2]
            section.last_line = following[0].line - 1 if following else len(self.lines)

    def _heading(self, token: Token, label: str, line: int) -> None:
        if token.tag == "h1":
            if self.title:
                self.wrong(line, "a second title; a runbook has one `# Title`")
            self.title = label
        elif token.tag == "h2":
            self.sections.append(_Section(_NUMBER.sub("", label), line))

    def _fence(self, token: Token, line: int) -> None:
        language, *words = token.info.split() or [""]
        if token.level > 0 and language in ("toml", "sql") and words:
            self.wrong(line, "the block is inside a list or a quotation; put it at the left margin")
        elif language == "toml":
            self._toml(words, token.content, line)
        elif language == "sql":
            self._sql(words, token.content, line)
        elif language in _SHOWN and self.sections:
            self.sections[-1].commands.append(token.content.rstrip("\n"))

    def _toml(self, words: list[str], content: str, line: int) -> None:
        kind = " ".join(words)
        if kind not in ("runbook", "stage", "step"):
            near = difflib.get_close_matches(kind, ["runbook", "stage", "step"], n=1)
            hint = f"did you mean `toml {near[0]}`?" if near else "a block is `toml runbook`, `toml stage`, `toml step`"
            self.wrong(line, f"`{f'toml {kind}'.rstrip()}` means nothing here; {hint}")
            return
        try:
            data = parse_toml(content)
        except ValueError as error:
            found = _TOML_LINE.search(str(error))
            self.wrong(line + int(found[1]) if found else line + content.count("\n"), str(error))
            data = {}
        if kind == "runbook":
            if self.head_line:
                self.wrong(line, f"a second `toml runbook` block; the first is on line {self.head_line}")
            elif self.sections:
                self.wrong(line, "the `toml runbook` block stands before the first step")
            self.head, self.head_line = data, line
        elif not self.sections:
            self.wrong(line, f"a `toml {kind}` block before the first `##` heading")
        elif self.sections[-1].options_line:
            self.wrong(line, f"a second block for this step; the first is on line {self.sections[-1].options_line}")
        else:
            section = self.sections[-1]
            section.options, section.options_line, section.is_stage = data, line, kind == "stage"

    def _sql(self, words: list[str], content: str, line: int) -> None:
        if not words:
            return  # shown, like any prose
        if words[0] != "check" or len(words) != 2 or not _CHECK_NAME.fullmatch(words[1]):
            self.wrong(line, "a check is written `sql check NAME`, the name in a-z, 0-9 and _")
        elif not self.sections:
            self.wrong(line, "a check before the first `##` heading")
        else:
            self.sections[-1].checks.append(Check(words[1], content.strip(), line))

    def _item(self, content: str, line: int) -> None:
        found = _BOX.match(content)
        if found is None:
            return
        if found[1] != " ":
            self.wrong(line, "the box is ticked in the file; ticks belong into a walk's record: write `- [ ]`")
        elif not self.sections:
            self.wrong(line, "an attestation before the first `##` heading")
        else:
            self.sections[-1].attestations.append(" ".join(found[2].split()))

    def _quote(self, content: str) -> None:
        found = _ALERT.match(content)
        if found and self.sections:
            self.sections[-1].warnings.append(" ".join(found[1].split()))

    def runbook(self) -> Runbook:
        if not self.title:
            self.wrong(1, "the title is missing: the first line is `# Title`")
        if not self.head_line:
            self.wrong(1, "the `toml runbook` block is missing: schema, id, params")
        if not self.sections:
            self.wrong(1, "there is no step: each `##` heading is one")
        steps = tuple(self._step(number, section) for number, section in enumerate(self.sections, start=1))
        return Runbook(
            id=self._id(),
            title=self.title,
            mode=self._mode(),
            params=tuple(self._params()),
            steps=steps,
            text=self.text,
        )

    def _step(self, number: int, section: _Section) -> Step:
        options, problems = step_options(section.options, line=section.options_line, is_stage=section.is_stage)
        self.problems += problems
        return Step(
            number=number,
            title=section.title,
            line=section.line,
            text="\n".join(self.lines[section.line - 1 : section.last_line]).strip("\n"),
            checks=tuple(section.checks),
            attestations=tuple(section.attestations),
            warnings=tuple(section.warnings),
            commands=tuple(section.commands),
            **options,
        )

    def _id(self) -> str:
        given = self.head.get("id")
        if self.head_line and (not isinstance(given, str) or not RUNBOOK_ID.fullmatch(given)):
            self.wrong(self.head_line, "id is missing or no name: a-z, 0-9 and hyphens, e.g. quarterly-import")
        if self.head_line and self.head.get("schema") != SCHEMA:
            self.wrong(self.head_line, f"schema = {SCHEMA} is missing: this version reads no other")
        known = ("schema", "id", "mode", "params")
        for key in self.head:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                self.wrong(self.head_line, f"unknown key {key!r}" + (f", did you mean {near[0]!r}?" if near else ""))
        return given if isinstance(given, str) else ""

    def _mode(self) -> Mode:
        given = self.head.get("mode", Mode.COMPLETE.value)
        if given not in [mode.value for mode in Mode]:
            self.wrong(self.head_line, f"mode is one of {', '.join(Mode)}, not {given!r}")
            return Mode.COMPLETE
        return Mode(given)

    def _params(self) -> Iterator[Param]:
        given = self.head.get("params", {})
        if not isinstance(given, dict):
            self.wrong(self.head_line, 'params is a table: params.source = { help = "the export" }')
            return
        for name, value in given.items():
            if not PARAM_NAME.fullmatch(name):
                self.wrong(self.head_line, f"{name!r} is no name for a parameter: a-z, 0-9 and _")
            elif not isinstance(value, dict) or not isinstance(value.get("help"), str) or not value["help"]:
                self.wrong(self.head_line, f'params.{name} needs a help text: {{ help = "..." }}')
            elif set(value) - {"help", "default"}:
                wrong = ", ".join(sorted(set(value) - {"help", "default"}))
                self.wrong(self.head_line, f"params.{name}: unknown key {wrong}; known: help, default")
            else:
                default = value.get("default")
                yield Param(name, value["help"], None if default is None else str(default), self.head_line)


def parse(text: str) -> tuple[Runbook, tuple[Problem, ...]]:
    """The runbook and what is wrong with its form, by line. With a problem the runbook is only good for looking."""
    reader = _Reader(text)
    reader.read()
    runbook = reader.runbook()
    return runbook, tuple(sorted(reader.problems, key=lambda problem: problem.line))


def read_text(path: Path) -> str:
    """The file's text. Raises UsageError ("runbook-unreadable")."""
    try:
        return read_small(path, most=MAX_BYTES).decode()
    except (OSError, ValueError) as error:
        raise UsageError(
            "runbook-unreadable",
            f"the runbook {path} cannot be read",
            cause=reason(error),
            next_step="sdconsole runbook list",
        ) from error
