"""What every panel of a dashboard must say about a cleaned export, worked out in plain Python from its rows.

Beside `metric_oracle.py`: only the lists of words are read from where the product has them, because they are data.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.stages.metric_rows import (
    PARTS,
    ROBOTS,
    Answer,
    Export,
    Row,
    counted,
    grouped,
    mean,
    newest,
    percent,
    single,
    worst,
)

RATES = """
currency = "AUD"
[[table]]
valid_from = 2025-07-01
hourly_rate = 80
rates = [
    { pattern = "motion and sensors", hours = 0.5, hourly_rate = 60, automated_since = 2025-09-01 },
    { pattern = "access and permissions", hours = 0.5, hourly_rate = 70, automated_since = 2025-10-01 },
    { pattern = "cloud resource health", hours = 0.75, hourly_rate = 60 },
    { pattern = "patches and updates", hours = 1.0, hourly_rate = 65 },
    { pattern = "mailboxes", hours = 0.5, hourly_rate = 60 },
    { pattern = "VPN and network", hours = 1.0, hourly_rate = 60 },
    { pattern = "certificates", hours = 1.0, hourly_rate = 60 },
    { pattern = "passwords", hours = 0.25, hourly_rate = 60 },
    { pattern = "software", hours = 1.0, hourly_rate = 60 },
    { pattern = "licences", hours = 0.5, hourly_rate = 60 },
]
"""
"""Rates that nobody confirmed: for these tests only."""


def words() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """By list, the classes in their order with what their words look like."""
    text = resources.files("sdconsole.analytics").joinpath("classification.toml").read_text(encoding="utf-8")
    return {
        each["name"]: [
            (one["name"], re.compile(r"(?<!\w)(" + "|".join(map(re.escape, one["words"])) + r")(?!\w)", re.IGNORECASE))
            for one in each["classes"]
        ]
        for each in tomllib.loads(text)["list"]
    }


def panel_answers(path: Path, *, tiers: bool = True) -> dict[str, Answer]:
    """By id; without `tiers` for data whose tickets have none."""
    export, known = Export(path), words()
    for ticket in export.tickets:
        title = ticket["TKT-Title"] or ""
        whole = f"{title} {ticket['TKT-Description'] or ''}"
        ticket["alert"] = "Alert" in (ticket["TKT-Category"], ticket["TKT-Severity"])
        for name, text in (("alert_pattern", title), ("automation_pattern", title), ("task_level", title)):
            ticket[name] = first_class(known[name], text)
        for name in ("incident_class", "telecom_kind", "networking_kind"):
            ticket[name] = first_class(known[name], whole)
    found: dict[str, Answer] = {}
    for part in (_ages, _tables, _alerts, _automation, _support, _incidents, _quality):
        found |= part(export)
    return found | (_tiers(export) if tiers else {})


def first_class(classes: Iterable[tuple[str, re.Pattern[str]]], text: str) -> str | None:
    return next((name for name, pattern in classes if pattern.search(text)), None)


def ranked(counts: Mapping[str, int], limit: int | None = None) -> list[Row]:
    """The largest first, equal ones by name."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
    return [(label, "", float(n), n) for label, n in ordered]


def most(counts: Mapping[str, int], limit: int | None = None, *, total: bool = True) -> Answer:
    rows = ranked(counts, limit)
    return worst(rows, max, sum(counts.values()) if total else None)


def shares(counts: Mapping[str, int]) -> Answer:
    whole = sum(counts.values())
    rows = [(label, "", percent(n, whole), n) for label, _, _, n in ranked(counts)]
    return worst(rows, max, whole)


def week(time: datetime) -> datetime:
    return datetime.combine(time.date() - timedelta(days=time.weekday()), datetime.min.time())


def week_name(time: datetime) -> str:
    year, number, _ = time.isocalendar()
    return f"{year}-W{number:02d}"


def _ages(export: Export) -> dict[str, Answer]:
    last = max((ticket["created"] for ticket in export.tickets if ticket["created"]), default=datetime.min)
    ages = [
        (last - ticket["created"]).total_seconds() / 86400
        for ticket in export.tickets
        if not ticket["closed"] and ticket["created"]
    ]
    days = [ticket["days"] for ticket in export.timed]
    risk = [("under 3 days", 0, 3), ("3 to 7 days", 3, 7), ("over 7 days", 7, 1e9)]
    age = [
        ("under 1 day", 0, 1),
        ("1 to 7 days", 1, 7),
        ("1 to 4 weeks", 7, 28),
        ("1 to 3 months", 28, 91),
        ("3 to 6 months", 91, 182),
        ("over 6 months", 182, 1e9),
    ]
    bands = [
        ("under 1 hour", 0, 1 / 24),
        ("1 to 24 hours", 1 / 24, 1),
        ("1 to 3 days", 1, 3),
        ("3 to 7 days", 3, 7),
        ("over 7 days", 7, 1e9),
    ]
    return {
        "sla-risk": _buckets(ages, risk),
        "open-age": _buckets(ages, age),
        "resolution-bands": _buckets(days, bands),
    }


def _buckets(values: Sequence[float], buckets: Iterable[tuple[str, float, float]]) -> Answer:
    rows: list[Row] = []
    for label, least, beyond in buckets:
        n = sum(least <= value < beyond for value in values)
        rows.append((label, "", float(n), n))
    return worst(rows, max, len(values))


def _tables(export: Export) -> dict[str, Answer]:
    queue = []
    for team, tickets in grouped(({"team": t["team"], "ticket": t} for t in export.tickets), "team", "ticket").items():
        still = sum(not ticket["closed"] for ticket in tickets)
        queue.append((team, "", float(still), len(tickets)))
    queue.sort(key=lambda row: (-(row[2] or 0), row[0]))
    held = sum(ticket["person"] == "PendingAssignment" for ticket in export.tickets)
    loaded = [(name, "", float(n), n) for name, n in sorted(export.counts.items())]
    known_tickets = set(export.by_id)
    comments = {int(comment["comment_id"]) for comment in export.comments}
    parents = [
        ("tickets without tickets", [t["TKT-Parent ID"] for t in export.tickets], known_tickets),
        ("comments without tickets", [c["ticket_id"] for c in export.comments], known_tickets),
        ("timesheets without tickets", [s["TS-Crm ID"] or None for s in export.sheets], known_tickets),
        ("comment_quality without comments", [one["id"] for one in export.analyses], comments),
        ("comment_sentiment without comments", [one["comment_id"] for one in export.moods], comments),
    ]
    orphans: list[Row] = []
    for label, references, known in sorted(parents, key=lambda item: item[0]):
        named = [int(value) for value in references if value is not None]
        lost = sum(value not in known for value in named)
        if named:
            share = (Decimal(100 * lost) / len(named)).quantize(Decimal("0.01"), ROUND_HALF_UP)
            orphans.append((label, "", float(share), len(named)))
    return {
        "team-queue": worst(queue, max, len(export.tickets)),
        "unassigned": counted(held, len(export.tickets)),
        "freshness": worst(loaded, max),
        "orphans": worst(orphans, max),
    }


def _alerts(export: Export) -> dict[str, Answer]:
    alerts = [ticket for ticket in export.tickets if ticket["alert"] and ticket["created"]]
    titles = Counter(ticket["TKT-Title"] or "(no title)" for ticket in alerts)
    hours = Counter((str(t["created"].isoweekday()), f"{t['created']:%H}") for t in alerts)
    found = {
        "alert-patterns": most(Counter(ticket["alert_pattern"] or "other" for ticket in alerts)),
        "alert-hours": worst([(day, hour, float(n), n) for (day, hour), n in sorted(hours.items())], max),
        "alert-titles": most(titles, 10, total=False),
    }
    days = [ticket["created"].date() for ticket in alerts]
    every = [min(days) + timedelta(days=number) for number in range(_span(days))]
    for key, pattern in (
        ("alert-memory", "memory"),
        ("alert-machine-network", "network alert of a machine"),
        ("alert-motion", "motion"),
        ("alert-volume-latency", "volume latency"),
        ("alert-machine-state", "state of a machine"),
    ):
        counts = Counter(ticket["created"].date() for ticket in alerts if ticket["alert_pattern"] == pattern)
        rows = [(day.isoformat(), "", float(counts[day]), counts[day]) for day in every]
        found[key] = worst(rows, max, counts.total())
    return found


def _range_days(export: Export) -> int:
    return _span([ticket["created"].date() for ticket in export.tickets if ticket["created"]])


def _span(days: Sequence[date]) -> int:
    """Days from the first to the last, both among them."""
    return (max(days) - min(days)).days + 1 if days else 0


def _pace(figure: float, covered: int) -> float | None:
    return figure / covered if covered > 0 else None


def _automation(export: Export) -> dict[str, Answer]:
    table = {rate["pattern"]: rate for rate in tomllib.loads(RATES)["table"][0]["rates"]}
    tickets = [ticket for ticket in export.tickets if ticket["automation_pattern"] and ticket["created"]]
    covered, every = _range_days(export), len(export.tickets)
    counts = Counter(ticket["automation_pattern"] for ticket in tickets)
    worth = {name: table[name]["hours"] * table[name]["hourly_rate"] for name in table}

    def since(ticket: Mapping[str, Any]) -> bool:
        begun: date | None = table[ticket["automation_pattern"]].get("automated_since")
        return begun is not None and ticket["created"].date() >= begun

    before = [ticket for ticket in tickets if not since(ticket)]
    after = [ticket for ticket in tickets if since(ticket)]
    first_day = min(rate["automated_since"] for rate in table.values() if "automated_since" in rate)
    created = [ticket["created"].date() for ticket in export.tickets if ticket["created"]]
    since_then = (max(created) - max(first_day, min(created))).days + 1 if created else 0
    span = _span([ticket["created"].date() for ticket in before])
    weeks = Counter(week(ticket["created"]) for ticket in tickets)
    yearly = _pace(365 * sum(worth[name] * n for name, n in counts.items()), covered if tickets else 0)
    roi = [(name, "", worth[name] * n * 365 / covered, n) for name, n in counts.items()]
    roi.sort(key=lambda row: (-row[2], row[0]))
    silent = sum(export.seen[ticket["id"]] == 0 for ticket in export.closed)
    motion = counts["motion and sensors"]
    levels = Counter(ticket["task_level"] or "not classified" for ticket in export.tickets)
    return {
        "auto-candidates": counted(len(tickets), every),
        "auto-coverage": single(percent(len(tickets), every), every),
        "auto-quick-wins": counted(motion, every),
        "auto-saving": single(yearly, len(tickets)),
        "auto-saved": single(sum(worth[t["automation_pattern"]] for t in after) if after else None, len(after)),
        "auto-before": single(_pace(7 * len(before), span), len(before)),
        "auto-after": single(_pace(7 * len(after), since_then), len(after)),
        "auto-status": most(counts),
        "auto-weekly": worst([(week_name(one), "", float(n), n) for one, n in sorted(weeks.items())], max),
        "auto-patterns": most(counts, 5),
        "auto-roi": worst(roi, max),
        "communication-gap": single(silent * 5 / 60 * 80, len(export.closed)) if export.closed else Answer(None, 0),
        "task-levels": shares(levels),
        "communication-tickets": counted(levels["communication"], every),
    }


def _support(export: Export) -> dict[str, Answer]:
    tickets = [t for t in export.tickets if t["TKT-Category"] == "Support Tickets"]
    counts = Counter(ticket["automation_pattern"] or "no pattern" for ticket in tickets)
    named = {name: n for name, n in counts.items() if name != "no pattern"}
    total = len(tickets)
    advice = [(label, "", percent(n, total), n) for label, _, _, n in ranked(named)]
    per_week = Counter((week(t["created"]), t["automation_pattern"]) for t in tickets)
    weeks = sorted({one for one, _ in per_week})
    every = [weeks[0] + timedelta(days=number) for number in range(0, _span(weeks), 7)]
    found = {"support-patterns": most(counts), "support-advice": worst(advice, max, total)}
    for key, pattern in (
        ("support-access", "access and permissions"),
        ("support-mailboxes", "mailboxes"),
        ("support-passwords", "passwords"),
        ("support-software", "software"),
        ("support-network", "VPN and network"),
    ):
        rows = [(week_name(one), "", float(n), n) for one in every for n in [per_week[one, pattern]]]
        found[key] = worst(rows, max, named.get(pattern, 0))
    changes: list[Row] = []
    for label, *_ in sorted(ranked(named, 5)):
        for before, one in pairwise(every[1:-1]):
            old, new = per_week[before, label], per_week[one, label]
            changes.append((week_name(one), label, percent(new - old, old), new + old))
    top = worst([row for row in changes if row[2] is not None], max)
    return found | {"support-change": replace(top, rows=tuple(changes))}


def _incidents(export: Export) -> dict[str, Answer]:
    tickets = [ticket for ticket in export.tickets if not ticket["alert"]]
    for ticket in tickets:
        ticket["class"] = ticket["incident_class"] or "Cloud"
    counts = Counter(ticket["class"] for ticket in tickets)
    weekly = Counter((week(ticket["created"]), ticket["class"]) for ticket in tickets)
    found = {
        "incident-classes": shares(counts),
        "incident-weekly": worst([(week_name(w), c, float(n), n) for (w, c), n in sorted(weekly.items())], max),
    }
    for key, name in (("cloud", "Cloud"), ("telecom", "Telecommunications"), ("networking", "Networking")):
        found[f"incident-{key}"] = counted(counts[name], len(tickets))
        mine = [ticket for ticket in tickets if ticket["class"] == name]
        mine.sort(key=lambda t: (-t["created"].timestamp(), t["id"]))
        found[f"recent-{key}"] = newest(ticket["id"] for ticket in mine[:20])
        if key != "cloud":
            found[f"incident-{key}-kinds"] = shares(Counter(ticket[f"{key}_kind"] or "other" for ticket in mine))
    return found


def _quality(export: Export) -> dict[str, Answer]:
    rows: list[Row] = []
    for part in PARTS:
        marks = [one[f"{part}_score"] for one in export.usable if one[f"{part}_score"] is not None]
        if export.usable:
            rows.append((part, "", mean(marks), len(export.usable)))
    analysed = {one["id"] for one in export.analyses}
    eligible = {
        int(c["comment_id"])
        for c in export.comments
        if c["comment_type"] == "comments" and (c["user_name"] or "") not in ROBOTS and c["comment_text"]
    }
    moods = Counter(one["sentiment"] for one in export.moods)
    looked = len(export.moods)
    sure = [one["confidence"] for one in export.moods if one["confidence"] is not None]
    sureness = mean(sure)
    floor: list[Row] = []
    for series, column in (("person", "user_name"), ("team", "team")):
        scored = [one for one in export.usable if one["quality_score"] is not None]
        scored = [one | {"team": one["team"] or "(no team)"} for one in scored if one[column] or column == "team"]
        means = [
            (name, series, mean(scores), len(scores))
            for name, scores in grouped(scored, column, "quality_score").items()
            if len(scores) >= 20
        ]
        floor += sorted(means, key=lambda row: (row[2] or 0, row[0]))
    return {
        "quality-floor": worst(floor, min),
        "dimensions": worst(rows, min),
        "coverage": single(percent(len(eligible & analysed), len(eligible)), len(eligible)),
        "model-positive": single(percent(moods["positive"], looked), looked),
        "model-moods": shares(moods),
        "model-confidence": single(None if sureness is None else 100 * sureness, looked),
        "model-count": counted(looked, looked),
    }


def _tiers(export: Export) -> dict[str, Answer]:
    tickets = [ticket for ticket in export.tickets if ticket["support_tier"] in ("L1", "L2", "L3")]
    counts = Counter(ticket["support_tier"] for ticket in tickets)
    cost = {"L1": 100, "L2": 200, "L3": 300}
    spent = sum(cost[name] * n for name, n in counts.items())
    wanted = len(tickets) * (100 * 65 + 200 * 30 + 300 * 7.5) / 102.5
    monthly = Counter((f"{t['created']:%Y-%m}", t["support_tier"]) for t in tickets)
    by_name = [(name, "", percent(counts[name], len(tickets)), counts[name]) for name in sorted(counts)]
    days = grouped([t for t in tickets if t["days"] is not None], "support_tier", "days")
    found = {
        "tiers": worst(by_name, max, len(tickets)),
        "tier-unknown": single(len(export.tickets) - len(tickets), len(export.tickets)),
        "tier-saving": single(spent - wanted, len(tickets)),
        "tier-monthly": worst([(m, name, float(n), n) for (m, name), n in sorted(monthly.items())], max),
        "tier-cost": worst([(name, "", float(cost[name] * n), n) for name, n in sorted(counts.items())], max),
        "tier-days": worst([(name, "", mean(values), len(values)) for name, values in sorted(days.items())], max),
    }
    for key, column, missing in (("category", "TKT-Category", "(no category)"), ("pod", "assigned_pod", "(no pod)")):
        cells = Counter((ticket["support_tier"], ticket[column] or missing) for ticket in tickets)
        ordered = sorted(cells.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
        found[f"tier-{key}"] = worst([(name, other, float(n), n) for (name, other), n in ordered], max)
    for name in cost:
        found[f"tier-{name.lower()}"] = single(percent(counts[name], len(tickets)), len(tickets))
    return found
