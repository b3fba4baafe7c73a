"""Fixtures of the fault trials. `--long` runs the many-trial versions; `--seed` moves all of them to other seeds."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sdconsole.contract.load import load_contract
from sdconsole.source.generate import generate
from tests.cli.conftest import environment as operator_environment
from tests.faults import checker
from tests.faults.checker import LIVE
from tests.faults.processes import Launcher, launcher
from tests.faults.trials import COMPLETE, SIMPLE, Rehearsed, Site, Sites, copy_database

FIRST_SEED = 20_261_121


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--long", action="store_true", help="fault trials in the numbers of a release: hours")
    group.addoption("--seed", type=int, default=FIRST_SEED, help="the first seed of the fault trials")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: many fault trials; only with --long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long", default=False):
        return
    skip = pytest.mark.skip(reason="the long fault trials run with: pytest tests/faults --long")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def first_seed(request: pytest.FixtureRequest) -> int:
    seed: int = request.config.getoption("--seed", default=FIRST_SEED)
    return seed


@pytest.fixture(scope="session")
def fault_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="session")
def commands(fault_folder: Path) -> Iterator[Launcher]:
    with launcher(fault_folder / "launcher.err") as started:
        yield started


@pytest.fixture(scope="session")
def rehearsed(pg_server: str, commands: Launcher, fault_folder: Path) -> Iterator[Rehearsed]:
    """Three undisturbed deployments, one after the other: before the old version, the old one, the new one."""
    made = rehearse(pg_server, commands, fault_folder / "rehearsal")
    yield made
    with psycopg.connect(pg_server, autocommit=True) as admin:
        for name in (made.template, made.template_after):
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def rehearse(server: str, commands: Launcher, folder: Path) -> Rehearsed:
    hurry_logins(server)
    password = password_of(server)
    home = folder / "home"
    home.mkdir(parents=True)
    environment = {**operator_environment(home), "PGPASSWORD": password, "TMPDIR": str(folder)}
    exports = []
    for number, (rows, seed) in enumerate(((1_000, 3), (1_200, 4), (3_000, 11))):
        exports.append(folder / f"{number}.db")
        generate(exports[-1], rows=rows, seed=seed, contract=load_contract())
    name, after = f"t_{secrets.token_hex(5)}", f"t_{secrets.token_hex(5)}"
    dsn = make_conninfo(server, dbname=name)
    place = make_conninfo(dsn, password=None)
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        sets = []
        for number, export in enumerate(exports):
            if export is exports[-1]:
                copy_database(server, name, after)
                dsn, place = (make_conninfo(text, dbname=after) for text in (dsn, place))
            work = folder / str(number) / "work"
            work.mkdir(parents=True)
            arguments = ("deploy", str(export), "--dsn", place, "--yes", "--confirm", "servicedesk", "--json")
            ended = commands.start(arguments, folder=work, environment=environment).wait()
            assert ended.code == 0, ended.err
            checker.check_against_export(dsn, export)
            sets.append(checker.shown(dsn).tables)
    assert len({str(tables) for tables in sets}) == 3
    before_old, old, new = sets
    simple = rehearse_simple(server, commands, folder, exports[-1], name, environment)
    del environment["TMPDIR"]
    documents = {COMPLETE: ended.json, SIMPLE: simple}
    return Rehearsed(server, password, environment, exports[-1], name, after, before_old, old, new, documents)


def rehearse_simple(
    server: str, commands: Launcher, folder: Path, export: Path, template: str, environment: dict[str, str]
) -> Any:
    """What an undisturbed deployment without a canary prints."""
    name, work = f"t_{secrets.token_hex(5)}", folder / "simple" / "work"
    work.mkdir(parents=True)
    copy_database(server, template, name)
    try:
        place = make_conninfo(server, dbname=name, password=None)
        arguments = ("deploy", str(export), "--dsn", place, "--mode", SIMPLE, "--yes", "--confirm", LIVE, "--json")
        ended = commands.start(arguments, folder=work, environment=environment).wait()
        assert ended.code == 0, ended.err
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    return ended.json


def hurry_logins(server: str) -> None:
    """Proving a password takes thousands of rounds on both sides; a server that is ours alone does with one."""
    with psycopg.connect(server, autocommit=True) as admin:
        settings = conninfo_to_dict(server)
        if admin.info.server_version < 160_000 or not settings.get("passfile"):  # not one of ours
            return
        user = str(settings["user"])
        admin.execute("SET scram_iterations = 1")
        admin.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(user), sql.Literal(password_of(server)))
        )


def password_of(conninfo: str) -> str:
    """The one that libpq would use, so that it can be given through the environment and looked for afterwards."""
    settings = conninfo_to_dict(conninfo)
    if settings.get("password"):
        return str(settings["password"])
    if settings.get("passfile"):
        for line in Path(str(settings["passfile"])).read_text(encoding="utf-8").splitlines():
            *_, user, password = line.split(":")
            if user in ("*", settings.get("user")):
                return password
    return os.environ.get("PGPASSWORD", "no password needed")


@pytest.fixture(scope="session")
def sites(rehearsed: Rehearsed, commands: Launcher, fault_folder: Path) -> Sites:
    return Sites(commands, rehearsed, fault_folder)


@pytest.fixture
def site(sites: Sites) -> Iterator[Site]:
    with sites.site() as made:
        yield made


@pytest.fixture
def deployed(sites: Sites) -> Iterator[Site]:
    """The new version is live."""
    with sites.site(deployed=True) as made:
        yield made
