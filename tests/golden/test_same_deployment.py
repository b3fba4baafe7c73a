"""The same deployment by command, by runbook and by console: the same plan and events, but for times and ids."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from textual.widgets import Input

import sdconsole
from sdconsole.contract.load import load_contract
from sdconsole.core import runs
from sdconsole.core.events import Measured, Progress, to_dict
from sdconsole.core.journal import read_journal
from sdconsole.interfaces.tui.dialog import Dialog
from sdconsole.interfaces.tui.service_library import ServiceLibrary
from sdconsole.runbook.events import Attested
from sdconsole.runbook.library import find
from sdconsole.runbook.parse import parse, read_text
from sdconsole.runbook.record import read_record
from sdconsole.service import current_operator
from sdconsole.source.generate import generate
from tests.cli.library_runs import LIVE, settings_of
from tests.cli.walks import check_sums
from tests.conftest import Database
from tests.tui.driving import RUN_SECONDS, console, play, until, until_asked
from tests.tui.walking import walk_the_import

_PATTERNS = (
    (re.compile(r"r[-_]\d{8}[-_]\d{6}[-_][0-9a-f]{4}"), "RUN"),
    (re.compile(r"_v\d{8}_\d{6}(_\d+)?"), "_VERSION"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?"), "MOMENT"),
    (re.compile(r"\d{8}T\d{6}Z"), "MOMENT"),
    (re.compile(r"\d[\d,]*(\.\d+)? ?(s|ms|minutes|hours|MB|GB|KB|kB|bytes)\b"), "AMOUNT"),
    (re.compile(r"t_[0-9a-f]{10}(_[bc])?"), "DATABASE"),
    (re.compile(r"[0-9a-f]{64}"), "DIGEST"),
    (re.compile(r"(?<=data_quarantine: every value of 12 columns is the same \(digest )[0-9a-f]{16}"), "DIGEST"),
)
_OWN = re.compile(r"(.*_)?(seconds|pid|bytes|backend_pid)|at|via|elapsed_seconds|duration_s|free")


def _is_own(key: str, value: Any) -> bool:
    """The quarantine holds the run's id and time, so its digest is the run's own; the other tables' are not."""
    return bool(_OWN.fullmatch(key)) or (key == "data_quarantine" and isinstance(value, str))


def plain(value: Any) -> Any:
    """The value without what differs between any two deployments of one export."""
    if isinstance(value, dict):
        return {plain(key): None if _is_own(key, inner) else plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, str):
        for pattern, word in _PATTERNS:
            value = pattern.sub(word, value)
    return value


def events_of(folder: Path, state_dir: Path) -> list[Any]:
    """How much is measured and told as progress depends on the clock; everything else does not."""
    found = []
    for record in read_journal(folder / runs.JOURNAL):
        if not isinstance(record.event, Progress | Measured):
            text = to_dict(record)
            found.append(_unhurried(plain(_without(text["event"], str(state_dir)))))
    return found


_TIMED = {"canary", "validate", "verify"}
"""Stages that warn of a query over its budget of time, which depends on how busy the machine is."""


def _unhurried(event: Any) -> Any:
    """Within its budget of time or over it, a query that answered is the same."""
    if event.get("stage") in _TIMED and event.get("status") in ("warn", "warned"):
        event = {**event, "status": "pass" if event["status"] == "warn" else "passed"}
    if isinstance(event.get("detail"), str):
        event = {**event, "detail": event["detail"].replace(", the budget is AMOUNT", "")}
    return event


def _without(value: Any, folder: str) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, folder) for inner in value]
    return value.replace(folder, "STATE") if isinstance(value, str) else value


def by_command(settings: sdconsole.Settings, source: Path) -> Path:
    with sdconsole.prepare_deploy(settings, sdconsole.DeployRequest(source=source)) as run:
        state = run.execute(sdconsole.FlagGate(current_operator(), yes=True, confirm=LIVE))
        assert state.complete
        return run.folder


def by_runbook(settings: sdconsole.Settings, source: Path) -> Path:
    """In the console, step by step, with the keys of an operator."""
    folders: list[Path] = []

    async def story() -> None:
        library = ServiceLibrary(settings)
        async with console(settings.state_dir, settings=settings, library=library, size=(150, 45)) as (app, pilot):
            await walk_the_import(pilot, app, str(source))
            assert app.walk.walk is not None
            folders.append(app.walk.walk.folder)

    play(story())
    [folder] = folders
    check_sums(folder)
    attested = [one.event.text for one in read_record(folder / runs.WALK) if isinstance(one.event, Attested)]
    written = [text for step in parse(read_text(find("quarterly-import")))[0].steps for text in step.attestations]
    assert len(attested) == len(set(attested)) == len(written)
    return folder


def by_console(settings: sdconsole.Settings, source: Path) -> Path:
    """From the path on the home screen to the typed name."""

    async def story() -> None:
        library = ServiceLibrary(settings)
        async with console(settings.state_dir, settings=settings, library=library, size=(120, 40)) as (app, pilot):
            await until(pilot, lambda: app.home.query("#source"))
            app.home.query_one("#source", Input).value = str(source)
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, Dialog), patience_seconds=RUN_SECONDS)
            await until_asked(pilot)
            await pilot.press(*LIVE, "enter")
            await until(pilot, lambda: app.final_state is not None, patience_seconds=RUN_SECONDS)
            assert app.final_state is not None
            assert app.final_state.complete

    play(story())
    [folder] = runs.runs_folder(settings.state_dir).glob("r-*")
    return folder


WAYS = (by_command, by_runbook, by_console)


def test_command_runbook_and_console_make_the_same_plan_and_the_same_events(tmp_path: Path, pg: Database) -> None:
    source = tmp_path / "export.db"
    generate(source, rows=300, seed=3, contract=load_contract())
    databases = [pg.name, f"{pg.name}_b", f"{pg.name}_c"]
    asked: list[runs.RunRequest] = []
    told: list[list[Any]] = []
    try:
        for way, name in zip(WAYS, databases, strict=True):
            if name != pg.name:
                in_server(pg, "CREATE DATABASE {}", name)
            dsn = make_conninfo(**{**conninfo_to_dict(pg.dsn), "dbname": name})  # type: ignore[arg-type]
            settings = settings_of(tmp_path / way.__name__, dsn)
            folder = way(settings, source)
            asked.append(runs.read_request(folder))
            told.append(events_of(folder, settings.state_dir))
    finally:
        for name in databases[1:]:
            in_server(pg, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
    assert asked[0].plan == asked[1].plan == asked[2].plan
    settings_told = [dict(request.settings) for request in asked]
    for one in settings_told:
        assert one.pop("state_dir")
        assert one.pop("dsn")
    assert settings_told[0] == settings_told[1] == settings_told[2]
    for other in told[1:]:
        assert [event["type"] for event in told[0]] == [event["type"] for event in other]
        different = [(left, right) for left, right in zip(told[0], other, strict=True) if left != right]
        assert not different, different[0]
    assert len(told[0]) > 60


def in_server(pg: Database, statement: LiteralString, name: str) -> None:
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
