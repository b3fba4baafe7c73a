"""`sdconsole config`: show, validate, path, schema, init."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated, Any

import typer

from sdconsole.config import PROJECT_FILE, load_settings, user_file
from sdconsole.errors import UsageError
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.output import table, write_json, write_message, write_result
from sdconsole.interfaces.exit_codes import ExitCode
from sdconsole.interfaces.safe_text import safe_text
from sdconsole.service.settings_view import file_mistakes, settings_schema, shown_settings, starting_file
from sdconsole.source.open import new_file

config_app = typer.Typer(no_args_is_help=True, help="Settings: show, validate, path, schema, init.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(config_app, name="config")


@config_app.command("show")
def config_show(
    origin: Annotated[bool, typer.Option("--origin", help="Say where each comes from.")] = False,
    json: opt.Json = False,
) -> None:
    """Every setting as it is in force here."""
    found = shown_settings(load_settings())
    if json:
        write_json(
            {
                "schema": 1,
                "settings": {
                    one.key: {"value": one.value, "origin": one.origin} if origin else one.value for one in found
                },
            }
        )
        return
    if origin:
        table(["setting", "origin", "value"], [[one.key, one.origin, _text(one.value)] for one in found])
        return
    table(["setting", "value"], [[one.key, _text(one.value)] for one in found])


def _text(value: Any) -> str:
    return "-" if value is None else value if isinstance(value, str) else json_format.dumps(value)


@config_app.command("validate")
def config_validate(
    files: Annotated[list[Path] | None, typer.Argument(help="Files; default: those that are read here.")] = None,
    json: opt.Json = False,
) -> None:
    """Every mistake in settings files, with its line. Exit 2 when there is one."""
    paths = files or [path for path in (PROJECT_FILE, user_file()) if path.exists()]
    found = [(path, mistake) for path in paths for mistake in file_mistakes(path)]
    if not found and not files:
        load_settings()  # the variables too
    code = ExitCode.USAGE if found else ExitCode.OK
    if json:
        mistakes = [{"path": str(path), "line": one.line, "message": one.message} for path, one in found]
        write_json({"schema": 1, "files": [str(path) for path in paths], "mistakes": mistakes, "exit_code": int(code)})
    else:
        for path, one in found:
            write_result(safe_text(f"{path}:{one.line}: {one.message}"))
        write_message(f"{len(found)} mistakes" if found else f"{len(paths)} files and the variables can be used")
    raise typer.Exit(code)


@config_app.command("path")
def config_path(json: opt.Json = False) -> None:
    """The files that are read here, the stronger one first."""
    paths = [PROJECT_FILE.absolute(), user_file()]
    if json:
        write_json({"schema": 1, "files": [{"path": str(path), "exists": path.exists()} for path in paths]})
        return
    for path in paths:
        write_result(safe_text(f"{path}{'' if path.exists() else '  (not there)'}"))


@config_app.command("schema")
def config_schema() -> None:
    """The JSON schema of a settings file, for editors."""
    write_json(settings_schema())


@config_app.command("init")
def config_init(
    path: Annotated[Path, typer.Argument(help="A new file.")] = PROJECT_FILE, json: opt.Json = False
) -> None:
    """Write a settings file with every setting as a comment. Overwrites nothing."""
    if path.exists():
        raise UsageError(
            "output-exists",
            f"{path} is there already",
            cause="settings are never overwritten",
            next_step=f"sdconsole config validate {path}",
        )
    with new_file(path) as temporary:
        temporary.write_text(starting_file(), encoding="utf-8")
    if json:
        write_json({"schema": 1, "path": str(path)})
    else:
        write_result(f"wrote {safe_text(str(path))}; edit it")
