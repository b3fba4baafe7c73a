"""Bad input: each with its own slug, cause, state and next step; nothing created, nothing changed."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole.target.connect import Target, connect
from sdconsole.target.ledger.lock import acquire
from tests.cli.conftest import Cli, Ended, MakeExport, listing
from tests.conftest import Database


def refused(ended: Ended, code: int, slug: str) -> dict[str, str]:
    """The error in both of its forms says what, why, what is true now and what to do."""
    assert ended.code == code, ended.err
    document = ended.json
    error: dict[str, str] = document["error"]
    assert error["slug"] == slug, error
    assert all(error[part] for part in ("message", "cause", "state", "next")), error
    assert f"error[{slug}]: " in ended.err
    for label in ("cause:", "state:", "next:"):
        assert f"  {label}" in ended.err
    return error


def deploy(cli: Cli, source: Path, dsn: str, *more: str) -> Ended:
    return cli("deploy", str(source), "--dsn", dsn, "--yes", "--confirm", "servicedesk", "--json", *more)


def schemas(pg: Database) -> set[str]:
    with psycopg.connect(pg.dsn) as connection:
        return {name for (name,) in connection.execute("SELECT nspname FROM pg_namespace")}


UNREACHABLE = "host=127.0.0.1 port=1 dbname=x user=y"


def text_file(path: Path) -> None:
    path.write_text("Ticket;Created\n1;01/02/2025\n" * 100)


def truncated(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE tickets (a, b)")
        db.executemany("INSERT INTO tickets VALUES (?, ?)", (("x" * 500, i) for i in range(2_000)))
        db.commit()
    os.truncate(path, path.stat().st_size // 2)


def malformed(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE tickets (a, b)")
        db.executemany("INSERT INTO tickets VALUES (?, ?)", (("x" * 500, i) for i in range(2_000)))
        db.commit()
    content = bytearray(path.read_bytes())
    for page in range(3, 60, 7):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)


def no_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 3")
        db.commit()


@pytest.mark.parametrize(
    ("make", "slug"),
    [
        (lambda path: path.touch(), "source-empty"),
        (text_file, "source-not-sqlite"),
        (truncated, "source-truncated"),
        (malformed, "source-damaged"),
        (no_tables, "source-no-tables"),
    ],
    ids=["empty", "text", "truncated", "malformed", "no-tables"],
)
@pytest.mark.parametrize("command", ["deploy", "profile", "plan"])
def test_an_unusable_source_is_refused_with_4_and_nothing_is_created(
    cli: Cli, make: object, slug: str, command: str
) -> None:
    source = cli.folder / "export.db"
    assert callable(make)
    make(source)
    before = listing(cli.folder)
    options = ["--dsn", UNREACHABLE, "--yes", "--confirm", "servicedesk"] if command == "deploy" else []
    refused(cli(command, str(source), "--json", *options), 4, slug)
    assert listing(cli.folder) == before


def test_a_missing_source_is_never_created(cli: Cli) -> None:
    refused(cli("deploy", "missing.db", "--json", "--yes", "--confirm", "servicedesk"), 2, "source-missing")
    assert listing(cli.folder) == {}


def test_a_folder_is_no_source(cli: Cli) -> None:
    refused(cli("profile", ".", "--json"), 2, "source-directory")
    assert listing(cli.folder) == {}


@pytest.mark.parametrize("kind", ["same", "symlink", "hard link", "relative"])
def test_the_clean_file_never_lands_on_the_source(cli: Cli, export: Path, kind: str) -> None:
    source = cli.folder / "export.db"
    shutil.copyfile(export, source)
    output = {"same": source, "relative": cli.folder / ".." / "work" / "export.db"}.get(kind, cli.folder / "other.db")
    if kind == "symlink":
        output.symlink_to(source)
    elif kind == "hard link":
        output.hardlink_to(source)
    before = listing(cli.folder)
    refused(cli("clean", str(source), "--to", str(output), "--json"), 2, "source-is-output")
    assert listing(cli.folder) == before


def test_an_unknown_option_is_a_usage_error(cli: Cli) -> None:
    ended = cli("deploy", "export.db", "--min-qualty", "3", "--json")
    assert "--min-quality" in refused(ended, 2, "unknown-option")["message"]


def test_an_unknown_stage_is_a_usage_error(cli: Cli) -> None:
    refused(cli("deploy", "export.db", "--until", "lunch", "--json"), 2, "bad-value")
    refused(cli("deploy", "--json"), 2, "missing-argument")


@pytest.mark.parametrize(
    ("content", "slug", "says"),
    [
        (None, "contract-unreadable", "No such file"),
        ("not toml [", "contract-invalid", "line 1"),
        ('name = "x"\nversion = "1"\ntabel = 3\n', "contract-invalid", "tabel"),
        (
            'name = "x"\nversion = "1"\n[[table]]\nname = "t"\ncolumns = [{ name = "a", type = "biggint" }]\n',
            "contract-invalid",
            "biggint",
        ),
    ],
    ids=["missing", "no toml", "unknown key", "unknown type"],
)
def test_an_unreadable_contract_is_refused(cli: Cli, export: Path, content: str | None, slug: str, says: str) -> None:
    contract = cli.folder / "contract.toml"
    if content is not None:
        contract.write_text(content)
    before = listing(cli.folder)
    error = refused(cli("profile", str(export), "--contract", str(contract), "--json"), 2, slug)
    assert says in error["cause"]
    assert listing(cli.folder) == before


def test_a_setting_that_does_not_exist_is_refused(cli: Cli, export: Path) -> None:
    (cli.folder / "sdconsole.toml").write_text("min_qualty = 70\n")
    error = refused(cli("profile", str(export), "--json"), 2, "settings-invalid")
    assert "min_quality" in error["cause"]


def test_a_misspelt_variable_is_refused(cli: Cli) -> None:
    cli.environment["SDCONSOLE_MIN_QUALTY"] = "70"
    error = refused(cli("status", "--json"), 2, "settings-invalid")
    assert "SDCONSOLE_MIN_QUALITY" in error["cause"]


def test_a_server_that_does_not_answer_is_3(cli: Cli, export: Path) -> None:
    before = listing(cli.folder)
    refused(deploy(cli, export, UNREACHABLE), 3, "connection-refused")
    assert listing(cli.folder) == before


@pytest.fixture
def weak_role(pg: Database) -> Iterator[str]:
    """A role that may only connect; its password is a canary that must never be shown."""
    name = f"weak_{pg.name}"
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'canary-hunter2'").format(sql.Identifier(name)))
    yield name
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def as_role(pg: Database, role: str) -> str:
    return make_conninfo(pg.dsn, user=role, password=None, passfile=None)


def everything_written(cli: Cli, ended: Ended) -> str:
    files = [path.read_text(errors="replace") for path in cli.folder.rglob("*") if path.is_file()]
    return "\n".join([ended.out, ended.err, *files])


def test_a_wrong_password_is_3_and_no_password_is_shown(cli: Cli, export: Path, pg: Database, weak_role: str) -> None:
    cli.environment["PGPASSWORD"] = "canary-wrong"
    before = listing(cli.folder)
    ended = deploy(cli, export, as_role(pg, weak_role))
    refused(ended, 3, "authentication")
    assert "canary-" not in everything_written(cli, ended)
    assert listing(cli.folder) == before


def test_no_connections_left_is_3(cli: Cli, export: Path, pg: Database, weak_role: str) -> None:
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 0").format(sql.Identifier(weak_role)))
    cli.environment["PGPASSWORD"] = "canary-hunter2"
    ended = deploy(cli, export, as_role(pg, weak_role))
    refused(ended, 3, "too-many-connections")
    assert "canary-" not in everything_written(cli, ended)


def test_a_role_without_create_is_4_and_told_which_right_is_missing(
    cli: Cli, export: Path, pg: Database, weak_role: str
) -> None:
    cli.environment["PGPASSWORD"] = "canary-hunter2"
    before = schemas(pg)
    ended = deploy(cli, export, as_role(pg, weak_role))
    assert ended.code == 4, ended.err
    assert "GRANT CREATE ON DATABASE" in ended.json["error"]["next"]
    assert "canary-" not in everything_written(cli, ended)
    assert schemas(pg) == before


def test_too_little_disk_is_4(cli: Cli, export: Path, pg: Database) -> None:
    cli.environment["SDCONSOLE_SPACE_LOCAL_BYTES"] = str(10**17)
    error = refused(deploy(cli, export, pg.dsn), 4, "disk-space")
    assert "GB" in error["cause"]
    assert "servicedesk" not in schemas(pg)


@pytest.mark.skipif(os.geteuid() != 0 or not Path("/proc/self/mounts").exists(), reason="mounting needs root on Linux")
def test_a_file_system_that_is_too_small_is_4(cli: Cli, export: Path, pg: Database) -> None:
    small = cli.folder / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        refused(deploy(cli, export, pg.dsn, "--state-dir", str(small)), 4, "disk-space")
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("options", [["--no-input"], []], ids=["no-input", "no terminal"])
def test_a_cutover_that_nobody_can_confirm_is_refused_before_any_work(
    cli: Cli, export: Path, pg: Database, options: list[str]
) -> None:
    before = schemas(pg)
    ended = cli("deploy", str(export), "--dsn", pg.dsn, "--yes", "--json", *options)
    refused(ended, 6, "confirmation-missing")
    assert listing(cli.folder) == {}
    assert schemas(pg) == before


def test_a_wrong_name_is_refused_before_any_work(cli: Cli, export: Path, pg: Database) -> None:
    ended = cli("deploy", str(export), "--dsn", pg.dsn, "--confirm", "production", "--json")
    refused(ended, 6, "confirmation-wrong")
    assert listing(cli.folder) == {}


@pytest.mark.parametrize("options", [["--mode", "blue-green"], ["--until", "validate"]], ids=["blue-green", "until"])
def test_without_a_cutover_no_confirmation_is_needed(cli: Cli, export: Path, pg: Database, options: list[str]) -> None:
    ended = cli("deploy", str(export), "--dsn", pg.dsn, "--no-input", "--json", *options)
    assert ended.code == 0, ended.err
    assert ended.json["live_changed"] is False
    assert "servicedesk" not in schemas(pg)


def test_the_second_run_on_a_target_is_8_and_told_who_holds_it(cli: Cli, export: Path, pg: Database) -> None:
    target = Target("t", pg.dsn, "servicedesk", "")
    connection = connect(target, application="sdconsole:r-20261121-031500-7f3a")
    with acquire(connection, target, "r-20261121-031500-7f3a", operator="ann", host="ops7", stage="load"):
        error = refused(deploy(cli, export, pg.dsn), 8, "target-locked")
    assert all(part in error["cause"] for part in ("r-20261121-031500-7f3a", "ann", "ops7", "load"))
    assert listing(cli.folder) == {}


def test_a_live_schema_name_that_could_be_anything_is_refused(cli: Cli, export: Path, pg: Database) -> None:
    ended = cli(
        "deploy",
        str(export),
        "--dsn",
        pg.dsn,
        "--schema",
        'x"; DROP SCHEMA public',
        "--no-input",
        "--json",
        "--until",
        "validate",
    )
    assert ended.code == 2, ended.err
    assert "public" in schemas(pg)


def test_a_file_size_limit_in_the_middle_is_1_and_leaves_no_half_file(cli: Cli, export: Path, pg: Database) -> None:
    limit = export.stat().st_size // 2

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    ended = cli(
        "deploy", str(export), "--dsn", pg.dsn, "--yes", "--confirm", "servicedesk", "--json", preexec_fn=small_files
    )
    refused(ended, 1, "output-unwritable")  # SQLite cannot tell a file size limit from other write errors
    names = [path.name for path in cli.folder.rglob("*") if path.is_file()]
    assert not [name for name in names if name.endswith((".db", ".tmp"))]
    assert "servicedesk" not in schemas(pg)
    assert cli("resume", "--yes", "--confirm", "servicedesk", "--json", "--no-input").code in (0, 3)


def test_a_source_that_changes_in_the_middle_is_1_and_live_stays(
    cli: Cli, make_export: MakeExport, pg: Database
) -> None:
    source = make_export(rows=20_000)
    running = cli.start("deploy", str(source), "--dsn", pg.dsn, "--yes", "--confirm", "servicedesk", "--json")
    wait_for(cli, '"stage":"backup"', '"type":"stage_finished"')
    with closing(sqlite3.connect(source)) as db:
        db.execute("DELETE FROM comments WHERE rowid = 7")
        db.commit()
    out, err = running.communicate(timeout=120)
    refused(Ended(running.returncode, out, err), 1, "source-changed")
    assert "servicedesk" not in schemas(pg)


def wait_for(cli: Cli, *parts: str) -> None:
    """Until a line of the run's journal holds all parts."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        for journal in cli.folder.glob(".sdconsole/runs/*/events.jsonl"):
            if any(all(part in line for part in parts) for line in journal.read_text().splitlines()):
                return
        time.sleep(0.02)
    raise AssertionError(f"the journal never said {parts}")
