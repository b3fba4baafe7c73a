"""What must be true after every trial, looked at from outside: SQLite, PostgreSQL, files and what the command said.

Shares no code with the product, so that both cannot be wrong in the same way. Every function raises AssertionError
with a sentence; the caller adds the trial's seed.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

LIVE: Final = "servicedesk"
EXIT_CODES: Final = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 124, 130, 143})
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "tickets": ("TKT-Ticket ID", "TKT-Title", "TKT-Team"),
    "comments": ("comment_id", "user_name", "team"),
    "timesheets": ("TS-User Username", "TS-Title"),
    "comment_quality": ("comment_id", "user_name", "quality_tier"),
    "comment_sentiment": ("comment_id", "sentiment"),
    "cloud_team_roster": ("username", "name", "email"),
    "import_metadata": ("import_id", "file_name", "notes"),
}
"""What is compared with the export cell by cell: the key first, where there is one, then a few columns."""
_VERSION: Final = re.compile(rf"\b({LIVE}_v\d{{8}}_\d{{6}}(?:_\d+)?)\.")
_LEFTOVER: Final = re.compile(r"\.tmp(-[0-9a-f]+)?$|-(journal|wal|shm)$")
_NOTHING: Final = frozenset({"", "nan", "nat", "none", "null", "n/a", "na", "-", "?", "#n/a"})
_SWITCHES: Final = ("cutover", "rollback", "restore", "repair")


@dataclass(frozen=True, slots=True)
class Shown:
    """What readers get: the version that every view reads (None = no view), and rows and checksum of each table."""

    version: str | None
    tables: Mapping[str, tuple[int, str]]


# I1 ----------------------------------------------------------------------------------------------------------------


def digest_of_source(path: Path) -> str:
    """Over the main file and its -wal, as they lie on the disk."""
    digest = hashlib.sha256(path.read_bytes())
    wal = path.with_name(path.name + "-wal")
    if wal.exists():
        digest.update(wal.read_bytes())
    return digest.hexdigest()


# I2 ----------------------------------------------------------------------------------------------------------------


def shown(dsn: str) -> Shown:
    """Reads every live view to its end. The quarantine's run and time differ from run to run and are left out."""
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "SELECT c.relname::text, pg_get_viewdef(c.oid) FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'v'",
            [LIVE],
        ).fetchall()
        versions = {version for _, text in found for version in _VERSION.findall(text)}
        assert len(versions) <= 1, f"live is a mixture of {sorted(versions)}"
        tables = {name: _checksum(connection, name) for name, _ in found if name in KEYS or name == "data_quarantine"}
    return Shown(next(iter(versions), None), tables)


def _checksum(connection: psycopg.Connection[Any], name: str) -> tuple[int, str]:
    row = sql.SQL("to_jsonb(r) - 'run_id' - 'quarantined_at'" if name == "data_quarantine" else "r")
    found = connection.execute(
        sql.SQL("SELECT count(*), md5(coalesce(string_agg(h, '' ORDER BY h), '')) FROM (SELECT md5(({})::text) AS h"
                " FROM {} r) s").format(row, sql.Identifier(LIVE, name))
    ).fetchone()  # fmt: skip
    assert found is not None
    return int(found[0]), str(found[1])


def check_live(dsn: str, *allowed: Mapping[str, tuple[int, str]]) -> Shown:
    """Live is one of these sets, whole."""
    now = shown(dsn)
    for wanted in allowed:
        if now.tables == wanted:
            return now
    counts = [{name: rows for name, (rows, _) in tables.items()} for tables in (now.tables, *allowed)]
    raise AssertionError(f"live {now.version} shows {counts[0]}, which is none of {counts[1:]} (or other cells)")


def check_against_export(dsn: str, export: Path) -> None:
    """Every row of the export is live or in quarantine, once; keys and a few columns are the export's own."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / export.name  # reading a file in WAL mode would make files beside it
        for ending in ("", "-wal"):
            if Path(f"{export}{ending}").exists():
                shutil.copyfile(f"{export}{ending}", f"{copy}{ending}")
        _compare(dsn, copy)


def _compare(dsn: str, export: Path) -> None:
    with closing(sqlite3.connect(export)) as db, psycopg.connect(dsn) as connection:
        for table, columns in KEYS.items():
            names = ", ".join('"' + column.replace('"', '""') + '"' for column in columns)
            exported = Counter(tuple(map(_plain, row)) for row in db.execute(f'SELECT {names} FROM "{table}"'))
            query = sql.SQL("SELECT {} FROM {}").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(LIVE, table)
            )
            live = Counter(tuple(map(_plain, row)) for row in connection.execute(query).fetchall())
            aside = connection.execute(
                sql.SQL("SELECT record_json::jsonb FROM {} WHERE table_name = %s AND column_name IS NULL").format(
                    sql.Identifier(LIVE, "data_quarantine")
                ),
                [table],
            ).fetchall()
            quarantined = Counter(tuple(_plain(record[column]) for column in columns) for (record,) in aside)
            changed = (exported - live - quarantined, live + quarantined - exported)
            assert changed == (Counter(), Counter()), f"{table}: {changed} differ from the export"


def _plain(value: object) -> str:
    """A cell as both sides spell it: 123, '123', 123.0 and ' 123 ' are one key; NULL and its spellings are nothing."""
    text = "" if value is None else str(value).strip()
    if text.lower() in _NOTHING:
        return ""
    return text.removesuffix(".0") if text.removesuffix(".0").isdigit() else text


# I3 ----------------------------------------------------------------------------------------------------------------


def journal(path: Path) -> list[dict[str, Any]]:
    """Every complete line; only the last one may be torn. Raises for anything else."""
    records = []
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            break
        record = json.loads(line)
        assert record["seq"] == number, f"line {number} of {path} has seq {record['seq']}"
        assert record["run"] == path.parent.name, f"line {number} of {path} belongs to {record['run']}"
        records.append(record)
    return records


def check_journal(path: Path, dsn: str) -> None:
    """It is whole, and what it says about live is what the database's own record says.

    An attempt that ended in an orderly way must not have switched in silence; one that was killed may have.
    """
    records = journal(path)
    assert records, f"{path} is empty"
    switched = _switches(dsn, path.parent.name)
    told = [record["event"]["to_version"] for record in records if record["event"]["type"] == "live_changed"]
    assert set(told) <= {version for version, _ in switched}, f"{path} tells of switches to {told}, made: {switched}"
    for begin, end, attempt in _attempts(records):
        finished = [event for event in attempt if event["type"] == "run_finished"]
        if not finished:
            continue
        made = [version for version, at in switched if begin <= at <= end]
        said = [event["to_version"] for event in attempt if event["type"] == "live_changed"]
        assert set(made) <= set(said), f"{path} is silent about the switch to {made}"
        error = finished[0].get("error")
        if error is not None and error["state"].startswith("nothing was changed"):
            assert not made, f"{path} says {error['state']!r}, but live was switched to {made}"
        if finished[0]["verdict"] == "ok" and any(_passed(event, "cutover", "rollback") for event in attempt):
            assert set(told) == {version for version, _ in switched}, f"{path}: {told}, made: {switched}"


def _passed(event: Mapping[str, Any], *stages: str) -> bool:
    return event["type"] == "stage_finished" and event["stage"] in stages and event["status"] in ("passed", "warned")


def _attempts(
    records: Sequence[Mapping[str, Any]],
) -> Iterable[tuple[datetime, datetime, list[Mapping[str, Any]]]]:
    starts = [i for i, record in enumerate(records) if record["event"]["type"] in ("run_started", "run_resumed")]
    assert starts[:1] == [0], "the journal does not begin with the run"
    for first, last in zip(starts, [*starts[1:], len(records)], strict=True):
        part = records[first:last]
        yield _moment(part[0]), _moment(part[-1]), [record["event"] for record in part]


def _moment(record: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(record["at"]).astimezone(UTC)


def _switches(dsn: str, run: str) -> list[tuple[str, datetime]]:
    with psycopg.connect(dsn) as connection:
        if connection.execute("SELECT to_regclass('sdconsole.event')").fetchone() == (None,):
            return []
        return connection.execute(
            "SELECT version, at FROM sdconsole.event WHERE run_id = %s AND kind = ANY(%s) ORDER BY id",
            [run, list(_SWITCHES)],
        ).fetchall()


# I5 ----------------------------------------------------------------------------------------------------------------


def check_ledger(dsn: str, *, done: Collection[str] = ()) -> None:
    """Views and ledger agree, and every version schema is in the ledger. `done`: runs that may keep nothing else."""
    with psycopg.connect(dsn) as connection:
        if connection.execute("SELECT to_regclass('sdconsole.deployment')").fetchone() == (None,):
            rows = []
        else:
            rows = connection.execute(
                "SELECT version, state, run_id, canary FROM sdconsole.deployment WHERE live_schema = %s", [LIVE]
            ).fetchall()
        schemas = {
            name
            for (name,) in connection.execute(
                "SELECT nspname::text FROM pg_namespace WHERE nspname ~ %s", [f"^{LIVE}_(v[0-9]|canary_)"]
            ).fetchall()
        }
    live = [version for version, state, _, _ in rows if state == "live"]
    version = shown(dsn).version
    assert live == ([version] if version else []), f"readers see {version}, the ledger says {live}"
    kept = {version for version, state, _, _ in rows if state in ("ready", "live", "previous")}
    assert kept <= schemas, f"the ledger keeps {sorted(kept - schemas)}, which are gone"
    listed = {version for version, state, _, _ in rows if state != "dropped"}
    assert schemas <= listed, f"{sorted(schemas - listed)} are in no ledger"
    for found, state, run, _canary in rows:
        if run in done and found in schemas:
            assert state in ("live", "previous", "ready"), f"{found} ({state}) of {run} was left behind"


def check_no_sessions(dsn: str, *, within_seconds: float = 5.0) -> None:
    """No session of the product, and no advisory lock, is left in this database."""
    give_up = time.monotonic() + within_seconds
    with psycopg.connect(dsn, autocommit=True) as connection:
        while True:
            left = connection.execute(
                "SELECT pid, application_name, state, left(query, 60) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'sdconsole:%' UNION ALL"
                " SELECT pid, 'advisory lock', '', '' FROM pg_locks WHERE locktype = 'advisory' AND database ="
                " (SELECT oid FROM pg_database WHERE datname = current_database())"
            ).fetchall()
            if not left:
                return
            assert time.monotonic() < give_up, f"left on the server: {left}"
            time.sleep(0.01)


def check_files(*folders: Path) -> None:
    """No temporary file, nothing that others could read."""
    for path in (found for folder in folders for found in folder.rglob("*")):
        assert not _LEFTOVER.search(path.name), f"left behind: {path}"
        assert path.stat().st_mode & 0o077 == 0, f"others may read {path}"


# I6 ----------------------------------------------------------------------------------------------------------------


def check_backups(folder: Path) -> int:
    """Every backup is the file that its manifest describes; an export's copy holds the recorded rows. How many."""
    manifests = sorted(folder.glob("*.manifest.json"))
    for path in manifests:
        manifest = json.loads(path.read_text())
        backup = path.with_name(manifest["file"])
        content = backup.read_bytes()
        assert len(content) == manifest["size_bytes"], f"{backup} has {len(content)} bytes"
        assert hashlib.sha256(content).hexdigest() == manifest["sha256"], f"{backup} is another file"
        if manifest["kind"] == "sqlite":
            with closing(sqlite3.connect(f"file:{backup}?mode=ro", uri=True)) as db:
                assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",), f"{backup} is damaged"
                for table, rows in manifest["rows"].items():
                    counted = db.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
                    assert counted == rows, f"{backup}: {table} holds {counted}, not {rows}"
        else:
            assert content.startswith(b"PGDMP"), f"{backup} is no dump"
    return len(manifests)


def check_dump_restores(dump: Path, dsn: str, scratch: str, pg_restore: str) -> int:
    """Restored into an empty database the dump gives every row of the schema that it was made of. How many tables.

    What pg_restore complains of (an extension that is not there, a setting of a newer server) does not matter.
    """
    schema = json.loads(dump.with_name(dump.name + ".manifest.json").read_text())["subject"]
    subprocess.run(
        [pg_restore, "--no-owner", "--no-privileges", f"--dbname={scratch}", str(dump)],
        capture_output=True,
        check=False,
    )
    there, back = _rows_of(dsn, schema), _rows_of(scratch, schema)
    assert there, f"{schema} holds no table"
    assert back == there, f"{dump} gives back {back}, {schema} holds {there}"
    return len(back)


def _rows_of(dsn: str, schema: str) -> dict[str, tuple[int, str]]:
    with psycopg.connect(dsn) as connection:
        names = connection.execute(
            "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relkind = 'r'",
            [schema],
        ).fetchall()
        found: dict[str, tuple[int, str]] = {}
        for (name,) in names:
            query = sql.SQL("SELECT count(*), md5(coalesce(string_agg(h, '' ORDER BY h), '')) FROM"
                            " (SELECT md5(r::text) AS h FROM {} r) s").format(sql.Identifier(schema, name))  # fmt: skip
            row = connection.execute(query).fetchone()
            assert row is not None
            found[name] = (int(row[0]), str(row[1]))
        return found


# I7 ----------------------------------------------------------------------------------------------------------------


def check_told(code: int, out: str, err: str, *, secrets: Collection[str] = ()) -> dict[str, Any]:
    """A documented exit code; for a failure one message with cause, state and next step. The JSON document."""
    assert code in EXIT_CODES, f"exit code {code}: {err}"
    assert "Traceback" not in out + err, err
    for secret in secrets:
        assert secret not in out + err, "a password was shown"
    document: dict[str, Any] = json.loads(out)
    assert document["exit_code"] == code, f"the document says {document['exit_code']}, the process {code}"
    messages = [line for line in err.splitlines() if line.startswith("error[")]
    if code == 0:
        assert not messages, err
        return document
    if document.get("verdict") == "held":
        return document
    assert len(messages) == 1, f"{len(messages)} messages: {err}"
    error = document["error"]
    assert messages[0].startswith(f"error[{error['slug']}]: "), messages[0]
    assert error["slug"] != "internal", f"unknown error: {error}"
    for label in ("cause", "state", "next"):
        assert f"\n  {label}:" in err, f"no {label}: {err}"
    return document


def check_no_secret(folder: Path, secrets: Collection[str]) -> None:
    """No file that the product wrote holds a password."""
    for path in (found for found in folder.rglob("*") if found.is_file()):
        content = path.read_bytes()
        assert not any(secret.encode() in content for secret in secrets), f"a password is in {path}"
