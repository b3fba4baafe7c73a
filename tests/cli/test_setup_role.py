"""The printed SQL is enough to deploy and to read, and for nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

import sdconsole
from sdconsole import service
from sdconsole.core.model import Mode
from sdconsole.errors import UsageError, Verdict
from sdconsole.target.rights.setup_role import setup_role_sql
from tests.cli.conftest import Cli, MakeExport
from tests.cli.library_runs import LIVE, deployed, version_of
from tests.conftest import Database


@dataclass(frozen=True, slots=True)
class Roles:
    """Fresh role names with characters that need quoting, and how to log in as them."""

    pg: Database
    deployer: str
    reader: str

    def dsn(self, role: str) -> str:
        return make_conninfo(self.pg.dsn, user=role, password="secret-of-the-test", passfile="/dev/null")


@pytest.fixture
def roles(pg: Database) -> Iterator[Roles]:
    made = Roles(pg, f"Dep \"loy'er {secrets.token_hex(4)}", f"reader-{secrets.token_hex(4)}")
    yield made
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        for role in (made.deployer, made.reader):
            name = sql.Identifier(role)
            if admin.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None:
                admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(name))
                admin.execute(sql.SQL("DROP ROLE {}").format(name))


def test_who_runs_the_printed_sql_can_deploy_and_read_with_the_least_rights(
    cli: Cli, make_export: MakeExport, roles: Roles
) -> None:
    pg = roles.pg
    printed = cli(
        "setup-role", "--deployer", roles.deployer, "--reader", roles.reader, "--database", pg.name
    )  # fmt: skip
    assert printed.code == 0, printed.err
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        count = admin.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", [roles.deployer]).fetchone()
        assert count == (0,), "printing runs nothing"
        admin.execute(printed.out.encode())
        for role in (roles.deployer, roles.reader):
            password = sql.SQL("ALTER ROLE {} PASSWORD 'secret-of-the-test'").format(sql.Identifier(role))
            admin.execute(password)
    source = make_export(rows=1_000)
    first = deployed(cli.folder, source, roles.dsn(roles.deployer), reader_role=roles.reader)
    assert first.verdict is Verdict.OK, first.finished
    assert all(not check.detail.startswith("the reader role") for stage in first.stages for check in stage.checks)
    second = deployed(cli.folder, source, roles.dsn(roles.deployer), mode=Mode.SIMPLE, reader_role=roles.reader)
    assert second.verdict is Verdict.OK, second.finished
    settings = sdconsole.load_settings(
        state_dir=cli.folder / ".sdconsole", dsn=roles.dsn(roles.deployer), reader_role=roles.reader
    )
    [dump] = (cli.folder / ".sdconsole" / "backups").glob("*.dump")
    with service.prepare_restore(settings, dump) as run:
        restored = run.execute(sdconsole.FlagGate("ann", confirm=LIVE))
    assert restored.verdict is Verdict.OK, restored.finished
    read_only(roles, version_of(second))
    not_more(roles)


def read_only(roles: Roles, version: str) -> None:
    with psycopg.connect(roles.dsn(roles.reader), autocommit=True) as reader:
        rows = reader.execute("SELECT count(*) FROM servicedesk.tickets").fetchone()
        assert rows is not None
        assert rows[0] > 0
        reader.execute("SET default_transaction_read_only = off")
        for statement in (
            f"SELECT count(*) FROM {version}.tickets",
            "SELECT * FROM sdconsole.deployment",
            "DELETE FROM servicedesk.tickets",
            "CREATE SCHEMA mine",
            "DROP VIEW servicedesk.tickets",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement.encode())


def not_more(roles: Roles) -> None:
    with psycopg.connect(roles.dsn(roles.deployer), autocommit=True) as deployer:
        for statement in ("CREATE ROLE somebody", "CREATE DATABASE somewhere", "SELECT * FROM pg_authid"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                deployer.execute(statement.encode())


def test_a_deployer_without_the_one_grant_is_told_which(cli: Cli, make_export: MakeExport, roles: Roles) -> None:
    script = setup_role_sql(
        deployer=roles.deployer, reader=roles.reader, database=roles.pg.name, live_schema="servicedesk"
    )
    [grant] = [line for line in script.splitlines() if line.startswith("GRANT CREATE ON DATABASE")]
    with psycopg.connect(roles.pg.dsn, autocommit=True) as admin:
        admin.execute(script.replace(grant, "").encode())
        admin.execute(sql.SQL("ALTER ROLE {} PASSWORD 'secret-of-the-test'").format(sql.Identifier(roles.deployer)))
    ended = cli(
        "preflight", str(make_export(rows=1_000)), "--dsn", roles.dsn(roles.deployer), "--json"
    )  # fmt: skip
    assert ended.code == 4, ended.err
    assert "GRANT CREATE ON DATABASE" in ended.json["error"]["next"]
    assert "secret-of-the-test" not in ended.out + ended.err


def test_a_second_deployer_shares_the_reader_and_the_ledger_of_the_first(
    cli: Cli, make_export: MakeExport, roles: Roles
) -> None:
    pg, second = roles.pg, f"second $roles$ {secrets.token_hex(4)}"
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        try:
            for deployer, live in ((roles.deployer, LIVE), (second, "archive")):
                script = setup_role_sql(deployer=deployer, reader=roles.reader, database=pg.name, live_schema=live)
                admin.execute(script.encode())
                password = sql.SQL("ALTER ROLE {} PASSWORD 'secret-of-the-test'").format(sql.Identifier(deployer))
                admin.execute(password)
            source = make_export(rows=1_000)
            one = deployed(cli.folder, source, roles.dsn(roles.deployer), reader_role=roles.reader)
            assert one.verdict is Verdict.OK, one.finished
            told = cli(
                "preflight", str(source), "--dsn", roles.dsn(second), "--schema", "archive", "--json",
            )  # fmt: skip
            assert told.code == 4, told.err
            grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(roles.deployer), sql.Identifier(second))
            assert grant.as_string(admin) in told.json["error"]["next"]
            assert "OWNER TO" not in told.json["error"]["next"], "the ledger stays with its owner"
            admin.execute(grant)
            for deployer, live in ((second, "archive"), (roles.deployer, LIVE)):
                state = deployed(
                    cli.folder, source, roles.dsn(deployer), confirm=live, live_schema=live, reader_role=roles.reader
                )
                assert state.verdict is Verdict.OK, state.finished
        finally:
            if admin.execute("SELECT FROM pg_roles WHERE rolname = %s", [second]).fetchone() is not None:
                admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(second)))
                admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(second)))


@pytest.mark.parametrize("name", ["", "a\nb; DROP ROLE postgres", "x" * 64, "\x1b[2J"])
def test_names_that_postgresql_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        setup_role_sql(deployer=name, reader="r", database="d", live_schema="servicedesk")
    assert caught.value.slug == "role-name"


def test_a_reader_that_deploys_is_refused() -> None:
    with pytest.raises(UsageError):
        setup_role_sql(deployer="one", reader="one", database="d", live_schema="servicedesk")


def test_the_script_has_no_password_and_no_superuser(tmp_path: Path) -> None:
    script = setup_role_sql(deployer="d", reader="r", database="w", live_schema="servicedesk")
    run = [line.strip() for line in script.splitlines() if line and not line.strip().startswith("--")]
    assert not [line for line in run if "PASSWORD" in line.upper()]
    made = [line for line in run if line.startswith("CREATE ROLE")]
    assert len(made) == 2
    assert all("NOSUPERUSER" in line for line in made)
    assert run[0] == "BEGIN;"
    assert run[-1] == "COMMIT;"
