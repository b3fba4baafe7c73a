"""Every refusal that a command line can provoke says what, why, what is true and what to do, and leaves no trace."""

from __future__ import annotations

import os
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests import reference
from tests.cli.conftest import Inside, MakeExport, listing
from tests.cli.test_refusals import refused
from tests.conftest import Database

NOWHERE = "--dsn 'host=127.0.0.1 port=1 dbname=x user=y'"
RUN = "r-20200101-000000-0000"
WITHOUT_A_SERVER: dict[str, tuple[int, str | None]] = {
    "frobnicate": (2, "usage"),
    "deploy --frobnicate": (2, "unknown-option"),
    "deploy": (2, "missing-argument"),
    "deploy x.db --mode quick": (2, "bad-value"),
    "deploy missing.db --yes --confirm servicedesk": (2, "source-missing"),
    "deploy . --yes --confirm servicedesk": (2, "source-directory"),
    "deploy empty.db --yes --confirm servicedesk": (4, "source-empty"),
    "deploy text.db --yes --confirm servicedesk": (4, "source-not-sqlite"),
    "deploy bare.db --yes --confirm servicedesk": (4, "source-no-tables"),
    "deploy good.db": (6, "confirmation-missing"),
    "deploy good.db --confirm other": (6, "confirmation-wrong"),
    "deploy good.db --mode blue-green --until cutover --confirm servicedesk": (2, "until-stage"),
    "deploy good.db --until score --target warehouse": (2, "target-unknown"),
    "deploy good.db --until score --date-format tickets": (2, "date-format"),
    "deploy good.db --min-quality 101": (2, "settings-invalid"),
    "deploy good.db --contract missing.toml --until score": (2, "contract-unreadable"),
    "deploy good.db --contract broken.toml --until score": (2, "contract-invalid"),
    f"deploy good.db --yes --confirm servicedesk {NOWHERE}": (3, "connection-refused"),
    "deploy good.db --yes --confirm servicedesk --dsn 'not a conninfo'": (2, "conninfo"),
    "deploy good.db --yes --confirm servicedesk --dsn 'host=no-such-host.invalid user=y'": (3, "host-unknown"),
    "plan text.db": (4, "source-not-sqlite"),
    "clean good.db --to good.db": (2, "source-is-output"),
    "clean good.db --to x.db --dry-run": (2, "usage"),
    "resume": (2, "nothing-to-resume"),
    "resume ../../etc": (2, "run-id"),
    f"resume {RUN}": (2, "run-unknown"),
    "approve": (2, "nothing-held"),
    "abort": (2, "nothing-to-abort"),
    f"abort {RUN}": (2, "run-unknown"),
    f"runs show {RUN}": (2, "run-unknown"),
    "quarantine show": (2, "no-quarantine"),
    f"rollback --confirm servicedesk {NOWHERE}": (3, "connection-refused"),
    f"versions list {NOWHERE}": (3, "connection-refused"),
    "restore missing.dump --confirm servicedesk": (4, "backup-missing"),
    "backups verify missing.dump": (4, "backup-missing"),
    "generate good.db": (2, "generate-exists"),
    "generate new.db --size many": (2, "generate-size"),
    "contract lint missing.toml": (2, "contract-unreadable"),
    "runbook run nothing": (2, "runbook-unknown"),
    "runbook run missing.md": (2, "runbook-unreadable"),
    "runbook run broken.md": (2, "runbook-invalid"),
    "runbook run quarterly-import": (2, "runbook-param"),
    "runbook new broken.md": (2, "output-exists"),
    "runbook new 1.txt": (2, "runbook-name"),
    "config init broken.toml": (2, "output-exists"),
    "config validate missing.toml": (2, "settings-unreadable"),
    "config validate deep.toml": (2, None),
    "contract lint deep.toml": (2, None),
    "profile good.db --contract deep.toml": (2, "contract-invalid"),
    "config validate pipe": (2, "settings-unreadable"),
    "contract lint pipe": (2, "contract-unreadable"),
    "runbook lint ./pipe": (2, "runbook-unreadable"),
    "runs list --state-dir good.db": (2, "bad-value"),
    "profile good.db --state-dir /proc/sdconsole": (1, "file-error"),
}


@pytest.fixture
def things(inside: Inside, make_export: MakeExport) -> Path:
    """A folder with something for every refusal."""
    folder = inside.folder
    make_export("good.db", rows=300).rename(folder / "good.db")
    (folder / "empty.db").touch()
    (folder / "text.db").write_text("Ticket;Created\n" * 200)
    with closing(sqlite3.connect(folder / "bare.db")) as db:
        db.execute("PRAGMA user_version = 3")
        db.commit()
    (folder / "broken.toml").write_text("name = \n")
    (folder / "broken.md").write_text("# T\n")
    (folder / "deep.toml").write_text(f"a = {'[' * 5_000}")
    os.mkfifo(folder / "pipe")
    return folder


def test_every_refusal_without_a_server_is_complete_documented_and_leaves_nothing(inside: Inside, things: Path) -> None:
    known = {(one.slug, one.code) for one in reference.slugs()}
    wrong = {}
    for line, (code, slug) in WITHOUT_A_SERVER.items():
        before = listing(things)
        ended = inside(*shlex.split(line), "--json")
        if slug is None:  # a list of mistakes, not an error
            assert (ended.code, "nested too deeply" in ended.out) == (code, True), line
            continue
        try:
            error = refused(ended, code, slug)
            assert (slug, code) in known
            assert "\x1b" not in ended.err
            assert not error["next"].endswith("SOURCE.")
            assert listing(things) == before
        except (AssertionError, ValueError) as failure:
            wrong[line] = str(failure).splitlines()[0][:160]
    assert not wrong, "\n".join(f"{line}: {why}" for line, why in wrong.items())


def test_refusals_of_a_server_are_complete_and_documented(inside: Inside, things: Path, pg: Database) -> None:
    known = {(one.slug, one.code) for one in reference.slugs()}
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE errors_guest LOGIN PASSWORD 'x'")
    try:
        guest = make_conninfo(pg.dsn, user="errors_guest", password="wrong")
        missing = make_conninfo(pg.dsn, dbname="no_such_database")
        cases = {
            ("versions", "list", "--dsn", missing): (3, "database-missing"),
            ("versions", "list", "--dsn", guest): (3, "authentication"),
            ("rollback", "--dsn", pg.dsn, "--confirm", "servicedesk"): (4, "no-previous"),
            ("rollback", "--dsn", pg.dsn, "--to", "servicedesk_v20200101_000000", "--confirm", "servicedesk"): (
                4,
                "not-kept",
            ),
            ("deploy", "good.db", "--dsn", pg.dsn, "--until", "score", "--min-quality", "100", "--no-input"): (
                5,
                "score-below-minimum",
            ),
        }
        for arguments, (code, slug) in cases.items():
            refused(inside(*arguments, "--json"), code, slug)
            assert (slug, code) in known
    finally:
        with psycopg.connect(pg.dsn, autocommit=True) as connection:
            connection.execute("DROP ROLE errors_guest")
