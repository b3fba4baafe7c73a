"""`sdconsole observe`: metrics for Prometheus, as a file, on a port of this machine, or as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdconsole.config import load_settings
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.output import table, write_json, write_message, write_result
from sdconsole.observe.families import FAMILIES
from sdconsole.service import monitoring

DEFAULT_PORT = 9469

observe_app = typer.Typer(no_args_is_help=True, help="Metrics for Prometheus.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(observe_app, name="observe")


@observe_app.command("write")
def write(
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="E.g. in a node exporter's textfile folder.")
    ] = None,
    state_dir: opt.StateDir = None,
) -> None:
    """Write the metrics file now, in one step; runs write it themselves when a stage ends."""
    write_result(str(monitoring.write_metrics(load_settings(state_dir=state_dir), to)))


@observe_app.command("serve")
def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="On 127.0.0.1; 0 = any.")] = DEFAULT_PORT,
    state_dir: opt.StateDir = None,
) -> None:
    """Serve /metrics on 127.0.0.1 until Ctrl-C, fed by the journals of this state folder."""
    settings = load_settings(state_dir=state_dir)
    with monitoring.serve_metrics(settings, port, write_message) as server:
        write_result(f"http://127.0.0.1:{server.server_address[1]}/metrics")
        server.serve_forever()


@observe_app.command("list")
def list_metrics(json: opt.Json = False) -> None:
    """Every metric with its type, its labels and what it says."""
    if json:
        rows = [{"name": f.name, "type": f.kind, "labels": list(f.labels), "help": f.help} for f in FAMILIES]
        write_json({"schema": 1, "metrics": rows})
        return
    table(["metric", "type", "labels", "what"], [[f.name, f.kind, ", ".join(f.labels), f.help] for f in FAMILIES])
