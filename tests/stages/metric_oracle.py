"""What every metric and template must say about a cleaned export, worked out in plain Python from its rows.

It shares neither SQL nor code with the catalogue: two people wrote down the same definitions in two languages.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path

from tests.stages.metric_rows import (
    CELL_MINIMUM,
    PARTS,
    ROBOTS,
    TEAM_MINIMUM,
    TIERS,
    Answer,
    Export,
    Row,
    counted,
    grouped,
    mean,
    moment,
    percent,
    quantile,
    shares_of,
    single,
    worst,
)


def answers(path: Path) -> dict[str, Answer]:
    """By id. What a person judges (3.6) and what depends on the clock (M3) is not here."""
    export = Export(path)
    found: dict[str, Answer] = {}
    for part in (_executive, _teams, _people, _quality, _operations, _over_time, _gaps):
        found |= part(export)
    for same, other in (("E3", "1.2"), ("E4", "1.5"), ("O6", "2.5")):
        found[same] = found[other]
    return found


def newest_ticket(path: Path) -> datetime:
    times: list[datetime] = [ticket["created"] for ticket in Export(path).tickets if ticket["created"]]
    return max(times)


def _executive(export: Export) -> dict[str, Answer]:
    met = Counter(ticket["TKT-SLA Met"] for ticket in export.tickets)
    closed = len(export.closed)
    visible = [export.seen[ticket["id"]] for ticket in export.closed]
    days = [ticket["days"] for ticket in export.timed]
    people = [max(len(names), 1) for names in export.agents.values()]
    buckets = [("0", 0, 0), ("1", 1, 1), ("2-3", 2, 3), ("4+", 4, 10**9)]
    shares = [(label, "", percent(n, closed), n) for label, low, high in buckets for n in [_within(visible, low, high)]]
    booked = [("1", 1, 1), ("2", 2, 2), ("3", 3, 3), ("4+", 4, 10**9)]
    agents = [(label, "", percent(n, len(people)), n) for label, lo, hi in booked for n in [_within(people, lo, hi)]]
    counts = [
        ("tickets", len(export.tickets)),
        ("comments", len(export.comments)),
        ("timesheet rows", len(export.sheets)),
        ("closed tickets", closed),
    ]
    still_open = len(export.tickets) - closed
    quantiles = [(f"p{share}", "", quantile(days, share / 100), len(days)) for share in (50, 90, 95, 99) if days]
    return {
        "1.1": single(percent(met["yes"], met["yes"] + met["no"]), met["yes"] + met["no"]),
        "1.2": single(mean(days), len(days)),
        "1.3": single(percent(_within(visible, 0, 1), closed), closed),
        "1.4": single(percent(closed - _within(visible, 0, 0), closed), closed),
        "2.1": single(percent(_within(people, 2, 10**9), len(people)), len(people)),
        "3.4": Answer(shares[0][2], closed, tuple(shares)),
        "3.5": Answer(agents[0][2], len(people), tuple(agents)),
        "4.3": Answer(float(len(export.tickets)), len(export.tickets), tuple((a, "", float(b), b) for a, b in counts)),
        "E1": single(len(export.tickets), len(export.tickets)),
        "E2": counted(still_open, len(export.tickets)),
        "A2": Answer(quantile(days, 0.5), len(days), tuple(quantiles)),
    }


def _within(values: Iterable[int], low: int, high: int) -> int:
    return sum(low <= value <= high for value in values)


def _teams(export: Export) -> dict[str, Answer]:
    closed = len(export.closed)
    size = Counter(ticket["team"] for ticket in export.closed)
    large = {team: n for team, n in size.items() if n >= TEAM_MINIMUM}
    work = [
        (team, "", percent(n, closed), n) for team, n in sorted(large.items(), key=lambda item: (-item[1], item[0]))
    ]
    busiest = worst(work, max, closed)
    small = closed - sum(large.values())
    rest = [("(smaller teams)", "", percent(small, closed), small)] if small else []
    support = [ticket for ticket in export.closed if ticket["TKT-Category"] == "Support Tickets"]
    effort = defaultdict(list)
    for ticket in support:
        effort[ticket["team"]].append(export.written[ticket["id"]])
    seen = defaultdict(list)
    for ticket in export.closed:
        seen[ticket["team"]].append(export.seen[ticket["id"]])
    covered = [(t, "", percent(sum(v >= 1 for v in vs), len(vs)), len(vs)) for t, vs in seen.items()]
    at_once = [(t, "", percent(sum(v <= 1 for v in vs), len(vs)), len(vs)) for t, vs in seen.items()]
    cells = Counter((ticket["team"], ticket["TKT-Category"] or "(no category)") for ticket in export.closed)
    heat = [
        (team, category, percent(n, size[team]), n)
        for (team, category), n in cells.items()
        if team in large and n >= CELL_MINIMUM
    ]
    heat.sort(key=lambda row: (-size[row[0]], row[0], -(row[2] or 0), row[1]))
    special = sum(max(n for (of, _), n in cells.items() if of == team) * 10 > 9 * large[team] for team in large)
    return {
        "2.3": replace(busiest, rows=(*work, *rest)),
        "2.4": worst(_means(effort, TEAM_MINIMUM), max),
        "2.7": worst(_means(grouped(export.timed, "team", "days"), TEAM_MINIMUM), max),
        "2.8": worst(_large(covered), min),
        "3.7": worst(_large(at_once), min),
        "3.1": Answer(percent(special, len(large)), sum(large.values()), tuple(heat)),
    }


def _means(groups: Mapping[str, Sequence[float]], minimum: int) -> list[Row]:
    rows = [(name, "", mean(values), len(values)) for name, values in groups.items() if len(values) >= minimum]
    return sorted(rows, key=lambda row: (row[2], row[0]))


def _large(rows: Iterable[tuple[str, str, float | None, int]]) -> list[Row]:
    kept = [row for row in rows if row[3] >= TEAM_MINIMUM]
    return sorted(kept, key=lambda row: (-(row[2] or 0), row[0]))


def _people(export: Export) -> dict[str, Answer]:
    hours: dict[str, Fraction] = defaultdict(Fraction)
    entries: Counter[str] = Counter()
    for sheet in export.sheets:
        if sheet["TS-Hours"] is not None:
            name = sheet["TS-User Full Name"] or "(no name)"
            hours[name] += Fraction(str(sheet["TS-Hours"]))
            entries[name] += 1
    busiest = sorted(hours, key=lambda name: (-hours[name], name))[:10]
    booked = [(name, "", float(hours[name]), entries[name]) for name in busiest]
    named = [ticket for ticket in export.tickets if ticket["person"] not in ("", "PendingAssignment")]
    done = Counter(ticket["person"] for ticket in named if ticket["closed"])
    waiting = Counter(ticket["person"] for ticket in named if not ticket["closed"])
    timed = [ticket for ticket in named if ticket["days"] is not None]
    return {
        "3.2": worst(booked, max, entries.total()),
        "T1": _most(done, 20),
        "T2": worst(_means(grouped(timed, "person", "days"), 10), max),
        "T4": _most(waiting, None),
    }


def _most(counts: Counter[str], limit: int | None) -> Answer:
    """The headline rests on the rows that are shown."""
    rows = [(name, "", float(n), n) for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    if not rows:
        return Answer(None, 0)
    return Answer(rows[0][2], counts.total(), tuple(rows[:limit]))


def _quality(export: Export) -> dict[str, Answer]:
    scores = [analysis["quality_score"] for analysis in export.usable if analysis["quality_score"] is not None]
    found = {"1.5": single(mean(scores), len(scores))}
    for number, part in enumerate(PARTS, start=1):
        marks = [one[f"{part}_score"] for one in export.usable if one[f"{part}_score"] is not None]
        found[f"Q{number}"] = single(mean(marks), len(marks))
    tiers = Counter(one["quality_tier"] for one in export.analyses if one["quality_tier"] is not None)
    total = tiers.total()
    rows = [(tier, "", percent(tiers[tier], total), tiers[tier]) for tier in TIERS if tiers[tier]]
    found["2.5"] = Answer(percent(tiers["excellent"] + tiers["good"], total), total, tuple(rows))
    whole = Counter(int(score) for score in scores)
    buckets = [(str(n), "", percent(whole[n], len(scores)), whole[n]) for n in range(1, 6)]
    found["Q5"] = worst(buckets, max, len(scores)) if scores else Answer(None, 0, tuple(buckets))
    low = [one for one in export.analyses if not one["failed"] and (one["quality_score"] or 9) < 2]
    low.sort(key=lambda one: (one["quality_score"], one["id"]))
    lowest = tuple((str(one["id"]), "", float(one["quality_score"]), 1) for one in low[:100])
    found["Q7"] = Answer(lowest[0][2] if lowest else None, len(low), lowest)
    people = grouped(
        [one for one in export.usable if one["user_name"] and one["quality_score"] is not None],
        "user_name",
        "quality_score",
    )
    found["T3"] = worst(_means(people, 5), min)
    return found


def _operations(export: Export) -> dict[str, Answer]:
    causes = Counter(t["cause"] for t in export.closed if t["cause"] not in ("", "--None--"))
    rows, total = shares_of(causes, 10)
    found = {"2.2": worst(rows, max, total)}
    for key, items, column, missing in (
        ("4.1", export.closed, "TKT-Category", "(no category)"),
        ("O1", export.tickets, "TKT-Status", "(no status)"),
        ("O2", export.tickets, "TKT-Severity", "(no severity)"),
    ):
        rows, total = shares_of(Counter(ticket[column] or missing for ticket in items))
        found[key] = worst(rows, max, total)
    for ticket in export.tickets:
        ticket["severity"] = ticket["TKT-Severity"] or "(no severity)"
    times = sorted(_means(grouped(export.timed, "severity", "days"), 1))
    found["O5"] = worst(times, max, len(export.timed))
    known = grouped([t for t in export.tickets if t["TKT-SLA Met"] in ("yes", "no")], "severity", "TKT-SLA Met")
    met = [(name, "", percent(values.count("yes"), len(values)), len(values)) for name, values in sorted(known.items())]
    found["O7"] = worst(met, min, sum(map(len, known.values())))
    return found


def _over_time(export: Export) -> dict[str, Answer]:
    created = [ticket["created"] for ticket in export.tickets if ticket["created"]]
    months = Counter(f"{time:%Y-%m}" for time in created)
    volume = tuple((month, "", float(n), n) for month, n in sorted(months.items()))
    complete = volume[max(len(volume) - 2, 0)][2] if volume else None
    found = {"2.6": Answer(complete, len(created), volume)}
    found["O3"] = found["A1"] = _days_filled(time.date() for time in created)
    found["O4"] = _days_filled(t["resolved"].date() for t in export.closed if t["resolved"])
    by_resolution = _medians((f"{t['resolved']:%Y-%m}", t["days"]) for t in export.timed)
    newest = max(created, default=datetime.min)
    horizon = [t for t in export.tickets if t["created"] and _month_end(t["created"]) + timedelta(days=60) <= newest]
    old = {f"{t['created']:%Y-%m}" for t in horizon}
    pairs = [(f"{t['created']:%Y-%m}", t["days"]) for t in horizon if t["days"] is not None]
    by_creation = dict.fromkeys(sorted(old), (None, 0)) | _medians(pairs)
    trend = [(month, "by month of resolution", *by_resolution[month]) for month in sorted(by_resolution)]
    trend += [(month, "by month of creation", *by_creation[month]) for month in sorted(by_creation)]
    latest = by_resolution[max(by_resolution)][0] if by_resolution else None
    found["3.3"] = Answer(latest, len(export.timed), tuple(trend))
    times = {int(c["comment_id"]): moment(c["created_time"]) for c in export.comments}
    written = [
        (time, one["quality_score"])
        for one in export.usable
        if one["quality_score"] is not None and (time := times.get(one["id"])) is not None
    ]
    last = max((time for time in times.values() if time is not None), default=datetime(2000, 1, 1))
    recent = [pair for pair in written if pair[0].date() > last.date() - timedelta(days=90)]
    year_before = (last.year * 12 + last.month - 1) - 11
    year = [pair for pair in written if pair[0].year * 12 + pair[0].month - 1 >= year_before]
    for key, pairs_of, form in (("Q6", recent, "%Y-%m-%d"), ("A3", year, "%Y-%m")):
        groups: dict[str, list[float]] = defaultdict(list)
        for time, score in pairs_of:
            groups[time.strftime(form)].append(score)
        rows = tuple((label, "", mean(values), len(values)) for label, values in sorted(groups.items()))
        found[key] = Answer(mean(score for _, score in pairs_of) if pairs_of else None, len(pairs_of), rows)
    return found


def _month_end(time: datetime) -> datetime:
    first = time.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def _medians(pairs: Iterable[tuple[str, float]]) -> dict[str, tuple[float | None, int]]:
    groups: dict[str, list[float]] = defaultdict(list)
    for label, days in pairs:
        groups[label].append(days)
    return {label: (quantile(values, 0.5), len(values)) for label, values in groups.items()}


def _days_filled(days: Iterable[date]) -> Answer:
    """The newest 90 days with data, days without any between them."""
    counts = Counter(days)
    if not counts:
        return Answer(None, 0)
    last = max(counts)
    first = min(day for day in counts if day > last - timedelta(days=90))
    filled = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    rows = tuple((day.isoformat(), "", float(counts[day]), counts[day]) for day in filled)
    return Answer(mean(row[3] for row in rows), sum(row[3] for row in rows), rows)


def _gaps(export: Export) -> dict[str, Answer]:
    closed, tickets = len(export.closed), len(export.tickets)
    timed = {int(sheet["TS-Crm ID"]) for sheet in export.sheets if sheet["TS-Crm ID"] is not None}
    with_time = sum(ticket["id"] in timed for ticket in export.closed)
    with_cause = sum(ticket["cause"] not in ("", "--None--") for ticket in export.closed)
    analysed = {one["id"] for one in export.analyses}
    every = {int(comment["comment_id"]) for comment in export.comments}
    eligible = {
        int(c["comment_id"])
        for c in export.comments
        if c["comment_type"] == "comments" and (c["user_name"] or "") not in ROBOTS and c["comment_text"]
    }
    of_eligible = ("", percent(len(eligible & analysed), len(eligible)), len(eligible))
    of_all = ("", percent(len(every & analysed), len(every)), len(every))
    shares: list[Row] = [
        ("closed tickets with time booked", "", percent(with_time, closed), closed),
        ("closed tickets with a known root cause", "", percent(with_cause, closed), closed),
        ("human comments that were analysed", *of_eligible),
        ("all comments that were analysed", *of_all),
    ]
    least = min(shares[:3], key=lambda row: row[2] if row[2] is not None else 101.0)
    missing: list[Row] = [
        ("creation time missing", "", percent(sum(not t["created"] for t in export.tickets), tickets), tickets),
        (
            "resolution time of closed tickets missing",
            "",
            percent(sum(not t["resolved"] for t in export.closed), closed),
            closed,
        ),
        ("severity missing", "", percent(sum(not t["TKT-Severity"] for t in export.tickets), tickets), tickets),
        ("unassigned", "", percent(sum(t["person"] == "PendingAssignment" for t in export.tickets), tickets), tickets),
    ]
    most = max(missing[:3], key=lambda row: row[2] or 0.0)
    return {
        "4.2": Answer(least[2], least[3], tuple(shares)),
        "M1": Answer(most[2], most[3], tuple(missing)),
        "M2": Answer(
            of_eligible[1], of_eligible[2], (("human comments with a text", *of_eligible), ("all comments", *of_all))
        ),
    }
