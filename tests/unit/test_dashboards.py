"""The dashboards' models: what Grafana's own types know, unique uids, real ranges and teams, and the files on disk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard as GrafanaDashboard
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from sdconsole.analytics.catalog import Kind, load_catalog
from sdconsole.analytics.classes import load_classification
from sdconsole.analytics.dashboards import load_dashboards
from sdconsole.analytics.grafana import POSTGRES, PROMETHEUS, dashboard_model, panel_sql
from sdconsole.analytics.grafana_look import steps
from sdconsole.analytics.panel_check import EVER, expand, panel_queries
from sdconsole.analytics.parameters import MetricParameters
from sdconsole.analytics.rates import load_rates
from sdconsole.config import load_settings
from sdconsole.contract.load import load_contract
from sdconsole.errors import UsageError
from sdconsole.observe.alerts import load_alerts
from sdconsole.service import grafana as service
from tests.stages.panel_oracle import RATES
from tests.stages.test_metrics_oracle import with_tiers

register_default_plugins()
ALL = load_dashboards().dashboard
UIDS = [each.uid for each in ALL]


PANELS = {
    "servicedesk-executive": 6,
    "servicedesk-operations": 14,
    "servicedesk-quality": 8,
    "servicedesk-team-performance": 4,
    "servicedesk-etl-pipeline": 13,
    "servicedesk-automation-exec": 9,
    "servicedesk-alert-analysis": 9,
    "servicedesk-support-patterns": 8,
    "servicedesk-team-tasks": 8,
    "servicedesk-improvement-tracking": 12,
    "servicedesk-incident-classification": 10,
    "servicedesk-sentiment-team": 16,
    "servicedesk-tier-tracker": 11,
}
"""What people expect of each. Of the pipeline's, disk and memory, and data and version, are two panels each."""


def test_every_dashboard_has_the_panels_that_people_expect_and_no_query_lies_idle() -> None:
    assert {each.uid: len(each.panels) for each in ALL} == PANELS
    shown = {panel.query for each in ALL for panel in each.panels}
    shown |= {name for alert in load_alerts() for name in re.findall(r'panel="([^"]+)"', alert.expr)}
    assert [metric.id for metric in load_catalog().of_kind(Kind.PANEL) if metric.id not in shown] == []
    titles = [metric.title for metric in load_catalog().metrics]
    assert len(set(titles)) == len(titles)


def test_a_dashboard_on_columns_that_the_data_lack_is_not_there(tmp_path: Path) -> None:
    contract = load_contract(None)
    assert {each.uid for each in service.dashboards(contract)} == set(PANELS) - {"servicedesk-tier-tracker"}
    with_tiers(tmp_path, export=False)
    settings = load_settings(contract=tmp_path / "contract.toml")
    assert {each.uid for each in service.dashboards(load_contract(settings.contract))} == set(PANELS)
    models = tmp_path / "out" / "dashboards" / "servicedesk"
    service.export(settings, tmp_path / "out")
    assert (models / "servicedesk-tier-tracker.json").exists()
    service.export(load_settings(), tmp_path / "out")
    assert not (models / "servicedesk-tier-tracker.json").exists(), "nothing would fill it"


def test_a_single_figure_shows_numbers_and_no_time_and_a_matrix_is_one() -> None:
    for uid in UIDS:
        for panel in model(uid)["panels"]:
            reduce = panel["options"].get("reduceOptions", {})
            assert reduce.get("fields", "") in ("", "/^value$/"), panel["title"]
            if panel["type"] == "barchart":
                assert "rawSql" in panel["targets"][0], "a bar needs a column with labels"
    (hours,) = (panel for panel in model("servicedesk-alert-analysis")["panels"] if "weekday" in panel["title"])
    assert hours["transformations"][0]["options"] == {
        "columnField": "series",
        "rowField": "label",
        "valueField": "value",
    }


def model(uid: str, schema: str = "servicedesk") -> dict[str, Any]:
    (found,) = [each for each in ALL if each.uid == uid]
    return dashboard_model(found, schema, MetricParameters.of(load_contract(None)))


def lost(ours: Any, theirs: Any, path: str) -> Iterator[str]:
    """Where Grafana's types do not give back what our model holds."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key in theirs:
                yield from lost(value, theirs[key], f"{path}.{key}")
            elif value is not None:
                yield f"{path}.{key}"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from lost(one, other, f"{path}[{number}]")
    elif ours != theirs:
        yield f"{path}: {ours!r} became {theirs!r}"


def through_grafana(data: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(json.dumps(GrafanaDashboard.from_json(data), cls=JSONEncoder))
    return known


@pytest.mark.parametrize("uid", UIDS)
def test_grafanas_own_types_know_every_key_of_the_model(uid: str) -> None:
    ours = json.loads(json.dumps(model(uid)))
    assert list(lost(ours, through_grafana(ours), uid)) == []


def test_a_key_that_grafana_does_not_know_would_be_found() -> None:
    ours = json.loads(json.dumps(model(UIDS[0])))
    ours["panels"][1]["fieldConfig"]["defaults"]["colour"] = "red"
    assert list(lost(ours, through_grafana(ours), "x")) == ["x.panels[1].fieldConfig.defaults.colour"]


@pytest.mark.parametrize("uid", UIDS)
def test_enumerations_of_the_model_have_values_that_grafana_has(uid: str) -> None:
    known = GrafanaDashboard.from_json(model(uid))
    assert known.panels
    types = {"stat", "gauge", "bargauge", "piechart", "barchart", "timeseries", "table", "text"}
    for panel in known.panels:
        assert panel.type_val in types


def test_uids_are_unique_and_so_are_the_panels_of_a_dashboard() -> None:
    assert len(set(UIDS)) == len(UIDS)
    for uid in UIDS:
        ids = [panel["id"] for panel in model(uid)["panels"]]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("uid", UIDS)
def test_the_guide_comes_first_and_every_other_panel_is_defined_and_has_a_unit_and_thresholds(uid: str) -> None:
    data = model(uid)
    guide, *panels = data["panels"]
    assert (guide["type"], guide["title"]) == ("text", "Guide")
    assert "Not computable" in guide["options"]["content"]
    for panel in panels:
        assert len(panel["description"]) > 20, panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"], panel["title"]
        assert defaults["thresholds"]["steps"][0]["value"] is None
        values = [step["value"] for step in defaults["thresholds"]["steps"][1:]]
        assert values == sorted(values)
        assert panel["datasource"] in (POSTGRES, PROMETHEUS)
        assert DataSourceRef.from_json(panel["datasource"]).uid


@pytest.mark.parametrize("uid", UIDS)
def test_panels_do_not_overlap_and_fit_the_width(uid: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in model(uid)["panels"]:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


SNAPSHOT = {"freshness", "orphans"}
"""What tells about the whole version, whatever the range."""


@pytest.mark.parametrize("uid", UIDS)
def test_no_query_names_a_date_a_range_or_a_team(uid: str) -> None:
    data = model(uid)
    titles = {metric.title for metric in load_catalog().metrics if metric.id in SNAPSHOT}
    for query in panel_queries(data):
        assert not re.search(r"\b(19|20)\d\d-\d\d|\b104\b", query.text), query.panel
        assert "Cloud - " not in query.text
        if not query.panel.startswith("variable"):
            assert ("$__timeFilter(" in query.text) == (query.panel not in titles), query.panel
    assert not re.search(r"\b(19|20)\d\d-\d\d-\d\d", json.dumps(data))
    assert data["time"]["to"] == "now"
    assert re.fullmatch(r"now-\d+[dy]", data["time"]["from"])


def test_a_dashboard_with_teams_has_a_variable_from_the_data_with_an_all_that_meets_every_row() -> None:
    data = model("servicedesk-executive")
    (team,) = data["templating"]["list"]
    assert "SELECT DISTINCT" in team["query"]
    assert (team["includeAll"], team["multi"], team["allValue"]) == (True, True, "'__all__'")
    query = next(query for query in panel_queries(data) if query.panel == "SLA compliance")
    everybody = expand(query.text, begins=EVER[0], ends=EVER[1])
    assert "'__all__' IN ('__all__')" in everybody
    hostile = expand(query.text, begins=EVER[0], ends=EVER[1], teams=["O'Brien", "x') OR ('1'='1"])
    assert "IN ('O''Brien', 'x'') OR (''1''=''1')" in hostile


def test_a_macro_that_nobody_expands_is_an_error() -> None:
    with pytest.raises(ValueError, match="not known"):
        expand("SELECT $__interval", begins=EVER[0], ends=EVER[1])


@pytest.mark.parametrize(
    ("green", "yellow", "names"),
    [
        (">= 95", ">= 90", ["red", "yellow", "green"]),
        ("<= 3", "<= 5", ["green", "yellow", "red"]),
        ("<= 100", "", ["green", "yellow"]),
        ("> 60", ">= 40", ["red", "yellow", "green"]),
        ("", "", ["none"]),
    ],
)
def test_grafana_colours_a_value_as_the_catalogue_judges_it(green: str, yellow: str, names: list[str]) -> None:
    palette = {status.value: shade.colour for status, shade in load_catalog().palette.items()}
    found = list(steps(green, yellow))
    assert [step["color"] for step in found] == [palette[name] for name in names]
    metric = load_catalog().metrics[0]
    if green and yellow:
        of = replace(metric, green=green, yellow=yellow)
        for value in (0.0, 2.9, 3.0, 3.1, 5.0, 5.1, 40.0, 60.0, 60.1, 89.9, 90.0, 95.0):
            shown = [step["color"] for step in found if step["value"] is None or value >= step["value"]][-1]
            assert shown == palette[of.judge(value).value], value


def test_the_folder_holds_one_file_for_each_dashboard_and_nothing_else(tmp_path: Path) -> None:
    settings = load_settings(reader_role="dashboards")
    written = service.export(settings, tmp_path / "out", mounted_at=Path("/etc/grafana/provisioning"))
    models = tmp_path / "out" / "dashboards" / "servicedesk"
    filled = set(UIDS) - {"servicedesk-tier-tracker"}
    assert {path.name for path in models.iterdir()} == {f"{uid}.json" for uid in filled}
    assert {json.loads(path.read_text())["uid"] for path in models.iterdir()} == filled
    assert len(written) == len(filled) + 2
    provider = (tmp_path / "out" / "dashboards" / "sdconsole.yaml").read_text()
    assert 'path: "/etc/grafana/provisioning/dashboards/servicedesk"' in provider
    sources = (tmp_path / "out" / "datasources" / "sdconsole.yaml").read_text()
    assert all(f"uid: {source['uid']}" in sources for source in (POSTGRES, PROMETHEUS))
    assert 'user: "dashboards"' in sources
    assert "password: $SDCONSOLE_GRAFANA_PG_PASSWORD" in sources
    again = service.export(settings, tmp_path / "out", mounted_at=Path("/etc/grafana/provisioning"))
    assert again == written


def test_grafanas_file_provider_finds_nothing_to_refuse(tmp_path: Path) -> None:
    """What its reader looks at: names, folders, uids, titles, data sources and variables that are really there."""
    service.export(load_settings(), tmp_path)
    provider = (tmp_path / "dashboards" / "sdconsole.yaml").read_text()
    folder = Path(json.loads(re.findall(r"path: (.+)", provider)[0]))
    title = re.findall(r"folder: (.+)", provider)[0]
    assert folder.is_dir()
    sources = set(re.findall(r"uid: (.+)", (tmp_path / "datasources" / "sdconsole.yaml").read_text()))
    files = [path for path in folder.rglob("*") if path.suffix == ".json"]
    assert {path.parent for path in files} == {folder}
    assert not [path for path in folder.rglob("*") if path not in files], "it would read nothing else"
    models = [json.loads(path.read_text()) for path in files]
    titles = [model["title"] for model in models]
    assert len(set(titles)) == len(titles)
    assert title not in titles, "a dashboard cannot have the name of its folder"
    for board in models:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", board["uid"])
        assert "id" not in board
        assert not {"dashboard", "overwrite", "__inputs", "__requires", "__elements"} & set(board), "a bare model"
        assert board["schemaVersion"] >= 36, "Grafana 9 and later read it without migrating old panels"
        variables = {variable["name"] for variable in board["templating"]["list"]}
        for panel in board["panels"]:
            assert "libraryPanel" not in panel
            for target in panel.get("targets", ()):
                assert target["datasource"]["uid"] == panel["datasource"]["uid"]
                assert target["datasource"]["uid"] in sources
                text = target.get("rawSql") or target["expr"]
                assert set(re.findall(r"\$\{(\w+)", text)) <= variables, panel["title"]
                assert set(re.findall(r"\$(__\w+)", text)) <= {"__timeFilter"}, panel["title"]
            refs = [target["refId"] for target in panel.get("targets", ())]
            assert len(set(refs)) == len(refs)


def test_an_export_beside_strange_files_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    models = tmp_path / "dashboards" / "servicedesk"
    models.mkdir(parents=True)
    (models / "mine.json").write_text("{}")
    with pytest.raises(UsageError) as refused:
        service.export(load_settings(), tmp_path)
    assert refused.value.slug == "folder-in-use"
    assert [path.name for path in models.iterdir()] == ["mine.json"]


def test_words_are_met_whole_and_the_first_class_wins() -> None:
    lists = {each.name: each for each in load_classification().lists}
    assert lists["incident_class"].classify("Please share the SharePoint link") == "Cloud"
    assert lists["incident_class"].classify("Technically nothing") == "Cloud"
    assert lists["incident_class"].classify("VoIP phone has no switch", None) == "Telecommunications"
    assert lists["incident_class"].classify("x", "the VPN fails") == "Networking"
    assert lists["alert_pattern"].classify("NRTH Platform-VMHighNetworkOutAlert") == "network alert of a machine"
    assert lists["alert_pattern"].classify(None) == "other"


def rates_file(folder: Path) -> Path:
    later = RATES.replace("2025-07-01", "2999-01-01").replace("hourly_rate = 80", "hourly_rate = 99")
    path = folder / "rates.toml"
    path.write_text(RATES + later.replace('currency = "AUD"', ""))
    return path


def test_the_newest_rates_whose_day_has_come_hold_for_every_figure_in_money(tmp_path: Path) -> None:
    path = rates_file(tmp_path)
    held, later = load_rates(path, date(2025, 7, 1)), load_rates(path, date(2999, 1, 1))
    assert held is not None
    assert later is not None
    assert (held.hourly_rate, later.hourly_rate, held.currency) == (80, 99, "AUD")
    assert load_rates(path, date(2025, 6, 30)) is None, "no table's day has come"
    known = MetricParameters.of(load_contract(None), rates=path)
    money = {
        metric.id: panel_sql(metric, "servicedesk", known)
        for metric in load_catalog().metrics
        if metric.unit == "money"
    }
    assert set(money) == {"auto-saving", "auto-saved", "auto-roi", "communication-gap"}
    rows = {found for text in money.values() for found in re.findall(r"VALUES (\(.*?\)) *\) AS rate", text, re.DOTALL)}
    assert len(rows) == 1, "one table for all of them"
    board = dashboard_model(next(one for one in ALL if one.uid == "servicedesk-automation-exec"), "s", known)
    (saving,) = (panel for panel in board["panels"] if panel["title"] == "saving in a year")
    assert saving["fieldConfig"]["defaults"]["unit"] == "prefix:AUD "


def test_without_rates_nothing_is_shown_in_money_and_the_panel_says_why() -> None:
    titles = {metric.title for metric in load_catalog().metrics if metric.unit == "money"}
    money = [panel for uid in UIDS for panel in model(uid)["panels"] if panel["title"] in titles]
    assert {panel["title"] for panel in money} == titles
    for panel in money:
        assert "No data: no rates are set" in panel["description"]
        assert panel["fieldConfig"]["defaults"]["noValue"].startswith("no data: no rates are set")
        assert panel["fieldConfig"]["defaults"]["unit"] == "none"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("hourly_rate = 80", "hourly_rate = 0"), "greater than 0"),
        (("hours = 0.75", "hours = nan"), "finite"),
        (('"AUD"', '"dollars"'), "pattern"),
        (("passwords", "pass words"), "every pattern once: pass words, passwords"),
        (("hours = 0.25", "price = 1"), "rates.7"),
        (("[[table]]", "[[table"), "line"),
    ],
)
def test_rates_that_cannot_be_used_are_refused(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    (tmp_path / "rates.toml").write_text(RATES.replace(*change))
    with pytest.raises(UsageError) as refused:
        load_rates(tmp_path / "rates.toml")
    assert refused.value.slug == "rates-invalid"
    assert says in refused.value.cause
