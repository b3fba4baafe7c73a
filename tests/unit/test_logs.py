"""The log: one schema, a file a day that is never renamed, lines that any process may add to."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from sdconsole.core.bus import Bus
from sdconsole.core.events import (
    Answered,
    CheckResult,
    ErrorReport,
    LogLine,
    Measured,
    Progress,
    Record,
    RunFinished,
    RunStarted,
    StageFinished,
    StageStarted,
)
from sdconsole.core.model import CheckStatus, RunKind, StageName, StageStatus
from sdconsole.errors import Verdict
from sdconsole.observe.log_record import CORE, GATES, document, said
from sdconsole.observe.logs import LogView, log_files, logs_folder, read_log, remove_old

RUN = "r-20261121-031500-7f3a"
STARTED = RunStarted(RunKind.DEPLOY, "complete", (), "export.db", "embedded", "servicedesk", "ann", "ops1", 77, "0.1.0")
ERROR = ErrorReport("disk-low", "only 3 MB are free", "the limit is 1,000 MB", "", "", Verdict.FAILED)


def view(folder: Path, *, day: date = date(2026, 11, 21), **options: object) -> LogView:
    now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    chosen = {"level": "debug", "max_bytes": 1_000_000, "keep_days": 30} | options
    return LogView(folder, now=lambda: now, **chosen)  # type: ignore[arg-type]


def record(event: object, seq: int = 1) -> Record:
    return Record(seq, RUN, "2026-11-21T03:15:00.000001Z", 1.0, event)  # type: ignore[arg-type]


def test_every_record_has_every_core_field_and_its_own_under_fields(tmp_path: Path) -> None:
    events = [
        STARTED,
        StageStarted(StageName.LOAD),
        Measured(StageName.LOAD, "rows_loaded", 10.0, "rows", {"table": "tickets"}),
        CheckResult(StageName.LOAD, "memory", CheckStatus.WARN, "little is free", threshold="4 GB"),
        StageFinished(StageName.LOAD, StageStatus.FAILED, 2.5, "failed", error=ERROR),
        RunFinished(Verdict.FAILED, 3.0, error=ERROR),
    ]
    write = view(tmp_path)
    for number, event in enumerate(events, start=1):
        write(record(event, number))
    found = list(read_log(tmp_path))
    assert [set(line) for line in found] == [{*CORE, "fields"}] * len(events)
    assert {(line["run_id"], line["host"], line["pid"]) for line in found} == {(RUN, "ops1", 77)}
    measured, warned, failed, ended = found[2:]
    assert (measured["table"], measured["rows"], measured["gate"]) == ("tickets", 10, "migration")
    assert (warned["level"], warned["fields"]["threshold"]) == ("warning", "4 GB")
    assert (failed["level"], failed["error_type"], failed["duration_seconds"]) == ("error", "disk-low", 2.5)
    assert ended["error"] == "only 3 MB are free: the limit is 1,000 MB"


def test_a_free_field_cannot_take_the_place_of_a_core_field() -> None:
    spoken = said(record(Measured(StageName.LOAD, "level", 1.0, "rows", {"level": "fatal", "run_id": "other"})))
    assert spoken is not None
    written = document(record(STARTED), spoken, host="ops1", pid=1, version="0")
    assert (written["level"], written["run_id"]) == ("debug", RUN)
    assert written["fields"]["labels"] == {"level": "fatal", "run_id": "other"}


def test_times_are_utc_to_the_microsecond(tmp_path: Path) -> None:
    clock = lambda: datetime(2026, 11, 21, 3, 15, 0, 42, tzinfo=UTC)  # noqa: E731
    bus = Bus(RUN, journal=lambda _: None, views=(view(tmp_path),), clock=clock)
    bus.publish(StageStarted(StageName.LOAD))
    assert next(read_log(tmp_path))["timestamp"] == "2026-11-21T03:15:00.000042Z"


def test_progress_and_what_a_person_typed_stay_out_of_the_log(tmp_path: Path) -> None:
    write = view(tmp_path)
    write(record(Progress(StageName.LOAD, "tickets", 1, 2)))
    write(record(Answered("q", StageName.CUTOVER, False, "ann", "prompt", typed="hunter2")))
    (line,) = read_log(tmp_path)
    assert (line["message"], line["fields"]["by"]) == ("declined", "ann")
    assert "hunter2" not in json.dumps(line)


def test_the_level_of_the_settings_holds_back_what_is_below_it(tmp_path: Path) -> None:
    write = view(tmp_path, level="warning")
    write(record(LogLine("info", "quiet")))
    write(record(LogLine("error", "loud")))
    assert [line["message"] for line in read_log(tmp_path)] == ["loud"]


def test_a_full_file_is_followed_by_another_and_old_days_go_when_a_run_starts(tmp_path: Path) -> None:
    old = view(tmp_path, day=date(2026, 10, 1))
    old(record(LogLine("info", "long ago")))
    write = view(tmp_path, max_bytes=2_000)
    for number in range(20):
        write(record(LogLine("info", f"line {number}")))
    files = log_files(tmp_path)
    assert len(files) > 3
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    assert logs_folder(tmp_path).stat().st_mode & 0o777 == 0o700
    assert [line["message"] for line in read_log(tmp_path)] == ["long ago", *(f"line {n}" for n in range(20))]
    write(record(STARTED))
    assert next(read_log(tmp_path))["message"] == "line 0"


def test_only_files_of_the_log_are_ever_removed(tmp_path: Path) -> None:
    logs_folder(tmp_path).mkdir()
    for name in ("sdconsole-2020-01-01.jsonl", "sdconsole-2020-99-01.jsonl", "notes-2020-01-01.jsonl"):
        (logs_folder(tmp_path) / name).write_text("")
    remove_old(tmp_path, date(2026, 1, 1) - timedelta(days=30))
    assert {path.name for path in logs_folder(tmp_path).iterdir()} == {
        "sdconsole-2020-99-01.jsonl",
        "notes-2020-01-01.jsonl",
    }


def test_a_damaged_line_is_told_and_hides_no_other(tmp_path: Path) -> None:
    write = view(tmp_path)
    write(record(LogLine("info", "one")))
    with log_files(tmp_path)[0].open("ab") as file:
        file.write(b'{"half": \n')
    write(record(LogLine("info", "two")))
    with log_files(tmp_path)[0].open("ab") as file:
        file.write(b'{"torn')
    found = [(line["level"], line["message"]) for line in read_log(tmp_path)]
    assert [found[0], found[2]] == [("info", "one"), ("info", "two")]
    assert found[1][0] == "error"
    assert len(found) == 3


def test_a_log_that_cannot_be_written_is_switched_off_and_the_run_goes_on(tmp_path: Path) -> None:
    write = view(tmp_path)
    write(record(LogLine("info", "one")))
    path = log_files(tmp_path)[0]
    path.unlink()
    path.symlink_to(os.devnull)
    seen: list[Record] = []
    bus = Bus(RUN, journal=seen.append, views=(write,))
    bus.publish(StageStarted(StageName.LOAD))
    bus.publish(StageStarted(StageName.CUTOVER))
    lines = [found.event for found in seen]
    assert [type(event) for event in lines] == [StageStarted, LogLine, StageStarted]
    assert isinstance(lines[1], LogLine)
    assert "switched off" in lines[1].message


@pytest.mark.parametrize("stage", list(StageName))
def test_every_stage_has_a_gate(stage: StageName) -> None:
    assert GATES[stage]
