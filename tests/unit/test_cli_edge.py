"""Exit codes and the shape of errors, in both forms."""

from __future__ import annotations

import json

import pytest

from sdconsole.errors import SdconsoleError, UsageError, Verdict, from_os_error
from sdconsole.interfaces.cli.output import error_lines, show_error, table
from sdconsole.interfaces.exit_codes import ExitCode, exit_code


def subclasses(kind: type[SdconsoleError]) -> set[type[SdconsoleError]]:
    return {kind} | {deeper for child in kind.__subclasses__() for deeper in subclasses(child)}


def test_every_verdict_has_an_exit_code_and_every_error_a_verdict() -> None:
    assert all(isinstance(exit_code(verdict), ExitCode) for verdict in Verdict)
    assert {exit_code(kind.verdict) for kind in subclasses(SdconsoleError)} >= {1, 2, 3, 4, 5, 6, 7, 8, 9, 124, 130}


def test_an_error_is_told_in_the_same_words_to_people_and_to_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    error = UsageError("source-missing", "there is no export.db", cause="No such file", next_step="give its path")
    assert show_error(error, as_json=True) == 2
    shown = capsys.readouterr()
    assert shown.err.splitlines() == [
        "error[source-missing]: there is no export.db",
        "  cause: No such file",
        "  state: nothing was changed",
        "  next:  give its path",
    ]
    document = json.loads(shown.out)
    assert document["exit_code"] == 2
    assert document["error"]["cause"] == "No such file"


def test_text_from_data_cannot_drive_the_terminal_through_an_error_or_a_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hostile = "\x1b]52;c;aGk=\x07 \x9b31m [bold]x[/nope] \u202e"
    lines = error_lines(UsageError("x", hostile, cause=hostile + "\n" + hostile))
    table(["name"], [[hostile]])
    shown = "\n".join(lines) + capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)
    assert "[bold]x[/nope]" in shown


@pytest.mark.parametrize(
    ("number", "slug"), [(28, "disk-full"), (27, "disk-full"), (122, "disk-full"), (13, "file-error")]
)
def test_an_operating_system_error_becomes_a_sentence_with_the_file(number: int, slug: str) -> None:
    error = from_os_error(OSError(number, "reason", "clean.db"), "could not write")
    assert error.slug == slug
    assert error.cause == "reason (clean.db)"
    assert error.next_step
