"""The reference page of the command line: every command with its arguments and options, as the program knows them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from sdconsole.interfaces.cli.app import app
from sdconsole.interfaces.cli.examples import EXAMPLES

_PAGE = """\
# Commands

Every command with its options, as `--help` after it says too. `--debug` may stand after each of them, and
adds the traceback to an error. Options that many commands share are named with each; all of them also say `--help`.

"""


def command_tree() -> dict[str, Any]:
    """Every command that does something, by its words."""
    return dict(_commands(typer.main.get_command(app), ""))


def _commands(group: Any, above: str) -> Iterator[tuple[str, Any]]:
    for name, command in sorted(group.commands.items()):
        words = f"{above}{name}"
        if hasattr(command, "commands"):
            yield from _commands(command, f"{words} ")
        else:
            yield words, command


def commands_page() -> str:
    return _PAGE + "\n".join(_part(words, command) for words, command in command_tree().items())


def _part(words: str, command: Any) -> str:
    said = inspect.cleandoc(command.help or "").split("\n\n")
    purpose = " ".join(" ".join(part for part in said if not part.startswith("Example:")).split())
    rows = [_row(one) for one in command.params if one.name != "help"]
    table = "| | |\n|---|---|\n" + "\n".join(rows) + "\n" if rows else ""
    return f"## {words}\n\n{purpose}\n\n    sdconsole {EXAMPLES[words]}\n\n{table}"


def _row(parameter: Any) -> str:
    names = [*parameter.opts, *parameter.secondary_opts] if parameter.param_type_name == "option" else []
    shown = ", ".join(f"`{name}`" for name in names) or f"`{parameter.metavar or parameter.name.upper()}`"
    return f"| {shown} | {' '.join((parameter.help or '').split())} |".replace("\\|", "|")
