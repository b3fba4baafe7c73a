"""What this terminal can do, decided once before anything is drawn.

The console draws on standard error and would fill a file or a dumb terminal with escape sequences without noticing,
and Textual takes NO_COLOR out of the environment, so all of it is looked at here first. Knows nothing of runs.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

MIN_COLUMNS = 40
MIN_LINES = 12
_WITHOUT_GLYPHS = frozenset({"linux", "vt100", "vt102", "vt220", "ansi", "cons25"})
"""Terminals whose fonts lack most of what Unicode has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """`unicode` is False where only ASCII can be drawn; `colour` follows NO_COLOR (no-color.org)."""

    input_is_terminal: bool
    output_is_terminal: bool
    messages_are_terminal: bool
    dumb: bool
    colour: bool
    unicode: bool
    columns: int
    lines: int

    @property
    def can_ask(self) -> bool:
        """A question can be shown on standard error and answered on standard input."""
        return self.input_is_terminal and self.messages_are_terminal

    @property
    def can_redraw(self) -> bool:
        """Lines on standard error can be drawn over: live progress instead of one line for each step."""
        return self.messages_are_terminal and not self.dumb

    @property
    def why_no_console(self) -> str:
        """The reason, in words, why the full-screen console cannot be opened here; "" when it can."""
        streams = {
            "standard input": self.input_is_terminal,
            "standard output": self.output_is_terminal,
            "standard error": self.messages_are_terminal,
        }
        for name, is_terminal in streams.items():
            if not is_terminal:
                return f"{name} is not a terminal"
        if self.dumb:
            return "TERM is dumb or not set"
        if self.columns < MIN_COLUMNS or self.lines < MIN_LINES:
            return f"the terminal has {self.columns}x{self.lines}, the console needs {MIN_COLUMNS}x{MIN_LINES}"
        return ""


def look_at_terminal(
    environment: Mapping[str, str] | None = None,
    *,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
) -> Terminal:
    """Examine the given or the process's own environment and streams. Reads only, never raises."""
    environ = os.environ if environment is None else environment
    messages = stderr or sys.stderr
    size = _size(messages, environ)
    kind = environ.get("TERM", "")
    dumb = kind in ("", "dumb", "unknown")
    return Terminal(
        input_is_terminal=_is_terminal(stdin or sys.stdin),
        output_is_terminal=_is_terminal(stdout or sys.stdout),
        messages_are_terminal=_is_terminal(messages),
        dumb=dumb,
        colour=not dumb and not environ.get("NO_COLOR"),
        unicode=kind not in _WITHOUT_GLYPHS and _speaks_unicode(messages, environ),
        columns=size.columns,
        lines=size.lines,
    )


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # a closed stream
        return False


def _size(stream: TextIO | None, environ: Mapping[str, str]) -> os.terminal_size:
    """COLUMNS and LINES where they are set, then the stream's own size, then 80x24."""
    columns, lines = (_number(environ.get(name)) for name in ("COLUMNS", "LINES"))
    if not (columns and lines):
        try:
            real = os.get_terminal_size(stream.fileno()) if stream is not None else os.terminal_size((80, 24))
        except (OSError, ValueError, AttributeError):
            real = os.terminal_size((80, 24))
        columns, lines = columns or real.columns or 80, lines or real.lines or 24
    return os.terminal_size((columns, lines))


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0


def _speaks_unicode(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Both the stream and a locale that was set on purpose must be UTF-8. Python itself turns an absent locale into
    UTF-8, and so do most containers' terminals."""
    if not _is_utf8(getattr(stream, "encoding", None) or "ascii"):
        return False
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    if not locale:
        return True
    _, dot, charset = locale.partition("@")[0].partition(".")
    return _is_utf8(charset) if dot else False


def _is_utf8(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        return False
