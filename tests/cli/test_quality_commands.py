"""Date answers, quarantine, dry runs, contracts, JUnit and drift, as an operator meets them on the command line."""

from __future__ import annotations

import csv
import getpass
import json
import os
import shutil
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from sdconsole.core.events import Answered, CheckResult, StageFinished
from sdconsole.core.journal import read_journal
from sdconsole.interfaces.cli.app import main
from sdconsole.quality.clean.audit import read_audit
from sdconsole.source.open import source_digest
from tests.cli.conftest import Ended, MakeExport, environment, listing
from tests.conftest import Database

PLACE = "comments.created_time"
CONFIRMED = ("--yes", "--confirm", "servicedesk", "--json")


@dataclass(frozen=True, slots=True)
class Here:
    """The command in this process: the same edge and the same exit code, without a second to start in."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Ended:
        self.capture.readouterr()
        with pytest.raises(SystemExit) as left:
            main(arguments)
        out, err = self.capture.readouterr()
        assert "Traceback" not in out + err
        return Ended(int(left.value.code or 0), out, err)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    wanted = environment(home)
    for name in [name for name in os.environ if name not in wanted]:
        monkeypatch.delenv(name)
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    return Here(folder, capsys)


def ambiguous(path: Path) -> Path:
    """Every comment is made on a day of which nobody can tell day from month: 3/5/2025 and the like."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE comments SET created_time = printf('%d/%d/2025 08:30', 1 + rowid % 4, 5 + rowid % 3)")
        db.commit()
    return path


def run_folder(cli: Here, ended: Ended) -> Path:
    return cli.folder / ".sdconsole" / "runs" / str(ended.json["run"])


def events(folder: Path, kind: type[Any]) -> Iterator[Any]:
    return (record.event for record in read_journal(folder / "events.jsonl") if isinstance(record.event, kind))


def checks(folder: Path, name: str) -> list[CheckResult]:
    return [check for check in events(folder, CheckResult) if check.check.startswith(name)]


def live(pg: Database, query: str, *tables: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(pg.dsn) as connection:
        names = [sql.Identifier("servicedesk", table) for table in tables]
        return connection.execute(sql.SQL(query).format(*names)).fetchall()


# -- the order of day and month ---------------------------------------------------------------------------------------


def test_an_unanswered_column_is_told_with_its_votes_and_an_answer_on_resume_carries_the_run_on(
    cli: Here, make_export: MakeExport, pg: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = conninfo_to_dict(pg.dsn).get("password")
    if password:  # the run's record keeps none
        monkeypatch.setenv("PGPASSWORD", str(password))
    source = ambiguous(make_export(rows=600, dirt="clean"))
    held = cli("deploy", str(source), "--dsn", pg.dsn, *CONFIRMED)
    assert held.code == 5
    assert held.json["error"]["slug"] == "quarantine-limit"
    assert f"--date-format '{PLACE}=DMY'" in held.json["error"]["next"]
    folder = run_folder(cli, held)
    [warning] = checks(folder, f"date_order {PLACE}")
    assert warning.status == "warn"
    assert "day first 0, month first 0" in warning.measured
    assert "/2025 08:30" in warning.detail
    assert f"{PLACE}=DMY" in warning.remedy

    resumed = cli("resume", held.json["run"], "--date-format", f"{PLACE}=DMY", *CONFIRMED)
    assert resumed.code == 0, resumed.err
    profiled = [event for event in events(folder, StageFinished) if event.stage == "profile"]
    assert [event.reused for event in profiled] == [False, False]
    assert profiled[-1].facts["answers"] == {PLACE: "DMY"}
    [answer] = [event for event in events(folder, Answered) if event.question == "date-order"]
    assert (answer.typed, answer.via) == (f"{PLACE}=DMY", "--date-format")
    assert answer.by == getpass.getuser()
    told = checks(folder, f"date_order {PLACE}")[-1]
    assert told.status == "info"
    assert answer.by in told.detail
    assert json.loads((folder / "plan.json").read_text())["date_answers"][0]["order"] == "DMY"
    months = live(pg, "SELECT DISTINCT extract(month FROM created_time)::int FROM {} ORDER BY 1", "comments")
    assert months == [(5,), (6,), (7,)]


def test_an_answer_can_come_with_deploy_from_the_settings_or_from_the_contract(
    cli: Here, make_export: MakeExport
) -> None:
    source = ambiguous(make_export(rows=300, dirt="clean"))
    given = cli("profile", str(source), "--json", "--date-format", "COMMENTS.Created_Time=mdy")
    assert given.code == 0, given.err
    profile = json.loads((run_folder(cli, given) / "profile.json").read_text())
    columns = next(table for table in profile["tables"] if table["name"] == "comments")["columns"]
    dates = next(column for column in columns if column["name"] == "created_time")["dates"]
    assert (dates["order"], dates["inferred"], dates["unresolved"]) == ("MDY", "AMBIGUOUS", 0)

    (cli.folder / "sdconsole.toml").write_text(f'[date_formats]\n"{PLACE}" = "DMY"\n')
    by_settings = cli("profile", str(source), "--json")
    [answer] = events(run_folder(cli, by_settings), Answered)
    assert (answer.typed, answer.via) == (f"{PLACE}=DMY", "date_formats")
    flag_wins = cli("profile", str(source), "--json", "--date-format", f"{PLACE}=MDY")
    assert [a.typed for a in events(run_folder(cli, flag_wins), Answered)] == [f"{PLACE}=MDY"]
    (cli.folder / "sdconsole.toml").write_text(f'[date_formats]\n"{PLACE}" = "YDM"\n')
    wrong = cli("profile", str(source), "--json")
    assert (wrong.code, wrong.json["error"]["slug"]) == (2, "settings-invalid")
    (cli.folder / "sdconsole.toml").unlink()

    drafted = cli.folder / "own.toml"
    assert cli("contract", "init", "--from", str(source), "--output", str(drafted)).code == 0
    text = drafted.read_text()
    before = '{ name = "created_time", type = "text" }'
    assert before in text
    drafted.write_text(text.replace(before, '{ name = "created_time", type = "timestamp", date_order = "DMY" }'))
    by_contract = cli("profile", str(source), "--json", "--contract", str(drafted))
    assert by_contract.code == 0, by_contract.err
    [told] = checks(run_folder(cli, by_contract), f"date_order {PLACE}")
    assert (told.status, "as the contract" in told.detail) == ("info", True)


@pytest.mark.parametrize(
    ("text", "slug", "named"),
    [
        ("ticket.TKT-Created Time=DMY", "date-format-unknown", "tickets"),
        ("tickets.TKT-Create Time=DMY", "date-format-unknown", "tickets.TKT-Created Time"),
        ("tickets.TKT-Created Time=YDM", "date-format", "DMY"),
        ("tickets=DMY", "date-format", "TABLE.COLUMN"),
        ("tickets.TKT-Title=DMY", "date-format", "date column"),
    ],
)
def test_an_answer_about_something_that_is_not_there_names_the_nearest(
    cli: Here, export: Path, text: str, slug: str, named: str
) -> None:
    refused = cli("deploy", str(export), "--date-format", text, "--no-input", "--until", "score", "--json")
    assert (refused.code, refused.json["error"]["slug"]) == (2, slug)
    assert named in refused.json["error"]["next"]
    assert not (cli.folder / ".sdconsole" / "runs").exists()


# -- clean without writing, quarantine --------------------------------------------------------------------------------


def test_a_dry_run_counts_the_same_and_writes_no_clean_file(cli: Here, export: Path) -> None:
    before = source_digest(export)
    dry = cli("clean", str(export), "--dry-run", "--json")
    wet = cli("clean", str(export), "--json")
    assert (dry.code, wet.code) == (0, 0)
    assert dry.json["rows"] == wet.json["rows"]
    reports = [json.loads((run_folder(cli, ended) / "clean.json").read_text()) for ended in (dry, wet)]
    assert reports[0]["dry_run"] is True
    assert [table | {"columns": 0} for table in reports[0]["tables"]] == [
        table | {"columns": 0} for table in reports[1]["tables"]
    ]
    assert reports[0]["tables"] == reports[1]["tables"]
    assert {path.suffix for path in run_folder(cli, dry).iterdir()} >= {".json", ".csv"}
    assert not (run_folder(cli, dry) / "clean.db").exists()
    assert (run_folder(cli, wet) / "clean.db").exists()
    assert source_digest(export) == before
    both = cli("clean", str(export), "--dry-run", "--to", "x.db", "--json")
    assert (both.code, both.json["error"]["slug"]) == (2, "usage")
    text = cli("clean", str(export), "--dry-run", "--progress", "none").out
    assert "dry run: nothing was written" in text
    assert "cells changed" in text


def test_the_quarantine_is_shown_and_exported_whole_and_nothing_is_overwritten(cli: Here, export: Path) -> None:
    assert cli("quarantine", "show", "--json").json["error"]["slug"] == "no-quarantine"
    run = str(cli("clean", str(export), "--json").json["run"])
    assert cli("clean", str(export), "--dry-run").code == 0
    shown = cli("quarantine", "show", "--limit", "3", "--json").json
    assert shown["run"] == run
    assert shown["total"] == sum(finding["entries"] for finding in shown["findings"]) > 3
    assert len(shown["entries"]) == 3
    assert all(entry["reason"] and entry["rule"] for entry in shown["entries"])
    table = shown["findings"][0]["table"]
    only = cli("quarantine", "show", run, "--table", table.upper(), "--limit", "0", "--json").json
    assert {finding["table"] for finding in only["findings"]} == {table}
    assert f"{only['total']:,} entries" in cli("quarantine", "show", run, "--table", table).out

    target = cli.folder / "rejected.csv"
    assert cli("quarantine", "export", run, str(target)).code == 0
    with target.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == shown["total"]
    assert target.stat().st_mode & 0o777 == 0o600
    before = listing(cli.folder)
    for taken in (target, export, export.with_name(export.name + "-wal")):
        refused = cli("quarantine", "export", str(taken))
        assert refused.code == 2, taken
    assert listing(cli.folder) == before
    assert cli("quarantine", "export", "a", "b", "c").code == 2


def test_the_quarantine_of_a_run_that_stopped_at_the_limit_can_be_read(cli: Here, make_export: MakeExport) -> None:
    source = ambiguous(make_export(rows=300, dirt="clean"))
    ended = cli("clean", str(source), "--json")
    assert ended.code == 5
    shown = cli("quarantine", "show", ended.json["run"], "--limit", "1", "--json").json
    assert [finding["rule"] for finding in shown["findings"]] == ["ambiguous-date"]
    assert not (run_folder(cli, ended) / "clean.db").exists()
    (run_folder(cli, ended) / "quarantine.db").unlink()
    assert cli("quarantine", "show", ended.json["run"], "--json").json["error"]["slug"] == "no-quarantine"


def test_an_audit_trail_is_kept_where_it_is_asked_for(cli: Here, make_export: MakeExport) -> None:
    source = make_export(rows=600)
    plain = cli("clean", str(source), "--json")
    assert not (run_folder(cli, plain) / "audit.jsonl.gz").exists()
    ended = cli("clean", str(source), "--audit", "--json")
    folder = run_folder(cli, ended)
    changes = list(read_audit(folder / "audit.jsonl.gz"))
    tables = json.loads((folder / "clean.json").read_text())["tables"]
    assert len(changes) >= sum(column["changed"] for table in tables for column in table["columns"]) > 0
    assert (folder / "audit.jsonl.gz").stat().st_mode & 0o777 == 0o600
    (cli.folder / "sdconsole.toml").write_text("audit = true\nno_samples = true\n")
    both = cli("clean", str(source), "--json")
    assert (both.code, both.json["error"]["slug"]) == (2, "audit-no-samples")
    assert not (run_folder(cli, both) / "clean.db").exists()


def test_clean_says_where_its_file_is_and_replaces_only_what_it_wrote(cli: Here, make_export: MakeExport) -> None:
    source, target = make_export(rows=600), cli.folder / "mine.db"
    with closing(sqlite3.connect(target)) as db, db:
        db.execute("CREATE TABLE precious (a)")
    before = source_digest(target)
    for taken in (target, cli.folder / "notes.txt"):
        if not taken.exists():
            taken.write_text("not a database")
        refused = cli("clean", str(source), "--to", str(taken), "--json")
        assert (refused.code, refused.json["error"]["slug"]) == (2, "output-foreign")
        assert not (cli.folder / ".sdconsole" / "runs").exists()
    assert source_digest(target) == before
    target.unlink()
    told = cli("clean", str(source), "--to", str(target))
    assert told.code == 0
    assert f"clean    {target}\n" in told.out
    assert cli("clean", str(source), "--to", str(target)).code == 0
    again = cli("clean", str(target), "--to", str(cli.folder / "again.db"), "--json")
    assert again.code == 0, again.err


@pytest.mark.parametrize(
    ("gate", "slug"),
    [
        (("--max-quarantine", "0"), "quarantine-limit"),
        ((), "score-below-minimum"),
    ],
)
def test_a_copy_that_does_not_pass_is_never_there_and_the_one_before_it_stays(
    cli: Here, make_export: MakeExport, gate: tuple[str, ...], slug: str
) -> None:
    target = cli.folder / "clean.db"
    assert cli("clean", str(make_export("first.db", rows=600)), "--to", str(target), "--json").code == 0
    good = source_digest(target)
    if not gate:
        (cli.folder / "sdconsole.toml").write_text("min_quality = 99.99\n")
    later = make_export("later.db", rows=700, dirt="heavy")
    with closing(sqlite3.connect(later)) as db, db:
        db.execute("UPDATE comments SET created_time = '31/02/2025' WHERE rowid = 7")
    refused = cli("clean", str(later), "--to", str(target), *gate, "--json")
    assert (refused.code, refused.json["error"]["slug"]) == (5, slug), refused.err
    assert source_digest(target) == good
    assert sorted(path.name for path in cli.folder.glob("*clean*")) == ["clean.db"]
    folder = run_folder(cli, refused)
    assert {"clean.json", "quarantine.csv", "quarantine.db"} <= {path.name for path in folder.iterdir()}
    assert (folder / "score.json").exists() == (slug == "score-below-minimum")
    assert "no clean file" in cli("clean", str(later), "--to", str(target), *gate).out
    own = cli("quarantine", "show", refused.json["run"], "--json").json
    assert own["total"] == len((folder / "quarantine.csv").read_text().splitlines()) - 1 > 0
    fresh = cli("clean", str(later), "--to", str(cli.folder / "fresh.db"), *gate, "--json")
    assert fresh.code == 5
    assert not (cli.folder / "fresh.db").exists()


# -- score -----------------------------------------------------------------------------------------------------------


def test_junit_has_one_case_for_each_rule_and_is_valid_xml_whatever_the_data(
    cli: Here, make_export: MakeExport
) -> None:
    source = make_export(rows=600)
    with closing(sqlite3.connect(source)) as db:
        db.execute("UPDATE comments SET comment_text = ']]>&<\x01\ufffe' || x'00ff' WHERE rowid % 2")
        db.execute("UPDATE comments SET comment_id = ']]><&\x02' WHERE rowid = 3")
        db.commit()
    path = cli.folder / "rules.xml"
    ended = cli("score", str(source), "--min-quality", "0", "--junit", str(path), "--json")
    assert ended.code in (0, 5), ended.err
    ledger = json.loads((run_folder(cli, ended) / "score.json").read_text())["after"]["ledger"]
    suite = ElementTree.parse(path).getroot()[0]
    assert len(suite.findall("testcase")) == len(ledger) == int(suite.attrib["tests"])
    failed = {case.attrib["name"].split()[0]: case.find("failure") for case in suite.findall("testcase")}
    expected = {line["id"] for line in ledger if not line["passed"] and not line["left_out"]}
    assert {rule for rule, failure in failed.items() if failure is not None} == expected
    assert len(expected) == int(suite.attrib["failures"]) > 0
    counted = next(line for line in ledger if line["id"] in expected)
    failure = failed[counted["id"]]
    assert failure is not None
    assert f"{counted['failed']:,} of {counted['evaluated']:,} failed" in failure.attrib["message"]
    refused = cli("score", str(source), "--junit", str(source), "--json")
    assert (refused.code, refused.json["error"]["slug"]) == (2, "source-is-output")


# -- contracts -------------------------------------------------------------------------------------------------------


def test_a_contract_is_shown_and_its_rules_are_listed(cli: Here) -> None:
    shown = cli("contract", "show", "--json").json["contract"]
    assert len(shown["tables"]) == 7
    assert sum(len(table["columns"]) for table in shown["tables"]) == 133
    assert "TKT-Ticket ID" in cli("contract", "show").out
    rules = cli("rules", "list", "--json").json["rules"]
    assert {rule["id"] for rule in rules} >= {"R1", "R49"}
    assert rules == shown["rules"]
    assert "R49" in cli("rules", "list").out


def test_lint_names_line_and_key_and_ends_with_2(cli: Here) -> None:
    path = cli.folder / "own.toml"
    path.write_text(
        'name = "own"\nversion = "1"\n\n[[table]]\nname = "t"\nkye = ["id"]\ncolumns = [\n'
        '    { name = "id", type = "bigint" },\n    { name = "at", typ = "timestamp" },\n]\n'
    )
    linted = cli("contract", "lint", str(path), "--json")
    assert linted.code == 2
    found = {(mistake["line"], mistake["key"]) for mistake in linted.json["mistakes"]}
    assert (6, "table[t].kye") in found
    assert (9, "table[t].columns[at].typ") in found
    assert (9, "table[t].columns[at].type") in found
    assert f"{path}:6: table[t].kye: unknown key, did you mean 'key'?" in cli("contract", "lint", str(path)).out
    path.write_text(path.read_text().replace("kye", "key").replace("typ =", "type ="))
    assert cli("contract", "lint", str(path), "--json").json["mistakes"] == []
    assert cli("contract", "lint", str(path)).code == 0


def test_init_prints_or_writes_a_new_file_and_overwrites_nothing(cli: Here, export: Path) -> None:
    printed = cli("contract", "init", "--from", str(export))
    assert printed.code == 0, printed.err
    assert {table["name"] for table in tomllib.loads(printed.out)["table"]} >= {"tickets", "comments", "timesheets"}
    path = cli.folder / "draft.toml"
    assert cli("contract", "init", "--from", str(export), "--output", str(path)).code == 0
    assert path.read_text().rstrip("\n") == printed.out.rstrip("\n")
    before = source_digest(export)
    for taken in (path, export):
        assert cli("contract", "init", "--from", str(export), "--output", str(taken)).code == 2
    assert source_digest(export) == before
    assert path.read_text().rstrip("\n") == printed.out.rstrip("\n")


# -- drift -----------------------------------------------------------------------------------------------------------


def test_drift_compares_with_what_readers_see_and_follows_a_rollback(
    cli: Here, make_export: MakeExport, pg: Database
) -> None:
    source = make_export(rows=900, dirt="clean")
    first = cli("deploy", str(source), "--dsn", pg.dsn, *CONFIRMED)
    assert first.code == 0, first.err
    [drift] = checks(run_folder(cli, first), "drift")
    assert "no baseline" in drift.detail
    with closing(sqlite3.connect(source)) as db:
        db.execute("DELETE FROM comments WHERE rowid % 2")
        db.execute('UPDATE tickets SET "TKT-SLA Met" = NULL, "TKT-Platform" = \'\'')
        db.execute("ALTER TABLE tickets ADD COLUMN colour TEXT")
        db.commit()
    second = cli("deploy", str(source), "--dsn", pg.dsn, *CONFIRMED)
    assert second.code == 0, second.err
    folder = run_folder(cli, second)
    moved = {check.check: check for check in checks(folder, "drift ")}
    assert moved["drift rows comments"].status == "warn"
    assert "drift went_to_zero tickets.TKT-SLA Met" in moved
    assert not [name for name in moved if name.startswith("drift rows t")]
    [new] = checks(folder, "schema_drift new_column tickets.colour")
    assert (new.status, "new column" in new.detail) == ("info", True)
    document = json.loads((folder / "drift.json").read_text())
    assert document["baseline"]["run"] == first.json["run"]
    assert document["thresholds"]["rows"] == 30
    assert {(change["against"], change["kind"]) for change in document["shape"]} >= {
        ("contract", "new_column"),
        ("previous", "new_column"),
    }
    rule = next(
        line for line in json.loads((folder / "score.json").read_text())["after"]["ledger"] if line["check"] == "drift"
    )
    assert (rule["passed"], rule["left_out"]) == (False, "")

    back = cli("rollback", "--dsn", pg.dsn, *CONFIRMED)
    assert back.code == 0, back.err
    again = cli("profile", str(source), "--dsn", pg.dsn, "--json")
    document = json.loads((run_folder(cli, again) / "drift.json").read_text())
    assert document["baseline"]["run"] == first.json["run"]
    other = cli("profile", str(source), "--dsn", pg.dsn, "--schema", "elsewhere", "--json")
    assert json.loads((run_folder(cli, other) / "drift.json").read_text())["baseline"] is None


def test_drift_after_a_restore_compares_with_the_run_that_first_deployed_what_was_restored(
    cli: Here, make_export: MakeExport, pg: Database
) -> None:
    source = make_export(rows=900, dirt="clean")
    first = cli("deploy", str(source), "--dsn", pg.dsn, *CONFIRMED)
    assert first.code == 0, first.err
    with closing(sqlite3.connect(source)) as db:
        db.execute("UPDATE tickets SET \"TKT-Severity\" = 'Priority 4'")
        db.commit()
    second = cli("deploy", str(source), "--dsn", pg.dsn, *CONFIRMED)
    assert second.code == 0, second.err
    moved = [check.check for check in checks(run_folder(cli, second), "drift ")]
    assert "drift category tickets.TKT-Severity" in moved

    [dump] = (cli.folder / ".sdconsole" / "backups").glob("*.dump")
    restored = cli("restore", str(dump), "--dsn", pg.dsn, *CONFIRMED)
    assert restored.code == 0, restored.err
    again = run_folder(cli, cli("profile", str(source), "--dsn", pg.dsn, "--json"))
    assert json.loads((again / "drift.json").read_text())["baseline"]["run"] == first.json["run"]
    assert "drift category tickets.TKT-Severity" in [check.check for check in checks(again, "drift ")]

    shutil.rmtree(run_folder(cli, first))
    [drift] = checks(run_folder(cli, cli("profile", str(source), "--dsn", pg.dsn, "--json")), "drift")
    assert drift.detail.startswith("no baseline: restored: ")
    assert drift.detail.endswith("no run on record deployed that")
