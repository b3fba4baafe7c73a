"""Look on while another process executes a run: its progress as if it were ours, and its exit code at the end."""

from __future__ import annotations

import sys

from sdconsole import service
from sdconsole.config import Settings
from sdconsole.core import runs
from sdconsole.core.projection import RunState, step
from sdconsole.interfaces.cli.execute import tell
from sdconsole.interfaces.cli.options import Output, RunOptions
from sdconsole.interfaces.cli.output import write_message
from sdconsole.interfaces.cli.progress import chosen, json_lines, progress_view


def watch_run(settings: Settings, run_id: str, options: RunOptions) -> int:
    """Follow the run until nobody executes it any more; returns the exit code that its end has.

    What lies before is told in one line; `jsonl` writes all of it.
    """
    state, told = RunState(), False
    mode = chosen(options.progress, stderr_is_terminal=sys.stderr.isatty())
    with progress_view(mode) as views:
        for new in service.news(settings, run_id):
            for record in new.records:
                state = step(state, record)
                if options.output is Output.JSONL:
                    json_lines(record)
                for view in views if told else ():
                    view(record)
            if not told:
                told = True
                current = f", in {state.current.name}" if state.current is not None else ""
                write_message(f"watching {run_id}{current}; Ctrl-C ends the watching, not the run")
    if state.finished is None:
        write_message(f"nobody executes {run_id} any more")
    return tell(state, options, folder=runs.run_folder(settings.state_dir, run_id))
