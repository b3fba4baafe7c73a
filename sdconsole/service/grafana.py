"""Grafana dashboards as files that its provisioning loads, and the proof that every panel answers.

The files hold no password and no host: the data source takes them from the environment of Grafana.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdconsole.analytics.dashboards import Dashboard, load_dashboards
from sdconsole.analytics.grafana import POSTGRES, PROMETHEUS, dashboard_model
from sdconsole.analytics.panel_check import PanelQuery, PanelResult, check_panels, panel_queries
from sdconsole.analytics.parameters import MetricParameters
from sdconsole.analytics.run import present_names
from sdconsole.config import Settings
from sdconsole.contract.model import Contract
from sdconsole.errors import UsageError, from_os_error
from sdconsole.service.metrics import LIVE, Place, asking, find_place
from sdconsole.service.targets import contract_of
from sdconsole.target.names import check_live_schema

FOLDER = "servicedesk"


@dataclass(frozen=True, slots=True)
class Checked:
    place: Place
    results: tuple[PanelResult, ...]
    budget_seconds: float
    left_out: tuple[PanelQuery, ...] = ()
    """Panels of optional tables that this export does not have."""

    @property
    def failed(self) -> tuple[PanelResult, ...]:
        return tuple(result for result in self.results if result.error)

    @property
    def slow(self) -> tuple[PanelResult, ...]:
        return tuple(result for result in self.results if result.seconds > self.budget_seconds)


def dashboards(contract: Contract) -> tuple[Dashboard, ...]:
    """Those that data of this contract can fill, in the order of their list."""
    return tuple(each for each in load_dashboards().dashboard if each.fits(contract))


def export(settings: Settings, folder: Path, *, mounted_at: Path | None = None) -> tuple[Path, ...]:
    """Writes the provisioning folder; `mounted_at` is where Grafana finds it. Files of ours are replaced.

    Raises UsageError ("not-a-folder", "folder-in-use") and OperationFailed when something cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            "not-a-folder",
            f"{folder} is a file",
            cause="the dashboards are several files and need a folder",
            next_step="sdconsole dashboards export DIR",
        )
    files = dict(_files(settings, mounted_at or folder.absolute()))
    models = folder / "dashboards" / FOLDER
    here = {path.name for path in models.glob("*")}
    strange = sorted(here - {each.file_name for each in load_dashboards().dashboard})
    if strange:
        raise UsageError(
            "folder-in-use",
            f"{models} holds files that are not ours",
            cause=", ".join(strange[:10]),
            next_step="name another folder, or move them away: Grafana would load them too",
        )
    written = []
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.new")
            temporary.write_text(content, encoding="utf-8")
            temporary.replace(path)
            written.append(path)
        for name in here - {path.name for path in written}:
            (models / name).unlink()  # of a dashboard that these data cannot fill
    except OSError as error:
        raise from_os_error(error, f"{folder} cannot be written") from error
    return tuple(written)


def check(
    settings: Settings, *, on: str = LIVE, timeout_seconds: float | None = None, teams: Sequence[str] = ()
) -> Checked:
    """Runs every panel's query on live, on the candidate or on a version. Raises what `metrics.run` raises."""
    contract = contract_of(settings)
    parameters = MetricParameters.of(contract, rates=settings.rates)
    with asking(settings) as (target, connection):
        place = find_place(connection, target, on)
        models = (dashboard_model(each, place.schema, parameters) for each in dashboards(contract))
        queries = [query for model in models for query in panel_queries(model)]
        absent = {table.name for table in contract.tables if table.optional} - present_names(connection, place.schema)
        results = check_panels(
            connection,
            [query for query in queries if not absent & query.needs],
            reader_role=place.reader,
            timeout_seconds=timeout_seconds or settings.query_timeout_seconds,
            teams=teams,
        )
    left_out = tuple(query for query in queries if absent & query.needs)
    return Checked(place, results, settings.query_budget_ms / 1000, left_out)


def _files(settings: Settings, mounted_at: Path) -> Iterator[tuple[str, str]]:
    target = settings.target_settings()
    schema = check_live_schema(target.live_schema)
    contract = contract_of(settings)
    parameters = MetricParameters.of(contract, rates=settings.rates)
    for each in dashboards(contract):
        model = dashboard_model(each, schema, parameters)
        yield f"dashboards/{FOLDER}/{each.file_name}", json.dumps(model, indent=2, ensure_ascii=False) + "\n"
    yield "dashboards/sdconsole.yaml", _PROVIDER.format(path=json.dumps(str(mounted_at / "dashboards" / FOLDER)))
    yield (
        "datasources/sdconsole.yaml",
        _SOURCES.format(postgres=POSTGRES["uid"], prometheus=PROMETHEUS["uid"], reader=json.dumps(target.reader_role)),
    )


_PROVIDER = """\
# Loads the dashboards beside this file. Grafana reads it at its start.
apiVersion: 1
providers:
  - name: sdconsole
    orgId: 1
    folder: ServiceDesk
    type: file
    disableDeletion: true
    allowUiUpdates: false
    updateIntervalSeconds: 60
    options:
      path: {path}
"""
_SOURCES = """\
# The two data sources under the uids that the dashboards name. The variables come from Grafana's environment:
# SDCONSOLE_GRAFANA_PG_HOST (host:port), _PG_DATABASE, _PG_PASSWORD, _PG_SSLMODE (verify-full), _PROMETHEUS_URL.
apiVersion: 1
datasources:
  - name: ServiceDesk
    uid: {postgres}
    type: postgres
    access: proxy
    url: $SDCONSOLE_GRAFANA_PG_HOST
    user: {reader}
    editable: false
    jsonData:
      database: $SDCONSOLE_GRAFANA_PG_DATABASE
      sslmode: $SDCONSOLE_GRAFANA_PG_SSLMODE
      postgresVersion: 1500
      timescaledb: false
    secureJsonData:
      password: $SDCONSOLE_GRAFANA_PG_PASSWORD
  - name: ServiceDesk pipeline
    uid: {prometheus}
    type: prometheus
    access: proxy
    url: $SDCONSOLE_GRAFANA_PROMETHEUS_URL
    editable: false
"""
