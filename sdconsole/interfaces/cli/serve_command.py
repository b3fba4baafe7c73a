"""`sdconsole serve`: the console in a browser of this machine."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from sdconsole import service
from sdconsole.config import load_settings
from sdconsole.errors import UsageError
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.completing import complete_runs
from sdconsole.interfaces.cli.output import write_message, write_result

Run = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="A run id to open; default: the list of runs.", autocompletion=complete_runs),
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 = any free one.")]
Control = Annotated[
    bool, typer.Option("--allow-control", help="Tabs may answer, pause and give up runs; without it they only look.")
]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(serve)


def serve(run: Run = None, port: Port = 8421, allow_control: Control = False, state_dir: opt.StateDir = None) -> None:
    """Open the console to browsers of this machine; each tab attaches to runs and executes none. Ends with Ctrl-C."""
    settings = load_settings(state_dir=state_dir)
    run_id = service.load_run(settings, run).run_id if run is not None else ""
    if find_spec("textual_serve") is None:
        raise UsageError(
            "web-missing",
            "what serves pages is not installed",
            cause="it belongs to the extra 'web'",
            next_step="pip install 'sdconsole[web]'     or look from a terminal: sdconsole attach",
        )
    from sdconsole.interfaces.web.server import ConsoleServer, listen, tab_command

    command = tab_command(settings.state_dir, run_id, control=allow_control)

    def announce(address: str) -> None:
        write_result(address)
        write_message(f"{'tabs may change runs' if allow_control else 'read-only'}; Ctrl-C ends it and every tab")

    ConsoleServer(command, listen(port), announce).run()
