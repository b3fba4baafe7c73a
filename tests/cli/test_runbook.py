"""Runbooks that run: every shipped one on a real server, at a terminal, killed and taken up, and without any."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from importlib import resources
from pathlib import Path

import psycopg
import pytest

import sdconsole
from sdconsole.core.model import StageName
from sdconsole.errors import SdconsoleError, Verdict
from sdconsole.runbook.asking import FlagWalkGate
from sdconsole.runbook.events import Attested, Checked, StepStatus
from sdconsole.runbook.library import find, shipped
from sdconsole.runbook.parse import parse, read_text
from sdconsole.runbook.record import read_record
from sdconsole.runbook.walk_state import WalkState
from sdconsole.service import prepare_resume
from sdconsole.service.walking import load_walk, prepare_walk
from tests.cli.conftest import Cli, Inside, MakeExport, listing
from tests.cli.library_runs import LIVE, contents, deployed, settings_of, states
from tests.cli.test_refusals import refused
from tests.cli.walks import check_sums, walked
from tests.conftest import Database

NOTE = """# Note

```toml runbook
schema = 1
id = "note"
```

## Look

```sql check nothing
SELECT 1 WHERE false
```

```sh
touch was-run
```

- [ ] It is quiet

## Look again

```sql check one
SELECT 42 AS answer WHERE current_setting('runbook.live_schema') = 'servicedesk'
```
"""


def folder_of(cli: Cli | Inside, walk_id: str) -> Path:
    return cli.folder / ".sdconsole" / "runs" / walk_id


def test_list_show_lint_and_new(inside: Inside) -> None:
    listed = inside("runbook", "list", "--json").json
    assert {book["name"] for book in listed["runbooks"]} == set(shipped())
    assert inside("runbook", "show", "rollback").out.strip() == read_text(find("rollback")).strip()
    shown = inside("runbook", "show", "rehearsal", "--json").json
    assert shown["steps"][3]["stages"] == ["rollback", "verify"]
    assert inside("runbook", "lint").code == 0
    made = inside("runbook", "new", "mine.md")
    assert made.code == 0, made.err
    assert inside("runbook", "lint", "mine.md").code == 0
    refused(inside("runbook", "new", "mine.md", "--json"), 2, "output-exists")
    broken = (inside.folder / "mine.md").read_text().replace('box = "10m"', "box = 10m")
    (inside.folder / "mine.md").write_text(broken)
    linted = inside("runbook", "lint", "mine.md")
    assert linted.code == 2
    line = broken.splitlines().index("box = 10m") + 1
    assert linted.out.startswith(f"mine.md:{line}: ")
    assert "was-run" not in listing(inside.folder)


def test_a_dry_run_says_all_and_does_nothing(inside: Inside) -> None:
    ended = inside("runbook", "run", "quarterly-import", "source=missing.db", "--dry-run")
    assert ended.code == 0, ended.err
    assert "run 1: deploy, mode complete: preflight, backup, profile" in ended.out
    assert re.search(r"7 +engine +10m00s +Cutover +stages cutover; holds for your confirmation", ended.out)
    assert listing(inside.folder) == {}


def test_what_is_wrong_with_a_walk_is_refused_and_nothing_is_created(inside: Inside, pg: Database) -> None:
    (inside.folder / "bad.md").write_text(NOTE.replace("- [ ]", "- [x]"))
    before = listing(inside.folder)
    refused(inside("runbook", "run", "nothing", "--json"), 2, "runbook-unknown")
    refused(inside("runbook", "run", "missing.md", "--json"), 2, "runbook-unreadable")
    assert "line 18" in refused(inside("runbook", "run", "bad.md", "--json"), 2, "runbook-invalid")["cause"]
    refused(inside("runbook", "run", "quarterly-import", "--json"), 2, "runbook-param")
    refused(inside("runbook", "run", "quarterly-import", "sauce=x.db", "--json"), 2, "runbook-param")
    refused(inside("runbook", "run", "quarterly-import", "x.db", "--json"), 2, "runbook-param")
    arguments = ("runbook", "run", "rollback", "--dsn", pg.dsn, "--json")
    refused(inside(*arguments, "--yes"), 6, "confirmation-missing")
    refused(inside(*arguments, "--confirm", "other"), 6, "confirmation-wrong")
    assert listing(inside.folder) == before


def test_a_check_that_finds_rows_stops_the_walk_and_the_walk_goes_on_at_that_step(inside: Inside, pg: Database) -> None:
    path = inside.folder / "note.md"
    path.write_text(NOTE)
    left = inside("runbook", "run", "note.md", "--dsn", pg.dsn, "--json")
    assert left.code == 6, left.err
    assert left.json["verdict"] == "held"
    stopped = inside("runbook", "run", "note.md", "--yes", "--json")
    error = refused(stopped, 4, "runbook-check")
    assert '"answer": 42' in error["cause"]
    assert stopped.json["walk"] == left.json["walk"]
    assert [step["status"] for step in stopped.json["steps"]] == ["done", "failed"]
    assert not (inside.folder / "was-run").exists()
    folder = folder_of(inside, left.json["walk"])
    entries = read_record(folder / "walk.jsonl")
    attested = [entry for entry in entries if isinstance(entry.event, Attested)]
    assert [(entry.event.text, entry.event.via) for entry in attested if isinstance(entry.event, Attested)] == [
        ("It is quiet", "--yes")
    ]
    assert attested[0].at.endswith("Z")
    assert not (folder / "SHA256SUMS").exists()
    refused(inside("runbook", "run", "note.md", "x=1", "--yes", "--json"), 2, "walk-unfinished")
    assert error["next"].endswith("carry on: sdconsole runbook run note.md"), "the name that was typed"
    path.write_text(NOTE.replace("= 'servicedesk'", "= 'other'"))
    edited = inside("runbook", "run", "note.md", "--yes", "--dsn", pg.dsn, "--json")
    assert edited.code == 0, "what was edited is another walk"
    told = re.search(r"sdconsole runbook run (\S+/runbook.md)", edited.err)
    assert told is not None, edited.err
    again = inside("runbook", "run", told[1], "--yes", "--json")
    assert again.code == 4, "an unfinished walk goes by its frozen copy"
    assert again.json["walk"] == left.json["walk"] != edited.json["walk"]
    fresh = inside("runbook", "run", "note.md", "--yes", "--new", "--dsn", pg.dsn, "--json")
    assert fresh.code == 0, fresh.err
    names = check_sums(folder_of(inside, fresh.json["walk"]))
    assert names == {"runbook.md", "walk.json", "walk.jsonl", "walk.md"}
    assert (folder_of(inside, fresh.json["walk"]) / "runbook.md").read_text() == path.read_text()
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())
    (folder / "runbook.md").write_text(NOTE + "\n## More\n")
    path.write_text(NOTE)
    refused(inside("runbook", "run", "note.md", "--yes", "--json"), 1, "walk-damaged")


class Terminal:
    """The command at a terminal of its own: what it says is read, what a person would type is typed."""

    def __init__(self, cli: Cli, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sdconsole", *arguments],
            cwd=cli.folder,
            env=cli.environment | {"TERM": "xterm"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.said = ""

    def read(self) -> bool:
        try:
            chunk = os.read(self.master, 65536)
        except OSError:
            return False
        self.said += chunk.decode(errors="replace")
        return bool(chunk)

    def answer(self, expected: str, text: str) -> None:
        """Waits for the words, then types the text."""
        while expected not in self.said:
            assert self.read(), f"{expected!r} was never said: {self.said[-2000:]}"
        self.said = self.said.split(expected, 1)[1]
        os.write(self.master, f"{text}\n".encode())

    def answer_all(self, until: str | None = None) -> None:
        """Says yes to every attestation and types the schema's name where it is asked for."""
        seen = ""
        while True:
            for words, text in (("Enter = later: ", "y"), (f"type {LIVE} to continue, or", LIVE)):
                if words in self.said:
                    if until is not None and until in seen + self.said:
                        return
                    before, self.said = self.said.split(words, 1)
                    seen = before[-200:]
                    os.write(self.master, f"{text}\n".encode())
                    break
            else:
                if not self.read():
                    return

    def close(self) -> int:
        while self.read():
            pass
        os.close(self.master)
        return self.process.wait(timeout=30)


def test_the_quarterly_import_at_a_terminal_killed_at_a_manual_step_and_taken_up(
    cli: Cli, make_export: MakeExport, pg: Database
) -> None:
    source = make_export(rows=1_000)
    first = Terminal(cli, "runbook", "run", "quarterly-import", "--progress", "plain", "--dsn", pg.dsn)
    first.answer("source (the export", str(source))
    first.answer_all(until="Go: servicedesk on embedded")
    os.killpg(first.process.pid, signal.SIGKILL)
    first.close()
    assert first.process.returncode == -signal.SIGKILL
    unfinished = cli("runbook", "list", "--json").json["unfinished"]
    assert [(walk["runbook"], walk["step"], walk["alive"]) for walk in unfinished] == [("quarterly-import", 6, False)]
    walk_id = unfinished[0]["walk_id"]
    assert states(pg)
    assert set(states(pg).values()) <= {"ready", "dropped"}
    second = Terminal(cli, "runbook", "run", "quarterly-import", "--progress", "plain")
    second.answer_all()
    assert second.close() == 0, second.said[-3000:]
    state = load_walk(settings_of(cli.folder, pg.dsn), walk_id)
    assert state.complete
    assert all(step.finished for step in state.steps)
    assert len(state.steps) == 11
    entries = [entry.event for entry in read_record(folder_of(cli, walk_id) / "walk.jsonl")]
    asked = [event.text for event in entries if isinstance(event, Attested)]
    expected = [text for step in parse(read_text(find("quarterly-import")))[0].steps for text in step.attestations]
    assert len(asked) == len(set(asked)) == len(expected), "nothing was asked twice, nothing left out"
    assert all(event.via == "prompt" for event in entries if isinstance(event, Attested))
    checked = [event.check for event in entries if isinstance(event, Checked)]
    written = [check.name for step in parse(read_text(find("quarterly-import")))[0].steps for check in step.checks]
    assert sorted(checked) == sorted([*written, "big_tables_did_not_shrink"]), "the step that was cut off began again"
    names = check_sums(folder_of(cli, walk_id))
    assert {"events.jsonl", "plan.json", "run.json", "runbook.md", "walk.jsonl", "walk.md"} <= names
    stages = [stage["name"] for stage in json.loads((folder_of(cli, walk_id) / "run.json").read_text())["stages"]]
    assert stages == [stage.value for stage in StageName][:10]
    assert "live" in states(pg).values()
    assert state.runs == {1: walk_id}


@pytest.fixture
def settings(cli: Cli, pg: Database) -> sdconsole.Settings:
    return settings_of(cli.folder, pg.dsn)


def notes(state: WalkState) -> dict[str, str]:
    return {step.title: step.note for step in state.steps if step.status is StepStatus.NOTED}


def test_a_rehearsal_writes_its_rto_into_the_ledger_and_the_record(
    cli: Cli, make_export: MakeExport, pg: Database, settings: sdconsole.Settings
) -> None:
    source = make_export(rows=1_000)
    place = "servicedesk_rehearsal"
    ended = cli(
        "runbook", "run", "rehearsal", f"source={source}", "--dsn", pg.dsn, "--yes", "--confirm", place, "--json"
    )
    assert ended.code == 0, ended.err
    runs = ended.json["runs"]
    assert [run["verdict"] for run in runs] == ["ok", "ok", "ok"]
    assert runs[2]["version"] == runs[0]["version"]
    with psycopg.connect(pg.dsn) as connection:
        row = connection.execute(
            "SELECT switched_back_seconds FROM sdconsole.deployment WHERE live_schema = %s AND state = 'live'", [place]
        ).fetchone()
        told = connection.execute(
            "SELECT run_id, (detail ->> 'rto_seconds')::float, detail ->> 'walk' FROM sdconsole.event"
            " WHERE kind = 'rto'"
        ).fetchall()
        shown = connection.execute("SELECT to_regnamespace('servicedesk')").fetchone()
    assert row is not None
    assert 0 < row[0] < runs[2]["rto_s"]
    assert told == [(runs[2]["run"], runs[2]["rto_s"], ended.json["walk"])]
    assert shown == (None,), "what readers see is not touched"
    page = (folder_of(cli, ended.json["walk"]) / "walk.md").read_text()
    assert f"RTO {runs[2]['rto_s']:.1f} s" in page
    for name in ("report.md", "report.html"):
        told_time = rf"RTO\W.*\b{runs[2]['rto_s']:.1f} s from the confirmed decision"
        assert re.search(told_time, (folder_of(cli, runs[2]["run"]) / name).read_text()), name
        assert "RTO" not in (folder_of(cli, runs[0]["run"]) / name).read_text()
    for run in runs:
        check_sums(folder_of(cli, run["run"]))
    further = cli(
        *("runbook", "run", "rollback", "--dsn", pg.dsn, "--schema", place, "--yes", "--confirm", place, "--json")
    )
    error = refused(further, 4, "no-previous")
    assert error["next"] == "sdconsole rollback --to VERSION, or sdconsole restore BACKUP", "it would only ask again"


def with_a_column(folder: Path, source: Path) -> Path:
    """Adds a column to the export, and to a contract of one's own as a number."""
    with closing(sqlite3.connect(source)) as export:
        export.execute('ALTER TABLE tickets ADD COLUMN "TKT-Region" TEXT')
        export.execute('UPDATE tickets SET "TKT-Region" = CAST(rowid % 7 AS TEXT)')
        export.commit()
    known = resources.files("sdconsole.contract").joinpath("servicedesk.toml").read_text()
    last = '    { name = "TKT-Group",'
    assert known.count(last) == 1
    path = folder / "own.toml"
    path.write_text(known.replace(last, f'    {{ name = "TKT-Region", type = "bigint" }},\n{last}'))
    return path


def types_of(pg: Database, column: str) -> list[str]:
    """What readers see of a column of tickets."""
    with psycopg.connect(pg.dsn) as connection:
        found = connection.execute(
            "SELECT data_type FROM information_schema.columns WHERE table_schema = %s AND column_name = %s",
            [LIVE, column],
        ).fetchall()
    return [kind for (kind,) in found]


def test_the_runbooks_around_a_deployment_are_executed_one_after_the_other(
    cli: Cli, make_export: MakeExport, pg: Database, settings: sdconsole.Settings
) -> None:
    source = str(make_export(rows=1_000))
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA servicedesk")
        connection.execute("CREATE TABLE servicedesk.by_hand AS SELECT 1 AS a")
        connection.execute("CREATE SCHEMA reports")
        connection.execute("CREATE VIEW reports.old AS SELECT a FROM servicedesk.by_hand")
    adopted = walked(settings, "first-adoption", source=source)
    assert adopted.verdict is not None
    if adopted.verdict is not Verdict.OK:  # a foreign view depends on the tables: told, named, nothing taken over
        assert "old" in str(adopted.ended)
        with psycopg.connect(pg.dsn, autocommit=True) as connection:
            connection.execute("DROP SCHEMA reports CASCADE")
        adopted = walked(settings, "first-adoption", new=False)
    assert adopted.verdict is Verdict.OK, adopted.ended
    found = {check.check: len(check.rows) for check in adopted.steps[0].checks}
    assert found["tables_to_be_taken_over"] == 1
    assert found["views_that_depend_on_them"] == 1
    quality = walked(settings, "comment-quality", source=source)
    assert quality.verdict is Verdict.OK, quality.ended
    assert "Only one table is different" not in notes(quality)
    before = contents(pg.dsn, quality.ends[0].version or "")
    back = walked(settings, "rollback", reason="a rehearsed one")
    assert back.verdict is Verdict.OK, back.ended
    assert back.ends[0].rto_seconds is not None
    changed = walked(settings, "schema-change", source=source, table="tickets", column="TKT-Nothing")
    assert changed.verdict is Verdict.CHECK_FAILED
    assert "lacks the column" in str(changed.ended)
    dumps = sorted(path for path in (cli.folder / ".sdconsole" / "backups").glob("*.dump") if "20" in path.name)
    restored = walked(settings, "restore", backup=dumps[-1].name)
    assert restored.verdict is Verdict.OK, restored.ended
    assert contents(pg.dsn, restored.ends[0].version or "").keys() == before.keys()
    own = settings_of(cli.folder, pg.dsn, contract=with_a_column(cli.folder, Path(source)))
    wider = walked(own, "schema-change", source=source, table="tickets", column="TKT-Region")
    assert wider.verdict is Verdict.OK, wider.ended
    assert "bigint" not in types_of(pg, "TKT-Region"), "readers see the old columns until somebody switches"
    with prepare_resume(own, wider.runs[1], until=StageName.VERIFY) as run:
        assert run.execute(sdconsole.FlagGate("ann", confirm=LIVE)).verdict is Verdict.OK
    assert types_of(pg, "TKT-Region") == ["bigint"]
    for name in ("weekly-checks", "monitoring", "best-practices", "escalation", "troubleshooting"):
        state = walked(settings, name)
        assert state.verdict is Verdict.OK, (name, state.ended)
        broken = [check for step in state.steps for check in step.checks if check.error]
        assert not broken, (name, broken)
        check_sums(folder_of(cli, state.walk_id))


def scenario(settings: sdconsole.Settings) -> set[str]:
    """The checks of the troubleshooting runbook that found something."""
    state = walked(settings, "troubleshooting")
    return {check.check for step in state.steps for check in step.checks if not check.passed}


def test_troubleshooting_finds_which_of_the_five_it_is(
    cli: Cli, make_export: MakeExport, pg: Database, settings: sdconsole.Settings
) -> None:
    source = make_export(rows=1_000)
    assert deployed(cli.folder, source, pg.dsn, mode=sdconsole.Mode.SIMPLE).verdict is Verdict.OK
    assert scenario(settings) == set()
    halted = deployed(cli.folder, source, pg.dsn, min_quality=100.0)
    assert halted.verdict is Verdict.GATE_FAILED
    assert scenario(settings) == {"quality_said_no"}
    assert deployed(cli.folder, source, pg.dsn, corrupt_percent=0).verdict is Verdict.GATE_FAILED
    assert scenario(settings) == {"breaker_halted"}
    full = deployed(cli.folder, source, pg.dsn, space_local_bytes=10**18)
    assert full.verdict is Verdict.CHECK_FAILED
    assert scenario(settings) == {"preflight_failed"}
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        connection.execute("REVOKE SELECT ON servicedesk.tickets FROM servicedesk_reader")
    assert "the_reader_may_not_read" in scenario(settings)
    assert deployed(cli.folder, source, pg.dsn, mode=sdconsole.Mode.BLUE_GREEN).verdict is Verdict.OK
    assert "loaded_and_not_switched" in scenario(settings)
    away = settings_of(cli.folder, "host=127.0.0.1 port=1 dbname=x user=y")
    state = walked(away, "troubleshooting")
    assert state.verdict is Verdict.OK
    errors = {check.error.split(":")[0] for step in state.steps for check in step.checks}
    assert errors == {"connection-refused"}


def test_a_stage_that_takes_longer_than_its_step_allows_is_stopped_and_can_go_on(
    cli: Cli, make_export: MakeExport, pg: Database, settings: sdconsole.Settings
) -> None:
    source = make_export(rows=1_000)
    text = (
        '# T\n\n```toml runbook\nschema = 1\nid = "t"\nparams.source = { help = "the export" }\n```\n\n'
        '## One\n\n```toml stage\nid = "preflight"\nthrough = "load"\ntimeout = "1s"\n```\n'
    )
    (cli.folder / "t.md").write_text(text)
    walk = prepare_walk(settings, str(cli.folder / "t.md"), {"source": str(source)})

    def slow(_record: object) -> None:
        time.sleep(0.05)

    state = walk.execute(FlagWalkGate("ann", True), (), (slow,))
    assert state.verdict is Verdict.TIMEOUT
    assert state.ended is not None
    assert state.ended.error is not None
    assert state.ended.error.slug == "step-timeout"
    assert state.steps[0].status is StepStatus.FAILED


def test_two_processes_never_walk_the_same_walk(cli: Cli, settings: sdconsole.Settings) -> None:
    (cli.folder / "note.md").write_text(NOTE)
    walk = prepare_walk(settings, str(cli.folder / "note.md"), {})
    other = prepare_walk(settings, str(cli.folder / "note.md"), {})
    assert walk.walk_id != other.walk_id

    class Nosy(FlagWalkGate):
        def decide(self, question: object) -> object:  # type: ignore[override]
            with pytest.raises(SdconsoleError) as caught:
                prepare_walk(settings, str(cli.folder / "note.md"), {})
            errors.append(caught.value)
            return FlagWalkGate("ann", False).decide(question)  # type: ignore[arg-type]

    errors: list[SdconsoleError] = []
    assert walk.execute(Nosy("ann", False)).verdict is Verdict.HELD  # type: ignore[arg-type]
    assert [(error.slug, error.verdict) for error in errors] == [("run-active", Verdict.LOCKED)]
