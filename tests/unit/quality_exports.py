"""Small exports for the tests of cleaning and scoring: perfect by default, with any cell replaced by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Contract
from sdconsole.quality.clean.report import CleanReport
from sdconsole.quality.clean.writing import clean_database
from sdconsole.quality.drift.shape import deployed_tables
from sdconsole.quality.profile.database import profile_database
from sdconsole.quality.profile.model import Profile
from sdconsole.quality.score.model import Phase, Score
from sdconsole.quality.score.scoring import score_file
from sdconsole.source.catalog import quote
from sdconsole.source.open import source_digest

CONTRACT = load_contract(None)
AS_OF = datetime(2025, 11, 21, tzinfo=UTC)
MINIMUM = 80.0
Rows = dict[str, list[dict[str, Any]]]


def silent(done: int, total: int | None) -> None:
    """A progress callable that shows nothing."""


def perfect(tickets: int = 20) -> Rows:
    """Rows of a flawless export: 2 comments and 2 bookings for each ticket, 15 % admin time, 91 % foreign bookings."""
    made: Rows = {"tickets": [], "comments": [], "timesheets": [], "cloud_team_roster": [{"username": "mtanaka"}]}
    start = datetime(2025, 7, 10, 8, 0)
    for number in range(tickets):
        created = start + timedelta(hours=7 * number)
        made["tickets"].append(
            {
                "TKT-Ticket ID": 3_664_000 + number,
                "TKT-Created Time": str(created),
                "TKT-Title": f"Printer {number} is out of paper",
                "TKT-Severity": "Priority 3",
                "TKT-Status": "Closed",
                "TKT-Assigned To User": " PendingAssignment" if number % 4 == 0 else "Mika Tanaka",
                "TKT-Team": "Cloud - Acacia",
                "TKT-Actual Response Date": str(created + timedelta(hours=1)),
                "TKT-Actual Resolution Date": str(created + timedelta(hours=5)),
                "TKT-Closure Date": str(created + timedelta(hours=6)),
                "TKT-Modified Time": str(created + timedelta(hours=6)),
                "TKT-Month Created": f"{created:%Y-%m}",
                "TKT-Account Id": 77,
                "TKT-Account Name": "Kestrel Bay Hospital",
                "TKT-Category": "Support Tickets",
                "TKT-Root Cause Category": "Hardware",
                "TKT-Ticket Source": "email",
                "TKT-Response Met": "yes",
                "TKT-Resolution Met": "yes",
                "TKT-SLA Met": "yes",
            }
        )
    for number in range(2 * tickets):
        made["comments"].append(
            {
                "comment_id": 21_000_000 + number,
                "ticket_id": 3_664_000 + number // 2,
                "comment_text": f"Replaced the paper and printed a test page, number {number}. " * 3 + "Done.",
                "user_name": "mtanaka",
                "user_id": 17,
                "owner_type": "agent",
                "created_time": str(start + timedelta(hours=7 * (number // 2) + 2)),
                "visible_to_customer": "Yes" if number % 3 else "No",
                "comment_type": "comments",
                "team": "Cloud - Acacia",
            }
        )
        admin = number % 20 in (0, 7, 14)
        matched = number % 20 == 5
        made["timesheets"].append(
            {
                "TS-User Full Name": "Mika Tanaka",
                "TS-User Username": f"user{number % 5}",
                "TS-Title": "Paper",
                "TS-Date": str(start.replace(hour=0) + timedelta(days=number // 5)),
                "TS-Time From": "08:00",
                "TS-Hours": 0.25 * (1 + number % 8),
                "TS-Crm ID": 0 if admin else 3_664_000 + number // 2 if matched else 9_000_000 + number,
                "TS-Type": "Work",
                "TS-Category": "Support",
                "TS-Account Name": "Kestrel Bay Hospital",
                "TS-Costcentre ID": 12,
            }
        )
    return made


def write(
    path: Path,
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    contract: Contract = CONTRACT,
    without: Iterable[str] = (),
    declared: Mapping[str, str] | None = None,
) -> Path:
    """A file with the contract's tables that `rows` names, all their columns and any further ones the rows have.

    Columns have no declared type unless `declared` gives one, so SQLite stores every value as it is. `without` are
    columns to leave out.
    """
    left_out = set(without)
    with closing(sqlite3.connect(path)) as connection, connection:
        for name, stored in rows.items():
            known = contract.table(name)
            names = [column.name for column in known.columns] if known is not None else []
            names += [column for row in stored for column in row if column not in names]
            names = [column for column in dict.fromkeys(names) if column not in left_out]
            columns = ", ".join(f"{quote(column)} {(declared or {}).get(column, '')}" for column in names)
            connection.execute(f"CREATE TABLE {quote(name)} ({columns})")
            connection.executemany(
                f"INSERT INTO {quote(name)} ({', '.join(map(quote, names))}) VALUES ({', '.join('?' * len(names))})",
                [[row.get(column) for column in names] for row in stored],
            )
    return path


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A cleaned export and what belongs to it."""

    source: Path
    output: Path
    profile: Profile
    report: CleanReport
    contract: Contract = CONTRACT

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return select(self.output, query, *values)

    def column(self, table: str, column: str) -> list[Any]:
        """The column's values, by row number."""
        return [value for (value,) in self.rows(f"SELECT {quote(column)} FROM {quote(table)} ORDER BY rowid")]

    def score(self, phase: Phase, previous: Mapping[str, Any] | None = None) -> Score:
        return score_file(
            self.source if phase == "before" else self.output,
            self.contract,
            deployed_tables(self.contract, self.profile),
            phase=phase,
            orders=self.profile.orders,
            minimum=MINIMUM,
            progress=silent,
            as_of=AS_OF,
            previous=previous,
        )


def select(path: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(query, values).fetchall()


def profiled(source: Path, contract: Contract = CONTRACT, *, digest: str | None = None) -> Profile:
    """With the digest of the file, so that cleaning relies on what was found; "" makes it look at every cell."""
    known = source_digest(source) if digest is None else digest
    return profile_database(source, contract, progress=silent, now=AS_OF, digest=known)


def clean(
    source: Path,
    output: Path | None = None,
    *,
    contract: Contract = CONTRACT,
    digest: str | None = None,
    **options: Any,
) -> Cleaned:
    """Profiles and cleans a file; the output lies beside it unless given. `digest` as of `profiled`."""
    target = source.with_name(f"{source.stem}.clean.db") if output is None else output
    profile = profiled(source, contract, digest=digest)
    chosen: dict[str, Any] = {"run_id": "r-20251121-000000-0001", "progress": silent, "quarantined_at": AS_OF} | options
    report = clean_database(source, target, contract, profile, **chosen)
    return Cleaned(source, target, profile, report, contract)


def clean_rows(
    folder: Path, rows: Mapping[str, Sequence[Mapping[str, Any]]], *, contract: Contract = CONTRACT, **options: Any
) -> Cleaned:
    """Writes the rows into a new file in `folder` and cleans it. Options as of `write`."""
    number = len(list(folder.iterdir()))
    return clean(write(folder / f"export{number}.db", rows, contract=contract, **options), contract=contract)


def content(path: Path, *, without: Iterable[str] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table with its row number, texts as bytes."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        names = [
            name.decode()
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        return {
            name: connection.execute(f"SELECT rowid, * FROM {quote(name)} ORDER BY rowid").fetchall()
            for name in names
            if name not in set(without)
        }
