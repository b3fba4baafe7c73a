"""A clean export of the usual size: the figures that the dashboards are built for, and not one defect."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sdconsole.contract.load import load_contract
from sdconsole.contract.model import Column, Kind, Table
from sdconsole.source.catalog import quote
from sdconsole.source.generate import Manifest, defects_path, generate

CONTRACT = load_contract(None)
CANONICAL = re.compile(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d").fullmatch
CLOSED = "\"TKT-Status\" IN ('Closed', 'Incident Resolved')"
DAYS = 'julianday("TKT-Actual Resolution Date") - julianday("TKT-Created Time")'


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return generate(tmp_path_factory.mktemp("clean") / "clean.db", contract=CONTRACT, dirt="clean")


@pytest.fixture(scope="module")
def clean(manifest: Manifest) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{manifest.path.as_uri()}?mode=ro", uri=True)
    yield connection
    connection.close()


def pairs(connection: sqlite3.Connection, query: str) -> dict[Any, Any]:
    return dict(connection.execute(query).fetchall())


def row(connection: sqlite3.Connection, query: str) -> Any:
    return connection.execute(query).fetchone()


def test_the_seven_tables_have_the_rows_of_the_observed_export(clean: sqlite3.Connection, manifest: Manifest) -> None:
    expected = {
        "tickets": 10_939,
        "comments": 108_129,
        "timesheets": 141_062,
        "comment_quality": 6_319,
        "comment_sentiment": 109,
        "cloud_team_roster": 48,
        "import_metadata": 16,
    }
    assert {table: row(clean, f"SELECT count(*) FROM {quote(table)}")[0] for table in expected} == expected
    assert manifest.total_rows == 266_622
    assert manifest.columns_with_values == 133


def test_statuses_categories_and_teams(clean: sqlite3.Connection) -> None:
    status = pairs(clean, 'SELECT "TKT-Status", count(*) FROM tickets GROUP BY 1')
    assert (status.pop("Closed"), status.pop("Incident Resolved"), sum(status.values())) == (7_969, 2_720, 250)
    assert pairs(clean, 'SELECT "TKT-Category", count(*) FROM tickets GROUP BY 1') == {
        "Support Tickets": 6_141,
        "Alert": 4_036,
        "Health Support Tickets": 468,
        "Standard": 180,
        "Other": 43,
        None: 71,
    }
    closed = "FROM tickets WHERE \"TKT-Status\" = 'Closed' GROUP BY 1"
    teams = pairs(clean, f'SELECT "TKT-Team", count(*) {closed}')
    assert (teams["Cloud - Infrastructure"], teams["Cloud - Acacia"], teams["Cloud - L2 Escalation"]) == (
        2551,
        1456,
        35,
    )
    shares = pairs(clean, f'SELECT "TKT-Category", round(count(*) / 79.69) {closed}')
    assert [shares[name] for name in ("Support Tickets", "Alert", "Health Support Tickets", "Standard")] == [
        62,
        31,
        4,
        2,
    ]
    causes = pairs(clean, f'SELECT "TKT-Root Cause Category", count(*) {closed}')
    assert (causes["Security"], causes["Account"], causes["Endpoint Agent"]) == (2_916, 1_482, 14)
    assert causes[None] == 231 + 48
    specialised = row(
        clean,
        'WITH cell AS (SELECT "TKT-Team" AS team, count(*) AS n FROM tickets WHERE "TKT-Status" = \'Closed\''
        ' GROUP BY 1, "TKT-Category") SELECT count(*) FROM (SELECT 1 FROM cell GROUP BY team'
        " HAVING max(n) > 0.9 * sum(n) AND sum(n) > 5)",
    )
    assert specialised[0] == 9


def test_sla_shares(clean: sqlite3.Connection) -> None:
    assert pairs(clean, 'SELECT "TKT-SLA Met", count(*) FROM tickets GROUP BY 1') == {
        "yes": 9_850,
        "no": 410,
        None: 679,
    }
    for column, share in (("TKT-Response Met", 0.969), ("TKT-Resolution Met", 0.954)):
        found = row(clean, f"SELECT avg({quote(column)} = 'yes') FROM tickets WHERE {quote(column)} IS NOT NULL")
        assert found[0] == pytest.approx(share, abs=0.001)
    assert row(clean, 'SELECT count("TKT-Actual Resolution Date") FROM tickets')[0] == 10_521
    assert (
        row(
            clean,
            'SELECT count(*) FROM tickets WHERE "TKT-SLA Breach Reason" IS NOT NULL AND "TKT-SLA Met" IS NOT \'no\'',
        )[0]
        == 0
    )


def test_resolution_times_by_team_and_month(clean: sqlite3.Connection) -> None:
    means = pairs(clean, f'SELECT "TKT-Team", avg({DAYS}) FROM tickets WHERE {CLOSED} GROUP BY 1')
    for team, days in (("Infrastructure", 1.22), ("Security", 2.93), ("Acacia", 3.99), ("Health Networks", 8.7)):
        assert means[f"Cloud - {team}"] == pytest.approx(days, rel=0.06)
    assert means["Cloud - L3 Escalation"] == pytest.approx(18.12, rel=0.1)
    assert means["Cloud - Clinical Analytics"] == pytest.approx(27.81, rel=0.1)
    assert row(clean, f"SELECT avg({DAYS}) FROM tickets WHERE {CLOSED}")[0] == pytest.approx(3.51, rel=0.05)
    month = pairs(clean, f'SELECT substr("TKT-Created Time", 6, 2), avg({DAYS}) FROM tickets WHERE {CLOSED} GROUP BY 1')
    assert month["07"] > month["08"] > month["09"] > month["10"]


def test_visible_comments_give_the_stated_first_contact_resolution_and_coverage(
    clean: sqlite3.Connection, manifest: Manifest
) -> None:
    buckets = clean.execute(
        'WITH seen AS (SELECT "TKT-Status" AS status, count(c.rowid) AS n FROM tickets LEFT JOIN comments AS c'
        " ON c.ticket_id = \"TKT-Ticket ID\" AND c.visible_to_customer = 'Yes' GROUP BY tickets.rowid)"
        " SELECT sum(n = 0), sum(n = 1), sum(n IN (2, 3)), sum(n > 3) FROM seen"
        " WHERE status IN ('Closed', 'Incident Resolved') GROUP BY status ORDER BY status"
    ).fetchall()
    assert buckets == [(1_834, 3_822, 1_497, 816), (1_904, 544, 218, 54)]
    assert manifest.figures.first_contact_resolution == pytest.approx(0.758, abs=0.0005)
    assert manifest.figures.coverage == pytest.approx(0.650, abs=0.0005)
    coverage = pairs(
        clean,
        'SELECT "TKT-Team", round(100 * avg("TKT-Ticket ID" IN (SELECT ticket_id FROM comments'
        " WHERE visible_to_customer = 'Yes')), 1) FROM tickets WHERE \"TKT-Status\" = 'Closed' GROUP BY 1",
    )
    for team, share in (("Dianella", 88.4), ("Security", 83.3), ("Acacia", 70.9), ("Clinical Analytics", 32.7)):
        assert coverage[f"Cloud - {team}"] == pytest.approx(share, abs=0.2)


def test_comments_by_author_kind_and_mood(clean: sqlite3.Connection) -> None:
    assert pairs(clean, "SELECT user_name = 'flowbot', count(*) FROM comments GROUP BY 1") == {1: 66_046, 0: 42_083}
    visible = "FROM comments WHERE visible_to_customer = 'Yes'"
    assert row(clean, f"SELECT count(*), sum(comment_type = 'comments'), sum(user_name = 'flowbot') {visible}") == (
        16_620,
        6_319,
        0,
    )
    praise = ["thank", "great", "excellent", "happy", "appreciate", "wonderful", "fantastic", "perfect", "amazing"]
    blame = ["issue", "problem", "frustrated", "angry", "disappointed", "urgent", "critical", "error", "fail"]
    for words, count in ((praise, 8_411), (blame, 6_462)):
        any_word = " OR ".join("instr(lower(comment_text), ?) > 0" for _ in words)
        assert clean.execute(f"SELECT count(*) {visible} AND ({any_word})", words).fetchone()[0] == count
    per_ticket = pairs(
        clean,
        'SELECT "TKT-Team", avg(n) FROM (SELECT t."TKT-Team", count(c.rowid) AS n FROM tickets AS t'
        ' LEFT JOIN comments AS c ON c.ticket_id = t."TKT-Ticket ID" GROUP BY t.rowid) GROUP BY 1',
    )
    assert per_ticket["Cloud - BAU Support"] == pytest.approx(8.5, rel=0.06)
    assert per_ticket["Cloud - L3 Escalation"] == pytest.approx(22.8, rel=0.06)
    median = row(clean, "SELECT length(comment_text) FROM comments ORDER BY 1 LIMIT 1 OFFSET 54064")
    assert median[0] == pytest.approx(250, rel=0.1)


def test_timesheets_by_ticket_agent_and_hours(clean: sqlite3.Connection, manifest: Manifest) -> None:
    own = '"TS-Crm ID" IN (SELECT "TKT-Ticket ID" FROM tickets)'
    assert row(clean, f'SELECT sum({own}), sum("TS-Crm ID" = 0), count(*) FROM timesheets') == (13_055, 21_159, 141_062)
    agents = clean.execute(
        f'SELECT count(DISTINCT "TS-User Username") FROM timesheets WHERE {own} GROUP BY "TS-Crm ID"'
    ).fetchall()
    assert len(agents) == 5_900
    for count, share in ((1, 66.8), (2, 19.6), (3, 7.9)):
        assert 100 * agents.count((count,)) / len(agents) == pytest.approx(share, abs=0.3)
    assert {found[0] for found in clean.execute('SELECT DISTINCT "TS-Hours" FROM timesheets')} == {0.25, 0.5, 1, 2, 7.6}
    assert row(clean, 'SELECT max(h) FROM (SELECT sum("TS-Hours") AS h FROM timesheets GROUP BY "TS-User Username")')[
        0
    ] == pytest.approx(977, rel=0.05)
    coded = row(
        clean,
        'SELECT count(DISTINCT "TKT-Ticket ID") FROM tickets JOIN timesheets'
        ' ON "TS-Ticket Project Master Code" = CAST("TKT-Ticket ID" AS TEXT) WHERE "TKT-Status" = \'Closed\'',
    )
    assert coded[0] == 762
    figures = manifest.figures
    assert (figures.timesheets_of_tickets, figures.timesheets_admin, figures.timesheet_orphans) == (
        13055,
        21159,
        106848,
    )


def test_titles_assignees_and_accounts(clean: sqlite3.Connection) -> None:
    titles = pairs(clean, 'SELECT "TKT-Title", count(*) FROM tickets GROUP BY 1')
    assert titles["NRTH Platform-VMHighNetworkOutAlert"] == 812
    assert titles["NRTH Platform-VMHighNetworkInAlert"] == 657
    assert titles["Motion detected - Harbour Street Depot"] == 472
    for words, count in (
        ("motion|sensor", 960),
        ("access|permission", 908),
        ("azure|resource|health", 678),
        ("patch|update", 555),
        ("email|mailbox", 526),
        ("vpn|network", 490),
        ("ssl|certificate", 248),
        ("password|unlock|reset", 196),
        ("install|software", 125),
        ("license|subscription", 94),
    ):
        pattern = re.compile(rf"\b({words})\b", re.IGNORECASE)
        assert sum(n for title, n in titles.items() if pattern.search(title)) == count, words
    assigned = pairs(clean, 'SELECT "TKT-Assigned To User", count(*) FROM tickets GROUP BY 1')
    assert assigned.pop("PendingAssignment") == 3_131
    assert sum(count >= 20 for count in assigned.values()) == 52
    assert 600 <= max(assigned.values()) <= 1_000
    accounts = [found[0] for found in clean.execute('SELECT DISTINCT "TKT-Account Name" FROM tickets')]
    assert {"Alder & Finch Logistics", "Kestrel Bay Hospital", "Northgate Care Network", "Tidewater Bus Lines"} < set(
        accounts
    )
    assert 100 < len(accounts) < 130


def test_classes_of_requests(clean: sqlite3.Connection) -> None:
    telephony = re.compile(r"\b(phone|pbx|call|voip|meeting room)\b", re.IGNORECASE)
    networking = re.compile(r"\b(vpn|firewall|switch|router|wifi|access point|ethernet)\b", re.IGNORECASE)
    texts = [
        f"{title} {description or ''}"
        for title, description in clean.execute(
            'SELECT "TKT-Title", "TKT-Description" FROM tickets WHERE "TKT-Category" IS NOT \'Alert\''
        )
    ]
    by_phone = sum(1 for text in texts if telephony.search(text))
    by_network = sum(1 for text in texts if not telephony.search(text) and networking.search(text))
    assert len(texts) == 6_903
    assert by_phone / len(texts) == pytest.approx(0.1856, abs=0.0005)
    assert by_network / len(texts) == pytest.approx(0.0288, abs=0.0005)


def test_creation_times_follow_the_working_week(clean: sqlite3.Connection) -> None:
    workday = "strftime('%w', t) BETWEEN '1' AND '5' AND strftime('%H', t) BETWEEN '07' AND '17'"
    people, alerts = (
        row(clean, f'SELECT avg({workday}) FROM (SELECT "TKT-Created Time" AS t FROM tickets WHERE {which})')[0]
        for which in ("\"TKT-Category\" IS NOT 'Alert'", "\"TKT-Category\" = 'Alert'")
    )
    assert people == pytest.approx(0.89, abs=0.02)
    assert alerts == pytest.approx(11 / 24 * 5 / 7, abs=0.03)
    first, last = row(clean, 'SELECT min("TKT-Created Time"), max("TKT-Created Time") FROM tickets')
    assert first < "2025-07-03" < last < "2025-10-14"


def test_analyses_agree_with_themselves(clean: sqlite3.Connection) -> None:
    tiers = pairs(clean, "SELECT quality_tier, count(*) FROM comment_quality GROUP BY 1")
    assert tiers == {"good": 5_617, "excellent": 438, "acceptable": 170, "poor": 94}
    wrong = row(
        clean,
        "SELECT count(*) FROM comment_quality WHERE quality_score <> (professionalism_score + clarity_score"
        " + empathy_score + actionability_score) / 4.0 OR quality_tier <> CASE WHEN quality_score >= 4.5 THEN"
        " 'excellent' WHEN quality_score >= 3.5 THEN 'good' WHEN quality_score >= 2.5 THEN 'acceptable'"
        " ELSE 'poor' END",
    )
    assert wrong[0] == 0
    copies = row(
        clean,
        "SELECT count(*) FROM comment_quality AS q JOIN comments AS c ON c.comment_id = CAST(q.comment_id AS INTEGER)"
        " AND c.ticket_id = CAST(q.ticket_id AS INTEGER) AND c.comment_text = q.cleaned_text",
    )
    assert copies[0] == 6_319


def test_a_clean_export_has_no_defect(tmp_path: Path, manifest: Manifest) -> None:
    assert manifest.counts == {}
    assert defects_path(manifest.path).read_bytes() == b""
    small = generate(tmp_path / "a.db", contract=CONTRACT, rows=40_000, dirt="clean", seed=3)
    with closing(sqlite3.connect(small.path)) as connection:
        for table, column in CONTRACT.columns():
            query = f"SELECT DISTINCT {quote(column.name)} FROM {quote(table.name)}"
            assert_clean(table, column, [value for (value,) in connection.execute(query)])


def assert_clean(table: Table, column: Column, values: list[Any]) -> None:
    texts = [value for value in values if isinstance(value, str)]
    assert not (column.required or column.not_null) or None not in values, column.name
    assert all(text == text.strip() and text and "\r" not in text and "\n\n\n\n" not in text for text in texts)
    assert not {text.lower() for text in texts} & {*CONTRACT.tokens_of(column), "--none--"}, column.name
    assert not any("\0" in text for text in texts)
    if column.kind is Kind.TIMESTAMP:
        assert all(CANONICAL(text) for text in texts), column.name
        assert len(texts) == len(values) - values.count(None)
    if column.flag is not None:
        assert set(texts) <= set(column.flag)
    if column.values:
        assert set(texts) <= set(column.values)
    if column.kind in (Kind.INTEGER, Kind.DECIMAL, Kind.REAL) and table.name != "comment_quality":
        assert not texts, column.name


def test_clean_keys_references_and_dates_hold(clean: sqlite3.Connection) -> None:
    for table, key in (
        ("tickets", '"TKT-Ticket ID"'),
        ("comments", "comment_id"),
        ("timesheets", '"TS-User Username", "TS-Date", "TS-Time From", "TS-Crm ID"'),
    ):
        doubled = f"SELECT count(*) FROM (SELECT 1 FROM {quote(table)} GROUP BY {key} HAVING count(*) > 1)"
        assert row(clean, doubled)[0] == 0, table
    orphans = 'SELECT count(*) FROM comments WHERE ticket_id NOT IN (SELECT "TKT-Ticket ID" FROM tickets)'
    assert row(clean, orphans)[0] == 0
    disorder = row(
        clean,
        'SELECT sum("TKT-Created Time" > "TKT-Modified Time"), sum("TKT-Created Time" > "TKT-Actual Response Date"),'
        ' sum("TKT-Created Time" > "TKT-Actual Resolution Date"),'
        ' sum("TKT-Actual Resolution Date" > "TKT-Closure Date"),'
        ' sum("TKT-Month Created" <> substr("TKT-Created Time", 1, 7)) FROM tickets',
    )
    assert disorder == (0, 0, 0, 0, 0)
    assert row(clean, 'SELECT count(*) FROM timesheets WHERE "TS-Hours" <= 0 OR "TS-Hours" > 24')[0] == 0
