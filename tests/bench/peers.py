"""Other tools that load the same file: pgloader where it is installed, ADBC and DuckDB in an environment of their own.

Each gets an empty database of its own, has to load every row, and is left out with a plain reason where it cannot run.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sdconsole.contract.model import Kind, Table
from sdconsole.source.catalog import count_rows
from sdconsole.source.open import open_source

PACKAGES: Final = {
    "adbc": ("adbc-driver-sqlite==1.13.0", "adbc-driver-postgresql==1.13.0", "pyarrow==26.0.1"),
    "duckdb": ("duckdb==2.0.0",),
}
_PATIENCE_SECONDS: Final = 300


class PeerLeftOut(Exception):
    """The peer cannot run here; the text says why."""


class Peers:
    """Loads `tables` of `clean` with other tools, as the owner that `conninfo` names, into fresh databases."""

    def __init__(self, folder: Path, clean: Path, tables: Sequence[Table], conninfo: str, superuser: str) -> None:
        self._folder, self._clean, self._tables = folder, clean, tables
        self._conninfo, self._login = conninfo, conninfo_to_dict(conninfo)
        self._superuser = superuser

    def pgloader(self) -> float | None:
        """Its whole run counts. Raises PeerLeftOut."""
        if shutil.which("pgloader") is None:
            raise PeerLeftOut("it is not installed (Debian: apt-get install pgloader)")
        with self._database("public") as database:
            order = self._folder / "pgloader.load"
            order.touch(mode=0o600)
            login = self._login
            place = f"{login['user']}:{login['password']}@{login['host']}:{login['port']}/{database}"
            order.write_text(f"LOAD DATABASE FROM sqlite://{self._clean} INTO postgresql://{place};\n")
            log = self._folder / "pgloader.log"
            with log.open("wb") as output:
                command = ["pgloader", "--root-dir", str(self._folder), str(order)]
                subprocess.run(command, stdout=output, stderr=output, timeout=_PATIENCE_SECONDS, check=True)
        return None

    def prepared(self, name: str) -> Path:
        """Python of an environment that holds the peer. Raises PeerLeftOut."""
        home = self._folder / f"peer-{name}"
        python = home / "bin" / "python"
        steps = [[sys.executable, "-m", "venv", str(home)], [str(python), "-m", "pip", "install", *PACKAGES[name]]]
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False)
            if done.returncode:
                raise PeerLeftOut(f"its environment cannot be made: {_reason(done.stderr)}")
        return python

    def tool(self, name: str, python: Path) -> float:
        """The seconds that it says the load took. Raises PeerLeftOut."""
        kinds = {Kind.TIMESTAMP: "timestamp", Kind.DECIMAL: "decimal"}
        with self._database("peer") as database:
            order = self._folder / f"{name}.json"
            order.touch(mode=0o600)
            content = {
                "clean": str(self._clean),
                "conninfo": make_conninfo(self._conninfo, dbname=database),
                "schema": "peer",
                "tables": {
                    table.name: {column.name: kinds.get(column.kind, "") for column in table.columns}
                    for table in self._tables
                },
            }
            order.write_text(json.dumps(content))
            done = subprocess.run(
                [str(python), str(Path(__file__).with_name("peer_load.py")), name, str(order)],
                capture_output=True,
                text=True,
                timeout=_PATIENCE_SECONDS,
                check=False,
                env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
            )
            if done.returncode:
                raise PeerLeftOut(_reason(done.stderr))
        return float(done.stdout)

    @contextmanager
    def _database(self, schema: str) -> Iterator[str]:
        """A database for one load; in the end every row has to be there."""
        name = f"peer_{secrets.token_hex(4)}"
        owner = sql.Identifier(str(self._login["user"]))
        with psycopg.connect(self._superuser, autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), owner))
        place = make_conninfo(self._superuser, dbname=name)
        try:
            with psycopg.connect(place, autocommit=True) as admin:
                create = sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}")
                admin.execute(create.format(sql.Identifier(schema), owner))
            yield name
            with psycopg.connect(place, autocommit=True) as admin:
                for table in self._tables:
                    self._check(admin, schema, table)
        finally:
            with psycopg.connect(self._superuser, autocommit=True) as admin:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _check(self, admin: psycopg.Connection[tuple[object, ...]], schema: str, table: Table) -> None:
        counted = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table.name))
        found = admin.execute(counted).fetchone()
        with closing(open_source(self._clean)) as clean:
            expected = count_rows(clean, table.name)
        if found != (expected,):
            raise PeerLeftOut(f"it loaded {found and found[0]} of {expected} rows of {table.name}")


def _reason(text: str) -> str:
    """The last line that names an error, else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if "rror:" in line]
    return (named or lines or ["it said nothing"])[-1][:300]
