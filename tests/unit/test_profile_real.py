"""The profile of data that nobody made for it: a real incident log, sample databases, odd and hostile files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sdconsole.contract.model import DateOrder
from sdconsole.errors import SdconsoleError
from sdconsole.quality.drift.shape import deployed_tables
from sdconsole.quality.profile.breaker import judge
from sdconsole.quality.profile.model import Profile, ValueClass, profile_from_dict
from tests.unit.small_databases import CONTRACT, profile_of

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def incident_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log as its own two tables, every column TEXT."""
    script = SHARED / "make_incident_db.py"
    if not script.exists():
        pytest.skip(f"the incident log is not at {SHARED}")
    path = tmp_path_factory.mktemp("incidents") / "log.db"
    subprocess.run([sys.executable, str(script), str(path), "--shape", "log"], check=True, capture_output=True)
    return path


def test_a_real_log_that_no_contract_was_written_for_is_understood(incident_log: Path) -> None:
    profile = profile_of(incident_log)
    assert {table.name: table.rows for table in profile.tables} == {"incidents": 24_918, "incident_events": 141_712}
    dates = {name: order for (table, name), order in profile.orders.items() if table == "incident_events"}
    assert dates == dict.fromkeys(
        ("opened_at", "sys_created_at", "sys_updated_at", "resolved_at", "closed_at"), DateOrder.DMY
    )
    created = profile.column("incident_events", "sys_created_at")
    assert round(created.tokens / created.rows, 3) == 0.375
    assert created.token_counts == {"?": created.tokens}
    assert created.dates is not None
    assert (created.dates.corrupt, created.dates.unresolved) == (0, 0)
    incidents, events = profile.table("incidents"), profile.table("incident_events")
    assert incidents is not None
    assert events is not None
    assert "number" in incidents.candidate_keys
    assert events.candidate_keys == ()
    assert profile.column("incident_events", "number").distinct == 24_918
    assert not judge(profile).should_halt
    types = {column.name: column.type for column in deployed_tables(CONTRACT, profile)[0].columns}
    assert types["opened_at"] == "timestamp"
    assert types["reassignment_count"] == "bigint"
    assert types["active"] == types["number"] == "text"


def test_chinook_is_typed_by_proof() -> None:
    path = SHARED / "sqlite" / "classic" / "chinook.sqlite"
    if not path.exists():
        pytest.skip(f"Chinook is not at {path}")
    profile = profile_of(path)
    shape = {table.name: table for table in deployed_tables(CONTRACT, profile)}
    assert shape["PlaylistTrack"].key == ("PlaylistId", "TrackId")
    invoice = {column.name: column.type for column in shape["Invoice"].columns}
    assert (invoice["InvoiceDate"], invoice["Total"], invoice["BillingPostalCode"]) == (
        "timestamp",
        "double precision",
        "text",
    )
    assert profile.column("Track", "Bytes").detected is ValueClass.INTEGER
    assert not judge(profile).should_halt


def _files(folder: str) -> list[Path]:
    return sorted(path for path in (SHARED / "sqlite" / folder).glob("*") if path.suffix in (".db", ".sqlite"))


def _profile_or_refusal(path: Path) -> Profile | SdconsoleError:
    try:
        return profile_of(path)
    except SdconsoleError as refusal:
        return refusal


@pytest.mark.parametrize("path", [*_files("odd"), *_files("classic")], ids=lambda path: path.name)
def test_odd_databases_are_profiled_or_refused_with_a_reason(path: Path) -> None:
    found = _profile_or_refusal(path)
    if isinstance(found, SdconsoleError):
        assert found.slug in ("source-empty", "source-no-tables")
        return
    document = json.loads(json.dumps(found.to_dict(), ensure_ascii=False, allow_nan=False).encode())
    assert profile_from_dict(document) == found
    assert [table.name for table in deployed_tables(CONTRACT, found)] == [table.name for table in found.tables]


@pytest.mark.parametrize("path", _files("hostile"), ids=lambda path: path.name)
def test_hostile_files_end_in_a_profile_or_a_refusal(path: Path) -> None:
    found = _profile_or_refusal(path)
    if isinstance(found, SdconsoleError):
        assert found.next_step
    else:
        assert all(column.rows == table.rows for table in found.tables for column in table.columns)


def test_hostile_files_go_all_the_way_or_are_refused_within_time_and_memory() -> None:
    """Copy, profile, cleaning and score; ten seconds and 300 MB for each file, no traceback, no half output."""
    files = _files("hostile")
    if not files:
        pytest.skip(f"the hostile files are not at {SHARED / 'sqlite' / 'hostile'}")
    program = [sys.executable, "-m", "tests.unit.hostile_files", *map(str, files)]
    ended = subprocess.run(program, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    found = {name: (how, most) for name, how, most in map(json.loads, ended.stdout.splitlines())}
    assert set(found) == {path.name for path in files}
    outcomes = {name: how for name, (how, _) in found.items()}
    wrong = {name: how for name, how in outcomes.items() if how != "ok" and not how.startswith("source-")}
    assert not wrong, (wrong, ended.stderr)
    assert max(most for _, most in found.values()) < 300
    assert "ok" in outcomes.values()
