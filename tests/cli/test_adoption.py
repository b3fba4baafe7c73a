"""The first deployment into a live schema that has real tables, a view and readers already."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole.contract.load import load_contract
from sdconsole.core.journal import read_journal
from sdconsole.core.model import CheckStatus
from sdconsole.target.connect import Target, connect
from sdconsole.target.load.ddl import create_version
from sdconsole.target.load.views import product_views
from tests.cli.conftest import Cli
from tests.cli.test_deploy import deploy, live_rows
from tests.conftest import Database

OLD_TICKETS = [(1, "the old printer"), (2, "the old network")]
TITLES = 'SELECT "TKT-Ticket ID", "TKT-Title" FROM servicedesk.tickets ORDER BY 1'


@dataclass(frozen=True, slots=True)
class Reader:
    """A dashboard's login, which had rights in the schema before sdconsole came."""

    dsn: str
    role: str

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture
def reader(pg: Database, cli: Cli) -> Iterator[Reader]:
    """The tables as the contract describes them, with two tickets, a view over them, and rights for one role."""
    role, password = f"dashboard_{secrets.token_hex(4)}", secrets.token_hex(8)
    contract = load_contract()
    with closing(connect(Target("test", pg.dsn, "servicedesk", ""), application="test")) as connection:
        create_version(connection, "servicedesk", contract.tables, comment="made by hand, years ago")
        for view in product_views(contract.tables):
            connection.execute(sql.SQL("DROP VIEW servicedesk.{}").format(sql.Identifier(view.name)))
        for number, title in OLD_TICKETS:
            connection.execute(
                'INSERT INTO servicedesk.tickets ("TKT-Ticket ID", "TKT-Title", "TKT-Status", "TKT-Created Time")'
                " VALUES (%s, %s, 'Open', '2024-01-01')",
                [number, title],
            )
        connection.execute(
            'CREATE VIEW servicedesk.titles AS SELECT count(*) AS tickets, min("TKT-Title") AS first'
            " FROM servicedesk.tickets"
        )
        login = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
        connection.execute(login)
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA servicedesk TO {}").format(sql.Identifier(role)))
        for name in ("tickets", "comments", "titles"):
            grant = sql.SQL("GRANT SELECT ON servicedesk.{} TO {}")
            connection.execute(grant.format(sql.Identifier(name), sql.Identifier(role)))
    cli.environment["SDCONSOLE_READER_ROLE"] = role
    yield Reader(make_conninfo(pg.dsn, user=role, password=password, passfile=""), role)
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def watch(reader: Reader, until: threading.Event, answers: list[object]) -> None:
    """Asks the same question until told otherwise; keeps each answer that differs from the one before, and errors."""
    query = "SELECT (SELECT count(*) FROM servicedesk.tickets), (SELECT tickets FROM servicedesk.titles)"
    try:
        with psycopg.connect(reader.dsn, autocommit=True) as connection:
            while not until.wait(0.005):
                answer = connection.execute(query).fetchone()
                if not answers or answers[-1] != answer:
                    answers.append(answer)
    except psycopg.Error as error:
        answers.append(error)


def test_existing_tables_are_adopted_readers_go_on_and_a_rollback_shows_the_old_rows_again(
    cli: Cli, export: Path, pg: Database, reader: Reader
) -> None:
    answers: list[object] = []
    over = threading.Event()
    watcher = threading.Thread(target=watch, args=(reader, over, answers))
    watcher.start()
    try:
        ended = deploy(cli, export, pg)
    finally:
        over.set()
        watcher.join()
    assert ended.code == 0, ended.err
    loaded = ended.json["rows"]["tables"]["tickets"]["loaded"]
    assert answers == [(2, 2), (loaded, loaded)], "the old rows, then the new ones, never an error or a mixture"
    assert reader.rows(TITLES) != OLD_TICKETS
    assert reader.rows("SELECT tickets FROM servicedesk.titles") == [(loaded,)]

    folder = cli.folder / ".sdconsole" / "runs" / ended.json["run"]
    events = [record.event for record in read_journal(folder / "events.jsonl")]
    [asked] = [event for event in events if event.type == "waiting"]
    adopted = ended.json["previous_version"]
    said = "\n".join(asked.details)
    assert f"become {adopted}: " in said
    assert "tickets" in said
    assert "titles" in said
    assert f"from {adopted} to {ended.json['version']}" in said
    assert adopted in asked.undo
    [found] = [event for event in events if event.type == "check_result" and event.check == "first_adoption"]
    assert found.status is CheckStatus.WARN
    assert "titles" in found.detail
    [dump] = (cli.folder / ".sdconsole" / "backups").glob("servicedesk.*.dump")
    assert dump.stat().st_size > 0

    back = cli("rollback", "--dsn", pg.dsn, "--yes", "--confirm", "servicedesk", "--json")
    assert back.code == 0, back.err
    assert back.json["version"] == adopted
    assert reader.rows(TITLES) == OLD_TICKETS
    assert reader.rows("SELECT tickets, first FROM servicedesk.titles") == [(2, "the old network")]
    states = {
        row["version"]: row["state"] for row in cli("versions", "list", "--dsn", pg.dsn, "--json").json["versions"]
    }
    assert states == {adopted: "live", ended.json["version"]: "previous"}

    again = deploy(cli, export, pg, "--mode", "simple")
    assert again.code == 0, again.err
    assert again.json["previous_version"] == adopted
    assert live_rows(pg, "tickets") == loaded


def test_what_an_adoption_would_tear_fails_the_preflight_by_name(
    cli: Cli, export: Path, pg: Database, reader: Reader
) -> None:
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        connection.execute("CREATE FUNCTION servicedesk.age() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        connection.execute("CREATE SCHEMA reports")
        connection.execute('CREATE VIEW reports.late AS SELECT "TKT-Title" FROM servicedesk.tickets')
    refused = cli("preflight", str(export), "--dsn", pg.dsn, "--json")
    assert refused.code == 4
    error = refused.json["error"]
    assert error["slug"] == "adoption-refused"
    assert "function servicedesk.age() is in the schema" in error["cause"] + error["message"]
    assert "view reports.late depends on servicedesk.tickets" in error["cause"] + error["message"]
    assert reader.rows(TITLES) == OLD_TICKETS


def test_a_view_that_the_switch_would_break_stops_the_cutover_before_anything_is_adopted(
    cli: Cli, export: Path, pg: Database, reader: Reader
) -> None:
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        connection.execute("DROP VIEW servicedesk.titles")
        connection.execute('ALTER TABLE servicedesk.tickets ALTER COLUMN "TKT-Title" TYPE varchar(200)')
        connection.execute('ALTER TABLE servicedesk.tickets DROP COLUMN "TKT-Status"')
        connection.execute('CREATE VIEW servicedesk.short AS SELECT left("TKT-Title", 10) FROM servicedesk.tickets')
    refused = deploy(cli, export, pg)
    assert refused.code == 4, refused.err
    assert refused.json["error"]["slug"] == "adoption-refused"
    assert "view servicedesk.short depends on servicedesk.tickets" in refused.json["error"]["cause"]
    assert reader.rows(TITLES) == OLD_TICKETS
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        kinds = connection.execute(
            "SELECT relkind FROM pg_class WHERE oid = 'servicedesk.tickets'::regclass"
        ).fetchone()
        assert kinds == ("r",), "nothing was taken over"
        assert connection.execute("SELECT FROM sdconsole.deployment WHERE mode = 'adopted'").fetchall() == []
        connection.execute("DROP VIEW servicedesk.short")
    resumed = cli("resume", refused.json["run"], "--yes", "--confirm", "servicedesk", "--json")
    assert resumed.code == 0, resumed.err
    assert reader.rows(TITLES)[:2] != OLD_TICKETS
    assert live_rows(pg, "tickets") == resumed.json["rows"]["tables"]["tickets"]["loaded"]
    back = cli("rollback", "--dsn", pg.dsn, "--yes", "--confirm", "servicedesk", "--json")
    assert back.code == 0, "dashboards' queries that the old tables never answered are not held against them"
    assert reader.rows(TITLES) == OLD_TICKETS
