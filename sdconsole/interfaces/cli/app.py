"""The `sdconsole` command: the Typer application and the process edge where every error becomes a sentence."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import typer

from sdconsole.config import load_settings
from sdconsole.errors import SdconsoleError, UsageError, from_os_error
from sdconsole.interfaces.cli import (
    alert_commands,
    attach_commands,
    backup_commands,
    blocker_commands,
    config_commands,
    contract_commands,
    dashboard_commands,
    db_commands,
    decide_commands,
    doctor_command,
    log_commands,
    look_commands,
    make_commands,
    metric_commands,
    observe_commands,
    quarantine_commands,
    report_commands,
    run_commands,
    run_upkeep_commands,
    runbook_commands,
    serve_command,
    status_command,
    target_commands,
)
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.console import Opening, open_console
from sdconsole.interfaces.cli.examples import put_examples
from sdconsole.interfaces.cli.next_steps import put_next_steps
from sdconsole.interfaces.cli.output import open_missing_streams, show_error, write_message, write_next
from sdconsole.interfaces.exit_codes import ExitCode
from sdconsole.interfaces.terminal import look_at_terminal

app = typer.Typer(
    name="sdconsole",
    help="Example: sdconsole demo --size 20000\n\n"
    "Deploy a ServiceDesk export from SQLite into PostgreSQL, safely. Without a command: the console.",
    invoke_without_command=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def console(context: typer.Context, read_only: opt.ReadOnly = False, debug: opt.Debug = False) -> None:  # noqa: ARG001
    """Deploy a ServiceDesk export from SQLite into PostgreSQL, safely. Without a command: the console."""
    if context.invoked_subcommand is not None:
        if read_only:
            raise UsageError(
                "usage",
                "--read-only is for the console",
                cause=f"{context.invoked_subcommand} is a command of its own",
                next_step="sdconsole --read-only, or sdconsole attach --read-only",
            )
        return
    reason = look_at_terminal().why_no_console
    if reason:
        write_message(f"the console cannot open here: {reason}")
        write_message("without it: sdconsole demo --yes, sdconsole plan EXPORT, sdconsole deploy EXPORT")
        write_next("sdconsole --help")
        raise typer.Exit(ExitCode.USAGE)
    raise typer.Exit(open_console(load_settings(), Opening(read_only=read_only)))


for commands in (
    run_commands,
    run_upkeep_commands,
    decide_commands,
    doctor_command,
    blocker_commands,
    attach_commands,
    serve_command,
    look_commands,
    status_command,
    report_commands,
    log_commands,
    observe_commands,
    alert_commands,
    quarantine_commands,
    backup_commands,
    target_commands,
    contract_commands,
    metric_commands,
    dashboard_commands,
    runbook_commands,
    config_commands,
    make_commands,
    db_commands,
):
    commands.register(app)
put_examples(app)
put_next_steps(app)


_COMPLETION = "_SDCONSOLE_COMPLETE"
"""Set by the shell that asks what could come next."""
_DEBUG = "--debug"
_SLUGS = {
    "NoSuchOption": "unknown-option",
    "MissingParameter": "missing-argument",
    "BadParameter": "bad-value",
    "BadOptionUsage": "bad-value",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    open_missing_streams()
    if _COMPLETION in os.environ:
        app(prog_name="sdconsole")  # answers the shell and ends the process
    given, debug = _without_debug(list(sys.argv[1:] if arguments is None else arguments))
    try:
        code = _run(given, debug=debug)
    except BrokenPipeError:
        code = ExitCode.PIPE_CLOSED
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # what is left cannot be said; at exit it would only spoil the exit code
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def _without_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """`--debug` may stand anywhere before a `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    own = [word for word in arguments[:end] if word != _DEBUG]
    return [*own, *arguments[end:]], len(own) < end


def _run(arguments: list[str], *, debug: bool) -> int:
    as_json = "--json" in arguments or "--output=json" in arguments
    try:
        code = _call(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, typer.Abort):
        write_message("interrupted")
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the process edge: no traceback reaches an operator who does not ask
        if debug:
            write_message(traceback.format_exc())
        return show_error(_known(error), as_json=as_json)


def _call(arguments: list[str]) -> int:
    try:
        command = typer.main.get_command(app)  # called step by step: Typer itself would hide a closed pipe
        with command.make_context("sdconsole", arguments) as context:
            code = command.invoke(context)
    except typer.Exit as ended:
        return int(ended.exit_code)
    except SystemExit as ended:
        raise BrokenPipeError from ended  # only help ends so: its printer found nobody reading
    return int(code or 0)


def _known(error: Exception) -> SdconsoleError:
    """The operator's form of what stopped the command."""
    if isinstance(error, SdconsoleError):
        return error
    if isinstance(error, typer.TyperException):
        return _usage(error)
    if isinstance(error, OSError):
        return from_os_error(
            error,
            "a file or the output could not be read or written",
            state="what the command had finished before stands: sdconsole status",
        )
    return SdconsoleError(
        "internal",
        "sdconsole stopped on an error that it does not know",
        cause=f"{type(error).__name__}: {error}",
        state="live is as the ledger says: sdconsole versions list",
        next_step="run it again with --debug and report what it prints",
    )


def _usage(error: typer.TyperException) -> UsageError:
    text = error.format_message().strip()
    context = getattr(error, "ctx", None)
    return UsageError(
        _SLUGS.get(type(error).__name__, "usage"),
        text.splitlines()[0] if text else "the command line cannot be used",
        cause=" ".join(text.splitlines()[1:])
        or f"{context.command_path if context is not None else 'sdconsole'} does not take it that way",
        next_step="sdconsole --help, or --help after a command",
    )


if __name__ == "__main__":
    main()
