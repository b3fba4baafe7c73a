"""The journal, the fold and the bus: what any prefix of a run's record tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdconsole.core.bus import Bus
from sdconsole.core.events import (
    Answered,
    CheckResult,
    ErrorReport,
    Event,
    LiveChanged,
    LogLine,
    Measured,
    Progress,
    Record,
    RunFinished,
    RunResumed,
    RunStarted,
    ScoreReported,
    StageFinished,
    StageStarted,
    Waiting,
    from_json,
    to_dict,
    to_json,
)
from sdconsole.core.journal import Journal, read_journal
from sdconsole.core.model import Artifact, CheckStatus, RunKind, StageName, StageStatus
from sdconsole.core.plan import DEPLOY_STAGES
from sdconsole.core.projection import RunState, fold, step
from sdconsole.errors import OperationFailed, Verdict

STARTED = RunStarted(
    RunKind.DEPLOY, "complete", DEPLOY_STAGES, "export.db", "embedded", "servicedesk", "ann", "ops1", 1, "0.1.0"
)
stages = st.sampled_from(DEPLOY_STAGES)
texts = st.text(max_size=12)
numbers = st.floats(min_value=0, max_value=1e9, allow_nan=False)
events: st.SearchStrategy[Event] = st.one_of(
    st.just(STARTED),
    st.builds(RunResumed, texts, texts, st.integers(1, 9), st.lists(stages, max_size=4, unique=True).map(tuple)),
    st.builds(StageStarted, stages),
    st.builds(Progress, stages, texts, st.integers(0, 10**9), st.none() | st.integers(0, 10**9)),
    st.builds(Measured, stages, texts, numbers, texts, st.dictionaries(texts, texts, max_size=2)),
    st.builds(CheckResult, stages, texts, st.sampled_from(list(CheckStatus)), texts),
    st.builds(ScoreReported, stages, st.sampled_from(["before", "after"]), numbers, numbers, texts, st.just(())),
    st.builds(Waiting, texts, stages, texts, texts),
    st.builds(Answered, texts, stages, st.booleans(), texts, texts, texts),
    st.builds(LogLine, st.sampled_from(["debug", "info", "warning", "error"]), texts, st.none() | stages),
    st.builds(LiveChanged, stages, texts, st.none() | texts, texts, st.integers(1, 9), numbers),
    st.builds(
        StageFinished,
        stages,
        st.sampled_from([StageStatus.PASSED, StageStatus.WARNED, StageStatus.FAILED, StageStatus.INTERRUPTED]),
        numbers,
        texts,
        st.lists(st.builds(Artifact, texts, texts, st.integers(0, 9), st.none() | texts), max_size=2).map(tuple),
        st.dictionaries(texts, st.integers(), max_size=2),
        st.none() | st.builds(ErrorReport, texts, texts, texts, texts, texts, st.sampled_from(list(Verdict))),
    ),
    st.builds(RunFinished, st.sampled_from(list(Verdict)), numbers),
)
runs = st.lists(events, max_size=25).map(
    lambda happened: [
        Record(seq, "r-20261121-031500-7f3a", "2026-11-21T03:15:00.000Z", seq / 10, event)
        for seq, event in enumerate([STARTED, *happened], start=1)
    ]
)


@given(runs)
@settings(deadline=None, max_examples=150)
def test_every_event_survives_its_json_form(records: list[Record]) -> None:
    for record in records:
        assert from_json(to_json(record)) == record


@given(runs)
@settings(deadline=None, max_examples=150)
def test_any_prefix_folds_to_a_valid_state_and_folding_is_deterministic(records: list[Record]) -> None:
    whole = RunState()
    for length, record in enumerate(records, start=1):
        whole = step(whole, record)
        prefix = fold(records[:length])
        assert prefix == whole
        assert prefix.seq == length
        names = [stage.name for stage in prefix.stages]
        assert len(names) == len(set(names))
        assert set(prefix.results) <= set(names)
        assert all(
            stage.result is None or stage.error is None or stage.duration_seconds is not None for stage in prefix.stages
        )


@given(runs, st.data())
@settings(deadline=None, max_examples=60)
def test_a_journal_cut_at_any_byte_replays_as_a_prefix_and_can_be_continued(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "events.jsonl"
    with Journal(path) as journal:
        for record in records:
            journal(record)
    content = path.read_bytes()
    kept = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:kept])
    replayed = list(read_journal(path))
    assert replayed == records[: len(replayed)]
    assert len(replayed) == content[:kept].count(b"\n")
    with Journal(path) as journal:
        journal(replace(records[0], seq=len(replayed) + 1))
    assert [record.seq for record in read_journal(path)] == list(range(1, len(replayed) + 2))


@given(runs)
@settings(deadline=None, max_examples=60)
def test_reading_without_progress_leaves_out_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "events.jsonl"
    with Journal(path) as journal:
        for record in records:
            journal(record)
    kept = [record for record in records if not isinstance(record.event, Progress)]
    assert list(read_journal(path, progress=False)) == kept


def test_a_damaged_line_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = [to_json(Record(seq, "r", "t", 0.0, LogLine("info", "x"))) for seq in (1, 2, 3)]
    path.write_bytes(b"\n".join([lines[0], b'{"seq":2', lines[2]]) + b"\n")
    with pytest.raises(OperationFailed, match="cannot be trusted") as caught:
        list(read_journal(path))
    assert caught.value.slug == "journal-damaged"
    assert "line 2" in caught.value.cause


def test_a_gap_in_the_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = [to_json(Record(seq, "r", "t", 0.0, LogLine("info", "x"))) for seq in (1, 3)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(OperationFailed) as caught:
        list(read_journal(path))
    assert "has number 3" in caught.value.cause


def test_the_journal_is_private_and_follows_no_link(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with Journal(path) as journal:
        journal(Record(1, "r", "t", 0.0, LogLine("info", "x")))
    assert path.stat().st_mode & 0o777 == 0o600
    link = tmp_path / "link.jsonl"
    link.symlink_to(path)
    with pytest.raises(OSError, match=r"symbolic links|Too many levels"):
        Journal(link)


def test_the_journal_comes_before_the_views_and_a_failing_view_is_detached() -> None:
    seen: list[str] = []

    def journal(record: Record) -> None:
        seen.append(f"journal {record.seq}")

    def broken(record: Record) -> None:
        seen.append(f"broken {record.seq}")
        raise RuntimeError("no screen")

    def healthy(record: Record) -> None:
        seen.append(f"healthy {record.seq} {record.event.type}")

    bus = Bus("r", journal=journal, views=(broken, healthy))
    bus.publish(LogLine("info", "one"))
    bus.publish(LogLine("info", "two"))
    assert seen == [
        "journal 1",
        "broken 1",
        "journal 2",
        "healthy 2 log",
        "healthy 1 log",
        "journal 3",
        "healthy 3 log",
    ]


def test_a_failing_journal_stops_the_run() -> None:
    def full_disk(record: Record) -> None:
        raise OSError(28, "No space left on device")

    shown: list[Record] = []
    bus = Bus("r", journal=full_disk, views=(shown.append,))
    with pytest.raises(OSError, match="No space left"):
        bus.publish(LogLine("info", "one"))
    assert shown == []


def test_progress_is_limited_but_the_last_step_and_other_events_always_come_through() -> None:
    now = [0.0]
    shown: list[Record] = []
    bus = Bus(
        "r",
        journal=shown.append,
        clock=lambda: datetime(2026, 11, 21, tzinfo=UTC),
        monotonic=lambda: now[0],
    )
    for done in range(0, 10_001, 10):
        now[0] = done / 1000
        bus.publish(Progress(StageName.LOAD, "tickets", done, 10_000))
        if done % 1000 == 0:
            bus.publish(LogLine("info", f"at {done}"))
    progress = [record.event for record in shown if isinstance(record.event, Progress)]
    assert 90 <= len(progress) <= 102
    assert progress[-1].done == 10_000
    assert progress[-1].eta_seconds == 0.0
    assert progress[50].rate_per_second == pytest.approx(1000)
    assert progress[50].eta_seconds == pytest.approx((10_000 - progress[50].done) / 1000)
    assert sum(isinstance(record.event, LogLine) for record in shown) == 11
    assert all(b.seq == a.seq + 1 for a, b in pairwise(shown))


def test_a_record_of_another_schema_is_refused() -> None:
    data = to_dict(Record(1, "r", "t", 0.0, LogLine("info", "x"))) | {"schema": 2}
    with pytest.raises(ValueError, match="schema 2"):
        from_json(str(data).replace("'", '"').replace("None", "null").encode())


def test_text_that_utf8_cannot_hold_is_journalled_as_a_readable_escape(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with Journal(path) as journal:
        journal(Record(1, "r", "t", 0.0, LogLine("info", "caf\udce9.db is\nhere", StageName.LOAD)))
    [record] = read_journal(path)
    assert record.event == LogLine("info", "caf\\udce9.db is\nhere", StageName.LOAD)


def test_what_happens_within_a_stage_is_synced_with_the_stages_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync costs milliseconds, and a stage reports hundreds of checks."""
    path, on_disk = tmp_path / "events.jsonl", []
    monkeypatch.setattr("os.fsync", lambda _descriptor: on_disk.append(path.stat().st_size))
    told: list[Event] = [
        StageStarted(StageName.VALIDATE),
        Progress(StageName.VALIDATE, "rows", 1, 2),
        CheckResult(StageName.VALIDATE, "rows", CheckStatus.PASS, "as many"),
        LogLine("info", "half of it", StageName.VALIDATE),
        StageFinished(StageName.VALIDATE, StageStatus.PASSED, 1.0, "proved"),
    ]
    with Journal(path) as journal:
        bus = Bus("r-1", journal=journal, views=())
        for event in told:
            bus.publish(event)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == len(told)
    assert on_disk == [len(lines[0]), path.stat().st_size]
