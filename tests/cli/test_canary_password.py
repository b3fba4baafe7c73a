"""A password sent down every way that can fail is in no output, journal, log, report or process list."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.cli.conftest import Cli, Ended
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
