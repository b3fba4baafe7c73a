"""Where the command line's words go: results to stdout, everything else to stderr, errors in one shape."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from sdconsole.core.events import ErrorReport
from sdconsole.core.summary import error_document
from sdconsole.errors import SdconsoleError
from sdconsole.interfaces.exit_codes import exit_code
from sdconsole.interfaces.safe_text import safe_text


def open_missing_streams() -> None:
    """Give what the caller has closed a place to go, and let no letter stop a command.

    Otherwise the next file that is opened gets the number of a closed stream, and messages end up in it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write_result(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def write_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """The one JSON document of a `--json` command. NaN is an error, not output."""
    write_result(json.dumps(document, indent=2, ensure_ascii=not takes_all(), allow_nan=False, default=str))


def takes_all() -> bool:
    """Whether stdout can hold every letter; JSON writes them as escapes where it cannot."""
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"


def write_message(text: str) -> None:
    """A line for the person at the terminal. Where it cannot be written, the exit code has to say it alone."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except BrokenPipeError:
        raise
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


_TOLD: ContextVar[bool] = ContextVar("_TOLD", default=False)
"""Whether this command has said what comes next."""


def write_next(text: str) -> None:
    """The next likely command; a result ends with it once."""
    _TOLD.set(True)
    write_message(f"next: {text}")


def told_next() -> bool:
    return _TOLD.get()


def nothing_told_yet() -> None:
    """A command begins."""
    _TOLD.set(False)


def error_lines(error: ErrorReport | SdconsoleError, *, run: str = "", log: str = "") -> list[str]:
    """The error as a person reads it: what, why, what is true now, what to do."""
    lines = [f"error[{error.slug}]: {safe_text(error.message)}"]
    parts = (("cause", error.cause), ("state", error.state), ("next", error.next_step), ("run", run), ("log", log))
    for label, text in parts:
        lines += _labelled(label, text)
    return lines


def _labelled(label: str, text: str) -> Iterable[str]:
    for index, line in enumerate(text.splitlines()):
        yield f"  {label + ':' if index == 0 else '':<7}{safe_text(line)}"


def show_error(error: SdconsoleError, *, as_json: bool, result: Mapping[str, Any] | None = None) -> int:
    """Tell an error that stopped a command before or outside a run; returns the exit code.

    `result` is what the command found all the same: it becomes part of the one JSON document.
    """
    report = ErrorReport(
        error.slug, error.message, error.cause, error.state or "nothing was changed", error.next_step, error.verdict
    )
    code = exit_code(error.verdict)
    for line in error_lines(report):
        write_message(line)
    if as_json:
        write_json(
            {
                "schema": 1,
                **(result or {}),
                "verdict": error.verdict,
                "exit_code": int(code),
                "error": error_document(report),
            }
        )
    return code


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their longest cell; the last one is left open. Cells are made safe for the terminal."""
    cells = [[safe_text(cell) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in [list(header), *cells]) for index in range(len(header))]
    for row in [list(header), *cells]:
        write_result("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
