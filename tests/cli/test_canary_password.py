"""A password sent down every way that can fail is in no output, journal, log, report or process list; nor, where
samples are off, is any value of the data."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.cli.conftest import Cli, Ended, MakeExport
from tests.conftest import Database

CANARY = "Kanari3n+v0gel"
QUOTED = "Kanari3n%2Bv0gel"
UNREACHABLE = "host=127.0.0.1 port=1 dbname=x user=y"


@pytest.fixture
def role(pg: Database) -> Iterator[str]:
    """A superuser whose password is the canary."""
    name = f"canary_{pg.name}"
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        create = sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}")
        admin.execute(create.format(sql.Identifier(name), sql.Literal(CANARY)))
    yield name
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def leaks(cli: Cli, ended: Ended, *, but: Path | None = None) -> list[str]:
    """Where the canary can be read: in what was printed, or in a file of the state folder or beside it."""
    wanted = (CANARY, QUOTED)
    found = [name for name, text in (("stdout", ended.out), ("stderr", ended.err)) if any(w in text for w in wanted)]
    files = [path for path in cli.folder.rglob("*") if path.is_file() and path != but]
    return found + [str(path) for path in files if any(word.encode() in path.read_bytes() for word in wanted)]


@pytest.mark.parametrize(
    "dsn",
    [
        f"{UNREACHABLE} password={CANARY}",
        f"postgresql://y:{QUOTED}@127.0.0.1:1/x",
        f"postgresql://y:{QUOTED}@127.0.0.1:1/x?no_such_option=1",
        f"postgresql://y:{QUOTED}@[127.0.0.1/x",
        f"host=127.0.0.1 password='{CANARY}",
        f"host=127.0.0.1 password={CANARY} no_such_option=1",
        f"host=127.0.0.1 passwort={CANARY}",
    ],
    ids=["unreachable", "uri", "uri option", "uri torn", "quote torn", "option", "misspelt"],
)
@pytest.mark.parametrize("way", ["variable", "settings"])
def test_a_connection_string_with_a_password_is_never_repeated(cli: Cli, export: Path, dsn: str, way: str) -> None:
    project = cli.folder / "sdconsole.toml"
    if way == "variable":
        cli.environment["SDCONSOLE_DSN"] = dsn
    else:
        project.write_text('target = "t"\n[targets.t]\ndsn = "' + dsn + '"\n', encoding="utf-8")
    ended = cli("deploy", str(export), "--yes", "--confirm", "servicedesk", "--json")
    assert ended.code in (2, 3), ended.err
    assert leaks(cli, ended, but=project) == []


def test_a_run_on_a_password_that_a_gate_stops_keeps_it_to_itself(
    cli: Cli, export: Path, pg: Database, role: str
) -> None:
    dsn = make_conninfo(pg.dsn, user=role, password=CANARY, passfile=None)
    cli.environment["SDCONSOLE_DSN"] = dsn
    cli.environment["SDCONSOLE_LOG_LEVEL"] = "debug"
    shown: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            shown.add(subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        ended = cli("deploy", str(export), "--yes", "--confirm", "servicedesk", "--json", "--min-quality", "50")
        assert ended.code == 0, ended.err
        assert leaks(cli, ended) == []
        second = cli("deploy", str(export), "--yes", "--confirm", "servicedesk", "--json", "--min-quality", "100")
        assert second.code == 5, second.err
        assert leaks(cli, second) == []
    finally:
        over.set()
        watcher.join()
    assert shown
    assert not any(CANARY in text for text in shown)
    assert "dumped" in (cli.folder / ".sdconsole/runs" / second.json["run"] / "report.md").read_text(encoding="utf-8")


def test_the_search_finds_a_canary_where_there_is_one(cli: Cli) -> None:
    (cli.folder / "log").write_text(f"password={CANARY}")
    assert leaks(cli, Ended(0, CANARY, "")) == ["stdout", str(cli.folder / "log")]


SECRET = "Kanariengeheimnis77"
"""A value of the data."""
SPOILS = """
CREATE FUNCTION public.spoil() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity LIKE 'servicedesk_v%.timesheets') THEN
        EXECUTE (SELECT format({change!r}, object_identity) FROM pg_event_trigger_ddl_commands()
            WHERE object_identity LIKE 'servicedesk_v%.timesheets');
    END IF;
END $$;
CREATE EVENT TRIGGER spoil ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.spoil();
"""
"""The table of the timesheets changes the moment it is made, so that the server refuses what is loaded into it."""


@pytest.fixture
def telling(make_export: MakeExport) -> Path:
    """An export that holds the secret in texts, in a key, in a date and in a state that nobody knows."""
    path = make_export(rows=1_000)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE comments SET comment_text = ? || ' ' || comment_text", [SECRET])
        database.execute('UPDATE tickets SET "TKT-Title" = ? || "TKT-Title", "TKT-Description" = ?', [SECRET, SECRET])
        some = '"TKT-Ticket ID" IN (SELECT "TKT-Ticket ID" FROM tickets LIMIT 3)'
        database.execute(
            f'UPDATE tickets SET "TKT-Status" = ?, "TKT-Closure Date" = ?, "TKT-Team" = ? WHERE {some}', [SECRET] * 3
        )
        database.execute("UPDATE comments SET ticket_id = ?, comment_type = ? WHERE rowid % 200 = 0", [SECRET, SECRET])
        database.execute('UPDATE timesheets SET "TS-User Username" = ? || "TS-User Username"', [SECRET])
        database.execute('UPDATE timesheets SET "TS-Date" = ? WHERE rowid % 200 = 0', [f"31/02/2025 {SECRET}"])
    return path


def told(folder: Path, *texts: str) -> list[str]:
    """Where the secret can be read, but for what holds the data themselves: copies, rows set aside, the profile."""
    data = {"quarantine.csv", "profile.json"}
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".db", ".dump")]
    files = [path for path in files if path.name not in data]
    found = [str(path) for path in files if SECRET.encode() in path.read_bytes()]
    return found + [text for text in texts if SECRET in text]


def test_without_samples_no_value_of_the_data_is_told_whatever_fails(cli: Cli, telling: Path, pg: Database) -> None:
    cli.environment |= {"SDCONSOLE_DSN": pg.dsn, "SDCONSOLE_LOG_LEVEL": "debug", "SDCONSOLE_NO_SAMPLES": "true"}
    fast = ("deploy", str(telling), "--yes", "--confirm", "servicedesk", "--mode", "simple", "--min-quality")
    ended = cli(*fast, "100")
    assert ended.code == 5, ended.err
    assert told(cli.folder, ended.out, ended.err) == []
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        for change in (
            'ALTER TABLE %s ADD CHECK ("TS-User Username" IS NULL)',
            'ALTER TABLE %s ALTER COLUMN "TS-User Username" TYPE integer USING NULL',
        ):
            admin.execute(SPOILS.format(change=change).encode())
            ended = cli(*fast, "10", "--json")
            admin.execute(b"DROP EVENT TRIGGER spoil; DROP FUNCTION public.spoil")
            assert ended.code != 0
            assert ended.json["error"]["slug"] in ("constraint", "value"), ended.err
            assert told(cli.folder, ended.out, ended.err) == []
    for command in (
        ("score", str(telling), "--junit", "rules.xml"),
        ("profile", str(telling)),
        ("report", "--format", "md"),
    ):
        ended = cli(*command)
        assert told(cli.folder, ended.out, ended.err) == [], command
