"""What a run leaves for people: reports that add up, sums that find a change, the difference between two runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sdconsole.contract.load import load_contract
from sdconsole.core.projection import RunState
from sdconsole.source.generate import generate
from tests.cli.conftest import Cli, Command, environment
from tests.cli.library_runs import deployed, version_of
from tests.conftest import Database

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
BROWSER_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
EXAMPLE = ", for example "
"""What comes before a value of the data in a finding."""


@dataclass(frozen=True, slots=True)
class World:
    """Two deployments on record, the first of `export`, the second of another export without samples."""

    folder: Path
    command: Command
    first: RunState
    second: RunState

    def of(self, state: RunState, name: str) -> Path:
        return self.folder / ".sdconsole" / "runs" / state.run_id / name

    def text(self, state: RunState, name: str) -> str:
        return self.of(state, name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def world(pg_server: str, export: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, home = tmp_path_factory.mktemp("reported"), tmp_path_factory.mktemp("home")
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier("reported")))
    dsn = make_conninfo(pg_server, dbname="reported")
    other = folder / "other <script>alert(1)<script>.db"
    generate(other, rows=2_500, seed=12, contract=load_contract())
    first = deployed(folder, export, dsn)
    second = deployed(folder, other, dsn, no_samples=True, min_quality=60.0, date_formats={"timesheets.TS-Date": "DMY"})
    yield World(folder, Command(folder, environment(home)), first, second)
    with psycopg.connect(pg_server, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier("reported")))


def test_a_finished_run_leaves_reports_and_sums_that_only_its_owner_reads(world: World) -> None:
    for name in ("run.json", "report.html", "report.md", "SHA256SUMS"):
        assert world.of(world.first, name).stat().st_mode & 0o777 == 0o600, name
    folder = world.of(world.first, "")
    ended = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout
    covered = {line.split(": ")[0] for line in ended.stdout.splitlines()}
    assert {"events.jsonl", "clean.db", "quarantine.csv", "report.html", "run.json", "plan.json"} <= covered


def test_the_report_accounts_for_every_row_and_names_who_confirmed_and_the_way_back(world: World) -> None:
    html, markdown = world.text(world.second, "report.html"), world.text(world.second, "report.md")
    rows = json.loads(world.text(world.second, "run.json"))["rows"]
    assert rows["in"] == rows["loaded"] + rows["quarantined"]
    for name, table in rows["tables"].items():
        assert re.search(
            rf"<td>{name}</td><td class=\"n\">{table['in']:,}</td><td class=\"n\">{table['loaded']:,}</td>"
            rf"<td class=\"n\">{table['quarantined']:,}</td><td><span class=\"pill pass\">yes</span></td>"
            r"<td class=\"mono\">[0-9a-f]{16}</td>",
            html,
        ), name
    for text in (html, markdown):
        assert f"sdconsole rollback --to {version_of(world.first)}" in text
        assert "confirmed, typed “servicedesk”" in text
        assert "In which order are the dates of timesheets.TS-Date" in text
        assert "attested: DMY" in text
        assert "SLA compliance" in text
    assert f"against {version_of(world.first)}" in html


def test_the_page_needs_nothing_but_itself(world: World) -> None:
    html = world.text(world.second, "report.html")
    assert len(html.encode()) < 300_000
    assert "<script" not in html  # the source's name has one, and it is shown as text
    assert "other &lt;script&gt;" in html
    assert not re.findall(r"(?:src|href|url)\s*[=(]", html)
    assert "prefers-color-scheme:dark" in html
    assert "@media print" in html


def test_a_report_made_again_is_the_same_report(world: World) -> None:
    before = {name: world.text(world.first, name) for name in ("report.html", "report.md", "run.json", "SHA256SUMS")}
    world.of(world.first, "report.html").unlink()
    ended = world.command("report", world.first.run_id)
    assert ended.code == 0, ended.err
    assert str(world.of(world.first, "report.html")) in ended.out.splitlines()
    assert {name: world.text(world.first, name) for name in before} == before


def test_a_report_goes_to_stdout_or_to_a_new_file(world: World, tmp_path: Path) -> None:
    run = world.first.run_id
    assert world.command("report", run, "--format", "md").out == world.text(world.first, "report.md")
    assert world.command("report", run, "--json").json == json.loads(world.text(world.first, "run.json"))
    page = tmp_path / "page.html"
    assert world.command("report", run, "--to", str(page)).code == 0
    assert page.read_text(encoding="utf-8") == world.text(world.first, "report.html")
    page.unlink()
    page.symlink_to(tmp_path / "elsewhere")
    assert world.command("report", run, "--to", str(page)).code == 2
    assert not (tmp_path / "elsewhere").exists()
    assert world.second.run_id in world.command("report", "--format", "md").out, "the newest run is the default"


def test_the_check_finds_a_changed_a_missing_and_a_new_file(world: World) -> None:
    run = world.first.run_id
    assert world.command("report", run, "--check").code == 0
    quarantine, score = world.of(world.first, "quarantine.csv"), world.of(world.first, "score.json")
    content, scored = quarantine.read_bytes(), score.read_bytes()
    try:
        quarantine.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        score.unlink()
        world.of(world.first, "extra.txt").write_text("x")
        ended = world.command("report", run, "--check", "--json")
    finally:
        quarantine.write_bytes(content)
        score.write_bytes(scored)
        world.of(world.first, "extra.txt").unlink()
    assert ended.code == 4
    assert ended.json["error"]["slug"] == "evidence-changed"
    assert set(ended.json["error"]["cause"].splitlines()) == {
        "quarantine.csv: changed",
        "score.json: gone",
        "extra.txt: new",
    }


def samples_told(world: World, state: RunState) -> set[str]:
    """The rows that the run's score events show."""
    events = [json.loads(line)["event"] for line in world.of(state, "events.jsonl").read_bytes().splitlines()]
    scores = [event for event in events if event["type"] == "score_reported"]
    assert len(scores) == 2
    assert any(score["losses"] for score in scores)
    return {sample for score in scores for loss in score["losses"] for sample in loss["samples"]}


def test_without_samples_no_value_of_the_data_is_in_report_or_journal(world: World) -> None:
    told = samples_told(world, world.first)
    with_samples = world.text(world.first, "report.html")
    assert any(escape(sample)[:60] in with_samples for sample in told)
    assert EXAMPLE in with_samples
    assert samples_told(world, world.second) == set()
    for name in ("report.html", "report.md", "events.jsonl"):
        assert EXAMPLE not in world.text(world.second, name), name
    made_without = world.command("report", world.first.run_id, "--format", "html", "--no-samples").out
    assert not any(escape(sample)[:60] in made_without for sample in told)
    assert EXAMPLE not in made_without


def test_the_difference_of_two_runs_is_what_they_differ_in(world: World) -> None:
    ended = world.command("runs", "diff", world.first.run_id, world.second.run_id, "--json")
    found = {(one["about"], one["name"]): one for one in ended.json["differences"]}
    assert found["setting", "min_quality"]["before"] == "80.0"
    assert found["setting", "min_quality"]["after"] == "60.0"
    one, other = (json.loads(world.text(state, "run.json"))["rows"]["tables"] for state in (world.first, world.second))
    read = found["rows read", "comments"]
    assert (read["before"], read["after"]) == (one["comments"]["in"], other["comments"]["in"])
    assert read["change"] == other["comments"]["in"] - one["comments"]["in"]
    assert ("run", "version") in found
    assert ("run", "kind") not in found
    same = world.command("runs", "diff", world.first.run_id, world.first.run_id)
    assert same.out == "no difference\n"


def test_a_run_that_a_gate_stopped_says_why_and_that_nothing_changed(
    cli: Cli, pg: Database, make_export: Callable[..., Path]
) -> None:
    state = deployed(cli.folder, make_export(dirt="heavy"), pg.dsn, min_quality=100.0)
    text = (cli.folder / ".sdconsole" / "runs" / state.run_id / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# Stopped by a gate")
    assert "`score-below-minimum`" in text
    assert "see what they saw before" in text
    assert "There is nothing to undo" in text
    html = (cli.folder / ".sdconsole" / "runs" / state.run_id / "report.html").read_text(encoding="utf-8")
    assert 'class="verdict bad"' in html


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_browser_shows_the_page_light_and_dark_and_prints_it(world: World, tmp_path: Path) -> None:
    page = world.of(world.second, "report.html").as_uri()

    def browse(name: str, *options: str) -> bytes:
        assert CHROMIUM is not None
        profile = tmp_path / f"profile-{name}"
        out = tmp_path / name
        subprocess.run(
            [CHROMIUM, *BROWSER_OPTIONS, f"--user-data-dir={profile}", *(o.format(out=out) for o in options), page],
            capture_output=True,
            check=True,
            timeout=120,
        )
        return out.read_bytes()

    light = browse("light.png", "--window-size=1100,900", "--screenshot={out}")
    dark = browse("dark.png", "--window-size=1100,900", "--blink-settings=preferredColorScheme=0", "--screenshot={out}")
    assert _first_pixel(light) == (0xF4, 0xF5, 0xF7)
    assert _first_pixel(dark) == (0x0F, 0x12, 0x17)
    printed = browse("page.pdf", "--no-pdf-header-footer", "--print-to-pdf={out}")
    assert printed.startswith(b"%PDF")
    assert len(printed) > 20_000


def _first_pixel(png: bytes) -> tuple[int, ...]:
    """Red, green and blue of the top left corner."""
    data, place = b"", 8
    while place < len(png):
        length = int.from_bytes(png[place : place + 4])
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + length]
        place += 12 + length
    return tuple(zlib.decompressobj().decompress(data, 4)[1:4])
