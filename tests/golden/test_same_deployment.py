"""The same deployment by `deploy` and by a runbook: the same plan and the same events, but for times and ids."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import sdconsole
from sdconsole.contract.load import load_contract
from sdconsole.core import runs
from sdconsole.core.events import Measured, Progress, to_dict
from sdconsole.core.journal import read_journal
from sdconsole.runbook.asking import FlagWalkGate
from sdconsole.service.walking import prepare_walk
from sdconsole.source.generate import generate
from tests.cli.library_runs import LIVE, settings_of
from tests.conftest import Database

_PATTERNS = (
    (re.compile(r"r[-_]\d{8}[-_]\d{6}[-_][0-9a-f]{4}"), "RUN"),
    (re.compile(r"_v\d{8}_\d{6}(_\d+)?"), "_VERSION"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?"), "MOMENT"),
    (re.compile(r"\d{8}T\d{6}Z"), "MOMENT"),
    (re.compile(r"\d[\d,]*(\.\d+)? ?(s|ms|minutes|hours|MB|GB|KB|kB|bytes)\b"), "AMOUNT"),
    (re.compile(r"t_[0-9a-f]{10}(_b)?"), "DATABASE"),
    (re.compile(r"[0-9a-f]{64}"), "DIGEST"),
    (re.compile(r"(?<=data_quarantine: every value of 12 columns is the same \(digest )[0-9a-f]{16}"), "DIGEST"),
)
_OWN = re.compile(r"(.*_)?(seconds|pid|bytes|backend_pid)|at|elapsed_seconds|duration_s|free")


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
            found.append(plain(_without(text["event"], str(state_dir))))
    return found


def _without(value: Any, folder: str) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, folder) for inner in value]
    return value.replace(folder, "STATE") if isinstance(value, str) else value


def test_deploy_and_runbook_make_the_same_plan_and_the_same_events(tmp_path: Path, pg: Database) -> None:
    source = tmp_path / "export.db"
    generate(source, rows=1_000, seed=3, contract=load_contract())
    other = f"{pg.name}_b"
    with psycopg.connect(pg.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(other)))
    second = make_conninfo(**{**conninfo_to_dict(pg.dsn), "dbname": other})  # type: ignore[arg-type]
    try:
        by_command = settings_of(tmp_path / "a", pg.dsn)
        request = sdconsole.DeployRequest(source=source)
        with sdconsole.prepare_deploy(by_command, request) as run:
            state = run.execute(sdconsole.FlagGate("ann", yes=True, confirm=LIVE))
            first_folder = run.folder
        by_runbook = settings_of(tmp_path / "b", second)
        walk = prepare_walk(by_runbook, "quarterly-import", {"source": str(source)})
        walked = walk.execute(FlagWalkGate("ann", True, LIVE))
    finally:
        with psycopg.connect(pg.dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(other)))
    assert walked.complete, walked.ended
    plans = [runs.read_request(folder) for folder in (first_folder, walk.folder)]
    assert plans[0].plan == plans[1].plan
    settings = [dict(plan.settings) for plan in plans]
    for one in settings:
        assert one.pop("state_dir")
        assert one.pop("dsn")
    assert settings[0] == settings[1]
    first = events_of(first_folder, by_command.state_dir)
    again = events_of(walk.folder, by_runbook.state_dir)
    assert [event["type"] for event in first] == [event["type"] for event in again]
    different = [(left, right) for left, right in zip(first, again, strict=True) if left != right]
    assert not different, different[0]
    assert state.complete
    assert len(first) > 60
