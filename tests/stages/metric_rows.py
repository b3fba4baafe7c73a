"""The rows of a cleaned export as Python values, and the arithmetic of the metrics' oracle."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

CLOSED = {"Closed", "Incident Resolved"}
ROBOTS = {"flowbot"}
NO_TEAM = "(no team)"
TIERS = ("excellent", "good", "acceptable", "poor")
TEAM_MINIMUM, CELL_MINIMUM = 50, 10

Row = tuple[str, str, float | None, int]
"""Label, series, value, n."""


@dataclass(frozen=True, slots=True)
class Answer:
    value: float | None
    n: int
    rows: tuple[Row, ...] = ()


def quantile(values: Iterable[float], share: float) -> float | None:
    """Linear between the two nearest ranks."""
    ordered = sorted(values)
    if not ordered:
        return None
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def mean(values: Iterable[float]) -> float | None:
    """Exact, then rounded once."""
    exact = [Fraction(value) for value in values]
    return float(sum(exact) / len(exact)) if exact else None


def percent(part: int, whole: int) -> float | None:
    return float(Fraction(100 * part, whole)) if whole else None


def moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None


class Export:
    """The columns that the metrics need, as Python values."""

    def __init__(self, path: Path) -> None:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            self.tickets = _table(database, "tickets")
            self.comments = _table(database, "comments")
            self.sheets = _table(database, "timesheets")
            self.analyses = _table(database, "comment_quality")
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            self.moods = _table(database, "comment_sentiment") if "comment_sentiment" in tables else []
            self.counts = {name: _count(database, name) for name in tables if not name.startswith("sqlite_")}
        for ticket in self.tickets:
            ticket["id"] = int(ticket["TKT-Ticket ID"])
            ticket["created"] = moment(ticket["TKT-Created Time"])
            ticket["resolved"] = moment(ticket["TKT-Actual Resolution Date"])
            ticket["team"] = ticket["TKT-Team"] or NO_TEAM
            ticket["closed"] = ticket["TKT-Status"] in CLOSED
            ticket["person"] = (ticket["TKT-Assigned To User"] or "").strip(" ")
            ticket["cause"] = (ticket["TKT-Root Cause Category"] or "").strip(" ")
            ticket["days"] = _days(ticket)
        self.closed = [ticket for ticket in self.tickets if ticket["closed"]]
        self.timed = [ticket for ticket in self.tickets if ticket["days"] is not None]
        self.by_id = {ticket["id"]: ticket for ticket in self.tickets}
        self.seen: Counter[int] = Counter()
        self.written: Counter[int] = Counter()
        for comment in self.comments:
            if comment["ticket_id"] is None:
                continue
            number = int(comment["ticket_id"])
            self.written[number] += 1
            if comment["visible_to_customer"] == "Yes" and (comment["user_name"] or "") not in ROBOTS:
                self.seen[number] += 1
        for analysis in self.analyses:
            analysis["id"] = int(analysis["comment_id"])
            score = analysis["quality_score"]
            analysis["quality_score"] = None if score is None else Fraction(str(score))
            parts = [analysis[f"{name}_score"] for name in PARTS]
            analysis["failed"] = (
                str(analysis["intent_summary"] or "").strip().lower().startswith("analysis failed")
                or "analysis failed" in str(analysis["red_flags"] or "").lower()
            )
            analysis["uniform"] = None not in parts and len(set(parts)) == 1
            analysis["usable"] = not analysis["failed"] and not analysis["uniform"]
        self.usable = [analysis for analysis in self.analyses if analysis["usable"]]
        self.agents: dict[int, set[str]] = defaultdict(set)
        for sheet in self.sheets:
            ticket = sheet["TS-Crm ID"]
            if ticket and int(ticket) in self.by_id:
                names = self.agents[int(ticket)]
                if sheet["TS-User Username"] is not None:
                    names.add(sheet["TS-User Username"])


PARTS = ("professionalism", "clarity", "empathy", "actionability")


def _table(database: sqlite3.Connection, name: str) -> list[dict[str, Any]]:
    cursor = database.execute(f"SELECT * FROM {name}")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _count(database: sqlite3.Connection, name: str) -> int:
    rows: int = database.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
    return rows


def _days(ticket: Mapping[str, Any]) -> float | None:
    if not ticket["closed"] or ticket["created"] is None or ticket["resolved"] is None:
        return None
    seconds = (ticket["resolved"] - ticket["created"]).total_seconds()
    return seconds / 86400 if seconds >= 0 else None


def single(value: float | None, n: int) -> Answer:
    return Answer(value, n, (("", "", value, n),))


def counted(part: int, whole: int) -> Answer:
    """How many of `whole` there are: of none that were looked at, there is nothing to say."""
    return single(float(part), whole) if whole else Answer(None, 0)


def newest(labels: Iterable[Any]) -> Answer:
    """A list without figures: its headline says only that there is one."""
    rows = tuple((str(label), "", 1.0, 1) for label in labels)
    return Answer(1.0, 1, rows) if rows else Answer(None, 0)


def worst(rows: Sequence[Row], choose: Callable[..., Row], n: int | None = None) -> Answer:
    known = [row for row in rows if row[2] is not None]
    if not known:
        return Answer(None, 0, tuple(rows))
    chosen = choose(known, key=lambda row: row[2])
    return Answer(chosen[2], chosen[3] if n is None else n, tuple(rows))


def shares_of(counted: Mapping[str, int], limit: int | None = None) -> tuple[list[Row], int]:
    total = sum(counted.values())
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:limit]
    return [(label, "", percent(n, total), n) for label, n in ordered], total


def grouped(items: Iterable[Mapping[str, Any]], key: str, value: str) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for item in items:
        groups[item[key]].append(item[value])
    return groups
