"""What must hold for the score of any export, tried on exports damaged at random from a printed seed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sdconsole.quality.score.model import Score
from tests.unit.quality_exports import CONTRACT, Rows, clean, clean_rows, content, perfect

SEEDS = range(4)
TABLES = ("tickets", "comments", "timesheets")
SCORED = sorted(
    {(rule.table, column) for rule in CONTRACT.rules if rule.points and rule.table for column in rule.columns}
)
NASTY: tuple[object, ...] = (
    *(None, "", "   ", "nan", "N/A", "--", 0, -5, 7.5, 2**62, 1e300, b"\xff\x00", "ABC-12", "1,250", "7,6"),
    *(" 3664001 ", "3664001.0", "31/02/2025", "5/07/2025", "25/07/2025 8:42 PM", "2019-01-01", "2031-01-01"),
    *(
        "2025-07-10T08:00:00Z",
        45797.5,
        "tbc",
        "x\0y",
        "a\r\nb",
        "a" + "\n" * 200 + "b",
        " padded ",
        "Mika",
        "see notes",
    ),
)
UNUSABLE: dict[str, object] = {"TS-Hours": "two", "TKT-Status": b"\0", "TS-Time From": b"\1"}


def damaged(seed: int, cells: int, tickets: int = 12) -> Rows:
    rng = random.Random(seed)
    rows = perfect(tickets)
    for _ in range(cells):
        table = rng.choice(TABLES)
        row = rng.choice(rows[table])
        row[rng.choice(sorted(row))] = rng.choice(NASTY)
    for _ in range(cells // 10):
        table = rng.choice(TABLES)
        rows[table].append(dict(rng.choice(rows[table])))
    return rows


def after(folder: Path, rows: Rows) -> Score:
    return clean_rows(folder, rows).score("after")


def losses(score: Score) -> dict[str, float]:
    return {result.id: result.lost for result in score.ledger if result.lost}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("cells", [5, 60])
def test_cleaning_never_lowers_a_score_nor_charges_anything_new(seed: int, cells: int, tmp_path: Path) -> None:
    cleaned = clean_rows(tmp_path, damaged(seed, cells))
    before, now = cleaned.score("before"), cleaned.score("after")
    assert now.total >= before.total
    assert {result.id for result in now.blockers} <= {result.id for result in before.blockers}
    for sooner, later in zip(before.ledger, now.ledger, strict=True):
        assert later.lost <= sooner.lost, later
    assert sum(round(100 * lost) for lost in losses(now).values()) == 10_000 - round(100 * now.total)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_clean_file_scores_the_same_however_often_it_is_cleaned(seed: int, tmp_path: Path) -> None:
    once = clean_rows(tmp_path, damaged(seed, 60))
    twice = clean(once.output)
    assert content(twice.output) == content(once.output)
    assert twice.report.changed == 0
    assert twice.score("after") == once.score("after")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_rows_and_columns_is_worth_nothing(seed: int, tmp_path: Path) -> None:
    rows = damaged(seed, 40)
    rng = random.Random(seed)
    shuffled: Rows = {}
    for table in rng.sample(sorted(rows), len(rows)):
        names = sorted({name for row in rows[table] for name in row})
        rng.shuffle(names)
        shuffled[table] = [{name: row.get(name) for name in names} for row in rng.sample(rows[table], len(rows[table]))]
    one, other = clean_rows(tmp_path, rows).score("before"), clean_rows(tmp_path, shuffled).score("before")
    assert (one.total, losses(one)) == (other.total, losses(other))


@pytest.mark.parametrize("seed", SEEDS)
def test_adding_clean_rows_never_lowers_the_score(seed: int, tmp_path: Path) -> None:
    rows = damaged(seed, 30)
    more = perfect(20)
    for table in TABLES:
        for row in more[table]:
            for name in ("TKT-Ticket ID", "comment_id", "ticket_id"):
                if name in row:
                    row[name] += 500_000
            if row.get("TS-Crm ID"):
                row["TS-Crm ID"] += 500_000
            if "TS-User Username" in row:
                row["TS-User Username"] += "+"
    before = after(tmp_path, rows)
    added = after(tmp_path, {table: [*rows[table], *more.get(table, [])] for table in rows})
    assert added.total >= before.total


@pytest.mark.parametrize("seed", SEEDS)
def test_spoiling_good_cells_never_raises_the_score(seed: int, tmp_path: Path) -> None:
    """A good cell is one of a row that nothing is wrong with, and whose ticket is there."""
    rng = random.Random(seed)
    rows = perfect(12)
    totals = [after(tmp_path, rows).total]
    places = [(table, row, column) for table, column in SCORED for row in rows[table] if row.get(column) is not None]
    rng.shuffle(places)
    spoilt: list[int] = []
    lost_tickets: set[object] = set()
    for table, row, column in places:
        ticket = row.get("TKT-Ticket ID") or row.get("ticket_id") or row.get("TS-Crm ID")
        if id(row) in spoilt or ticket in lost_tickets:
            continue
        row[column] = spoiled(column, rng)
        spoilt.append(id(row))
        if table == "tickets":
            lost_tickets.add(ticket)
        if len(spoilt) % 6 == 0:
            totals.append(after(tmp_path, rows).total)
    assert len(totals) >= 5
    assert totals == sorted(totals, reverse=True)
    assert totals[-1] < totals[0] == 100.0


def spoiled(column: str, rng: random.Random) -> object:
    """The cell made missing, or holding nothing that can be used."""
    if rng.random() < 0.5:
        return rng.choice([None, "", "nan"])
    return UNUSABLE.get(column, rng.choice(["see notes now", b"\xff", "31/02/2025"]) if _typed(column) else b"\xff")


def _typed(column: str) -> bool:
    return any(each.kind != "text" for _, each in CONTRACT.columns() if each.name == column)


@pytest.mark.parametrize("seed", SEEDS)
def test_emptying_unusable_cells_of_an_export_does_not_make_it_better_than_leaving_them(
    seed: int, tmp_path: Path
) -> None:
    rows = perfect(12)
    rng = random.Random(seed)
    for _ in range(12):
        rng.choice(rows["timesheets"])["TS-Crm ID"] = "ABC"
        rng.choice(rows["tickets"])["TKT-Closure Date"] = "31/02/2025"
        rng.choice(rows["timesheets"])["TS-Date"] = "tbc"
    cleaned = clean_rows(tmp_path, rows)
    assert cleaned.report.values_quarantined > 0
    assert cleaned.score("after").total == cleaned.score("before").total < 100.0
