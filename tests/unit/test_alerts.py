"""The alert rules fire when they must and at no other time; they name only what is exposed."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdconsole.alert_settings import AlertSettings
from sdconsole.config import load_settings
from sdconsole.observe import alerts
from sdconsole.observe.families import BY_NAME

PROMTOOL = shutil.which("promtool")
WANTED = {
    ("ETL_Migration_Failed", "critical"),
    ("ETL_Quality_Gate_Failed", "critical"),
    ("ETL_Disk_Space_Critical", "critical"),
    ("ETL_Memory_Critical", "critical"),
    ("ETL_PostMigration_Quality", "critical"),
    ("ETL_PostMigration_Quality", "warning"),
    ("ETL_Errors_Burst", "critical"),
    ("ETL_Pipeline_Overrun", "critical"),
    ("ETL_Pipeline_Overrun", "warning"),
    ("ETL_Pipeline_Overrun", "info"),
    ("ETL_Migration_Slow", "warning"),
    ("ETL_Profiler_Slow", "warning"),
    ("ETL_Cleaner_Slow", "warning"),
    ("ETL_Quality_Score_Low", "warning"),
    ("ETL_Quality_Drop", "warning"),
    ("ETL_Circuit_Breaker", "warning"),
    ("ETL_Data_Stale", "warning"),
    ("ETL_Duration_Jump", "warning"),
    ("ETL_Quarantine_High", "critical"),
    ("ETL_Quarantine_High", "warning"),
    ("ETL_Backup_Old", "warning"),
    ("ETL_Backup_Old_Before_Run", "warning"),
    ("Dashboard_Query_Errors", "warning"),
    ("Dashboard_Resolution_Slow", "info"),
    ("Dashboard_Comment_Quality_Low", "info"),
    ("Dashboard_Person_Quality_Low", "info"),
    ("Dashboard_Unassigned_High", "info"),
}


def test_every_rule_is_there_once() -> None:
    names = [(alert.name, alert.severity) for alert in alerts.load_alerts()]
    assert len(names) == len(set(names))
    assert set(names) == WANTED


def test_no_rule_names_what_nothing_exposes_or_a_runbook_that_is_not_there() -> None:
    assert alerts.alert_problems() == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"expr": "etl_no_such_metric > 1"}, "nothing exposes etl_no_such_metric"),
        ({"expr": 'etl_errors_total{stage="x"} > 1'}, "etl_errors_total has no label stage"),
        ({"expr": 'etl_errors_total{gate="load"} > 1'}, "etl_errors_total never has gate=load"),
        ({"runbook": "rollback.md#nowhere"}, "rollback.md has no heading nowhere"),
        ({"runbook": "nowhere.md#x"}, "there is no runbook nowhere.md"),
        ({"quiet": ()}, "it needs a case"),
    ],
)
def test_the_check_finds_a_wrong_rule(change: dict[str, object], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(alerts.load_alerts()[0], **change)  # type: ignore[arg-type]
    monkeypatch.setattr(alerts, "load_alerts", lambda: (wrong,))
    assert any(says in problem for problem in alerts.alert_problems())


def test_every_number_that_a_rule_compares_with_is_a_setting() -> None:
    """But for what is no threshold: nothing at all, one, and the seconds in which a ratio of times means nothing."""
    for alert in alerts.load_alerts():
        plain = re.sub(r"\[[^]]*\]|\{[^}]*\}|\$[a-z_]+", "", alert.expr)
        assert set(re.findall(r"(?<![\w.])\d[\d.e]*", plain)) <= {"0", "1", "5"}, alert.expr
    own = {**AlertSettings().model_dump(), "min_free_bytes": 7e9, "max_memory_percent": 77.0, "breaker_score": 41.0}
    changed: dict[str, Any] = {name: value * 0.9 for name, value in own.items() if name in AlertSettings.model_fields}
    limits = alerts.limits_of(
        load_settings(alerts=changed, min_free_bytes=7_000_000_000, max_memory_percent=77.0, breaker_score=41.0)
    )
    assert {"7000000000", "0.77", "41", "90"} <= set(limits.values())
    usual, mine = alerts.rule_file(), alerts.rule_file(limits=limits)
    unchanged = [one for one in AlertSettings.model_fields if limits[one] == alerts.usual_limits()[one]]
    assert not unchanged
    different = sum(1 for before, after in zip(usual.splitlines(), mine.splitlines(), strict=True) if before != after)
    assert different > 30
    assert "$" not in mine + usual


def test_the_export_takes_the_schedule_and_the_place_of_the_runbooks() -> None:
    limits = alerts.usual_limits() | {"stale_seconds": "172800"}
    text = alerts.rule_file(limits=limits, runbooks="https://wiki.example/runbooks/")
    assert "etl_last_import_timestamp_seconds > 172800" in text
    assert '"https://wiki.example/runbooks/rollback.md#1-decide"' in text


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
@pytest.mark.parametrize(
    "given", [{}, {"alerts": {"stale_days": 2, "quality_drop": 7}, "min_free_bytes": 5_000_000_000}]
)
def test_promtool_accepts_the_rules_and_runs_their_tests(tmp_path: Path, given: dict[str, Any]) -> None:
    limits = alerts.limits_of(load_settings(**given))
    for name, text in alerts.documents(limits=limits, runbooks="runbooks").items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for arguments in (["check", "rules", alerts.RULES], ["test", "rules", alerts.TESTS]):
        command = [str(PROMTOOL), *arguments]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_the_tests_notice_a_rule_that_does_not_fire(tmp_path: Path) -> None:
    text = alerts.rule_file().replace("< 50", "< 5").replace("[15m]", "[1s]")
    (tmp_path / alerts.RULES).write_text(text, encoding="utf-8")
    (tmp_path / alerts.TESTS).write_text(alerts.unit_tests(), encoding="utf-8")
    command = [str(PROMTOOL), "test", "rules", alerts.TESTS]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode != 0
    assert "ETL_Quality_Gate_Failed critical fires" in ended.stdout + ended.stderr


def test_the_monitoring_guide_names_every_alert_and_no_other() -> None:
    guide = (Path(__file__).resolve().parents[2] / "runbooks" / "monitoring.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:ETL|Dashboard)_\w+)`", guide))
    assert named == {alert.name for alert in alerts.load_alerts()}


def test_every_series_that_a_document_names_is_exposed_with_those_labels() -> None:
    root = Path(__file__).resolve().parents[2]
    texts = [path.read_text(encoding="utf-8") for path in (root / "README.md", *(root / "runbooks").glob("*.md"))]
    named = {found.groups() for text in texts for found in re.finditer(r"`(etl_\w+)(?:\{([\w, ]+)\})?`", text)}
    assert len(named) > 5
    for name, labels in named:
        assert name in BY_NAME, name
        assert set(filter(None, (labels or "").replace(" ", "").split(","))) <= set(BY_NAME[name].labels), name
