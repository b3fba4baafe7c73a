"""The alert rules: data in alerts.toml, written as a Prometheus rule file and as the unit tests that promtool runs.

Every metric and label that a rule names must be one that is exposed, and every link must lead to a runbook's heading.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any, Literal

from pydantic import TypeAdapter

from sdconsole.config import Settings
from sdconsole.observe.families import BY_NAME, FREE, OTHER, label_values
from sdconsole.runbook.library import shipped_folder

RULES, TESTS = "sdconsole.rules.yml", "sdconsole.rules.test.yml"
DEFAULT_RUNBOOKS = "runbooks"
_GROUP = "sdconsole"
_SELECTOR = re.compile(r"\b(etl_[a-z0-9_]+)(?:\{([^}]*)\})?")
_LIMIT = re.compile(r"\$([a-z_]+)")
_MATCHER = re.compile(r'([a-z_]+)(=~|!~|!=|=)"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Case:
    """What monitoring sees, and when it is looked at.

    `labels` = those that the series add to the alert. `instead` = the severity of the rule of the same name that fires
    where this one stays quiet.
    """

    at: str
    series: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule. `pause` = how long its condition must hold; `runbook` = file and anchor; `action` = what to do."""

    name: str
    expr: str
    pause: str
    severity: Literal["critical", "warning", "info"]
    team: str
    summary: str
    action: str
    runbook: str
    fires: tuple[Case, ...]
    quiet: tuple[Case, ...]

    def labels(self) -> dict[str, str]:
        return {"severity": self.severity, "team": self.team}

    def annotations(self, runbooks: str) -> dict[str, str]:
        return {
            "summary": self.summary,
            "description": self.action,
            "runbook_url": f"{runbooks.rstrip('/')}/{self.runbook}",
        }


@cache
def load_alerts() -> tuple[Alert, ...]:
    """The built-in rules. Raises ValueError (pydantic's ValidationError) when the file contradicts itself."""
    text = resources.files("sdconsole.observe").joinpath("alerts.toml").read_text(encoding="utf-8")
    rules = tomllib.loads(text)["alert"]
    for rule in rules:
        rule["pause"] = rule.pop("for")
    return TypeAdapter(tuple[Alert, ...]).validate_python(rules)


def limits_of(settings: Settings) -> dict[str, str]:
    """What the rules compare with, by the name that follows `$` in alerts.toml."""
    own = settings.alerts
    numbers = {
        **own.model_dump(),
        "breaker_score": settings.breaker_score,
        "warn_quality": settings.warn_quality,
        "min_quality": settings.min_quality,
        "min_free_bytes": settings.min_free_bytes,
        "min_free_gb": settings.min_free_bytes / 1e9,
        "max_memory_percent": settings.max_memory_percent,
        "max_memory_ratio": settings.max_memory_percent / 100,
        "quarantine_percent": settings.max_quarantine_percent,
        "quarantine_ratio": settings.max_quarantine_percent / 100,
        "warn_quarantine_percent": settings.warn_quarantine_percent,
        "warn_quarantine_ratio": settings.warn_quarantine_percent / 100,
        "stale_seconds": own.stale_days * 86_400,
        "backup_days": own.backup_max_days,
        "backup_seconds": own.backup_max_days * 86_400,
        "run_backup_hours": settings.backup_max_age_hours,
        "run_backup_seconds": settings.backup_max_age_hours * 3600,
    }
    minutes = {
        name.replace("_seconds", "_minutes"): value / 60 for name, value in own.model_dump().items() if "_sec" in name
    }
    return {name: f"{value:.10g}" for name, value in (numbers | minutes).items()}


@cache
def usual_limits() -> dict[str, str]:
    """What holds where nothing is set."""
    return limits_of(Settings.model_construct())


def rule_file(*, limits: Mapping[str, str] | None = None, runbooks: str = DEFAULT_RUNBOOKS) -> str:
    """A Prometheus rule file."""
    lines = ["groups:", f"  - name: {_GROUP}", "    rules:"]
    for alert in load_alerts():
        told = _filled(alert, limits or usual_limits())
        lines += [f"      - alert: {told.name}", f"        expr: {_text(told.expr)}"]
        lines += [f"        for: {told.pause}", *_mapping("labels", told.labels(), 8)]
        lines += _mapping("annotations", told.annotations(runbooks), 8)
    return "\n".join(lines) + "\n"


def unit_tests(*, limits: Mapping[str, str] | None = None, runbooks: str = DEFAULT_RUNBOOKS) -> str:
    """What `promtool test rules` runs: each rule fires when it must, and at no other time.

    A rule with a limit of its own is left out: its cases are about the usual one.
    """
    given = limits or usual_limits()
    lines = ["rule_files:", f"  - {RULES}", "tests:"]
    moved = {one.name for one in load_alerts() if _filled(one, given) != _filled(one, usual_limits())}
    for alert in load_alerts():
        for case, expected in [(one, True) for one in alert.fires] + [(one, False) for one in alert.quiet]:
            if alert.name not in moved:
                lines += _test(alert, case, expected, runbooks)
    return "\n".join(lines) + "\n"


def _filled(alert: Alert, limits: Mapping[str, str]) -> Alert:
    """The rule with its limits. Raises KeyError for a name that is none."""

    def fill(text: str) -> str:
        return _LIMIT.sub(lambda found: limits[found[1]], text)

    return replace(alert, expr=fill(alert.expr), summary=fill(alert.summary))


def _test(alert: Alert, case: Case, expected: bool, runbooks: str) -> Iterator[str]:
    yield "  - interval: 1m"
    title = f"{alert.name} {alert.severity} {'fires' if expected else 'stays quiet'}"
    yield f"    name: {_text(title)}"
    yield "    input_series:"
    for series, values in case.series.items():
        yield f"      - series: {_text(series)}"
        yield f"        values: {_text(values)}"
    yield "    alert_rule_test:"
    yield f"      - eval_time: {case.at}"
    yield f"        alertname: {alert.name}"
    yield "        exp_alerts:"
    for fired in (_filled(one, usual_limits()) for one in _fired(alert, case, expected)):
        labels = fired.labels() | dict(case.labels)
        yield "          - exp_labels:"
        yield from (f"              {name}: {_text(text)}" for name, text in labels.items())
        yield from _mapping("exp_annotations", fired.annotations(runbooks), 12)


def _fired(alert: Alert, case: Case, expected: bool) -> tuple[Alert, ...]:
    if expected:
        return (alert,)
    return tuple(one for one in load_alerts() if one.name == alert.name and one.severity == case.instead)


def _mapping(name: str, values: Mapping[str, str], indent: int) -> list[str]:
    return [f"{' ' * indent}{name}:", *(f"{' ' * (indent + 2)}{key}: {_text(text)}" for key, text in values.items())]


def _text(text: str) -> str:
    """A double-quoted scalar: every JSON string is one."""
    return json.dumps(text, ensure_ascii=False)


def alert_problems() -> tuple[str, ...]:
    """What is wrong with the rules: names and labels that nothing exposes, links that lead nowhere, missing cases."""
    return tuple(problem for alert in load_alerts() for problem in _problems(alert))


def _problems(alert: Alert) -> Iterator[str]:
    if not alert.fires or not alert.quiet:
        yield f"{alert.name}: it needs a case in which it fires and one in which it does not"
    for name in set(_LIMIT.findall(f"{alert.expr} {alert.summary}")) - set(usual_limits()):
        yield f"{alert.name}: no setting is called {name}"
    texts = [alert.expr, *(series for case in (*alert.fires, *alert.quiet) for series in case.series)]
    for text in texts:
        yield from (f"{alert.name}: {problem}" for problem in selector_problems(text))
    file, _, anchor = alert.runbook.partition("#")
    path = shipped_folder() / file
    if not path.is_file():
        yield f"{alert.name}: there is no runbook {file}"
    elif anchor not in _anchors(path.read_text(encoding="utf-8")):
        yield f"{alert.name}: {file} has no heading {anchor}"


def selector_problems(expression: str) -> Iterator[str]:
    """Metrics and labels of a PromQL expression that are never exposed."""
    for found in _SELECTOR.finditer(expression):
        family = BY_NAME.get(found[1])
        if family is None:
            yield f"nothing exposes {found[1]}"
            continue
        for label, operator, value in _MATCHER.findall(found[2] or ""):
            if label not in family.labels:
                yield f"{family.name} has no label {label}"
            elif operator == "=" and label not in FREE and value not in label_values(label) | {OTHER}:
                yield f"{family.name} never has {label}={value}"


def _anchors(text: str) -> set[str]:
    """The headings of a Markdown text as links name them."""
    headings: list[str] = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def documents(*, limits: Mapping[str, str], runbooks: str) -> dict[str, str]:
    """The files of an export, by name."""
    return {RULES: rule_file(limits=limits, runbooks=runbooks), TESTS: unit_tests(limits=limits, runbooks=runbooks)}


def rows(limits: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rules as JSON-ready dicts, without their cases."""
    return [
        {
            "name": alert.name,
            "severity": alert.severity,
            "team": alert.team,
            "for": alert.pause,
            "expr": alert.expr,
            "summary": alert.summary,
            "action": alert.action,
            "runbook": alert.runbook,
        }
        for alert in (_filled(one, limits) for one in load_alerts())
    ]
