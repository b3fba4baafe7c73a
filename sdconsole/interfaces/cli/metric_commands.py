"""`sdconsole metrics`: what the dashboards' figures are, what they mean, and what another version changes in them."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from sdconsole.analytics.catalog import DECIMALS, Kind, Metric, load_catalog
from sdconsole.analytics.compare import Change, by_weight
from sdconsole.analytics.compose import Scope
from sdconsole.config import load_settings
from sdconsole.errors import CheckFailed, GateFailed, SdconsoleError, UsageError
from sdconsole.interfaces.cli import metric_text as text
from sdconsole.interfaces.cli import options as opt
from sdconsole.interfaces.cli.completing import complete_versions
from sdconsole.interfaces.cli.output import show_error, table, write_json, write_message, write_result
from sdconsole.quality.clean.quarantine import safe_cell
from sdconsole.service import metrics as service

metrics_app = typer.Typer(no_args_is_help=True, help="The dashboards' figures: look at them, compare two versions.")

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids like 1.1 or E2; default: all.")]
Kinds = Annotated[list[Kind] | None, typer.Option("--kind", help="metric, template or panel; can be repeated.")]
On = Annotated[str, typer.Option("--on", metavar="WHERE", help="live, candidate, or a version's name.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV that no spreadsheet executes.")]
Begins = Annotated[
    datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], metavar="DAY", help="First day to look at.")
]
Ends = Annotated[
    datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], metavar="DAY", help="The day after the last one.")
]
Teams = Annotated[list[str] | None, typer.Option("--team", metavar="NAME", help="Only this team; can be repeated.")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.001, metavar="SECONDS", help="For each query; default: 30.")
]
Trend = Annotated[bool, typer.Option("--trend", help="Also each of the last seven days of the data.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(metrics_app, name="metrics")


@metrics_app.command("list")
def metrics_list(kind: Kinds = None, json: opt.Json = False, csv: Csv = False) -> None:
    """Every entry of the catalogue with its unit, its thresholds and what it means."""
    _one_format(json, csv)
    found = service.choose_metrics((), kind or tuple(Kind))
    if json:
        write_json({"schema": 1, "metrics": [_entry(metric) for metric in found]})
        return
    header = ["id", "kind", "metric", "unit", "thresholds", "panel", "refresh", "definition"]
    rows = [
        [m.id, m.kind.value, m.title, m.unit, m.limits or "-", m.panel, m.refresh, m.unavailable or m.definition]
        for m in found
    ]
    if csv:
        _write_csv(header, rows)
        return
    table(header, rows)
    for missing in load_catalog().not_computable:
        write_message(f"not computable: {missing.title}: {missing.reason}")


@metrics_app.command("run")
def metrics_run(
    ids: Ids = None,
    kind: Kinds = None,
    on: On = service.LIVE,
    begins: Begins = None,
    ends: Ends = None,
    team: Teams = None,
    trend: Trend = False,
    timeout: Timeout = None,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    contract: opt.ContractPath = None,
    json: opt.Json = False,
    csv: Csv = False,
    state_dir: opt.StateDir = None,
) -> None:
    """Ask the figures. With ids each is drawn at length, with its rows and the thresholds."""
    _one_format(json, csv)
    chosen = service.choose_metrics(ids or (), kind or ())
    settings = load_settings(target=target, dsn=dsn, live_schema=schema, contract=contract, state_dir=state_dir)
    scope = _scope(begins, ends, team)
    figures = service.run(settings, chosen, on=on, scope=scope, trend=trend, timeout_seconds=timeout)
    failure = _failed_queries(figures)
    if json:
        _finish_json(_figures_document(figures), failure)
    elif csv:
        header = ["id", "name", "value", "unit", "n", "band", "seconds", "error"]
        documents = [result.to_dict() for result in figures.results]
        _write_csv(header, [[document[name] for name in header] for document in documents])
    elif ids:
        pen = text.Pen.of()
        for result in figures.results:
            text.write_styled([*text.detail_lines(result, figures.trends.get(result.metric.id, ()), pen)], pen)
    else:
        pen = text.Pen.of()
        rows = [text.result_row(result, figures.trends.get(result.metric.id, ()), pen) for result in figures.results]
        table(text.HEADER, rows)
    write_message(f"{figures.place.version or figures.place.schema}, read {figures.place.as_whom}")
    if failure is not None and not json:
        raise failure


def _failed_queries(figures: service.Figures) -> CheckFailed | None:
    if not figures.failed:
        return None
    return CheckFailed(
        "metrics-failed",
        f"{len(figures.failed)} of {len(figures.results)} queries failed",
        cause="\n".join(f"{result.metric.id} {result.error}" for result in figures.failed[:20]),
        next_step=f"sdconsole metrics sql {figures.failed[0].metric.id}",
    )


def _finish_json(document: dict[str, Any], failure: SdconsoleError | None) -> None:
    """One document, with the error in it where there is one; then the command ends with the error's exit code."""
    if failure is None:
        write_json(document)
        return
    raise typer.Exit(show_error(failure, as_json=True, result=document))


@metrics_app.command("sql")
def metrics_sql(
    metric_id: Annotated[str, typer.Argument(metavar="ID", help="An id like 1.1 or E2.")],
    begins: Begins = None,
    ends: Ends = None,
    team: Teams = None,
    target: opt.TargetName = None,
    schema: opt.Schema = None,
    contract: opt.ContractPath = None,
    json: opt.Json = False,
) -> None:
    """The query of one entry with everything written out, to be run elsewhere. Asks no server."""
    (metric,) = service.choose_metrics([metric_id])
    settings = load_settings(target=target, live_schema=schema, contract=contract)
    query = service.metric_sql(settings, metric, scope=_scope(begins, ends, team))
    if json:
        write_json({"schema": 1, "metric": _entry(metric), "sql": query})
        return
    write_result(query.rstrip())


@metrics_app.command("compare")
def metrics_compare(
    before: Annotated[
        str, typer.Argument(metavar="[BEFORE]", help="live, candidate or a version.", autocompletion=complete_versions)
    ] = service.LIVE,
    after: Annotated[
        str, typer.Argument(metavar="[AFTER]", help="live, candidate or a version.", autocompletion=complete_versions)
    ] = service.CANDIDATE,
    max_metric_change: Annotated[
        float | None,
        typer.Option("--max-metric-change", min=0, metavar="PERCENT", help="Exit 5 when a metric moves more."),
    ] = None,
    timeout: Timeout = None,
    target: opt.TargetName = None,
    dsn: opt.Dsn = None,
    schema: opt.Schema = None,
    contract: opt.ContractPath = None,
    json: opt.Json = False,
    csv: Csv = False,
    state_dir: opt.StateDir = None,
) -> None:
    """Each figure in two versions, what moved most first."""
    _one_format(json, csv)
    settings = load_settings(target=target, dsn=dsn, live_schema=schema, contract=contract, state_dir=state_dir)
    limit = max_metric_change if max_metric_change is not None else settings.max_metric_change
    found = service.compare_versions(settings, before, after, timeout_seconds=timeout)
    failure = _moved_too_far(found, limit)
    if json:
        _finish_json(_comparison_document(found, limit), failure)
    elif csv:
        header = ["id", "name", "unit", "state", "before", "after", "n_before", "n_after", "change", "change_percent"]
        header += ["band_before", "band_after", "error"]
        documents = [one.to_dict() for one in by_weight(found.changes)]
        _write_csv(header, [[document[name] for name in header] for document in documents])
    else:
        table(
            ["id", "metric", "before", "after", "change", "n before", "n after", "band", "limit"],
            [_change_row(one, limit) for one in by_weight(found.changes)],
        )
    write_message(f"{found.before.version or found.before.schema} against {found.after.version or found.after.schema}")
    if failure is not None and not json:
        raise failure


def _moved_too_far(found: service.Comparison, limit: float | None) -> GateFailed | None:
    over = [one for one in by_weight(found.changes) if limit is not None and one.exceeds(limit)]
    if not over:
        return None
    return GateFailed(
        "metric-changed",
        f"{len(over)} of {len(found.changes)} metrics moved by more than {limit:g} %",
        cause=", ".join(f"{one.metric_id} {one.name}" for one in over[:20]),
        next_step="look at one of them: sdconsole metrics run ID --on VERSION",
    )


def _scope(begins: datetime | None, ends: datetime | None, teams: Sequence[str] | None) -> Scope:
    if begins is not None and ends is not None and ends <= begins:
        raise UsageError(
            "usage",
            "--to lies before --from",
            cause=f"{begins:%Y-%m-%d} to {ends:%Y-%m-%d} holds no day",
            next_step="--to is the day after the last one",
        )
    return Scope(begins, ends, tuple(teams or ()))


def _one_format(json: bool, csv: bool) -> None:
    if json and csv:
        raise UsageError(
            "usage",
            "--json and --csv cannot be had at once",
            cause="each is one document on stdout",
            next_step="leave one of them out",
        )


def _entry(metric: Metric) -> dict[str, Any]:
    return {
        "id": metric.id,
        "kind": metric.kind.value,
        "name": metric.title,
        "level": metric.level.value,
        "unit": metric.unit,
        "decimals": DECIMALS[metric.unit],
        "green": metric.green,
        "yellow": metric.yellow,
        "panel": metric.panel,
        "refresh": metric.refresh,
        "tables": list(metric.tables),
        "definition": metric.definition,
        "unavailable": metric.unavailable,
    }


def _figures_document(figures: service.Figures) -> dict[str, Any]:
    found = []
    for result in figures.results:
        days = [
            {"day": day.day.isoformat(), "value": day.value, "n": day.n, "band": day.band.value}
            for day in figures.trends.get(result.metric.id, ())
        ]
        found.append(result.to_dict() | ({"trend": days} if days else {}))
    place = figures.place
    return {
        "schema": 1,
        "on": place.asked,
        "version": place.version,
        "read_as": place.reader,
        "metrics": found,
    }


def _comparison_document(found: service.Comparison, limit: float | None) -> dict[str, Any]:
    return {
        "schema": 1,
        "before": found.before.version or found.before.schema,
        "after": found.after.version or found.after.schema,
        "max_change_percent": limit,
        "changes": [
            one.to_dict() | ({"exceeds": one.exceeds(limit)} if limit is not None else {})
            for one in by_weight(found.changes)
        ],
    }


def _change_row(one: Change, limit: float | None) -> list[str]:
    metric = load_catalog().metric(one.metric_id)
    assert metric is not None
    if one.error:
        change = one.error
    elif one.change is None:
        change = one.state.value
    else:
        relative = f" ({one.change / abs(one.before) * 100:+,.1f} %)" if one.before else ""
        change = f"{one.change:+,.{DECIMALS[metric.unit]}f} {metric.unit}{relative}" if one.change else "same"
    bands = one.band_after.value
    if one.band_before is not one.band_after:
        bands = f"{one.band_before.value} to {bands}"
    verdict = "-" if limit is None else "over" if one.exceeds(limit) else "ok"
    return [
        one.metric_id,
        one.name,
        metric.shown(one.before),
        metric.shown(one.after),
        change,
        f"{one.n_before:,}",
        f"{one.n_after:,}",
        bands,
        verdict,
    ]


def _write_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([value if isinstance(value, float) else safe_cell(value) for value in row] for row in rows)
    sys.stdout.write(out.getvalue())
    sys.stdout.flush()
