"""What the panels about people and their comments must say, worked out in plain Python. Beside `panel_oracle.py`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.stages.metric_rows import (
    ROBOTS,
    TEAM_MINIMUM,
    Answer,
    Export,
    Row,
    counted,
    mean,
    moment,
    newest,
    percent,
    quantile,
    single,
    worst,
)
from tests.stages.panel_oracle import most, ranked, week, week_name, words


def people_answers(path: Path) -> dict[str, Answer]:
    """By id."""
    export, known = Export(path), words()
    ((_, praise),), ((_, complaint),) = known["praise"], known["complaint"]
    seen = [
        comment
        for comment in export.comments
        if comment["visible_to_customer"] == "Yes" and (comment["user_name"] or "") not in ROBOTS
    ]
    for comment in seen:
        text = comment["comment_text"] or ""
        comment["positive"], comment["negative"] = bool(praise.search(text)), bool(complaint.search(text))
        comment["at"] = moment(comment["created_time"])
    return _assignees(export) | _comments(seen) | _moods_of_people(export, seen)


def _named(export: Export) -> list[dict[str, Any]]:
    return [ticket for ticket in export.tickets if ticket["person"] not in ("", "PendingAssignment")]


def _assignees(export: Export) -> dict[str, Answer]:
    tickets = _named(export)
    people = Counter(ticket["person"] for ticket in tickets)
    top = {name for name, *_ in ranked(people, 15)}
    cells = Counter((t["person"], t["TKT-Category"] or "(no category)") for t in tickets if t["person"] in top)
    heat = sorted(cells.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    busiest = {name for name, *_ in ranked(people, 5)}
    load = Counter((week(t["created"]), t["person"]) for t in tickets if t["person"] in busiest)
    by_week: dict[datetime, list[float]] = defaultdict(list)
    days: dict[str, list[float]] = defaultdict(list)
    for ticket in export.timed:
        by_week[week(ticket["resolved"])].append(ticket["days"])
        if ticket["person"] not in ("", "PendingAssignment"):
            days[ticket["person"]].append(ticket["days"])
    weekly = [(week_name(one), "", quantile(values, 0.5), len(values)) for one, values in sorted(by_week.items())]
    hours: list[Row] = [
        (name, "", 24 * (mean(values) or 0), len(values))
        for name, values in days.items()
        if len(values) >= TEAM_MINIMUM
    ]
    judged = Counter(ticket["person"] for ticket in tickets if ticket["TKT-SLA Met"] in ("yes", "no"))
    met = Counter(ticket["person"] for ticket in tickets if ticket["TKT-SLA Met"] == "yes")
    sla: list[Row] = [(name, "", percent(met[name], n), n) for name, n in judged.items() if n >= TEAM_MINIMUM]
    done = Counter(ticket["person"] for ticket in tickets if ticket["closed"])
    kept = [name for name, *_ in ranked({name: n for name, n in done.items() if n >= 20}, 20)]
    closed_met = Counter(t["person"] for t in tickets if t["closed"] and t["TKT-SLA Met"] == "yes")
    closed_judged = Counter(t["person"] for t in tickets if t["closed"] and t["TKT-SLA Met"] in ("yes", "no"))
    glance = [(name, "", percent(closed_met[name], closed_judged[name]), done[name]) for name in kept]
    least = worst([row for row in glance if row[2] is not None], min)
    return {
        "assignees": most(people, 15),
        "person-category": worst([(name, other, float(n), n) for (name, other), n in heat], max),
        "workload-weekly": worst([(week_name(w), name, float(n), n) for (w, name), n in sorted(load.items())], max),
        "resolution-weekly": worst(weekly, max),
        "person-hours": worst(sorted(hours, key=lambda row: (row[2], row[0])), max),
        "person-sla": worst(sorted(sla, key=lambda row: (-(row[2] or 0), row[0])), min),
        "performance": replace(least, rows=tuple(glance)),
    }


def _comments(seen: list[dict[str, Any]]) -> dict[str, Answer]:
    days: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for comment in seen:
        days[f"{comment['at']:%Y-%m-%d}"].append(comment)
    daily = [
        (day, series, percent(sum(c[series] for c in comments), len(comments)), len(comments))
        for day, comments in sorted(days.items())
        for series in ("negative", "positive")
    ]
    found = {
        "visible-comments": counted(len(seen), len(seen)),
        "positive-words": single(percent(sum(c["positive"] for c in seen), len(seen)), len(seen)),
        "words-daily": worst(daily, max),
    }
    for key, other in (("positive", "negative"), ("negative", "positive")):
        mine = [comment for comment in seen if comment[key] and not comment[other]]
        mine.sort(key=lambda c: (-c["at"].timestamp(), int(c["comment_id"])))
        found[f"recent-{key}"] = newest(comment["comment_id"] for comment in mine[:50])
    return found


def _moods_of_people(export: Export, seen: list[dict[str, Any]]) -> dict[str, Answer]:
    said: dict[int, Counter[str]] = defaultdict(Counter)
    for comment in seen:
        if comment["ticket_id"] is not None:
            said[int(comment["ticket_id"])].update(
                comments=1, positive=comment["positive"], negative=comment["negative"]
            )
    tickets = _named(export)
    every: dict[str, Counter[str]] = defaultdict(Counter)
    of_closed: dict[str, Counter[str]] = defaultdict(Counter)
    for ticket in tickets:
        every[ticket["person"]] += said[ticket["id"]]
        if ticket["closed"]:
            of_closed[ticket["person"]] += said[ticket["id"]]
            of_closed[ticket["person"]]["tickets"] += 1
            of_closed[ticket["person"]]["met"] += ticket["TKT-SLA Met"] == "yes"
            of_closed[ticket["person"]]["judged"] += ticket["TKT-SLA Met"] in ("yes", "no")
    found: dict[str, Answer] = {}
    for key in ("positive", "negative"):
        rows = [
            (name, "", percent(counts[key], counts["comments"]), counts["comments"])
            for name, counts in every.items()
            if counts["comments"] >= TEAM_MINIMUM
        ]
        found[f"person-{key}"] = worst(sorted(rows, key=lambda row: (-(row[2] or 0), row[0]))[:20], max)
    ranking: list[Row] = []
    for name, counts in of_closed.items():
        if counts["tickets"] < 20:
            continue
        times = [t["days"] for t in tickets if t["person"] == name and t["days"] is not None]
        hours = 24 * (mean(times) or 0) if times else 100.0
        balance = percent(counts["positive"] - counts["negative"], counts["comments"]) or 0.0
        sla = percent(counts["met"], counts["judged"]) or 0.0
        ranking.append((name, "", 0.3 * sla + 0.3 * (100 - min(hours, 100)) + 0.4 * balance, counts["tickets"]))
    ranking.sort(key=lambda row: (-(row[2] or 0), row[0]))
    found["ranking"] = worst(ranking[:20], max)
    return found
