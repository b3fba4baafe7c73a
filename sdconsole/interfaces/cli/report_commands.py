"""Commands that read the record of runs for people: `report`, and `runs diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdconsole.config import Settings, load_settings
from sdconsole.errors import CheckFailed
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.completing import complete_runs
from sdconsole.interfaces.cli.look_commands import runs_app
from sdconsole.interfaces.cli.output import table, write_json, write_message, write_result
from sdconsole.service import reporting
from sdconsole.service.reporting import ReportFormat
from sdconsole.source.open import check_output, new_file

NewestRun = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="A run id; default: the newest run.", autocompletion=complete_runs)
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(report)
    runs_app.command("diff")(runs_diff)


def report(
    run: NewestRun = None,
    form: Annotated[
        ReportFormat | None, typer.Option("--format", help="Print it instead: html, md (for a ticket) or json.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write the printed form to a new file.")
    ] = None,
    no_samples: Annotated[bool, typer.Option("--no-samples", help="Leave single values of the data out.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare the run's files with its SHA256SUMS.")] = False,
    json: opt.Json = False,
    state_dir: opt.StateDir = None,
) -> None:
    """Make the report of a run anew from its journal: report.html, report.md and SHA256SUMS in its folder."""
    settings = load_settings(state_dir=state_dir)
    chosen = run or reporting.newest_run(settings)
    samples = False if no_samples else None
    if check:
        _check(settings, chosen, json=json)
        return
    form = ReportFormat.HTML if to is not None and form is None and not json else form
    if json or form is ReportFormat.JSON:
        write_json(reporting.report_document(settings, chosen))
    elif form is None:
        folder = reporting.make_report(settings, chosen, samples=samples)
        for name in ("report.html", "report.md", "run.json", "SHA256SUMS"):
            write_result(str(folder / name))
    else:
        text = reporting.report_text(settings, chosen, form, samples=samples)
        if to is None:
            write_result(text.rstrip("\n"))
            return
        check_output(to)
        with new_file(to) as temporary:
            temporary.write_text(text, encoding="utf-8")
        write_message(f"{to} written")


def _check(settings: Settings, run: str, *, json: bool) -> None:
    changed = reporting.changed_files(settings, run)
    if changed:
        raise CheckFailed(
            "evidence-changed",
            f"{len(changed)} file(s) of {run} are not what its SHA256SUMS says",
            cause="\n".join(f"{one.name}: {one.what}" for one in changed),
            next_step=f"find out who changed them; sdconsole report {run} writes new sums",
        )
    if json:
        write_json({"schema": 1, "run": run, "changed": []})
    else:
        write_result(f"{run}: every file is what its SHA256SUMS says")


def runs_diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A run id.", autocompletion=complete_runs)],
    after: Annotated[str, typer.Argument(metavar="B", help="Another run id.", autocompletion=complete_runs)],
    json: opt.Json = False,
    state_dir: opt.StateDir = None,
) -> None:
    """What is different between two runs: outcome, settings, score, rows, metrics, time."""
    found = reporting.compare_runs(load_settings(state_dir=state_dir), before, after)
    if json:
        write_json({"schema": 1, "before": before, "after": after, "differences": [one.to_dict() for one in found]})
        return
    if not found:
        write_result("no difference")
        return
    table(["about", "what", before, after, "change"], [[one.about, one.name, *one.words] for one in found])
